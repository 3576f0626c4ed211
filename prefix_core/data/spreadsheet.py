"""The rows of a workbook's sheet, each cell as the sheet shows it, in the process of their own (see `apart`).

Excel's format by openpyxl, whatever size the sheet says it has; formulas by the values kept in the file. OpenDocument
keeps each cell's text beside its value.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring, iterparse
from xml.sax.saxutils import quoteattr

from prefix_core.data.apart import Refused, tell
from prefix_core.data.shown import shown

MOST_MERGED = 20_000
LOOKED_AT = 30  # rows, to see whether a sheet holds a table
Row = tuple[int, list[str]]
Merged = tuple[int, int, int, int]  # top, bottom, left, right; from 1

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_NO_VALUE = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


def prepare() -> None:
    import openpyxl  # noqa: F401
    from openpyxl.utils import escape  # noqa: F401


def tell_rows(path: str, wanted: str) -> None:
    with zipfile.ZipFile(path) as packed:
        open_document = "content.xml" in packed.namelist()
    sheets = _open_document(path) if open_document else _excel(path)
    visible = {name: rows for name, (rows, hidden) in sheets.items() if not hidden}
    if wanted:
        if wanted not in sheets:
            raise Refused(f": there is no sheet “{wanted}”. There are: {', '.join(sheets)}.")
        chosen = wanted
    else:
        # A sheet of one column, such as a read-me, is chosen only where nothing else is there.
        looked = {name: _look(rows()) for name, rows in visible.items()}
        tables = [name for name, width in looked.items() if width > 1] or [
            name for name, width in looked.items() if width
        ]
        if len(tables) > 1:
            tell("choose", tables)
            return
        if not tables:
            raise Refused(": the file has no rows.")
        (chosen,) = tables
    tell("sheet", chosen, [name if name in visible else f"{name} (hidden)" for name in sheets if name != chosen])
    for number, cells in sheets[chosen][0]():
        if any(map(str.strip, cells)):
            tell("row", number, cells)


def _look(rows: Iterator[Row]) -> int:
    """Of a sheet's first rows: the most cells that are filled in one; 0 or 1 where there is no row below a head."""
    widths = []
    for _, cells in rows:
        if filled := sum(bool(cell.strip()) for cell in cells):
            widths.append(filled)
        if len(widths) == LOOKED_AT:
            break
    return min(1, len(widths)) if len(widths) < 2 else max(widths)


# ------------------------------------------------------------------------------------------------------------- Excel


def _excel(path: str) -> dict[str, Any]:
    from openpyxl import load_workbook
    from openpyxl.reader import excel
    from openpyxl.styles.stylesheet import apply_stylesheet

    # Of a workbook's styles number formats are all that counts; fonts and fills, which some tools write in ways that
    # the library refuses, stay unread.
    excel.apply_stylesheet = lambda archive, book: apply_stylesheet(_NumberFormats(archive), book)
    # Of a path the name's end would have to be right; of a file it need not.
    book = load_workbook(io.BytesIO(Path(path).read_bytes()), read_only=True, data_only=True, keep_links=False)

    def rows_of(sheet: Any) -> Any:
        return lambda: _excel_rows(path, sheet)

    return {sheet.title: (rows_of(sheet), sheet.sheet_state != "visible") for sheet in book.worksheets}


