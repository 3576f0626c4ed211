"""Evidence: what is there is drawn with its numbers, what is not is said."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from prefix_core.places import ASSETS
from prefix_core.tasks import TASKS
from prefix_core.ui.common import table_html
from prefix_core.ui.evidence import plots, studies
from prefix_core.ui.evidence.tab import DRAWN_BY, FIGURES, belongs, drawn, missing_html, score_tables
from prefix_core.ui.labels import set_title
from tests.ui.conftest import App

TABLE: dict[str, Any] = {
    "base": "tiny", "base_parameters": 1000, "split": "dev", "decoding": "greedy",
    "rows": [
        {"row": "prefix", "bleu": 50.0, "nist": 5.0, "kept": 20, "inputs": 9, "interval": {"bleu": [45.0, 52.0]}},
        {"row": "fine_tune", "bleu": 60.0, "nist": 6.0, "kept": 1000, "inputs": 9, "interval": {"bleu": [58.0, 63.0]}},
    ],
}  # fmt: skip
PAPER: dict[str, Any] = {
    "model": "GPT-2 medium", "decoding": "5 beams",
    "rows": [{"row": "fine_tune", "bleu": 68.8, "nist": 8.7}, {"row": "top_layers", "bleu": 68.1, "meteor": 46.0}],
}  # fmt: skip


def test_bars_are_ours_and_diamonds_another_models() -> None:
    shown = plots.scores(TABLE, PAPER, "bleu")
    ours, theirs = shown.plot.data
    assert dict(zip(ours.y, ours.x, strict=True)) == {"Prefix": 50.0, "Fine-tuned": 60.0}
    assert dict(zip(theirs.y, theirs.x, strict=True)) == {"Fine-tuned": 68.8, "FT-top2": 68.1}
    assert "another model" in theirs.name and "another model" in shown.note
    assert dict(zip(ours.y, ours.error_x.array, strict=True)) == {"Prefix": 2.0, "Fine-tuned": 3.0}
    assert dict(zip(ours.y, ours.error_x.arrayminus, strict=True)) == {"Prefix": 5.0, "Fine-tuned": 2.0}


def test_the_table_has_every_number_and_marks_the_other_model() -> None:
    shown = plots.scores(TABLE, PAPER, "nist")
    assert list(shown.columns) == ["", "BLEU", "NIST", "kept", "inputs"]  # no metric that was not measured here
    assert shown.rows[0] == ["Prefix", "50", "5", "20", "9"]
    assert shown.rows[-1] == ["FT-top2 (paper)", "68.1", "", "", ""]
    assert shown.plot.data[0].error_x.array is None  # no interval, no error bar
    assert len(plots.scores(TABLE, None, "bleu").plot.data) == 1


def test_a_conclusion_says_which_is_best_and_whether_that_is_sure() -> None:
    said = plots.scores(TABLE, PAPER, "bleu").conclusion
    assert said == "Fine-tuned has the best BLEU, 60 (58 to 63); the prefix has 50 (45 to 52)."
    near = [row | {"interval": {"bleu": [51.0, 63.0]}} for row in TABLE["rows"]]
    assert "not significantly different" in plots.scores(TABLE | {"rows": near}, PAPER, "bleu").conclusion
    ahead = [row | {"bleu": 70.0, "share": 0.094} if row["row"] == "prefix" else row for row in TABLE["rows"]]
    assert (
        "Prefix has the best BLEU, 70 (45 to 52), keeping 0.094%"
        in plots.scores(TABLE | {"rows": ahead}, PAPER, "bleu").conclusion
    )
    assert set_title("test-bbc") == "BBC leads, test set"
    assert "development set" in plots.scores(TABLE, None, "bleu").note


def test_what_is_missing_or_broken_is_said(tmp_path: Path) -> None:
    assert score_tables(tmp_path) == {}
    nothing = missing_html([], "gpt2")
    assert "Nothing was measured" in nothing and "python -m prefix_core rebuild --base gpt2<" in nothing
    assert "Restaurants (E2E)" in nothing and "Speed and memory" in nothing
    assert "<b>" not in missing_html([], "<b>") and missing_html([*TASKS, *FIGURES], "smollm2") == ""
    (tmp_path / "e2e.json").write_text(json.dumps(TABLE))
    (tmp_path / "e2e-test.json").write_text(json.dumps(TABLE))
    assert list(score_tables(tmp_path)) == ["e2e", "e2e-test"]
    some = missing_html(["e2e"], "smollm2")
    assert "Restaurants (E2E)" not in some and "Speed and memory" in some and "rebuild<" in some
    assert belongs({"base_hash": "a"}, "a") and not belongs({"base_hash": "b"}, "a") and belongs({}, "a")
    assert belongs([{"base_hash": "b"}, {"base_hash": "a"}], "a") and not belongs([{"base_hash": "b"}], "a")
    shown, problem = drawn("bench", {"other": 1})
    assert shown is None and "bench.json has a form that this page does not know" in problem


@pytest.mark.parametrize("path", sorted((ASSETS / "evidence").glob("*.json")), ids=lambda path: path.stem)
def test_every_file_there_is_can_be_drawn(path: Path) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    if path.stem in DRAWN_BY:
        shown, problem = drawn(path.stem, facts)
        assert shown is not None and shown.rows and shown.conclusion.endswith(".") and not problem, problem
        told = f"{shown.conclusion} {shown.note.partition('; python')[0]}"
        assert not re.search(r"\b(e2e|webnlg|dart|xsum|summarization|smollm2|gpt2)\b", told), told  # names for programs
    elif path.stem == "paper":
        assert all(plots.metrics_of(table) for table in facts["tasks"].values())
    elif "rows" in facts:
        assert plots.scores(facts, None, plots.metrics_of(facts)[0]).rows


def test_a_study_cut_short_says_how_far_it_is() -> None:
    measured = {"layers": "all", "held_out_loss": 1.0, "inputs": {"dev": 9}, "scores": {"dev": {"bleu": 50.0}}}
    head = {"base": "tiny", "base_parameters": 1000, "task": "e2e", "decoding": "greedy", "rows": [measured]}
    assert "1 of 4 runs so far." in studies.layers({**head, "planned": 4}).note
    assert "so far" not in studies.layers({**head, "planned": 1}).note


def test_a_rate_that_failed_does_not_flatten_the_sweep() -> None:
    setting = {"base": "b", "task": "e2e", "method": "fine_tune", "steps": 9, "held_out_inputs": 4, "batch": 16}
    setting |= {"prefix_length": 5, "mlp_width": 512, "initial_words": "", "precision": "float32"}
    losses = {0.001: 2.2, 0.002: 2.0, 0.1: 9.0}
    shown = plots.sweep([setting | {"learning_rate": rate, "held_out_loss": loss} for rate, loss in losses.items()])
    low, high = shown.plot.layout.xaxis.range
    assert 1.5 < low < 2.0 and 2.2 < high < 3
    assert len(shown.rows) == 3 and "9.000" in shown.rows[2] and "1 over 2 times the lowest loss" in shown.note


def test_words_stand_on_the_left_of_their_column_and_numbers_on_the_right() -> None:
    assert "<b>" not in table_html(["<b>"], [["<b>", "<b>"]], "<b>")
    shown = table_html(["run", "start", "BLEU"], [["a", "a word", "12.5"], ["b", "", ""]], "runs")
    assert '<td class="words">a word</td>' in shown and "<td>12.5</td>" in shown
    assert '<th scope="col" class="words">start</th><th scope="col">BLEU</th>' in shown


def test_a_visitor_chooses_a_metric(page: Page) -> None:
    page.get_by_role("tab", name="Evidence").click()
    expect(page.locator("#evidence .js-plotly-plot").first).to_be_visible()
    table = page.locator(".numbers-table").first
    expect(table).to_contain_text("12.5")
    page.get_by_label("ROUGE-L").check()
    expect(page.locator("#evidence .xtitle").first).to_have_text("ROUGE-L")


def test_programs_read_the_files(app: App) -> None:
    client = Client(app.url, verbose=False)
    names = client.predict(api_name="/evidence")["names"]
    assert "e2e" in names
    assert client.predict(name="e2e", api_name="/evidence")["measured"]["rows"]
    with pytest.raises(AppError, match="There is no evidence"):
        client.predict(name="../base/config", api_name="/evidence")
