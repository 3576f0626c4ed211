"""A visitor's training as it stands: its place in the line, and all that is known of it so far.

The page only watches it, so leaving or reloading the page changes nothing. See `queue` for who takes it forward.
"""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from prefix_core.ui.train.plan import TrainingPlan
from prefix_core.ui.waiting_line import Place

TrainingState = Literal["waiting", "loading", "training", "scoring", "done", "stopped", "failed"]
OVER = ("done", "stopped", "failed")
OUT_OF_TIME = "the time limit was reached"


@dataclass
class MethodProgress:
    """How far one method has come. Losses in nats a target token: `losses` after each step, `held_out` by step."""

    method: str
    steps: int
    trained: int
    kept: int
    bytes: int
    losses: list[float] = field(default_factory=list)
    held_out: dict[int, float] = field(default_factory=dict)
    samples: dict[int, list[str]] = field(default_factory=dict)  # step -> what it wrote for the held-out inputs
    times: list[float] = field(default_factory=list)  # seconds of its own until each step was done
    tokens: int = 0
    seconds: float = 0.0
    seconds_left: float = 0.0
    ended: str = ""

    @property
    def step(self) -> int:
        return len(self.losses)

    @property
    def best_step(self) -> int:
        """The step with the lowest held-out loss, whose parameters are kept."""
        measured = {step: loss for step, loss in self.held_out.items() if step}
        return min(measured, key=lambda step: measured[step], default=0)


@dataclass(eq=False)
class TrainingRun:
    """A training as it stands. Written by one thread, read by any; `version` grows with every change."""

    plan: TrainingPlan
    place: Place
    state: TrainingState = "waiting"
    error: str = ""
    inputs: list[str] = field(default_factory=list)  # held-out inputs that are written for, as the model reads them
    start: list[str] = field(default_factory=list)  # what the start of the prefix writes for them
    estimate: float = 0.0  # seconds of training, before it began
    before: tuple[TrainingRun, ...] = ()  # those ahead in the line when it came
    methods: list[MethodProgress] = field(default_factory=list)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)  # row of the table -> metric -> value
    outputs: dict[str, list[str]] = field(default_factory=dict)
    prefix: str = ""  # the name of the visitor's prefix that came of it
    began: float | None = None
    ended: float | None = None
    version: int = 0
    stopped: bool = False
    process: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def ahead(self) -> int:
        """How many trainings have to finish before this one's turn."""
        return self.place.ahead if self.state == "waiting" else 0

    @property
    def seconds_left(self) -> float:
        """Of training: estimated before the first steps, and from those afterwards."""
        if self.over or self.state == "scoring":
            return 0.0
        current = [method for method in self.methods if not method.ended]
        if any(method.step for method in current):
            return sum(method.seconds_left for method in current)
        return max(1.0, self.estimate - self.seconds)

    @property
    def starts_in(self) -> float:
        """Seconds until its turn is expected."""
        return sum(run.seconds_left for run in self.before)

    @property
    def seconds(self) -> float:
        """Since its turn came."""
        return 0.0 if self.began is None else (self.ended or time.monotonic()) - self.began

    def stop(self) -> None:
        """End it now; the best so far is kept. The processor is free as soon as the process has ended."""
        with self.lock:
            self.stopped = True
            if self.state == "waiting":
                self.change("stopped")
                self.place.leave()
            if self.process is not None:
                self.process.kill()

    def stop_method(self, method: str) -> None:
        """End one method of a race; the other goes on."""
        with self.lock:
            if self.process is not None and self.process.stdin is not None:
                try:
                    self.process.stdin.write(f"{method}\n")
                    self.process.stdin.flush()
                except (OSError, ValueError):  # it is over meanwhile
                    pass

    def method(self, name: str) -> MethodProgress | None:
        return next((progress for progress in self.methods if progress.method == name), None)

    def latest(self, method: MethodProgress | None) -> list[str]:
        """What a method wrote last for the inputs; before it has, what the prefix's start writes."""
        return method.samples[max(method.samples)] if method and method.samples else self.start

    def change(self, state: TrainingState, error: str = "") -> None:
        self.state, self.error = state, error or self.error
        if self.over:
            self.ended = time.monotonic()
        self.version += 1

    def take(self, event: dict[str, Any]) -> None:
        """Take in one event of the process."""
        kind = event["at"]
        if kind == "begin":
            self._begin(event)
        elif kind in ("step", "end"):
            current = self.method(event["method"])
            assert current is not None
            current.seconds = event["seconds"]
            if kind == "end":
                current.ended = OUT_OF_TIME if event["ended"] == "stopped" else event["ended"]
                self.state = "scoring" if all(method.ended for method in self.methods) else self.state
            else:
                current.losses.append(event["loss"])
                current.times.append(event["seconds"])
                current.tokens, current.seconds_left = event["tokens"], event["seconds_left"]
                if event["held_out_loss"] is not None:
                    current.held_out[event["step"]] = event["held_out_loss"]
        elif kind == "samples" and (current := self.method(event["method"])):
            current.samples[event["step"]] = event["outputs"]
        elif kind == "scores":
            self.scores[event["row"]], self.outputs[event["row"]] = event["scores"], event["outputs"]
        elif kind == "failed":
            self.change("failed", event["error"])
        self.version += 1

    def _begin(self, event: dict[str, Any]) -> None:
        """A method begins, or goes on from a checkpoint after its process broke off."""
        known = self.method(event["method"])
        if known is not None:
            known.losses, known.times, known.ended = known.losses[: event["step"]], known.times[: event["step"]], ""
            # a step whose checkpoint was saved, but of which nothing was told before the program was killed
            for numbers in (known.losses, known.times):
                numbers += numbers[-1:] * (event["step"] - len(numbers))
        else:
            known = MethodProgress(*(event[name] for name in ("method", "steps", "trained", "kept", "bytes")))
            known.held_out[0] = event["held_out_loss"]
            self.methods.append(known)
        self.state = "training"
