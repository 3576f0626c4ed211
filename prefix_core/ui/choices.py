"""What a visitor can choose: task cards and prefixes, those that come with the program and the visitor's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.ui.labels import TASK_KINDS

if TYPE_CHECKING:  # at run time they would import torch
    from prefix_core.artifacts.artifacts import Card
    from prefix_core.methods.method import Steered
    from prefix_core.methods.prefix import History
    from prefix_core.model.base import Base
    from prefix_core.ui.kept import Moment, OwnPrefix
    from prefix_core.ui.visitors import Visitor
    from prefix_core.writing.engine import Engine

OWN = "own: "  # before the name of a visitor's own prefix, wherever things are chosen by name
MOST_EXAMPLES = 6  # to click, for each task


@dataclass(frozen=True)
class TaskCard:
    """A task to compare methods on. key: the task's name, or `OWN` and the name of the visitor's prefix for it."""

    key: str
    task: Task
    own: OwnPrefix | None = None

    @property
    def label(self) -> str:
        """Two lines: the name, and what goes in and comes out; of a visitor's own, which columns."""
        if self.own is None:
            return f"{self.task.title}\n{TASK_KINDS[self.task.kind]}"
        columns = ", ".join(re.findall(r"{([^{}]*)}", self.form))
        goes = f"{columns} → {self.own.card.data.get('target')}" if columns else TASK_KINDS[self.task.kind]
        return f"{self.own.name}\nyours · {goes}"

    @property
    def form(self) -> str:
        """How an input of a visitor's own task is written; "" where the task has notations of its own."""
        data = self.own.card.data if self.own and self.own.card and self.task.name == CUSTOM else {}
        return str(data.get("template", ""))

    @property
    def examples(self) -> list[Example]:
        """To click: of a visitor's own prefix, rows that were held out of its training."""
        held_out = list(self.own.examples) if self.own else []
        return held_out[:MOST_EXAMPLES] or self.task.featured(MOST_EXAMPLES)

    def references_of(self, source: Any) -> tuple[str, ...]:
        """What people wrote for an input, where it is one of the card's examples or of the task's."""
        own = (example.references for example in self.examples if example.source == source)
        return next(own, None) or self.task.references_of(source)

    def obstacles(self, engine: Engine) -> dict[str, str]:
        """Method -> "" where it can run, otherwise the reason. A visitor's own prefix comes before what is shipped."""
        shipped = engine.obstacles(self.task) if self.task.name in SHIPPED_CARDS else {"prompt": ""}
        return ({"own": ""} if self.own else {}) | shipped


SHIPPED_CARDS = {task.name: TaskCard(task.name, task) for task in TASKS.values() if task.name != CUSTOM}


def task_cards(visitor: Visitor | None = None) -> list[TaskCard]:
    """All the cards a visitor has."""
    own = list(visitor.prefixes.values()) if visitor else []
    return [*SHIPPED_CARDS.values(), *(TaskCard(OWN + prefix.name, prefix.task, prefix) for prefix in own)]


def find_card(key: str, visitor: Visitor | None = None) -> TaskCard:
    """The card with that key. Raises `InputError` if there is none, or none any more."""
    card = {card.key: card for card in task_cards(visitor)}.get(key)
    if card is None and key.startswith(OWN):
        raise InputError(f"The prefix “{key.removeprefix(OWN)}” is not here: it is another visitor's, or was removed.")
    if card is None:
        raise InputError(f"There is no task “{key}”. Choose one of: {', '.join(SHIPPED_CARDS)}.")
    return card


@dataclass(frozen=True)
class PrefixChoice:
    """A prefix. name: its task's, or `OWN` and the name its visitor gave it; moments: how training moved it."""

    name: str
    title: str
    task: Task
    steered: Steered
    card: Card | None
    moments: tuple[Moment, ...] = ()

    def history(self, base: Base) -> History:
        """Where it comes from. Raises `InputError` if nothing is known of that."""
        from prefix_core.methods.prefix import history_of
        from prefix_core.model.prefix import Prefix

        if self.steered.prefix is None:
            raise InputError(f"{self.title} is no prefix.")
        noted = [(then.step, Prefix(then.keys.float(), then.values.float())) for then in self.moments]
        settings, last = (self.card.settings, self.card.best_step or self.card.steps) if self.card else ({}, 0)
        return history_of(base, self.steered.prefix, settings, last or (noted[-1][0] if noted else 0), noted)


def prefix_choices(engine: Engine, visitor: Visitor | None = None) -> dict[str, PrefixChoice]:
    """Name -> prefix, the shipped ones first. A shipped one that cannot be read is left out."""
    choices = {}
    for task in TASKS.values():
        if not engine.obstacles(task)["prefix"]:
            choices[task.name] = PrefixChoice(task.name, task.title, task, *engine.artifact(task, "prefix"))
    for own in list(visitor.prefixes.values()) if visitor else ():
        name = OWN + own.name
        choices[name] = PrefixChoice(name, f"{own.name} (yours)", own.task, own.steered, own.card, own.moments)
    return choices


def pick_prefixes(choices: dict[str, PrefixChoice], names: list[str]) -> list[PrefixChoice]:
    """The prefixes with these names. Raises `InputError` for a name that is not among the choices."""
    if unknown := [name for name in names if name not in choices]:
        raise InputError(f"There is no prefix '{unknown[0]}'. Choose from: {', '.join(choices) or 'none, so far'}.")
    return [choices[name] for name in names]
