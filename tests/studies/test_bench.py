"""The bench runs every side and agrees, token for token, where it must; once in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from prefix_core.cli import main
from prefix_core.model.base import read_shape
from prefix_core.model.loading import load_base
from prefix_core.studies import bench as benching
from prefix_core.studies.bench import SHAPES, bench, bench_shape, middle, record, table, write_random
from prefix_core.studies.evidence import EVIDENCE, FULL_SIZE
from prefix_core.studies.measurement import measure
from prefix_core.studies.sizes import MODELS
from tests.architectures import DECODERS, make_bases

FEW = 12  # tokens


def test_every_figure_is_there_and_fp32_outputs_are_equal(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benching, "native_bf16", lambda: False)
    result = bench(str(tiny_folder), seconds=0.2, tokens=FEW, rounds=1)
    assert result["greedy_agreement"]["fp32"] == 1.0
    ours, theirs = result["prefix_core"]["fp32"], result["peft"]["fp32"]
    assert all(ours[f"milliseconds_per_token_{rows}"] > 0 for rows in (1, 8, "panes"))
    for side in (ours, theirs):
        assert side["training_tokens_per_second"] > 0 and side["training_texts_per_second_in_fours"] > 0
        assert side["training_peak_megabytes"] > 50
    assert all(figure > 0 for figure in result["floor"].values())
    assert len(result["times_faster"]) == 6 + 2
    assert "against PEFT" in table(result) and "floor" in table(result)


@pytest.mark.parametrize("side", ["prefix_core", "peft", "transformers"])
def test_each_side_is_measured_in_bf16(tiny_folder: Path, side: str) -> None:
    what = "write" if side == "transformers" else "train"
    figures = measure(side, what, "bf16", str(tiny_folder), 0.01, FEW)
    assert all(figure > 0 for figure in figures.values() if isinstance(figure, float)) and len(figures) > 2


def test_the_middle_round_counts() -> None:
    rounds = [{"speed": speed, "written": [[7]]} for speed in (5.0, 900.0, 6.0)]
    assert middle(rounds) == {"speed": 6.0, "written": [[7]]}


def test_the_sides_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []

    def apart(side: str, what: str, dtype: str, *_: object) -> dict[str, object]:
        asked.append((side, what, dtype))
        if side == "floor":
            return {"milliseconds_per_token": 1.0, "training_tokens_per_second": 1.0}
        if what == "write":
            return {"milliseconds_per_token_8": 3.0, "milliseconds_per_token_1": float(len(asked)), "written": [[7]]}
        names = ("training_tokens_per_second", "training_texts_per_second_in_fours", "training_peak_megabytes")
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(benching, "_apart", apart)
    monkeypatch.setattr(benching, "native_bf16", lambda: True)
    result = bench(seconds=3.0)
    turns = [(*run, dtype) for dtype in ("fp32", "bf16") for _ in range(3) for run in benching.RUNS]
    assert asked == [*turns, ("floor", "", "fp32")]
    assert result["transformers"]["bf16"]["milliseconds_per_token_1"] == 20.0  # of 16, 20 and 24


def test_a_process_is_not_charged_with_the_memory_of_the_one_that_started_it() -> None:
    code = "import json; from prefix_core.studies.measurement import peak_megabytes; print(peak_megabytes())"
    held = bytearray(1_000_000_000)
    held[::4096] = b"x" * len(held[::4096])
    megabytes = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert 50 < megabytes < 1_000  # what importing all of it takes, less than was held here


@pytest.mark.parametrize("kind", DECODERS)
def test_every_decoder_is_measured_and_writes_what_transformers_writes(tmp_path: Path, kind: str) -> None:
    name = make_bases(lambda kind: tmp_path, [kind])[kind].name
    ours, theirs = (measure(side, "write", "fp32", name, 0.01, FEW) for side in ("prefix_core", "transformers"))
    assert ours["written"] == theirs["written"] and not ours["alone"]
    for side in ("prefix_core", "peft"):
        assert measure(side, "train", "fp32", name, 0.01)["training_tokens_per_second"] > 0


def test_an_encoder_decoder_of_full_size_is_measured_alone_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {"d_model": 32, "encoder_layers": 3, "decoder_layers": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    monkeypatch.setitem(SHAPES, "bart-large", {"model_type": "bart", **tiny, **heads})
    monkeypatch.setattr(benching, "_apart", measure)  # in this process
    result = bench_shape("bart-large", 0.01, tokens=4, rounds=1)
    assert "three prefixes" in result["not_compared"] and set(benching.SIDES) & set(result) == {"prefix_core"}
    assert (result["base"], result["kept_at_5"]) == ("bart-large, random weights", (2 + 2 + 3) * 2 * 5 * 32)
    assert "not compared" in table(result)
    for shape in ("bart-large", "gpt2"):
        record(shape, result, tmp_path / "full_size.json")
    assert list(json.loads((tmp_path / "full_size.json").read_text())) == ["gpt2", "bart-large"]


def test_only_a_shape_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--record"]) == 2 and "--shape" in capsys.readouterr().err


CALCULATED = {"gpt2": "GPT-2", "gpt2-medium": "GPT-2 medium", "bart-large": "BART large"}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_parameters_of_the_real_one(name: str) -> None:
    options = dict(SHAPES[name])
    config = AutoConfig.for_model(options.pop("model_type"), **options)
    with torch.device("meta"):
        auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        parameters = auto.from_config(config).num_parameters()
    calculated = MODELS[CALCULATED[name]]
    assert parameters == calculated.parameters
    assert read_shape(config).prefix_parameters(5) == calculated.prefix_parameters(5)


def test_what_was_measured_of_them_is_recorded() -> None:
    measured = json.loads((EVIDENCE / FULL_SIZE).read_text(encoding="utf-8"))
    assert list(measured) == list(SHAPES)
    for name, result in measured.items():
        assert result["parameters"] == MODELS[CALCULATED[name]].parameters
        assert result["kept_at_5"] == MODELS[CALCULATED[name]].prefix_parameters(5)
        assert result["not_compared" if name == "bart-large" else "greedy_agreement"]
    assert measured["gpt2-medium"]["kept_at_5"] == 245_760


def test_a_model_of_random_weights_is_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, "gpt2", {"model_type": "gpt2", "n_layer": 2, "n_embd": 32, "n_head": 2})
    base = load_base(str(write_random("gpt2", tmp_path)))
    assert base.shape.vocabulary == 50_257 and max(base.encode("name[Blue Spice]")) < base.shape.vocabulary
    assert load_base(str(write_random("gpt2", tmp_path))).weights_hash == base.weights_hash  # the same each time
