"""What a visitor wishes to train -> an order, checked against the limits before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from prefix_core.data.split import facts, split
from prefix_core.errors import InputError
from prefix_core.methods.settings import Settings, defaults
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.tasks.custom import custom, facts_of
from prefix_core.ui.panes import number, share
from prefix_core.ui.training_limits import Limits
from prefix_core.ui.training_run import Order
from prefix_core.ui.training_sheet import Sheet, check_columns, default_template, examples

if TYPE_CHECKING:
    from prefix_core.data.examples import Example
    from prefix_core.model.base import Base
    from prefix_core.tasks import Task

METHODS = {"prefix": "Prefix-tuning", "both": "Prefix-tuning, then full fine-tuning"}
BATCH = 8  # texts a step: half of what a longer run takes, so that the curve and the outputs move sooner
LONGEST_PREFIX, MOST_EPOCHS, HIGHEST_RATE = 100, 100, 0.1


@dataclass(frozen=True)
class Wish:
    """The page's fields, as they stand, and what they are at first.

    learning_rate: of the prefix, None for the one that suits the base.
    """

    sheet: Sheet | None
    task: str
    inputs: list[str]
    target: str
    template: str = ""
    method: str = "prefix"
    prefix_length: int = 20
    initial_words: str = "table-to-text:"
    epochs: float = 20
    learning_rate: float | None = None


def order(wish: Wish, base: Base, limits: Limits) -> Order:
    """The checked order. Raises `InputError` saying which row, column or setting has to change."""
    from prefix_core.model.base import fastest_precision

    if wish.sheet is None:
        raise InputError("There are no rows yet. Bring a file, paste rows, or try the sample set.")
    if wish.method not in METHODS:
        raise InputError(f"There is no method '{wish.method}'. Choose one of: {', '.join(METHODS)}.")
    check_columns(wish.sheet, wish.inputs, wish.target)
    template = wish.template.strip() or default_template(wish.inputs)
    task = custom(template, wish.target) if wish.task == CUSTOM else get_task(wish.task)
    found = examples(wish.sheet, task, wish.inputs, wish.target)
    _check_lengths(base, task, found, limits)
    learn, held_out = split(found, None, seed=0)
    precision = fastest_precision(base.device)
    methods = {"prefix": replace(prefix_settings(wish, base), precision=precision)}
    if wish.method == "both":
        # Every weight moves, so it has learned the rows by heart sooner: half the steps, as in the paper's section 6.3.
        tuned = defaults("fine_tune", wish.initial_words.strip())
        methods["fine_tune"] = replace(tuned, epochs=wish.epochs / 2, batch=BATCH, least_steps=1, precision=precision)
    steps = sum(settings.steps_for(_texts(learn)) for settings in methods.values())
    if steps > limits.steps:
        raise InputError(f"That would be {steps:,} steps; {limits.steps:,} are allowed. Take fewer epochs or rows.")
    data = {
        "name": wish.sheet.name,
        "rows": len(wish.sheet.rows),
        "inputs": wish.inputs,
        **facts_of(template, wish.target),
        **facts(learn),
        "held_out": len(held_out),
        "terms": "brought by a visitor",
    }
    return Order(PurePath(wish.sheet.name).stem[:40], task, methods, learn, held_out, data)


def prefix_settings(wish: Wish, base: Base) -> Settings:
    """Raises `InputError` for a setting out of its range."""
    for name, value, most in (
        ("prefix length", wish.prefix_length, LONGEST_PREFIX),
        ("number of epochs", wish.epochs, MOST_EPOCHS),
    ):
        if not isinstance(value, int | float) or not 1 <= value <= most:
            raise InputError(f"The {name} is {value}; it must be from 1 to {most}.")
    suited = defaults("prefix", wish.initial_words.strip())
    rate = suited.learning_rate if wish.learning_rate is None else wish.learning_rate
    if not isinstance(rate, int | float) or not 0 < rate <= HIGHEST_RATE:
        raise InputError(f"The learning rate is {rate}; it must be above 0, up to {HIGHEST_RATE}.")
    return replace(
        suited,
        epochs=wish.epochs,
        batch=BATCH,
        least_steps=1,
        prefix_length=int(wish.prefix_length),
        learning_rate=rate,
    )


def told(planned: Order, base: Base) -> str:
    """A plan in a line, before it is begun."""
    from prefix_core.methods import prefix

    texts = _texts(planned.learn)
    steps = " + ".join(f"{settings.steps_for(texts)}" for settings in planned.methods.values())
    rates = " + ".join(f"{settings.learning_rate:g}" for settings in planned.methods.values())
    trained, kept = prefix.costs(base, planned.methods["prefix"])
    return (
        f"{texts} texts to learn from, {len(planned.held_out)} inputs held out · {steps} steps of "
        f"{min(BATCH, texts)} texts, learning rate {rates} · {number(trained)} parameters trained, "
        f"{number(kept)} of them kept, {share(kept, base.parameters)} of the base"
    )


def _texts(learn: list[Example]) -> int:
    return sum(len(example.references) for example in learn)


def _check_lengths(base: Base, task: Task, found: list[Example], limits: Limits) -> None:
    most = min(limits.tokens, base.shape.positions - LONGEST_PREFIX)
    for example in found:
        source = len(base.encode(task.prompt(example.source)))
        text = max(len(base.encode(reference)) for reference in example.references)
        if source + text > most:
            raise InputError(
                f"{example.id}: the input takes {source} tokens and its text {text}; together {most} are allowed. "
                "Shorten it, or remove the row."
            )
