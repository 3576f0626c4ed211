"""Several bases: a page for each, with what was trained on it and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from gradio_client import Client
from playwright.sync_api import Browser, Locator, Page, expect

from prefix_core.artifacts.artifacts import Card
from prefix_core.artifacts.llama_cpp import read_state
from prefix_core.artifacts.share import write_zip
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.model.prefix import Prefix
from tests.architectures import make_base
from tests.ui.conftest import App, serving, visit


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(str(make_base(tmp_path_factory.mktemp("other") / "llama", "llama")))


@pytest.fixture(scope="module")
def two(
    tiny_folder: Path, llama: Base, artifacts: Path, code: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    with serving(f"{tiny_folder}, {llama.name}", artifacts, tmp_path_factory.mktemp("app") / "log", code) as app:
        yield app


@pytest.fixture
def page(two: App, browser: Browser) -> Iterator[Page]:
    yield from visit(two, browser)


def test_a_bar_leads_to_each_base_and_only_what_was_trained_on_it_is_offered(page: Page, tiny_folder: Path) -> None:
    bar = page.get_by_role("navigation").filter(has=page.get_by_role("link", name="llama"))
    assert bar.get_by_role("link").all_inner_texts() == [tiny_folder.name, "llama"]
    assert tiny_folder.name in page.locator("#header .base").inner_text()
    assert "Prefix-tuned" in page.locator("#methods").inner_text()
    first = page.evaluate("localStorage.getItem('prefix-visitor' + location.pathname)")
    bar.get_by_role("link", name="llama").click()
    page.wait_for_selector("#status [data-state=done]")
    expect(page.locator("#header .base")).to_contain_text("parameters")
    assert page.url.endswith("/llama") and "llama" in page.locator("#header .base").inner_text()
    expect(page.locator("#methods label")).to_have_text(["Prompted"])
    assert page.locator(".pane").count() == 1
    assert page.evaluate("localStorage.getItem('prefix-visitor' + location.pathname)") != first  # things of its own


def test_only_what_was_measured_on_a_pages_own_base_is_shown(page: Page, two: App) -> None:
    def evidence() -> Locator:
        page.get_by_role("tab", name="Evidence").click()
        return page.locator("#evidence")

    measured = evidence()
    expect(measured.locator(".numbers-table").first).to_contain_text("12.5")
    expect(measured.get_by_label("Restaurants (E2E)")).to_be_checked()
    assert measured.get_by_label("Facts (WebNLG)").count() == 0  # its file is of older weights
    expect(measured.get_by_role("heading", name="Not measured on this model yet")).to_be_visible()
    page.goto(two.url + "llama")
    page.wait_for_selector("#status [data-state=done]")
    expect(page.locator("#header .base")).to_contain_text("parameters")
    measured = evidence()
    expect(measured.get_by_role("heading", name="Nothing was measured on this model yet")).to_be_visible()
    expect(measured.get_by_text("/llama").first).to_contain_text("python -m prefix_core rebuild --base ")
    headings = measured.get_by_role("heading").locator("visible=true").all_inner_texts()
    assert "Scores" not in headings and "Speed and memory" not in headings
    assert headings[-1] == "Models of full size" and "How the defaults were chosen" not in headings
    client = Client(two.url, verbose=False)
    assert "e2e" in client.predict(api_name="/evidence")["names"]
    assert client.predict(api_name="/evidence_1")["names"] == ["full_size", "paper"]


def test_a_prefix_on_a_llama_is_taken_home_as_llama_cpps_state(
    page: Page, two: App, llama: Base, tmp_path: Path
) -> None:
    prefix = Prefix(*random_start(llama.shape, 4, torch.Generator().manual_seed(0)))
    card = Card(llama.name, llama.weights_hash, llama.parameters, "e2e", "prefix")
    write_zip(tmp_path / "mine.zip", llama, prefix, card)
    page.goto(two.url + "llama")
    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#training-bring input[type=file]").set_input_files(tmp_path / "mine.zip")
    expect(page.locator("#training-own")).to_contain_text("mine")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="For llama.cpp").click()
    assert downloading.value.suggested_filename == "mine.state"
    downloading.value.save_as(tmp_path / "mine.state")
    state = read_state(tmp_path / "mine.state", llama)
    assert torch.equal(state.keys, prefix.keys) and torch.equal(state.values, prefix.values)


def test_programs_choose_a_base_by_the_endpoints_number(two: App) -> None:
    client, texts = Client(two.url, verbose=False), []
    for endpoint in ("/compare", "/compare_1"):
        answer = client.predict(text="name[Blue Spice], area[riverside]", methods=["prompt"], api_name=endpoint)
        texts.append([output["text"] for output in answer["outputs"]])
    assert texts[0] != texts[1]
