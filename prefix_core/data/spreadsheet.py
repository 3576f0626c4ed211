"""The rows of a workbook's sheet, in the process of their own (see `apart`): which sheet is meant, and merged cells.

Excel's are read by `excel`; OpenDocument's (.ods), which keep each cell's text as it is shown beside its value, here.
"""

import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from xml.etree.ElementTree import Element, iterparse

from prefix_core.data import excel
from prefix_core.data.apart import Below, Refused, tell
from prefix_core.data.opened import OLD_EXCEL

LOOKED_AT = 30  # rows, to see whether a sheet holds a table
Row = tuple[int, list[str]]
Unread = tuple[Callable[[], Iterator[Row]], bool]  # gives its rows; whether it is hidden

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
MOST_COLUMNS = 20_000


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


def _sheets(path: str) -> dict[str, Unread]:
    """Every sheet by its name."""
    with open(path, "rb") as file:
        old = file.read(4) == OLD_EXCEL
    if not old:
        with zipfile.ZipFile(path) as packed:
            others = "content.xml" in packed.namelist()
        if others:
            return _open_document(path)
    found = excel.old_sheets(path) if old else excel.sheets(path)
    return {name: (partial(_unmerged, sheet), sheet.hidden) for name, sheet in found.items()}


def _look(rows: Iterator[Row]) -> int:
    """Of a sheet's first rows: the most cells that are filled in one; 0 or 1 where there is no row below a head."""
    widths = []
    for _, cells in rows:
        if filled := sum(bool(cell.strip()) for cell in cells):
            widths.append(filled)
        if len(widths) == LOOKED_AT:
            break
    return min(1, len(widths)) if len(widths) < 2 else max(widths)


def _unmerged(sheet: excel.Worksheet) -> Iterator[Row]:
    """The rows with their numbers; merged cells filled. Raises `Refused` where columns of the head are merged."""
    rows, merged = sheet.read()
    head, below = True, Below()
    for number, cells in enumerate(rows, 1):
        if head and sum(map(bool, cells)) > 1:
            head = False
            if across := next((spot for spot in merged if spot[0] <= number <= spot[1] and spot[2] < spot[3]), None):
                raise Refused(
                    f", row {number}: merged cells in the head (column {across[2]}). Name each column for itself."
                )
        below.fill(cells)
        for top, bottom, left, right in merged:
            if number == top < bottom:
                tell(
                    "note", f"rows {top} to {bottom} share a merged cell in column {left}: its text is in each of them"
                )
                if left <= len(cells) and cells[left - 1]:
                    below[left - 1] = (bottom - top, cells[left - 1])
            if number == top > 1 and left < right:
                tell("note", f"row {top} has cells merged across columns {left} to {right}: only the first is filled")
        yield number, cells


# --------------------------------------------------------------------------------------------------------- OpenDocument


def _open_document(path: str) -> dict[str, Unread]:
    """Every sheet of an .ods file by its name."""
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
    return {name: (partial(_rows, path, name), hidden) for name, hidden in names}


def _elements(path: str) -> Iterator[tuple[str, Element]]:
    with zipfile.ZipFile(path) as packed, packed.open("content.xml") as file:
        for event, element in iterparse(file, ("start", "end")):
            yield event, element
            if event == "end" and element.tag in (_TABLE + "table-row", _TABLE + "table"):
                element.clear()


def _rows(path: str, name: str) -> Iterator[Row]:
    inside, number = False, 0
    below = Below()
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
        below.fill(cells)
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
