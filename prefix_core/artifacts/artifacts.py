"""What training leaves on disk: tensors as safetensors and a card that says where they come from.

A decoder's prefix is stored in PEFT's own format (see `peft_format`), whole layers as packed differences (see `delta`).
Nothing is ever unpickled; names, shapes and sizes are checked before a file is used.
"""

import hashlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor

from prefix_core.artifacts import delta
from prefix_core.artifacts.delta import Packing
from prefix_core.artifacts.peft_format import (
    PEFT_CONFIG,
    PEFT_WEIGHTS,
    finite,
    from_peft,
    read_tensors,
    refuse_other_name,
    save_peft,
)
from prefix_core.errors import ArtifactError
from prefix_core.methods import get_trained
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.places import SHIPPED, folder_name
from prefix_core.training.train import Trained

CARD = "card.json"
SHARD = 9_000_000  # bytes a file
WHOLE_LAYERS = {"fine_tune", "top_layers"}  # packed
NUMBERS = {"adapter": torch.float16}  # what else is stored in; a prefix in fp32
EXACT = Packing(8)  # so near that hardly a token differs
CARD_TYPES: dict[str, Any] = {
    "<class 'str'>": str,
    "<class 'int'>": int,
    "<class 'float'>": (int, float),
    "float | None": (int, float, type(None)),
    "dict[str, typing.Any]": dict,
    "dict[str, str]": dict,
    "<class 'bool'>": bool,
}


@dataclass(frozen=True)
class Card:
    """Where an artifact comes from and what it does. `seconds`: of training.

    bytes: of its tensors on disk; full_bytes: of the same without packing, whole layers in fp16.
    data: name, split, rows (inputs), hash and terms. scores: metric -> value on a named set with its number of inputs.
    packing: what storing whole layers in so many bits costs in score. loaded_on: the base that it was loaded on, and
    its hash, where that one has other weights than the base it was trained on: the scores are not of it. tuned: whether
    the default settings were found on this base.
    """

    base: str
    base_hash: str
    base_parameters: int
    task: str
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    trained: int = 0
    kept: int = 0
    bytes: int = 0
    full_bytes: int = 0
    steps: int = 0
    best_step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    held_out_loss: float | None = None
    ended: str = ""
    machine: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    created: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    packing: dict[str, Any] = field(default_factory=dict)
    loaded_on: dict[str, str] = field(default_factory=dict)
    tuned: bool = True


def bytes_per_parameter(method: str) -> float:
    """What a kept parameter takes on disk, of whole layers about and at most."""
    return 1 + 2 / delta.GROUP if method in WHOLE_LAYERS else _number(method).itemsize


def _number(method: str) -> torch.dtype:
    return NUMBERS.get(method, torch.float32)


def describe(base: Base, task: str, trained: Trained, data: dict[str, Any]) -> Card:
    """The card of what was just trained."""
    return Card(
        base=base.name,
        base_hash=base.weights_hash,
        base_parameters=base.parameters,
        task=task,
        method=trained.method,
        settings=json.loads(json.dumps(asdict(trained.settings))),  # as it will be read back
        data=data,
        trained=trained.steered.trained,
        kept=trained.steered.kept,
        full_bytes=trained.steered.kept * (2 if trained.method in WHOLE_LAYERS else _number(trained.method).itemsize),
        steps=trained.steps,
        best_step=trained.best_step,
        tokens=trained.tokens,
        seconds=round(trained.seconds, 1),
        held_out_loss=trained.held_out_loss,
        ended=trained.ended,
        machine=f"{base.device.type}, {torch.get_num_threads()} threads, {platform.machine()}",
        versions={name: version(name) for name in ("torch", "transformers")},
        created=time.strftime("%Y-%m-%d"),
        tuned=base.tuned,
    )


def save(folder: Path, base: Base, kept: dict[str, Tensor], card: Card, way: Packing = EXACT) -> Card:
    """Write tensors and card into `folder`, replacing what is there; returns the card with its bytes.

    way: how whole layers are packed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*tensor_files(folder), *folder.glob("weights*.index.json"), folder / PEFT_CONFIG]:
        old.unlink(missing_ok=True)
    if card.method == "prefix" and not (base.begin or card.settings.get("variant") == "infix"):
        save_peft(folder, base, kept)
    else:
        if card.method in WHOLE_LAYERS:
            tensors = delta.compress(kept, get_trained(card.method).origin(base), way)
        else:
            kind = _number(card.method)
            tensors = {name: tensor.detach().cpu().to(kind).contiguous() for name, tensor in kept.items()}
        save_torch_state_dict(tensors, folder, filename_pattern="weights{suffix}.safetensors", max_shard_size=SHARD)
    card = replace(card, bytes=stored_bytes(folder))
    write_card(folder, card)
    return card


def tensor_files(folder: Path) -> list[Path]:
    """The files an artifact's tensors lie in; whatever else is in the folder is not ours."""
    return sorted([*folder.glob("weights*.safetensors"), *folder.glob(PEFT_WEIGHTS)])


