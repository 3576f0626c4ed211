"""The rebuild on a tiny base and our own examples: what is made, kept and measured, and what is never learned."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts, peft_format
from prefix_core.artifacts.delta import Packing
from prefix_core.data.examples import Example
from prefix_core.data.tables import to_mr
from prefix_core.errors import InputError
from prefix_core.methods import prompt
from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.scores import metrics
from prefix_core.studies import evidence, material, rebuild, sweep
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task


@pytest.fixture
def own(e2e: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Our examples in the place of E2E's, one of them both learned from and held out, in another order."""

    def lines(examples, reverse=False):
        for example in examples:
            source = example.source[::-1] if reverse else example.source
            yield json.dumps({"mr": to_mr(source), "references": list(example.references)}) + "\n"

    files = {name: tmp_path / f"{name}.jsonl" for name in ("train", "dev", "test")}
    pool = e2e.pool()
    files["train"].write_text("".join(lines(pool[:12])))
    files["dev"].write_text("".join([*lines(pool[12:16]), *lines(pool[:1], reverse=True)]))
    files["test"].write_text("".join(lines(pool[16:18])))
    splits = {"dev": str(files["dev"]), "test": str(files["test"]), "test-beams": str(files["test"])}
    data = {"e2e": material.Data(str(files["train"]), splits)}
    monkeypatch.setattr(rebuild, "DATA", data)
    monkeypatch.setattr(material, "DATA", data)
    monkeypatch.setattr(metrics, "has_java", lambda: False)
    monkeypatch.setattr(rebuild, "PACKINGS", (Packing(2), Packing(8)))
    monkeypatch.setattr(rebuild, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("PREFIX_ARTIFACTS", str(tmp_path / "artifacts"))
    return files | {"evidence": tmp_path / "evidence"}


def table(folder: Path, name: str = "e2e.json") -> dict[str, dict]:
    return evidence.rows_of(folder / name)


def test_everything_is_made_once_and_measured(tiny: Base, own: dict[str, Path], capsys) -> None:
    folder = own["evidence"]
    rebuild.rebuild(tiny, rows=evidence.ROWS, steps=3, folder=folder)
    rows = table(folder)
    assert list(rows) == [name for name in evidence.ROWS if name != "lead"]
    cards = {place.name: card for place, card in artifacts.shipped().items()}
    assert set(cards) == set(rebuild.TRAINED_ROWS) == {name for name in rows if not name.startswith("prompt")}
    assert {name for name, row in rows.items() if row["shipped"]} == {card.method for card in cards.values()}
    for name, row in rows.items():
        assert row["inputs"] == 5 and row["interval"]["bleu"][0] <= row["bleu"] <= row["interval"]["bleu"][1] + 1
        assert name.startswith("prompt") or row["training"]["steps"] == 3
    assert rows["fine_tune"]["bytes"] < rows["fine_tune"]["full_bytes"] and rows["fine_tune"]["share"] == 100
    assert rows["prefix"]["kept"] < rows["prefix_long"]["kept"]
    assert rows["adapter_small"]["kept"] < rows["adapter"]["kept"]
    assert len({card.data["hash"] for card in cards.values()}) == 1
    for card in cards.values():
        rates = card.plan["rates"]
        assert len(rates) == 2 and rates[str(card.settings["learning_rate"])] == min(rates.values())
    for name in ("fine_tune", "top_layers"):
        told = cards[name].packing
        assert told["way"] in told["ways"] and told["tokens_same"] > 0 and told["inputs"] == 5
        assert told["ways"]["2 bits"]["bytes"] < told["ways"]["8 bits"]["bytes"]
    assert not any(evidence.outdated(folder))

    before = (folder / "e2e.json").read_text()
    capsys.readouterr()
    rebuild.rebuild(tiny, rows=evidence.ROWS, steps=3, folder=folder)
    assert (folder / "e2e.json").read_text() == before
    assert capsys.readouterr().err.count("up to date") == len(rows)


def test_a_row_cut_short_goes_on_with_what_was_decided(
    tiny: Base, own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def prefix() -> None:
        rebuild.rebuild(tiny, rows=["prefix"], minutes=0.001, folder=own["evidence"])

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(rebuild, "follow", interrupted)
        prefix()
    (decided,) = rebuild.RUNS.glob("*.json")
    known = json.loads(decided.read_text())
    assert known["steps"] == sweep.LEAST_STEPS and len(known["rates"]) == 2
    decided.write_text(json.dumps(known | {"steps": 7}))  # as if the machine had been slower then
    prefix()
    (card,) = artifacts.shipped().values()
    assert card.steps == 7 and card.plan == known | {"steps": 7, "budget": {"minutes": 0.001}}
    assert not list(rebuild.RUNS.iterdir())


def test_no_held_out_input_is_learned(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], steps=1, folder=own["evidence"])
    (card,) = artifacts.shipped().values()
    assert (card.data["inputs"], card.data["left_out"]) == (11, 1)


def test_the_test_set_is_scored_when_asked_without_training_again(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], steps=2, folder=own["evidence"])
    (folder,) = artifacts.shipped()
    made = artifacts.fingerprint(folder)
    rebuild.rebuild(tiny, rows=["prefix"], steps=2, splits=["test"], folder=own["evidence"])
    assert table(own["evidence"], "e2e-test.json")["prefix"]["inputs"] == 2
    assert table(own["evidence"])["prefix"]["inputs"] == 5
    assert artifacts.fingerprint(folder) == made and set(artifacts.read_card(folder).scores) == {"dev", "test"}


