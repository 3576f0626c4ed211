"""What stands in the input: a grid and a text that follow each other, and a word where they cannot be read.

Pure functions of the card, the grid's rows and the text.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from prefix_core.errors import InputError
from prefix_core.tasks import e2e, triples
from prefix_core.tasks.task import Kind
from prefix_core.ui.choices import MOST_EXAMPLES, SHIPPED_CARDS, TaskCard
from prefix_core.ui.common import hint_html, problem_html
from prefix_core.ui.room import bounded

LABELS = {
    "table": "As text: MR, field : value, CSV, Markdown, JSON",
    "triples": "As text: subject | relation | object, CSV, Markdown, JSON",
    "text": "The article",
}
LEFT_ALONE = "The text below cannot be read, so it is left as you typed it, and the table is used instead. "
LEFT_ALONE += "Correct the text, or clear it to have it follow the table again."
PLACEHOLDERS = {
    "table": "name[Blue Spice], eatType[coffee shop], area[riverside]",
    "triples": "Blue Heron Airport | city served | Marlow",
    "text": "Paste an article of a few paragraphs",
}

MAY_FAIL = "The trained methods may write nonsense for it."
KIND_NAMES: dict[Kind, str] = {"table": "a table of attributes and values", "triples": "triples", "text": "an article"}
LONGEST_LABEL = 40  # characters of an example's button
PROSE_WORDS = 40  # fewer could be one long value


class Draft(NamedTuple):
    """What stands in the input. edited: which of the two was edited last, "grid" or "text"."""

    edited: str
    grid: list[list[Any]]
    text: str

    def source(self, card: TaskCard) -> Any:
        """As the card's task reads it. Raises `InputError`."""
        return card.task.parse(bounded(self.text) if self.edited == "text" or card.task.kind == "text" else self.grid)


def draft_of(card: TaskCard, source: Any) -> Draft:
    return Draft("text", card.task.to_grid(source), card.task.to_text(source))


def draft_from(card: TaskCard, text: str) -> Draft:
    """`text` as it was written, with the grid that goes with it, or none if it cannot be read."""
    try:
        return Draft("text", card.task.to_grid(card.task.parse(text)), text)
    except InputError:
        return Draft("text", empty_grid(card), text)


def empty_grid(card: TaskCard) -> list[list[Any]]:
    """No rows, but the fields of a form."""
    return card.task.to_grid("") if card.form else []


def check_html(card: TaskCard, draft: Draft) -> str:
    """What is wrong with the input, or a hint, or nothing."""
    unlike, refused = "", ""
    try:
        unlike = card.task.unlike(draft.source(card))
    except InputError as error:
        refused = refused_html(error)
    hint = task_hint(card, draft.text) if draft.edited == "text" and card.own is None else ""
    return refused + hint_html(hint or (unlike and f"{unlike} {MAY_FAIL}"))


def refused_html(error: InputError) -> str:
    """The reason why an input is refused; while it stands there, the page shows the old texts as what they are."""
    return f'<div class="refused">{problem_html(error)}</div>'


def follow_text(card: TaskCard, text: str, rows: list[list[Any]]) -> tuple[Any, str, str]:
    """The grid follows the text, but keeps its unfinished rows, which cannot be written as text.

    rows: of the grid as it is. If the text cannot be read, the grid stays as it is, and the reason is shown.
    """
    said = check_html(card, Draft("text", [], text))
    kept = [] if card.form else filter(unfinished, rows)  # of a form every field is there already
    try:
        return [*card.task.to_grid(card.task.parse(text)), *kept], said, "text"
    except InputError:
        return gr.skip(), said, "text"


def follow_grid(card: TaskCard, rows: list[list[Any]], text: str) -> tuple[Any, str, str]:
    """The text follows the grid, in the task's own notation; an old `text` that cannot be read is left as it is."""
    try:
        written = card.task.to_text(card.task.parse(rows))
    except InputError as error:
        return gr.skip(), refused_html(error), "grid"
    if text.strip():
        try:
            card.task.parse(text)
        except InputError:
            return gr.skip(), hint_html(LEFT_ALONE), "grid"
    return written, check_html(card, Draft("grid", rows, written)), "grid"


def unfinished(row: list[Any]) -> bool:
    """Whether some cells of the row are filled in and others empty."""
    return len({bool(str(cell or "").strip()) for cell in row}) == 2


def example_labels(card: TaskCard) -> list[str]:
    """A name for each example; "" for the buttons left over."""
    labels = [example_label(card, example.source) for example in card.examples]
    return labels + [""] * (MOST_EXAMPLES - len(labels))


def example_label(card: TaskCard, source: Any) -> str:
    label = card.task.label(source)
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def box_settings(card: TaskCard) -> dict[str, Any]:
    tall = card.task.kind == "text"
    label = f"As the model reads it: {card.form}" if card.form else LABELS[card.task.kind]
    return {
        "label": label,
        "placeholder": card.form or PLACEHOLDERS[card.task.kind],
        "lines": 14 if tall else 2,
        "max_lines": 24 if tall else 8,
        "elem_classes": ["article"] if tall else ["notation"],
    }


def plain_kind(text: str) -> Kind | None:
    """The kind that `text` plainly is; None if it could be two kinds, or is none."""
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
    table, triple = _reads(e2e.parse, text), _reads(triples.parse, text)
    return None if table == triple else "table" if table else "triples"


def task_hint(card: TaskCard, text: str) -> str:
    """Which tasks suit `text` better than the chosen one; "" if it suits, or nobody can tell."""
    kind = plain_kind(text)
    if kind is None or kind == card.task.kind:
        return ""
    titles = [other.task.title for other in SHIPPED_CARDS.values() if other.task.kind == kind]
    if not titles:
        return ""
    return (
        f"This looks like {KIND_NAMES[kind]}, the input of {' and '.join(titles)}. "
        f"Choose {'it' if len(titles) == 1 else 'one of them'} above; your text comes along."
    )


def _is_prose(text: str) -> bool:
    """Sentences rather than cells: many words, some full stops, and almost no brackets, bars or tabs."""
    words = len(text.split())
    sentences = len(re.findall(r"[a-z0-9’'\")][.!?](?:\s|$)", text))
    marks = len(re.findall(r"[|{}\[\]\t]", text))
    return words >= PROSE_WORDS and sentences >= 2 and marks * 20 < words


def _reads(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except InputError:
        return False
    return True