def size_of(tensors: dict[str, Tensor]) -> int:
    """Bytes of tensors; a file adds some kilobytes for their names."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def stored_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in tensor_files(folder))


def fingerprint(folder: Path) -> str:
    """A digest of the tensors' files, by which evidence remembers what it was measured on."""
    digest = hashlib.sha256()
    for file in tensor_files(folder):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_card(folder: Path, card: Card) -> None:
    (folder / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n")


def read_card(folder: Path) -> Card:
    """Raises `ArtifactError` if there is none, or it is not one of ours."""
    try:
        stored_card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = Card(**{name: stored_card[name] for name in (f.name for f in fields(Card)) if name in stored_card})
        for f in fields(Card):
            value = getattr(card, f.name)
            if not isinstance(value, CARD_TYPES[str(f.type)]):
                raise ValueError(f"{f.name} is {str(value)[:40]!r}, not {f.type}")
        return card
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"{folder} holds no readable {CARD} ({error}); choose one that training wrote") from error


def load(folder: Path, base: Base, allow_other_weights: bool = False, mapped: bool = False) -> tuple[Steered, Card]:
    """What `save` wrote, on the base it was trained on.

    A folder of PEFT's own has no card: it is taken for a base that it fits and, if it names one, of that name.
    allow_other_weights: take a base of the same shapes, too; the card then says which (`loaded_on`). mapped: leave a
    prefix's numbers in PEFT's file until they are used; the file then has to stay.

    Raises `ArtifactError` for another base, and for files that are broken or do not fit.
    """
    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {folder}")
    if not (folder / CARD).exists() and (folder / PEFT_CONFIG).exists():
        if not allow_other_weights:
            refuse_other_name(folder, base)
        card = Card(base.name, base.weights_hash, base.parameters, task="", method="prefix")
    else:
        card = read_card(folder)
    if card.base_hash != base.weights_hash:
        if not allow_other_weights:
            raise ArtifactError(
                f"{folder.name} was trained on base {card.base!r} (weights {card.base_hash[:12]}), not on "
                f"{base.name!r} (weights {base.weights_hash[:12]}); load that base, or train again on this one; if the "
                "two have the same shape, --allow-other-weights tries it"
            )
        card = replace(card, loaded_on={"base": base.name, "hash": base.weights_hash})
    module = get_trained(card.method)
    ours = base.begin or card.settings.get("variant") == "infix"
    if card.method == "prefix" and (not ours or (folder / PEFT_CONFIG).exists()):
        kept = from_peft(folder, base)
        kept = kept if mapped else {name: tensor.clone() for name, tensor in kept.items()}
    else:
        stored = read_tensors(tensor_files(folder))
        kept = finite(delta.decompress(stored, module.origin(base)) if card.method in WHOLE_LAYERS else stored)
    steered = module.steer(base, kept)
    return steered.costing(card.trained or steered.kept, stored_bytes(folder)), card


def artifact_root() -> Path:
    """Where artifacts are kept."""
    return Path(os.environ.get("PREFIX_ARTIFACTS") or SHIPPED)


def shipped(root: Path | None = None) -> dict[Path, Card]:
    """Every artifact under `root`, by folder: <base>/<task>/<method>."""
    root = root or artifact_root()
    return {path.parent: read_card(path.parent) for path in sorted(root.glob(f"*/*/*/{CARD}"))}


def listed(folder: Path) -> dict[Path, Card]:
    """Every artifact in a folder, however deep. Raises `ArtifactError` if there is no such folder."""
    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {folder}")
    return {path.parent: read_card(path.parent) for path in sorted(folder.rglob(CARD))}


def folder_of(base: Base, task: str, method: str, root: Path | None = None) -> Path:
    """Where the artifact of a task and method on `base` is kept."""
    return (root or artifact_root()) / folder_name(base.name) / task / method