def test_other_settings_or_data_are_trained_anew(tiny: Base, own: dict[str, Path]) -> None:
    def made() -> str:
        rebuild.rebuild(tiny, rows=["prefix"], steps=steps, folder=own["evidence"])
        (folder,) = artifacts.shipped()
        return artifacts.fingerprint(folder)

    steps = 2
    first = made()
    assert made() == first
    steps = 4
    second = made()
    own["train"].write_text("".join(own["train"].read_text().splitlines(keepends=True)[:-1]))
    assert len({first, second, made()}) == 3


def test_evidence_that_is_older_than_the_artifacts_is_told(tiny: Base, own: dict[str, Path]) -> None:
    folder = own["evidence"]
    rebuild.rebuild(tiny, rows=["prefix", "adapter"], steps=2, folder=folder)
    assert evidence.outdated(folder) == []
    (prefix,) = (place for place, card in artifacts.shipped().items() if card.method == "prefix")
    kept = peft_format.from_peft(prefix, tiny)
    artifacts.save(prefix, tiny, {name: tensor + 1 for name, tensor in kept.items()}, artifacts.read_card(prefix))
    assert evidence.outdated(folder) == ["e2e.json was measured on other weights than those in e2e/prefix"]
    rebuild.rebuild(tiny, rows=["adapter"], steps=2, splits=["test"], folder=folder)
    assert len(evidence.outdated(folder)) == 1  # the test set's table fits
    (adapter,) = (place for place, card in artifacts.shipped().items() if card.method == "adapter")
    stored = peft_format.read_tensors(artifacts.tensor_files(adapter))
    artifacts.save(adapter, tiny, {name: 2 * tensor for name, tensor in stored.items()}, artifacts.read_card(adapter))
    assert [line.split()[0] for line in evidence.outdated(folder)] == ["e2e.json", "e2e-test.json", "e2e.json"]
    artifacts.save(adapter, tiny, stored, artifacts.read_card(adapter))
    artifacts.write_card(prefix, replace(artifacts.read_card(prefix), base_hash="another"))
    assert evidence.outdated(folder) == ["e2e.json has no row of e2e/prefix on this base"]


