"""Which columns are the input and the text, what an empty cell is, and the texts that a cell holds.

Names are compared without regard to case. Of several columns for the same thing a row means the first that is not
empty.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from prefix_core.data.characters import flatten
from prefix_core.data.literals import listed, looks_listed
from prefix_core.errors import EmptyCell, InputError

TABLE_COLUMNS = ("table", "mr", "meaning_representation")
TRIPLE_COLUMNS = ("triples", "tripleset", "modified_triple_sets", "modifiedtripleset", "mtriple_set", "triple_set")
REFERENCE_COLUMNS = (
    "references", "ref", "target", "reference", "human_reference", "lex", "annotations", "lexicalisations",
    "lexicalizations",
)  # fmt: skip
TEXT_COLUMNS = (
    *REFERENCE_COLUMNS, "summary", "highlights", "output", "completion", "response", "answer", "assistant", "chosen",
    "text",
)  # fmt: skip
MEANING = re.compile(r"\s*(?:\w[\w ]*\[[^\[\]]*\],?\s*)+")  # name[Blue Spice], area[riverside]
SENTENCE = 8  # words; values in a table have fewer
_KEYS = re.compile(r"(?:.*_)?id|eid|lid|idx|(?:row_)?index|row_idx", re.IGNORECASE)
_TEXT_KEYS = ("text", "lex", "value", "content", "ref", "sentence")


@dataclass(frozen=True)
class Columns:
    """inputs: the columns of the input; targets: those of its text, of which a row means the first that has one."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]


def is_empty(cell: Any) -> bool:
    """None, NaN, nothing but blanks, a list or an object without anything in it."""
    if cell is None or cell == [] or cell == {} or cell == ():
        return True
    if isinstance(cell, float):
        return math.isnan(cell)
    return isinstance(cell, str) and not flatten(cell)


def pick(record: Mapping[str, Any], names: Sequence[str], what: str) -> tuple[str, Any]:
    """The first of the columns `names` that has something in this row, and its cell. `what` says what it is for.

    Raises `InputError` where there is no such column, `EmptyCell` where all of them are empty.
    """
    columns = {str(name).strip().lower(): name for name in record}
    there = [columns[name.strip().lower()] for name in names if name.strip().lower() in columns]
    if not there:
        found = ", ".join(map(str, record)) or "none"
        raise InputError(f"no column with the {what}: expected one of {', '.join(names)}; found {found}.")
    name = next((name for name in there if not is_empty(record[name])), None)
    if name is None:
        raise EmptyCell(f"column '{there[0]}' is empty. Give the {what}, or remove the row.")
    return name, record[name]