class _NumberFormats:
    """A workbook's archive whose styles are its number formats alone."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive

    def read(self, name: str) -> bytes:
        styles = fromstring(self.archive.read(name))
        formats = [(xf.get("numFmtId", ""), xf.get("formatCode", "")) for xf in styles.iterfind(f"{_MAIN}numFmts/*")]
        codes = "".join(f"<numFmt numFmtId={quoteattr(key)} formatCode={quoteattr(code)}/>" for key, code in formats)
        cells = [xf.get("numFmtId", "0") for xf in styles.iterfind(f"{_MAIN}cellXfs/{_MAIN}xf")]
        xfs = "".join(f"<xf numFmtId={quoteattr(key)}/>" for key in cells or ["0"])
        formats_alone = f"<numFmts>{codes}</numFmts><cellXfs>{xfs}</cellXfs>"
        return f'<styleSheet xmlns="{_MAIN[1:-1]}">{formats_alone}</styleSheet>'.encode()


def _excel_rows(path: str, sheet: Any) -> Iterator[Row]:
    from openpyxl.utils.escape import unescape

    sheet.reset_dimensions()  # what the file says of its size is often wrong
    merged, head = _raw(path, sheet), True
    kept: dict[Merged, str] = {}
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = []
        for cell in row:
            if cell.data_type == "e":
                tell("note", f"{cell.coordinate} holds the error {str(cell.value)[:20]} and is taken as empty")
                cells.append("")
                continue
            text = shown(cell.value, cell.number_format) if cell.value is not None else ""
            cells.append(unescape(text) if "_x" in text else text)
        if head and sum(map(bool, cells)) > 1:
            head = False
            if across := next((spot for spot in merged if spot[0] <= number <= spot[1] and spot[2] < spot[3]), None):
                raise Refused(
                    f", row {number}: merged cells in the head (column {across[2]}). Name each column for itself."
                )
        yield number, _filled_down(number, cells, merged, kept)


def _filled_down(number: int, cells: list[str], merged: list[Merged], kept: dict[Merged, str]) -> list[str]:
    """A cell merged over several rows says the same in each of them."""
    for top, bottom, left, right in merged:
        if top <= number <= bottom and top < bottom:
            if number == top:
                kept[top, bottom, left, right] = cells[left - 1] if left <= len(cells) else ""
                tell(
                    "note", f"rows {top} to {bottom} share a merged cell in column {left}: its text is in each of them"
                )
            elif text := kept.get((top, bottom, left, right)):
                cells += [""] * (left - len(cells))
                cells[left - 1] = text
        if number == top and left < right and top > 1:
            tell("note", f"row {top} has cells merged across columns {left} to {right}: only the first is filled")
    return cells


def _raw(path: str, sheet: Any) -> list[Merged]:
    """Merged cells. Raises `Refused` for formulas whose values are not in the file."""
    from openpyxl.utils import column_index_from_string as column

    found: list[Merged] = []
    with zipfile.ZipFile(path) as packed, packed.open(sheet._worksheet_path) as file:
        rest = b""
        while piece := file.read(1 << 20):
            text = rest + piece
            end = text.rfind(b"</c>") + 4 if b"</c>" in text[-5000:] else len(text)
            for match in _MERGED.finditer(text):
                left, top, right, bottom = match.groups()
                found.append((int(top), int(bottom), column(left.decode()), column(right.decode())))
            if len(found) > MOST_MERGED:
                raise Refused(f": more than {MOST_MERGED:,} merged cells. Save the table as CSV (UTF-8).")
            for match in _NO_VALUE.finditer(text, 0, end):
                if b't="str"' not in match[1]:
                    place = re.search(rb'r="(\w+)"', match[1])
                    where = place[1].decode() if place else "a cell"
                    raise Refused(
                        f": {where} holds a formula whose value is not in the file. Open it in a spreadsheet program"
                        " and save it, or save it as CSV (UTF-8)."
                    )
            rest = text[end:] if len(text) - end < 200_000 else b""
    return sorted(set(found))


# ------------------------------------------------------------------------------------------------------ OpenDocument

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
MOST_COLUMNS = 20_000


def _open_document(path: str) -> dict[str, Any]:
    hidden_styles, names = set(), []
    style = ""
    for event, element in _elements(path):
        if event == "start" and element.tag == _STYLE + "style":
            style = element.get(_STYLE + "name", "")
        if (
            event == "start"
            and element.tag == _STYLE + "table-properties"
            and element.get(_TABLE + "display") == "false"
        ):
            hidden_styles.add(style)
        if event == "start" and element.tag == _TABLE + "table":
            names.append((element.get(_TABLE + "name", ""), element.get(_TABLE + "style-name") in hidden_styles))

    def rows_of(name: str) -> Any:
        return lambda: _open_document_rows(path, name)

    return {name: (rows_of(name), hidden) for name, hidden in names}


def _elements(path: str) -> Iterator[tuple[str, Element]]:
    with zipfile.ZipFile(path) as packed, packed.open("content.xml") as file:
        for event, element in iterparse(file, ("start", "end")):
            yield event, element
            if event == "end" and element.tag in (_TABLE + "table-row", _TABLE + "table"):
                element.clear()


def _open_document_rows(path: str, name: str) -> Iterator[Row]:
    inside, number = False, 0
    below: dict[int, tuple[int, str]] = {}  # column -> rows that a merged cell goes on for, and its text
    for event, element in _elements(path):
        if element.tag == _TABLE + "table":
            inside = event == "start" and element.get(_TABLE + "name", "") == name
        if not inside or event != "end" or element.tag != _TABLE + "table-row":
            continue
        cells: list[str] = []
        for cell in element:
            covered = cell.tag == _TABLE + "covered-table-cell"
            if not covered and cell.tag != _TABLE + "table-cell":
                continue
            times = int(cell.get(_TABLE + "number-columns-repeated", "1"))
            text = "\n".join(_paragraph(part) for part in cell if part.tag == _TEXT + "p")
            if not text and len(cells) + times > MOST_COLUMNS:
                break
            if len(cells) + times > MOST_COLUMNS:
                raise Refused(f", row {number + 1}: more than {MOST_COLUMNS:,} columns.")
            if (rows := int(cell.get(_TABLE + "number-rows-spanned", "1"))) > 1:
                below[len(cells)] = (rows, text)
            cells += [text] * times
        for column, (left, text) in list(below.items()):
            cells += [""] * (column + 1 - len(cells))
            cells[column] = text
            below[column] = (left - 1, text)
            if left == 1:
                del below[column]
        times = int(element.get(_TABLE + "number-rows-repeated", "1"))
        for _ in range(times if any(cells) else 1):
            number += 1
            yield number, cells
        number += times - 1 if not any(cells) else 0


def _paragraph(element: Element) -> str:
    """Its text, with blanks, tabs and line breaks, which are elements; notes and comments are left out."""
    text = element.text or ""
    for part in element:
        if part.tag == _TEXT + "s":
            text += " " * min(100, int(part.get(_TEXT + "c", "1")))
        elif part.tag == _TEXT + "tab":
            text += "\t"
        elif part.tag == _TEXT + "line-break":
            text += "\n"
        elif part.tag in (_TEXT + "span", _TEXT + "a"):
            text += _paragraph(part)
        text += part.tail or ""
    return text
