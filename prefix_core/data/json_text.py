"""JSON as it is written: 4.50 stays 4.50, integers of any length too, NaN is a missing value, no name is lost."""

import json
import re
from typing import Any

from prefix_core.errors import InputError

MOST_MARKS = 300_000  # commas and brackets, each of which may stand for a value in memory
DEEPEST = 100


class Repeated(list[Any]):
    """The values of a name that occurs several times in one object."""


def loads(text: str) -> Any:
    """`json.loads`, with numbers as texts and `Repeated` for names that repeat. Raises `ValueError`.

    Too many values, and too deep ones, are refused before they are read: each may take a hundred bytes.
    """
    if text.count(",") + text.count("[") + text.count("{") > MOST_MARKS:
        raise ValueError("it holds too many values")
    check_depth(text)
    return decoder.decode(text)


def check_depth(text: str) -> None:
    """Raises `ValueError` where brackets nest deeper than anything that is a table; those inside of strings aside."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for mark in re.finditer(r'"(?:[^"\\]|\\.)*"|([\[{])|[\]}]', text, re.DOTALL):
        depth += 1 if mark[1] else -1 if mark[0][0] != '"' else 0
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply")


def why(error: Exception) -> str:
    """The reason in a few words, for a message that says where."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def not_json(problem: Exception, example: str) -> InputError:
    """The refusal of text that was meant as JSON: where it stops being it, why, and an example of what is read."""
    where = ""
    if isinstance(problem, json.JSONDecodeError):
        where = f"line {problem.lineno}, character {problem.colno}: "
    return InputError(f"{where}this is not JSON ({why(problem)}). Write {example}, with double quotes.")


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    values: dict[str, Repeated] = {}
    for name, value in pairs:
        values.setdefault(name, Repeated()).append(value)
    return {name: items if len(items) > 1 else items[0] for name, items in values.items()}


def _constant(word: str) -> str | None:
    return None if word == "NaN" else word


decoder = json.JSONDecoder(object_pairs_hook=_keep_repeated, parse_int=str, parse_float=str, parse_constant=_constant)
