"""The tasks by name. A new task is a new file and one line here."""

from prefix_core.errors import InputError
from prefix_core.tasks.dart import DART
from prefix_core.tasks.e2e import E2E
from prefix_core.tasks.task import Task
from prefix_core.tasks.webnlg import WEBNLG

TASKS: dict[str, Task] = {task.name: task for task in (E2E, WEBNLG, DART)}


def get_task(name: str) -> Task:
    """The task called `name`. Raises `InputError` listing the names there are."""
    if name not in TASKS:
        raise InputError(f"There is no task '{name}'. Choose one of: {', '.join(TASKS)}.")
    return TASKS[name]


__all__ = ["TASKS", "Task", "get_task"]
