"""Loading a base by its name: the default one, a GGUF file, a folder in `transformers`' format, a name on the Hub."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import constants
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from prefix_core.errors import BaseError
from prefix_core.model import gguf_file, smollm2
from prefix_core.model.base import Base, hash_weights, native_bf16, read_shape
from prefix_core.model.modules import register
from prefix_core.model.network import fits
from prefix_core.places import DEFAULT_BASE, hub_answers

if TYPE_CHECKING:  # imported where they are needed: it takes seconds, and the default base needs none of them
    from transformers import PreTrainedModel

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
DEVICES = ("cpu", "cuda")

# Architectures whose attention takes a prefix here, by `model_type`, each tested; the rest are refused with a reason.
DECODERS = ("gpt2", "opt", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma3_text")
ENCODER_DECODERS = ("bart", "t5")
BATCH_DEPENDENT = ("dynamic", "longrope")  # rotary positions that depend on what else is in the batch
HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
END_OF_DOCUMENT = "<|endoftext|>"  # what separates documents in many models' training text, beside their end token
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, SafetensorError, StrictDataclassError
)  # fmt: skip


def load_base(name: str = DEFAULT_BASE, device: str = "cpu", dtype: str = "fp32", lean: bool = False) -> Base:
    """Load a base: "smollm2", a GGUF file, a local folder, or a Hub name such as "gpt2-medium".

    dtype "bf16" keeps the weights' bf16 values. Stored weights are mapped, not read into memory, and cast one by one: a
    base that does not fit in fp32 fits, though it is stored so. On a processor without bf16 arithmetic (where it would
    be some hundred times slower) they are widened again and computed with in fp32. lean: see `Base`.

    Raises `BaseError` when it cannot be found or read, or is of an architecture that cannot take a prefix here.
    """
    _check(device, dtype)
    asked, where = DTYPES[dtype], torch.device(device)
    widened = asked is torch.bfloat16 and where.type == "cpu" and not native_bf16()
    modules: PreTrainedModel | None = None
    if _is_gguf(name):
        found = _from_gguf(name)
        config, tokenizer, tensors, digest = found.config, found.tokenizer, found.tensors, found.weights_hash
        _refuse_unfit(name, config)
        if not fits(config):
            raise BaseError(
                f"base {name!r} is of architecture {config.model_type!r}, which is not run from a GGUF file"
            )
    else:
        model, tokenizer = _from_transformers(name)
        config = model.config
        tensors = {key: parameter.detach() for key, parameter in model.named_parameters()}
        digest = hash_weights(tensors)
        if not fits(config):
            modules = _cast(model, asked, widened, where)
            tensors = dict(modules.named_parameters())
    if tokenizer.eos_token_id is None:
        raise BaseError(f"base {name!r} has no token that ends a text, so nothing could learn when to stop")
    before, after = _around(tokenizer)
    begin = (config.decoder_start_token_id, *before) if config.is_encoder_decoder else ()
    # GPT-2's end token also begins its documents; a tokenizer with another beginning adds it itself, or wants none
    alone = tokenizer.bos_token_id in (None, tokenizer.eos_token_id)
    first = (int(tokenizer.eos_token_id),) if alone else ()
    return Base(
        name=name,
        config=config,
        tensors=tensors,
        tokenizer=tokenizer,
        shape=read_shape(config),
        weights_hash=digest,
        dtype=asked,
        device=where,
        before=before if before or begin else first,
        after=after if begin else (),
        begin=begin,
        ends=_ends(name, config, tokenizer),
        widened=widened,
        modules=modules,
        lean=lean,
    )


def _is_gguf(name: str) -> bool:
    return name == DEFAULT_BASE or name.lower().endswith(".gguf")


def _check(device: str, dtype: str) -> None:
    if dtype not in DTYPES:
        raise BaseError(f"dtype {dtype!r} is not known; choose one of {', '.join(DTYPES)}")
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise BaseError(f"device {device!r} is not known; use cpu or cuda") from error
    if kind not in DEVICES:
        raise BaseError(f"device {device!r} cannot be computed on here; use cpu or cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BaseError(f"device {device!r} was asked for, but no CUDA device is available; use cpu")


def _from_gguf(name: str) -> gguf_file.Prepared:
    _quiet(progress=False)
    try:
        if name == DEFAULT_BASE:
            kept = gguf_file.prepared(smollm2.FILE_SHA256, smollm2.WEIGHTS_HASH)
            found = kept or gguf_file.prepare(smollm2.find(gguf_file.writable_cache()))
            if found.weights_hash != smollm2.WEIGHTS_HASH:
                raise BaseError(
                    f"the weights read from {smollm2.FILE} are not those that everything here was trained on (hash "
                    f"{found.weights_hash[:12]}, not {smollm2.WEIGHTS_HASH[:12]}); install the versions of "
                    "requirements.txt"
                )
            return found
        path = Path(name)
        if not path.is_file():
            raise BaseError(f"base {name!r} could not be loaded: there is no such file")
        return gguf_file.prepared(smollm2.sha256(path)) or gguf_file.prepare(path)
    except UNREADABLE as error:
        raise BaseError(f"base {name!r} could not be read as a GGUF file: {_one_line(error)}") from error


def _from_transformers(name: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """A model and its tokenizer from a folder or the Hub, its weights mapped."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    from_hub = not Path(name).is_dir() and HUB_NAME.fullmatch(name) is not None
    _quiet(progress=from_hub)  # downloads from the Hub show their progress
    there: Any = {"local_files_only": from_hub and not hub_answers()}  # without network only its cache is read
    try:
        config = AutoConfig.from_pretrained(name, **there)
        _refuse_unfit(name, config)
        auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        ours = {} if fits(config) else {"attn_implementation": register()}
        loaded: Any = auto.from_pretrained(
            name, dtype="auto", use_safetensors=True, output_loading_info=True, **ours, **there
        )
        tokenizer = AutoTokenizer.from_pretrained(name, **there)
    except UNREADABLE as error:
        reason = _one_line(error)
        if there["local_files_only"] and isinstance(error, OSError):
            reason = f"{constants.ENDPOINT} does not answer, and nothing of that name was wholly downloaded before"
        elif not (from_hub or Path(name).is_dir()):
            reason = "there is no such folder"
        raise BaseError(
            f"base {name!r} could not be loaded: {reason} -- give {DEFAULT_BASE!r}, a GGUF file, a folder in "
            "transformers format, or a Hub name (which needs network the first time)"
        ) from error
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        some = ", ".join(missing[:3])
        raise BaseError(f"base {name!r} lacks weights that its config.json asks for: {some}, ...; copy it again")
    return loaded[0], tokenizer


