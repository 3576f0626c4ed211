"""The study of training live measures every side on the same rows for the same seconds, and records each at once."""

import json
from pathlib import Path

import pytest

from prefix_core.data.examples import Example, one_text_each
from prefix_core.model.base import Base
from prefix_core.studies import live as study
from prefix_core.studies.live import OWN, OWN_SCORED, PEFT_RATES, give, live, material
from prefix_core.studies.live_findings import table
from prefix_core.tasks.task import Task


def test_every_side_learns_from_the_same_rows_for_the_same_seconds(
    tiny: Base, e2e: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "load_examples", lambda name, task: task.pool())
    result = live(tiny, rows=[12], inputs=3, folder=tmp_path, draws=1)
    assert json.loads((tmp_path / "live.json").read_text()) == result
    ours, peft, tuned, prompted = rows = result["runs"]
    assert [row["side"] for row in rows] == ["prefix", "peft", "fine_tune", "prompt"]
    assert ours["seconds"] == peft["seconds"] == tuned["seconds"] >= ours["seconds_to_first"] and ours["steps"] == 12
    assert peft["steps"] and tuned["steps"] and peft["rate"] in PEFT_RATES and prompted["seconds"] == 0
    assert all(name in row for row in rows for name in ("bleu", "names_said")) and {row["inputs"] for row in rows} == {
        3
    }
    assert len(table(result).splitlines()) == 5
    monkeypatch.setattr(study, "sides", lambda given: pytest.fail("this was measured already"))
    assert live(tiny, rows=[12], inputs=3, folder=tmp_path, draws=1) == result


def test_what_a_prefix_starts_from_is_not_learned_from_again(tiny: Base, e2e: Task) -> None:
    given = give(tiny, e2e, one_text_each(e2e.pool())[:12])
    assert len(given.shown) == len(given.settings.demonstrations) > 0
    assert len(given.shown) + len(given.rest) + len(given.held_out) == 12
    assert not [example for example in given.rest if example in given.shown or example in given.held_out]


@pytest.mark.parametrize("name", OWN)
def test_a_set_of_our_own_has_fifty_rows_and_its_scored_inputs_are_none_of_those_learned_from(
    name: str, tiny: Base
) -> None:
    task, learned, scored = material(tiny, name, 0, 3, 0)
    assert len(learned) + len(scored) >= 50 and len(scored) == OWN_SCORED
    assert not {task.linearize(example.source) for example in learned} & {example.source for example in scored}
    assert all(example.references[0] for example in [*learned, *scored])
    assert material(tiny, name, 0, 3, 1)[2] != scored  # another subset


def test_articles_are_short(tiny: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    article = Example("The bridge is closed . " * 300, ("A bridge is closed.",))
    monkeypatch.setattr(study, "load_examples", lambda name, task: [article] * 20)
    task, learned, scored = material(tiny, "news", 10, 3, 0)
    assert task.name == "summarization" and len(learned) == 10 and len(scored) == 3
    assert all(len(tiny.encode(example.source)) <= 200 for example in learned)