def test_a_prompt_shows_no_example_that_it_is_asked_for(
    tiny: Base, own: dict[str, Path], e2e: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = to_mr(prompt.shown(e2e, 3)[0].source)
    for mr, rows in ((shown, {"prompt_0"}), (shown.replace("[", "[Other "), {"prompt_0", "prompt_3"})):
        own["test"].write_text(json.dumps({"mr": mr, "references": ["It is so."]}))
        rebuild.rebuild(tiny, rows=["prompt_0", "prompt_3"], splits=["test"], folder=own["evidence"])
        assert set(table(own["evidence"], "e2e-test.json")) == rows
    assert "the examples shown are among those asked for" in capsys.readouterr().err


def test_a_prompt_in_other_words_is_measured_again(
    tiny: Base, own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for system in ("You write.", "You rhyme."):
        monkeypatch.setattr(prompt, "SYSTEM", system)
        rebuild.rebuild(tiny, rows=["prompt_0"], splits=["test"], folder=own["evidence"])
        assert table(own["evidence"], "e2e-test.json")["prompt_0"]["words"][0] == system


def test_a_training_that_diverges_ships_nothing(
    tiny: Base, own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = rebuild.defaults("adapter", "").replaced(learning_rate=1e38)
    monkeypatch.setattr(rebuild, "defaults", lambda *_: wild)
    with pytest.raises(InputError, match="e2e, adapter: the loss was no number"):
        rebuild.rebuild(tiny, rows=["adapter"], steps=2, folder=own["evidence"])
    assert not artifacts.shipped() and not table(own["evidence"])


def test_a_bases_evidence_has_its_own_place() -> None:
    assert evidence_of("smollm2") == evidence.EVIDENCE
    assert evidence_of("org/model") == evidence.EVIDENCE / "org--model"


def test_rows_of_another_base_are_dropped_and_other_rows_kept(tmp_path: Path) -> None:
    path = tmp_path / "e2e.json"
    for base_hash, row in (("a", "prompt_0"), ("a", "prefix"), ("a", "prompt_0")):
        evidence.record(path, {"base_hash": base_hash}, {"row": row})
    assert list(evidence.rows_of(path)) == ["prefix", "prompt_0"] and evidence.rows_of(path, "b") == {}
    evidence.record(path, {"base_hash": "b"}, {"row": "adapter"})
    assert list(evidence.rows_of(path)) == ["adapter"]


def test_the_precision_of_training_is_recorded_and_nothing_is_trained_anew_for_it(
    tiny: Base, own: dict[str, Path]
) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], steps=2, folder=own["evidence"], precision="bf16")
    (folder,) = artifacts.shipped()
    made = artifacts.fingerprint(folder)
    assert artifacts.read_card(folder).settings["precision"] == "bf16"
    rebuild.rebuild(tiny, rows=["prefix"], steps=2, folder=own["evidence"], precision="fp32")
    assert artifacts.fingerprint(folder) == made


def test_the_test_set_is_written_with_beams_where_that_is_asked(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], splits=["test", "test-beams"], steps=2, folder=own["evidence"])
    told = {name: json.loads((own["evidence"] / f"e2e-{name}.json").read_text()) for name in ("test", "test-beams")}
    assert [facts["decoding"] for facts in told.values()] == ["greedy", "5 beams"]
    assert told["test"]["scored_on"] == told["test-beams"]["scored_on"]


def test_without_a_gpu_a_part_is_learned_from_with_all_texts_of_an_input(
    tiny: Base, own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(material.DATA["e2e"], few_texts=7, few_inputs={"dev": 2})
    monkeypatch.setitem(material.DATA, "e2e", few)
    some = material.material(tiny, "e2e")
    everything = material.material(replace(tiny, device=torch.device("meta")), "e2e")  # any device but a CPU
    assert (len(some.sets["dev"]), len(everything.sets["dev"])) == (2, 5)
    assert all(example in everything.learned for example in some.learned)
    assert 7 <= some.known["texts"] < 7 + max(len(example.references) for example in some.learned)
    assert some.known["texts"] < everything.known["texts"] and some == material.material(tiny, "e2e")


def test_an_article_is_cut_and_a_table_is_not(tiny: Base, e2e: Task) -> None:
    news = get_task("summarization")
    (cut,) = material.shortened(tiny, news, [Example("a long story " * 50, ("Short.",))], 12)
    assert len(tiny.encode(cut.source)) == 12 and cut.references == ("Short.",)
    assert material.shortened(tiny, e2e, e2e.pool(), 1) == e2e.pool()


def test_what_train_made_is_scored_and_kept(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["adapter"], steps=2, folder=own["evidence"])
    (folder,) = artifacts.shipped()
    artifacts.write_card(folder, replace(artifacts.read_card(folder), plan={}, scores={}))
    made = artifacts.fingerprint(folder)
    rebuild.rebuild(tiny, rows=["adapter"], steps=3, folder=own["evidence"])
    assert artifacts.fingerprint(folder) == made
    assert artifacts.read_card(folder).scores["dev"]["inputs"] == table(own["evidence"])["adapter"]["inputs"] == 5


def test_a_budget_holds_the_trials_too() -> None:
    steps = sweep.steps_within(600, step=2.0, measure=5.0)
    trials = 2 * sweep.TRIAL * steps
    assert 500 < 2.0 * (steps + trials + sweep.PROBED) + 5.0 * (sweep.MEASURED + 2) <= 600
    assert sweep.steps_within(1, 2.0, 5.0) == sweep.LEAST_STEPS
