"""Where a prefix acts: for the text of a pane, as numbers; then drawn in a browser, moved through by click and key."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from prefix_core.model.base import Base
from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare.runs import PageState
from prefix_core.ui.inside.acts import explain
from prefix_core.ui.loading import Loading
from prefix_core.writing.written import Pane

CARD = SHIPPED_CARDS["e2e"]
TEXT = "The Copper Kettle is a coffee shop."


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


def shown(*panes: Pane) -> PageState:
    return PageState("e2e", shown=(CARD, CARD.task.pool()[0].source, list(panes)))


def test_the_text_of_a_pane_is_explained_as_it_was_steered(loading: Loading) -> None:
    pane = Pane("prefix", "finished", TEXT)
    *_, (status, plain) = explain(loading, shown(Pane("prompt", "finished", "No."), pane))
    assert "Prefix-tuned, in the text for The Wandering Heron" in status and "computed in" in status
    assert "".join(place["token"] or "" for place in plain["places"]) == TEXT
    *_, (_, hidden) = explain(loading, shown(Pane("prefix", "finished", TEXT, strength=0.0)))
    assert max(place["divergence"] for place in hidden["places"]) == 0 < plain["places"][0]["divergence"]


@pytest.mark.parametrize(
    ("panes", "said"),
    [
        ([], "There is no text written with a prefix in Compare yet"),
        ([Pane("prompt", "finished", TEXT)], "There is no text written with a prefix in Compare yet"),
        ([Pane("prefix", "writing", TEXT)], "still being written"),
        ([Pane("prefix", "finished", "")], "has written nothing"),
    ],
)
def test_what_cannot_be_explained_is_said(loading: Loading, panes: list[Pane], said: str) -> None:
    *_, (status, _) = explain(loading, shown(*panes))
    assert said in status and 'role="alert"' in status


def test_before_anything_is_shown_it_is_said_too(loading: Loading) -> None:
    *_, (status, _) = explain(loading, PageState("e2e"))
    assert "There is no text written with a prefix" in status


def test_a_pane_leads_to_where_its_prefix_acts(page: Page) -> None:
    pane = page.locator(".pane[data-method=prefix]")
    written = pane.locator(".output").get_attribute("data-text") or ""
    pane.get_by_role("button", name="Where Prefix-tuned acts in this text").click()
    expect(page.get_by_role("tab", name="Look inside")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#acting")).to_contain_text("Prefix-tuned, in the text for")
    tokens = page.locator(".acts-text button")
    expect(tokens.last).to_have_text("⏎ end")
    assert "".join(tokens.all_text_contents()[:-1]) == written
    tokens.first.click()
    expect(page.locator("[data-where]")).to_contain_text("was written")
    expect(page.locator("[data-with] li")).to_have_count(5)
    expect(page.locator("[data-without] li")).to_have_count(5)
    expect(page.locator("[data-vectors] li")).to_have_count(3)
    page.keyboard.press("ArrowRight")
    expect(tokens.nth(1)).to_be_focused()
    expect(tokens.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("End")
    expect(page.locator("[data-where]")).to_have_text("after the text")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    read = re.compile(r"^Layer 2 at “⏎ end”: [+−]?\d+\.\d percentage points")
    expect(page.locator("[data-reading]")).to_have_text(read)
    page.locator("[data-map]").click(position={"x": 3, "y": 3})
    expect(page.locator("[data-reading]")).to_have_text(re.compile(r"^Layer 1 at “[^⏎]+”: .*by head: (\S+, ){3}\S+$"))
    reading = page.locator("[data-reading]").inner_text()
    page.get_by_role("button", name="first position (the sink)").click()
    expect(page.locator("[data-reading]")).not_to_have_text(reading)
    box = page.locator("[data-map]").bounding_box()
    assert box and box["width"] > 300 and box["height"] >= 180


def test_it_is_all_there_on_a_phone(phone: Page) -> None:
    phone.locator(".pane[data-method=prefix] [data-do=acts]").click()
    expect(phone.locator(".acts-text button").last).to_have_text("⏎ end")
    expect(phone.locator("[data-map]")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
