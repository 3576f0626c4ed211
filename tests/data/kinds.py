"""Small files as people's tools write them, each made here; and workbooks of which every part is set."""

import io
import json
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

ROWS = [(f"name[Inn {n}], area[quay]", f"Inn {n} is on the quay.") for n in range(12)]
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


def table(separator: str = ",", head: Sequence[str] = ("mr", "ref"), end: str = "\n", quotes: bool = True) -> str:
    """The rows as text; quotes: around cells."""
    quote = '"' if quotes else ""
    lines = [separator.join(head), *(separator.join(f"{quote}{cell}{quote}" for cell in row) for row in ROWS)]
    return end.join(lines) + end


def lines(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


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


HEAD_AND_ROWS = [("mr", "ref"), *ROWS]
OBJECTS = [{"mr": mr, "ref": ref} for mr, ref in ROWS]
PLAIN_TSV = table("\t", quotes=False)

# Every one of these is the twelve rows above, in the columns that are their names.
THE_TWELVE: dict[str, bytes] = {
    "plain.csv": table().encode(),
    "numbered_by_r.csv": b'"mr","ref"\n' + b"".join(
        f'"{number}","{mr}","{ref}"\n'.encode() for number, (mr, ref) in enumerate(ROWS, 1)
    ),
    "blocks.txt": "\n".join(f"mr: {mr}\nref: {ref}\n" for mr, ref in ROWS).encode(),
    "python.jsonl": "".join(f"{ {'mr': mr, 'ref': ref, 'ok': True}!r}\n" for mr, ref in ROWS).encode(),
    "crlf.csv": table(end="\r\n").encode(),
    "cr.csv": table(end="\r").encode(),
    "cr.tsv": table("\t", end="\r", quotes=False).encode(),
    "crcrlf.csv": table(end="\r\r\n").encode(),
    "semicolon.csv": table(";", quotes=False).encode(),
    "pipe.csv": table("|", quotes=False).encode(),
    "tab.csv": PLAIN_TSV.encode(),
    "unknown.dat": table(";").encode(),
    "named.txt": PLAIN_TSV.encode(),
    "space_after_comma.csv": table(", ").encode(),
    "sep_line.csv": b"sep=;\r\n" + table(";", end="\r\n", quotes=False).encode(),
    "comment.csv": b"# exported 2024-01-01\n" + table().encode(),
    "blank_first.csv": b"\n\n" + table().encode(),
    "blank_first_semicolon.csv": b"\n" + table(";", quotes=False).encode(),
    "blank_between.csv": table(end="\n\n").encode(),
    "title.csv": b"Our inns,\n" + table().encode(),
    "double_bom.csv": ("\ufeff\ufeff" + table()).encode(),
    "bom_in_a_cell.csv": table().replace("name[Inn 3", "\ufeffname[Inn 3").encode(),
    "ctrl_z.csv": table().encode() + b"\x1a",
    "utf16.csv": table().encode("utf-16"),
    "utf16_without_its_mark.csv": table().encode("utf-16-le"),
    "utf32.tsv": PLAIN_TSV.encode("utf-32"),
    "trailing_columns.csv": table().replace("\n", ",,\n").encode(),
    "pandas_index.csv": "\n".join(
        f"{'' if n == 0 else n - 1},{line}" for n, line in enumerate(table().splitlines())
    ).encode(),
    "pandas_index_again.csv": "\n".join(
        f"{'Unnamed: 0' if n == 0 else n - 1},{line}" for n, line in enumerate(table().splitlines())
    ).encode(),
    "joined_with_heads.csv": (table() + "mr,ref\n").encode(),
    "backslashes.csv": ("mr,ref,note\n" + "".join(f'"{mr}","{ref}","a \\"b\\", c"\n' for mr, ref in ROWS)).encode(),
    "table.md": ("| mr | ref |\n|---|:-:|\n" + "".join(f"| {mr} | {ref} |\n" for mr, ref in ROWS)).encode(),
    "lines.jsonl": lines(*OBJECTS),
    "lines.json": lines(*OBJECTS),
    "array.json": json.dumps(OBJECTS).encode(),
    "array.jsonl": json.dumps(OBJECTS).encode(),
    "pretty.jsonl": json.dumps(OBJECTS, indent=1).encode(),
    "pretty_objects.json": "\n".join(json.dumps(record, indent=1) for record in OBJECTS).encode(),
    "commas.jsonl": ",\n".join(json.dumps(record) for record in OBJECTS).encode(),
    "comments.jsonl": b"// our inns\n" + lines(*OBJECTS) + b"# end\n",
    "data.json": json.dumps({"version": "1", "data": OBJECTS}).encode(),
    "viewer.json": json.dumps({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(OBJECTS)]}).encode(),
    "split.json": json.dumps({"columns": ["mr", "ref"], "index": list(range(12)), "data": ROWS}).encode(),
    "columns.json": json.dumps({"mr": [mr for mr, _ in ROWS], "ref": [ref for _, ref in ROWS]}).encode(),
    "by_column.json": json.dumps(
        {"mr": {str(n): mr for n, (mr, _) in enumerate(ROWS)}, "ref": {str(n): ref for n, (_, ref) in enumerate(ROWS)}}
    ).encode(),
    "by_index.json": json.dumps({str(n): record for n, record in enumerate(OBJECTS)}).encode(),
    "values.json": json.dumps(HEAD_AND_ROWS).encode(),
    "ragged.jsonl": lines(*({**record, "note": "x"} if n == 5 else record for n, record in enumerate(OBJECTS))),
    "gem.jsonl": lines(*({"gem_id": f"e-{n}", "meaning_representation": mr, "target": ref, "references": []}
                         for n, (mr, ref) in enumerate(ROWS))),
    "null_references.jsonl": lines(*({"mr": mr, "references": None, "ref": ref} for mr, ref in ROWS)),
    "empty_reference.jsonl": lines(*({"mr": mr, "references": [ref, ""]} for mr, ref in ROWS)),
    "cleaned.csv": ("mr,ref,fixed,orig_mr\n"
        + "".join(f'"{mr}","{ref}",1,"{mr}, near[x]"\n' for mr, ref in ROWS)).encode(),
    "ids.csv": ("gem_id,mr,ref\n" + "".join(f'e-{n},"{mr}","{ref}"\n' for n, (mr, ref) in enumerate(ROWS))).encode(),
    "plain.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:B13")),
    "no_size.xlsx": workbook(sheet(HEAD_AND_ROWS)),
    "size_a1.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1")),
    "size_a1a1.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:A1")),
    "size_b2.xlsx": workbook(sheet(HEAD_AND_ROWS, "A1:B5")),
    "named_csv.csv": workbook(sheet(HEAD_AND_ROWS, "A1:B13")),
    "far_cell.xlsx": workbook(sheet([*HEAD_AND_ROWS, ()], "A1:XFD9000").replace(
        '<row r="14"></row>', '<row r="9000"><c r="XFD9000" t="inlineStr"><is><t> </t></is></c></row>')),
    "hidden_first.xlsx": workbook(
        sheet([("key", "value"), ("k", "v")]), sheet(HEAD_AND_ROWS), states=("hidden", "visible")),
    "readme_first.xlsx": workbook(sheet([("Read me",), ("All about inns",)]), sheet(HEAD_AND_ROWS)),
    "title.xlsx": workbook(sheet(
        [("Our inns",), (), *HEAD_AND_ROWS], after='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>')),
    "line_break.xlsx": workbook(sheet(
        [HEAD_AND_ROWS[0], *((mr, ref.replace(" ", "_x000D_\n", 1)) for mr, ref in ROWS)])),
    "formula.xlsx": workbook(sheet([("mr", "ref"), *(
        (mr, f'<c r="B{n}" t="str"><f>"Inn "</f><v>{ref}</v></c>') for n, (mr, ref) in enumerate(ROWS, 2))])),
    "plain.ods": open_document("".join(
        "<table:table-row>" + "".join(f"<table:table-cell><text:p>{part}</text:p></table:table-cell>" for part in row)
        + "</table:table-row>" for row in HEAD_AND_ROWS)),
}  # fmt: skip
