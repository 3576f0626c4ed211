"""Writes what the page opens on, its comparisons and the first look inside, wherever the weights have changed.

Part of `rebuild`.
"""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

from prefix_core.artifacts.artifacts import folder_of
from prefix_core.methods.prefix import history_of
from prefix_core.studies.acts import to_json, where_it_acts
from prefix_core.studies.opening import (
    COMPARISONS,
    FIRST_LOOK,
    FirstLook,
    Opening,
    fingerprint,
    load_first_look,
    load_opening,
    save_first_look,
    save_openings,
)
from prefix_core.studies.token_space import Space
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.writing.comparison import compare, scored
from prefix_core.writing.engine import Engine, load_engine
from prefix_core.writing.generate import Decoding, Request, write


def precompute(
    base: str,
    root: Path | None,
    path: Path = COMPARISONS,
    report: Callable[[str], object] = print,
    look_path: Path = FIRST_LOOK,
) -> None:
    """Write every task's opening on `base` to `path`, and the first look inside to `look_path`.

    What was made with these weights and methods is kept as it is.
    """
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
    if load_first_look(base, root, look_path):
        report(f"{look_path.name}: up to date")
    elif look := make_first_look(engine):
        save_first_look(look, look_path)
        report(f"{look_path.name}, {look.task}: written anew")


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
        *_, panes = compare(engine, task, [source], offered(engine, task), Decoding())
    return Opening(
        base=engine.base.name,
        base_hash=engine.base.weights_hash,
        folders=artifacts,
        weights=fingerprint(engine.root, artifacts),
        task=task.name,
        text=task.to_text(source),
        panes=tuple(scored(panes, task.references_of(source))),
        machine=_machine(),
        created=time.strftime("%Y-%m-%d"),
    )


def make_first_look(engine: Engine) -> FirstLook | None:
    """The prefix of the first task that has one, at work in what it writes for the task's last featured example, and
    its keys in the middle layer; None if no task has one."""
    base = engine.base
    task = next((task for task in TASKS.values() if not engine.obstacles(task)["prefix"]), None)
    if task is None or base.begin:
        return None
    steered, card = engine.artifact(task, "prefix")
    assert steered.prefix is not None
    history = history_of(base, steered.prefix, card.settings, card.best_step or card.steps)
    request = Request(steered, task, task.featured()[-1].source)
    acts = where_it_acts(base, request, write(base, [request])[0], history.start)
    folder = folder_of(base, task.name, "prefix", engine.root).relative_to(engine.root).as_posix()
    space, name = Space(base), task.name
    return FirstLook(
        base=base.name,
        folder=folder,
        weights=fingerprint(engine.root, (folder,)),
        task=name,
        label=task.label(request.source),
        machine=_machine(),
        created=time.strftime("%Y-%m-%d"),
        layers=base.shape.layers,
        start=history.words,
        places=to_json(acts, by_head=True),
        view=space.view({name: steered.prefix}, base.shape.layers // 2, histories={name: history}),
    )


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}"
