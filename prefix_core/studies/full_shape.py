"""Models of full size with random weights: what a base of that shape takes can be measured without fetching it."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel

from prefix_core.model.loading import load_base

# By the names the real ones have on the Hub; what is not said is the architecture's own default.
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2"},
    "gpt2-medium": {"model_type": "gpt2", "n_layer": 24, "n_embd": 1024, "n_head": 16},
    "bart-large": {"model_type": "bart"},
}


def write_random(name: str, folder: Path) -> Path:
    """A model of that shape, fp32, with the default base's tokenizer, whose tokens are the first of its vocabulary."""
    options = dict(SHAPES[name])
    config = AutoConfig.for_model(options.pop("model_type"), **options)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    torch.manual_seed(0)
    model: PreTrainedModel = auto.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    load_base().tokenizer.save_pretrained(folder)
    return folder
