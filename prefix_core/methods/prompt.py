"""Prompting: nothing is trained; words before the input say what to do (zero-shot) or show it (few-shot)."""

import random

from prefix_core.base import Base
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.tasks.task import Task


def steer(base: Base, task: Task, shots: int = 0, seed: int = 0) -> Steered:
    """The task's instruction, or `shots` examples of the task's own pool, before every input."""
    pool = task.pool()
    if not 0 <= shots <= len(pool):
        raise InputError(f"{shots} examples were asked for; task {task.name} has 0 to {len(pool)} to show")
    if not shots:
        return Steered("prompt", base.writer, words=f"{task.instruction}\n")
    chosen = random.Random(seed).sample(pool, shots)
    shown = [task.prompt(example.source) + example.references[0] for example in chosen]
    return Steered("prompt", base.writer, words="\n\n".join(shown) + "\n\n", alone=True)
