"""The tasks by name. A new task is a new file and one line here; a person's own task is made by `custom`."""

from collections.abc import Mapping
from typing import Any

from prefix_core.errors import InputError
from prefix_core.tasks import custom
from prefix_core.tasks.dart import DART
from prefix_core.tasks.e2e import E2E
from prefix_core.tasks.innkeeper import INNKEEPER
from prefix_core.tasks.summarization import SUMMARIZATION
from prefix_core.tasks.task import Task
from prefix_core.tasks.webnlg import WEBNLG

TASKS: dict[str, Task] = {task.name: task for task in (E2E, WEBNLG, DART, SUMMARIZATION, INNKEEPER)}
MEASURED = tuple(name for name in TASKS if name != INNKEEPER.name)  # with published sets to be trained and scored on


def get_task(name: str) -> Task:
    """The task called `name`. Raises `InputError` listing the names there are."""
    if name not in TASKS:
        raise InputError(f"There is no task '{name}'. Choose one of: {', '.join(TASKS)}.")
    return TASKS[name]


def task_of(name: str, data: Mapping[str, Any]) -> Task:
    """The task of an artifact, by its card's `task` and `data` (which remember a custom task's template)."""
    return custom.of_data(data) if name == custom.NAME else get_task(name)


__all__ = ["MEASURED", "TASKS", "Task", "get_task", "task_of"]
