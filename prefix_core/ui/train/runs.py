"""A visitor's training: its place in the line, the process that does it, and all that is known of it so far.

One runs at a time, whoever asked; the page only watches, so leaving or reloading it changes nothing. See `worker` for
why it is a process. Artifacts and methods need torch, so they are imported only once the base is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.loading import Loading
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.plan import TrainingPlan
from prefix_core.ui.visitors import MOST_PREFIXES, Moment, OwnPrefix, Visitor, Visitors
from prefix_core.ui.waiting_line import Place, WaitingLine

if TYPE_CHECKING:
    from prefix_core.model.base import Base

HELD_OUT = 6  # held-out rows that stay with a prefix, to be tried
ROOT = Path(__file__).parents[3]
TrainingState = Literal["waiting", "loading", "training", "scoring", "done", "stopped", "failed"]
OVER = ("done", "stopped", "failed")
FAULT = "This run was broken off by a fault in the program. Your rows and settings are kept; try again."
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

    def change(self, state: TrainingState, error: str = "") -> None:
        self.state, self.error = state, error or self.error
        if self.over:
            self.ended = time.monotonic()
        self.version += 1

    def take(self, event: dict[str, Any]) -> None:
        """Take in one event of the process."""
        kind = event["at"]
        if kind == "begin":
            begun = MethodProgress(*(event[name] for name in ("method", "steps", "trained", "kept", "bytes")))
            begun.held_out[0] = event["held_out_loss"]
            self._add_samples(begun, 0, event["samples"])
            self.methods.append(begun)
            self.state = "training"
        elif kind == "step":
            current = self.methods[-1]
            current.losses.append(event["loss"])
            current.tokens = event["tokens"]
            current.seconds, current.seconds_left = event["seconds"], event["seconds_left"]
            if event["held_out_loss"] is not None:
                current.held_out[event["step"]] = event["held_out_loss"]
                self._add_samples(current, event["step"], event["samples"])
        elif kind == "end":
            current = self.methods[-1]
            current.ended = OUT_OF_TIME if event["ended"] == "stopped" else event["ended"]
            current.seconds = event["seconds"]
            self.state = "scoring"
        elif kind == "scores":
            self.scores[event["row"]], self.outputs[event["row"]] = event["scores"], event["outputs"]
        elif kind == "failed":
            self.change("failed", event["error"])
        self.version += 1

    def _add_samples(self, method: MethodProgress, step: int, samples: list[list[str]]) -> None:
        self.inputs = [source for source, _ in samples]
        method.samples[step] = [output for _, output in samples]


class TrainingQueue:
    """The trainings of a process: each waits in line for its turn, in a thread of its own."""

    def __init__(self, loading: Loading, visitors: Visitors, limits: Limits) -> None:
        self.loading, self.visitors, self.limits = loading, visitors, limits
        self.line = WaitingLine(1, limits.waiting)
        self._adding = threading.Lock()

    def add(self, plan: TrainingPlan, visitor: Visitor) -> TrainingRun:
        """Put a plan at the end of the line. Raises `InputError` for a visitor's second one, and when it is full."""
        with self._adding:
            if visitor.training is not None and not visitor.training.over:
                raise InputError("A training of yours is on already. Wait for its end, or stop it.")
            if len(visitor.prefixes) >= MOST_PREFIXES:
                raise InputError(f"You have {MOST_PREFIXES} prefixes here, which is the most. Delete one first.")
            run = TrainingRun(plan, self.line.enter())
            visitor.training = run
        threading.Thread(target=self._wait_and_run, args=(run, visitor), name="train", daemon=True).start()
        return run

    def _wait_and_run(self, run: TrainingRun, visitor: Visitor) -> None:
        try:
            for _ in run.place.countdown(lambda: run.stopped):
                pass
            self._run(run, visitor)
        finally:
            run.place.leave()

    def _run(self, run: TrainingRun, visitor: Visitor) -> None:
        try:
            with run.lock:
                if run.over:  # stopped while it waited
                    return
                run.began = time.monotonic()
                run.change("loading")
            base = self.loading.wait().base
            with tempfile.TemporaryDirectory(prefix="training-") as folder:
                self._follow_process(run, base, Path(folder))
                if run.state != "failed":
                    self._keep_best(run, visitor, base, Path(folder))
        except PrefixError as error:
            run.change("failed", str(error))
        except Exception:
            run.change("failed", FAULT)
            raise
        finally:
            if not run.over:
                run.change("stopped" if run.stopped else "done")

    def _follow_process(self, run: TrainingRun, base: Base, folder: Path) -> None:
        """Start the process and take in its events until it ends."""
        process = self._start_process(run)
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        last = ""
        try:
            process.stdin.write(self._job(run.plan, base, folder))
            process.stdin.close()
            for line in process.stdout:
                event = json.loads(line)
                run.take(event)
                last = event["at"]
        except (BrokenPipeError, ValueError):  # it was killed in the middle of a line, or before it had read its job
            pass
        finally:
            process.kill()
            process.wait()
            with run.lock:
                run.process = None
        if not run.stopped and last not in ("done", "failed"):
            run.change("failed", FAULT)

    def _start_process(self, run: TrainingRun) -> subprocess.Popen[str] | None:
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with run.lock:
            if run.stopped:
                return None
            run.process = subprocess.Popen(
                [sys.executable, "-m", "prefix_core.ui.train.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
            )
            return run.process

    def _job(self, plan: TrainingPlan, base: Base, folder: Path) -> str:
        from prefix_core.ui.train.worker import Job, to_json

        name = str(Path(base.name).resolve()) if Path(base.name).is_dir() else base.name
        minutes = self.limits.minutes
        return to_json(Job(name, plan.task.name, plan.data, plan.methods, plan.learn, plan.held_out, minutes, folder))

    def _keep_best(self, run: TrainingRun, visitor: Visitor, base: Base, folder: Path) -> None:
        """The best prefix so far becomes the visitor's own, together with how it moved."""
        from prefix_core.artifacts.artifacts import describe
        from prefix_core.artifacts.tensors import read_tensors
        from prefix_core.methods import prefix
        from prefix_core.training.train import Trained

        progress = next((method for method in run.methods if method.method == "prefix"), None)
        if progress is None or not progress.best_step:
            return
        files = {int(path.stem): path for path in folder.glob("*.safetensors")}
        kept = read_tensors([files[progress.best_step]])
        steered = prefix.steer(base, kept)
        trained = Trained(
            method="prefix",
            steered=steered.costing(progress.trained, 0),
            kept=kept,
            settings=run.plan.methods["prefix"],
            steps=progress.step,
            best_step=progress.best_step,
            tokens=progress.tokens,
            seconds=progress.seconds,
            held_out_loss=progress.held_out[progress.best_step],
            ended=progress.ended or "stopped",
        )
        card = describe(base, run.plan.task.name, trained, run.plan.data)
        card.scores["held out, trained here"] = run.scores.get("prefix", {})
        moments = []
        for step, path in sorted(files.items()):
            then = read_tensors([path])
            moments.append(Moment(step, then["keys"].half(), then["values"].half()))
        steered = steered.costing(progress.trained, progress.bytes)
        held_out = tuple(run.plan.held_out[:HELD_OUT])
        own = OwnPrefix(run.plan.name, run.plan.task, card, steered, tuple(moments), held_out)
        run.prefix = self.visitors.keep(visitor, own).name
