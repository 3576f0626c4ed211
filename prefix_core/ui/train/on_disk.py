"""A training on disk: its plan, and what its process has told, so that it goes on after the program was killed.

The plan is written whole or not at all; of what was told, a last line that was broken off is left out.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefix_core.tasks import task_of
from prefix_core.ui.kept import told, write_whole

if TYPE_CHECKING:
    from prefix_core.ui.train.plan import TrainingPlan

PLAN, EVENTS = "plan.json", "events.jsonl"
COUNTS = ("name", "pace", "tokens_a_text", "target_tokens_a_text", "watched_tokens")  # what a job does not say


def begin(folder: Path, plan: TrainingPlan, job: str) -> None:
    """A new training in this folder, in place of an older one. job: the plan as the process is told it."""
    with told("a training"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        content = {name: getattr(plan, name) for name in COUNTS} | {"job": job}
        write_whole(folder / PLAN, json.dumps(content).encode())


def note(folder: Path, event: dict[str, Any]) -> None:
    """Add what has happened. Does nothing in a folder where no training was begun."""
    if (folder / PLAN).exists():
        with told("how a training goes"), (folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


def find(folder: Path) -> tuple[TrainingPlan, list[dict[str, Any]]] | None:
    """The plan and what has happened of it; None where there is none, or none that this version can read."""
    from prefix_core.ui.train.plan import TrainingPlan
    from prefix_core.ui.train.worker import from_json

    try:
        content = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        job = from_json(content.pop("job"))
        plan = TrainingPlan(
            task=task_of(job.task, job.data), methods=job.methods, learn=job.learn, held_out=job.held_out,
            data=job.data, **content,
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return plan, _events(folder / EVENTS)


def _events(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:  # broken off
            continue
    return events
