"""The cards to choose a task by: the shipped tasks, and the prefixes a visitor trained or brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, Task
from prefix_core.ui.engine import METHODS, Engine
from prefix_core.ui.prefixes import OWN

if TYPE_CHECKING:
    from prefix_core.ui.visitors import OwnPrefix, Visitor

MOST_EXAMPLES = 6  # to click, of each task
KINDS = {"table": "table → text", "triples": "triples → text", "text": "article → one sentence"}


@dataclass(frozen=True)
class TaskCard:
    """A task, or a visitor's prefix for one. key: the task's name, or `OWN` and the prefix's."""

    key: str
    task: Task
    own: OwnPrefix | None = None

    @property
    def label(self) -> str:
        """Two lines: what it is called, and what goes in and comes out."""
        kind = KINDS[self.task.kind]
        return f"{self.own.name}\nyours · {kind}" if self.own else f"{self.task.title}\n{kind}"

    @property
    def examples(self) -> list[Example]:
        """The featured ones of our own writing, or the first where none is."""
        pool = self.task.pool()
        return ([example for example in pool if example.featured] or pool)[:MOST_EXAMPLES]

    def offered(self, engine: Engine) -> dict[str, str]:
        """Method -> "" where it can be run, else why it cannot. An own prefix stands before what is shipped."""
        shipped = engine.offered(self.task) if self.task.name in SHIPPED else {"prompt": ""}
        return ({"own": ""} if self.own else {}) | shipped


SHIPPED = {task.name: TaskCard(task.name, task) for task in TASKS.values() if task.name != "custom"}
ALL_METHODS = ("own", *METHODS)


def cards(visitor: Visitor | None = None) -> list[TaskCard]:
    """All cards there are for a visitor."""
    own = list(visitor.prefixes.values()) if visitor else []
    return [*SHIPPED.values(), *(TaskCard(OWN + prefix.name, prefix.task, prefix) for prefix in own)]


def find(key: str, visitor: Visitor | None = None) -> TaskCard:
    """The card of that key. Raises `InputError` where there is none, or none any more."""
    found = {card.key: card for card in cards(visitor)}.get(key)
    if found is None and key.startswith(OWN):
        raise InputError(f"The prefix “{key.removeprefix(OWN)}” is not here: it is another visitor's, or was removed.")
    if found is None:
        raise InputError(f"There is no task “{key}”. Choose one of: {', '.join(SHIPPED)}.")
    return found
