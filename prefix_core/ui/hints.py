"""Which kind of input a pasted text plainly is, so that a visitor hears of the task that suits it."""

import re
from collections.abc import Callable
from typing import Any

from prefix_core.data.notations import read_table
from prefix_core.errors import InputError
from prefix_core.tasks import triples
from prefix_core.tasks.task import Kind
from prefix_core.ui.cards import SHIPPED, TaskCard

NAMES: dict[Kind, str] = {"table": "a table of attributes and values", "triples": "triples", "text": "an article"}
_PROSE_WORDS = 40  # fewer could be one long value


def plain_kind(text: str) -> Kind | None:
    """The kind that `text` plainly is; None where it could be two, or none."""
    text = text.strip()
    if re.match(r"[^\[\]{}|\n]*\w\s*\[[^\[\]]*\]", text):
        return "table"  # MR: its commas could pass for CSV
    pieces = [piece for piece in re.split(r"[|\n]", text) if piece.strip()]
    if pieces and all(re.match(r"[^:]*\S\s:\s\S[^:]*\s:\s\S", piece) for piece in pieces):
        return "triples"  # a : b : c | ...
    if len(pieces) > 1 and all(re.fullmatch(r"[^:.]*[^:\s]\s*:\s*[^:]+", piece) for piece in pieces):
        return "table"  # a : b | ...
    if _is_prose(text):
        return "text"
    table, triple = _reads(read_table, text), _reads(triples.read, text)
    return None if table == triple else "table" if table else "triples"


def hint(card: TaskCard, text: str) -> str:
    """A word on the tasks that suit `text` better than the chosen one; "" where it is fine, or nobody can tell."""
    kind = plain_kind(text)
    if kind is None or kind == card.task.kind:
        return ""
    titles = [other.task.title for other in SHIPPED.values() if other.task.kind == kind]
    if not titles:
        return ""
    return (
        f"This looks like {NAMES[kind]}, which {' and '.join(titles)} take: choose one above and the text comes along."
    )


def _is_prose(text: str) -> bool:
    """Sentences rather than cells: many words, full stops, hardly a mark that notations are made of."""
    words = len(text.split())
    sentences = len(re.findall(r"[a-z0-9’'\")][.!?](?:\s|$)", text))
    marks = len(re.findall(r"[|{}\[\]\t]", text))
    return words >= _PROSE_WORDS and sentences >= 2 and marks * 20 < words


def _reads(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except InputError:
        return False
    return True
