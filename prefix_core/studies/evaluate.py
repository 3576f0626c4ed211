"""A method measured on examples: everything is written, then scored by the task's own metrics."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.scores import metrics
from prefix_core.scores.metrics import Score
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding, Request, tokens_cut, write


def evaluate(
    base: Base,
    task: Task,
    steered: Steered,
    examples: Sequence[Example],
    decoding: Decoding | None = None,
    on_done: Callable[[int], None] = lambda count: None,
    with_meteor: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """The task's scores as `score` has them, with "seconds" (of writing) and "cut", and the outputs themselves.

    cut: how many inputs were too long for the context and shortened.

    Raises `InputError` if there is nothing to measure on.
    """
    if not examples:
        raise InputError("there are no examples to evaluate on; give a file with at least one")
    began = time.perf_counter()
    requests = [Request(steered, task, example.source) for example in examples]
    outputs = write(base, requests, decoding, on_done=on_done)
    seconds = time.perf_counter() - began
    cut = sum(tokens_cut(base, request, decoding) > 0 for request in requests)
    return {**score(task, outputs, examples, with_meteor), "seconds": round(seconds, 2), "cut": cut}, outputs


def score(task: Task, outputs: Sequence[str], examples: Sequence[Example], with_meteor: bool = False) -> dict[str, Any]:
    """The task's scores of these outputs, with "inputs" and "interval": score -> [low, high], the middle 95%.

    with_meteor: and METEOR, which takes its time, where the task is scored by it and there is Java.
    """
    scores = dict(task.score(outputs, examples))
    if with_meteor and task.kind != "text" and metrics.has_java():
        scores["meteor"] = metrics.meteor(outputs, [example.references for example in examples])
    known = {name: value for name, value in scores.items() if isinstance(value, Score)}
    interval = {name: [round(bound, 4) for bound in value.interval()] for name, value in known.items()}
    plain = {name: round(float(value), 4) for name, value in scores.items()}
    return {**plain, "interval": interval, "inputs": len(examples)}


def headline_of(task: Task) -> str:
    """The score that decides between two ways of writing."""
    return "rouge_l" if task.kind == "text" else "bleu"
