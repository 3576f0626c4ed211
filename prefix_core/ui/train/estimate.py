"""How long a training will take, and what memory, told before it begins.

Learning from a token takes a known number of products, so its time follows from how fast this machine multiplies: that
is measured once, and corrected by every training that has run here.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefix_core.model.base import Base
    from prefix_core.ui.train.plan import TrainingPlan

ROWS, TIMES = 384, 12  # of the product that is timed: as many tokens as a step has
BUSY = 0.6  # of the speed of that product is left in a step: attention, norms, and products of few rows
MEASURED = 3  # held-out losses, with that before training
START = 6.0  # seconds in which the process starts and loads the model, until one has been seen to
COPIES = 5  # of all weights in fp32: themselves, gradients, two moments of the optimizer, and the best so far
OVERHEAD = 600_000_000  # bytes that a training takes besides
MEMORY, GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def threads() -> int:
    """The cores that a training may use: it yields them to comparisons."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass
class MachineSpeed:
    """How fast this machine trains. speed: operations a second; start: seconds before the first step."""

    speed: float
    start: float = START

    def seconds(self, plan: TrainingPlan, base: Base) -> float:
        """Of the whole plan, until the last method has been trained."""
        return self.start + sum(work(plan, base, method) for method in plan.methods) / self.speed

    def learn(self, plan: TrainingPlan, base: Base, method: str, steps: int, seconds: float) -> None:
        """What was seen: so many steps of a method took so long."""
        share = steps / plan.methods[method].steps_for(plan.texts)
        if seconds > 0:
            self.speed = share * work(plan, base, method) / seconds


def measured(base: Base) -> MachineSpeed:
    """By a product of the base's own size, a twentieth of a second."""
    import torch

    from prefix_core.model.base import fastest_precision

    kind = torch.bfloat16 if fastest_precision(base.device) == "bf16" else torch.float32
    hidden = base.shape.hidden
    rows, matrix = torch.ones(ROWS, hidden, dtype=kind), torch.ones(4 * hidden, hidden, dtype=kind)
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        torch.nn.functional.linear(rows, matrix)
        taken.append(time.perf_counter() - began)
    return MachineSpeed(BUSY * 2 * rows.numel() * len(matrix) / min(taken))


def work(plan: TrainingPlan, base: Base, method: str) -> float:
    """Operations of one method: twice a weight and token forwards, as many backwards, again as many where it learns.

    Layers below the first that is trained are run once for every text.
    """
    from prefix_core.methods.settings import LAYERS

    settings, shape = plan.methods[method], base.shape
    output = shape.vocabulary * shape.hidden
    inner = max(1, base.parameters - output)
    below = LAYERS[settings.layers][0] if method == "prefix" else 0.0
    passes = 4 if method == "prefix" else 6
    texts = settings.steps_for(plan.texts) * min(settings.batch, plan.texts)
    a_text = passes * (plan.tokens_a_text * inner * (1 - below) + plan.target_tokens_a_text * output)
    once = min(texts, plan.texts) * plan.tokens_a_text * 2 * inner * below
    watched = MEASURED * plan.watched_tokens * 2 * inner
    return texts * a_text + once + watched


def copy_bytes(base: Base) -> int:
    """Memory that training a whole copy of the model takes."""
    return base.parameters * 4 * COPIES + OVERHEAD


def free_bytes() -> int | None:
    """Memory that is free here, or in the container where there is one; None where the system does not say."""
    try:
        told = dict(line.split(":", 1) for line in MEMORY.read_text().splitlines())
        free = 1024 * int(told["MemAvailable"].split()[0])
        most = (GROUP / "memory.max").read_text().strip() if (GROUP / "memory.max").exists() else "max"
        return free if most == "max" else min(free, int(most) - int((GROUP / "memory.current").read_text()))
    except (OSError, KeyError, ValueError):
        return None
