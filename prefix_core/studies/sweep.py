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

from prefix_core.data.examples import Example
from prefix_core.data.split import fingerprint
from prefix_core.methods.settings import MLP_WIDTH, Settings, defaults, through_mlp
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.tasks.task import Task
from prefix_core.training.train import train

RECORD = "sweep.json"
RATES = (1e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)
DIRECT_RATES = (0.03, 0.1, 0.3)  # of a prefix trained directly
LENGTHS = (5, 20, 50, 100, 200)
WIDTHS = (128, 512, 1024)  # of the MLP
TOLD = ("method", "learning_rate", "prefix_length", "mlp_width", "initial_words")


def candidates(method: str, base: Base, task: Task) -> list[Settings]:
    """Each setting changed by itself: learning rates; of a prefix also its length, its start, and the paper's MLP,
    at several rates and widths."""
    start = defaults(method, base.parameters, task.initial_words)
    if method != "prefix":
        return [replace(start, learning_rate=rate) for rate in RATES]
    direct = [replace(start, mlp_width=None, learning_rate=rate) for rate in DIRECT_RATES]
    lengths = [replace(start, prefix_length=length) for length in LENGTHS if length != start.prefix_length]
    through = [replace(start, mlp_width=MLP_WIDTH, learning_rate=rate) for rate in RATES]
    widths = [through_mlp(start, width) for width in WIDTHS if width != MLP_WIDTH]
    return [*direct, *lengths, *through, *widths, replace(start, initial_words="")]


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

    Each is recorded at once in `folder` (None: the base's evidence), and one that is there is not tried again; what
    other weights of the base's name left is dropped.
    """
    path = (folder or evidence_of(base.name)) / RECORD
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = [row for row in rows if row["base_hash"] == base.weights_hash]
    data = fingerprint(examples)
    for method in methods:
        for settings in candidates(method, base, task):
            chosen = replace(settings, steps=steps, precision=fastest_precision(base.device))
            setting = {
                "base": base.name,
                "base_hash": base.weights_hash,
                "task": task.name,
                "data_hash": data,
                "method": method,
                "learning_rate": chosen.learning_rate,
                "prefix_length": chosen.prefix_length if method == "prefix" else None,
                "mlp_width": chosen.mlp_width if method == "prefix" else None,
                "initial_words": chosen.initial_words if method == "prefix" else None,
                "batch": chosen.batch,
                "steps": steps,
                "seed": chosen.seed,
                "held_out_inputs": len(held_out),
            }
            if any(setting.items() <= row.items() for row in rows):
                continue
            *_, last = train(base, task, method, examples, chosen, held_out, held_out_every=steps)
            assert last.result is not None
            measured = {
                "precision": chosen.precision,
                "held_out_loss": last.result.held_out_loss,
                "seconds": round(last.seconds, 1),
                "created": time.strftime("%Y-%m-%d"),
            }
            rows.append(setting | measured)
            told = {name: setting[name] for name in TOLD}
            print(f"{told}: held-out loss {measured['held_out_loss']:.4f} in {measured['seconds']} s", file=sys.stderr)
            _save(path, rows)
    return sorted(
        [row for row in rows if row["task"] == task.name], key=lambda row: (row["method"], row["held_out_loss"])
    )


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
