"""What one comparison may take of the memory, and the line it waits in: a short one never waits for a long one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prefix_core.errors import InputError
from prefix_core.tasks import Task
from prefix_core.ui.waiting_line import WaitingLine

if TYPE_CHECKING:
    from prefix_core.model.base import Base
    from prefix_core.writing.search import Decoding

MOST_CHARACTERS = 40_000  # of one input
LONG = 4_000  # positions whose keys and values are kept, of all rows and beams together; some 50 kB each
MOST = 24_000

SHORT_LINE = WaitingLine(8)  # these are written together
LONG_LINE = WaitingLine(1)  # so are these with the others, but of each other's memory they have to wait


def bounded(text: str) -> str:
    """The text. Raises `InputError` if it is longer than anybody's input is."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"The input has {len(text):,} characters; here it may have {MOST_CHARACTERS:,}. Shorten it.")
    return text


def line_for(base: Base, inputs: Sequence[tuple[Task, Any]], rows: int, decoding: Decoding) -> WaitingLine:
    """Where a comparison waits that writes each input in so many rows. Raises `InputError` if it takes too much."""
    tokens = 0
    for task, source in inputs:
        length = len(base.encode(bounded(task.linearize(source)))) + (decoding.max_new_tokens or task.max_new_tokens)
        tokens += min(length, base.shape.positions)
    positions = rows * decoding.beams * tokens
    if positions > MOST:
        raise InputError(
            f"This would take {positions:,} positions of the model's memory, its methods and beams together; here it "
            f"may take {MOST:,}. Shorten the input, tick fewer methods, or choose another decoding than beam search."
        )
    return LONG_LINE if positions > LONG else SHORT_LINE
