"""What a person pastes or fills in -> a table: attributes and their values, in order.

Read: MR notation, `field : value | ...`, `field: value` lines, CSV, TSV, Markdown, JSON, and the rows of a grid.
"""

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from prefix_core.errors import InputError

Table = tuple[tuple[str, str], ...]

MAX_TEXT = 50_000  # characters of pasted text
MAX_ROWS = 50
MAX_ATTRIBUTE = 100  # characters
MAX_VALUE = 500  # characters

EXAMPLE = "name[Blue Spice], area[riverside]"
_ATTRIBUTE_HEADS = {"attribute", "field", "slot", "key", "property", "column", "name"}
_VALUE_HEADS = {"value", "values"}
_MARKS = ':：|｜,;{"'  # besides brackets, what an attribute in MR notation must not be taken by
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}


def read_table(text: str, attributes: Collection[str] = ()) -> Table:
    """Recognise the notation of `text` by its first structural character, and read it.

    attributes: names the task knows; they tell `name,area / Blue Spice,riverside` from `name,Blue Spice / ...`.
    Raises `InputError` naming the row, column or character; an attribute without a value is an error.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"The table has {len(text):,} characters; at most {MAX_TEXT:,} can be read. Paste one table.")
    text = visible(text).strip().lstrip(",;").strip()
    if not text:
        raise InputError(f"The table is empty. Write for example {EXAMPLE}")
    if text[0] in "{[":
        return _read_json_text(text)
    mark = _first_mark(text)
    if mark in ("[", "]"):
        return _read_mr(text)
    if mark in (":", "："):
        return _read_fields(text)
    if mark in ("|", "｜"):
        return _read_markdown(text, attributes)
    if mark:
        return _read_csv(text, mark, attributes)
    start = text if len(text) <= 40 else text[:40] + "…"
    raise InputError(f"No table found in “{_flat(start)}”. Write for example {EXAMPLE}, or one `field: value` a line.")


def from_grid(rows: Iterable[Sequence[Any]]) -> Table:
    """Rows of (attribute, value), as a spreadsheet holds them -> table. Blank rows are passed over.

    Raises `InputError` naming the row (counted from 1, blank rows included) where one of the two is missing.
    """
    return _table((f"row {number}", *_pair(row, number)) for number, row in enumerate(rows, 1))


def from_json(value: Any) -> Table:
    """A JSON object, a list of pairs, or a list of `{"attribute": .., "value": ..}` -> table. Raises `InputError`."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and not _named_pair(value[0]):
        value = value[0]  # a list of records that holds one
    if isinstance(value, dict):
        listed = {name: item if isinstance(item, _Repeated) else [item] for name, item in value.items()}
        value = [[name, item] for name, items in listed.items() for item in items]
    if not isinstance(value, list):
        raise InputError('This JSON holds no table. Write {"name": "Blue Spice"} or [["name", "Blue Spice"]].')
    return _table((f"row {number}", *_json_pair(item, number)) for number, item in enumerate(value, 1))


def to_grid(table: Table) -> list[list[str]]:
    """The table as rows of [attribute, value]; `from_grid` reads it back."""
    return [[attribute, value] for attribute, value in table]


def to_mr(table: Table) -> str:
    r"""The table in MR notation, `name[Blue Spice], area[riverside]`; a bracket inside is written `\[`.

    So is whatever in an attribute would tell of another notation: `:`, `|`, `,`, `;`, `{`, a quote.
    """
    return ", ".join(f"{_escape(attribute, _MARKS)}[{_escape(value)}]" for attribute, value in table)


def attribute_key(attribute: str) -> str:
    """What is left of a name when spelling does not count: `eatType`, `eat_type` and `Eat type` are the same."""
    return re.sub(r"[\W_]+", "", attribute).casefold()


def flatten(text: Any) -> str:
    """One line: every run of white space (line breaks, full-width blanks) a space, control characters gone."""
    return _flat(visible(str(text)))


# ------------------------------------------------------------------------------------------ the checks, in one place


def _table(cells: Iterable[tuple[str, Any, Any]]) -> Table:
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
    """None and NaN (what an empty cell of a data frame is) -> ''; True -> yes; anything else as one line of text."""
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


# ----------------------------------------------------------------------------------------------------- the notations


