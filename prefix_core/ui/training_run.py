"""A visitor's training: its place in the queue, the process that does it, and all that is known of it so far.

One runs at a time, whoever asked; the page only looks, so leaving or reloading it changes nothing. See
`training_worker` for why it is a process.
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

from prefix_core.data.examples import Example
from prefix_core.errors import InputError, PrefixError
from prefix_core.methods.settings import Settings
from prefix_core.tasks import Task
from prefix_core.ui.engine import Loading
from prefix_core.ui.training_limits import Limits
from prefix_core.ui.visitors import MOST_PREFIXES, Moment, OwnPrefix, Visitor, Visitors

if TYPE_CHECKING:
    from prefix_core.model.base import Base

ROOT = Path(__file__).parents[2]
State = Literal["waiting", "loading", "training", "scoring", "done", "stopped", "failed"]
OVER = ("done", "stopped", "failed")
FAULT = "This run broke off by a fault of the program. Your rows and settings are kept; try again."
OUT_OF_TIME = "the time limit was reached"


@dataclass(frozen=True)
class Order:
    """What is to be trained. `name`: of the prefix it will be; methods: each with its settings, the prefix first."""

    name: str
    task: Task
    methods: dict[str, Settings]
    learn: list[Example]
    held_out: list[Example]
    data: dict[str, Any]  # what the card says of the rows


@dataclass
class Track:
    """One method's way. Losses in nats a target token: `losses` after each step, `held_out` by step."""

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
        """The step with the lowest held-out loss, from which the parameters are kept."""
        measured = {step: loss for step, loss in self.held_out.items() if step}
        return min(measured, key=lambda step: measured[step], default=0)