def guess(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Columns:
    """What is likely the input and what its text, by the columns' names and the first rows.

    One column that is plainly a whole table or a set of triples is the input alone. Beside two or more columns of
    values, one of whole sentences is likely another text, not a part of the table.
    """
    named = {column.strip().lower(): column for column in columns}
    texts = [named[name] for name in TEXT_COLUMNS if name in named]
    targets = [column for column in texts if any(not is_empty(row.get(column)) for row in rows)] or list(columns[-1:])
    rest = [column for column in columns if column not in targets[:1]]
    whole = next(
        (named[name] for name in (*TABLE_COLUMNS, *TRIPLE_COLUMNS) if name in named and named[name] in rest), None
    )
    if whole is None:
        whole = next((column for column in rest if all_cells(rows, column, is_meaning)), None)
    if whole is None:
        whole = next((column for column in rest if column not in texts and all_cells(rows, column, is_triples)), None)
    if whole:
        return Columns((whole,), tuple(targets))
    if "chosen" in named:  # of preferences: what people liked less is no input
        rest = [column for column in rest if column.strip().lower() != "rejected"]
    spare = [column for column in rest if not _KEYS.fullmatch(column.strip()) and column not in texts]
    spare = [column for column in spare if any(not is_empty(row.get(column)) for row in rows)]
    others = spare or [column for column in rest if column.strip().lower() != "id"]
    values = [column for column in others if _words(rows, column) < SENTENCE]
    return Columns(tuple(values if len(values) > 1 else others), tuple(targets))


def all_cells(rows: Iterable[Mapping[str, Any]], column: str, holds: Any) -> bool:
    """Whether `holds` is true of every cell of a column that is not empty, and there is one."""
    cells = [row.get(column) for row in rows if not is_empty(row.get(column))]
    return bool(cells) and all(map(holds, cells))


def is_meaning(cell: Any) -> bool:
    """Whether a cell is a table in E2E's notation, or an object of plain values."""
    if isinstance(cell, dict):
        return all(not isinstance(value, list | dict) for value in cell.values())
    return isinstance(cell, str) and bool(MEANING.fullmatch(cell))


def is_triples(cell: Any) -> bool:
    """Whether a cell is a set of triples: lists of three, objects of three, or `subject | relation | object`."""
    if looks_listed(cell):
        try:
            cell = listed(cell.strip())
        except ValueError:
            return False
    if isinstance(cell, str):
        return all(line.count("|") == 2 for line in cell.strip().splitlines())
    while isinstance(cell, dict) and len(cell) == 1:
        cell = next(iter(cell.values()))
    if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], list) and len(cell[0]) != 3:
        cell = cell[0]
    return isinstance(cell, list) and all(
        item.count("|") == 2 if isinstance(item, str) else isinstance(item, list | dict) and len(item) == 3
        for item in cell
    )


def texts_of(
    record: Mapping[str, Any], columns: Sequence[str] = REFERENCE_COLUMNS
) -> tuple[tuple[str, ...], list[str]]:
    """The texts of a row, each on one line, and what was left out of them in words.

    A cell is a text, a list of texts, a list of objects (DART: `{"source", "text"}`; WebNLG: `{"comment", "lex"}`), or
    as the Hub has WebNLG `{"text": [...], "comment": [...]}`; a list may be written into the cell as JSON, Python or
    NumPy show it. Texts marked `bad` and empty ones are left out. Raises `InputError` where none is left.
    """
    empty: InputError | None = None
    for place in range(len(columns)):
        try:
            name, cell = pick(record, columns[place:], "reference text")
        except InputError as error:
            raise empty or error from None
        texts, left_out = _texts(name, cell)
        if texts:
            return texts, left_out
        empty = empty or EmptyCell(f"column '{name}' holds no text: {', '.join(left_out) or 'it is empty'}.")
    raise empty or InputError("no column with the reference text is named.")


def plain_text(cell: Any, column: str) -> str:
    """A cell of an input on one line: a text, a list of texts, or an object of values as `name : value | ...`.

    Raises `InputError` for what is nested deeper.
    """
    if isinstance(cell, dict):
        parts = [(str(name), value) for name, value in cell.items() if not is_empty(value)]
        if not any(isinstance(value, list | dict) for _, value in parts):
            return " | ".join(f"{flatten(name)} : {_scalar(value)}" for name, value in parts)
    elif not isinstance(cell, list):
        return _scalar(cell)
    elif not any(isinstance(item, list | dict) for item in cell):
        return " | ".join(_scalar(item) for item in cell if not is_empty(item))
    raise InputError(f"column '{column}' holds a list or an object. Give it one text or number.")


def with_turns(record: dict[str, Any]) -> dict[str, Any]:
    """A conversation of one question and its answer -> the columns system, user and assistant; other rows as they are.

    `messages` of role and content, `conversations` of from and value, `contents` of role and parts; or a prompt and its
    completion, or what was chosen, of messages. Raises `InputError` for several turns: which of them is the text to be
    learned, nobody can tell.
    """
    names = next((names for names in _CHATS if all(_is_chat(record.get(name)) for name in names)), None)
    if names is None:
        return record
    said: dict[str, str] = {}
    for name in names:
        for turn in record[name]:
            who = str(turn.get("role") or turn.get("from") or "").lower()
            who = _SPEAKERS.get(who, who)
            text = _said(turn.get("content", turn.get("value", turn.get("parts"))))
            if who not in ("system", "user", "assistant") or text is None:
                raise InputError(
                    f"column '{name}': a turn of “{who[:20]}” cannot be read. Give user and assistant, in texts."
                )
            if who in said or (who == "user" and "assistant" in said):
                raise InputError(f"column '{name}' has several turns. Give one question and one answer a row.")
            said[who] = text
    if "user" not in said or "assistant" not in said:
        raise InputError(f"column '{names[0]}' has no question with its answer.")
    rest = {column: cell for column, cell in record.items() if column not in (*names, "rejected")}
    return rest | {who: said[who] for who in ("system", "user", "assistant") if who in said}


