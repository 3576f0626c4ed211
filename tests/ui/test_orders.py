"""Runs of one visitor: only the latest counts, whatever order the queue takes them in; and the line they stand in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.ui import orders
from prefix_core.ui.cards import SHIPPED
from prefix_core.ui.engine import Loading
from prefix_core.ui.line import Line
from prefix_core.ui.orders import Settings, Turn

CARD = SHIPPED["e2e"]
NOTHING = [(gr.skip(), gr.skip(), gr.skip())]


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


@pytest.fixture
def run(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> Callable[[Turn], Iterator[Any]]:
    monkeypatch.setattr(orders, "REDRAW", 0.0)
    monkeypatch.setattr(orders, "LOOK", 0.01)
    return lambda turn: orders.run(loading, turn)


@pytest.fixture
def turn() -> Turn:
    return Turn(CARD.key)


def order(turn: Turn, text: str, methods: tuple[str, ...] = ("prefix", "fine_tune")) -> None:
    """As a press of Run does."""
    turn.going += 1
    turn.begin(CARD, CARD.task.read(text), list(methods), Settings(max_new_tokens=200))


def until_writing(pictures: Iterator[Any]) -> None:
    while "writing" not in str(next(pictures)[1]):
        pass


def test_a_later_run_silences_an_earlier_one(run, turn: Turn) -> None:
    order(turn, "name[First]")
    first = run(turn)
    until_writing(first)
    order(turn, "name[Second]")
    assert list(first) == NOTHING
    *_, (status, panes, _) = run(turn)
    assert "2 texts for Second" in status and panes.count('data-state="finished"') == 2


def test_runs_that_waited_in_the_queue_write_the_latest_once(run, turn: Turn) -> None:
    order(turn, "name[First]")
    order(turn, "name[Second]")
    *_, (status, _, _) = run(turn)
    assert "for Second" in status
    assert list(run(turn)) == NOTHING


def test_stop_is_live_while_any_run_is_on(turn: Turn) -> None:
    assert (turn.on, turn.stoppable) == (False, False)
    order(turn, "name[First]")
    order(turn, "name[Second]")
    turn.rest()
    assert (turn.on, turn.stoppable) == (True, True)
    turn.halt()
    assert (turn.on, turn.stoppable) == (True, False)
    turn.rest()
    assert (turn.on, turn.stoppable) == (False, False)


def test_a_run_without_a_method_leaves_the_one_that_is_on(turn: Turn) -> None:
    order(turn, "name[First]")
    with pytest.raises(InputError, match="Tick at least one"):
        order(turn, "name[Second]", methods=())
    assert turn.latest and turn.latest.source == (("name", "First"),)


def test_stop_shows_what_was_written(run, turn: Turn) -> None:
    order(turn, "name[First]")
    pictures = run(turn)
    until_writing(pictures)
    turn.halt()
    *_, (status, panes, _) = pictures
    assert 'data-state="stopped"' in status and "stopped early" in panes


def test_an_order_that_the_queue_refused_is_forgotten(run, turn: Turn) -> None:
    order(turn, "name[First]")
    turn.rest()
    assert list(run(turn)) == NOTHING


def test_one_who_waits_is_told_how_many_are_before_them(run, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(1)
    monkeypatch.setattr(orders, "WRITING", line)
    order(turn, "name[First]")
    with line.join():
        pictures = run(turn)
        assert "Waiting: 1 before you" in next(pictures)[0]
    *_, (status, _, _) = pictures
    assert "2 texts for First" in status and line.standing == []


def test_stop_ends_the_waiting(run, turn: Turn, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(1)
    monkeypatch.setattr(orders, "WRITING", line)
    order(turn, "name[First]")
    with line.join():
        pictures = run(turn)
        next(pictures)
        turn.halt()
        assert "Stopped before it began" in [status for status, *_ in pictures][-1]
        assert len(line.standing) == 1


def test_an_example_is_scored_against_what_people_wrote(run, turn: Turn) -> None:
    order(turn, CARD.task.to_text(CARD.examples[0].source))
    *_, (_, _, people) = run(turn)
    assert CARD.examples[0].references[0] in people and "ROUGE-L" in people
    order(turn, "name[Not An Example]")
    *_, (_, _, people) = run(turn)
    assert people == ""


def test_the_words_of_the_others_can_be_held_against_one(run, turn: Turn) -> None:
    order(turn, "name[First]")
    turn.against = "prefix"
    *_, (_, panes, _) = run(turn)
    chosen, other = panes.split("<article")[1:]
    assert 'aria-pressed="true"' in chosen and "<ins>" not in chosen
    assert "<ins>" in other or "<del>" in other
