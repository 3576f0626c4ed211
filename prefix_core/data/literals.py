"""Lists that somebody's tool wrote into one cell: as JSON, as Python shows them, or as NumPy does.

`["a", "b"]`, `['a', "b's"]`, `['a' 'b']`, `array(['a', 'b'], dtype=object)`, `[('A', 'r', 'B')]`, `{'text': ['a']}`.
"""

import ast
import json
import re
from typing import Any

MOST = 400_000  # characters
DEEPEST = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>array\(|[\[({]) | (?P<close>[\])}]) | (?P<mark>[,:]) | (?P<kind>dtype=[\w<>'|]+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*') | (?P<word>[\w.+-]+))\s*""",
    re.VERBOSE | re.DOTALL,
)
_WORDS: dict[str, Any] = {"None": None, "null": None, "nan": None, "NaN": None}
_WORDS |= {"True": True, "true": True, "False": False, "false": False}
_PAIRS = {"[": "]", "(": ")", "{": "}", "array(": ")"}


def looks_listed(cell: Any) -> bool:
    """Whether a cell is a text with brackets around it and quotes inside."""
    if not isinstance(cell, str) or len(cell) < 2:
        return False
    cell = cell.strip()
    return bool(re.match(r"(?:array\()?[\[({]\s*(?:[\[({]\s*)*[\"']|\[\s*\]$", cell)) and cell[-1:] in "])}"


def listed(text: str) -> Any:
    """The list or object that `text` shows. Raises `ValueError` where it shows none, or only a part of one (`...`)."""
    if len(text) > MOST:
        raise ValueError(f"it has more than {MOST:,} characters")
    stack: list[tuple[str, list[Any]]] = []
    at, done = 0, None
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token or done is not None:
            raise ValueError(f"character {at + 1} is out of place")
        at = token.end()
        if token["open"]:
            stack.append((token["open"], []))
            if len(stack) > DEEPEST:
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
