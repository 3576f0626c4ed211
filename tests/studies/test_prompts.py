"""The words a prompt asks by are the best of those tried on development inputs."""

import json

import pytest

from prefix_core.methods import prompt
from prefix_core.model.base import Base
from prefix_core.places import DEFAULT_BASE, evidence_of
from prefix_core.studies import prompts
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task


def test_what_was_found_best_is_what_is_asked() -> None:
    known = json.loads((evidence_of(DEFAULT_BASE) / "prompts.json").read_text())
    assert prompts.best(known["rows"]) == (known["system"], known["instructions"])
    assert known["system"] == prompt.SYSTEM
    assert {name: get_task(name).instruction for name in known["instructions"]} == known["instructions"]


def test_the_system_line_is_the_one_that_the_tasks_do_best_under_together() -> None:
    scores = {("e2e", "a", "x"): 20, ("e2e", "b", "x"): 10, ("e2e", "a", "y"): 30, ("e2e", "b", "y"): 5}
    scores |= {("webnlg", "c", "x"): 50, ("webnlg", "c", "y"): 10}
    rows = [{"task": task, "instruction": words, "system": line, "bleu": score}
            for (task, words, line), score in scores.items()]  # fmt: skip
    assert prompts.best(rows) == ("x", {"e2e": "a", "webnlg": "c"})  # 20/30 + 50/50 against 30/30 + 10/50


def test_every_wording_is_measured(tiny: Base, e2e: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(prompts.INSTRUCTIONS, "e2e", ("Say it:", "Tell it:"))
    monkeypatch.setattr(prompts, "DECODING", prompts.Decoding(max_new_tokens=3, too_long="cut"))
    rows = prompts.wordings(tiny, e2e, e2e.pool()[:2])
    assert len(rows) == 2 * len(prompts.SYSTEMS) and all(row["inputs"] == 2 for row in rows)