def _read_mr(text: str) -> Table:
    """`name[Blue Spice], eatType[coffee shop]`; commas may be missing, doubled, or semicolons."""
    cells: list[tuple[str, str, str]] = []
    position = 0
    for number, match in enumerate(re.finditer(r"((?:\\.|[^\[\]\\]|\\$)*)([\[\]]|$)", text, re.DOTALL), 1):
        piece, bracket, at = match[1], match[2], match.start(2) + 1
        inside = number % 2 == 0  # pieces alternate: a name up to '[', a value up to ']'
        if not inside and not bracket:
            if rest := piece.strip(" ,;|.\n\t"):
                raise InputError(f"character {position + 1}: “{_flat(rest)[:40]}” has no [value]. Write {EXAMPLE}")
            break
        if not inside and bracket == "]":
            raise InputError(f"character {at}: a ] without its [. Write {EXAMPLE}")
        if inside and bracket != "]":
            name, value = cells[-1][1], _flat(piece)
            before = f"before another [ opens at character {at}" if bracket else "to the end"
            raise InputError(
                f"character {position}: the [ after “{name[:40]}” is not closed {before}."
                f" Close it: {name[:40]}[{value.split(',')[0][:40]}]"
            )
        if inside:
            cells[-1] = (cells[-1][0], cells[-1][1], _unescape(_unquote(piece)))
        else:
            name = _unescape(_unquote(piece.strip().lstrip(",;| \n\t")), _MARKS)
            cells.append((f"row {len(cells) + 1} (character {at})", name, ""))
        position = match.end()
    return _table(cells)


def _read_fields(text: str) -> Table:
    """`field : value | field : value`, or one `field: value` a line; a line may start with a bullet."""
    pieces = [piece for line in text.splitlines() for piece in _split_pipes(line) if piece.strip()]
    if len(pieces) == 1:
        pieces = _split_commas(pieces[0])
    cells = []
    for number, piece in enumerate(pieces, 1):
        match = re.fullmatch(r"(?:[-*•]\s+)?([^:：]*)[:：](.*)", piece.strip().rstrip(",; "), re.DOTALL)
        if not match:
            raise InputError(f"row {number}: “{_flat(piece)[:40]}” has no colon. Write field : value")
        cells.append((f"row {number}", _unquote(match[1]), _unquote(match[2])))
    return _table(cells)


def _split_commas(line: str) -> list[str]:
    """`name: A, area: B` in its fields; a part without a field's name belongs to the value before: `near: A, B`."""
    parts: list[str] = []
    for part in re.split("(?<=[,;])", line):
        named = re.search(r"[^\W\d]", part.replace("：", ":").rpartition(":")[0])
        if parts and not named:
            parts[-1] += part
        elif part.strip(" ,;"):
            parts.append(part)
    return [part.rstrip(",; ") for part in parts]


def _read_markdown(text: str, attributes: Collection[str]) -> Table:
    """A pipe table, with or without its outer pipes and the ruler under its head."""
    rows, ruled = [], False
    for line in text.splitlines():
        line = re.sub(r"^\s*[|｜]|(?<!\\)[|｜]\s*$", "", line)
        row = [cell.strip() for cell in _split_pipes(line)]
        if row and all(re.fullmatch(r":?-+:?", cell) for cell in row):
            ruled = True
            continue
        rows.append([re.sub(r"^(\*\*|__|`)(.+)\1$", r"\2", cell) for cell in row])
    return _from_sheet(rows, attributes, head_likely=ruled)


def _read_csv(text: str, delimiter: str, attributes: Collection[str]) -> Table:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise InputError(
            f"row {reader.line_num}: the quotes do not match ({error})."
            ' Put double quotes around the whole cell, and write "" for a quote inside it.'
        ) from None
    return _from_sheet(rows, attributes, head_likely=False)


