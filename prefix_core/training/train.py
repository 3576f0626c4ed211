"""Training: one loop for every method, told step by step.

AdamW, a linear schedule, the loss on the target's tokens only (Li & Liang 2021, section 4.3 and appendix A). Rows are
packed without padding, and the output layer runs only where there is a target.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.data.examples import Example
from prefix_core.methods import get_trained
from prefix_core.methods.method import Adaptation, Steered
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.encoding import TooLong
from prefix_core.model.network import Network
from prefix_core.model.products import Dense, Product
from prefix_core.model.reading import read
from prefix_core.tasks.task import Task
from prefix_core.training import loss
from prefix_core.training.batches import Batches, Pair, by_length, encode_pairs, in_parts, target_tokens
from prefix_core.training.checkpoint import Run, load_run, save_run
from prefix_core.training.workers import ALONE, Workers
from prefix_core.writing.generate import Decoding, Request, write

CHECKPOINT_SECONDS = 60.0
HELD_OUT_BATCH = 32
MEASUREMENTS = 20  # held-out losses in a run, when nothing else is asked for


@dataclass(frozen=True)
class Trained:
    """What a run leaves: `kept` tensors by name, the base steered by them, and what it took.

    ended: "complete", "stopped" (it was asked to), "no further gain" (patience ran out), or "diverged" (the loss was no
    number any more). best_step: where `kept` is from.
    """

    method: str
    steered: Steered
    kept: dict[str, Tensor]
    settings: Settings
    steps: int
    best_step: int
    tokens: int
    seconds: float
    held_out_loss: float | None
    ended: str


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
    module = get_trained(method)
    adaptation: Adaptation = module.start(base, settings)
    length = adaptation.prefix_length
    infix = adaptation.infix
    pairs = encode_pairs(base, task, examples, length, too_long, infix=infix)
    held_pairs = encode_pairs(base, task, held_out, length, too_long, "held-out example", infix) if held_out else []
    batches, steps = Batches(pairs, settings), settings.steps_for(len(pairs))
    every = held_out_every or max(1, steps // MEASUREMENTS)
    optimizer = torch.optim.AdamW(
        adaptation.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    run = Run(_identity(base, task, method, pairs, held_pairs, settings), adaptation, optimizer, best=adaptation.kept())
    if checkpoint is not None and checkpoint.exists():
        load_run(checkpoint, run)
    progress = run.progress
    first_step, first_seconds = progress.step, progress.seconds
    saved = started = time.perf_counter()
    ended = progress.ended
    held_out_loss: float | None = None
    shown: tuple[tuple[str, str], ...] = ()
    now_kept: dict[str, Tensor] | None = None

    def event(result: Trained | None = None) -> TrainingEvent:
        a_step = (progress.seconds - first_seconds) / max(1, progress.step - first_step)
        return TrainingEvent(
            step=progress.step,
            steps=steps,
            epoch=progress.step * min(settings.batch, len(pairs)) / len(pairs),
            tokens=progress.tokens,
            loss=progress.loss,
            held_out_loss=held_out_loss,
            learning_rate=settings.learning_rate * schedule(max(0, progress.step - 1), steps, settings.warmup),
            seconds=progress.seconds,
            seconds_left=a_step * (steps - progress.step),
            samples=shown,
            kept=now_kept,
            result=result,
        )

    while progress.step < steps and not ended:
        if workers.agree(should_stop(), base.device):
            ended = "stopped"
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * schedule(progress.step, steps, settings.warmup)
        batch = batches.at(progress.step)
        optimizer.zero_grad(set_to_none=True)
        mean = learn(base, adaptation, batch, settings.accumulate, workers)
        if not isfinite(mean):
            ended = progress.ended = "diverged"
            break
        torch.nn.utils.clip_grad_norm_(adaptation.parameters(), settings.clip)
        optimizer.step()
        progress.step += 1
        progress.loss = mean
        progress.tokens += sum(len(pair.source) + len(pair.target) for pair in batch)
        held_out_loss, shown, now_kept = None, (), None
        if held_pairs and (progress.step % every == 0 or progress.step == steps):
            held_out_loss = held_out_mean(base, adaptation, held_pairs, workers)
            now_kept = adaptation.kept()
            progress.waited += 1
            if held_out_loss < progress.best_loss:
                run.best, progress.best_loss = now_kept, held_out_loss
                progress.best_step, progress.waited = progress.step, 0
            if samples and workers.first:
                shown = sample(base, task, module.steer(base, now_kept), held_out[:samples])
            if settings.patience is not None and progress.waited >= settings.patience:
                ended = progress.ended = "no further gain"
        now = time.perf_counter()
        progress.seconds = first_seconds + now - started
        if checkpoint is not None and workers.first and now - saved >= CHECKPOINT_SECONDS:
            save_run(checkpoint, run)
            saved = now
        yield event()
    if checkpoint is not None and workers.first and progress.step > first_step:
        if ended == "diverged":  # it would diverge again, and keep a run of other settings from its place
            checkpoint.unlink(missing_ok=True)
        else:
            save_run(checkpoint, run)
    measured = isfinite(progress.best_loss)
    kept = run.best if measured or ended == "diverged" else adaptation.kept()
    yield event(
        Trained(
            method=method,
            steered=module.steer(base, kept).costing(adaptation.trained, 0),
            kept=kept,
            settings=settings,
            steps=progress.step,
            best_step=progress.best_step if measured or ended == "diverged" else progress.step,
            tokens=progress.tokens,
            seconds=progress.seconds,
            held_out_loss=progress.best_loss if measured else None,
            ended=ended or "complete",
        )
    )


def schedule(step: int, steps: int, warmup: float) -> float:
    """The share of the peak learning rate before `step` (from 0): up in a line over the warm-up, then down to 0."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


