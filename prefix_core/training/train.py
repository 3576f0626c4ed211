"""Training: one loop for every method, an event for every step.

AdamW, a linear schedule, the loss on the target's tokens only (Li & Liang 2021, section 4.3 and appendix A). Rows are
packed without padding, and the output layer runs only where there is a target.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from prefix_core.data.examples import Example
from prefix_core.methods import get_trained
from prefix_core.methods.method import Adaptation, Steered
from prefix_core.methods.settings import Settings, chosen
from prefix_core.model.base import Base, TooLong
from prefix_core.tasks.task import Task
from prefix_core.training.adamw import AdamW
from prefix_core.training.batches import Batches, Pair, encode_pairs
from prefix_core.training.checkpoint import Progress, Run, load_run, save_run
from prefix_core.training.loss import held_out_mean, learn
from prefix_core.training.workers import ALONE, Workers
from prefix_core.writing.generate import Decoding, Request, write

CHECKPOINT_SECONDS = 60.0
MEASUREMENTS = 10  # held-out losses in a run, when nothing else is asked for


@dataclass(frozen=True)
class Trained:
    """What a run leaves: `kept` tensors by name, and what it took.

    ended: "complete", "stopped" (it was asked to), "no further gain" (patience ran out), or "diverged" (the loss was no
    number any more). best_step: where `kept` is from.
    """

    base: Base
    method: str
    kept: dict[str, Tensor]
    settings: Settings
    trained: int
    steps: int
    best_step: int
    tokens: int
    seconds: float
    held_out_loss: float | None
    ended: str

    @cached_property
    def steered(self) -> Steered:
        """The base as it was steered, ready to write."""
        steered: Steered = get_trained(self.method).steer(self.base, self.kept)
        return steered.costing(self.trained, 0)


@dataclass(frozen=True)
class TrainingEvent:
    """After each step. Losses in nats a target token; tokens: all so far, none of them padding; times in seconds.

    samples: (input, output) of the first held-out examples, at every held-out measurement; kept: what would be kept
    of the method as it is at that step.
    result: in one closing event, which repeats the last numbers.
    """

    step: int
    steps: int
    epoch: float
    tokens: int
    loss: float
    held_out_loss: float | None
    learning_rate: float
    seconds: float
    seconds_left: float
    samples: tuple[tuple[str, str], ...] = ()
    kept: dict[str, Tensor] | None = None
    result: Trained | None = None


def train(
    base: Base,
    task: Task,
    method: str,
    examples: Sequence[Example],
    settings: Settings,
    held_out: Sequence[Example] = (),
    *,
    held_out_every: int | None = None,
    samples: int = 0,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    too_long: TooLong | None = None,
    workers: Workers = ALONE,
) -> Iterator[TrainingEvent]:
    """Train `method` on `examples`; yields an event a step and a closing one with the result.

    Keeps the parameters of the best held-out loss, or the last where nothing was measured. With a `checkpoint` file
    the run is saved there every minute and at its end, and goes on from there to the same result; of one that diverged
    nothing stays there. `should_stop` is asked before every step. Several `workers` that train together each yield the
    same events; the first alone writes and shows samples. Raises `InputError` for no or too long examples, or a
    checkpoint of another run.
    """
    loop = Loop(
        base, task, method, examples, settings, held_out,
        held_out_every=held_out_every, samples=samples, checkpoint=checkpoint, too_long=too_long, workers=workers,
    )  # fmt: skip
    yield from loop.events(should_stop)


def follow(events: Iterator[TrainingEvent], name: str, silent: bool = False) -> Trained:
    """Show the events as they come, unless `silent`; returns the result of the last one."""
    result = None
    with tqdm(desc=name, unit="step", file=sys.stderr, disable=silent) as bar:
        for event in events:
            bar.total = event.steps
            bar.update(event.step - bar.n)
            bar.set_postfix(loss=f"{event.loss:.3f}", refresh=False)
            if event.held_out_loss is not None and event.result is None and not silent:
                bar.write(f"step {event.step}: held-out loss {event.held_out_loss:.4f}", file=sys.stderr)
            result = event.result
    assert result is not None
    return result


class Loop:
    """The loop of one run: its batches, what is being trained, and how far it is. Arguments are those of `train`."""

    def __init__(
        self,
        base: Base,
        task: Task,
        method: str,
        examples: Sequence[Example],
        settings: Settings,
        held_out: Sequence[Example],
        *,
        held_out_every: int | None,
        samples: int,
        checkpoint: Path | None,
        too_long: TooLong | None,
        workers: Workers,
    ) -> None:
        self.base, self.task, self.method, self.settings, self.workers = base, task, method, settings, workers
        self.module = get_trained(method)
        self.adaptation: Adaptation = self.module.start(base, settings)
        length, infix = self.adaptation.prefix_length, self.adaptation.infix
        self.pairs = encode_pairs(base, task, examples, length, too_long, infix=infix)
        self.held_out: list[Pair] = []
        if held_out:
            self.held_out = encode_pairs(base, task, held_out, length, too_long, "held-out example", infix)
        self.sampled = held_out[:samples]
        self.batches, self.steps = Batches(self.pairs, settings), settings.steps_for(len(self.pairs))
        self.every = held_out_every or max(1, self.steps // MEASUREMENTS)
        self.checkpoint, self.save_every = checkpoint, CHECKPOINT_SECONDS
        self.run = self._begin_or_go_on()
        self.ended = self.progress.ended
        self.first_step, self.first_seconds = self.progress.step, self.progress.seconds
        self.saved = self.started = time.perf_counter()
        self.measured: tuple[float, dict[str, Tensor]] | None = None  # held-out loss and parameters of this very step
        self.shown: tuple[tuple[str, str], ...] = ()

    def _begin_or_go_on(self) -> Run:
        optimizer = AdamW(self.adaptation.parameters(), self.settings.weight_decay)
        identity = _identity(self.base, self.task, self.method, self.pairs, self.held_out, self.settings)
        run = Run(identity, self.adaptation, optimizer, best=self.adaptation.kept())
        if self.checkpoint is not None and self.checkpoint.exists():
            load_run(self.checkpoint, run)
        return run

    @property
    def progress(self) -> Progress:
        return self.run.progress

    def events(self, should_stop: Callable[[], bool]) -> Iterator[TrainingEvent]:
        """Run to the end, or until asked to stop; yields what `train` yields. One who stops listening loses nothing."""
        try:
            while self.progress.step < self.steps and not self.ended:
                if self.workers.agree(should_stop(), self.base.device):
                    self.ended = "stopped"
                elif self.step():
                    yield self.event()
        except GeneratorExit:
            self.save_at_end()
            raise
        self.save_at_end()
        yield self.event(self.result())

    def step(self) -> bool:
        """One optimizer step, and what is due after it; False, and nothing changed, where the loss is no number."""
        progress, settings = self.progress, self.settings
        batch = self.batches.at(progress.step)
        self.run.optimizer.zero_grad()
        mean = learn(self.base, self.adaptation, batch, settings.accumulate, self.workers)
        if not isfinite(mean):
            self.ended = progress.ended = "diverged"
            return False
        torch.nn.utils.clip_grad_norm_(self.adaptation.parameters(), settings.clip)
        self.run.optimizer.step(settings.learning_rate * schedule(progress.step, self.steps, settings.warmup))
        progress.step += 1
        progress.loss = mean
        progress.tokens += sum(len(pair.source) + len(pair.target) for pair in batch)
        self.measured, self.shown = None, ()
        if self.held_out and (progress.step % self.every == 0 or progress.step == self.steps):
            self.measure()
        now = time.perf_counter()
        progress.seconds = self.first_seconds + now - self.started
        if self.checkpoint is not None and self.workers.first and now - self.saved >= self.save_every:
            save_run(self.checkpoint, self.run)
            self.saved = now
        return True

    def measure(self) -> None:
        """The held-out loss of this step: is it the best, is there still something to gain, what does it write?"""
        progress, patience = self.progress, self.settings.patience
        loss, kept = held_out_mean(self.base, self.adaptation, self.held_out, self.workers), self.adaptation.kept()
        self.measured = loss, kept
        progress.waited += 1
        if loss < progress.best_loss:
            self.run.best, progress.best_loss = kept, loss
            progress.best_step, progress.waited = progress.step, 0
        if self.sampled and self.workers.first:
            self.shown = sample(self.base, self.task, self.module.steer(self.base, kept), self.sampled)
        if patience is not None and progress.waited >= patience:
            self.ended = progress.ended = "no further gain"

    def event(self, result: Trained | None = None) -> TrainingEvent:
        """How the run stands after the last step."""
        progress, settings = self.progress, self.settings
        a_step = (progress.seconds - self.first_seconds) / max(1, progress.step - self.first_step)
        held_out_loss, kept = self.measured or (None, None)
        return TrainingEvent(
            step=progress.step,
            steps=self.steps,
            epoch=progress.step * self.batches.size / len(self.pairs),
            tokens=progress.tokens,
            loss=progress.loss,
            held_out_loss=held_out_loss,
            learning_rate=settings.learning_rate * schedule(max(0, progress.step - 1), self.steps, settings.warmup),
            seconds=progress.seconds,
            seconds_left=a_step * (self.steps - progress.step),
            samples=self.shown,
            kept=kept,
            result=result,
        )

    def save_at_end(self) -> None:
        if self.checkpoint is None or not self.workers.first or self.progress.step == self.first_step:
            return
        if self.ended == "diverged":  # it would diverge again, and block this place for a run of other settings
            self.checkpoint.unlink(missing_ok=True)
        else:
            save_run(self.checkpoint, self.run)

    def result(self) -> Trained:
        """The best parameters where anything was measured, else the last ones."""
        progress = self.progress
        measured = isfinite(progress.best_loss)
        best = measured or self.ended == "diverged"
        kept = self.run.best if best else self.adaptation.kept()
        return Trained(
            base=self.base,
            method=self.method,
            kept=kept,
            settings=self.settings,
            trained=self.adaptation.trained,
            steps=progress.step,
            best_step=progress.best_step if best else progress.step,
            tokens=progress.tokens,
            seconds=progress.seconds,
            held_out_loss=progress.best_loss if measured else None,
            ended=self.ended or "complete",
        )


def schedule(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate before `step` (from 0): up in a line over the warm-up, then down to 0."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def sample(base: Base, task: Task, steered: Steered, examples: Sequence[Example]) -> tuple[tuple[str, str], ...]:
    """What the model writes now, greedily, for a few inputs."""
    requests = [Request(steered, task, example.source) for example in examples]
    outputs = write(base, requests, Decoding(too_long="cut"))
    return tuple((task.linearize(example.source), output) for example, output in zip(examples, outputs, strict=True))


def _identity(
    base: Base, task: Task, method: str, pairs: list[Pair], held_pairs: list[Pair], settings: Settings
) -> str:
    """A digest of all that decides a run's numbers."""
    settled = [base.weights_hash, str(base.dtype), task.name, method, chosen(asdict(settings))]
    data = [[pair.source, pair.target] for pair in [*pairs, *held_pairs]]
    return hashlib.sha256(json.dumps([settled, data]).encode()).hexdigest()
