"""Writes the comparisons the page opens on, wherever the weights have changed. Part of `rebuild`."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from prefix_core.artifacts.artifacts import folder_of
from prefix_core.studies.opening import FILE, Opening, fingerprint, load_opening, save_openings
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.writing.comparison import compare, scored
from prefix_core.writing.engine import Engine, load_engine
from prefix_core.writing.generate import Decoding


def precompute(base: str, root: Path | None, path: Path = FILE, report: Callable[[str], object] = print) -> None:
    """Write every task's opening on `base` to `path`; one made with these weights and methods is kept as it is."""
    engine = load_engine(base, root)
    openings = []
    for task in (task for name, task in TASKS.items() if name != CUSTOM):
        known = load_opening(base, root, task.name, path)
        fits = known is not None and known.folders == folders(engine, task)
        opening = known if fits else make_opening(engine, task)
        if opening:
            openings.append(opening)
            report(f"{path.name}, {opening.task}: {'up to date' if fits else 'written anew'}")
    save_openings(openings, path)


def folders(engine: Engine, task: Task) -> tuple[str, ...]:
    """The artifacts that the opening shows, relative to the artifact root."""
    trained = [method for method in offered(engine, task) if method != "prompt"]
    places = (folder_of(engine.base, task.name, method, engine.root) for method in trained)
    return tuple(place.relative_to(engine.root).as_posix() for place in places)


def offered(engine: Engine, task: Task) -> list[str]:
    return [method for method, obstacle in engine.obstacles(task).items() if not obstacle]


def make_opening(engine: Engine, task: Task) -> Opening | None:
    """The task's last featured example, written greedily by every method; None if nothing is trained for the task."""
    artifacts = folders(engine, task)
    if not artifacts:
        return None
    source = task.featured()[-1].source
    for _ in range(2):  # the second run counts: by then everything is loaded
        *_, panes = compare(engine, task, source, offered(engine, task), Decoding())
    return Opening(
        base=engine.base.name,
        base_hash=engine.base.weights_hash,
        folders=artifacts,
        weights=fingerprint(engine.root, artifacts),
        task=task.name,
        text=task.to_text(source),
        panes=tuple(scored(panes, task.references_of(source))),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        created=time.strftime("%Y-%m-%d"),
    )
