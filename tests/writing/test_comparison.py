"""A comparison's panes: what is known of a method before it writes, and what loading its weights took."""

import threading
from pathlib import Path
from typing import Any

import pytest

from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.writing.comparison import compare
from prefix_core.writing.desk import Desk
from prefix_core.writing.engine import Engine, Shelf
from prefix_core.writing.generate import Decoding


def test_panes_say_how_long_loading_took_and_what_a_copy_would_take(tiny: Base, artifacts: Path, e2e: Task) -> None:
    engine, source = Engine(tiny, Shelf(tiny), artifacts, Desk(tiny)), e2e.pool()[0].source

    def last() -> dict[str, tuple[float, int]]:
        *_, panes = compare(engine, e2e, [source], ["prefix", "fine_tune", "adapter"], Decoding(max_new_tokens=2))
        assert [pane.state for pane in panes] == ["finished", "finished", "failed"]
        return {pane.method: (pane.loading, pane.copy) for pane in panes}

    cold, warm = last(), last()
    assert cold["fine_tune"][0] > warm["fine_tune"][0] > 0
    assert {method: copy for method, (_, copy) in cold.items()} == {
        "prefix": 0, "fine_tune": 2 * tiny.parameters, "adapter": 0,
    }  # fmt: skip


def test_the_others_write_while_a_whole_model_is_loaded(
    tiny: Base, artifacts: Path, e2e: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, written, in_time = Engine(tiny, Shelf(tiny), artifacts, Desk(tiny)), threading.Event(), []
    get = engine.shelf.get

    def slow(folder: Path) -> Any:
        if folder.name == "fine_tune":
            in_time.append(written.wait(30))
        return get(folder)

    monkeypatch.setattr(engine.shelf, "get", slow)
    shown = []
    for panes in compare(engine, e2e, [e2e.pool()[0].source], ["fine_tune", "prefix"], Decoding(max_new_tokens=2)):
        shown.append(panes)
        if panes[1].state == "finished":
            written.set()
    assert in_time == [True] and [pane.state for pane in shown[-1]] == ["finished", "finished"]
    assert (shown[0][0].trained, shown[0][0].state) == (tiny.parameters, "waiting")  # the card says what it will be
