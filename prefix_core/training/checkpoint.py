"""A training run on disk: parameters, optimizer and counters in one safetensors file, written whole or not at all."""

import json
import os
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from prefix_core.errors import ArtifactError, InputError
from prefix_core.training.adamw import AdamW


@dataclass
class Progress:
    """The counters of a run; seconds of training only. `waited`: held-out measurements since the best one."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = inf
    best_loss: float = inf
    best_step: int = 0
    waited: int = 0
    ended: str = ""


@dataclass
class Run:
    """Everything a run needs to go on. `identity`: base, data and settings, by which its file is recognised."""

    identity: str
    module: nn.Module
    optimizer: AdamW
    progress: Progress = field(default_factory=Progress)
    best: dict[str, Tensor] = field(default_factory=dict)


def save_run(path: Path, run: Run) -> None:
    """Write atomically: a run killed while saving keeps the checkpoint before."""
    tensors: dict[str, Tensor] = {f"module.{name}": tensor for name, tensor in run.module.named_parameters()}
    for index, values in run.optimizer.state.items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    metadata = {"identity": run.identity, "progress": json.dumps(asdict(run.progress))}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, unfinished, metadata)
    os.replace(unfinished, path)


def load_run(path: Path, run: Run) -> None:
    """Put `run` back where `path` left it. Raises `InputError` for another run's file, `ArtifactError` if broken."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is not a readable checkpoint ({error}); delete it to start again") from error
    if metadata.get("identity") != run.identity:
        raise InputError(
            f"{path} is the checkpoint of another run (base, method, data or settings differ); delete it to start "
            "again, or choose another output folder"
        )
    run.progress = Progress(**json.loads(metadata["progress"]))
    run.module.load_state_dict(_under("module.", tensors), strict=False)  # buffers and tied names follow from the base
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    run.optimizer.load(state)
    run.best = _under("best.", tensors)


def _under(start: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
