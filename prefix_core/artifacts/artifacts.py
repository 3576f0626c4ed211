"""What training leaves on disk: tensors as safetensors and a card that says where they come from.

A decoder's prefix is stored in PEFT's own prefix-tuning format, so `peft.PeftModel.from_pretrained` loads ours and we
load PEFT's. Whole layers are stored packed (see `compact`). Nothing is ever unpickled; names, shapes and sizes are
checked before a file is used.
"""

import hashlib
import json
import os
import platform
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from prefix_core.artifacts import compact
from prefix_core.errors import ArtifactError
from prefix_core.methods import get_trained
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.places import SHIPPED, folder_name
from prefix_core.training.train import Trained

CARD = "card.json"
PEFT_WEIGHTS, PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
SHARD = 9_000_000  # bytes a file
WHOLE_LAYERS = {"fine_tune", "top_layers"}  # packed; prefixes and adapters are small enough as fp32
LARGEST_PREFIX = 1 << 30  # bytes of a prefix file from outside
CARD_TYPES: dict[str, Any] = {
    "<class 'str'>": str,
    "<class 'int'>": int,
    "<class 'float'>": (int, float),
    "float | None": (int, float, type(None)),
    "dict[str, typing.Any]": dict,
    "dict[str, str]": dict,
}


@dataclass(frozen=True)
class Card:
    """Where an artifact comes from and what it does. `seconds`: of training.

    bytes: of its tensors on disk; full_bytes: of the same without packing, whole layers in fp16.
    data: name, split, rows (inputs), hash and terms. scores: metric -> value on a named set with its number of inputs.
    packing: what storing whole layers in so many bits costs in score.
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
    packing: dict[str, Any] = field(default_factory=dict)


def bytes_per_parameter(method: str) -> float:
    """What a kept parameter takes on disk."""
    return compact.bytes_per_number(8) if method in WHOLE_LAYERS else 4


def describe(base: Base, task: str, trained: Trained, data: dict[str, Any]) -> Card:
    """The card of what was just trained."""
    return Card(
        base=base.name,
        base_hash=base.weights_hash,
        base_parameters=base.parameters,
        task=task,
        method=trained.method,
        settings=asdict(trained.settings),
        data=data,
        trained=trained.steered.trained,
        kept=trained.steered.kept,
        full_bytes=trained.steered.kept * (2 if trained.method in WHOLE_LAYERS else 4),
        steps=trained.steps,
        best_step=trained.best_step,
        tokens=trained.tokens,
        seconds=round(trained.seconds, 1),
        held_out_loss=trained.held_out_loss,
        ended=trained.ended,
        machine=f"{base.device.type}, {torch.get_num_threads()} threads, {platform.machine()}",
        versions={name: version(name) for name in ("torch", "transformers")},
        created=time.strftime("%Y-%m-%d"),
    )


def save(folder: Path, base: Base, kept: dict[str, Tensor], card: Card, bits: int = 8) -> Card:
    """Write tensors and card into `folder`, replacing what is there; returns the card with its bytes.

    bits: of a number of whole layers, 8 or 4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*tensor_files(folder), *folder.glob("weights*.index.json"), folder / PEFT_CONFIG]:
        old.unlink(missing_ok=True)
    if card.method == "prefix" and not (base.begin or card.settings.get("variant") == "infix"):
        save_peft(folder, base, kept)
    else:
        if card.method in WHOLE_LAYERS:
            tensors = compact.pack(kept, get_trained(card.method).origin(base), bits)
        else:
            tensors = {name: tensor.detach().cpu().float().contiguous() for name, tensor in kept.items()}
        save_torch_state_dict(tensors, folder, filename_pattern="weights{suffix}.safetensors", max_shard_size=SHARD)
    card = replace(card, bytes=stored_bytes(folder))
    write_card(folder, card)
    return card


def tensor_files(folder: Path) -> list[Path]:
    """The files an artifact's tensors lie in; whatever else is in the folder is not ours."""
    return sorted([*folder.glob("weights*.safetensors"), *folder.glob(PEFT_WEIGHTS)])


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
        facts = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card = Card(**{name: facts[name] for name in (f.name for f in fields(Card)) if name in facts})
        for f in fields(Card):
            value = getattr(card, f.name)
            if not isinstance(value, CARD_TYPES[str(f.type)]):
                raise ValueError(f"{f.name} is {str(value)[:40]!r}, not {f.type}")
        return card
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(f"{folder} holds no readable {CARD} ({error}); choose one that training wrote") from error


def load(folder: Path, base: Base) -> tuple[Steered, Card]:
    """What `save` wrote, on the base it was trained on.

    A folder of PEFT's own has no card: it is taken for a base that it fits and, if it names one, of that name.

    Raises `ArtifactError` for another base, and for files that are broken or do not fit.
    """
    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {folder}")
    if not (folder / CARD).exists() and (folder / PEFT_CONFIG).exists():
        _refuse_other_name(folder, base)
        card = Card(base.name, base.weights_hash, base.parameters, task="", method="prefix")
    else:
        card = read_card(folder)
    if card.base_hash != base.weights_hash:
        raise ArtifactError(
            f"{folder.name} was trained on base {card.base!r} (weights {card.base_hash[:12]}), not on {base.name!r} "
            f"(weights {base.weights_hash[:12]}); load that base, or train again on this one"
        )
    module = get_trained(card.method)
    ours = base.begin or card.settings.get("variant") == "infix"
    if card.method == "prefix" and (not ours or (folder / PEFT_CONFIG).exists()):
        kept = from_peft(folder, base)
    else:
        stored = read_tensors(tensor_files(folder))
        kept = finite(compact.unpack(stored, module.origin(base)) if card.method in WHOLE_LAYERS else stored)
    steered = module.steer(base, kept)
    return steered.costing(card.trained or steered.kept, stored_bytes(folder)), card


