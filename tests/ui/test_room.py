"""What one comparison may take, and the line it waits in."""

import pytest

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.ui import room
from prefix_core.writing.search import Decoding


def test_short_comparisons_never_wait_for_long_ones(tiny: Base, e2e: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = [(e2e, e2e.pool()[0].source)]
    assert room.line_for(tiny, inputs, 5, Decoding()) is room.SHORT_LINE
    monkeypatch.setattr(room, "LONG", 5 * tiny.shape.positions)
    long = [(e2e, (("name", "many words " * 200),))]  # it will be cut to what the base reads
    assert room.line_for(tiny, long, 5, Decoding()) is room.SHORT_LINE
    assert room.line_for(tiny, long, 5, Decoding(beams=2)) is room.LONG_LINE
    assert room.line_for(tiny, 2 * long, 5, Decoding()) is room.LONG_LINE


def test_what_takes_too_much_is_refused_with_its_size(tiny: Base, e2e: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 100)
    with pytest.raises(InputError, match=r"positions of the model's memory.* it may take 100. Shorten the input"):
        room.line_for(tiny, [(e2e, e2e.pool()[0].source)], 5, Decoding(max_new_tokens=50))
    with pytest.raises(InputError, match="has 40,001 characters; here it may have 40,000"):
        room.bounded("x" * 40_001)
