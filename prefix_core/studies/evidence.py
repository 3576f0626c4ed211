"""What was measured, as JSON in assets/evidence: a table a task and split, and whether it still fits what is shipped.

A row is recorded as soon as it is measured, so that a rebuild cut short loses nothing, and one task's rebuild leaves
another's file alone.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefix_core.artifacts import artifacts
from prefix_core.places import EVIDENCE, evidence_of
from prefix_core.studies.material import DATA

FULL_SIZE = "full_size.json"  # what `bench --shape` measured

# The rows of a table in their order. What the app offers has its method's name: the prefix of 0.1% of the base, the
# paper's size, and the adapter of 3%. A longer prefix and an adapter of 0.1% lie beside them.
ROWS = (
    "prefix",
    "prefix_long",
    "fine_tune",
    "top_layers",
    "adapter",
    "adapter_small",
    "prompt_0",
    "prompt_3",
    "lead",
)


def path_of(task: str, split: str, folder: Path = EVIDENCE) -> Path:
    """The dev set's table bears the task's name alone."""
    return folder / (f"{task}.json" if split == "dev" else f"{task}-{split}.json")


def load(path: Path) -> dict[str, Any]:
    """What `save` has written; nothing where there is no file."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known


def rows_of(path: Path, base_hash: str | None = None) -> dict[str, dict[str, Any]]:
    """The recorded rows by name; none where there is no file, or it tells of another base than `base_hash`."""
    known = load(path)
    return {row["row"]: row for row in known["rows"]} if known and base_hash in (None, known["base_hash"]) else {}


def record(path: Path, header: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Put `row` into the table at `path`, in place of the one of its name; rows of another base are dropped.

    header: what all rows have in common, with "base_hash".
    """
    rows = rows_of(path, header["base_hash"]) | {row["row"]: dict(row)}
    ordered = sorted(rows.values(), key=lambda known: ROWS.index(known["row"]))
    save(path, {**header, "rows": ordered}, indent=2)


def save(path: Path, content: Mapping[str, Any], indent: int = 1) -> None:
    """Write JSON whole or not at all: what is measured is written again and again, and may be stopped at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def trained_row(name: str, folder: Path, card: artifacts.Card, split: str) -> dict[str, Any]:
    """The row of a trained artifact: its scores on `split`, what it costs, and which weights were measured."""
    training = {
        "steps": card.steps,
        "texts_seen": card.steps * card.settings["batch"],
        "tokens": card.tokens,
        "seconds": card.seconds,
        "tokens_per_second": round(card.tokens / card.seconds) if card.seconds else 0,
        "machine": card.machine,
    }
    return {
        "row": name,
        "method": card.method,
        "shipped": name == card.method,
        **card.scores[split],
        "trained": card.trained,
        "kept": card.kept,
        "share": round(100 * card.kept / card.base_parameters, 3),
        "bytes": card.bytes,
        "full_bytes": card.full_bytes,
        "settings": {key: card.settings[key] for key in ("prefix_length", "adapter_share", "learning_rate", "batch")},
        "training": training,
        "weights": artifacts.fingerprint(folder),
    }


def outdated(folder: Path | None = None, root: Path | None = None) -> list[str]:
    """Why the evidence is older than the artifacts under `root`: a line for each table that tells of other weights.

    folder: where the evidence lies; None for each base's own place. The dev set's table has to know every artifact
    of a task that is scored; our own innkeeper is not.
    """
    reasons = []
    for place, card in artifacts.shipped(root).items():
        if card.task not in DATA:
            continue
        where, what = folder or evidence_of(card.base), f"{place.parent.name}/{place.name}"
        weights, dev = artifacts.fingerprint(place), path_of(card.task, "dev", where)
        for path in (dev, *sorted(where.glob(f"{card.task}-*.json"))):
            row = rows_of(path, card.base_hash if path == dev else None).get(place.name)
            if row is None and path == dev:
                reasons.append(f"{path.name} has no row of {what} on this base")
            elif row is not None and row["weights"] != weights:
                reasons.append(f"{path.name} was measured on other weights than those in {what}")
    return reasons
