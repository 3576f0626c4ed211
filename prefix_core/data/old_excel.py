"""The rows of a workbook as Excel wrote it until 2003 (.xls), each cell as the sheet shows it, by xlrd."""

import datetime
import io
from collections.abc import Callable, Iterator
from typing import Any

from prefix_core.data.apart import Refused, tell
from prefix_core.data.shown import shown

MOST_MERGED = 20_000
Sheet = tuple[str, Callable[[], Iterator[list[str]]], list[tuple[int, int, int, int]], bool]


def sheets(path: str) -> Iterator[Sheet]:
    """(name, function that gives the rows, merged cells: top, bottom, left, right from 1, whether it is hidden)."""
    import xlrd

    try:
        # Rows as long as they are: a cell far away costs nothing. What xlrd has to say of a file is for nobody here.
        book = xlrd.open_workbook(path, logfile=io.StringIO(), formatting_info=True, ragged_rows=True)
    except xlrd.XLRDError as error:
        if "encrypted" in str(error).lower():
            raise Refused(": the workbook has a password. Save it without one.") from None
        if "find workbook" in str(error).lower():  # Excel puts a newer one with a password into the same container
            raise Refused(": no workbook is in it, or one with a password. Save it as .xlsx, without one.") from None
        raise

    def rows_of(sheet: Any) -> Callable[[], Iterator[list[str]]]:
        return lambda: ([_text(book, cell) for cell in row] for row in sheet.get_rows())

    for sheet in book.sheets():
        if len(sheet.merged_cells) > MOST_MERGED:
            raise Refused(f": more than {MOST_MERGED:,} merged cells. Save the table as CSV (UTF-8).")
        merged = sorted((top + 1, bottom, left + 1, right) for top, bottom, left, right in sheet.merged_cells)
        yield sheet.name, rows_of(sheet), merged, sheet.visibility != 0


def _text(book: Any, cell: Any) -> str:
    import xlrd

    value = cell.value
    if cell.ctype == xlrd.XL_CELL_ERROR:
        tell("note", f"the error {xlrd.error_text_from_code.get(value, value)} is taken as empty")
        return ""
    if cell.ctype in (xlrd.XL_CELL_TEXT, xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return str(value)
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return shown(bool(value), "")
    number_format = book.format_map[book.xf_list[cell.xf_index].format_key].format_str
    if cell.ctype == xlrd.XL_CELL_DATE:
        if "[h" in number_format.lower():
            return shown(datetime.timedelta(days=value), number_format)
        moment = xlrd.xldate_as_datetime(value, book.datemode)
        return shown(moment.time() if value < 1 else moment, number_format)
    return shown(value, number_format)
