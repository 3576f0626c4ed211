"""A training from plan to prefix: reported as it goes, stopped at any moment, one at a time, for its visitor alone."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.errors import ArtifactError, InputError
from prefix_core.model.base import Base
from prefix_core.places import ASSETS
from prefix_core.ui.labels import duration
from prefix_core.ui.loading import Loading
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.own import bring_prefix, prefix_zip
from prefix_core.ui.train.plan import TrainingForm, describe_plan, make_plan
from prefix_core.ui.train.queue import TrainingQueue
from prefix_core.ui.train.runs import TrainingRun
from prefix_core.ui.train.sheet import Sheet, read_file
from prefix_core.ui.train.views import loss_plot, preview_html, progress_html, samples_html, scores_html, smoothed
from prefix_core.ui.visitors import Visitor, Visitors
from prefix_core.writing.generate import Request, write

LIMITS = Limits(waiting=2)
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return read_file(ASSETS / "examples" / "training_sample.csv", LIMITS)


@pytest.fixture(scope="module")
def loading(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Loading:
    loading = Loading(tiny.name, tmp_path_factory.mktemp("none")).start()
    loading.wait()
    return loading


@pytest.fixture(scope="module")
def visitors() -> Visitors:
    return Visitors()


@pytest.fixture
def visitor(visitors: Visitors) -> Iterator[Visitor]:
    visitor = visitors.visit()
    yield visitor
    visitors.forget(visitor.token)


@pytest.fixture(scope="module")
def queue(loading: Loading, visitors: Visitors) -> TrainingQueue:
    return TrainingQueue(loading, visitors, LIMITS)


def form(sheet: Sheet, **changes: object) -> TrainingForm:
    inputs, target = sheet.guess
    fields = {"start": "words", "prefix_length": 4, "initial_words": "words:", "epochs": 2, "learning_rate": 0.01}
    return TrainingForm(sheet, "custom", inputs, target, **(fields | changes))  # type: ignore[arg-type]


def until(found: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def finish(run: TrainingRun) -> TrainingRun:
    until(lambda: run.over)
    assert run.state == "done", run.error
    return run


@pytest.fixture(scope="module")
def done(sheet: Sheet, tiny: Base, visitors: Visitors, queue: TrainingQueue) -> tuple[TrainingRun, Visitor]:
    """A race of both methods, over."""
    visitor = visitors.visit()
    return finish(queue.add(make_plan(form(sheet, race=True), tiny, LIMITS), visitor)), visitor


def test_a_run_tells_everything_and_leaves_a_prefix(done: tuple[TrainingRun, Visitor], tiny: Base) -> None:
    run, visitor = done
    prefix, tuned = run.methods
    assert (prefix.method, tuned.method) == ("prefix", "fine_tune")
    assert prefix.step == prefix.steps == tuned.steps == 10  # 40 texts, 8 a step, 2 epochs
    assert len(prefix.times) == 10 and prefix.times == sorted(prefix.times)
    assert len(run.start) == 3  # written before anything was learned
    assert prefix.held_out[prefix.best_step] == min(loss for step, loss in prefix.held_out.items() if step)
    assert set(run.scores) == {"before", "prefix", "fine_tune", "prompt"}
    assert len(run.inputs) == 3 and run.inputs[0].startswith("name : ")
    own = visitor.prefixes[run.prefix]
    assert own.name == "training_sample" and own.task.name == "custom"
    assert own.card.data["template"].startswith("name : {name}") and own.card.best_step == prefix.best_step
    assert own.card.scores and own.moments[0].step == 0 and len(own.moments) == 3
    assert own.bytes > 4 * own.steered.kept
    outputs = write(tiny, [Request(own.steered, own.task, example.source) for example in run.plan.held_out[:3]])
    assert outputs == run.outputs["prefix"]  # what is kept writes what was shown


def test_what_is_shown_of_a_run(done: tuple[TrainingRun, Visitor]) -> None:
    run, _ = done
    line = progress_html(run)
    assert "Trained in" in line and "“training_sample”" in line and 'data-state="done"' in line
    shown = samples_html(run)
    for words in ("before training", "Prefix-tuned", "Fine-tuned", "Prompted", "from your rows"):
        assert shown.count(f"<b>{words}</b>") == 3, words
    scores = scores_html(run)
    assert scores.count("<tr data-row=") == 4 and "BLEU" in scores and "held-out loss" in scores
    plot = loss_plot(run.methods)
    assert len(plot.data) == 6 and len(plot.data[0].y) == 10 and plot.data[2].x[0] == 0
    assert all(clock.count(" s</span>") == 2 for clock in plot.layout.xaxis.ticktext[1:])  # the seconds of each


def test_stop_frees_the_processor_and_keeps_the_best(
    sheet: Sheet, tiny: Base, visitor: Visitor, queue: TrainingQueue
) -> None:
    run = queue.add(make_plan(form(sheet, epochs=100), tiny, LIMITS), visitor)
    until(lambda: run.methods and run.methods[0].best_step)
    process = run.process
    assert process is not None
    run.stop()
    assert process.wait(1) != 0
    until(lambda: run.over)
    assert run.state == "stopped" and run.methods[0].step < 500
    assert visitor.prefixes[run.prefix].card.ended == "stopped"
    assert "is saved as" in progress_html(run)


def test_either_of_a_race_is_stopped_while_the_other_goes_on(
    sheet: Sheet, tiny: Base, visitor: Visitor, queue: TrainingQueue
) -> None:
    run = queue.add(make_plan(form(sheet, race=True, epochs=8), tiny, LIMITS), visitor)
    until(lambda: (tuned := run.method("fine_tune")) and tuned.step)
    run.stop_method("fine_tune")
    finish(run)
    prefix, tuned = run.method("prefix"), run.method("fine_tune")
    assert prefix is not None and tuned is not None
    assert prefix.step == 40 and tuned.step < 40 and tuned.ended == "stopped by you"
    assert "Fine-tuned: stopped by you" in progress_html(run)


def test_where_a_race_is_broken_off_the_prefix_goes_on_alone(
    sheet: Sheet, tiny: Base, visitor: Visitor, queue: TrainingQueue
) -> None:
    run = queue.add(make_plan(form(sheet, race=True, epochs=8), tiny, LIMITS), visitor)
    until(lambda: (tuned := run.method("fine_tune")) and tuned.step)
    assert run.process is not None
    run.process.kill()  # as the system does where memory is short
    finish(run)
    prefix, tuned = run.method("prefix"), run.method("fine_tune")
    assert prefix is not None and tuned is not None
    assert prefix.step == prefix.steps == 40 and tuned.step < 40
    assert "the prefix goes on alone" in progress_html(run) and run.prefix in visitor.prefixes


def test_others_wait_with_their_place_and_leave_the_queue_when_stopped(
    sheet: Sheet, tiny: Base, visitors: Visitors, queue: TrainingQueue
) -> None:
    people = [visitors.visit() for _ in range(4)]
    long = make_plan(form(sheet, epochs=100), tiny, LIMITS)
    first = queue.add(long, people[0])
    until(lambda: first.state != "waiting")
    second, third = (queue.add(long, person) for person in people[1:3])
    assert [run.ahead for run in (first, second, third)] == [0, 1, 2]
    line = progress_html(third)
    assert "Waiting: 2 trainings before yours" in line and "expected to begin in about" in line
    assert third.starts_in > second.starts_in > 0
    with pytest.raises(InputError, match="2 others are waiting"):
        queue.add(long, people[3])
    with pytest.raises(InputError, match="on already"):
        queue.add(long, people[0])
    second.stop()
    assert second.over and third.ahead == 1
    visitors.forget(people[2].token)  # who is forgotten waits no longer
    assert third.over
    first.stop()
    until(lambda: first.over)


def test_a_form_is_checked_before_anything_begins(sheet: Sheet, tiny: Base) -> None:
    for changes, message in (
        ({"sheet": None}, "no rows yet"),
        ({"pace": "slow"}, "no pace 'slow'"),
        ({"start": "nothing"}, "no start 'nothing'"),
        ({"prefix_length": 1000}, "prefix length is 1000"),
        ({"epochs": 1000}, "number of epochs is 1000"),
        ({"learning_rate": -1}, "learning rate is -1"),
        ({"template": "{nme}"}, "nme"),
        ({"template": "always the same"}, "always the same"),
        ({"task": "poems"}, "no task 'poems'"),
        ({"inputs": []}, "No column is chosen"),
    ):
        wrong = TrainingForm(**(vars(form(sheet)) | changes))  # type: ignore[arg-type]
        with pytest.raises(InputError, match=message):
            make_plan(wrong, tiny, LIMITS)
    with pytest.raises(InputError, match="40 are allowed"):
        make_plan(form(sheet, epochs=100), tiny, Limits(steps=40))
    with pytest.raises(InputError, match=r"row 2: the input takes \d+ tokens"):
        make_plan(form(sheet), tiny, Limits(tokens=20))
    assert "40 texts to learn from, 12 inputs held out · 10 steps of 8" in describe_plan(
        make_plan(form(sheet), tiny, LIMITS), tiny
    )


def test_it_trains_in_what_this_processor_is_fastest_in(
    sheet: Sheet, tiny: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    for native, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("prefix_core.model.base.native_bf16", lambda native=native: native)
        methods = make_plan(form(sheet, race=True), tiny, LIMITS).methods
        assert {method: settings.precision for method, settings in methods.items()} == {
            "prefix": precision,
            "fine_tune": precision,
        }


def test_a_fault_is_told_and_the_next_run_goes(
    sheet: Sheet, tiny: Base, visitor: Visitor, queue: TrainingQueue
) -> None:
    planned = make_plan(form(sheet), tiny, LIMITS)
    planned.methods["prefix"] = planned.methods["prefix"].replaced(prefix_length=5000)
    run = queue.add(planned, visitor)
    until(lambda: run.over)
    assert run.state == "failed" and "leaves no room" in run.error
    assert "leaves no room" in progress_html(run)
    finish(queue.add(make_plan(form(sheet), tiny, LIMITS), visitor))


def test_a_prefix_is_taken_home_and_brought_back(
    done: tuple[TrainingRun, Visitor],
    visitor: Visitor,
    visitors: Visitors,
    loading: Loading,
    tiny: Base,
    tmp_path: Path,
) -> None:
    run, owner = done
    own = owner.prefixes[run.prefix]
    taken = tmp_path / "mine.zip"
    shutil.copy(prefix_zip(loading, owner, own.name), taken)
    again = bring_prefix(loading, visitors, visitor, taken)
    assert not taken.exists() and visitor.prefixes == {"mine": again}
    assert again.card == own.card.__class__(**(vars(own.card) | {"bytes": again.card.bytes}))
    source = run.plan.held_out[0].source
    assert write(tiny, [Request(again.steered, again.task, source)]) == write(
        tiny, [Request(own.steered, own.task, source)]
    )
    with pytest.raises(InputError, match="You have no prefix 'theirs'"):
        prefix_zip(loading, visitor, "theirs")


def test_a_download_has_a_name_that_every_file_system_takes(
    done: tuple[TrainingRun, Visitor], visitor: Visitor, loading: Loading
) -> None:
    run, owner = done
    for name, file_name in (("../a b/ü<x>", "a-b-ü-x.zip"), ("///", "prefix.zip"), ("my own/..\\p", "my-own-p.zip")):
        visitor.prefixes[name] = replace(owner.prefixes[run.prefix], name=name)
        path = prefix_zip(loading, visitor, name)
        assert path.parent == visitor.folder and path.name == file_name


def test_a_zip_for_a_task_that_is_not_known_is_refused(
    done: tuple[TrainingRun, Visitor], visitor: Visitor, visitors: Visitors, loading: Loading, tmp_path: Path
) -> None:
    run, owner = done
    own = owner.prefixes[run.prefix]
    for changes, message in (({"task": "poems"}, "no task 'poems'"), ({"data": {}}, "template")):
        visitor.prefixes["odd"] = replace(own, name="odd", card=replace(own.card, **changes))
        odd = tmp_path / "odd.zip"
        shutil.copy(prefix_zip(loading, visitor, "odd"), odd)
        with pytest.raises(ArtifactError, match=message):
            bring_prefix(loading, visitors, visitor, odd)
        assert not odd.exists()


def test_what_a_visitor_wrote_is_never_html(sheet: Sheet, done: tuple[TrainingRun, Visitor]) -> None:
    hostile = Sheet("a", (HOSTILE, "text"), (2,), ((HOSTILE, HOSTILE),))
    assert "<img" not in preview_html(hostile, [HOSTILE], "text")
    run, _ = done
    for kept in (run.inputs, run.outputs["prefix"]):
        kept[0] = HOSTILE
    assert "<img" not in samples_html(run)
    run.prefix = HOSTILE
    assert "<img" not in progress_html(run)


def test_small_pieces() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([0.0, 1.0], memory=0.5) == pytest.approx([0.0, 2 / 3])
    assert [duration(value) for value in (7.4, 60, 83)] == ["7 s", "1 min 0 s", "1 min 23 s"]
