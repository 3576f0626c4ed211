"""A GGUF file, dequantised once and kept as a folder in `transformers`' format, from which it is mapped afterwards.

Matrices are rounded to what fp16 holds exactly: as they come out of 4 bits, a quarter to a third of their values do
not fit it. So in fp32 every method and every machine means the same numbers, and writing may read 16 bits. The hash of
the weights is taken after that.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, TokenType, dequantize
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from prefix_core.model.base import hash_weights
from prefix_core.model.smollm2 import sha256

WEIGHTS, FACTS = "model.safetensors", "prepared.json"
PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")  # classes of a tokenizer that is all in its own file
LAYOUT = 1  # of the folder; another number prepares anew

# llama.cpp's names of a Llama's tensors -> those of `transformers`
NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Prepared:
    """A base as its file has it: matrices in fp16, vectors in fp32, by their names in `transformers`."""

    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerBase
    tensors: dict[str, Tensor]
    weights_hash: str


def caches() -> Iterator[Path]:
    """Where prepared weights may be kept, the best place first: PREFIX_CACHE, the user's cache, a temporary folder."""
    if named := os.environ.get("PREFIX_CACHE"):
        yield Path(named)
    user = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    yield (Path(user) if user else Path("~/.cache").expanduser()) / "prefix-core"
    yield Path(tempfile.gettempdir()) / "prefix-core"


def writable_cache() -> Path | None:
    """The first of `caches` that can be written to."""
    for folder in caches():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def prepared(key: str, expected: str = "") -> Prepared | None:
    """What `prepare` kept under `key` (the file's checksum), if it is whole: its weights have the hash it had then.

    expected: the hash that the weights must have, where it is known.
    """
    for folder in (cache / f"{key[:16]}-{LAYOUT}" for cache in caches()):
        try:
            digest = json.loads((folder / FACTS).read_text(encoding="utf-8"))["weights_hash"]
            tensors = _mapped(folder / WEIGHTS)
            if hash_weights(tensors) == digest and expected in ("", digest):
                return Prepared(*_described(folder), tensors, digest)
        except (OSError, ValueError, KeyError, SafetensorError):
            continue
    return None


def _described(folder: Path) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase]:
    """The configuration and the tokenizer of a prepared folder; a Llama's without what takes seconds to import.

    Raises `OSError`, `ValueError`.
    """
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    if values["model_type"] == "llama" and tokenizer["tokenizer_class"] in PLAIN:
        return PreTrainedConfig.from_dict(values), PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoConfig, AutoTokenizer

    return AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def prepare(path: Path) -> Prepared:
    """Read a GGUF file, and keep what it holds in the cache where there is one. Raises `OSError`, `ValueError`."""
    reader = GGUFReader(path)
    config, tokenizer, named = _smollm(reader) if _value(reader, "tokenizer.ggml.pre") == "smollm" else _any(path)
    tensors = {
        name: (tensor.half() if tensor.ndim == 2 else tensor.float()).contiguous() for name, tensor in named.items()
    }
    found = Prepared(config, tokenizer, tensors, hash_weights(tensors))
    cache = writable_cache()
    if cache is None:
        return found
    key = sha256(path)
    _keep(found, cache / f"{key[:16]}-{LAYOUT}")
    return prepared(key, found.weights_hash) or found


def _any(path: Path) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase, dict[str, Tensor]]:
    """As `transformers` reads a GGUF file of any architecture: three times over."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    read = {"gguf_file": path.name}
    config = AutoConfig.from_pretrained(path.parent, **read)
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **read)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **read)
    return config, tokenizer, {name: tensor.detach() for name, tensor in model.named_parameters()}


def _smollm(reader: GGUFReader) -> tuple[PreTrainedConfig, PreTrainedTokenizerBase, dict[str, Tensor]]:
    """A SmolLM: in one pass, and with the split of numbers into digits that `transformers` does not read from a file.

    llama.cpp keeps the rows of queries and keys of a head in pairs (i, i + 1); here they lie in halves (i, i + 32).
    """
    from transformers import LlamaConfig

    heads, kv_heads = _value(reader, "llama.attention.head_count"), _value(reader, "llama.attention.head_count_kv")
    tensors: dict[str, Tensor] = {}
    for stored in reader.tensors:
        name = _name(stored.name)
        tensor = torch.from_numpy(dequantize(stored.data, stored.tensor_type).copy())
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            count = heads if name.endswith("q_proj.weight") else kv_heads
            tensor = tensor.view(count, -1, 2, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        tensors[name] = tensor
    config = LlamaConfig(
        num_hidden_layers=_value(reader, "llama.block_count"),
        hidden_size=_value(reader, "llama.embedding_length"),
        intermediate_size=_value(reader, "llama.feed_forward_length"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=_value(reader, "llama.context_length"),
        rms_norm_eps=_value(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": _value(reader, "llama.rope.freq_base")},
        vocab_size=len(tensors["model.embed_tokens.weight"]),
        tie_word_embeddings="lm_head.weight" not in tensors,
        bos_token_id=_value(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=_value(reader, "tokenizer.ggml.eos_token_id"),
        architectures=["LlamaForCausalLM"],
    )
    return config, _smollm_tokenizer(reader), tensors


def _smollm_tokenizer(reader: GGUFReader) -> PreTrainedTokenizerBase:
    """Byte-level BPE whose numbers are split into digits, as llama.cpp tokenizes for the same file."""
    words = _value(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in _value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={word: index for index, word in enumerate(words)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = _value(reader, "tokenizer.ggml.token_type")
    special = [word for word, kind in zip(words, kinds, strict=True) if kind == TokenType.CONTROL]
    tokenizer.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in special])
    of = {name: words[_value(reader, f"tokenizer.ggml.{name}_token_id")] for name in ("bos", "eos", "padding")}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=of["bos"],
        eos_token=of["eos"],
        pad_token=of["padding"],
        additional_special_tokens=special,
        chat_template=_value(reader, "tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
    )


def _value(reader: GGUFReader, key: str) -> Any:
    """A value of the file's head; None where it has no such key."""
    field = reader.fields.get(key)
    return None if field is None else field.contents()


def _name(stored: str) -> str:
    """llama.cpp's name of a Llama's tensor -> that of `transformers`; raises `ValueError` for one it does not know."""
    layer = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", stored)
    if layer and layer[2] in LAYER_NAMES:
        return f"model.layers.{layer[1]}.{LAYER_NAMES[layer[2]]}.weight"
    if stored in NAMES:
        return NAMES[stored]
    raise ValueError(f"it holds a tensor {stored!r}, which a Llama has not")


def _keep(found: Prepared, folder: Path) -> None:
    """Write the folder whole or not at all; another process may be doing the same."""
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    try:
        found.config.save_pretrained(part)
        found.tokenizer.save_pretrained(part)
        save_file(found.tensors, part / WEIGHTS, {"format": "pt"})
        (part / FACTS).write_text(json.dumps({"weights_hash": found.weights_hash}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    except OSError:  # the disk is full, or the other process was first: this one works from memory
        shutil.rmtree(part, ignore_errors=True)


def _mapped(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
