"""What a first visit found wrong, each where a visitor would see it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import App, visit

BUTTONS = {"Compare": "#run", "Train": "#train", "Look inside": "#explain", "One batch": "#batch-run"}
INTERNAL = re.compile(r"\b(e2e|webnlg|xsum|summarization|test-|bbc_|dev\b|smollm2)|µ")
CONTRAST = """([fill, behind]) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255);
    const linear = (part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
  };
  const [a, b] = [light(fill), light(behind)];
  return Math.max(a, b) / Math.min(a, b);
}"""


def open_tab(page: Page, name: str) -> None:
    """On a phone it may lie in the menu of those that found no room."""
    page.evaluate("name => window.go(name, 'body', () => true, () => {})", name)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_what_is_pressed_is_in_sight(app: App, browser: Browser, width: int, height: int) -> None:
    for page in visit(app, browser, width, height):
        for name, button in BUTTONS.items():
            open_tab(page, name)
            expect(page.locator(button)).to_be_visible()
            page.evaluate("scrollTo(0, 0)")
            expect(page.locator(button)).to_be_in_viewport(ratio=0.9)


def test_keys_are_mentioned_where_there_are_some(page: Page, phone: Page) -> None:
    expect(page.locator("#keys")).to_contain_text("Shift+Enter or Ctrl+Enter")
    expect(phone.locator("#keys")).to_be_hidden()


def test_evidence_is_short_and_in_words(page: Page) -> None:
    open_tab(page, "Evidence")
    expect(page.locator("#evidence .js-plotly-plot").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollHeight") < 3000
    assert page.locator(".finding:visible .conclusion").count() == page.locator(".finding:visible").count() > 0
    for fold in page.locator(".finding:visible button", has_text="Plot and numbers").all():
        fold.click()
    expect(page.locator(".finding:visible .js-plotly-plot").first).to_be_visible()
    shown = page.locator("#evidence :is(h2, label, p:not(:has(code)), text)").locator("visible=true")
    words = shown.all_text_contents()
    assert [text for text in words if INTERNAL.search(text)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_plots_toolbar_is_seen_and_beside_the_legend(app: App, browser: Browser, scheme: str) -> None:
    for page in visit(app, browser, color_scheme=scheme):
        open_tab(page, "Evidence")
        plot = page.locator("#evidence .js-plotly-plot").first
        plot.hover()
        button = plot.locator(".modebar-btn:not(.modebar-btn--logo) path").first
        expect(button).to_be_visible()
        fill = button.evaluate("path => getComputedStyle(path).fill")
        behind = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.evaluate(CONTRAST, [fill, behind]) >= 3
        bar, legend = plot.locator(".modebar").bounding_box(), plot.locator(".legend").bounding_box()
        assert bar and legend
        right, below = legend["x"] + legend["width"], legend["y"] + legend["height"]
        assert bar["x"] >= right or bar["y"] >= below


def test_a_phone_shows_no_toolbar(phone: Page) -> None:
    open_tab(phone, "Evidence")
    expect(phone.locator("#evidence .js-plotly-plot").first).to_be_visible()
    expect(phone.locator("#evidence .modebar").first).to_be_hidden()


def test_the_preview_shows_the_text_column(page: Page) -> None:
    open_tab(page, "Train")
    page.locator("#training-sample").click()
    frame = page.locator(".preview .wide")
    column = frame.locator("thead [data-role=text]")
    expect(column).to_be_visible()
    box, around = column.bounding_box(), frame.bounding_box()
    assert box and around and box["x"] + box["width"] <= around["x"] + around["width"] + 1
