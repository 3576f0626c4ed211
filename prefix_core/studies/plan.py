"""How long a row of the results is trained, and at which rate, decided before its full run and then kept.

Two learning rates are tried on a quarter of the steps; the one with the lower held-out loss goes on. Where there is a
time budget, as many steps are made as fit into it, trials included.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, inf
from pathlib import Path

from prefix_core.data.examples import Example
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.training.train import train

RATES = (1.0, 0.5)  # of the method's default
TRIAL = 0.25  # of the full run's steps
PROBED = 4  # steps that are timed
LEAST_STEPS = 20
MEASURED = 10  # held-out losses in a full run
EPOCHS = 5.0  # at most, whatever the budget


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
    for factor in RATES:
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
    left = seconds - (MEASURED + len(RATES)) * measure - PROBED * step
    return max(LEAST_STEPS, int(left / (step * (1 + TRIAL * len(RATES)))))
