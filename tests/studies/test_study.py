"""Studies on a tiny base and our own examples: every run is made once, recorded and drawn."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.cli import main
from prefix_core.data.examples import Example
from prefix_core.model.base import Base
from prefix_core.studies import study as studies
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.ui.evidence.tab import drawn


@pytest.fixture
def small(e2e: Task, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Example]]:
    """Our own examples in the place of the data sets, and as few and short runs as show the way."""
    pool = e2e.pool()
    news = [
        Example(f"The {topic} story number {number} was told. It was long.", (f"Story {number}.",), f"{topic}-{number}")
        for topic in ("sport", "business")
        for number in range(12)
    ]
    news = [replace(example, category=example.id.split("-")[0]) for example in news]
    sets = {
        "e2e:train": pool[:40],
        "e2e:dev": pool[40:44],
        "bbc_news_lead:train": news[:8] + news[12:20],
        "bbc_news_lead:dev": [*news[8:10], *news[20:22]],
        "bbc_news_lead:test": [*news[10:12], *news[22:24]],
    }
    monkeypatch.setattr(studies, "load_examples", lambda name, task, limit=None: sets[name][:limit])
    for name, value in {
        "LENGTHS": (1, 3), "LENGTH_STEPS": 2, "VARIANT_LENGTHS": (1, 2), "FEW": {10: (2, 1), 12: (1, 1)}, "DRAWS": 2,
        "WORDS": ("", "elephant"), "WORDS_TEXTS": 10, "WORDS_DRAWS": 1, "TOPIC_STEPS": 1, "WATCHED": 3,
    }.items():  # fmt: skip
        monkeypatch.setattr(studies, name, value)
    return sets


@pytest.mark.parametrize(
    ("name", "runs"), [("lengths", 2), ("variants", 6), ("few_examples", 8), ("initial_words", 2), ("topics", 2)]
)
def test_every_run_is_made_once_recorded_and_drawn(
    tiny: Base, small: dict[str, list[Example]], tmp_path: Path, name: str, runs: int, capsys
) -> None:
    rows = studies.study(tiny, name, folder=tmp_path)
    assert len(rows) == runs
    facts = json.loads((tmp_path / f"{name}.json").read_text())
    assert facts["rows"] == json.loads(json.dumps(rows)) and facts["base_hash"] == tiny.weights_hash
    shown, problem = drawn(name, facts)
    assert shown is not None and not problem
    assert {len(cells) for cells in shown.rows} == {len(shown.columns)}
    assert len(shown.rows) == sum(len(row["scores"]) for row in rows)

    capsys.readouterr()
    assert studies.study(tiny, name, folder=tmp_path) == facts["rows"]
    assert "step" not in capsys.readouterr().err  # nothing was trained again
    other = replace(tiny, weights_hash="other")
    assert len(studies.study(other, name, folder=tmp_path)) == runs
    assert "step" in capsys.readouterr().err


def test_a_study_cut_short_goes_on(tiny: Base, small: dict[str, list[Example]], tmp_path: Path, monkeypatch) -> None:
    real, made = studies.train, []

    def train_twice(*arguments, **named):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(arguments[2])
        return real(*arguments, **named)

    monkeypatch.setattr(studies, "train", train_twice)
    with pytest.raises(KeyboardInterrupt):
        studies.study(tiny, "few_examples", folder=tmp_path)
    monkeypatch.setattr(studies, "train", real)
    first = json.loads((tmp_path / "few_examples.json").read_text())["rows"]
    assert len(first) == 2 and studies.study(tiny, "few_examples", folder=tmp_path)[:2] == first


def test_the_unlearned_topic_is_never_learned_from(tiny: Base, small: dict[str, list[Example]]) -> None:
    for run in studies.topics(tiny, get_task("summarization"), None):
        assert {example.category for example in [*run.learned, *run.watched]} == {"business"}
        assert {example.category for example in run.scored["sport"]} == {"sport"}
        scored = {example.id for some in run.scored.values() for example in some}
        assert not scored & {example.id for example in [*run.learned, *run.watched]}
        assert not {example.id for example in run.learned} & {example.id for example in run.watched}


def test_an_unknown_study_is_named(capsys) -> None:
    assert main(["study", "banana"]) == 2
    said = capsys.readouterr().err
    assert "banana" in said and "lengths, variants, few_examples, initial_words, topics" in said
