"""One batch: rows of several tasks, refused by number, written together and alone."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui.batch import tab
from prefix_core.ui.batch.rows import NO_PREFIX, NO_PREFIX_TEXT, ROWS, BatchRow, costs_html, example, rows_html
from prefix_core.ui.batch.tab import BatchRun, follow, halt, offer, write
from prefix_core.ui.kept import OwnPrefix
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Visitor, Visitors
from prefix_core.writing.together import Together
from tests.ui.conftest import App

PUB = "name[Blue Spice], eatType[pub]"
WANTED = [("e2e", PUB), (NO_PREFIX, "The pub is"), ("e2e", "name[Pomelo]"), ("e2e", ""), (NO_PREFIX, " ")]


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


@pytest.fixture
def visitor(loading: Loading) -> tuple[Visitors, Visitor]:
    visitors = Visitors()
    visitor = visitors.visit()
    steered = loading.wait().steer(get_task("e2e"), "prefix", 0)
    visitor.prefixes["mine"] = OwnPrefix("mine", get_task("e2e"), None, steered)  # type: ignore[arg-type]
    return visitors, visitor


def written(loading: Loading, batch_run: BatchRun, wanted: list[tuple[str, str]]) -> Iterator[tuple[Any, Any, Any]]:
    return write(loading, Visitors(), "", batch_run, *(name for name, _ in wanted), *(text for _, text in wanted))


def test_rows_begin_with_every_prefix_there_is(loading: Loading, visitor: tuple[Visitors, Visitor]) -> None:
    visitors, own = visitor
    shown = offer(loading, visitors, own.token, *([NO_PREFIX] * ROWS), *([""] * ROWS))
    assert [radio.value for radio in shown[:ROWS]] == ["e2e", "own: mine", "e2e", "own: mine", NO_PREFIX]
    assert shown[ROWS] == example(get_task("e2e")) != shown[ROWS + 2] and shown[-1] == NO_PREFIX_TEXT
    kept = offer(loading, visitors, own.token, *(["own: gone"] * ROWS), *(["", "my words", "", "", ""]))
    assert [radio.value for radio in kept[:ROWS]] == [NO_PREFIX] * ROWS and kept[ROWS + 1] == "my words"


def test_another_prefix_brings_its_example_but_never_over_ones_own_words(loading: Loading) -> None:
    assert follow(loading, Visitors(), "", "e2e", NO_PREFIX_TEXT) == example(get_task("e2e"))
    assert follow(loading, Visitors(), "", NO_PREFIX, example(get_task("e2e"), 1)) == NO_PREFIX_TEXT
    assert follow(loading, Visitors(), "", "e2e", "my words") not in (NO_PREFIX_TEXT, example(get_task("e2e")))


def test_rows_are_written_together_and_alone_to_the_same_texts(loading: Loading) -> None:
    *_, (status, rows, costs) = written(loading, BatchRun(), WANTED)
    assert "3 texts in one batch" in status and rows.count("<li>") == 3  # empty rows are left out
    assert rows.count("behind a prefix of 11") == 2 and rows.count("the model alone") == 1
    assert "Every text is the same" in costs and "3 fine-tuned copies" in costs


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ([("e2e", PUB), ("e2e", "name[Blue")], "Row 2: "),
        ([("e2e", PUB), ("own: theirs", PUB)], "Row 2: There is no prefix"),
        ([("e2e", PUB), ("e2e", "")], "at least two rows"),
    ],
)
def test_rows_that_cannot_be_written_are_named(loading: Loading, wanted: list[tuple[str, str]], message: str) -> None:
    *_, (status, _, costs) = written(loading, BatchRun(), wanted + [(NO_PREFIX, "")] * (ROWS - len(wanted)))
    assert message in status and "problem" in status and costs == ""


def test_stop_keeps_what_was_written(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "REDRAW", 0.0)
    batch_run = BatchRun()
    redraws = written(loading, batch_run, WANTED)
    while "together" not in str(next(redraws)[0]):
        pass
    halt(batch_run)
    *_, (status, rows, costs) = redraws
    assert "Stopped" in status and rows.count("<li>") == 3 and costs == ""


def test_costs_compare_one_model_with_copies() -> None:
    rows = [BatchRow("a", "A", "", 5, 1000), BatchRow("a", "A", "", 5, 1000), BatchRow("none", "No prefix", "")]
    html = costs_html(rows, Together(("x",), ("y",), 30, 1.0, 2.5), 1_000_000)
    assert "2.5 times as fast" in html and "Some texts differ" in html
    assert "A thousand tasks take 4 MB as prefixes and 2 GB as full copies." in html
    assert re.findall(r"<b>([\d.]+ MB)</b>", html) == ["2.01 MB", "6 MB", "5.09 MB"]


def test_what_was_written_is_never_html() -> None:
    html = rows_html([BatchRow("<b>", "<b>", "", 0, 0, "<img src=x>"), BatchRow("a", "A", "")])
    assert "<img" not in html and "<b><b>" not in html and "(it wrote nothing)" in html


def test_a_visitor_runs_a_batch(page: Page) -> None:
    page.get_by_role("tab", name="One batch").click()
    expect(page.get_by_label("Input of row 5")).to_have_value(NO_PREFIX_TEXT)
    page.get_by_label("Input of row 1").fill(PUB)
    page.locator("#batch-run").click()
    expect(page.locator("#batch-costs")).to_contain_text("times as fast", timeout=60_000)
    expect(page.locator("#batch-output li")).to_have_count(5)
    expect(page.locator("#batch-run")).to_be_enabled()
    expect(page.locator("#batch-stop")).to_be_disabled()


def test_a_phone_shows_every_tab_without_scrolling_sideways(phone: Page) -> None:
    for label in ("look-inside", "one-batch", "evidence", "how-it-works"):
        name = re.compile(label.replace("-", " "), re.IGNORECASE)
        if not phone.get_by_role("tab", name=name).first.is_visible():
            phone.locator(".overflow-menu > button").click()
        phone.get_by_role("tab", name=name).or_(phone.get_by_role("button", name=name)).first.click()
        phone.wait_for_timeout(500)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, label


def test_programs_run_a_batch(app: App) -> None:
    client = Client(app.url, verbose=False)
    rows = [["e2e", PUB], ["none", "The pub is"]]
    found = client.predict(rows=rows, max_new_tokens=8, api_name="/batch")
    assert [output["prefix"] for output in found["outputs"]] == ["e2e", "none"] and found["same_alone"]
    assert found["seconds_together"] > 0 and found["outputs"][0]["prefix_length"] == 11
    for wrong, message in (
        ({"rows": [["e2e", PUB]]}, "at least two rows"),
        ({"rows": [["xsum", PUB], ["e2e", PUB]]}, "row 1: There is no prefix 'xsum'"),
        ({"rows": ["e2e"]}, "wrong type"),
        ({"max_new_tokens": 9000}, "1 to 200 new tokens"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(**({"rows": rows} | wrong), api_name="/batch")
