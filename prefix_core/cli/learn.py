"""The commands that learn: train on examples, sweep settings."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prefix_core.artifacts import artifacts, share
from prefix_core.cli import options
from prefix_core.cli.options import count, named_base, named_examples, named_precision, named_task, show, too_long
from prefix_core.data.examples import Example, data_card, draw, one_text_each, split
from prefix_core.errors import InputError
from prefix_core.methods import METHODS, TRAINED
from prefix_core.methods.settings import PAPER, VARIANTS, Settings, defaults, through_mlp
from prefix_core.methods.start import written_out
from prefix_core.model.base import Base
from prefix_core.tasks import TASKS, custom, get_task
from prefix_core.tasks.task import Task
from prefix_core.training.train import follow, train
from prefix_core.training.workers import join


def run_train(asked: argparse.Namespace) -> None:
    workers = join(asked.device)
    task, base = named_task(asked), named_base(asked)
    out = Path(asked.out)
    settings, learned, held_out = asked_training(asked, base, task)
    trained, kept = METHODS[asked.method].costs(base, settings)
    share, size = 100 * kept / base.parameters, round(kept * artifacts.bytes_per_parameter(asked.method))
    costs = f"{trained:,} parameters to train, {kept:,} to keep: {share:.2f}% of the base, {size:,} bytes"
    if not (base.tuned or asked.preset):
        costs += "; the settings were not tuned on this base"
    if workers.first:
        print(f"{costs}; {workers.count} processes" if workers.count > 1 else costs, file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.safetensors"
    with until_interrupted() as interrupted:
        events = train(
            base, task, asked.method, learned, settings, held_out,
            checkpoint=checkpoint, should_stop=interrupted, too_long=too_long(asked),
            workers=workers,
        )  # fmt: skip
        result = follow(events, f"{task.name} {asked.method}", silent=not workers.first)
    if not workers.first:
        return
    if result.ended == "diverged" and not result.best_step:
        raise InputError(f"the loss was no number any more at step {result.steps}; choose a lower --learning-rate")
    data = {"file": Path(asked.data).name, **data_card(learned)}
    if task.name == custom.NAME:
        data |= custom.template_card(asked.template, asked.target)
    card = artifacts.save(out, base, result.kept, artifacts.describe(base, task.name, result, data))
    if result.ended == "stopped":
        print(f"stopped; the same command goes on from {checkpoint}", file=sys.stderr)
    else:
        checkpoint.unlink(missing_ok=True)
    if result.ended == "diverged":
        print(f"the loss was no number any more at step {result.steps}; kept step {result.best_step}", file=sys.stderr)
    print(f"saved to {out}: {card.bytes:,} bytes after {card.steps} steps, {card.seconds:.0f} s", file=sys.stderr)


def asked_training(asked: argparse.Namespace, base: Base, task: Task) -> tuple[Settings, list[Example], list[Example]]:
    """The settings, and the examples to learn from and to hold out."""
    examples = named_examples(asked, task)
    if asked.held_out:
        held_out = named_examples(asked, task, asked.held_out_limit, asked.held_out)
        learned = examples if asked.examples is None else draw(examples, asked.examples, asked.seed)
    else:
        learned, held_out = split(examples, asked.examples, asked.seed)
    settings = PAPER if asked.preset == "paper" else defaults(asked.method, task.initial_words)
    if asked.like:
        settings, learned, held_out = as_before(asked, task, learned, held_out)
    held_out = one_text_each(held_out)[: asked.held_out_limit]
    if asked.mlp_width is not None:
        settings = through_mlp(settings, asked.mlp_width or None)
    settings = settings.replaced(
        seed=asked.seed,
        steps=asked.steps,
        epochs=asked.epochs,
        batch=asked.batch,
        accumulate=asked.accumulate,
        learning_rate=asked.learning_rate,
        variant=asked.variant,
        prefix_length=asked.length,
        initial_words=asked.words,
        adapter_share=asked.adapter_share,
        patience=asked.patience,
        precision=named_precision(asked, base),
    )
    return settings, learned, held_out


def as_before(
    asked: argparse.Namespace, task: Task, learned: list[Example], held_out: list[Example]
) -> tuple[Settings, list[Example], list[Example]]:
    """The settings of another artifact, and the examples divided as for it: learned from, and held out."""
    folder = share.located(asked.like)
    card = artifacts.read_card(folder)
    try:
        settings = Settings(**card.settings)
    except TypeError as error:
        raise InputError(f"{folder}: its card's settings are not those of a training here ({error})") from None
    if card.method != asked.method:
        raise InputError(f"{folder} holds a {card.method}; name it with --method {card.method}")
    count = card.data.get("held_out", len(held_out))
    learned, held_out = learned + held_out[count:], held_out[:count]
    shown = set(settings.demonstrations)  # what a prefix starts from, it does not learn from
    return settings, [example for example in learned if written_out(task, example) not in shown], held_out


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the work to stop and keep what it has; a second one ends it at once."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("stopping after this step (again: at once)", file=sys.stderr)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def run_sweep(asked: argparse.Namespace) -> None:
    from prefix_core.studies.sweep import sweep

    task, base = get_task(asked.task), named_base(asked)
    learned, held_out = split(named_examples(asked, task), asked.examples, asked.seed)
    watched = one_text_each(held_out[: asked.held_out_limit])
    rows = sweep(base, task, asked.methods, learned, watched, asked.steps)
    show(asked, rows, "\n".join(f"{row['held_out_loss']:.4f}  {row}" for row in rows))


def add(commands: options.Commands) -> None:
    command = commands.add("train", "train a method on your examples")
    options.add_placed_base(command)
    options.add_task(command)
    options.add_precision(command)
    command.add_argument("--method", default="prefix", choices=TRAINED, help="(default: %(default)s)")
    options.add_data(command)
    command.add_argument("--out", required=True, help="folder for the result; a run cut short goes on from here")
    command.add_argument("--examples", type=count, help="learn from so many texts, drawn by the seed (default: all)")
    command.add_argument("--held-out", help="file of held-out examples (default: some of --data)")
    command.add_argument(
        "--held-out-limit", type=count, default=24, help="so many at most, one text of each (default: %(default)s)"
    )
    command.add_argument(
        "--seed", type=int, default=0, help="of all that is drawn; same seed, same result (default: 0)"
    )
    options.add_cut(command)
    command.add_argument("--like", help="with the settings of another: " + options.ARTIFACT_HELP)
    command.add_argument("--preset", choices=["paper"], help="the paper's settings instead of those tuned on the base")
    command.add_argument("--steps", type=count, help="optimizer steps (default: from --epochs)")
    command.add_argument("--epochs", type=float, help="how often to read all examples (default: the method's)")
    command.add_argument("--batch", type=count, help="texts a step, of all processes together")
    command.add_argument(
        "--accumulate", type=count, help="run a batch in so many parts, one after another: less memory, the same step"
    )
    command.add_argument("--learning-rate", type=float, help="the highest, after the warm-up (default: the method's)")
    command.add_argument("--length", type=count, help="prefix: its length in tokens")
    command.add_argument(
        "--variant", choices=VARIANTS,
        help="prefix: one of the paper's ablations: vectors between input and output (infix), or input embeddings "
        "alone (embedding: prompt tuning)",
    )  # fmt: skip
    command.add_argument("--mlp-width", type=int, help="prefix: units of the paper's MLP, 512 there; 0 for none")
    command.add_argument("--words", help="prefix: the words whose activations it starts from; '' for random")
    command.add_argument("--patience", type=count, help="stop after so many held-out measurements without a gain")
    command.add_argument("--adapter-share", type=float, help="adapter: its size as a share of the base, such as 0.03")
    command.set_defaults(run=run_train)

    command = commands.add("sweep", "find and record good settings for a base")
    options.add_placed_base(command)
    options.add_json(command)
    command.add_argument("--task", default="e2e", choices=TASKS, help="(default: %(default)s)")
    command.add_argument("--methods", nargs="+", default=list(TRAINED), choices=TRAINED)
    options.add_data(command)
    command.add_argument("--examples", type=count, help="learn from so many texts, drawn by the seed (default: all)")
    command.add_argument("--steps", type=count, default=40, help="of every candidate (default: %(default)s)")
    command.add_argument("--held-out-limit", type=count, default=40, help="inputs measured (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the split into learned and held-out (default: 0)")
    command.set_defaults(run=run_sweep)
