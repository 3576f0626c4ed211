"""What a prefix writes for held-out rows: as it starts, while it is trained, and at the end, to be scored.

The app's own model writes it, at the desk where it writes for everybody, with the parameters that the training has
saved: the process that trains holds no model that could write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefix_core.errors import PrefixError
from prefix_core.memory import give_back
from prefix_core.ui.train import on_disk

if TYPE_CHECKING:
    from prefix_core.data.examples import Example
    from prefix_core.methods.method import Steered
    from prefix_core.model.base import Base
    from prefix_core.ui.train.runs import TrainingRun
    from prefix_core.writing.engine import Engine

SHOWN = 3  # held-out inputs whose outputs are shown as they change
SCORED = 20  # held-out inputs that are scored at the end


def tell(run: TrainingRun, folder: Path, event: dict[str, Any]) -> None:
    """Take in what has happened, for the page and for a restart."""
    run.take(event)
    on_disk.note(folder, event)


def saved(base: Base, folder: Path, step: int) -> Steered:
    """The base steered by the prefix as it was after a step. Raises `PrefixError`."""
    from prefix_core.artifacts.peft_format import read_tensors
    from prefix_core.methods import prefix

    return prefix.steer(base, read_tensors([folder / f"{step}.safetensors"]))


def write_first(engine: Engine, run: TrainingRun) -> None:
    """What the prefix writes as it starts: seconds before the process has loaded a model."""
    from prefix_core.methods import prefix

    base, task = engine.base, run.plan.task
    shown = run.plan.held_out[:SHOWN]
    run.inputs = [task.linearize(example.source) for example in shown]
    try:
        steered = prefix.steer_from_start(base, run.plan.methods["prefix"])
    except PrefixError:  # the process meets it, too, and says so
        return
    give_back()
    run.start = [""] * len(shown)
    for place, text in writing(engine, run, steered, shown):
        run.start[place] = text
        run.version += 1


def write_samples(engine: Engine, run: TrainingRun, folder: Path, step: int, steered: Steered) -> None:
    """What the prefix writes as it was after a step, while the next ones are taken."""
    outputs = written(engine, run, steered, run.plan.held_out[:SHOWN])
    if not (run.over or run.stopped):
        tell(run, folder, {"at": "samples", "method": "prefix", "step": step, "outputs": outputs})


def score(engine: Engine, run: TrainingRun, folder: Path) -> None:
    """Three rows of the table of scores: the prefix as it started, as it was kept, and a prompt."""
    from prefix_core.methods import prompt
    from prefix_core.studies import evaluate

    progress, base = run.method("prefix"), engine.base
    if progress is None or not progress.best_step:
        return
    scored = run.plan.held_out[:SCORED]
    rows = {"before": saved(base, folder, 0), "prefix": saved(base, folder, progress.best_step)}
    for row, steered in {**rows, "prompt": prompt.steer(base, run.plan.task)}.items():
        outputs = written(engine, run, steered, scored)
        if run.stopped:
            return
        scores = evaluate.score(run.plan.task, outputs, scored)
        tell(run, folder, {"at": "scores", "row": row, "scores": scores, "outputs": outputs[:SHOWN]})


def written(engine: Engine, run: TrainingRun, steered: Steered, examples: Sequence[Example]) -> list[str]:
    """What is written for the examples, once that is done, or the run is not wanted any more."""
    outputs = [""] * len(examples)
    for place, text in writing(engine, run, steered, examples):
        outputs[place] = text
    return outputs


def writing(
    engine: Engine, run: TrainingRun, steered: Steered, examples: Sequence[Example]
) -> Iterator[tuple[int, str]]:
    """The place of an example, and its text so far, greedily, as long as the run is wanted."""
    from prefix_core.writing.generate import Decoding, Request

    requests = [Request(steered, run.plan.task, example.source) for example in examples]
    for event in engine.desk.stream(requests, Decoding(too_long="cut"), lambda: run.over or run.stopped):
        yield event.pane, event.text
