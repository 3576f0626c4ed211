"""The trainings of the program: each waits in line for its turn, then a process of its own does it.

One runs at a time, whoever asked. See `worker` for why it is a process, and `outputs` for what is written meanwhile.
Artifacts and methods need torch, so they are imported only once the base is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefix_core.errors import InputError, PrefixError, saving
from prefix_core.ui.kept import Moment, OwnPrefix, told
from prefix_core.ui.loading import Loading
from prefix_core.ui.train import on_disk, outputs
from prefix_core.ui.train.estimate import MachineSpeed, threads
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.plan import TrainingPlan
from prefix_core.ui.train.runs import MethodProgress, TrainingRun
from prefix_core.ui.visitors import MOST_PREFIXES, Visitor, Visitors
from prefix_core.ui.waiting_line import Place, WaitingLine

if TYPE_CHECKING:
    from prefix_core.methods.settings import Settings
    from prefix_core.model.base import Base
    from prefix_core.writing.engine import Engine

HELD_OUT = 6  # held-out rows that stay with a prefix, to be tried
ROOT = Path(__file__).parents[3]
FAULT = "This run was broken off by a fault in the program. Your rows and settings are kept; try again."
OUT_OF_MEMORY = "broken off: it took more memory than there was; the prefix goes on alone"

PROCESSES: set[subprocess.Popen[str]] = set()  # those that train
ENDING = threading.Event()  # the program is about to end


def end_trainings(seconds: float) -> None:
    """Let every training save where it is, so that it goes on when the program is back; `seconds` at most."""
    ENDING.set()
    deadline = time.monotonic() + seconds
    for process in list(PROCESSES):
        process.terminate()
    for process in list(PROCESSES):
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()


class TrainingQueue:
    """The trainings of a process: each waits in line for its turn, in a thread of its own.

    Where a host keeps what visitors have, a training that was on when the program ended goes on from its checkpoint.
    """

    def __init__(self, loading: Loading, visitors: Visitors, limits: Limits) -> None:
        self.loading, self.visitors, self.limits = loading, visitors, limits
        self.line = WaitingLine(1, limits.waiting)
        self.machine: MachineSpeed | None = None
        self._runs: list[TrainingRun] = []
        self._adding = threading.Lock()
        visitors.returning.append(self.resume)

    def add(self, plan: TrainingPlan, visitor: Visitor) -> TrainingRun:
        """Put a plan at the end of the line. Raises `InputError` for a visitor's second one, and when it is full."""
        with self._adding:
            if visitor.training is not None and not visitor.training.over:
                raise InputError("A training of yours is on already. Wait for its end, or stop it.")
            if len(visitor.prefixes) >= MOST_PREFIXES:
                raise InputError(f"You have {MOST_PREFIXES} prefixes here, which is the most. Delete one first.")
            self._runs = [run for run in self._runs if not run.over]
            run = TrainingRun(plan, self.line.enter(), estimate=self.expected(plan), before=tuple(self._runs))
            self._runs.append(run)
            visitor.training = run
            folder = self._kept_folder(visitor)
            if folder is not None:
                on_disk.begin(folder, plan, self._job(plan, self.loading.wait().base, folder, plan.methods))
        threading.Thread(target=self._wait_and_run, args=(run, visitor), name="train", daemon=True).start()
        return run

    def resume(self, visitor: Visitor) -> None:
        """Find the training that a visitor had before the program was started; if it was not over, it goes on."""
        folder = self._kept_folder(visitor)
        found = on_disk.find(folder) if folder is not None else None
        if found is None:
            return
        plan, events = found
        run = TrainingRun(plan, Place(self.line))
        for event in events:
            if event["at"] == "kept":
                run.prefix = event["prefix"]
            elif event["at"] == "over":
                run.change(event["state"], event["error"])
            else:
                run.take(event)
        visitor.training = run
        if run.over:
            run.began = run.ended
            return
        run.change("waiting")
        with self._adding:
            run.place, run.before = self.line.enter(), tuple(self._runs)
            self._runs.append(run)
        threading.Thread(target=self._wait_and_run, args=(run, visitor), name="train", daemon=True).start()

    def _kept_folder(self, visitor: Visitor) -> Path | None:
        kept = self.visitors.kept
        if kept is None:
            return None
        with told("a training"):
            return kept.begin(visitor.token) / "training"
        return None

    @contextmanager
    def _folder(self, visitor: Visitor) -> Iterator[Path]:
        """Where a training leaves its files: kept for a restart, or as long as it goes."""
        kept = self._kept_folder(visitor)
        if kept is not None and kept.exists():
            yield kept
        else:
            with saving("What is learned"):
                folder = tempfile.TemporaryDirectory(prefix="training-")
            with folder as place:
                yield Path(place)

    def expected(self, plan: TrainingPlan) -> float:
        """Seconds that a plan will take, by what this machine was seen to do."""
        from prefix_core.ui.train.estimate import measured

        base = self.loading.wait().base
        self.machine = self.machine or measured(base)
        return self.machine.seconds(plan, base)

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
                run.began, run.before = time.monotonic(), ()
                run.change("loading")
            engine = self.loading.wait()
            threading.Thread(target=outputs.write_first, args=(engine, run), daemon=True).start()
            with self._folder(visitor) as folder:
                keep = partial(self._keep_best, run, visitor, engine.base, folder)
                self._follow_process(run, engine, folder, keep)
                if run.state == "scoring" and not ENDING.is_set():
                    outputs.score(engine, run, folder)
                if run.state != "failed":
                    keep()
                if not ENDING.is_set():
                    state = run.state if run.over else "stopped" if run.stopped else "done"
                    on_disk.note(folder, {"at": "over", "state": state, "error": run.error})
        except PrefixError as error:
            run.change("failed", str(error))
        except Exception:
            run.change("failed", FAULT)
            raise
        finally:
            if not run.over:
                run.change("stopped" if run.stopped else "done")

    def _follow_process(self, run: TrainingRun, engine: Engine, folder: Path, keep: Callable[[], None]) -> None:
        """Start the process and take in its events until it ends. keep: when the prefix is trained."""
        methods = run.plan.methods
        last = self._take_events(run, engine, folder, methods, keep)
        tuned = run.method("fine_tune")
        if last not in ("done", "failed") and len(methods) > 1 and not run.stopped and not (tuned and tuned.ended):
            # a whole copy of the model was being trained: it is that which had no room
            if tuned is None:
                tuned = MethodProgress("fine_tune", 0, 0, 0, 0)
                run.methods.append(tuned)
            tuned.ended = OUT_OF_MEMORY
            last = self._take_events(run, engine, folder, {"prefix": methods["prefix"]}, keep)
        if not run.stopped and last not in ("done", "failed"):
            run.change("failed", FAULT)

    def _take_events(
        self, run: TrainingRun, engine: Engine, folder: Path, methods: dict[str, Settings], keep: Callable[[], None]
    ) -> str:
        """One process from its start to its end; returns what its last event was."""
        process = self._start_process(run)
        if process is None:
            return ""
        assert process.stdin is not None and process.stdout is not None
        base, last, began = engine.base, "", time.monotonic()
        writing: list[threading.Thread] = []
        try:
            process.stdin.write(self._job(run.plan, base, folder, methods) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                event = json.loads(line)
                last = event["at"]
                if last == "loaded" and self.machine is not None:
                    self.machine.start = time.monotonic() - began
                outputs.tell(run, folder, event)
                if last == "step" and event["method"] == "prefix" and event["held_out_loss"] is not None:
                    given = engine, run, folder, event["step"], outputs.saved(base, folder, event["step"])
                    writing.append(threading.Thread(target=outputs.write_samples, args=given, daemon=True))
                    writing[-1].start()
                if last == "end" and event["method"] == "prefix":
                    keep()
                    if self.machine is not None and (progress := run.method("prefix")):
                        self.machine.learn(run.plan, base, "prefix", progress.step, event["seconds"])
        except (BrokenPipeError, ValueError):  # it was killed in the middle of a line, or before it had read its job
            pass
        finally:
            process.kill()
            process.wait()
            PROCESSES.discard(process)
            with run.lock:
                run.process = None
        for thread in writing:
            thread.join()
        return last

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
                env=os.environ | {"OMP_NUM_THREADS": str(threads()), "PYTHONPATH": paths},
            )
            PROCESSES.add(run.process)
            return run.process

    def _job(self, plan: TrainingPlan, base: Base, folder: Path, methods: dict[str, Settings]) -> str:
        from prefix_core.ui.train.worker import Job, to_json

        name = str(Path(base.name).resolve()) if Path(base.name).is_dir() else base.name
        minutes = self.limits.minutes
        return to_json(
            Job(name, plan.task.name, plan.data, methods, plan.learn, plan.held_out, minutes, folder, plan.pace)
        )

    def _keep_best(self, run: TrainingRun, visitor: Visitor, base: Base, folder: Path) -> None:
        """The best prefix so far becomes the visitor's own, together with how it moved."""
        from prefix_core.artifacts.artifacts import describe
        from prefix_core.artifacts.peft_format import read_tensors
        from prefix_core.training.train import Trained

        progress = run.method("prefix")
        if progress is None or not progress.best_step:
            return
        if run.prefix:  # kept at its end already: only the scores are new; it may be renamed or deleted by now
            if kept_already := visitor.prefixes.get(run.prefix):
                kept_already.card.scores["held out, trained here"] = run.scores.get("prefix", {})
            return
        files = {int(path.stem): path for path in folder.glob("*.safetensors")}
        kept = read_tensors([files[progress.best_step]])
        trained = Trained(
            base=base,
            method="prefix",
            kept=kept,
            settings=run.plan.methods["prefix"],
            trained=progress.trained,
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
        steered = trained.steered.costing(progress.trained, progress.bytes)
        held_out = tuple(run.plan.held_out[:HELD_OUT])
        own = OwnPrefix(run.plan.name, run.plan.task, card, steered, tuple(moments), held_out)
        run.prefix = self.visitors.keep(visitor, own).name
        on_disk.note(folder, {"at": "kept", "prefix": run.prefix})
