"""The rows of an OpenDocument sheet (.ods), which keeps each cell's text as it is shown beside its value."""

import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, iterparse

from prefix_core.data.apart import Refused

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
MOST_COLUMNS = 20_000


def sheets(path: str) -> dict[str, Any]:
    """Of every sheet by its name: a function that gives its rows, (number, cells), and whether it is hidden."""
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
        return lambda: _rows(path, name)

    return {name: (rows_of(name), hidden) for name, hidden in names}


def _elements(path: str) -> Iterator[tuple[str, Element]]:
    with zipfile.ZipFile(path) as packed, packed.open("content.xml") as file:
        for event, element in iterparse(file, ("start", "end")):
            yield event, element
            if event == "end" and element.tag in (_TABLE + "table-row", _TABLE + "table"):
                element.clear()


def _rows(path: str, name: str) -> Iterator[tuple[int, list[str]]]:
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
