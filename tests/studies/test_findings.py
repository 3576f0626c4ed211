"""The low-data table says who is ahead, by how much, and how sure that is."""

import json
from pathlib import Path

import pytest

from prefix_core.studies import findings


def row(method: str, texts: int, draw: int, bleu: float) -> dict:
    scores = {"dev": {"bleu": bleu, "inputs": 100}}
    told = {"method": method, "texts": texts, "draw": draw, "seed": 0, "steps": 60, "inputs": {"dev": 100}}
    return told | {"scores": scores}


def facts(gain: float, spread: float) -> dict:
    """A prefix ahead by `gain`, on every draw by `spread` more."""
    rows = []
    for texts in (50, 500):
        for draw in range(3):
            rows += [row("prefix", texts, draw, 60 + gain + spread * draw), row("fine_tune", texts, draw, 60)]
    return {"decoding": "greedy", "planned": 24, "rows": rows}


def test_who_is_ahead_stands_in_the_first_line() -> None:
    assert findings.few(facts(3, 0.1), "bleu", "BLEU").startswith(
        "**Prefix is ahead of fine-tuning by 3.1 BLEU, averaged over 50 to 500 texts.**"
    )
    assert findings.few(facts(-3, 0.1), "bleu", "BLEU").startswith(
        "**Fine-tuning is ahead of the prefix by 2.9 BLEU, averaged over 50 to 500 texts.**"
    )
    assert "by 1.0 BLEU, averaged over 50 to 500 texts, which may be chance.**" in findings.few(
        facts(-1, 2), "bleu", "BLEU"
    )


def test_means_and_intervals_are_over_the_draws() -> None:
    lines = findings.few(facts(3, 1), "bleu", "BLEU").splitlines()
    assert lines[-1] == "| 500 | 64.0 | 60.0 | +4.0 (+1.5 to +6.5) |"  # 4 ± 4.303 * 1 / sqrt(3)
    assert findings.interval([2.0]) is None
    low, high = findings.interval([3.0, 4.0, 5.0]) or (0, 0)
    assert (low, high) == pytest.approx((4 - 2.484, 4 + 2.484), abs=1e-3)


def test_what_was_not_run_stands_there_with_its_command(tmp_path: Path) -> None:
    (tmp_path / "few_examples.json").write_text(json.dumps(facts(1, 1)))
    (tmp_path / "lengths.json").write_text(json.dumps({"planned": 1, "rows": [{}]}))
    text = findings.markdown(tmp_path)
    assert "- few_examples: 12 of 24 runs; `python -m prefix_core study few_examples`" in text
    assert "- layers: not run; `python -m prefix_core study layers`" in text
    assert "- lengths:" not in text and "### Few examples of E2E" in text and "### Few articles" not in text