def target_losses(
    base: Base,
    adaptation: Adaptation,
    batch: Sequence[Pair],
    behind: Callable[[Tensor, Product, Tensor], Tensor] = loss.token_losses,
) -> Tensor:
    """The loss of every target token of a batch, (n,), in nats; texts of the same input after one another.

    An input is run once, however many texts it has in the batch: they are branches of one row. behind: what makes the
    loss of states, output layer and targets.
    """
    texts: dict[tuple[int, ...], list[list[int]]] = {}
    for pair in batch:
        texts.setdefault(tuple(pair.source), []).append(pair.target)
    # What predicts a text's first token is the input's last. The last token predicts nothing: it is not read.
    written = [[target[:-1] for target in some] for some in texts.values()]
    said = [token for some in texts.values() for target in some for token in target]
    targets = torch.tensor(said, device=base.device)
    with adaptation.arithmetic():
        network, prefix = adaptation.network(), adaptation.prefix()
        _, hidden = read(base, network, list(texts), written, [prefix] * len(texts))
        if not isinstance(network, Network):
            return F.cross_entropy(network.logits(hidden).float(), targets, reduction="none")
    head = network.head
    return behind(hidden.to(head.weight.dtype if isinstance(head, Dense) else network.dtype), head, targets)


def mean_loss(base: Base, adaptation: Adaptation, batch: Sequence[Pair]) -> Tensor:
    """The mean of `target_losses`, to be learned from: an output layer's logits are never kept."""
    return target_losses(base, adaptation, batch, loss.mean_loss).mean()


def learn(base: Base, adaptation: Adaptation, batch: Sequence[Pair], parts: int = 1, workers: Workers = ALONE) -> float:
    """Leave the gradients of the batch's mean loss over all its target tokens, and return that.

    Each of the workers runs its share of the batch, in so many parts one after another, or more where it is long: less
    memory, same gradients.
    """
    said, total = target_tokens(batch), torch.zeros((), device=base.device)
    for part in in_parts(workers.share(batch), parts):
        mean = mean_loss(base, adaptation, part) * (target_tokens(part) / said)
        mean.backward()
        total += mean.detach()
    if workers.count > 1:
        for parameter in adaptation.parameters():
            if parameter.grad is None:  # there was nothing to run here
                parameter.grad = torch.zeros_like(parameter)
            workers.sum(parameter.grad)
        workers.sum(total)
    return total.item()


@torch.no_grad()
def held_out_mean(base: Base, adaptation: Adaptation, pairs: Sequence[Pair], workers: Workers = ALONE) -> float:
    """Mean loss over all target tokens of `pairs`."""
    pairs = by_length(pairs)
    batches = [pairs[start : start + HELD_OUT_BATCH] for start in range(0, len(pairs), HELD_OUT_BATCH)]
    total = torch.zeros((), device=base.device)
    for batch in workers.share(batches):
        total += target_losses(base, adaptation, batch).sum()
    workers.sum(total)
    return total.item() / target_tokens(pairs)


def sample(base: Base, task: Task, steered: Steered, examples: Sequence[Example]) -> tuple[tuple[str, str], ...]:
    """What the model writes now, greedily, for a few inputs."""
    requests = [Request(steered, task, example.source) for example in examples]
    outputs = write(base, requests, Decoding(too_long="cut"))
    return tuple((task.linearize(example.source), output) for example, output in zip(examples, outputs, strict=True))


def _identity(
    base: Base, task: Task, method: str, pairs: list[Pair], held_pairs: list[Pair], settings: Settings
) -> str:
    """A digest of all that decides a run's numbers."""
    facts = [base.weights_hash, str(base.dtype), task.name, method, asdict(settings)]
    data = [[pair.source, pair.target] for pair in [*pairs, *held_pairs]]
    return hashlib.sha256(json.dumps([facts, data]).encode()).hexdigest()
