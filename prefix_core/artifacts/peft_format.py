"""PEFT's prefix-tuning format, in and out: `peft.PeftModel.from_pretrained` loads ours, and we load PEFT's.

Two files: `adapter_model.safetensors` with the one tensor `prompt_embeddings`, (P, layers * 2 * kv_heads * head_dim),
the same whether the prefix was trained directly or through PEFT's MLP (`prefix_projection`), and `adapter_config.json`.
Tensors from outside are read from safetensors alone: nothing is ever unpickled, and every number must be finite.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prefix_core.errors import ArtifactError
from prefix_core.model.base import Base

PEFT_WEIGHTS, PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
PICKLED = "adapter_model.bin"
LARGEST_PREFIX = 1 << 30  # bytes of a prefix file from outside
CACHED = "models--"  # how the Hub's cache names its folders: models--OWNER--NAME/snapshots/REVISION


def save_peft(folder: Path, base: Base, kept: dict[str, Tensor]) -> None:
    """Write a prefix as PEFT does. Raises `ArtifactError` for an encoder-decoder's and for an infix."""
    _refuse_encoder_decoder(base)
    if set(kept) != {"keys", "values"}:
        raise ArtifactError("PEFT's format holds what stands before the input; an infix is kept in our own format")
    save_file({"prompt_embeddings": to_peft(kept)}, folder / PEFT_WEIGHTS)
    (folder / PEFT_CONFIG).write_text(json.dumps(peft_config(base, kept), indent=2) + "\n", encoding="utf-8")


def to_peft(kept: dict[str, Tensor]) -> Tensor:
    """keys and values (layers, P, kv_heads, head_dim) -> PEFT's (P, layers * 2 * kv_heads * head_dim)."""
    pair = torch.stack([kept["keys"], kept["values"]], 2)  # (layers, P, 2, kv_heads, head_dim)
    return pair.transpose(0, 1).flatten(1).detach().cpu().float().contiguous()


def from_peft(folder: Path, base: Base) -> dict[str, Tensor]:
    """The prefix in a folder in PEFT's format, whoever wrote it, as keys and values for `base`, mapped from its file.

    Raises `ArtifactError`, saying what is wrong, for anything that is not a prefix for a base of this shape.
    """
    _refuse_encoder_decoder(base)
    path, config = folder / PEFT_WEIGHTS, _read_config(folder)
    if config.get("peft_type") != "PREFIX_TUNING" or config.get("task_type") != "CAUSAL_LM":
        raise ArtifactError(
            f"{PEFT_CONFIG} says peft_type {config.get('peft_type')!r}, task_type {config.get('task_type')!r}; "
            "only PREFIX_TUNING for CAUSAL_LM can be read"
        )
    if not path.is_file() and (folder / PICKLED).is_file():
        raise ArtifactError(
            f"{folder.name} holds its prefix in {PICKLED}, a pickled file: such a file can run any code when it is "
            f"opened, so it is not; save the prefix as {PEFT_WEIGHTS} (PEFT's save_pretrained does so by default)"
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{folder.name} is not a PEFT prefix: {error}") from error
    if size > LARGEST_PREFIX:
        raise ArtifactError(f"{path.name} has {size} bytes; a prefix has at most {LARGEST_PREFIX}")
    tensors = finite(read_tensors([path]))
    rows, shape = tensors.get("prompt_embeddings"), base.shape
    width = 2 * shape.layers * shape.kv_heads * shape.head_dim
    if set(tensors) != {"prompt_embeddings"} or rows is None or rows.ndim != 2 or rows.shape[1] != width:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ArtifactError(f"{path.name} holds {found}; this base needs one prompt_embeddings of (length, {width})")
    if (said := config.get("num_virtual_tokens", len(rows))) != len(rows):
        raise ArtifactError(
            f"{PEFT_CONFIG} says num_virtual_tokens {said!r}, but {path.name} holds a prefix of {len(rows)}; one of "
            "the two files is of another prefix"
        )
    pair = rows.float().view(len(rows), shape.layers, 2, shape.kv_heads, shape.head_dim).transpose(0, 1)
    return {"keys": pair[:, :, 0], "values": pair[:, :, 1]}


def refuse_other_name(folder: Path, base: Base) -> None:
    """Without a card, the name in PEFT's configuration is all that tells the base.

    Raises `ArtifactError` if it names another; folders may have moved, so of a path the last part counts.
    """
    named = str(_read_config(folder).get("base_model_name_or_path") or base.name)
    if last_part(named) != last_part(base.name):
        raise ArtifactError(
            f"{folder.name} was trained on {named!r}, by its {PEFT_CONFIG}, not on {base.name!r}; load that base, or, "
            "if the two have the same shape, try it with --allow-other-weights"
        )


def last_part(named: str) -> str:
    """What a base is called, of a Hub name or a path in any system's writing, the Hub's cache included."""
    parts = [part for part in named.replace("\\", "/").split("/") if part]
    cached = [part for part in parts if part.startswith(CACHED)]
    return (cached[-1].split("--")[-1] if cached else parts[-1] if parts else "").casefold()


def peft_config(base: Base, kept: dict[str, Tensor]) -> dict[str, Any]:
    """PEFT's adapter_config.json for this prefix."""
    shape = base.shape
    return {
        "peft_type": "PREFIX_TUNING",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.name,
        "revision": None,
        "inference_mode": True,
        "num_virtual_tokens": kept["keys"].shape[1],
        "token_dim": shape.kv_heads * shape.head_dim,
        "num_transformer_submodules": 1,
        "num_attention_heads": shape.kv_heads,
        "num_layers": shape.layers,
        "encoder_hidden_size": shape.hidden,
        "prefix_projection": False,
    }


def _refuse_encoder_decoder(base: Base) -> None:
    if base.begin:
        raise ArtifactError(
            f"PEFT's format holds a prefix for the decoder's self-attention only; on {base.name!r}, an "
            f"encoder-decoder, one has three parts ({', '.join(base.shape.sites)}): it is kept in our own format"
        )


def _read_config(folder: Path) -> dict[str, Any]:
    """Keys that we do not know are left alone, and a byte order mark, as Windows' editors write it, is no error."""
    try:
        config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder.name} is not a PEFT prefix: {error}") from error
    if not isinstance(config, dict):
        raise ArtifactError(f"{PEFT_CONFIG} is not a PEFT configuration")
    return config


def read_tensors(files: list[Path]) -> dict[str, Tensor]:
    """All tensors of safetensors files. Raises `ArtifactError` naming the file that is broken."""
    tensors: dict[str, Tensor] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise ArtifactError(f"{path.name} is not a readable safetensors file: {error}") from error
    return tensors


def finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors. Raises `ArtifactError` naming one whose numbers are not finite floating-point numbers."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise ArtifactError(f"{name!r} holds numbers that are not finite floating-point numbers")
    return tensors
