"""The rows of an Excel workbook's sheets, each cell as the sheet shows it.

.xlsx by openpyxl, whatever size a sheet says it has, and formulas by the values kept in the file; .xls, as Excel wrote
until 2003, by xlrd.
"""

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import quoteattr

from prefix_core.data.apart import Refused, tell

MOST_MERGED = 20_000
Merged = tuple[int, int, int, int]  # top, bottom, left, right; from 1

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OPEN, _STRICT = b"http://schemas.openxmlformats.org/", b"http://purl.oclc.org/ooxml/"
_HIDDEN = re.compile(rb'<(?:\w+:)?(row|col)\s[^>]*?hidden="(?:1|true)"')
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s[^>]*?ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_NO_VALUE = re.compile(
    rb"<(?:\w+:)?c\s([^>]*)>\s*<(?:\w+:)?f(?:\s[^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_SECTIONS = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
_NUMBER = re.compile(
    r"(?P<before>[^#0?.,]*)(?P<whole>[#0,?]+)(?:\.(?P<part>[#0?]+))?(?P<percent>\s?%)?(?P<after>[^#0?.,%]*)"
)


class Worksheet(NamedTuple):
    """read: gives the rows from the first one on, blank ones included, and which cells are merged."""

    read: Callable[[], tuple[Iterator[list[str]], list[Merged]]]
    hidden: bool


def sheets(path: str) -> dict[str, Worksheet]:
    """Every sheet of an .xlsx file by its name."""
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
    return {
        sheet.title: Worksheet(partial(_read, path, sheet), sheet.sheet_state != "visible") for sheet in book.worksheets
    }


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


def _read(path: str, sheet: Any) -> tuple[Iterator[list[str]], list[Merged]]:
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    merged = _raw(path, sheet)
    return (list(map(_text, row)) for row in sheet.iter_rows()), merged


def _text(cell: Any) -> str:
    from openpyxl.utils.escape import unescape

    if cell.data_type == "e":
        tell("note", f"{cell.coordinate} holds the error {str(cell.value)[:20]} and is taken as empty")
        return ""
    text = shown(cell.value, cell.number_format) if cell.value is not None else ""
    return unescape(text) if "_x" in text else text


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


# ----------------------------------------------------------------------------------------------------------------- .xls


def old_sheets(path: str) -> dict[str, Worksheet]:
    """Every sheet of an .xls file by its name."""
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

    found = {}
    for sheet in book.sheets():
        if len(sheet.merged_cells) > MOST_MERGED:
            raise Refused(f": more than {MOST_MERGED:,} merged cells. Save the table as CSV (UTF-8).")
        found[sheet.name] = Worksheet(partial(_old_read, book, sheet), sheet.visibility != 0)
    return found


def _old_read(book: Any, sheet: Any) -> tuple[Iterator[list[str]], list[Merged]]:
    merged = sorted((top + 1, bottom, left + 1, right) for top, bottom, left, right in sheet.merged_cells)
    return ([_old_text(book, cell) for cell in row] for row in sheet.get_rows()), merged


def _old_text(book: Any, cell: Any) -> str:
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


# ------------------------------------------------------------------------------------------------------- number formats


def shown(value: Any, number_format: str) -> str:
    """`0.15` in the format `0%` -> 15%; 123 in `00000` -> 00123; dates and times as ISO 8601 writes them.

    What a format does beyond digits, groups, percent and words around them (fractions, exponents) is left out: the
    number is written in full.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d} {_clock(value, number_format)}" if _has_time(number_format) else f"{value:%Y-%m-%d}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _clock(value, number_format)
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds or "s" in number_format.lower() else "")
    if isinstance(value, int | float):
        return _number(value, number_format or "General")
    return str(value)


def _has_time(number_format: str) -> bool:
    bare = re.sub(r'"[^"]*"|\[(?!h|m|s)[^\]]*\]|\\.', "", number_format.lower())
    return bool(re.search("[hs]", bare))


def _clock(value: datetime.datetime | datetime.time, number_format: str) -> str:
    return f"{value:%H:%M:%S}" if value.second or "s" in number_format.lower() else f"{value:%H:%M}"


def _number(value: float, number_format: str) -> str:
    sections = _SECTIONS.split(number_format)
    section = (
        sections[1]
        if value < 0 and len(sections) > 1
        else sections[2]
        if value == 0 and len(sections) > 2
        else sections[0]
    )
    signed = value < 0 and len(sections) > 1
    bare = re.sub(r"\[\$([^\]-]*)[^\]]*\]", r"\1", section)  # [$£-809] -> £
    bare = re.sub(r"\[[^\]]*\]|_.|\*.", "", bare)  # colours, conditions, padding
    bare = re.sub(r'"([^"]*)"|\\(.)', lambda match: match[1] or match[2] or "", bare).strip()
    found = _NUMBER.fullmatch(bare)
    if not found or bare.lower() == "general" or found["whole"].endswith(","):  # a last comma: in thousands
        return plain(value)
    part = found["part"] or ""
    number = Decimal(plain(abs(value) if signed else value)) * (100 if found["percent"] else 1)
    if abs(number) > 10**20:
        return plain(value)
    number = number.quantize(Decimal(1).scaleb(-len(part)), ROUND_HALF_UP)
    text = f"{number:,f}" if "," in found["whole"] else f"{number:f}"
    for _ in range(len(part) - len(part.rstrip("#?"))):
        text = text.removesuffix("0")
    text = text.removesuffix(".")
    digits = found["whole"].replace(",", "").count("0") if "," not in found["whole"] else 0
    head, dot, tail = text.removeprefix("-").partition(".")
    minus = "-" if text.startswith("-") else ""
    return f"{found['before']}{minus}{head.zfill(digits)}{dot}{tail}{found['percent'] or ''}{found['after']}".strip()


def plain(value: float) -> str:
    """A number in full, to the fifteen digits that a spreadsheet keeps."""
    if isinstance(value, int) or value != value or abs(value) == float("inf"):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"
