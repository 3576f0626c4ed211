"""A table: attributes and their values, in order; made from the rows of a grid or from JSON, written as MR notation.

The notations that people paste are read in `notations`.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from prefix_core.data.characters import flatten
from prefix_core.errors import InputError, SeveralRecords

Table = tuple[tuple[str, str], ...]

MAX_TEXT = 50_000  # characters of pasted text
MAX_ROWS = 50
MAX_RECORDS = 1000
MAX_ATTRIBUTE = 100  # characters
MAX_VALUE = 500  # characters

EXAMPLE = "name[Blue Spice], area[riverside]"
ATTRIBUTE_HEADS = {"attribute", "field", "slot", "key", "property", "column", "name"}
VALUE_HEADS = {"value", "values"}
MARKS = ':：=|｜,;{"'  # besides brackets, what an attribute in MR notation must not be taken by


def from_grid(rows: Iterable[Sequence[Any]]) -> Table:
    """Rows of (attribute, value), as a spreadsheet holds them -> table. Blank rows are passed over.

    Raises `InputError` naming the row (counted from 1, blank rows included) where one of the two is missing.
    """
    return checked((f"row {number}", *_pair(row, number)) for number, row in enumerate(rows, 1))


def from_json(value: Any) -> Table:
    """A JSON object, a list of pairs, or a list of `{"attribute": .., "value": ..}` -> table.

    A list of plain values is several values of its attribute. Raises `InputError`; for several objects
    `SeveralRecords`.
    """
    if isinstance(value, list) and value and all(isinstance(item, dict) and not _named_pair(item) for item in value):
        if len(value) > 1:
            raise SeveralRecords(tuple(from_json(item) for item in value[:MAX_RECORDS]))
        value = value[0]
    if isinstance(value, dict):
        value = [[name, item] for name, item in value.items()]
    if not isinstance(value, list | tuple):
        raise InputError('This JSON holds no table. Write {"name": "Blue Spice"} or [["name", "Blue Spice"]].')
    pairs = (("row " + str(number), *_json_pair(item, number)) for number, item in enumerate(value, 1))
    return checked((place, name, item) for place, name, items in pairs for item in items)


def to_grid(table: Table) -> list[list[str]]:
    """The table as rows of [attribute, value]; `from_grid` reads it back."""
    return [[attribute, value] for attribute, value in table]


def to_mr(table: Table) -> str:
    r"""The table in MR notation, `name[Blue Spice], area[riverside]`; a bracket inside is written `\[`.

    So is whatever in an attribute would tell of another notation: `:`, `=`, `|`, `,`, `;`, `{`, a quote.
    """
    return ", ".join(f"{_escape(attribute, MARKS)}[{_escape(value)}]" for attribute, value in table)


def attribute_key(attribute: str) -> str:
    """What is left of a name when spelling does not count: `eatType`, `eat_type` and `Eat type` are the same."""
    return re.sub(r"[\W_]+", "", attribute).casefold()


# ------------------------------------------------------------------------------------------ the checks, in one place


def checked(cells: Iterable[tuple[str, Any, Any]]) -> Table:
    """(place, attribute, value) triples -> a checked table."""
    rows: list[tuple[str, str]] = []
    for place, raw_attribute, raw_value in cells:
        attribute, value = _cell(raw_attribute), _cell(raw_value)
        if not attribute and not value:
            continue
        if not attribute:
            raise InputError(f"{place}: the value “{value[:40]}” has no attribute. Name it, or remove the row.")
        if not value:
            raise InputError(f"{place}: “{attribute[:40]}” has no value. Give it one, or remove the row.")
        if len(attribute) > MAX_ATTRIBUTE:
            raise InputError(f"{place}: the attribute has {len(attribute)} characters; at most {MAX_ATTRIBUTE} fit.")
        if len(value) > MAX_VALUE:
            raise InputError(f"{place}: “{attribute}” is {len(value)} characters long; at most {MAX_VALUE} fit.")
        rows.append((attribute, value))
        if len(rows) > MAX_ROWS:
            raise InputError(f"The table has more than {MAX_ROWS} rows. Keep the {MAX_ROWS} that matter.")
    if not rows:
        raise InputError(f"The table is empty. Write for example {EXAMPLE}")
    return tuple(rows)


def _cell(raw: Any) -> str:
    """None and NaN (an empty cell of a data frame) -> ''; True -> yes; anything else as one line of text."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return ""
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    return flatten(raw)


def _pair(row: Sequence[Any], number: int) -> tuple[Any, Any]:
    cells = [row] if isinstance(row, str) else list(row)
    while len(cells) > 2 and not _cell(cells[-1]):
        cells.pop()
    if len(cells) > 2:
        raise InputError(f"row {number} has {len(cells)} cells; a row is one attribute and one value.")
    attribute, value = (*cells, "", "")[:2]
    return attribute, value


def _escape(text: str, marks: str = "") -> str:
    return re.sub(rf"[\[\]\\{marks}]|^[\"'“‘]", r"\\\g<0>", text)


def _named_pair(item: dict[str, Any]) -> tuple[Any, Any] | None:
    """`{"attribute": "area", "value": "riverside"}` -> (area, riverside); None where it is no such pair."""
    keys = {key.lower(): key for key in item}
    attribute, value = ATTRIBUTE_HEADS & keys.keys(), VALUE_HEADS & keys.keys()
    if len(item) != 2 or not attribute or not value:
        return None
    return item[keys[attribute.pop()]], item[keys[value.pop()]]


def _json_pair(item: Any, number: int) -> tuple[Any, list[Any]]:
    """A pair of JSON -> the attribute and its values."""
    pair = _named_pair(item) if isinstance(item, dict) else item
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise InputError(f'row {number}: expected ["attribute", "value"] or {{"attribute": .., "value": ..}}.')
    name, value = pair
    values = value if isinstance(value, list | tuple) and value else [value]
    if isinstance(name, list | dict):
        raise InputError(f"row {number}: an attribute is a list or an object. Give it a name.")
    if any(isinstance(item, list | dict) for item in values):
        raise InputError(
            f"row {number}: “{flatten(name)[:40]}” holds an object, or lists in a list. Give it one text or number, or"
            " several in a list."
        )
    return name, list(values)
