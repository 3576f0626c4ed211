"""A base: a frozen language model, its tokenizer and its shape."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from prefix_core.errors import BaseError
from prefix_core.gpt2 import Network, pack, read_network
from prefix_core.places import ASSETS

EMBEDDED = ASSETS / "base"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

# Architectures whose attention takes a prefix here, by `model_type`; the rest are refused with a reason.
RUNS = {"gpt2"}


@dataclass(frozen=True)
class Shape:
    """What a prefix and an input must fit: counts, no units; `positions` is the context in tokens."""

    layers: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    positions: int
    encoder_decoder: bool = False

    def prefix_parameters(self, length: int) -> int:
        """Parameters kept of a prefix of `length`: layers * 2 * P * kv_heads * head_dim."""
        return self.layers * 2 * length * self.kv_heads * self.head_dim


@dataclass(frozen=True)
class Base:
    """A frozen language model. `name` is what artifacts remember it by; nothing here ever changes its weights."""

    name: str
    model: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerBase
    shape: Shape
    network: Network
    weights_hash: str
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        return self.network.tokens.device

    @cached_property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.model.parameters())

    @cached_property
    def writer(self) -> Network:
        """The same network laid out for writing; what shares it shares a batch."""
        return pack(self.network)

    @property
    def bytes(self) -> int:
        """Bytes of one full copy of the weights in memory."""
        return self.parameters * self.network.tokens.element_size()

    @property
    def end(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    def encode(self, text: str) -> list[int]:
        """Token ids, nothing added. Text that spells a special token is read as plain text."""
        return self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)

    def decode(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def load_base(name: str = "embedded", device: str = "cpu", dtype: str = "fp32") -> Base:
    """Load a base: "embedded" (assets/base), a local folder, or a Hub name such as "gpt2-medium".

    dtype "bf16" keeps the weights' bf16 values; on a processor without bf16 arithmetic (where it would be some
    hundred times slower) they are widened and computed with in fp32.

    Raises `BaseError` when it cannot be found or read, or is of an architecture that cannot take a prefix here.
    """
    if dtype not in DTYPES:
        raise BaseError(f"dtype {dtype!r} is not known; choose one of {', '.join(DTYPES)}")
    try:
        torch.device(device)
    except RuntimeError as error:
        raise BaseError(f"device {device!r} is not known; use cpu or cuda") from error
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BaseError(f"device {device!r} was asked for, but no CUDA device is available; use cpu")
    place = str(EMBEDDED) if name == "embedded" else name
    _quiet()
    try:
        config = AutoConfig.from_pretrained(place)
        _refuse_unfit(name, config)
        loaded: Any = GPT2LMHeadModel.from_pretrained(
            place, dtype="auto", use_safetensors=True, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(place)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:300]
        raise BaseError(
            f"base {name!r} could not be loaded: {reason} -- give 'embedded', a folder in transformers format, or a "
            "Hub name (which needs network the first time)"
        ) from error
    model: GPT2LMHeadModel = loaded[0]
    loading: dict[str, Any] = loaded[1]
    if loading["missing_keys"]:
        some = ", ".join(sorted(loading["missing_keys"])[:3])
        raise BaseError(f"base {name!r} lacks weights that its config.json asks for: {some}, ...; copy it again")
    if tokenizer.eos_token_id is None:
        raise BaseError(f"base {name!r} has no token that ends a text, so nothing could learn when to stop")
    digest = hash_weights(dict(model.named_parameters()))
    asked = DTYPES[dtype]
    widened = asked is torch.bfloat16 and device == "cpu" and not native_bf16()
    nn.Module.to(model, torch.device(device), asked)
    if widened:
        model.float()
    model.eval().requires_grad_(False)
    shape = Shape(
        layers=config.n_layer,
        kv_heads=config.n_head,
        head_dim=config.n_embd // config.n_head,
        hidden=config.n_embd,
        vocabulary=config.vocab_size,
        positions=config.n_positions,
    )
    return Base(name, model, tokenizer, shape, read_network(model), digest, asked)


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices in hardware (AVX512-BF16 or AMX)."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def hash_weights(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes as stored: the same for any sharding of the same weights."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _refuse_unfit(name: str, config) -> None:
    if config.model_type not in RUNS:
        raise BaseError(
            f"base {name!r} is of architecture {config.model_type!r}; prefixes are run here on: {', '.join(RUNS)}"
        )
    if config.activation_function not in ("gelu_new", "gelu_pytorch_tanh"):
        raise BaseError(f"base {name!r} uses the activation {config.activation_function!r}; only GPT-2's own is run")
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        raise BaseError(f"base {name!r} scales its attention in a way that is not run here")


def _quiet() -> None:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
