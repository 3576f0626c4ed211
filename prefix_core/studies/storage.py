"""What many tasks take on disk, in measured bytes: the base once, and beside it what each method keeps of a task."""

from pathlib import Path
from statistics import mean
from typing import Any

from prefix_core.artifacts import artifacts
from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.studies import evidence

NAME = "storage"
TASKS = (1, 10, 100, 1000)
COPY = "copy"  # a fine-tuned model as it is, in 16 bits: the base is not needed beside it


def storage(base: Base, root: Path | None = None) -> list[dict[str, Any]]:
    """A row a method that is shipped for `base`: bytes of a task, on average, and of TASKS tasks with the base."""
    sizes_of: dict[str, list[int]] = {}
    for folder, card in artifacts.shipped(root).items():
        if card.base_hash == base.weights_hash:
            sizes_of.setdefault(folder.name, []).append(artifacts.stored_bytes(folder))
    rows = [row(name, len(sizes), round(mean(sizes)), base.bytes) for name, sizes in sizes_of.items()]
    return [*rows, row(COPY, 0, 2 * base.parameters, 0)]


def row(name: str, measured: int, a_task: int, once: int) -> dict[str, Any]:
    """measured: tasks whose files were measured; once: bytes of the base."""
    total = {str(tasks): once + tasks * a_task for tasks in TASKS}
    return {"method": name, "measured": measured, "bytes_a_task": a_task, "bytes": total}


def record(base: Base, folder: Path | None = None, root: Path | None = None) -> None:
    """Write the rows into storage.json in `folder` (None: the base's own evidence)."""
    path = (folder or evidence_of(base.name)) / f"{NAME}.json"
    head = {"base": base.name, "base_hash": base.weights_hash, "base_bytes": base.bytes}
    evidence.save(path, {**head, "rows": storage(base, root)})
