"""The rows of "One batch": what each is written with, and what a visitor sees of them. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.custom import custom
from prefix_core.ui.engine import Engine
from prefix_core.ui.panes import seconds, size
from prefix_core.ui.prefixes import Choice, chosen

if TYPE_CHECKING:
    from prefix_core.writing.generate import Request
    from prefix_core.writing.together import Together

ROWS = 5
PLAIN, PLAIN_TITLE = "none", "No prefix"
PLAIN_TEXT = "The old town lies on the"
COPY_BYTES = 2  # a parameter of a whole model, which is kept in fp16
PACKED = "Packed, a fine-tuned copy is kept as its difference from the one model, in 8 bits."
_TEXT = custom("text", "continuation")


@dataclass(frozen=True)
class Row:
    """One input with the prefix that writes it. length: of the prefix, in tokens."""

    name: str
    title: str
    text: str
    length: int = 0
    parameters: int = 0
    output: str = ""
    tokens: int = 0


def first_rows(offered: Mapping[str, Choice]) -> list[tuple[str, str]]:
    """(name, text) of the rows one starts with: the prefixes by turns, each with an example, and one row without."""
    names = list(offered)
    if not names:
        return [(PLAIN, PLAIN_TEXT)] * ROWS
    turns = [(names[row % len(names)], row // len(names)) for row in range(ROWS - 1)]
    return [*((name, example(offered[name].task, turn)) for name, turn in turns), (PLAIN, PLAIN_TEXT)]


def example(task: Task, turn: int = 0) -> str:
    """An example of our own writing, as text; "" where a task has none."""
    pool = task.pool() if task.name in TASKS else []
    shown = [found for found in pool if found.featured] or pool
    return task.to_text(shown[turn % len(shown)].source) if shown else ""


def is_example(text: str) -> bool:
    """Whether a row still holds what the program put there."""
    written = {task.to_text(found.source) for task in TASKS.values() for found in task.pool()}
    return not text.strip() or text in written or text == PLAIN_TEXT


def order(
    engine: Engine, offered: dict[str, Choice], wanted: Sequence[tuple[str, str]]
) -> tuple[list[Row], list[Request]]:
    """What is to be written, row by row; empty rows are left out. Raises `InputError` naming the row (from 1)."""
    from prefix_core.methods.method import Steered
    from prefix_core.writing.generate import Request

    rows, requests = [], []
    for number, (name, text) in enumerate(wanted, 1):
        if not text.strip():
            continue
        try:
            if name == PLAIN:
                task, title, steered = _TEXT, PLAIN_TITLE, Steered("prompt", engine.base.writer)
            else:
                (choice,) = chosen(offered, [name])
                task, title, steered = choice.task, choice.title, choice.steered
            requests.append(Request(steered, task, task.read(text)))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
        length = steered.prefix.length if steered.prefix else 0
        rows.append(Row(name, title, text, length, steered.kept))
    if len(rows) < 2:
        raise InputError("One batch needs at least two rows with an input. Fill in another one.")
    return rows, requests


def rows_html(rows: Sequence[Row], writing: bool = False) -> str:
    """The outputs, each with the prefix that wrote it; everything a model or a visitor wrote is escaped."""
    caret = '<span class="caret"></span>' if writing else ""
    items = "".join(
        f'<li><div class="who"><b>{escape(row.title)}</b><small>{_behind(row)}</small></div>'
        f"<p>{escape(row.output) or (caret or '<i>(it wrote nothing)</i>')}</p></li>"
        for row in rows
    )
    return f'<ol class="batch-rows">{items}</ol>'


def costs_html(rows: Sequence[Row], result: Together, model: int) -> str:
    """Time and storage as bars, every row counted as a task of its own. model: parameters of the base."""
    from prefix_core.artifacts.artifacts import bytes_per_parameter

    one_model = COPY_BYTES * model
    prefixes = round(bytes_per_parameter("prefix") * sum(row.parameters for row in rows))
    packed = round(bytes_per_parameter("fine_tune") * model) * len(rows)
    storage = [
        ("one model and prefixes", one_model + prefixes),
        (f"{len(rows)} fine-tuned copies", len(rows) * one_model),
        ("the same, packed", one_model + packed),
    ]
    same = (
        "Every text is the same, token for token, in the batch and alone."
        if result.same
        else "Some texts differ between the batch and alone: rounding tipped the scales between two words."
    )
    time = _bars([("in one batch", result.seconds_together), ("one at a time", result.seconds_alone)], seconds)
    room = _bars(storage, size)
    return (
        f'<div class="costs"><h3>Time for {len(rows)} texts, {result.tokens} tokens: '
        f"{result.times_faster:.1f} times as fast</h3>{time}<h3>Storage, were every row a task of its own</h3>"
        f"{room}<p>{same} {PACKED}</p></div>"
    )


def facts(rows: Sequence[Row], result: Together) -> dict[str, Any]:
    """The outcome as JSON."""
    return {
        "outputs": [
            {"prefix": row.name, "text": text, "prefix_length": row.length, "kept": row.parameters}
            for row, text in zip(rows, result.outputs, strict=True)
        ],
        "same_alone": result.same,
        "tokens": result.tokens,
        "seconds_together": round(result.seconds_together, 4),
        "seconds_one_at_a_time": round(result.seconds_alone, 4),
    }


def _behind(row: Row) -> str:
    return f"behind a prefix of {row.length}" if row.length else "the model alone"


def _bars(values: Sequence[tuple[str, Any]], shown: Callable[[Any], str]) -> str:
    most = max(value for _, value in values) or 1
    return "".join(
        f'<div class="cost"><span>{name}</span><div class="bar" aria-hidden="true">'
        f'<i class="{"grey" if place else ""}" style="width:{100 * value / most:.2f}%"></i></div>'
        f"<b>{shown(value)}</b></div>"
        for place, (name, value) in enumerate(values)
    )
