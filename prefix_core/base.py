"""A base: a frozen language model, its tokenizer and its shape."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from huggingface_hub.errors import StrictDataclassError
from huggingface_hub.utils import get_session
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from prefix_core.errors import BaseError, InputError
from prefix_core.gpt2 import Network, pack, read_network
from prefix_core.module_network import ATTENTION, ModuleNetwork
from prefix_core.places import ASSETS

EMBEDDED = ASSETS / "base"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
DEVICES = ("cpu", "cuda")

# Architectures whose attention takes a prefix here, by `model_type`, each tested; the rest are refused with a reason.
DECODERS = ("gpt2", "opt", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text")
ENCODER_DECODERS = ("bart", "t5")
BATCH_DEPENDENT = ("dynamic", "longrope")  # rotary positions that depend on what else is in the batch
HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
HUB_SECONDS = 5.0  # in which the Hub answers, or counts as out of reach
T5_CONTEXT = 512  # tokens: what T5 was trained on; it counts distances, so nothing in it sets a limit

AnyNetwork = Network | ModuleNetwork


@dataclass(frozen=True)
class Shape:
    """What a prefix and an input must fit: counts, no units; `positions` is the context in tokens.

    layers: the decoder's; encoder_layers: 0 where there is no encoder.
    """

    layers: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocabulary: int
    positions: int
    encoder_layers: int = 0

    @property
    def sites(self) -> dict[str, range]:
        """Where a prefix goes, by the first dimension of its keys and values: which of its layers are whose."""
        if not self.encoder_layers:
            return {"decoder": range(self.layers)}
        ends = (0, self.layers, 2 * self.layers, 2 * self.layers + self.encoder_layers)
        return {site: range(*pair) for site, pair in zip(("decoder", "cross", "encoder"), pairwise(ends), strict=True)}

    @property
    def prefix_layers(self) -> int:
        """How many attentions have a prefix: one a layer, of an encoder-decoder three kinds."""
        return sum(len(layers) for layers in self.sites.values())

    def prefix_parameters(self, length: int) -> int:
        """Parameters kept of a prefix of `length`: layers * 2 * P * kv_heads * head_dim."""
        return self.prefix_layers * 2 * length * self.kv_heads * self.head_dim


@dataclass(frozen=True)
class Base:
    """A frozen language model. `name` is what artifacts remember it by; nothing here ever changes its weights.

    before, after: the tokens around an input; begin: those an encoder-decoder's output starts from. All as the
    tokenizer has them.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    shape: Shape
    network: AnyNetwork
    weights_hash: str
    dtype: torch.dtype
    before: tuple[int, ...]
    after: tuple[int, ...] = ()
    begin: tuple[int, ...] = ()

    @property
    def device(self) -> torch.device:
        return self.network.tokens.device

    @cached_property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.model.parameters())

    @cached_property
    def writer(self) -> AnyNetwork:
        """The same network laid out for writing; what shares it shares a batch."""
        return pack(self.network) if isinstance(self.network, Network) else self.network

    def layered(self, what: str, network: AnyNetwork | None = None) -> Network:
        """The network (or the one given) for `what` reaches into its layers; raises `InputError` if it has none."""
        network = network or self.network
        if not isinstance(network, Network):
            kind = self.model.config.model_type
            raise InputError(f"{what} is made for GPT-2's own layers; base {self.name!r} is of architecture {kind!r}")
        return network

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

    dtype "bf16" keeps the weights' bf16 values. Stored weights are mapped, not read into memory, and cast one by one: a
    base that does not fit in fp32 fits, though it is stored so. On a processor without bf16 arithmetic (where it would
    be some hundred times slower) they are widened again and computed with in fp32.

    Raises `BaseError` when it cannot be found or read, or is of an architecture that cannot take a prefix here.
    """
    if dtype not in DTYPES:
        raise BaseError(f"dtype {dtype!r} is not known; choose one of {', '.join(DTYPES)}")
    try:
        torch.device(device)
    except RuntimeError as error:
        raise BaseError(f"device {device!r} is not known; use cpu or cuda") from error
    if torch.device(device).type not in DEVICES:
        raise BaseError(f"device {device!r} cannot be computed on here; use cpu or cuda")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BaseError(f"device {device!r} was asked for, but no CUDA device is available; use cpu")
    place = str(EMBEDDED) if name == "embedded" else name
    from_hub = not Path(place).is_dir() and HUB_NAME.fullmatch(place) is not None
    _quiet(progress=from_hub)  # what comes from the Hub is seen on its way
    there: Any = {"local_files_only": from_hub and not hub_answers()}  # and only what is in its cache, then
    try:
        config = AutoConfig.from_pretrained(place, **there)
        _refuse_unfit(name, config)
        auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        ours = {} if config.model_type == "gpt2" else {"attn_implementation": ATTENTION}
        loaded: Any = auto.from_pretrained(
            place, dtype="auto", use_safetensors=True, output_loading_info=True, **ours, **there
        )
        tokenizer = AutoTokenizer.from_pretrained(place, **there)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:300]
        if there["local_files_only"] and isinstance(error, OSError):
            reason = f"{constants.ENDPOINT} does not answer, and nothing of that name was wholly downloaded before"
        elif not (from_hub or Path(place).is_dir()):
            reason = "there is no such folder"
        raise BaseError(
            f"base {name!r} could not be loaded: {reason} -- give 'embedded', a folder in transformers format, or a "
            "Hub name (which needs network the first time)"
        ) from error
    model: PreTrainedModel = loaded[0]
    loading: dict[str, Any] = loaded[1]
    if loading["missing_keys"]:
        some = ", ".join(sorted(loading["missing_keys"])[:3])
        raise BaseError(f"base {name!r} lacks weights that its config.json asks for: {some}, ...; copy it again")
    if tokenizer.eos_token_id is None:
        raise BaseError(f"base {name!r} has no token that ends a text, so nothing could learn when to stop")
    digest = hash_weights(dict(model.named_parameters()))
    asked = DTYPES[dtype]
    widened = asked is torch.bfloat16 and device == "cpu" and not native_bf16()
    for parameter in model.parameters():  # not the buffers: rotary frequencies stay exact
        parameter.data = parameter.data.to(asked)
        if widened:
            parameter.data = parameter.data.float()
    nn.Module.to(model, torch.device(device))
    model.eval().requires_grad_(False)
    before, after = _around(tokenizer)
    begin = (config.decoder_start_token_id, *before) if config.is_encoder_decoder else ()
    return Base(
        name=name,
        model=model,
        tokenizer=tokenizer,
        shape=read_shape(config),
        network=as_network(model),
        weights_hash=digest,
        dtype=asked,
        before=before if before or begin else (int(tokenizer.eos_token_id),),
        after=after if begin else (),
        begin=begin,
    )


def hub_answers() -> bool:
    """Whether the Hugging Face Hub can be reached: asked once, where its client would ask five times for every file."""
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
    except Exception:  # of whatever HTTP client the library uses, or because it is told to stay offline
        return False
    return True


def as_network(model: PreTrainedModel) -> AnyNetwork:
    """The model as it is run here; its parameters are shared."""
    return read_network(model) if isinstance(model, GPT2LMHeadModel) else ModuleNetwork(model)


def read_shape(config: PreTrainedConfig) -> Shape:
    """The shape of a model, by its configuration."""
    heads = config.num_attention_heads
    decoder = {"bart": "decoder_layers", "t5": "num_decoder_layers"}.get(config.model_type, "num_hidden_layers")
    return Shape(
        layers=getattr(config, decoder),
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
        positions=getattr(config, "max_position_embeddings", T5_CONTEXT),
        encoder_layers=config.num_hidden_layers if config.is_encoder_decoder else 0,
    )


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens that the tokenizer puts before a text and after it."""
    plain, whole = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    start = next((start for start in range(len(whole)) if whole[start : start + len(plain)] == plain), None)
    if start is None:  # it puts none around, and writes the text itself in another way
        return (), ()
    return tuple(whole[:start]), tuple(whole[start + len(plain) :])


