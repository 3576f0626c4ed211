"""Many tasks beside one base, measured: what each method keeps of a task on disk, and a thousand prefixes at work.

On disk, in bytes: the base once, and beside it what is kept of each task. At work: so many prefixes listed, loaded when
asked for, and 32 different ones in one batch.
"""

import time
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import torch

from prefix_core.artifacts import artifacts
from prefix_core.artifacts.artifacts import Card, listed, save
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.studies import evidence
from prefix_core.tasks import get_task
from prefix_core.writing.engine import Shelf
from prefix_core.writing.search import Decoding, Row, Search

LENGTH, ROWS, TOKENS = 11, 32, 16
ROUNDS = 3
STORAGE = "storage"  # the record
TASKS = (1, 10, 100, 1000)
COPY = "copy"  # a fine-tuned model as it is, in 16 bits: the base is not needed beside it


def many_prefixes(base: Base, count: int = 1000, rows: int = ROWS, tokens: int = TOKENS) -> dict[str, Any]:
    """Write `count` random prefixes, list them, load them, and write `rows` inputs behind as many of them.

    Answers in seconds and megabytes; `times_one`: the batch with `rows` different prefixes, the time to have them from
    disk included, against the same batch with one, the best of three each, in turns.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(count):
            generator = torch.Generator().manual_seed(number)
            keys, values = random_start(base.shape, LENGTH, generator)
            card = Card(base.name, base.weights_hash, base.parameters, "e2e", "prefix")
            save(folder / f"{number:04}", base, {"keys": keys, "values": values}, card)
        began = time.perf_counter()
        entries = list(listed(folder))
        listing = time.perf_counter() - began
        shelf = Shelf(base)
        began = time.perf_counter()
        for one in entries:
            shelf.get(one)
        loading = time.perf_counter() - began
        turns = [
            (_written(base, entries[:1] * rows, tokens), _written(base, entries[:rows], tokens)) for _ in range(ROUNDS)
        ]
        one, different = map(min, zip(*turns, strict=True))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        del shelf
    return {
        "prefixes": count,
        "megabytes": round(size / 1e6, 1),
        "megabytes_of_copies": round(count * base.bytes / 1e6),
        "listed_seconds": round(listing, 3),
        "loaded_seconds": round(loading, 3),
        "rows": rows,
        "one_prefix_seconds": round(one, 2),
        "different_prefixes_seconds": round(different, 2),
        "times_one": round(different / one, 2),
    }


def table(result: dict[str, Any]) -> str:
    """The result for reading."""
    copies = result["megabytes_of_copies"] / 1000
    return (
        f"{result['prefixes']:,} prefixes: {result['megabytes']:,} MB, against {copies:,.1f} GB of copies; "
        f"listed in {result['listed_seconds']} s, all loaded in {result['loaded_seconds']} s\n"
        f"{result['rows']} rows in one batch: {result['one_prefix_seconds']} s behind one prefix, "
        f"{result['different_prefixes_seconds']} s behind {result['rows']} different ones, {result['times_one']}x"
    )


@torch.inference_mode()
def _written(base: Base, folders: list[Path], tokens: int) -> float:
    """Seconds to have the prefixes from disk and to write `tokens` for each row, if no end comes before."""
    task, shelf = get_task("e2e"), Shelf(base)
    pool = task.pool()
    began = time.perf_counter()
    rows = []
    for index, folder in enumerate(folders):
        ids = base.encode(task.prompt(pool[index % len(pool)].source))
        rows.append(Row(ids, shelf.get(folder)[0].prefix, tokens, frozenset(), base.writer, index))
    search = Search(base, rows, Decoding())
    for _ in range(tokens):
        if search.alive:
            search.advance()
    return time.perf_counter() - began


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


def record_storage(base: Base, folder: Path | None = None, root: Path | None = None) -> None:
    """Write the rows into storage.json in `folder` (None: the base's own evidence)."""
    path = (folder or evidence_of(base.name)) / f"{STORAGE}.json"
    head = {"base": base.name, "base_hash": base.weights_hash, "base_bytes": base.bytes}
    evidence.save(path, {**head, "rows": storage(base, root)})
