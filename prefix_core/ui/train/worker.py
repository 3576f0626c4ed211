"""One training in a process of its own: a job as JSON on standard input, events as lines of JSON on standard output.

It is a process because the machine is shared: it yields to comparisons (`nice`), holds none of their locks, can be
killed at any moment, and gives all its memory back. What it has learned is in the job's folder, in one file for each
measurement, so nothing is lost when it is killed. Nothing is pickled. Of the model it lays out nothing in memory: it
trains through the weights as they are stored, and what the prefix writes, the app writes, by its own.

Of several methods each takes a step in turn: a race on the same rows. A later line on standard input names a method
that is to stop.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from prefix_core.artifacts.artifacts import bytes_per_parameter
from prefix_core.data.examples import Example
from prefix_core.errors import PrefixError, saving
from prefix_core.memory import give_back
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.studies.evaluate import evaluate
from prefix_core.tasks import Task, task_of
from prefix_core.training.few_rows import WATCHED, measured_every
from prefix_core.training.loss import held_out_mean
from prefix_core.training.train import Loop, TrainingEvent
from prefix_core.training.workers import ALONE
from prefix_core.ui.train.outputs import SCORED, SHOWN

NICENESS = 5  # a comparison beside it gets about three quarters of a core that both want
CHECKPOINT = "prefix.checkpoint"
WATCHED_EVERY = 1.0  # seconds between two looks whether the app is there
SAVE_EVERY = 10.0  # seconds of training that a program which is killed may lose


@dataclass(frozen=True)
class Job:
    """methods: those to train, in turns, each with its settings; minutes: for all of them together."""

    base: str
    task: str
    data: dict[str, Any]  # what the card will say of them; a task of the visitor's own is in it
    methods: dict[str, Settings]
    learn: list[Example]
    held_out: list[Example]
    minutes: float
    folder: Path
    pace: str = "quick"


class Racer:
    """One method of a job. Its time is its own: what another's steps take does not count. `stopped`: by its visitor."""

    def __init__(self, job: Job, base: Base, task: Task, method: str, deadline: float) -> None:
        self.job, self.base, self.task, self.method, self.deadline = job, base, task, method, deadline
        self.stopped, self.seconds = False, 0.0
        settings = job.methods[method]
        # Only what is small is saved: a whole copy of the model would take as long as some of its steps.
        checkpoint = job.folder / CHECKPOINT if method == "prefix" else None
        samples = 0 if method == "prefix" else SHOWN  # a prefix's are written by the app
        self.loop = Loop(
            base, task, method, job.learn, settings, job.held_out[:WATCHED],
            held_out_every=None, samples=samples, checkpoint=checkpoint, too_long=None, workers=ALONE,
        )  # fmt: skip
        self.loop.save_every = SAVE_EVERY
        self.loop.every = measured_every(job.pace, self.loop.steps)
        self.steered: Steered | None = None  # once it is trained, where only this process can score it

    def events(self) -> Iterator[dict[str, Any]]:
        """How it begins, every step, how it ends."""
        yield self._begin()
        steps = self.loop.events(lambda: self.stopped or time.perf_counter() > self.deadline)
        while True:
            began = time.perf_counter()
            event = next(steps)
            self.seconds += time.perf_counter() - began
            if event.kept is not None and self.method == "prefix":
                _keep(self.job.folder, event.step, event.kept)
            if event.result is not None:
                break
            yield self._step(event)
            if event.samples:
                outputs = [output for _, output in event.samples]
                yield {"at": "samples", "method": self.method, "step": event.step, "outputs": outputs}
        result = event.result
        self.steered = None if self.method == "prefix" else result.steered
        ended = "stopped by you" if self.stopped else result.ended
        best = {"best_step": result.best_step, "held_out_loss": result.held_out_loss}
        yield {"at": "end", "method": self.method, "ended": ended, "seconds": self.seconds, **best}

    def _begin(self) -> dict[str, Any]:
        loop = self.loop
        trained, kept = loop.module.costs(self.base, loop.settings)
        if self.method == "prefix":
            _keep(self.job.folder, 0, loop.adaptation.kept())
        return {
            "at": "begin",
            "method": self.method,
            "step": loop.progress.step,
            "steps": loop.steps,
            "trained": trained,
            "kept": kept,
            "bytes": round(kept * bytes_per_parameter(self.method)),
            "held_out_loss": held_out_mean(self.base, loop.adaptation, loop.held_out),
        }

    def _step(self, event: TrainingEvent) -> dict[str, Any]:
        return {
            "at": "step",
            "method": self.method,
            "step": event.step,
            "tokens": event.tokens,
            "loss": event.loss,
            "held_out_loss": event.held_out_loss,
            "seconds": self.seconds,
            "seconds_left": (event.steps - event.step) * self.seconds / (event.step - self.loop.first_step),
        }


def work(job: Job, asked: Iterable[str] = ()) -> Generator[dict[str, Any]]:
    """Everything that happens, as it happens. asked: methods to stop.

    Raises `PrefixError` for what cannot be trained.
    """
    deadline = time.perf_counter() + 60 * job.minutes
    base, task = load_base(job.base, lean=True), task_of(job.task, job.data)
    yield {"at": "loaded"}
    racers = {method: Racer(job, base, task, method, deadline) for method in job.methods}
    give_back()

    def listen() -> None:
        for method in asked:
            if method in racers:
                racers[method].stopped = True

    threading.Thread(target=listen, daemon=True).start()
    running = [racer.events() for racer in racers.values()]
    while running:
        for events in list(running):
            event = next(events, None)
            if event is None:
                running.remove(events)
            else:
                yield event
    for method, racer in racers.items():
        if racer.steered is not None:
            scores, outputs = evaluate(base, task, racer.steered, job.held_out[:SCORED])
            yield {"at": "scores", "row": method, "scores": scores, "outputs": outputs[:SHOWN]}
    yield {"at": "done"}


def _keep(folder: Path, step: int, kept: dict[str, torch.Tensor]) -> None:
    """Write the file whole or not at all: the process may be killed while it writes."""
    unfinished = folder / "unfinished"
    save_file({name: tensor.contiguous() for name, tensor in kept.items()}, unfinished)
    os.replace(unfinished, folder / f"{step}.safetensors")


def to_json(job: Job) -> str:
    def plain(examples: Sequence[Example]) -> list[Any]:
        return [[example.source, example.references] for example in examples]

    fields = {name: getattr(job, name) for name in ("base", "task", "data", "minutes", "pace")}
    fields["folder"] = str(job.folder)
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
        pace=fields["pace"],
    )


def _end_with(app: int) -> None:
    """Nothing is written once the app is gone: it may be back already, and write the same files."""
    while os.getppid() == app:
        time.sleep(WATCHED_EVERY)
    os._exit(1)


def main() -> None:
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # anything that a library prints goes to standard error
    try:
        job = from_json(sys.stdin.readline())
        with saving("What is learned"), closing(work(job, (line.strip() for line in sys.stdin))) as happenings:
            for event in happenings:
                print(json.dumps(event), file=events, flush=True)
                if ending.is_set():
                    return  # and what is being trained is saved
    except PrefixError as error:
        print(json.dumps({"at": "failed", "error": str(error)}), file=events, flush=True)
    except BrokenPipeError:  # the app is gone
        sys.exit(1)


if __name__ == "__main__":
    main()