_CHATS = (
    ("messages",), ("conversations",), ("conversation",), ("contents",), ("prompt", "completion"), ("prompt", "chosen"),
    ("chosen",),
)  # fmt: skip
_SPEAKERS = {"human": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "developer": "system"}


def _said(content: Any) -> str | None:
    """A turn's text, or its parts that are texts; None where there is something else."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if texts and len(texts) == len(parts) else None
    return content if isinstance(content, str) else None


def _is_chat(cell: Any) -> bool:
    return isinstance(cell, list) and bool(cell) and all(isinstance(turn, dict) for turn in cell)


def _words(rows: Sequence[Mapping[str, Any]], column: str) -> float:
    """How many words a cell has, typically."""
    cells = [str(row.get(column) or "") for row in rows]
    return median(len(cell.split()) for cell in cells) if cells else 0.0


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if is_empty(value) else flatten(value)


def _texts(name: str, cell: Any) -> tuple[tuple[str, ...], list[str]]:
    if looks_listed(cell) and cell.strip()[0] in "[{a":
        try:
            cell = listed(cell.strip())
        except ValueError as error:
            raise InputError(
                f"column '{name}': the list in this cell cannot be read ({error}). Write it as JSON."
            ) from None
    if isinstance(cell, dict):
        cell = _of_columns(name, cell)
    items = cell if isinstance(cell, list) else [cell]
    texts, left_out = [], []
    for number, item in enumerate(items, 1):
        comment = ""
        if isinstance(item, dict):
            key = next((key for key in _TEXT_KEYS if key in item), None)
            if key is None:
                raise InputError(f"column '{name}': reference {number} is an object without a text.")
            comment, item = str(item.get("comment") or ""), item[key]
        if isinstance(item, list | dict | bool):
            raise InputError(f"column '{name}': reference {number} is not a text.")
        if comment.strip().lower() == "bad":
            left_out.append(f"text {number} is marked bad, left out")
        elif is_empty(item):
            left_out.append(f"text {number} is empty, left out")
        else:
            texts.append(flatten(item))
    return tuple(texts), left_out


def _of_columns(name: str, cell: dict[str, Any]) -> list[Any]:
    """`{"text": [...], "comment": [...]}` -> a list of objects."""
    key = next((key for key in _TEXT_KEYS if key in cell), None)
    if key is None:
        raise InputError(f"column '{name}' holds an object without a text.")
    texts = cell[key] if isinstance(cell[key], list) else [cell[key]]
    comments = cell.get("comment")
    if not isinstance(comments, list) or len(comments) != len(texts):
        comments = [""] * len(texts)
    return [{"text": text, "comment": comment} for text, comment in zip(texts, comments, strict=True)]


def known(records: Sequence[Mapping[str, Any]], inputs: Sequence[str], targets: Sequence[str]) -> Columns | None:
    """The columns of these names: the first input that has something in these rows, and the targets, those that have
    something before the others. None where no input is there.
    """
    there: dict[str, str] = {}
    for record in records:
        for column, cell in record.items():
            if not is_empty(cell):
                there.setdefault(str(column).strip().lower(), str(column))
    found = next((there[name] for name in inputs if name in there), None)
    if found is None:
        return None
    texts = [name for name in targets if name != found.strip().lower()]
    first = [there[name] for name in texts if name in there]
    return Columns((found,), (*first, *(name for name in texts if name not in there)))
