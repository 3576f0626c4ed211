"""The rows of XML and HTML, in the process of their own (see `apart`).

XML: WebNLG's entries, or `<rows><row><mr>..</mr><ref>..</ref></row>..</rows>`, where attributes are columns, too. HTML:
the one table of a page; many programs write such a page and call it `.xls`.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, iterparse

from prefix_core.data.apart import Below, Refused, tell
from prefix_core.data.characters import encoding_of
from prefix_core.data.opened import open_file

MOST_COLUMNS = 1000
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|table|meta|div|style)\b", re.IGNORECASE)


def prepare() -> None:
    """All that is needed is imported already."""


def tell_rows(path: str, sheet: str = "") -> None:
    codec, _ = encoding_of(open_file(path))
    start = Path(path).read_bytes()[:2000].decode(codec, "replace")
    if "urn:schemas-microsoft-com:office:spreadsheet" in start:
        raise Refused(": this is a workbook in Excel's XML of 2003. Save it as .xlsx.")
    if _HTML.search(start):
        for number, cells in _table(Path(path).read_text(codec)):
            tell("row", number, cells)
        return
    try:
        for number, record in enumerate(_records(path), 1):
            tell("record", number, record)
    except ParseError as error:
        raise Refused(f", line {error.position[0]}: this is no XML ({str(error).split(':')[0]}).") from None


# --------------------------------------------------------------------------------------------------------------- XML


def _records(path: str) -> Iterator[dict[str, Any]]:
    """The first element that has columns says which ones are rows: those of its name, as deep as it."""
    row: tuple[str, int] | None = None
    depth = 0
    for event, element in iterparse(path, ("start", "end")):
        if event == "start":
            depth += 1
            continue
        depth -= 1
        name = _name(element.tag)
        if name == "entry" and element.find("modifiedtripleset") is not None:
            yield _entry(element)
            element.clear()
            row = row or (name, depth)
        elif row is None and depth and name not in _IN_ENTRIES and _is_row(element):
            row = (name, depth)
        if row == (name, depth) and len(element) + len(element.attrib):
            yield _record(element)
        elif row is not None and depth == row[1] and name != row[0] and _is_row(element):
            raise Refused(f": the XML holds “{row[0]}” and “{name}”. Bring one kind of row.")
        if row is not None and depth <= row[1]:
            element.clear()
    if row is None:
        raise Refused(": no rows were found in this XML. Bring CSV, JSON lines or xlsx.")


_IN_ENTRIES = ("otriple", "mtriple", "lex", "originaltripleset", "modifiedtripleset")


def _entry(element: Element) -> dict[str, Any]:
    """An entry of WebNLG's, as its JSON has it."""
    triples = [triple.text or "" for triple in element.iterfind("modifiedtripleset/mtriple")]
    texts = [{"comment": lex.get("comment", ""), "lex": lex.text or ""} for lex in element.iterfind("lex")]
    category = {"category": element.get("category", "")}
    return {**category, "modifiedtripleset": triples, "lexicalisations": texts}


def _is_row(element: Element) -> bool:
    """Whether it has two columns or more, none of which holds further elements."""
    columns = {_column(child) for child in element} | element.attrib.keys()
    return len(columns) > 1 and not any(len(child) for child in element)


def _record(element: Element) -> dict[str, Any]:
    """Column -> text; a list of texts where the column comes several times."""
    texts: dict[str, list[str]] = {_name(name): [value] for name, value in element.attrib.items()}
    for child in element:
        if len(child):
            raise Refused(f": “{_name(child.tag)}” in “{_name(element.tag)}” holds further elements. Give it a text.")
        texts.setdefault(_column(child), []).append(child.text or "")
    return {name: several[0] if len(several) == 1 else several for name, several in texts.items()}


def _column(child: Element) -> str:
    """An element's name; of `<field name="mr">`, as databases write, the name in it."""
    return child.attrib["name"] if set(child.attrib) == {"name"} else _name(child.tag)


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


# -------------------------------------------------------------------------------------------------------------- HTML


def _table(page: str) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of the one table that has rows under a head."""
    found = _Tables()
    found.feed(page)
    found.close()
    tables = [rows for rows in found.tables if len(rows) > 1 and max(map(len, rows)) > 1]
    if len(tables) != 1:
        raise Refused(f": the page holds {len(tables) or 'no'} tables. Bring one, as CSV (UTF-8) or .xlsx.")
    (rows,) = tables
    below = Below()
    head = True
    for number, row in enumerate(rows, 1):
        cells: list[str] = []
        if head and len(row) > 1:
            head = False
            if any(across > 1 for _, across, _ in row):
                raise Refused(f", row {number}: merged cells in the head. Name each column for itself.")
        for text, across, down in row:
            while len(cells) in below:
                cells.append(below.take(len(cells)))
            if down > 1:
                below[len(cells)] = (down - 1, text)
            cells += [text, *[""] * (across - 1)]
        while len(cells) in below:
            cells.append(below.take(len(cells)))
        if len(cells) > MOST_COLUMNS:
            raise Refused(f", row {number}: more than {MOST_COLUMNS:,} columns.")
        yield number, cells


class _Tables(HTMLParser):
    """Every table's rows of (text, columns across, rows down), in the order in which the tables end."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, int, int]]]] = []
        self.open: list[list[list[tuple[str, int, int]]]] = []
        self.text: list[str] | None = None  # of the cell that is open
        self.spans = (1, 1)
        self.unseen = 0  # scripts and styles that are open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._close()
            self.open.append([])
        elif tag == "tr" and self.open:
            self._close()
            self.open[-1].append([])
        elif tag in ("td", "th") and self.open:
            self._close()
            if not self.open[-1]:
                self.open[-1].append([])
            spans = {name: int(value) for name, value in attrs if value and value.isdecimal() and len(value) < 6}
            self.spans = min(MOST_COLUMNS, spans.get("colspan", 1) or 1), spans.get("rowspan", 1) or 1
            self.text = []
        elif tag in ("br", "p", "div", "li") and self.text:
            self.text.append("\n")
        elif tag in ("script", "style"):
            self.unseen += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.unseen = max(0, self.unseen - 1)
        elif tag in ("td", "th", "tr"):
            self._close()
        elif tag == "table" and self.open:
            self._close()
            self.tables.append(self.open.pop())

    def handle_data(self, data: str) -> None:
        if self.text is not None and not self.unseen:
            self.text.append(data)

    def close(self) -> None:
        super().close()
        while self.open:
            self.handle_endtag("table")

    def _close(self) -> None:
        """The cell that is open ends here, whether the page says so or not."""
        if self.text is not None:
            self.open[-1][-1].append(("".join(self.text).strip(), *self.spans))
            self.text = None
