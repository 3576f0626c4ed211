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

from prefix_core.data.examples import data_card, split
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.tasks.custom import custom, template_card
from prefix_core.ui.labels import number, share, size
from prefix_core.ui.train.estimate import copy_bytes, free_bytes
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.sheet import Sheet, check_columns, default_template, examples

if TYPE_CHECKING:
    from prefix_core.data.examples import Example
    from prefix_core.methods.settings import Settings
    from prefix_core.model.base import Base
    from prefix_core.tasks import Task

MOST_HELD_OUT = 20  # inputs: enough to see where it goes, and the others are learned from
LONGEST_PREFIX, MOST_EPOCHS, LOWEST_RATE, HIGHEST_RATE = 100, 100, 1e-6, 0.2


STARTS = {"rows": "an instruction and some of your rows", "words": "words, as in the paper"}
PACES = {"quick": "Quick", "thorough": "Thorough"}


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

    race: full fine-tuning beside the prefix. start: from `STARTS`; the words, and the length, are of "words" alone.
    epochs, learning_rate (of the prefix): None for what goes with the pace.
    """

    sheet: Sheet | None
    task: str
    inputs: list[str]
    target: str
    template: str = ""
    pace: str = "quick"
    race: bool = False
    start: str = "rows"
    prefix_length: int = 11
    initial_words: str = "table-to-text:"
    epochs: float | None = None
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
    """What is to be trained. name: of the prefix it will be; methods: each with its settings, the prefix first.

    tokens_a_text, target_tokens_a_text: of the examples learned from; watched_tokens: of those held out.
    """

    name: str
    task: Task
    methods: dict[str, Settings]
    learn: list[Example]
    held_out: list[Example]
    data: dict[str, Any]  # what the card says of the rows
    pace: str = "quick"
    tokens_a_text: float = 0.0
    target_tokens_a_text: float = 0.0
    watched_tokens: int = 0

    @property
    def texts(self) -> int:
        """To learn from."""
        return sum(len(example.references) for example in self.learn)


def make_plan(form: TrainingForm, base: Base, limits: Limits) -> TrainingPlan:
    """The checked plan. Raises `InputError` saying which row, column or setting has to change."""
    if form.sheet is None:
        raise InputError("There are no rows yet. Bring a file, paste rows, or try the sample set.")
    for name, value, known in (("pace", form.pace, PACES), ("start", form.start, STARTS)):
        if value not in known:
            raise InputError(f"There is no {name} '{value}'. Choose one of: {', '.join(known)}.")
    check_columns(form.sheet, form.inputs, form.target)
    template = form.template.strip() or default_template(form.inputs)
    task = custom(template, form.target) if form.task == CUSTOM else get_task(form.task)
    rows = examples(form.sheet, task, form.inputs, form.target)
    _check_lengths(base, task, rows, limits)
    learn, held_out = split(rows, None, seed=0)
    learn, held_out = learn + held_out[MOST_HELD_OUT:], held_out[:MOST_HELD_OUT]
    learn, methods = _methods(form, base, task, learn)
    texts = sum(len(example.references) for example in learn)
    steps = sum(settings.steps_for(texts) for settings in methods.values())
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
    name = PurePath(form.sheet.name).stem[:40]
    return TrainingPlan(name, task, methods, learn, held_out, data, form.pace, **_sizes(base, task, learn, held_out))


def _methods(
    form: TrainingForm, base: Base, task: Task, learn: list[Example]
) -> tuple[list[Example], dict[str, Settings]]:
    """The examples that are learned from, and each method's settings: rows that the prefix starts from are not both."""
    from prefix_core.methods.settings import defaults
    from prefix_core.training.few_rows import at_pace, from_rows

    _check_settings(form)
    words = form.initial_words.strip()
    if form.start == "rows":
        learn, settings = from_rows(base, task, learn)
    else:
        settings = replace(defaults("prefix", words), prefix_length=int(form.prefix_length))
    prefix = at_pace(base, settings, form.pace, learn).replaced(learning_rate=form.learning_rate)
    methods = {"prefix": prefix}
    if form.race:
        _check_memory(base)
        methods["fine_tune"] = at_pace(base, defaults("fine_tune", words), form.pace, learn, "fine_tune")
    if form.epochs is not None:
        for method, each in methods.items():
            methods[method] = replace(each, epochs=form.epochs, steps=None, least_steps=1)
    return learn, methods


def _check_settings(form: TrainingForm) -> None:
    """Raises `InputError` for a setting out of its range."""
    for name, value, least, most in (
        ("prefix length", form.prefix_length, 1, LONGEST_PREFIX),
        ("number of epochs", form.epochs, 1, MOST_EPOCHS),
        ("learning rate", form.learning_rate, LOWEST_RATE, HIGHEST_RATE),
    ):
        if value is not None and not (isinstance(value, int | float) and least <= value <= most):
            raise InputError(f"The {name} is {value}; it must be from {least} to {most}.")


def describe_plan(plan: TrainingPlan, base: Base) -> str:
    """A plan in one line, before it begins."""
    from prefix_core.methods import prefix

    settings = plan.methods["prefix"]
    steps = " + ".join(f"{each.steps_for(plan.texts)}" for each in plan.methods.values())
    rates = " + ".join(f"{each.learning_rate:g}" for each in plan.methods.values())
    trained, kept = prefix.costs(base, settings)
    shown = f", {len(settings.demonstrations)} to start from" if settings.demonstrations else ""
    parts = [
        f"{plan.texts} texts to learn from{shown}, {len(plan.held_out)} inputs held out",
        f"{steps} steps of {min(settings.batch, plan.texts)} texts, learning rate {rates}",
        f"{number(trained)} parameters trained, {number(kept)} kept, {share(kept, base.parameters)} of the base",
    ]
    if "fine_tune" in plan.methods:
        parts.append(f"fine-tuning beside it needs about {size(copy_bytes(base))} of memory")
    return " · ".join(parts)


def _check_memory(base: Base) -> None:
    """Fine-tuning is refused where it would take what others need. Raises `InputError`."""
    wanted, free = copy_bytes(base), free_bytes()
    if free is not None and free < wanted:
        raise InputError(
            f"Fine-tuning a copy of the model beside the prefix needs about {size(wanted)} of memory, and only "
            f"{size(free)} are free here. Untick the race to train the prefix alone."
        )


def _sizes(base: Base, task: Task, learn: list[Example], held_out: list[Example]) -> dict[str, Any]:
    """What the time of a training follows from: see `TrainingPlan`."""
    from prefix_core.training.few_rows import WATCHED

    def tokens(example: Example) -> list[tuple[int, int]]:
        source = len(base.encode(task.prompt(example.source)))
        return [(source, len(base.encode(reference))) for reference in example.references]

    learned = [pair for example in learn for pair in tokens(example)]
    texts = max(1, len(learned))
    targets = sum(target for _, target in learned)
    return {
        "tokens_a_text": (sum(source for source, _ in learned) + targets) / texts,
        "target_tokens_a_text": targets / texts,
        "watched_tokens": sum(map(sum, (pair for example in held_out[:WATCHED] for pair in tokens(example)))),
    }


def _check_lengths(base: Base, task: Task, rows: list[Example], limits: Limits) -> None:
    most = min(limits.tokens, base.shape.positions // 2)  # the prefix takes the rest, or less
    for row in rows:
        source = len(base.encode(task.prompt(row.source)))
        text = max(len(base.encode(reference)) for reference in row.references)
        if source + text > most:
            raise InputError(
                f"{row.id}: the input takes {source} tokens and its text {text}; together {most} are allowed. "
                "Shorten it, or remove the row."
            )