def _from_sheet(rows: list[list[str]], attributes: Collection[str], head_likely: bool) -> Table:
    """Cells -> table, for both shapes: two columns (attribute, value), or a head row over one row of values."""
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    width = max((i + 1 for _, row in numbered for i, cell in enumerate(row) if cell.strip()), default=0)
    sheet = [[cell.strip() for cell in (*row, *[""] * width)[:width]] for _, row in numbered]
    if not sheet:
        return _table(())
    if width == 2 and sheet[0][0].lower() in _ATTRIBUTE_HEADS and sheet[0][1].lower() in _VALUE_HEADS:
        numbered, sheet = numbered[1:], sheet[1:]
    elif len(sheet) == 2 and _heads_over_values(sheet, len(numbered[1][1]), attributes, head_likely):
        heads, values = sheet
        return _table((f"column {i}", *pair) for i, pair in enumerate(zip(heads, values, strict=True), 1))
    if width != 2:
        number = next((number for number, row in numbered if len(row) > 2), numbered[0][0])
        raise InputError(
            f"row {number} has {width} cell{'s' * (width > 1)}. Give two columns (attribute, value), or a head row over"
            " one row of values; put double quotes around a value with a comma in it."
        )
    return _table((f"row {number}", row[0], row[1]) for (number, _), row in zip(numbered, sheet, strict=True))


def _heads_over_values(sheet: list[list[str]], second: int, attributes: Collection[str], head_likely: bool) -> bool:
    """Whether two rows are heads and their values. `second`: the cells of the second row, empty ones at its end too."""
    width = len(sheet[0])
    if width != 2:
        return second >= width  # a shorter second row: the first has a comma too many
    known = {attribute_key(attribute) for attribute in attributes}
    across, down = attribute_key(sheet[0][1]) in known, attribute_key(sheet[1][0]) in known
    return across if across != down else head_likely  # two by two can be read both ways; known names decide


class _Repeated(list[Any]):
    """The values of a key that occurs several times in one JSON object."""


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, _Repeated] = {}
    for name, value in pairs:
        values.setdefault(name, _Repeated()).append(value)
    return {name: items if len(items) > 1 else items[0] for name, items in values.items()}


def _read_json_text(text: str) -> Table:
    try:
        value = json.loads(text.rstrip(",;"), object_pairs_hook=_keep_repeated, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise InputError(
            f"line {error.lineno}, character {error.colno}: this is not JSON ({error.msg})."
            ' Write {"name": "Blue Spice", "area": "riverside"}, with double quotes.'
        ) from None
    except RecursionError:
        raise InputError("The JSON is nested too deeply. A table is one object, or a list of pairs.") from None
    return from_json(value)


def _named_pair(item: dict[str, Any]) -> tuple[Any, Any] | None:
    """`{"attribute": "area", "value": "riverside"}` -> (area, riverside); None where it is no such pair."""
    keys = {key.lower(): key for key in item}
    attribute, value = _ATTRIBUTE_HEADS & keys.keys(), _VALUE_HEADS & keys.keys()
    if len(item) != 2 or not attribute or not value:
        return None
    return item[keys[attribute.pop()]], item[keys[value.pop()]]


def _json_pair(item: Any, number: int) -> tuple[Any, Any]:
    pair = _named_pair(item) if isinstance(item, dict) else item
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise InputError(f'row {number}: expected ["attribute", "value"] or {{"attribute": .., "value": ..}}.')
    return _scalar(pair[0], number, "attribute"), _scalar(pair[1], number, str(pair[0]))


def _scalar(value: Any, number: int, name: str) -> Any:
    if isinstance(value, dict | list):
        raise InputError(f"row {number}: “{flatten(name)[:40]}” holds a list or an object. Give it one text or number.")
    return value


# -------------------------------------------------------------------------------------------------------- characters


def visible(text: str) -> str:
    """Drop what no one can see: byte-order marks, zero-width blanks, control characters; half surrogate pairs -> ?"""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in text if c in "\n\t" or c in "\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf"))


def _flat(text: str) -> str:
    return " ".join(text.split())  # str.split knows U+3000 and U+00A0 too


def _first_mark(text: str) -> str:
    """The first character, not escaped nor in double quotes, that tells the notations apart; '' where there is none."""
    for match in re.finditer(r'\\.|"[^"]*"|([\[\]:：|｜,;\t])', text, re.DOTALL):
        if match[1]:
            return match[1]
    return ""


def _split_pipes(line: str) -> list[str]:
    return [piece.replace("\\|", "|") for piece in re.split(r"(?<!\\)[|｜]", line)]


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] else text


def _escape(text: str, marks: str = "") -> str:
    return re.sub(rf"[\[\]\\{marks}]|^[\"'“‘]", r"\\\g<0>", text)


def _unescape(text: str, marks: str = "") -> str:
    return re.sub(rf"\\([\[\]\\\"'“‘{marks}])", r"\1", text)
