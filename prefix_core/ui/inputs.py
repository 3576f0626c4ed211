"""The input side: examples to click, a grid and a text that follow each other, and a word where neither can be read."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from prefix_core.errors import InputError
from prefix_core.ui.cards import MOST_EXAMPLES, TaskCard
from prefix_core.ui.grid import grid, regrid
from prefix_core.ui.hints import hint
from prefix_core.ui.status import hint_html, problem_html

LABELS = {
    "table": "As text: MR, field : value, CSV, Markdown, JSON",
    "triples": "As text: subject | relation | object, CSV, Markdown, JSON",
    "text": "The article",
}
LEFT_ALONE = "The text below cannot be read, so it stays as you typed it; what is written comes from the grid. "
LEFT_ALONE += "Mend the text, or empty it to have it follow the grid again."
PLACEHOLDERS = {
    "table": "name[Blue Spice], eatType[coffee shop], area[riverside]",
    "triples": "Blue Heron Airport | city served | Marlow",
    "text": "Paste an article of a few paragraphs",
}


class Draft(NamedTuple):
    """What stands in the input. typed: which of the two was edited last, "grid" or "text"."""

    typed: str
    grid: list[list[Any]]
    text: str

    def read(self, card: TaskCard) -> Any:
        """As the card's task reads it. Raises `InputError`."""
        return card.task.read(self.text if self.typed == "text" or card.task.kind == "text" else self.grid)


@dataclass(frozen=True)
class Input:
    """The components of the input side."""

    examples: list[gr.Button]
    grid: gr.HTML
    text: gr.Textbox
    problem: gr.HTML
    typed: gr.State

    @property
    def draft(self) -> list[gr.components.Component]:
        """The parts of a `Draft`, in its order."""
        return [self.typed, self.grid, self.text]


def draft_of(card: TaskCard, source: Any) -> Draft:
    return Draft("text", card.task.to_grid(source), card.task.to_text(source))


def draft_from(card: TaskCard, text: str) -> Draft:
    """`text` as it was written, with the grid that goes with it, or none where it cannot be read."""
    try:
        return Draft("text", card.task.to_grid(card.task.read(text)), text)
    except InputError:
        return Draft("text", [], text)


def lay_out(card: TaskCard, source: Any) -> Input:
    """The components, showing `source`."""
    draft = draft_of(card, source)
    with gr.Row(elem_id="examples"):
        examples = [gr.Button(label or "–", size="sm", min_width=0, visible=bool(label)) for label in _labels(card)]
    return Input(
        examples=examples,
        grid=grid(card.task.columns, draft.grid, card.task.kind != "text"),
        text=gr.Textbox(draft.text, elem_id="text", **_box(card)),
        problem=gr.HTML("", elem_id="problem"),
        typed=gr.State(draft.typed),
    )


def change(page: Input, card: TaskCard, draft: Draft) -> dict[Any, Any]:
    """Updates that show another card with what stands in its input."""
    buttons = [gr.Button(label, visible=bool(label), interactive=True) for label in _labels(card)]
    return dict(zip(page.examples, buttons, strict=True)) | {
        page.grid: regrid(card.task.columns, draft.grid, card.task.kind != "text"),
        page.text: gr.Textbox(draft.text, **_box(card)),
        page.problem: look(card, draft),
        page.typed: draft.typed,
    }


def look(card: TaskCard, draft: Draft) -> str:
    """What is wrong with the input, or a hint, or nothing."""
    try:
        draft.read(card)
        problem = ""
    except InputError as error:
        problem = problem_html(error)
    return problem + hint_html(hint(card, draft.text) if draft.typed == "text" else "")


def follow_text(card: TaskCard, text: str, rows: list[list[Any]]) -> tuple[Any, str, str]:
    """The grid follows the text, and keeps its unfinished rows, which no text can say; `rows` are those it has.

    Where the text cannot be read the grid stays, and the reason is shown.
    """
    said = look(card, Draft("text", [], text))
    try:
        return [*card.task.to_grid(card.task.read(text)), *filter(unfinished, rows)], said, "text"
    except InputError:
        return gr.skip(), said, "text"


def follow_grid(card: TaskCard, rows: list[list[Any]], text: str) -> tuple[Any, str, str]:
    """The text follows the grid, in the task's own notation; `text` is what it was, and stays if it cannot be read."""
    try:
        written = card.task.to_text(card.task.read(rows))
    except InputError as error:
        return gr.skip(), problem_html(error), "grid"
    if text.strip():
        try:
            card.task.read(text)
        except InputError:
            return gr.skip(), hint_html(LEFT_ALONE), "grid"
    return written, "", "grid"


def unfinished(row: list[Any]) -> bool:
    """Whether a row of the grid has cells with something in them, and others with nothing."""
    return len({bool(str(cell or "").strip()) for cell in row}) == 2


def _labels(card: TaskCard) -> list[str]:
    """A name for each example; "" for the buttons left over."""
    labels = [card.task.label(example.source) for example in card.examples]
    return labels + [""] * (MOST_EXAMPLES - len(labels))


def _box(card: TaskCard) -> dict[str, Any]:
    tall = card.task.kind == "text"
    return {
        "label": LABELS[card.task.kind],
        "placeholder": PLACEHOLDERS[card.task.kind],
        "lines": 14 if tall else 2,
        "max_lines": 24 if tall else 8,
        "elem_classes": ["article"] if tall else ["notation"],
    }
