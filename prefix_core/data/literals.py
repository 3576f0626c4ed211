"""Values as they are written: JSON, of which nothing is lost, and lists that somebody's tool wrote into one cell.

In JSON 4.50 stays 4.50, integers of any length too, NaN is a missing value, and no name is lost. Lists are as JSON has
them, as Python shows them, or as NumPy does: `["a", "b"]`, `['a', "b's"]`, `['a' 'b']`,
`array(['a', 'b'], dtype=object)`, `[('A', 'r', 'B')]`, `{'text': ['a']}`.
"""

import ast
import json
import re
from typing import Any

from prefix_core.errors import InputError

MOST_MARKS = 300_000  # commas and brackets, each of which may stand for a value in memory
DEEPEST = 100
MOST_LISTED = 400_000  # characters of a list in a cell
DEEPEST_LISTED = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>array\(|[\[({]) | (?P<close>[\])}]) | (?P<mark>[,:]) | (?P<kind>dtype=[\w<>'|]+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<word>[\w.+-]+))\s*""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, Any] = {"None": None, "null": None, "nan": None, "NaN": None}
_WORDS |= {"True": True, "true": True, "False": False, "false": False}
_PAIRS = {"[": "]", "(": ")", "{": "}", "array(": ")"}


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


# ------------------------------------------------------------------------------------------------------- lists in cells


def looks_listed(cell: Any) -> bool:
    """Whether a cell is a text with brackets around it and quotes inside."""
    if not isinstance(cell, str) or len(cell) < 2:
        return False
    cell = cell.strip()
    return bool(re.match(r"(?:array\()?[\[({]\s*(?:[\[({]\s*)*[\"']|\[\s*\]$", cell)) and cell[-1:] in "])}"


def listed(text: str) -> Any:
    """The list or object that `text` shows. Raises `ValueError` where it shows none, or only a part of one (`...`)."""
    if len(text) > MOST_LISTED:
        raise ValueError(f"it has more than {MOST_LISTED:,} characters")
    stack: list[tuple[str, list[Any]]] = []
    at, done = 0, None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token or done is not None:
            raise ValueError(f"character {at + 1} is out of place")
        at = token.end()
        if token["open"]:
            stack.append((token["open"], []))
            if len(stack) > DEEPEST_LISTED:
                raise ValueError("it is nested too deeply")
        elif not stack:
            raise ValueError("it is not a list")
        elif token["close"]:
            opener, items = stack.pop()
            if _PAIRS[opener] != token["close"]:
                raise ValueError(f"character {at}: the brackets do not match")
            value = _closed(opener, items)
            if stack:
                stack[-1][1].append(value)
            else:
                done = (value,)
        elif token["mark"] == ":":
            stack[-1][1].append(_COLON)
        elif token["text"]:
            stack[-1][1].append(_text(token["text"]))
        elif token["word"]:
            stack[-1][1].append(_word(token["word"]))
    if done is None:
        raise ValueError("its brackets are not closed")
    return done[0]


_COLON = object()


def _closed(opener: str, items: list[Any]) -> Any:
    if opener == "array(":
        if len(items) != 1:
            raise ValueError("an array holds one list")
        return items[0]
    if opener != "{":
        if _COLON in items:
            raise ValueError("a colon is out of place")
        return items
    if len(items) % 3 or any(items[place] is not _COLON for place in range(1, len(items), 3)):
        raise ValueError("it is not an object of names and values")
    names = items[::3]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ValueError("its names are not texts, or one repeats")
    return dict(zip(names, items[2::3], strict=True))


def _text(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        pass
    try:
        return str(ast.literal_eval(quoted.replace("\n", "\\n")))
    except SyntaxError as error:
        raise ValueError("a backslash is out of place") from error


def _word(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", word):
        return word
    raise ValueError(f"“{word[:20]}” has no quotes")
