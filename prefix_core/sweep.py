"""A small sweep: which settings a method wants on a base, by held-out loss after the same number of steps.

`settings.py` takes its defaults from the record this leaves in the base's evidence.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefix_core.base import Base, fastest_precision
from prefix_core.examples import Example
from prefix_core.places import evidence_of
from prefix_core.settings import MLP_WIDTH, Settings, defaults
from prefix_core.tasks.task import Task
from prefix_core.train import train

RECORD = "sweep.json"
RATES = (5e-4, 1e-3, 2e-3, 5e-3)
DIRECT_RATES = (0.03, 0.1, 0.3)  # of a prefix trained directly
LENGTHS = (5, 20, 50, 100, 200)


def candidates(method: str, base: Base, task: Task) -> list[Settings]:
    """Each setting changed by itself: learning rates; of a prefix also its length, its start, and the paper's MLP."""
    start = defaults(method, base.parameters, task.initial_words)
    if method != "prefix":
        return [replace(start, learning_rate=rate) for rate in RATES]
    direct = [replace(start, mlp_width=None, learning_rate=rate) for rate in DIRECT_RATES]
    lengths = [replace(start, prefix_length=length) for length in LENGTHS if length != start.prefix_length]
    through = [replace(start, mlp_width=MLP_WIDTH, learning_rate=rate) for rate in RATES]
    return [*direct, *lengths, *through, replace(start, initial_words="")]


def sweep(
    base: Base,
    task: Task,
    methods: Sequence[str],
    examples: Sequence[Example],
    held_out: Sequence[Example],
    steps: int,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """Try every candidate; returns the task's rows, the best of a method first.

    Each is recorded at once in `folder` (None: the base's evidence), in place of what other weights of that name or an
    earlier sweep of the method left there.
    """
    path = (folder or evidence_of(base.name)) / RECORD
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = [
        row
        for row in rows
        if row["base_hash"] == base.weights_hash and not (row["task"] == task.name and row["method"] in methods)
    ]
    for method in methods:
        for settings in candidates(method, base, task):
            chosen = replace(settings, steps=steps, precision=fastest_precision(base.device))
            *_, last = train(base, task, method, examples, chosen, held_out, held_out_every=steps)
            assert last.result is not None
            row = {
                "base": base.name,
                "base_hash": base.weights_hash,
                "task": task.name,
                "method": method,
                "learning_rate": chosen.learning_rate,
                "prefix_length": chosen.prefix_length if method == "prefix" else None,
                "mlp_width": chosen.mlp_width if method == "prefix" else None,
                "initial_words": chosen.initial_words if method == "prefix" else None,
                "batch": chosen.batch,
                "precision": chosen.precision,
                "steps": steps,
                "seed": chosen.seed,
                "held_out_inputs": len(held_out),
                "held_out_loss": last.result.held_out_loss,
                "seconds": round(last.seconds, 1),
                "created": time.strftime("%Y-%m-%d"),
            }
            rows.append(row)
            told = {
                name: row[name] for name in ("method", "learning_rate", "prefix_length", "mlp_width", "initial_words")
            }
            print(f"{told}: held-out loss {row['held_out_loss']:.4f} in {row['seconds']} s", file=sys.stderr)
            _save(path, rows)
    return sorted(
        [row for row in rows if row["task"] == task.name], key=lambda row: (row["method"], row["held_out_loss"])
    )


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
