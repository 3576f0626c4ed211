"""JSON as rows: an object a line, a list of objects, or the ways in which pandas and the Hub write a table.

A line may also show its object as Python does. Numbers stay as they are written (4.50, and integers of any length); NaN
is a missing value.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from prefix_core.data.literals import MOST_MARKS, Repeated, check_depth, decoder, listed, loads, why
from prefix_core.data.records import same_but_for_case, under_head, unnamed
from prefix_core.data.report import Report
from prefix_core.errors import InputError

MOST_WHOLE = 64_000_000  # characters of a document that is not one object a line
_SPACE = re.compile(r"(?:[\s,\x1e]|(?://|#)[^\n]*\n?|/\*.*?\*/)*", re.DOTALL)
_TURNS = ("messages", "conversations", "conversation", "contents", "prompt", "chosen")  # a row's own list
_ROWS = ("data", "rows", "train", "examples", "records", "items", "instances", "entries")
_ROW = ("data", "row", "record", "example", "item", "translation")  # around a row's columns, and alone in it

Record = dict[str, Any]


def looks_like_json(start: str) -> bool:
    """Whether a text that begins so is JSON rather than cells."""
    start = re.sub(r"^(?:\s|//[^\n]*\n)+", "", start)
    return bool(re.match(r'\{\s*["\'}]|\[\s*(?:[{\["]|\]\s*$)|\{\s*$|\[\s*$', start))


def rows_of(lines: Callable[[], Iterator[str]], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    """(row number, column -> value) of every row. A row's number is its line where each has one, else its place.

    Raises `InputError` naming row and character.
    """
    if _one_a_line(lines()):
        report.kind = "JSON lines"
        rows = _lines(lines(), name, report)
    else:
        report.kind = "JSON"
        rows = _document(lines(), name, report)
    columns: dict[str, None] = {}
    for number, record in rows:
        record = _unwrapped(record)
        record = {key.strip(): value for key, value in record.items() if not unnamed(key.strip())}
        if twice := same_but_for_case(record):
            raise InputError(f"{name}, row {number}: '{twice[0]}' and '{twice[1]}' differ only in case.")
        for column, value in record.items():
            if isinstance(value, Repeated):
                raise InputError(f"{name}, row {number}: '{column}' occurs more than once in the object.")
        if len(columns) < 1000:
            columns.update(dict.fromkeys(record))
            report.columns = tuple(columns)
        yield number, record


def _one_a_line(lines: Iterator[str]) -> bool:
    """Whether the first line with a value holds a whole object: then every line does."""
    for line in islice(lines, 1000):
        text = line.strip().rstrip(",")
        if text and not text.startswith(("//", "#")):
            try:
                return isinstance(loads(text), dict) and not _is_all(lines, text)
            except (ValueError, RecursionError) as error:
                if isinstance(error, json.JSONDecodeError) and text[error.pos : error.pos + 1] == "{":
                    return False  # one object right behind another
                return text.startswith("{") and len(text) > 2 and not _opens(text)
    return False


def _opens(text: str) -> bool:
    """Whether a line only opens an object that goes on below it: `{"mr": "..",`."""
    return text.count('"') % 2 == 0 and text.count("{") + text.count("[") > text.count("}") + text.count("]")


def _is_all(rest: Iterator[str], text: str) -> bool:
    """Whether one object that holds a table is all there is."""
    return not any(line.strip() for line in islice(rest, 1000)) and not isinstance(_table_in(loads(text)), type(None))


def _lines(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if not text or text == ",":
            continue
        if text.startswith(("//", "#")):
            report.note(f"line {number} is a comment and is passed over")
            continue
        if text.endswith(","):
            report.note("commas at the ends of lines are passed over")
            text = text.rstrip(", ")
        try:
            record = listed(text) if text.startswith("{'") else loads(text)  # as Python shows an object
        except (ValueError, RecursionError) as error:
            raise InputError(_not_json(f"{name}, row {number}", error)) from None
        if not isinstance(record, dict):
            raise InputError(f'{name}, row {number}: expected a JSON object, such as {{"mr": "..", "ref": ".."}}.')
        yield number, record


def _document(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    """Rows of a text that is one value, or several one after another."""
    parts, size = [], 0
    for line in lines:
        parts.append(line)
        size += len(line)
        if size > MOST_WHOLE:
            raise InputError(f"{name}: too large for JSON that is read as a whole. Write JSON lines, an object a line.")
    text = "".join(parts)
    if text.count(",") + text.count("[") + text.count("{") > MOST_MARKS + size // 16:
        raise InputError(f"{name}: the JSON holds too many values for its size. Give rows of text.")
    try:
        check_depth(text)
    except ValueError as error:
        raise InputError(_not_json(f"{name}, row 1", error)) from None
    found = _values(text, name)
    if len(found) == 1:
        (value,) = found
        table = value if isinstance(value, list) else _table_in(value)
        if table is not None and isinstance(value, dict):
            _tell_others(value, table, report)
        found = found if table is None else table
    elif found and all(isinstance(value, list) and value and isinstance(value[0], dict) for value in found):
        found = [row for value in found for row in value]
    yield from _records(found, name, report)


def _values(text: str, name: str) -> list[Any]:
    """The values of a text, one after another. Between those in a list, too, commas and comments may stand freely."""
    if re.match(r"\s*\[\s*\{'", text):
        try:
            return [listed(text.strip())]  # as Python shows a list
        except ValueError as error:
            raise InputError(f"{name}: this is not JSON, nor a list of Python's ({error}).") from None
    values: list[Any] = []
    inside: list[Any] | None = None  # the list that is open
    at = _space(text, 0)
    while at < len(text):
        if inside is None and text[at] == "[":
            inside, at = [], at + 1
        elif inside is not None and text[at] == "]":
            values.append(inside)
            inside, at = None, at + 1
        else:
            row = 1 + len(values if inside is None else inside)
            try:
                value, at = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                line = f"line {error.lineno}, " if isinstance(error, json.JSONDecodeError) else ""
                raise InputError(_not_json(f"{name}, {line}row {row}", error)) from None
            (values if inside is None else inside).append(value)
        at = _space(text, at)
    if inside is not None:
        raise InputError(f"{name}, row {len(inside) + 1}: this is not JSON (the list is not closed).")
    return values


def _tell_others(value: dict[str, Any], table: list[Any], report: Report) -> None:
    """Of an object with several lists of rows, note which is read."""
    names = [key for key, item in value.items() if isinstance(item, list) and item and isinstance(item[0], dict)]
    read = [key for key in names if value[key] is table]
    if read and len(names) > 1:
        others = ", ".join(f"“{key}”" for key in names if key not in read)
        report.note(f"only the rows of “{read[0]}” are read; beside it there are {others}")


def _unwrapped(record: Record) -> Record:
    """A row whose columns are in one object: `{"translation": {"en": .., "de": ..}}`, WebNLG's `{"1": {..}}`."""
    if len(record) == 1:
        ((key, inner),) = record.items()
        if isinstance(inner, dict) and (key.isdecimal() or key.lower() in _ROW):
            return inner
    return record


