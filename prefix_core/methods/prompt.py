"""Prompting: nothing is trained; words before the input say what to do (zero-shot) or show it (few-shot)."""

import random

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task


def steer(base: Base, task: Task, shots: int = 0, seed: int = 0) -> Steered:
    """The task's instruction, or `shots` examples of the task's own pool, before every input."""
    if not shots:
        return Steered("prompt", base.writer, words=f"{task.instruction}\n")
    texts = [task.prompt(example.source) + example.references[0] for example in shown(task, shots, seed)]
    return Steered("prompt", base.writer, words="\n\n".join(texts) + "\n\n", alone=True)


def shown(task: Task, shots: int, seed: int = 0) -> list[Example]:
    """The examples of the task's pool that a prompt shows. Raises `InputError` for more than there are."""
    pool = task.pool()
    if not 0 <= shots <= len(pool):
        raise InputError(f"{shots} examples were asked for; task {task.name} has 0 to {len(pool)} to show")
    return random.Random(seed).sample(pool, shots)
