"""Settings chosen by held-out loss: a method's defaults on a base, and a full run's rate and length.

The sweep tries each candidate for the same number of steps; `settings.py` takes its defaults from the record that this
leaves in the base's evidence. A plan is made before a full run and kept: two learning rates are tried on a quarter of
the steps, and the one with the lower held-out loss goes on. Where there is a time budget, as many steps are made as fit
into it, trials included.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import Any

from prefix_core.data.examples import Example, fingerprint
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
TRIED = (1.0, 0.5)  # rates of a plan, as parts of the method's default
TRIAL = 0.25  # of the full run's steps
PROBED = 4  # steps that are timed
LEAST_STEPS = 20
MEASURED = 10  # held-out losses in a full run
EPOCHS = 5.0  # at most, whatever the budget


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


@dataclass(frozen=True)
class Plan:
    """steps: of the full run. rates: each rate tried -> its held-out loss after a quarter of them; the best goes on."""

    steps: int
    rates: dict[str, float]

    @property
    def learning_rate(self) -> float:
        return float(min(self.rates, key=lambda rate: self.rates[rate]))


def plan(
    base: Base,
    task: Task,
    method: str,
    settings: Settings,
    learned: Sequence[Example],
    watched: Sequence[Example],
    minutes: float | None,
    path: Path,
) -> Plan:
    """Decide, or read from `path` what was decided before: every trial is noted there as it ends.

    minutes: the budget; None: as many steps as the settings say.
    """

    def note(decided: Plan) -> Plan:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(decided)) + "\n", encoding="utf-8")
        return decided

    if path.exists():
        decided = Plan(**json.loads(path.read_text(encoding="utf-8")))
    else:
        texts = sum(len(example.references) for example in learned)
        steps = settings.steps_for(texts)
        if minutes is not None:
            steps = min(steps, steps_within(60 * minutes, *pace(base, task, method, settings, learned, watched)))
        decided = note(Plan(steps, {}))
    for factor in TRIED:
        rate = settings.learning_rate * factor
        if str(rate) in decided.rates:
            continue
        steps = ceil(TRIAL * decided.steps)
        trial = replace(settings, learning_rate=rate, steps=steps)
        *_, last = train(base, task, method, learned, trial, watched, held_out_every=steps, too_long="cut")
        assert last.result is not None
        loss = last.result.held_out_loss
        decided = note(replace(decided, rates=decided.rates | {str(rate): inf if loss is None else loss}))
        print(f"{task.name}, {method} at {rate:g}: held-out loss {loss} after {steps} steps", file=sys.stderr)
    return decided


def pace(
    base: Base, task: Task, method: str, settings: Settings, learned: Sequence[Example], watched: Sequence[Example]
) -> tuple[float, float]:
    """Seconds of a step, and of measuring the held-out loss."""
    probe = replace(settings, steps=PROBED)
    events = list(train(base, task, method, learned, probe, watched, held_out_every=PROBED, too_long="cut"))
    first, *_, before, last = [event.seconds for event in events[:PROBED]]
    step = (before - first) / (PROBED - 2)
    return step, max(0.0, last - before - step)


def steps_within(seconds: float, step: float, measure: float) -> int:
    """Steps of a full run that, with the trials before it, takes about so many seconds."""
    left = seconds - (MEASURED + len(TRIED)) * measure - PROBED * step
    return max(LEAST_STEPS, int(left / (step * (1 + TRIAL * len(TRIED)))))
