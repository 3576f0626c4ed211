"""Models of full size: their shapes are those of the real ones, and what was measured of them is in the evidence."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from prefix_core.model.base import read_shape
from prefix_core.model.loading import load_base
from prefix_core.studies.evidence import EVIDENCE, FULL_SIZE
from prefix_core.studies.full_shape import SHAPES, write_random
from prefix_core.studies.sizes import MODELS

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