def _records(values: list[Any], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    if values and all(isinstance(value, list) for value in values):
        cells = ((number, [_cell(cell) for cell in row]) for number, row in enumerate(values, 1))
        yield from under_head(cells, name, report)
        return
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise InputError(f'{name}, row {number}: expected a JSON object, such as {{"mr": "..", "ref": ".."}}.')
        inner = value.get("row")  # as the Hub's viewer gives rows
        yield number, inner if isinstance(inner, dict) and "row_idx" in value else value


def _table_in(value: Any) -> list[Any] | None:
    """The rows that an object holds, in the forms tools write; None where it is itself a row."""
    if not isinstance(value, dict) or not value:
        return None
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list):  # pandas, orient="split"
        return [[str(column) for column in columns], *data]
    lists = {key: item for key, item in value.items() if isinstance(item, list) and not isinstance(item, Repeated)}
    of_objects = [
        key
        for key, item in lists.items()
        if key.lower() not in _TURNS and item and all(isinstance(row, dict) for row in item)
    ]
    named = [key for key in of_objects if key.lower() in _ROWS]
    if len(named) == 1 or (len(of_objects) == 1 and len(value) == 1):
        return lists[(named or of_objects)[0]]
    lengths = {len(item) for item in lists.values()}
    if len(lists) == len(value) > 1 and len(lengths) == 1 and lengths != {1}:  # columns as lists
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    inner = list(value.values())
    if len(value) > 1 and all(isinstance(item, dict) and item.keys() == inner[0].keys() for item in inner):
        keys = list(inner[0])
        if all(key.isdecimal() for key in keys) and not all(key.isdecimal() for key in value):  # orient="columns"
            return [{column: item[key] for column, item in value.items()} for key in keys]
        if all(key.isdecimal() for key in value):  # orient="index"
            return inner
    return None


def _cell(value: Any) -> Any:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _not_json(place: str, error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        place += f", character {error.colno}"
    return f"{place}: this is not JSON ({why(error)})."
