"""The rows of a workbook's sheet, each cell as the sheet shows it, in the process of their own (see `apart`).

Excel's format by openpyxl, whatever size the sheet says it has; formulas by the values kept in the file. For others see
`old_excel` and `open_document`.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import quoteattr

from prefix_core.data import old_excel, open_document
from prefix_core.data.apart import Refused, tell
from prefix_core.data.opened import OLD_EXCEL
from prefix_core.data.shown import shown

MOST_MERGED = 20_000
LOOKED_AT = 30  # rows, to see whether a sheet holds a table
Row = tuple[int, list[str]]
Merged = tuple[int, int, int, int]  # top, bottom, left, right; from 1

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OPEN, _STRICT = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
_HIDDEN = re.compile(rb'<(?:\w+:)?(row|col)\s[^>]*?hidden="(?:1|true)"')
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_NO_VALUE = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


def prepare() -> None:
    import openpyxl  # noqa: F401
    import xlrd  # noqa: F401
    from openpyxl.utils import escape  # noqa: F401


def tell_rows(path: str, wanted: str) -> None:
    sheets = _sheets(path)
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


def _sheets(path: str) -> dict[str, Any]:
    """Of every sheet by its name: a function that gives its rows, and whether it is hidden."""
    with open(path, "rb") as file:
        if file.read(4) == OLD_EXCEL:
            return _of_old_excel(path)
    with zipfile.ZipFile(path) as packed:
        others = "content.xml" in packed.namelist()
    return open_document.sheets(path) if others else _excel(path)


def _of_old_excel(path: str) -> dict[str, Any]:
    def rows_of(rows: Callable[[], Iterator[list[str]]], merged: list[Merged]) -> Callable[[], Iterator[Row]]:
        return lambda: _unmerged(rows(), merged)

    return {name: (rows_of(rows, merged), hidden) for name, rows, merged, hidden in old_excel.sheets(path)}


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
    excel.ExcelReader.read_chartsheet = lambda *chart: None  # holds no cells
    excel.apply_stylesheet = lambda archive, book: apply_stylesheet(_NumberFormats(archive), book)
    # Of a path the name's end would have to be right; of a file it need not.
    file = io.BytesIO(_transitional(Path(path).read_bytes()))
    book = load_workbook(file, read_only=True, data_only=True, keep_links=False)

    def rows_of(sheet: Any) -> Any:
        return lambda: _excel_rows(path, sheet)

    return {sheet.title: (rows_of(sheet), sheet.sheet_state != "visible") for sheet in book.worksheets}


def _transitional(content: bytes) -> bytes:
    """The workbook under the names that the library knows; "Strict Open XML" has others for the same things."""
    with zipfile.ZipFile(io.BytesIO(content)) as strict:
        if _STRICT not in strict.read("xl/workbook.xml"):
            return content
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name in strict.namelist():
                part = strict.read(name).replace(_STRICT + b"spreadsheetml/", _OPEN + b"spreadsheetml/2006/")
                part = part.replace(_STRICT + b"officeDocument/", _OPEN + b"officeDocument/2006/")
                archive.writestr(name, part)
    return written.getvalue()


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
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    merged = _raw(path, sheet)
    return _unmerged((list(map(_excel_text, row)) for row in sheet.iter_rows()), merged)


def _excel_text(cell: Any) -> str:
    from openpyxl.utils.escape import unescape

    if cell.data_type == "e":
        tell("note", f"{cell.coordinate} holds the error {str(cell.value)[:20]} and is taken as empty")
        return ""
    text = shown(cell.value, cell.number_format) if cell.value is not None else ""
    return unescape(text) if "_x" in text else text


def _unmerged(rows: Iterator[list[str]], merged: list[Merged]) -> Iterator[Row]:
    """The rows with their numbers; merged cells filled. Raises `Refused` where columns of the head are merged."""
    head, kept = True, dict[Merged, str]()
    for number, cells in enumerate(rows, 1):
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
            for hidden in set(_HIDDEN.findall(text)):
                which = {b"row": "rows", b"col": "columns"}[hidden]
                tell("note", f"some {which} are hidden in the sheet; they are read, too")
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
