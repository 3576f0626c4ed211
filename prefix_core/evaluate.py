"""A method measured on examples: everything is written, then scored by the task's own metrics."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from prefix_core.base import Base
from prefix_core.errors import InputError
from prefix_core.examples import Example
from prefix_core.generate import Decoding, Request, write
from prefix_core.methods.method import Steered
from prefix_core.tasks.task import Task


def evaluate(
    base: Base,
    task: Task,
    steered: Steered,
    examples: Sequence[Example],
    decoding: Decoding | None = None,
    on_done: Callable[[int], None] = lambda count: None,
) -> tuple[dict[str, Any], list[str]]:
    """The task's scores with "inputs" (their number) and "seconds" (of writing), and the outputs themselves.

    Raises `InputError` if there is nothing to measure on.
    """
    if not examples:
        raise InputError("there are no examples to evaluate on; give a file with at least one")
    began = time.perf_counter()
    outputs = write(base, [Request(steered, task, example.source) for example in examples], decoding, on_done=on_done)
    seconds = time.perf_counter() - began
    scores = {name: round(value, 4) for name, value in task.score(outputs, examples).items()}
    return {**scores, "inputs": len(examples), "seconds": round(seconds, 2)}, outputs
