"""The rebuild on a tiny base and our own examples: what is made, kept and measured, and what is never learned."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.artifacts import artifacts, peft_format, tensors
from prefix_core.data.tables import to_mr
from prefix_core.errors import InputError
from prefix_core.methods import prompt
from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.studies import evidence, rebuild
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
    data = rebuild.Data(str(files["train"]), {name: str(files[name]) for name in ("dev", "test")}, cpu_steps=3)
    monkeypatch.setattr(rebuild, "DATA", {"e2e": data})
    monkeypatch.setattr(rebuild, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("PREFIX_ARTIFACTS", str(tmp_path / "artifacts"))
    return files | {"evidence": tmp_path / "evidence"}


def table(folder: Path, name: str = "e2e.json") -> dict[str, dict]:
    return evidence.read(folder / name)


def test_everything_is_made_once_and_measured(tiny: Base, own: dict[str, Path], capsys) -> None:
    folder = own["evidence"]
    rebuild.rebuild(tiny, folder=folder)
    rows = table(folder)
    assert list(rows) == [name for name in evidence.ROWS if name != "lead"]
    cards = {place.name: card for place, card in artifacts.shipped().items()}
    assert set(cards) == set(rebuild.TRAINED_ROWS) == {name for name in rows if not name.startswith("prompt")}
    assert {name for name, row in rows.items() if row["shipped"]} == {card.method for card in cards.values()}
    for name, row in rows.items():
        assert row["inputs"] == 5 and row["interval"]["bleu"][0] <= row["bleu"] <= row["interval"]["bleu"][1] + 1
        assert name.startswith("prompt") or row["training"]["steps"] == 3
    assert rows["fine_tune"]["bytes"] < rows["fine_tune"]["full_bytes"] and rows["fine_tune"]["share"] == 100
    assert rows["prefix_small"]["kept"] < rows["prefix"]["kept"]
    assert cards["fine_tune"].packing["bits"] == 8 and cards["fine_tune"].packing["tokens_same"] > 0
    assert not any(evidence.outdated(folder))

    before = (folder / "e2e.json").read_text()
    capsys.readouterr()
    rebuild.rebuild(tiny, folder=folder)
    assert (folder / "e2e.json").read_text() == before
    assert capsys.readouterr().err.count("up to date") == len(rows)


def test_no_held_out_input_is_learned(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], folder=own["evidence"])
    (card,) = artifacts.shipped().values()
    assert (card.data["inputs"], card.data["left_out"]) == (11, 1)


def test_the_test_set_is_scored_when_asked_without_training_again(tiny: Base, own: dict[str, Path]) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], folder=own["evidence"])
    (folder,) = artifacts.shipped()
    made = artifacts.fingerprint(folder)
    rebuild.rebuild(tiny, rows=["prefix"], splits=["test"], folder=own["evidence"])
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
    rebuild.rebuild(tiny, rows=["prefix", "adapter"], folder=folder)
    assert evidence.outdated(folder) == []
    (prefix,) = (place for place, card in artifacts.shipped().items() if card.method == "prefix")
    kept = peft_format.from_peft(prefix, tiny)
    artifacts.save(prefix, tiny, {name: tensor + 1 for name, tensor in kept.items()}, artifacts.read_card(prefix))
    assert evidence.outdated(folder) == ["e2e.json was measured on other weights than those in e2e/prefix"]
    rebuild.rebuild(tiny, rows=["adapter"], splits=["test"], folder=folder)
    assert len(evidence.outdated(folder)) == 1  # the test set's table fits
    (adapter,) = (place for place, card in artifacts.shipped().items() if card.method == "adapter")
    stored = tensors.read_tensors(artifacts.tensor_files(adapter))
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


def test_a_training_that_diverges_ships_nothing(
    tiny: Base, own: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wild = rebuild.defaults("adapter", "").replaced(learning_rate=1e38)
    monkeypatch.setattr(rebuild, "defaults", lambda *_: wild)
    with pytest.raises(InputError, match="e2e, adapter: the loss was no number"):
        rebuild.rebuild(tiny, rows=["adapter"], folder=own["evidence"])
    assert not artifacts.shipped() and not table(own["evidence"])


def test_a_bases_evidence_has_its_own_place() -> None:
    assert evidence_of("smollm2") == evidence.EVIDENCE
    assert evidence_of("org/model") == evidence.EVIDENCE / "org--model"


def test_rows_of_another_base_are_dropped_and_other_rows_kept(tmp_path: Path) -> None:
    path = tmp_path / "e2e.json"
    for base_hash, row in (("a", "prompt_0"), ("a", "prefix"), ("a", "prompt_0")):
        evidence.record(path, {"base_hash": base_hash}, {"row": row})
    assert list(evidence.read(path)) == ["prefix", "prompt_0"] and evidence.read(path, "b") == {}
    evidence.record(path, {"base_hash": "b"}, {"row": "adapter"})
    assert list(evidence.read(path)) == ["adapter"]


def test_the_precision_of_training_is_recorded_and_nothing_is_trained_anew_for_it(
    tiny: Base, own: dict[str, Path]
) -> None:
    rebuild.rebuild(tiny, rows=["prefix"], folder=own["evidence"], precision="bf16")
    (folder,) = artifacts.shipped()
    made = artifacts.fingerprint(folder)
    assert artifacts.read_card(folder).settings["precision"] == "bf16"
    rebuild.rebuild(tiny, rows=["prefix"], folder=own["evidence"], precision="fp32")
    assert artifacts.fingerprint(folder) == made
