"""Runs of one visitor: only the latest counts, whatever order the queue takes them in; and the line they stand in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.ui import room, waiting_line
from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare import runs
from prefix_core.ui.compare.runs import DecodingOptions, PageState
from prefix_core.ui.loading import Loading
from prefix_core.ui.waiting_line import WaitingLine

CARD = SHIPPED_CARDS["e2e"]
NOTHING = [(gr.skip(), gr.skip(), gr.skip())]


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


@pytest.fixture
def run(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> Callable[[PageState], Iterator[Any]]:
    monkeypatch.setattr(runs, "REDRAW", 0.0)
    monkeypatch.setattr(waiting_line, "LOOK", 0.01)
    return lambda state: runs.run(loading, state)


@pytest.fixture
def state() -> PageState:
    return PageState(CARD.key)


def ask(state: PageState, text: str, methods: tuple[str, ...] = ("prefix", "fine_tune")) -> None:
    """As a press of Run does."""
    state.running += 1
    state.begin(CARD, CARD.task.parse(text), list(methods), DecodingOptions(max_new_tokens=200))


def until_writing(redraws: Iterator[Any]) -> None:
    while "writing" not in str(next(redraws)[1]):
        pass


def test_a_later_run_silences_an_earlier_one(run, state: PageState) -> None:
    ask(state, "name[First]")
    first = run(state)
    until_writing(first)
    ask(state, "name[Second]")
    assert list(first) == NOTHING
    *_, (status, panes, _) = run(state)
    assert "2 texts for Second" in status and panes.count('data-state="finished"') == 2


def test_runs_that_waited_in_the_queue_write_the_latest_once(run, state: PageState) -> None:
    ask(state, "name[First]")
    ask(state, "name[Second]")
    *_, (status, _, _) = run(state)
    assert "for Second" in status
    assert list(run(state)) == NOTHING


def test_stop_is_live_while_any_run_is_on(state: PageState) -> None:
    assert (state.on, state.stoppable) == (False, False)
    ask(state, "name[First]")
    ask(state, "name[Second]")
    state.end()
    assert (state.on, state.stoppable) == (True, True)
    state.stop()
    assert (state.on, state.stoppable) == (True, False)
    state.end()
    assert (state.on, state.stoppable) == (False, False)


def test_an_arrival_that_writes_nothing_leaves_run_alone(state: PageState) -> None:
    state.running += 1
    assert (state.on, state.stoppable) == (False, False)
    ask(state, "name[First]")  # pressed before the arrival has passed
    state.end()
    assert (state.on, state.stoppable) == (True, True)
    state.end()
    assert not state.on


def test_a_run_without_a_method_leaves_the_one_that_is_on(state: PageState) -> None:
    ask(state, "name[First]")
    with pytest.raises(InputError, match="Tick at least one"):
        ask(state, "name[Second]", methods=())
    assert state.latest and state.latest.source == (("name", "First"),)


def test_stop_shows_what_was_written(run, state: PageState) -> None:
    ask(state, "name[First]")
    redraws = run(state)
    until_writing(redraws)
    state.stop()
    *_, (status, panes, _) = redraws
    assert 'data-state="stopped"' in status and "stopped early" in panes


def test_a_comparison_that_the_queue_refused_is_forgotten(run, state: PageState) -> None:
    ask(state, "name[First]")
    state.end()
    assert list(run(state)) == NOTHING


def test_one_who_waits_is_told_how_many_are_before_them(run, state: PageState, monkeypatch: pytest.MonkeyPatch) -> None:
    line = WaitingLine(1)
    monkeypatch.setattr(room, "SHORT_LINE", line)
    ask(state, "name[First]")
    with line.join():
        redraws = run(state)
        next(redraws)
        assert "Waiting: 1 before you" in next(redraws)[0]
    *_, (status, _, _) = redraws
    assert "2 texts for First" in status and line.standing == []


def test_stop_ends_the_waiting(run, state: PageState, monkeypatch: pytest.MonkeyPatch) -> None:
    line = WaitingLine(1)
    monkeypatch.setattr(room, "SHORT_LINE", line)
    ask(state, "name[First]")
    with line.join():
        redraws = run(state)
        next(redraws)
        state.stop()
        assert "Stopped before it began" in [status for status, *_ in redraws][-1]
        assert len(line.standing) == 1


def test_an_example_is_scored_against_what_people_wrote(run, state: PageState) -> None:
    ask(state, CARD.task.to_text(CARD.examples[0].source))
    *_, (_, _, people) = run(state)
    assert CARD.examples[0].references[0] in people and "ROUGE-L" in people
    ask(state, "name[Not An Example]")
    *_, (_, _, people) = run(state)
    assert people == ""


def test_the_words_of_the_others_can_be_held_against_one(run, state: PageState) -> None:
    ask(state, "name[First]")
    state.against = "prefix"
    *_, (_, panes, _) = run(state)
    chosen, other = panes.split("<article")[1:]
    assert 'aria-pressed="true"' in chosen and "<ins>" not in chosen
    assert "<ins>" in other or "<del>" in other
