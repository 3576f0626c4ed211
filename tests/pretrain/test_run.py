"""Tokenizer, optimizer, schedule, resuming, export: on a model of a few thousand weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from prefix_core.errors import ArtifactError, InputError
from prefix_core.pretrain import export as exporting
from prefix_core.pretrain import run
from prefix_core.pretrain.card import SOURCES
from prefix_core.pretrain.optimizer import Muon, optimizers_for, orthogonalise
from prefix_core.pretrain.tokenizer import token_bytes, train_tokenizer

TEXT = [
    "The old mill stands near Belwyn.",
    "name : Iron Bell | opened : 1987\nIron Bell opened in 1987.",
    "Café – 10 €",
]
RUN = """
seed = 1
[model]
layers = 2
hidden = 16
heads = 2
vocabulary = 300
positions = 128  # room for the samples; the rows below are shorter
[data]
tokens = 1
[mixture]
toy = 1
[training]
rows = 2
steps = {steps}
warm_up = 0.1
decay = 0.3
muon = 0.02
adamw = 0.003
weight_decay = 0.01
clip = 1.0
measure_minutes = 100
checkpoint_minutes = 100
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose text is prepared, and torch.compile (slow, for nothing here) switched off."""
    monkeypatch.setattr(run.shutil, "which", lambda _: None)
    train_tokenizer(TEXT * 3, 300, 32).save_pretrained(tmp_path / "tokenizer")
    rows = np.random.default_rng(0).integers(0, 260, (40, 33)).astype(np.uint16)
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "held_out.npz", toy=rows[:2])
    (tmp_path / "prepared.json").write_text(json.dumps({"bytes": {"toy": 10}, "removed": {}}))
    (tmp_path / "run.toml").write_text(RUN.format(steps=12))
    return tmp_path


@pytest.mark.parametrize("path", sorted(Path(run.__file__).parent.glob("runs/**/*.toml")), ids=lambda path: path.stem)
def test_every_run_file_names_text_there_is_and_a_model_that_can_be_shipped(path: Path) -> None:
    settings = run.read_run_file(path)
    assert settings["mixture"].keys() <= SOURCES.keys()  # each with its licence
    with torch.device("meta"):
        model = run.new_model(settings["model"], settings["seed"])
    sizes = [2 * weight.numel() for weight in model.parameters()]  # bytes in 16 bits
    assert sum(sizes) < 64e6 and max(sizes) < 9.5e6  # no file holds less than a tensor
    assert settings["model"]["positions"] % settings["training"].get("window", 1) == 0
    assert settings["data"]["tokens"] < 2**31 and settings["training"]["steps"] > 0


def test_tokenizer_keeps_any_text_and_counts_its_bytes(tmp_path: Path) -> None:
    train_tokenizer(TEXT * 3, 300, 32).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tokenizer) <= 300 and tokenizer.eos_token_id == tokenizer.bos_token_id == 0
    sizes = token_bytes(tokenizer)
    for text in [*TEXT, " two  spaces\n\n\tand 愛 🙂 "]:
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert sum(sizes[token] for token in ids) == len(text.encode())


def test_orthogonalise_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in [(2, 16, 16), (2, 8, 40), (2, 40, 8)]:
        values = torch.linalg.svdvals(orthogonalise(torch.randn(shape)))
        assert (values < 1.3).all() and (values > 0.3).all()


def test_muon_takes_the_blocks_matrices_and_treats_queries_keys_values_apart() -> None:
    model = run.new_model({"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 50, "positions": 8}, seed=1)
    muon, adamw = optimizers_for(model, 0.02, 0.003, 0.0)
    counts = [len(optimizer.param_groups[0]["params"]) for optimizer in (muon, adamw)]
    assert counts[0] == 2 * 4 and sum(counts) == len(list(model.parameters()))
    weight = torch.zeros(16, 48, requires_grad=True)
    weight.grad = torch.randn(16, 48) * torch.tensor([1.0, 1e-3, 1e3]).repeat_interleave(16)
    Muon([weight], lr=1.0).step()
    q, k, v = (part.norm().item() for part in weight.detach().chunk(3, 1))
    assert q == pytest.approx(k, rel=0.3) and q == pytest.approx(v, rel=0.3)


def test_rate_warms_up_stays_and_decays_to_zero() -> None:
    rates = [run.rate(progress, 0.1, 0.25) for progress in (0.0, 0.05, 0.1, 0.5, 0.75, 0.875, 1.0, 1.2)]
    assert rates == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0, 0])


def test_losses_are_those_of_transformers() -> None:
    model = run.new_model({"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 50, "positions": 8}, seed=1)
    rows = torch.randint(0, 50, (3, 9))
    expected = model(rows[:, :-1]).logits.log_softmax(-1).gather(-1, rows[:, 1:, None])[..., 0]
    torch.testing.assert_close(run.token_losses(model)(rows), -expected, atol=1e-5, rtol=1e-4)


def test_windows_of_attention_start_afresh_and_equal_whole_attention_within() -> None:
    model = run.new_model({"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 50, "positions": 12}, seed=1)
    tokens = torch.randint(0, 50, (2, 12))
    whole, windowed = (run.hidden_states(model, window)(tokens).view(2, 12, 16) for window in (None, 4))
    torch.testing.assert_close(windowed[:, :4], whole[:, :4])
    assert not torch.allclose(windowed[:, 4:], whole[:, 4:], atol=1e-3)
    other = tokens.clone()
    other[:, :4] = 1
    torch.testing.assert_close(run.hidden_states(model, 4)(other).view(2, 12, 16)[:, 4:], windowed[:, 4:])


def test_attention_widens_in_the_course_of_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans: list[int | None] = []
    real = run.hidden_states

    def watched(model, window=None):
        states = real(model, window)
        return lambda tokens: spans.append(window) or states(tokens)

    plan = RUN.format(steps=12).replace("rows = 2", "rows = 2\nwindow = 8\nwhole = 0.5")
    (folder / "run.toml").write_text(plan)
    monkeypatch.setattr(run, "hidden_states", watched)
    run.pretrain(folder / "run.toml", folder, report=lambda _: None)
    assert spans[:12] == [8] * 6 + [None] * 6


def test_a_resumed_run_equals_an_uninterrupted_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.load(run.pretrain(folder / "run.toml", folder, report=lambda _: None), weights_only=True)
    (folder / "checkpoint.pt").unlink()
    saved_at: list[int] = []

    def save_and_stop(*arguments) -> None:
        real(*arguments)
        saved_at.append(arguments[-1]["step"])
        if len(saved_at) == 5:
            raise KeyboardInterrupt

    real = run.save_checkpoint
    monkeypatch.setattr(run, "save_checkpoint", save_and_stop)
    often = RUN.format(steps=12).replace("checkpoint_minutes = 100", "checkpoint_minutes = 0")
    (folder / "run.toml").write_text(often)
    with pytest.raises(KeyboardInterrupt):
        run.pretrain(folder / "run.toml", folder, report=lambda _: None)
    said: list[str] = []
    resumed = torch.load(run.pretrain(folder / "run.toml", folder, report=said.append), weights_only=True)
    assert said[0] == "resuming at step 5" and resumed["step"] == whole["step"] == 12
    for name, weight in whole["model"].items():
        torch.testing.assert_close(resumed["model"][name], weight, atol=0, rtol=0)


def test_a_decayed_run_is_taken_up_again_where_its_rate_was_full(folder: Path) -> None:
    at_once = RUN.replace("warm_up = 0.1", "warm_up = 0")  # no share of a run that grows longer
    (folder / "run.toml").write_text(at_once.format(steps=12))
    short = run.pretrain(folder / "run.toml", folder, report=lambda _: None)
    before = torch.load(folder / "before_decay.pt", weights_only=True)
    assert before["step"] == 9
    (folder / "before_decay.pt").replace(short)
    (folder / "run.toml").write_text(at_once.format(steps=20))
    said: list[str] = []
    taken_up = torch.load(run.pretrain(folder / "run.toml", folder, report=said.append), weights_only=True)
    short.unlink()
    whole = torch.load(run.pretrain(folder / "run.toml", folder, report=lambda _: None), weights_only=True)
    assert said[0] == "resuming at step 9" and taken_up["step"] == 20
    for name, weight in whole["model"].items():
        torch.testing.assert_close(taken_up["model"][name], weight)


def test_text_prepared_for_another_run_is_refused(folder: Path) -> None:
    settings = run.read_run_file(folder / "run.toml")
    kept = {part: settings[part] for part in ("seed", "model", "data", "mixture")}
    (folder / "prepared.json").write_text(json.dumps({"made_from": kept, "bytes": {"toy": 10}, "removed": {}}))
    run.pretrain(folder / "run.toml", folder, report=lambda _: None)
    (folder / "run.toml").write_text(RUN.format(steps=12).replace("toy = 1", "toy = 1\nother = 2"))
    with pytest.raises(InputError, match="prepared for another run file"):
        run.pretrain(folder / "run.toml", folder, report=lambda _: None)


def test_a_time_budget_ends_the_run(folder: Path) -> None:
    (folder / "run.toml").write_text(RUN.format(steps=10**9))
    saved = torch.load(run.pretrain(folder / "run.toml", folder, minutes=0.02, report=print), weights_only=True)
    assert saved["seconds"] >= 1.2


def test_export_loads_in_transformers_with_the_same_logits(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="no checkpoint"):
        exporting.export(folder / "run.toml", folder, folder / "base", report=print)
    checkpoint = run.pretrain(folder / "run.toml", folder, report=print)
    losses = exporting.export(folder / "run.toml", folder, folder / "base", report=print)
    assert abs(losses["float16"] - losses["float32"]) < 0.005
    loaded = AutoModelForCausalLM.from_pretrained(folder / "base")
    assert loaded.dtype == torch.float32
    trained = run.new_model(run.read_run_file(folder / "run.toml")["model"], 0)
    trained.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    ids = torch.randint(0, 260, (2, 20))
    torch.testing.assert_close(loaded(ids).logits, trained(ids).logits, atol=2e-2, rtol=2e-2)
    assert AutoTokenizer.from_pretrained(folder / "base").eos_token_id == 0
    card = (folder / "base" / "README.md").read_text(encoding="utf-8")
    assert "## What it is bad at\n" in card and "By position" in card
    assert (folder / "base" / "loss.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_broken_run_file_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("seed = 1\n[model]\n")
    with pytest.raises(InputError, match="lacks data, mixture, training"):
        run.read_run_file(tmp_path / "run.toml")
    with pytest.raises(InputError, match="cannot read"):
        run.read_run_file(tmp_path / "none.toml")
