"""The prefix's dials: its pane is written anew, the others stay, and the latest change counts."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare import runs
from prefix_core.ui.compare.runs import DecodingOptions, PageState, span_of
from prefix_core.ui.loading import Loading
from tests.ui.conftest import App, visit

CARD = SHIPPED_CARDS["e2e"]
DONE = "#status [data-state=done]"


@pytest.fixture
def state() -> PageState:
    return PageState(CARD.key)


@pytest.fixture
def run(tiny: Base, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[PageState], Iterator[Any]]:
    monkeypatch.setattr(runs, "REDRAW", 0.0)
    loading = Loading(tiny.name, artifacts).start()
    return lambda state: runs.run(loading, state)


def ask(state: PageState, **options: Any) -> None:
    state.running += 1
    source = CARD.task.pool()[0].source
    state.begin(CARD, source, ["prefix", "prompt"], DecodingOptions(max_new_tokens=12, **options))


def steer(state: PageState, **options: Any) -> None:
    state.running += 1
    assert state.steer(DecodingOptions(max_new_tokens=12, **options))


def last(redraws: Iterator[Any]) -> tuple[str, str]:
    """The last status and panes."""
    drawn = [(status, panes) for status, panes, _ in redraws]
    return drawn[-1][0], [panes for _, panes in drawn if isinstance(panes, str)][-1]


def texts(state: PageState) -> dict[str, str]:
    assert state.shown
    return {pane.method: pane.text for pane in state.shown[2]}


def test_the_prefix_alone_is_written_anew_and_one_gives_it_back(run, state: PageState) -> None:
    ask(state)
    list(run(state))
    state.end()
    before = texts(state)
    steer(state, strength=0.0, layers="2-2")
    status, panes = last(run(state))
    state.end()
    after = texts(state)
    assert "1 text for" in status and "<b>strength 0 in layer 2 only</b>" in panes
    assert list(after) == list(before) and after["prompt"] == before["prompt"] and after["prefix"] != before["prefix"]
    steer(state)
    list(run(state))
    assert texts(state) == before


def test_a_text_steered_by_run_is_that_of_the_dial(run, state: PageState) -> None:
    ask(state, strength=4.0)
    list(run(state))
    state.end()
    before = texts(state)
    steer(state, strength=1.0)
    list(run(state))
    state.end()
    steer(state, strength=4.0)
    list(run(state))
    assert texts(state) == before


def test_the_latest_change_is_written_alone(run, state: PageState) -> None:
    ask(state)
    list(run(state))
    state.end()
    steer(state, strength=2.0)
    first = run(state)
    next(first)
    steer(state, strength=0.0)
    assert not [panes for _, panes, _ in first if isinstance(panes, str)]
    _, panes = last(run(state))
    assert "<b>strength 0</b>" in panes and panes.count("<article") == 2


def test_a_change_while_all_write_is_for_all(run, state: PageState) -> None:
    ask(state)
    next(run(state))
    steer(state, strength=2.0)
    *_, (status, _, _) = run(state)
    assert "2 texts for" in status and set(texts(state)) == {"prefix", "prompt"}


def test_without_a_text_there_is_nothing_to_steer(state: PageState) -> None:
    assert not state.steer(DecodingOptions(strength=2.0))


def test_layers_are_read_as_people_count_them() -> None:
    assert (span_of(""), span_of("5-12"), span_of("3")) == (None, range(4, 12), range(2, 3))
    with pytest.raises(InputError, match="The layers are “top”"):
        span_of("top")


def test_a_visitor_turns_the_dials(page: Page) -> None:
    pane = page.locator(".pane[data-method=prefix]")
    prompted = page.locator(".pane[data-method=prompt] .output")
    before, other = pane.locator(".output").inner_text(), prompted.inner_text()
    strength = page.get_by_label("Prefix strength")
    strength.focus()
    page.keyboard.press("End")
    expect(page.locator("#strength output")).to_have_text("8")
    expect(pane.locator(".how b")).to_have_text("strength 8")
    expect(page.locator(DONE)).to_contain_text("1 text for")
    assert prompted.inner_text() == other
    page.get_by_label("First layer the prefix acts in").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#layers output")).to_have_text("only 2")
    expect(pane.locator(".how b")).to_have_text("strength 8 in layer 2 only")
    page.get_by_role("button", name="All layers").click()
    page.get_by_role("button", name="Strength as trained").click()
    expect(pane.locator(".how b")).to_have_count(0)
    expect(page.locator(DONE)).to_contain_text("1 text for")
    assert pane.locator(".output").inner_text() == before


def test_dials_go_with_a_link_and_back_to_rest_with_another_card(app: App, browser: Browser, page: Page) -> None:
    page.get_by_label("Prefix strength").focus()
    page.keyboard.press("Home")
    expect(page.locator(".pane[data-method=prefix] .how b")).to_have_text("strength 0")
    page.locator("#link").click()
    page.wait_for_url(re.compile("strength=0"))
    for other in visit(app, browser, query=page.url.split("/")[-1]):
        expect(other.locator("#strength output")).to_have_text("0, without it")
        expect(other.locator(".pane[data-method=prefix] .how b")).to_have_text("strength 0")
        other.locator("#tasks").get_by_label(re.compile("WebNLG")).check()
        expect(other.locator("#strength")).to_be_hidden()  # nothing is trained for it
        other.locator("#tasks").get_by_label(re.compile("E2E")).check()
        expect(other.locator("#strength output")).to_have_text("1, as trained")


def test_programs_steer_it_too(app: App) -> None:
    client = Client(app.url, verbose=False)
    asked = {"text": "name[Blue Spice], area[riverside]", "methods": ["prefix"], "max_new_tokens": 8}
    answer = client.predict(**asked, strength=4, layers="1-1", api_name="/compare")
    (pane,) = answer["outputs"]
    assert (pane["strength"], pane["layers"], pane["state"]) == (4, "1-1", "finished")
    for wrong, message in (({"strength": 9}, "from 0 to 8"), ({"layers": "top"}, "write them as 5-12")):
        with pytest.raises(AppError, match=message):
            client.predict(**asked, **wrong, api_name="/compare")
    (pane,) = client.predict(**asked, layers="2-9", api_name="/compare")["outputs"]
    assert "the prefix has layers 1 to 2" in pane["error"]
