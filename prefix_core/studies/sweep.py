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
from prefix_core.methods.settings import MLP_WIDTH, Settings, defaults
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.tasks.task import Task
from prefix_core.training.train import train

RECORD = "sweep.json"
RATES = {"prefix": (0.03, 0.06, 0.12), "fine_tune": (3e-5, 1e-4, 3e-4), "top_layers": (3e-4, 1e-3, 3e-3)}
ADAPTER_RATES = {0.03: (3e-4, 1e-3, 3e-3), 0.001: (1e-3, 3e-3, 1e-2)}  # by their share of the base's parameters
MLP_RATES = (1e-3, 3e-3, 1e-2)
LONGER = 30  # tokens of a prefix beside the default's
OTHER_WORDS = "table-to-text:"  # the paper's start
TOLD = ("method", "learning_rate", "prefix_length", "mlp_width", "initial_words", "adapter_share")


def candidates(method: str, task: Task) -> list[Settings]:
    """Three rates a method; of a prefix also at another length, through the MLP, and from other words or none."""
    start = defaults(method, task.initial_words)
    if method == "adapter":
        return [
            replace(start, adapter_share=share, learning_rate=rate)
            for share, rates in ADAPTER_RATES.items()
            for rate in rates
        ]
    direct = [replace(start, learning_rate=rate) for rate in RATES[method]]
    if method != "prefix":
        return direct
    longer = [replace(settings, prefix_length=LONGER) for settings in direct]
    through = [replace(start, mlp_width=MLP_WIDTH, learning_rate=rate) for rate in MLP_RATES]
    return [*direct, *longer, *through, *(replace(start, initial_words=words) for words in (OTHER_WORDS, ""))]


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

    Each is recorded at once in `folder` (None: the base's evidence) and not tried again; rows of other weights under
    the base's name are dropped.
    """
    path = (folder or evidence_of(base.name)) / RECORD
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows = [row for row in rows if row["base_hash"] == base.weights_hash]
    data, texts = fingerprint(examples), sum(len(example.references) for example in examples)
    for method in methods:
        for settings in candidates(method, task):
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
                "adapter_share": chosen.adapter_share if method == "adapter" else None,
                "texts": texts,
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
            label = {name: setting[name] for name in TOLD}
            print(f"{label}: held-out loss {measured['held_out_loss']:.4f} in {measured['seconds']} s", file=sys.stderr)
            _save(path, rows)
    return sorted(
        [row for row in rows if row["task"] == task.name], key=lambda row: (row["method"], row["held_out_loss"])
    )


def _save(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