def fastest_precision(device: torch.device) -> str:
    """What training runs fastest in here: "bf16" where it is multiplied in hardware, else "fp32"."""
    return "bf16" if device.type == "cuda" or native_bf16() else "fp32"


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


def _refuse_unfit(name: str, config: PreTrainedConfig) -> None:
    """Raises `BaseError` for what a prefix cannot be put into, or would not be exact in."""
    kind = config.model_type
    if kind not in DECODERS + ENCODER_DECODERS:
        runs = ", ".join(DECODERS + ENCODER_DECODERS)
        raise BaseError(f"base {name!r} is of architecture {kind!r}; prefixes are run here on: {runs}")
    if kind == "gpt2":
        if config.activation_function not in ("gelu_new", "gelu_pytorch_tanh"):
            used = config.activation_function
            raise BaseError(f"base {name!r} uses the activation {used!r}; only GPT-2's own is run")
        if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
            raise BaseError(f"base {name!r} scales its attention in a way that is not run here")
    if getattr(config, "attn_logit_softcapping", None) or getattr(config, "final_logit_softcapping", None):
        raise BaseError(f"base {name!r} caps its attention or its logits (softcapping), which is not run here")
    if getattr(config, "use_bidirectional_attention", False):
        raise BaseError(f"base {name!r} attends in both directions; it reads, and writes no text")
    rotary = str(getattr(config, "rope_parameters", ""))
    if any(f"'{way}'" in rotary for way in BATCH_DEPENDENT):
        raise BaseError(
            f"base {name!r} has rotary positions that change with the longest row of a batch "
            f"({' or '.join(BATCH_DEPENDENT)}): rows of one batch would not be what they are alone"
        )
    if kind == "bart" and config.encoder_attention_heads != config.decoder_attention_heads:
        raise BaseError(f"base {name!r} has other heads in its encoder than in its decoder; a prefix has one shape")


def _quiet(progress: bool) -> None:
    transformers_logging.set_verbosity_error()
    if progress:
        transformers_logging.enable_progress_bar()
    else:
        transformers_logging.disable_progress_bar()
