"""Runs of one visitor: only the latest counts, whatever order the queue takes them in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from prefix_core.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui import compare
from prefix_core.ui.compare import Turn, begin, halt, rest
from prefix_core.ui.engine import Loading

E2E = get_task("e2e")
SETTINGS = ("greedy", 0.8, 0.9, 0, 200, False, 0)
NOTHING = [(gr.skip(), gr.skip())]


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


@pytest.fixture
def run(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> Callable[[Turn], Iterator[tuple[Any, Any]]]:
    monkeypatch.setattr(compare, "REDRAW", 0.0)
    return lambda turn: compare.run(loading, E2E, turn)


def order(turn: Turn, text: str, typed: str = "text") -> list[Any]:
    return begin(E2E, 1, "", turn, typed, [["name", "Grid"]], text, ["prefix", "fine_tune"], *SETTINGS)


def live(shown: list[Any]) -> list[bool]:
    """Run, Stop, the example: which can be pressed."""
    return [button["interactive"] if isinstance(button, dict) else button.interactive for button in shown[-3:]]


def test_a_later_run_silences_an_earlier_one(run) -> None:
    turn = Turn()
    order(turn, "name[First]")
    first = run(turn)
    while "writing" not in str(next(first)[1]):
        pass
    order(turn, "name[Second]")
    assert list(first) == NOTHING
    *_, (status, panes) = run(turn)
    assert "2 texts for Second" in status and panes.count('data-state="finished"') == 2


def test_runs_that_waited_in_the_queue_write_the_latest_once(run) -> None:
    turn = Turn()
    order(turn, "name[First]")
    order(turn, "name[Second]")
    *_, (status, _) = run(turn)
    assert "for Second" in status
    assert list(run(turn)) == NOTHING


def test_stop_is_live_while_any_run_is_on() -> None:
    turn = Turn()
    assert live(order(turn, "name[First]")) == [False, True, False]
    assert live(order(turn, "name[Second]")) == [False, True, False]
    order(turn, "name[Bad")
    assert turn.latest and turn.latest.table == (("name", "Second"),)  # bad input leaves the run on
    assert live(rest(1, turn)) == live(rest(1, turn)) == [False, True, False]
    assert live(rest(1, turn)) == [True, False, True]


def test_stop_shows_what_was_written(run) -> None:
    turn = Turn()
    order(turn, "name[First]")
    pictures = run(turn)
    while "writing" not in str(next(pictures)[1]):
        pass
    halt(turn)
    *_, (status, panes) = pictures
    assert 'data-state="stopped"' in status and "stopped early" in panes


def test_an_order_that_the_queue_refused_is_forgotten(run) -> None:
    turn = Turn()
    order(turn, "name[First]")
    rest(1, turn)
    order(turn, "name[Bad")
    assert list(run(turn)) == NOTHING
