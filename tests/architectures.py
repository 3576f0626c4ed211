"""Tiny random models of every architecture that takes a prefix, and the same models as `transformers` runs them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DynamicCache,
)
from transformers.masking_utils import eager_mask

from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.model.prefix import Prefix
from prefix_core.writing.search import BeamSearch, Decoding, Row, Search
from tests.conftest import make_gpt2, make_tokenizer

LONG = 512  # positions
_DECODER = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "max_position_embeddings": LONG, "initializer_range": 0.2, "head_dim": 12,
}  # fmt: skip
_NOT_WIDE = {**_DECODER, "head_dim": 8}
CONFIGS: dict[str, dict[str, Any]] = {
    "opt": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "init_std": 0.2,
        "word_embed_proj_dim": 24, "max_position_embeddings": LONG,
    },
    "llama": _NOT_WIDE,
    "mistral": {**_NOT_WIDE, "sliding_window": LONG},
    "qwen2": _NOT_WIDE,
    "qwen3": _DECODER,
    "gemma": _DECODER,
    "gemma3_text": {
        **_DECODER, "query_pre_attn_scalar": 5, "sliding_window": LONG,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "bart": {
        "d_model": 32, "encoder_layers": 3, "decoder_layers": 2, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": LONG,
        "init_std": 0.2, "decoder_start_token_id": 0, "forced_eos_token_id": None,
    },
    "t5": {
        "d_model": 32, "d_kv": 12, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
        "decoder_start_token_id": 0, "relative_attention_max_distance": 40, "relative_attention_num_buckets": 12,
        "feed_forward_proj": "gated-gelu",
    },
}  # fmt: skip
DECODERS = ["gpt2", *list(CONFIGS)[:-2]]
ENCODER_DECODERS = list(CONFIGS)[-2:]
TEMPLATES = {"llama": "<s> $A", "opt": "<|endoftext|> $A", "bart": "<s> $A <|endoftext|>", "t5": "$A <|endoftext|>"}


def make_base(folder: Path, kind: str, **changes: Any) -> Path:
    """A model of random weights, with the tokens around a text that its real ones have."""
    size = make_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    if kind in TEMPLATES:
        ids = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "<|endoftext|>")]
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=TEMPLATES[kind], special_tokens=ids)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    options = {"vocab_size": size + 1, "bos_token_id": size, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, **options, **{**CONFIGS[kind], **changes})
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = auto.from_config(config)
    with torch.no_grad():  # biases and norms that matter
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        if kind == "bart":
            model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    return folder


def make_bases(new_folder: Callable[[str], Path], kinds: Iterable[str]) -> dict[str, Base]:
    """A tiny base of every kind."""
    folders = {kind: new_folder(kind) for kind in kinds}
    return {
        kind: load_base(str(make_gpt2(folder) if kind == "gpt2" else make_base(folder, kind)))
        for kind, folder in folders.items()
    }


def loud(base: Base, length: int = 5, seed: int = 1, infix: bool = False) -> Prefix:
    """A random prefix large enough to change every output."""
    return Prefix(*(40 * random_start(base.shape, length, torch.Generator().manual_seed(seed))), infix=infix)


def written(base: Base, rows: list[tuple[list[int], Prefix | None]], count: int, beams: int = 1) -> list[list[int]]:
    """What we write for (input, prefix) rows in one batch, `count` tokens at most."""
    some = [Row(tokens, prefix, count, frozenset(), base.writer, index) for index, (tokens, prefix) in enumerate(rows)]
    search = (BeamSearch if beams > 1 else Search)(base, some, Decoding(beams=beams))
    while search.alive:
        search.advance()
    return [row.written for row in some]


# ------------------------------------------------------------- as transformers runs them, a prefix in every attention


def eager(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, **options: Any):
    """Attention written out, of unpacked rows that share one prefix, which stands before all keys."""
    if getattr(module, "reference", None) is not None:
        length = module.reference[0].shape[2]
        key, value = (
            torch.cat([part.expand(len(key), -1, -1, -1), seen], 2)
            for part, seen in zip(module.reference, (key, value), strict=True)
        )
        mask = None if mask is None else torch.nn.functional.pad(mask, (length, 0))
        if options.get("position_bias") is not None:
            options["position_bias"] = torch.nn.functional.pad(options["position_bias"], (length, 0))
    groups = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(groups, 1).transpose(2, 3) * scaling
    for added in (mask, options.get("position_bias")):
        scores = scores if added is None else scores + added
    return (scores.softmax(-1) @ value.repeat_interleave(groups, 1)).transpose(1, 2).contiguous(), None


AttentionInterface.register("reference", eager)
AttentionMaskInterface.register("reference", eager_mask)


def reference(base: Base, prefix: Prefix | None) -> Any:
    """The base's model afresh, with the prefix in all its attentions. Positions of a BART's decoder follow it."""
    auto = AutoModelForSeq2SeqLM if base.begin else AutoModelForCausalLM
    model: Any = auto.from_pretrained(base.name, attn_implementation="reference")
    if prefix is None:
        return model
    sites = base.shape.sites
    found: dict[str, list[Any]] = {site: [] for site in sites}
    for name, module in model.named_modules():
        if hasattr(module, "layer_idx") and hasattr(module, "scaling"):
            crossing = "encoder_attn" in name or "EncDecAttention" in name
            found["cross" if crossing else "encoder" if "encoder." in name else "decoder"].append(module)
    for site, modules in found.items():
        for layer, module in zip(sites[site], modules, strict=True):
            module.reference = [part[layer].transpose(0, 1)[None] for part in (prefix.keys, prefix.values)]
    if base.model.config.model_type == "bart":
        model.model.decoder.embed_positions.offset += prefix.length
    return model


@torch.no_grad()
def write_by_transformers(
    base: Base, tokens: list[int], prefix: Prefix | None, count: int, **options: Any
) -> list[int]:
    """What `generate` writes: a decoder's prefix goes in its cache, an encoder-decoder's in its attentions."""
    options = {"max_new_tokens": count, "do_sample": False, "pad_token_id": base.end, **options}
    ids, length = torch.tensor([tokens]), prefix.length if prefix else 0
    if base.begin:
        start = torch.tensor([base.begin])
        out = reference(base, prefix).generate(ids, decoder_input_ids=start, **options)
        written = out[0, len(base.begin) :].tolist()
    else:
        model: Any = AutoModelForCausalLM.from_pretrained(base.name)
        cache = DynamicCache()
        for layer in range(base.shape.layers if prefix else 0):
            pair = (part[layer].transpose(0, 1)[None] for part in (prefix.keys, prefix.values))
            cache.update(*pair, layer)
        if prefix and options.get("num_beams", 1) > 1:
            cache.batch_repeat_interleave(options["num_beams"])
        mask = torch.ones(1, length + len(tokens), dtype=torch.long)
        written = model.generate(ids, attention_mask=mask, past_key_values=cache, **options)[0, len(tokens) :].tolist()
    return written[: written.index(base.end)] if base.end in written else written
