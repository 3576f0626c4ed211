"""Workbooks and other packed files, of which every part is set."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# cell styles 1 to 5: a date, five digits, percent, a time, hours beyond a day
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts count="3"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/>'
    '<numFmt numFmtId="165" formatCode="00000"/><numFmt numFmtId="166" formatCode="[hh]:mm:ss"/></numFmts>'
    '<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="6">'
    + "".join(f'<xf numFmtId="{number}" xfId="0"/>' for number in (0, 164, 165, 9, 20, 166))
    + "</cellXfs></styleSheet>"
)


def cell(place: str, value: object, style: int = 0) -> str:
    """A cell's XML: a text, a number, a boolean, or XML as it is (with `r="` in it)."""
    if isinstance(value, str) and 'r="' in value:
        return value
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}" s="{style}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def sheet(rows: Sequence[Sequence[object]], dimension: str = "", after: str = "", styles: Sequence[int] = ()) -> str:
    """A worksheet's XML. after: what follows the rows; styles: of numbers, by column."""
    body = "".join(
        f'<row r="{number}">'
        + "".join(
            cell(f"{chr(65 + column)}{number}", value, styles[column] if column < len(styles) else 0)
            for column, value in enumerate(row)
        )
        + "</row>"
        for number, row in enumerate(rows, 1)
    )
    size = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f'<worksheet xmlns="{MAIN}">{size}<sheetData>{body}</sheetData>{after}</worksheet>'


def workbook(*sheets: str, states: Sequence[str] = (), names: Sequence[str] = ()) -> bytes:
    """An .xlsx file. states: `hidden` or `visible` of each sheet."""
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f'<sheet name="{names[n - 1] if names else f"Sheet{n}"}" sheetId="{n}"'
        f' state="{states[n - 1] if states else "visible"}" r:id="rId{n}"/>'
        for n in numbers
    )
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for n in numbers
    )
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{office}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{office}.styles+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
        )
        + f'<Relationship Id="rId99" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
        **{f"xl/worksheets/sheet{n}.xml": xml for n, xml in zip(numbers, sheets, strict=True)},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return packed.getvalue()


def open_document(rows: str) -> bytes:
    """An .ods file with these `table:table-row` elements."""
    spaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr(
            "content.xml",
            f"<office:document-content{spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="Inns">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return packed.getvalue()


def old_workbook(rows: Sequence[Sequence[object]], merged: Sequence[int] = (), formats: Sequence[str] = ()) -> bytes:
    """An .xls file. merged: top, bottom, left, right from 0; formats: of numbers, by column."""
    from xlwt import Workbook, easyxf

    book, content = Workbook(), io.BytesIO()
    written = book.add_sheet("Inns", cell_overwrite_ok=True)
    styles = [easyxf(num_format_str=name) for name in formats or ["General"] * len(rows[0])]
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            written.write(number, column, value, styles[column])
    if merged:
        written.merge(*merged)
    book.save(content)
    return content.getvalue()


def zipped(**files: bytes) -> bytes:
    """A zip; a name's first underscore stands for its dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("_", ".", 1), content)
    return packed.getvalue()


def zipped_anew(content: bytes, replaced: Mapping[str, str]) -> bytes:
    """The zip with other words in its parts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            part = old.read(name).decode()
            for word, other in replaced.items():
                part = part.replace(word, other)
            new.writestr(name, part)
    return packed.getvalue()


def arrow(records: list[dict[str, str]], whole: bool) -> bytes:
    """Rows as Feather writes them, or as a stream."""
    import pyarrow

    rows, content = pyarrow.Table.from_pylist(records), io.BytesIO()
    with (pyarrow.ipc.new_file if whole else pyarrow.ipc.new_stream)(content, rows.schema) as file:
        file.write_table(rows)
    return content.getvalue()