def _cast(model: "PreTrainedModel", asked: torch.dtype, widened: bool, device: torch.device) -> "PreTrainedModel":
    """The model in the asked arithmetic, frozen; a tensor at a time, so that a second copy never exists."""
    for parameter in model.parameters():  # not the buffers: rotary frequencies stay exact
        parameter.data = parameter.data.to(asked)
        if widened:
            parameter.data = parameter.data.float()
    nn.Module.to(model, device)
    frozen: PreTrainedModel = model.eval().requires_grad_(False)
    return frozen


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens that the tokenizer puts before a text and after it."""
    plain, whole = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    start = next((start for start in range(len(whole)) if whole[start : start + len(plain)] == plain), None)
    if start is None:  # it adds none, and encodes the text itself differently
        return (), ()
    return tuple(whole[:start]), tuple(whole[start + len(plain) :])


def _ends(name: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Every token that ends a text: the tokenizer's, those of the generation settings, and the end of a document."""
    listed = getattr(config, "eos_token_id", None)
    if not _is_gguf(name):
        from transformers import GenerationConfig

        with suppress(OSError, ValueError):  # it may have no settings of its own
            listed = GenerationConfig.from_pretrained(name, local_files_only=True).eos_token_id
    ends = {tokenizer.eos_token_id, *(listed if isinstance(listed, list) else [listed])}
    if END_OF_DOCUMENT in tokenizer.all_special_tokens:
        ends.add(tokenizer.convert_tokens_to_ids(END_OF_DOCUMENT))
    return frozenset(int(token) for token in ends if token is not None)


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _quiet(progress: bool) -> None:
    transformers_logging.set_verbosity_error()
    if progress:
        transformers_logging.enable_progress_bar()
    else:
        transformers_logging.disable_progress_bar()
