"""The prefixes that a visitor can choose: those shipped for the base, and the visitor's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefix_core.errors import InputError
from prefix_core.tasks import TASKS, Task
from prefix_core.ui.engine import Engine

if TYPE_CHECKING:
    from prefix_core.methods.method import Steered
    from prefix_core.ui.visitors import Moment, Visitor

OWN = "own: "


@dataclass(frozen=True)
class Choice:
    """A prefix by the name it is chosen by: its task's, or "own: " and the name that its visitor gave it."""

    name: str
    title: str
    task: Task
    steered: Steered
    moments: tuple[Moment, ...] = ()


def choices(engine: Engine, visitor: Visitor | None = None) -> dict[str, Choice]:
    """Name -> choice, the shipped ones first. A shipped one that cannot be read is left out."""
    found = {}
    for task in TASKS.values():
        if not engine.offered(task)["prefix"]:
            found[task.name] = Choice(task.name, task.title, task, engine.steer(task, "prefix", 0))
    for own in list(visitor.prefixes.values()) if visitor else ():
        found[OWN + own.name] = Choice(OWN + own.name, f"{own.name} (yours)", own.task, own.steered, own.moments)
    return found


def chosen(offered: dict[str, Choice], names: list[str]) -> list[Choice]:
    """The choices of these names. Raises `InputError` for one that is not offered."""
    if unknown := [name for name in names if name not in offered]:
        raise InputError(f"There is no prefix '{unknown[0]}'. Choose from: {', '.join(offered) or 'none, so far'}.")
    return [offered[name] for name in names]
