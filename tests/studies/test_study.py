"""Studies on a tiny base and our own examples: every run is made once, recorded and drawn."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.cli import main
from prefix_core.data.examples import Example
from prefix_core.model.base import Base
from prefix_core.studies import study as studies
from prefix_core.studies.material import Material
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.ui.evidence.tab import FIGURES, drawn


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
        "xsum:train": [replace(example, id=f"train-{example.id}") for example in news[:3] + news[12:15]],
        "xsum:test": [replace(example, id=f"test-{example.id}") for example in news[3:6] + news[15:19]],
    }

    def load(name: str, task: Task, limit: int | None = None) -> list[Example]:
        return [example for part in name.split("+") for example in sets[part]][:limit]

    def material(base: Base, name: str) -> Material:
        learned, dev = (pool[:6], pool[40:44]) if name == "e2e" else (news[:4], news[12:16])
        return Material(get_task(name), learned, {"dev": dev}, {})

    monkeypatch.setattr(studies, "load_examples", load)
    monkeypatch.setattr(studies, "material", material)
    topic = {example.id: example.category for name in ("train", "test") for example in sets[f"xsum:{name}"]}
    monkeypatch.setattr(studies, "xsum_topics", lambda: topic)
    for name, value in {
        "LENGTHS": (1, 3), "VARIANT_LENGTHS": (1, 2), "FEW": (10, 12), "FEW_NEWS": (3,), "DRAWS": 2,
        "STEPS": {"cpu": 2}, "NEWS_STEPS": {"cpu": 1}, "WORDS": ("", "elephant"), "WORDS_TEXTS": 10, "WORDS_DRAWS": 1,
        "WATCHED": 3, "WATCHED_NEWS": 2, "WITHIN": (("business",), ("sport",)),
    }.items():  # fmt: skip
        monkeypatch.setattr(studies, name, value)
    return sets


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("lengths", 2),
        ("variants", 6),
        ("layers", 4),
        ("few_examples", 16),
        ("few_news", 4),
        ("initial_words", 3),
        ("topics", 2),
        ("within_news", 2),
        ("lengths_news", 2),
    ],
)
def test_every_run_is_made_once_recorded_and_drawn(
    tiny: Base, small: dict[str, list[Example]], tmp_path: Path, name: str, runs: int, capsys
) -> None:
    rows = studies.study(tiny, name, folder=tmp_path)
    assert len(rows) == runs
    facts = json.loads((tmp_path / f"{name}.json").read_text())
    assert facts["rows"] == json.loads(json.dumps(rows)) and facts["base_hash"] == tiny.weights_hash
    assert facts["planned"] == runs == studies.standing(tmp_path)[name][0]
    for row in rows:
        assert {where: scores["inputs"] for where, scores in row["scores"].items()} == row["inputs"]
        assert {where: len(texts) for where, texts in row["outputs"].items()} == {
            where: min(studies.SHOWN, count) for where, count in row["inputs"].items()
        }
    if name in FIGURES:
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


def test_the_unlearned_topics_are_never_learned_from(tiny: Base, small: dict[str, list[Example]]) -> None:
    news = get_task("summarization")
    for runs, unlearned in ((studies.topics, "sport"), (studies.within_news, "sport")):
        for run in runs(tiny, news, None):
            assert {example.category for example in [*run.learned, *run.watched]} == {"business"}
            assert {example.category for example in run.scored[unlearned]} == {"sport"}
            scored = {example.id for some in run.scored.values() for example in some}
            assert not scored & {example.id for example in [*run.learned, *run.watched]}
            assert not {example.id for example in run.learned} & {example.id for example in run.watched}


def test_all_methods_of_a_draw_learn_from_the_same_texts_for_as_many_steps(
    tiny: Base, small: dict[str, list[Example]], e2e: Task
) -> None:
    runs = list(studies.few_examples(tiny, e2e, None))
    for start in range(0, len(runs), len(studies.FEW_ROWS)):
        some = runs[start : start + len(studies.FEW_ROWS)]
        assert [run.row for run in some] == list(studies.FEW_ROWS)
        assert len({tuple(run.learned) for run in some}) == len({run.settings.steps for run in some}) == 1
    assert len({tuple(run.learned) for run in runs}) == len(runs) / len(studies.FEW_ROWS)


def test_an_unknown_study_is_named(capsys) -> None:
    assert main(["study", "banana"]) == 2
    said = capsys.readouterr().err
    assert "banana" in said and "few_examples, lengths, initial_words, layers" in said
