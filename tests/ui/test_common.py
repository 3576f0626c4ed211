"""Of what a page asks for in turn, the newest stays: here an older reading is held up until a newer one is over."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, cast

import gradio as gr
import pytest

from prefix_core.errors import PrefixError
from prefix_core.tasks.custom import custom
from prefix_core.ui.common import Newest
from prefix_core.ui.loading import Loading
from prefix_core.ui.many import tab as many
from prefix_core.ui.many.rows import ManyState
from prefix_core.ui.train import tab as train
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.queue import TrainingQueue
from prefix_core.ui.train.sheet import UNASKED, Rows, Sheet
from prefix_core.ui.visitors import Visitors


def test_the_newest_asking_counts() -> None:
    newest = Newest()
    first = newest.ask()
    assert first()
    second = newest.ask()
    assert second() and not first()


def rows(count: int) -> bytes:
    return b"input,text\n" + b"".join(b"%d,a text\n" % n for n in range(count))


def held_up(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> tuple[Event, Event]:
    """Two events: the first call of a function has begun; it may end."""
    begun, may_end, function, first = Event(), Event(), getattr(module, name), [True]

    def when_told(*given: Any) -> Any:
        if first and first.pop():
            begun.set()
            assert may_end.wait(20)
        return function(*given)

    monkeypatch.setattr(module, name, when_told)
    return begun, may_end


def overtaken(begun: Event, may_end: Event, slow: Callable[[], list[Any]], quick: Callable[[], list[Any]]) -> Any:
    """The answers of both, where the one that was asked for later is ready first."""
    with ThreadPoolExecutor(1) as threads:
        older = threads.submit(slow)
        assert begun.wait(20)
        newer = quick()
        may_end.set()
        return older.result(20), newer


def is_unchanged(answer: list[Any]) -> bool:
    return all(one == gr.skip() for one in answer)


class NoBase:
    """A loading that has failed: a plan then shows the rows alone."""

    def wait(self) -> Any:
        raise PrefixError("no base")


@pytest.fixture
def events() -> train.RowEvents:
    return train.RowEvents(cast(Loading, NoBase()), Limits(), Visitors(), cast(TrainingQueue, None))


@pytest.mark.parametrize("slow", [rows(30), rows(600), b"no table"])
def test_rows_that_are_read_late_do_not_replace_newer_ones(
    events: train.RowEvents, monkeypatch: pytest.MonkeyPatch, slow: bytes
) -> None:
    page = Rows()
    old, new = overtaken(
        *held_up(monkeypatch, train, "read_content"),
        lambda: events.read(("slow.csv", slow), "", UNASKED, page, "", "visitor"),
        lambda: events.read(("quick.csv", rows(20)), "", UNASKED, page, "", "visitor"),
    )
    assert is_unchanged(old)
    assert page.sheet is new[2] and page.sheet.name == "quick.csv"


@pytest.mark.parametrize("refused", [rows(600), b"no table", b""])
def test_rows_that_are_read_late_do_not_hide_why_newer_ones_are_refused(
    events: train.RowEvents, monkeypatch: pytest.MonkeyPatch, refused: bytes
) -> None:
    page = Rows()
    old, new = overtaken(
        *held_up(monkeypatch, train, "read_content"),
        lambda: events.read(("slow.csv", rows(20)), "", UNASKED, page, "", "visitor"),
        lambda: events.read(("quick.csv", refused), "", UNASKED, page, "", "visitor"),
    )
    assert is_unchanged(old)
    assert page.sheet is None and 'class="problem"' in new[3]


def plan_of(events: train.RowEvents, page: Rows, sheet: Sheet | None) -> list[Any]:
    return events.plan(page, sheet, "custom", ["input"], "text", "{input}")


def test_a_plan_for_rows_that_are_no_longer_there_is_dropped(events: train.RowEvents) -> None:
    page = Rows()
    before = events.paste(rows(20).decode(), page, "", "visitor")[2]
    assert "input" in plan_of(events, page, before)[3]
    now = events.paste(rows(12).decode(), page, "", "visitor")[2]
    assert is_unchanged(plan_of(events, page, before))
    assert "input" in plan_of(events, page, now)[3]
    events.paste(rows(600).decode(), page, "", "visitor")
    assert is_unchanged(plan_of(events, page, now))  # it would hide the offer to take the first rows


def test_a_plan_asked_for_before_there_were_rows_does_not_stand_in_the_way(
    events: train.RowEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Rows()
    sheet = events.paste(rows(20).decode(), page, "", "visitor")[2]
    preview = train.views.preview_html

    def meanwhile(*given: Any) -> str:
        assert is_unchanged(plan_of(events, page, None))
        return preview(*given)

    monkeypatch.setattr(train.views, "preview_html", meanwhile)
    assert "input" in plan_of(events, page, sheet)[3]


def test_a_plan_that_is_ready_late_does_not_replace_a_newer_one(
    events: train.RowEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Rows()
    sheet = events.paste(rows(20).decode(), page, "", "visitor")[2]
    plan = partial(plan_of, events, page, sheet)
    old, new = overtaken(*held_up(monkeypatch, train.views, "report_html"), plan, plan)
    assert is_unchanged(old) and "input" in new[3]


def test_inputs_that_are_read_late_do_not_replace_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parts:
        read_parts = range(7)

    class Card:
        task = custom("{input}", "text")

    class Scenes:
        visitors = Visitors()

        def visitor(self, token: str) -> None:
            return None

    monkeypatch.setattr(many, "find_card", lambda key, visitor: Card())
    events = many.ManyEvents(cast(many.ManyParts, Parts()), cast(many.Scenes, Scenes()))
    page = ManyState()
    old, new = overtaken(
        *held_up(monkeypatch, many, "read_inputs"),
        lambda: events.read(("slow.csv", rows(30)), UNASKED, page, "visitor", "card"),
        lambda: events.read(("quick.csv", rows(20)), UNASKED, page, "visitor", "card"),
    )
    assert is_unchanged(old) and not is_unchanged(new)
    assert page.inputs and page.inputs.name == "quick.csv"
