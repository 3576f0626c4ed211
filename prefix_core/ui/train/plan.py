"""The form of the tab "Train" -> a plan, checked against the limits before anything begins.

What was chosen in the form outlives a reload: the browser keeps it, the server does not, until the browser's tab is
closed or the visitor removes everything. Choices about the rows hold for those columns only, settings for any rows.

The base and the methods need torch, so they are imported only once the base is loaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from prefix_core.data.split import data_card, split
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.tasks.custom import custom, template_card
from prefix_core.ui.labels import number, share
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.sheet import Sheet, check_columns, default_template, examples

if TYPE_CHECKING:
    from prefix_core.data.examples import Example
    from prefix_core.methods.settings import Settings
    from prefix_core.model.base import Base
    from prefix_core.tasks import Task

METHOD_CHOICES = {"prefix": "Prefix-tuning", "both": "Prefix-tuning, then full fine-tuning"}
BATCH = 8  # texts a step: half of what a longer run takes, so that the curve and the outputs move sooner
LONGEST_PREFIX, MOST_EPOCHS, HIGHEST_RATE = 100, 100, 0.1


def _keep(name: str) -> str:
    return f"(text) => {{ try {{ sessionStorage.setItem('{name}' + location.pathname, text) }} catch {{}} return [] }}"


ROWS, CHOICES = "prefix-rows", "prefix-choices"
KEEP_ROWS, KEEP_CHOICES = _keep(ROWS), _keep(CHOICES)
RECALL = f"""() => ["{ROWS}", "{CHOICES}"].map((name) => {{
  try {{ return sessionStorage.getItem(name + location.pathname) || "" }} catch {{ return "" }}
}})"""


@dataclass(frozen=True)
class TrainingForm:
    """The page's fields as they stand; the defaults are what they hold at first.

    learning_rate: of the prefix; None for the default.
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

    def to_note(self) -> str:
        """What is chosen, as the browser keeps it."""
        columns = list(self.sheet.columns) if self.sheet else []
        return json.dumps({**vars(self), "sheet": columns})


def form_for(sheet: Sheet | None, note: str = "") -> TrainingForm:
    """What was chosen for rows with these columns, by the browser's note; where it says nothing, what is likely."""
    if sheet is None:
        likely = TrainingForm(None, CUSTOM, [], "")
    else:
        inputs, target = sheet.guess
        template = default_template(inputs) if inputs else ""
        likely = TrainingForm(sheet, sheet.likely_task, inputs, target, template)
    try:
        fields = json.loads(note)
        columns = fields.pop("sheet")
        form = replace(likely, **fields)
    except (ValueError, TypeError, KeyError, AttributeError):  # no note, or one from another version of this page
        return likely
    if sheet is None or columns != list(sheet.columns):
        form = replace(form, task=likely.task, inputs=likely.inputs, target=likely.target, template=likely.template)
    return form


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained. name: of the prefix it will be; methods: each with its settings, the prefix first."""

    name: str
    task: Task
    methods: dict[str, Settings]
    learn: list[Example]
    held_out: list[Example]
    data: dict[str, Any]  # what the card says of the rows


def make_plan(form: TrainingForm, base: Base, limits: Limits) -> TrainingPlan:
    """The checked plan. Raises `InputError` saying which row, column or setting has to change."""
    from prefix_core.methods.settings import defaults
    from prefix_core.model.base import fastest_precision

    if form.sheet is None:
        raise InputError("There are no rows yet. Bring a file, paste rows, or try the sample set.")
    if form.method not in METHOD_CHOICES:
        raise InputError(f"There is no method '{form.method}'. Choose one of: {', '.join(METHOD_CHOICES)}.")
    check_columns(form.sheet, form.inputs, form.target)
    template = form.template.strip() or default_template(form.inputs)
    task = custom(template, form.target) if form.task == CUSTOM else get_task(form.task)
    rows = examples(form.sheet, task, form.inputs, form.target)
    _check_lengths(base, task, rows, limits)
    learn, held_out = split(rows, None, seed=0)
    precision = fastest_precision(base.device)
    methods = {"prefix": replace(prefix_settings(form), precision=precision)}
    if form.method == "both":
        # Every weight moves, so it knows the rows by heart sooner: half the steps, as in the paper's section 6.3.
        tuned = defaults("fine_tune", form.initial_words.strip())
        methods["fine_tune"] = replace(tuned, epochs=form.epochs / 2, batch=BATCH, least_steps=1, precision=precision)
    steps = sum(settings.steps_for(_count_texts(learn)) for settings in methods.values())
    if steps > limits.steps:
        raise InputError(f"That would be {steps:,} steps; {limits.steps:,} are allowed. Take fewer epochs or rows.")
    data = {
        "name": form.sheet.name,
        "rows": len(form.sheet.rows),
        "inputs": form.inputs,
        **template_card(template, form.target),
        **data_card(learn),
        "held_out": len(held_out),
        "terms": "brought by a visitor",
    }
    return TrainingPlan(PurePath(form.sheet.name).stem[:40], task, methods, learn, held_out, data)


def prefix_settings(form: TrainingForm) -> Settings:
    """Raises `InputError` for a setting out of its range."""
    from prefix_core.methods.settings import defaults

    for name, value, most in (
        ("prefix length", form.prefix_length, LONGEST_PREFIX),
        ("number of epochs", form.epochs, MOST_EPOCHS),
    ):
        if not isinstance(value, int | float) or not 1 <= value <= most:
            raise InputError(f"The {name} is {value}; it must be from 1 to {most}.")
    suited = defaults("prefix", form.initial_words.strip())
    rate = suited.learning_rate if form.learning_rate is None else form.learning_rate
    if not isinstance(rate, int | float) or not 0 < rate <= HIGHEST_RATE:
        raise InputError(f"The learning rate is {rate}; it must be above 0, up to {HIGHEST_RATE}.")
    return replace(
        suited,
        epochs=form.epochs,
        batch=BATCH,
        least_steps=1,
        prefix_length=int(form.prefix_length),
        learning_rate=rate,
    )


def describe_plan(plan: TrainingPlan, base: Base) -> str:
    """A plan in one line, before it begins."""
    from prefix_core.methods import prefix

    texts = _count_texts(plan.learn)
    steps = " + ".join(f"{settings.steps_for(texts)}" for settings in plan.methods.values())
    rates = " + ".join(f"{settings.learning_rate:g}" for settings in plan.methods.values())
    trained, kept = prefix.costs(base, plan.methods["prefix"])
    return (
        f"{texts} texts to learn from, {len(plan.held_out)} inputs held out · {steps} steps of "
        f"{min(BATCH, texts)} texts, learning rate {rates} · {number(trained)} parameters trained, "
        f"{number(kept)} of them kept, {share(kept, base.parameters)} of the base"
    )


def _count_texts(learn: list[Example]) -> int:
    return sum(len(example.references) for example in learn)


def _check_lengths(base: Base, task: Task, rows: list[Example], limits: Limits) -> None:
    most = min(limits.tokens, base.shape.positions - LONGEST_PREFIX)
    for row in rows:
        source = len(base.encode(task.prompt(row.source)))
        text = max(len(base.encode(reference)) for reference in row.references)
        if source + text > most:
            raise InputError(
                f"{row.id}: the input takes {source} tokens and its text {text}; together {most} are allowed. "
                "Shorten it, or remove the row."
            )
