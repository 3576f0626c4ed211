"""The rows of "One batch": what writes each, what a visitor sees of them, and what they cost. Pure functions.

`prefix_core.writing` needs torch, so it is imported only once the base is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.custom import custom
from prefix_core.ui.choices import PrefixChoice, pick_prefixes
from prefix_core.ui.common import bars_html
from prefix_core.ui.labels import seconds, size
from prefix_core.ui.room import bounded

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine
    from prefix_core.writing.generate import Request
    from prefix_core.writing.together import Together

ROWS = 5
NO_PREFIX, NO_PREFIX_TITLE = "none", "No prefix"
NO_PREFIX_TEXT = "The old town lies on the"
COPY_BYTES = 2  # a parameter of a whole model, which is kept in fp16
PACKED = "Packed means that a fine-tuned copy is stored as its difference from the one model, in 8 bits."
CONTINUATION = custom("text", "continuation")


@dataclass(frozen=True)
class BatchRow:
    """One input with the prefix that writes it. length: of the prefix, in tokens."""

    name: str
    title: str
    text: str
    length: int = 0
    parameters: int = 0
    output: str = ""
    tokens: int = 0


def first_rows(offered: Mapping[str, PrefixChoice]) -> list[tuple[str, str]]:
    """(name, text) of the rows to start with: the prefixes in turn, each with an example, and one row without."""
    names = list(offered)
    if not names:
        return [(NO_PREFIX, NO_PREFIX_TEXT)] * ROWS
    turns = [(names[row % len(names)], row // len(names)) for row in range(ROWS - 1)]
    return [*((name, example(offered[name].task, turn)) for name, turn in turns), (NO_PREFIX, NO_PREFIX_TEXT)]


def example(task: Task, turn: int = 0) -> str:
    """An example of our own writing, as text; "" if the task has none."""
    shown = task.featured() if task.name in TASKS else []
    return task.to_text(shown[turn % len(shown)].source) if shown else ""


def is_example(text: str) -> bool:
    """Whether a row still holds what the program put there."""
    examples = {task.to_text(example.source) for task in TASKS.values() for example in task.pool()}
    return not text.strip() or text in examples or text == NO_PREFIX_TEXT


def requests_for(
    engine: Engine, offered: dict[str, PrefixChoice], wanted: Sequence[tuple[str, str]]
) -> tuple[list[BatchRow], list[Request]]:
    """What is to be written; empty rows are left out. Raises `InputError` naming the row, counted from 1."""
    from prefix_core.methods.method import Steered
    from prefix_core.writing.generate import Request

    rows, requests = [], []
    for number, (name, text) in enumerate(wanted, 1):
        if not text.strip():
            continue
        try:
            if name == NO_PREFIX:
                task, title, steered = CONTINUATION, NO_PREFIX_TITLE, Steered("prompt", engine.base.writer)
            else:
                (choice,) = pick_prefixes(offered, [name])
                task, title, steered = choice.task, choice.title, choice.steered
            requests.append(Request(steered, task, task.parse(bounded(text))))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
        length = steered.prefix.length if steered.prefix else 0
        rows.append(BatchRow(name, title, text, length, steered.kept))
    if len(rows) < 2:
        raise InputError("One batch needs at least two rows with an input. Fill in another one.")
    return rows, requests


def rows_html(rows: Sequence[BatchRow], writing: bool = False) -> str:
    """The outputs, each with the prefix that wrote it; everything a model or a visitor wrote is escaped."""
    caret = '<span class="caret"></span>' if writing else ""
    items = "".join(
        f'<li><div class="who"><b>{escape(row.title)}</b><small>{_behind(row)}</small></div>'
        f"<p>{escape(row.output) or (caret or '<i>(it wrote nothing)</i>')}</p></li>"
        for row in rows
    )
    return f'<ol class="batch-rows">{items}</ol>'


def costs_html(rows: Sequence[BatchRow], result: Together, model: int) -> str:
    """Time and storage as bars, with every row counted as a separate task. model: parameters of the base."""
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
        else "Some texts differ between the batch and alone: rounding decided between two almost equally likely words."
    )
    largest = bytes_per_parameter("prefix") * max(row.parameters for row in rows)
    thousand = (
        f"A thousand tasks take {size(round(1000 * largest))} as prefixes and {size(1000 * one_model)} as full copies."
    )
    time = bars_html([("in one batch", result.seconds_together), ("one at a time", result.seconds_alone)], seconds)
    room = bars_html(storage, size)
    return (
        f'<div class="costs"><h2>Time for {len(rows)} texts, {result.tokens} tokens: '
        f"{result.times_faster:.1f} times as fast</h2>{time}<h2>Storage, if every row were a separate task</h2>"
        f"{room}<p>{thousand} {same} {PACKED}</p></div>"
    )


def batch_json(rows: Sequence[BatchRow], result: Together) -> dict[str, Any]:
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


def _behind(row: BatchRow) -> str:
    return f"behind a prefix of {row.length} tokens" if row.length else "the model alone"
