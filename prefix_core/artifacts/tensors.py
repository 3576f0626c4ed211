"""Tensors of a file from outside: safetensors alone, nothing is ever unpickled, and every number is finite."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from prefix_core.errors import ArtifactError


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