def artifact_root() -> Path:
    """Where artifacts are kept."""
    return Path(os.environ.get("PREFIX_ARTIFACTS") or SHIPPED)


def shipped(root: Path | None = None) -> dict[Path, Card]:
    """Every artifact under `root`, by folder: <base>/<task>/<method>."""
    root = root or artifact_root()
    return {path.parent: read_card(path.parent) for path in sorted(root.glob(f"*/*/*/{CARD}"))}


def folder_of(base: Base, task: str, method: str, root: Path | None = None) -> Path:
    """Where the artifact of a task and method on `base` is kept."""
    return (root or artifact_root()) / folder_name(base.name) / task / method


class Shelf:
    """Loaded artifacts of one base, the least used dropped when together they take more than `room` bytes."""

    def __init__(self, base: Base, room: int | None = None) -> None:
        self.base = base
        self.room = 4 * base.bytes if room is None else room
        self.held: OrderedDict[Path, tuple[Steered, Card, int]] = OrderedDict()

    def get(self, folder: Path) -> tuple[Steered, Card]:
        """As `load`, remembered."""
        if folder not in self.held:
            steered, card = load(folder, self.base)
            copies = 2 if card.method in WHOLE_LAYERS else 1  # whole layers are held plain and packed
            self.held[folder] = (steered, card, copies * steered.kept * self.base.network.tokens.element_size())
            while len(self.held) > 1 and sum(size for *_, size in self.held.values()) > self.room:
                self.held.popitem(last=False)
        self.held.move_to_end(folder)
        return self.held[folder][:2]


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


def save_peft(folder: Path, base: Base, kept: dict[str, Tensor]) -> None:
    """Write a prefix as PEFT does. Raises `ArtifactError` for an encoder-decoder's and for an infix."""
    _refuse_peft(base)
    if set(kept) != {"keys", "values"}:
        raise ArtifactError("PEFT's format holds what stands before the input; an infix is kept in our own format")
    save_file({"prompt_embeddings": to_peft(kept)}, folder / PEFT_WEIGHTS)
    (folder / PEFT_CONFIG).write_text(json.dumps(peft_config(base, kept), indent=2) + "\n")


def _refuse_peft(base: Base) -> None:
    if base.begin:
        raise ArtifactError(
            f"PEFT's format holds a prefix for the decoder's self-attention only; on {base.name!r}, an "
            f"encoder-decoder, one has three parts ({', '.join(base.shape.sites)}): it is kept in our own format"
        )


def _refuse_other_name(folder: Path, base: Base) -> None:
    """Without a card, the name in PEFT's configuration is all that tells the base; folders may have moved."""
    named = str(_peft_config(folder).get("base_model_name_or_path") or base.name)
    if named != base.name and Path(named).name != Path(base.name).name:
        raise ArtifactError(
            f"{folder.name} was trained on {named!r}, by its {PEFT_CONFIG}, not on {base.name!r}; load that base, or, "
            "if the two have the same weights, change base_model_name_or_path there"
        )


def to_peft(kept: dict[str, Tensor]) -> Tensor:
    """keys and values (layers, P, kv_heads, head_dim) -> PEFT's (P, layers * 2 * kv_heads * head_dim)."""
    pair = torch.stack([kept["keys"], kept["values"]], 2)  # (layers, P, 2, kv_heads, head_dim)
    return pair.transpose(0, 1).flatten(1).detach().cpu().float().contiguous()


def from_peft(folder: Path, base: Base) -> dict[str, Tensor]:
    """The prefix in a folder in PEFT's format, whoever wrote it, as keys and values for `base`."""
    _refuse_peft(base)
    path, config = folder / PEFT_WEIGHTS, _peft_config(folder)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"{folder.name} is not a PEFT prefix: {error}") from error
    if config.get("peft_type") != "PREFIX_TUNING" or config.get("task_type") != "CAUSAL_LM":
        raise ArtifactError(
            f"{PEFT_CONFIG} says peft_type {config.get('peft_type')!r}, task_type {config.get('task_type')!r}; "
            "only PREFIX_TUNING for CAUSAL_LM can be read"
        )
    if size > LARGEST_PREFIX:
        raise ArtifactError(f"{path.name} has {size} bytes; a prefix has at most {LARGEST_PREFIX}")
    tensors = finite(read_tensors([path]))
    rows, shape = tensors.get("prompt_embeddings"), base.shape
    width = 2 * shape.layers * shape.kv_heads * shape.head_dim
    if set(tensors) != {"prompt_embeddings"} or rows is None or rows.ndim != 2 or rows.shape[1] != width:
        found = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ArtifactError(f"{path.name} holds {found}; this base needs one prompt_embeddings of (length, {width})")
    pair = rows.float().view(len(rows), shape.layers, 2, shape.kv_heads, shape.head_dim).transpose(0, 1)
    return {"keys": pair[:, :, 0].contiguous(), "values": pair[:, :, 1].contiguous()}


def _peft_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / PEFT_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder.name} is not a PEFT prefix: {error}") from error
    if not isinstance(config, dict):
        raise ArtifactError(f"{PEFT_CONFIG} is not a PEFT configuration")
    return config


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
