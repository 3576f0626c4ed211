"""A training goes on after the program has ended, however it ended, and what is half written is not read."""

# ruff: noqa: F811 (fixtures of another test file)

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefix_core.model.base import Base
from prefix_core.ui.kept import Kept
from prefix_core.ui.loading import Loading
from prefix_core.ui.train import on_disk
from prefix_core.ui.train.plan import make_plan
from prefix_core.ui.train.queue import ENDING, TrainingQueue, end_trainings
from prefix_core.ui.train.runs import TrainingRun
from prefix_core.ui.train.sheet import Sheet
from prefix_core.ui.train.worker import CHECKPOINT
from prefix_core.ui.visitors import Visitors
from tests.ui.train.test_runs import LIMITS, form, loading, sheet, until  # noqa: F401 (fixtures)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    yield Kept(tmp_path / "visitors")
    ENDING.clear()


def program(kept: Kept, loading: Loading) -> tuple[Visitors, TrainingQueue]:
    """One that has just started."""
    ENDING.clear()
    visitors = Visitors(kept=kept)
    queue = TrainingQueue(loading, visitors, LIMITS)
    visitors.restore(loading.wait().base)
    visitors._restored.set()
    return visitors, queue


def finish(run: TrainingRun) -> None:
    until(lambda: run.over, 400)  # a process has to start, again
    assert run.state == "done", run.error


def test_a_training_goes_on_from_where_it_was_saved(kept: Kept, sheet: Sheet, tiny: Base, loading: Loading) -> None:
    visitors, queue = program(kept, loading)
    visitor = visitors.visit()
    run = queue.add(make_plan(form(sheet, epochs=10), tiny, LIMITS), visitor)
    until(lambda: run.methods and run.methods[0].step > 5)
    began = time.monotonic()
    end_trainings(10.0)
    assert time.monotonic() - began < 10
    folder = kept.folder(visitor.token) / "training"
    assert (folder / CHECKPOINT).exists() and not list(folder.glob("*.part"))
    with (folder / on_disk.EVENTS).open("a") as events:
        events.write('{"at": "step", "method": "pre')  # as one killed in the middle of a line leaves it
    visitors, _ = program(kept, loading)
    again = visitors.get(visitor.token).training
    assert again is not None and again.methods[0].step >= 5
    for name in ("name", "methods", "data", "pace", "tokens_a_text", "watched_tokens"):
        assert getattr(again.plan, name) == getattr(run.plan, name)
    for then, now in ((run.plan.learn, again.plan.learn), (run.plan.held_out, again.plan.held_out)):
        assert [(one.source, one.references) for one in then] == [(one.source, one.references) for one in now]
    finish(again)
    begun = [event for event in map(json.loads, _whole(folder / on_disk.EVENTS)) if event["at"] == "begin"]
    assert [event["step"] > 0 for event in begun] == [False, True]  # the second time not from its start
    assert len(again.methods) == 1 and again.methods[0].step == again.methods[0].steps
    assert list(visitors.get(visitor.token).prefixes) == [again.prefix]
    visitors, _ = program(kept, loading)
    found = visitors.get(visitor.token)
    assert found.training is not None and found.training.state == "done" and found.training.prefix in found.prefixes
    assert found.training.methods[0].losses == again.methods[0].losses


def test_killed_with_its_program_nothing_is_half_written(
    kept: Kept, sheet: Sheet, tiny: Base, loading: Loading
) -> None:
    visitors, queue = program(kept, loading)
    visitor = visitors.visit()
    run = queue.add(make_plan(form(sheet), tiny, LIMITS), visitor)
    until(lambda: run.methods and run.methods[0].step > 1)
    ENDING.set()  # so that this program, too, has no last word
    assert run.process is not None
    os.kill(run.process.pid, signal.SIGKILL)
    until(lambda: run.over)
    folder = kept.folder(visitor.token) / "training"
    (folder / (CHECKPOINT + ".part")).write_bytes(b"half")
    (folder / "unfinished").write_bytes(b"half")
    visitors, _ = program(kept, loading)
    again = visitors.get(visitor.token).training
    assert again is not None
    finish(again)
    visitors.forget(visitor.token)
    assert not folder.exists()


def test_a_plan_of_another_version_is_passed_over(
    kept: Kept, sheet: Sheet, tiny: Base, loading: Loading, tmp_path: Path
) -> None:
    folder = tmp_path / "training"
    assert on_disk.find(folder) is None
    on_disk.begin(folder, make_plan(form(sheet), tiny, LIMITS), "{}")
    assert on_disk.find(folder) is None
    (folder / on_disk.PLAN).write_text('{"name": "x", "jo')
    assert on_disk.find(folder) is None
    shutil.rmtree(folder)
    on_disk.note(folder, {"at": "loaded"})
    assert not folder.exists()


def _whole(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            json.loads(line)
        except ValueError:
            continue
        yield line
