"""One training in a process of its own: a job as JSON on standard input, events as lines of JSON on standard output.

It is a process because the machine is shared: it yields to comparisons (`nice`), holds none of their locks, can be
killed at any moment, and gives all its memory back. What it has learned is in the job's folder, in one file for each
measurement, so nothing is lost when it is killed. Nothing is pickled.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from prefix_core.artifacts.artifacts import bytes_per_parameter
from prefix_core.data.examples import Example
from prefix_core.errors import PrefixError
from prefix_core.methods import get_trained, prompt
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.studies.evaluate import evaluate
from prefix_core.tasks import Task, task_of
from prefix_core.training.batches import encode_pairs
from prefix_core.training.train import TrainingEvent, held_out_mean, sample, train

NICENESS = 5  # a comparison beside it gets about three quarters of a core that both want
MEASUREMENTS = 16  # of the held-out loss in a run
SAMPLES = 3  # held-out inputs whose outputs are shown as they change
SCORED = 20  # held-out inputs that are scored at the end


@dataclass(frozen=True)
class Job:
    """methods: those to train, one after the other, each with its settings; minutes: for all of them together."""

    base: str
    task: str
    data: dict[str, Any]  # what the card will say of them; a task of the visitor's own is in it
    methods: dict[str, Settings]
    learn: list[Example]
    held_out: list[Example]
    minutes: float
    folder: Path


def work(job: Job) -> Iterator[dict[str, Any]]:
    """Everything that happens, as it happens. Raises `PrefixError` for what cannot be trained."""
    deadline = time.perf_counter() + 60 * job.minutes
    base, task = load_base(job.base), task_of(job.task, job.data)
    yield {"at": "loaded"}
    for method, settings in job.methods.items():
        yield from _train(job, base, task, method, settings, deadline)
    yield from _scores(base, task, "prompt", prompt.steer(base, task), job.held_out[:SCORED])
    yield {"at": "done"}


def _train(
    job: Job, base: Base, task: Task, method: str, settings: Settings, deadline: float
) -> Iterator[dict[str, Any]]:
    """One method: how it begins, every step, how it ends, its scores; a prefix's before training, too."""
    module = get_trained(method)
    start = module.start(base, settings)
    before = module.steer(base, start.kept())
    steps = settings.steps_for(len(encode_pairs(base, task, job.learn, start.prefix_length)))
    held = encode_pairs(base, task, job.held_out, start.prefix_length)
    trained, kept = module.costs(base, settings)
    yield {
        "at": "begin",
        "method": method,
        "steps": steps,
        "trained": trained,
        "kept": kept,
        "bytes": round(kept * bytes_per_parameter(method)),
        "held_out_loss": held_out_mean(base, start, held),
        "samples": sample(base, task, before, job.held_out[:SAMPLES]),
    }
    if method == "prefix":
        _keep(job.folder, 0, start.kept())
    del start
    events = train(
        base,
        task,
        method,
        job.learn,
        settings,
        job.held_out,
        held_out_every=max(1, steps // MEASUREMENTS),
        samples=SAMPLES,
        should_stop=lambda: time.perf_counter() > deadline,
    )
    for event in events:
        if event.kept is not None and method == "prefix":
            _keep(job.folder, event.step, event.kept)
        if event.result is None:
            yield _step(method, event)
            continue
        result = event.result
        yield {
            "at": "end",
            "method": method,
            "ended": result.ended,
            "best_step": result.best_step,
            "held_out_loss": result.held_out_loss,
            "seconds": result.seconds,
        }
        if method == "prefix":
            yield from _scores(base, task, "before", before, job.held_out[:SCORED])
        yield from _scores(base, task, method, result.steered, job.held_out[:SCORED])


def _step(method: str, event: TrainingEvent) -> dict[str, Any]:
    return {
        "at": "step",
        "method": method,
        "step": event.step,
        "tokens": event.tokens,
        "loss": event.loss,
        "held_out_loss": event.held_out_loss,
        "seconds": event.seconds,
        "seconds_left": event.seconds_left,
        "samples": event.samples,
    }


def _scores(
    base: Base, task: Task, row: str, steered: Steered, examples: Sequence[Example]
) -> Iterator[dict[str, Any]]:
    scores, outputs = evaluate(base, task, steered, examples)
    yield {"at": "scores", "row": row, "scores": scores, "outputs": outputs[:SAMPLES]}


def _keep(folder: Path, step: int, kept: dict[str, torch.Tensor]) -> None:
    """Write the file whole or not at all: the process may be killed while it writes."""
    unfinished = folder / "unfinished"
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, unfinished)
    os.replace(unfinished, folder / f"{step}.safetensors")


def to_json(job: Job) -> str:
    def plain(examples: Sequence[Example]) -> list[Any]:
        return [[example.source, example.references] for example in examples]

    fields = {"base": job.base, "task": job.task, "data": job.data, "minutes": job.minutes, "folder": str(job.folder)}
    methods = {method: vars(settings) for method, settings in job.methods.items()}
    return json.dumps({**fields, "methods": methods, "learn": plain(job.learn), "held_out": plain(job.held_out)})


def from_json(text: str) -> Job:
    fields = json.loads(text)

    def sources(value: Any) -> Any:  # a table is a tuple of pairs, which JSON does not know
        return tuple(sources(item) for item in value) if isinstance(value, list) else value

    def examples(rows: list[Any]) -> list[Example]:
        return [Example(sources(source), tuple(references)) for source, references in rows]

    return Job(
        base=fields["base"],
        task=fields["task"],
        data=fields["data"],
        methods={method: Settings(**settings) for method, settings in fields["methods"].items()},
        learn=examples(fields["learn"]),
        held_out=examples(fields["held_out"]),
        minutes=fields["minutes"],
        folder=Path(fields["folder"]),
    )


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    torch.set_num_threads(1)
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # anything that a library prints goes to standard error
    try:
        for event in work(from_json(sys.stdin.read())):
            print(json.dumps(event), file=events, flush=True)
    except PrefixError as error:
        print(json.dumps({"at": "failed", "error": str(error)}), file=events, flush=True)
    except BrokenPipeError:  # the app is gone
        sys.exit(1)


if __name__ == "__main__":
    main()
