"""How it works: the figures are drawn in the page's colours, the calculator counts as `sizes` does."""

import re

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from prefix_core.places import ASSETS
from prefix_core.studies.sizes import MODELS
from prefix_core.ui.about import STEPS, calculate, costs_html, guide_html
from prefix_core.ui.loading import Loading
from tests.ui.conftest import App


def test_every_step_has_its_figure_in_the_pages_colours() -> None:
    html = guide_html()
    assert html.count("<svg") == html.count('role="img" aria-label="') == len(STEPS)
    for path in (ASSETS / "figures").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert text in html and "#" not in text and "http:" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_papers_prefix_is_what_the_tab_opens_on() -> None:
    html = costs_html(MODELS["GPT-2 medium"], 5, 2)
    for fact in ("245,760", "354,823,168", "0.069%", "492 kB", "710 MB", "71 GB", "759 MB"):
        assert fact in html, fact
    assert "34.9 TB" in costs_html(MODELS["GPT-3 175B"], 5, 2)


def test_a_model_that_is_not_there_is_said() -> None:
    assert "There is no model &#x27;GPT-5&#x27;" in calculate(Loading("smollm2", None), "GPT-5", 5, 2)


def test_the_calculator_answers_a_visitor_and_a_program(app: App, page: Page) -> None:
    page.get_by_role("tab", name="How it works").click()
    costs = page.locator(".costs")
    expect(costs).to_contain_text("245,760")
    page.get_by_label("BART large").check()
    expect(costs).to_contain_text("368,640")  # three sites
    page.get_by_label("this app's base").check()
    expect(costs).to_contain_text(re.compile(r"the model\s*[\d,]+"))
    client = Client(app.url, verbose=False)
    found = client.predict(model="GPT-2 medium", prefix_length=5, tasks=100, api_name="/calculator")
    assert (found["prefix_parameters"], found["copies_bytes"]) == (245_760, 100 * 2 * 354_823_168)
    wrong_ones = (({"model": "GPT-5"}, "There is no model 'GPT-5'"), ({"prefix_length": 0}, "prefix length is 0"))
    for wrong, message in wrong_ones:
        with pytest.raises(AppError, match=message):
            client.predict(**({"model": "GPT-2", "prefix_length": 5} | wrong), api_name="/calculator")