@dataclass(eq=False)
class Training:
    """A run as it stands. Written by one thread, read by any; `version` grows with every change."""

    order: Order
    state: State = "waiting"
    error: str = ""
    inputs: list[str] = field(default_factory=list)  # the held-out inputs that are written for, as the model reads them
    tracks: list[Track] = field(default_factory=list)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)  # row of the table -> metric -> value
    outputs: dict[str, list[str]] = field(default_factory=dict)
    prefix: str = ""  # the name of the prefix that came of it
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
    def seconds(self) -> float:
        """Since its turn came."""
        return 0.0 if self.began is None else (self.ended or time.monotonic()) - self.began

    def stop(self) -> None:
        """End it now; the best so far is kept. The processor is free as soon as the process has ended."""
        with self.lock:
            self.stopped = True
            if self.state == "waiting":
                self.change("stopped")
            if self.process is not None:
                self.process.kill()

    def change(self, state: State, error: str = "") -> None:
        self.state, self.error = state, error or self.error
        if self.over:
            self.ended = time.monotonic()
        self.version += 1

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one event of the process."""
        at = event["at"]
        if at == "begin":
            track = Track(*(event[name] for name in ("method", "steps", "trained", "kept", "bytes")))
            track.held_out[0] = event["held_out_loss"]
            self._show(track, 0, event["samples"])
            self.tracks.append(track)
            self.state = "training"
        elif at == "step":
            track = self.tracks[-1]
            track.losses.append(event["loss"])
            track.tokens, track.seconds, track.seconds_left = event["tokens"], event["seconds"], event["seconds_left"]
            if event["held_out_loss"] is not None:
                track.held_out[event["step"]] = event["held_out_loss"]
                self._show(track, event["step"], event["samples"])
        elif at == "end":
            ended = OUT_OF_TIME if event["ended"] == "stopped" else event["ended"]
            self.tracks[-1].ended, self.tracks[-1].seconds = ended, event["seconds"]
            self.state = "scoring"
        elif at == "scores":
            self.scores[event["row"]], self.outputs[event["row"]] = event["scores"], event["outputs"]
        elif at == "failed":
            self.change("failed", event["error"])
        self.version += 1

    def _show(self, track: Track, step: int, samples: list[list[str]]) -> None:
        self.inputs = [source for source, _ in samples]
        track.samples[step] = [output for _, output in samples]


class Trainings:
    """The queue of a process: trainings wait for their turn and run one at a time."""

    def __init__(self, loading: Loading, visitors: Visitors, limits: Limits) -> None:
        self.loading, self.visitors, self.limits = loading, visitors, limits
        self._waiting: list[tuple[Training, Visitor]] = []
        self._changed = threading.Condition()
        self._busy = False

    def start(self) -> Trainings:
        threading.Thread(target=self._run_for_ever, name="train", daemon=True).start()
        return self

    def add(self, order: Order, visitor: Visitor) -> Training:
        """Put an order at the end of the queue. Raises `InputError` for a second one, and when the queue is full."""
        with self._changed:
            if visitor.training is not None and not visitor.training.over:
                raise InputError("A training of yours is on already. Wait for its end, or stop it.")
            if len(visitor.prefixes) >= MOST_PREFIXES:
                raise InputError(f"You have {MOST_PREFIXES} prefixes here, which is the most. Delete one first.")
            if len(self._waiting) >= self.limits.waiting:
                raise InputError(f"{len(self._waiting)} trainings are waiting, which is the most. Try again later.")
            training = Training(order)
            visitor.training = training
            self._waiting.append((training, visitor))
            self._changed.notify()
            return training

    def place(self, training: Training) -> int:
        """How many trainings are done before this one's turn; 0 when it is its turn."""
        with self._changed:
            waiting = [other for other, _ in self._waiting if not other.over]
            return waiting.index(training) + self._busy if training in waiting else 0

    def _run_for_ever(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                while not self._waiting:
                    self._changed.wait()
                training, visitor = self._waiting.pop(0)
                self._busy = True
            self._run(training, visitor)

    def _run(self, training: Training, visitor: Visitor) -> None:
        try:
            with training.lock:
                if training.over:  # stopped while it waited
                    return
                training.began = time.monotonic()
                training.change("loading")
            base = self.loading.wait().base
            with tempfile.TemporaryDirectory(prefix="training-") as folder:
                self._follow(training, base, Path(folder))
                if training.state != "failed":
                    self._take_home(training, visitor, base, Path(folder))
        except PrefixError as error:
            training.change("failed", str(error))
        except Exception:
            training.change("failed", FAULT)
            raise
        finally:
            if not training.over:
                training.change("stopped" if training.stopped else "done")

    def _follow(self, training: Training, base: Base, folder: Path) -> None:
        """Run the process to its end."""
        from prefix_core.ui.training_worker import Job, to_json

        order = training.order
        name = str(Path(base.name).resolve()) if Path(base.name).is_dir() else base.name
        job = Job(
            name, order.task.name, order.data, order.methods, order.learn, order.held_out, self.limits.minutes, folder
        )
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with training.lock:
            if training.stopped:
                return
            process = training.process = subprocess.Popen(
                [sys.executable, "-m", "prefix_core.ui.training_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
            )
        assert process.stdin is not None and process.stdout is not None
        last = ""
        try:
            process.stdin.write(to_json(job))
            process.stdin.close()
            for line in process.stdout:
                event = json.loads(line)
                training.hear(event)
                last = event["at"]
        except (BrokenPipeError, ValueError):  # it was ended in the middle of a line, or before it had read its job
            pass
        finally:
            process.kill()
            process.wait()
            with training.lock:
                training.process = None
        if not training.stopped and last not in ("done", "failed"):
            training.change("failed", FAULT)

    def _take_home(self, training: Training, visitor: Visitor, base: Base, folder: Path) -> None:
        """The best prefix so far becomes the visitor's own, with the way it went."""
        from prefix_core.artifacts.artifacts import describe
        from prefix_core.artifacts.tensors import read_tensors
        from prefix_core.methods import prefix
        from prefix_core.training.train import Trained

        track = next((track for track in training.tracks if track.method == "prefix"), None)
        if track is None or not track.best_step:
            return
        settings = training.order.methods["prefix"]
        files = {int(path.stem): path for path in folder.glob("*.safetensors")}
        kept = read_tensors([files[track.best_step]])
        steered = prefix.steer(base, kept)
        trained = Trained(
            method="prefix",
            steered=steered.costing(track.trained, 0),
            kept=kept,
            settings=settings,
            steps=track.step,
            best_step=track.best_step,
            tokens=track.tokens,
            seconds=track.seconds,
            held_out_loss=track.held_out[track.best_step],
            ended=track.ended or "stopped",
        )
        card = describe(base, training.order.task.name, trained, training.order.data)
        card.scores["held out, trained here"] = training.scores.get("prefix", {})
        moments = []
        for step, path in sorted(files.items()):
            then = read_tensors([path])
            moments.append(Moment(step, then["keys"].half(), then["values"].half()))
        steered = steered.costing(track.trained, track.bytes)
        own = OwnPrefix(training.order.name, training.order.task, card, steered, tuple(moments))
        training.prefix = self.visitors.keep(visitor, own).name
