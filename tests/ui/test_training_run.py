"""A training from order to prefix: told as it goes, stopped at any moment, one at a time, and nobody else's."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefix_core.errors import ArtifactError, InputError
from prefix_core.model.base import Base
from prefix_core.places import ASSETS
from prefix_core.ui.engine import Loading
from prefix_core.ui.training_files import pack, unpack
from prefix_core.ui.training_limits import Limits
from prefix_core.ui.training_plan import Wish, order, told
from prefix_core.ui.training_plot import loss_plot, smoothed
from prefix_core.ui.training_run import Training, Trainings
from prefix_core.ui.training_sheet import Sheet, read_file
from prefix_core.ui.training_views import duration, preview, progress, samples, table
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
def trainings(loading: Loading, visitors: Visitors) -> Trainings:
    return Trainings(loading, visitors, LIMITS).start()


def wish(sheet: Sheet, **changes: object) -> Wish:
    inputs, target = sheet.guess
    fields = {"prefix_length": 4, "initial_words": "words:", "epochs": 2, "learning_rate": 0.01}
    return Wish(sheet, "custom", inputs, target, **(fields | changes))  # type: ignore[arg-type]


def until(found: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def finish(training: Training) -> Training:
    until(lambda: training.over)
    assert training.state == "done", training.error
    return training


@pytest.fixture(scope="module")
def done(sheet: Sheet, tiny: Base, visitors: Visitors, trainings: Trainings) -> tuple[Training, Visitor]:
    """A run of both methods, over."""
    visitor = visitors.visit()
    return finish(trainings.add(order(wish(sheet, method="both"), tiny, LIMITS), visitor)), visitor


def test_a_run_tells_everything_and_leaves_a_prefix(done: tuple[Training, Visitor], tiny: Base) -> None:
    training, visitor = done
    prefix, tuned = training.tracks
    assert (prefix.method, tuned.method) == ("prefix", "fine_tune")
    assert prefix.step == prefix.steps == 10 and tuned.steps == 5  # 40 texts, 8 a step, 2 epochs; half for the second
    assert prefix.held_out[prefix.best_step] == min(loss for step, loss in prefix.held_out.items() if step)
    assert set(training.scores) == {"before", "prefix", "fine_tune", "prompt"}
    assert len(training.inputs) == 3 and training.inputs[0].startswith("name : ")
    own = visitor.prefixes[training.prefix]
    assert own.name == "training_sample" and own.task.name == "custom"
    assert own.card.data["template"].startswith("name : {name}") and own.card.best_step == prefix.best_step
    assert own.card.scores and own.moments[0].step == 0 and len(own.moments) > 5
    assert own.bytes > 4 * own.steered.kept
    outputs = write(tiny, [Request(own.steered, own.task, example.source) for example in training.order.held_out[:3]])
    assert outputs == training.outputs["prefix"]  # what is kept writes what was shown


def test_what_is_shown_of_a_run(done: tuple[Training, Visitor]) -> None:
    training, _ = done
    line = progress(training, 0)
    assert "Trained in" in line and "“training_sample”" in line and 'data-state="done"' in line
    shown = samples(training)
    for words in ("before training", "Prefix-tuned", "Fine-tuned", "Prompted", "from your rows"):
        assert shown.count(f"<b>{words}</b>") == 3, words
    scores = table(training)
    assert scores.count("<tr data-row=") == 4 and "BLEU" in scores and "held-out loss" in scores
    plot = loss_plot(training.tracks)
    assert len(plot.data) == 6 and len(plot.data[0].y) == 10 and plot.data[2].x[0] == 0


def test_stop_frees_the_processor_and_keeps_the_best(
    sheet: Sheet, tiny: Base, visitor: Visitor, trainings: Trainings
) -> None:
    training = trainings.add(order(wish(sheet, epochs=100), tiny, LIMITS), visitor)
    until(lambda: training.tracks and training.tracks[0].best_step)
    process = training.process
    assert process is not None
    training.stop()
    assert process.wait(1) != 0
    until(lambda: training.over)
    assert training.state == "stopped" and training.tracks[0].step < 500
    assert visitor.prefixes[training.prefix].card.ended == "stopped"
    assert "is kept as" in progress(training, 0)


def test_others_wait_with_their_place_and_leave_the_queue_when_stopped(
    sheet: Sheet, tiny: Base, visitors: Visitors, trainings: Trainings
) -> None:
    people = [visitors.visit() for _ in range(4)]
    long = order(wish(sheet, epochs=100), tiny, LIMITS)
    first = trainings.add(long, people[0])
    until(lambda: first.state != "waiting")
    second, third = (trainings.add(long, person) for person in people[1:3])
    assert [trainings.place(training) for training in (first, second, third)] == [0, 1, 2]
    assert "Waiting: 2 trainings before yours" in progress(third, trainings.place(third))
    with pytest.raises(InputError, match="2 trainings are waiting"):
        trainings.add(long, people[3])
    with pytest.raises(InputError, match="on already"):
        trainings.add(long, people[0])
    second.stop()
    assert second.over and trainings.place(third) == 1
    visitors.forget(people[2].token)  # who is forgotten waits no longer
    assert third.over
    first.stop()
    until(lambda: first.over)


def test_what_is_wished_is_checked_before_anything_begins(sheet: Sheet, tiny: Base) -> None:
    for changes, message in (
        ({"sheet": None}, "no rows yet"),
        ({"method": "adapter"}, "no method 'adapter'"),
        ({"prefix_length": 1000}, "prefix length is 1000"),
        ({"epochs": 0}, "number of epochs is 0"),
        ({"learning_rate": -1}, "learning rate is -1"),
        ({"template": "{nme}"}, "nme"),
        ({"template": "always the same"}, "always the same"),
        ({"task": "poems"}, "no task 'poems'"),
        ({"inputs": []}, "No column is chosen"),
    ):
        asked = Wish(**(vars(wish(sheet)) | changes))  # type: ignore[arg-type]
        with pytest.raises(InputError, match=message):
            order(asked, tiny, LIMITS)
    with pytest.raises(InputError, match="40 are allowed"):
        order(wish(sheet, epochs=100), tiny, Limits(steps=40))
    with pytest.raises(InputError, match=r"row 2: the input takes \d+ tokens"):
        order(wish(sheet), tiny, Limits(tokens=20))
    assert "40 texts to learn from, 12 inputs held out · 10 steps of 8" in told(order(wish(sheet), tiny, LIMITS), tiny)


def test_it_trains_in_what_this_processor_is_fastest_in(
    sheet: Sheet, tiny: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    for native, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("prefix_core.model.base.native_bf16", lambda native=native: native)
        methods = order(wish(sheet, method="both"), tiny, LIMITS).methods
        assert {method: settings.precision for method, settings in methods.items()} == {
            "prefix": precision,
            "fine_tune": precision,
        }


def test_a_fault_is_told_and_the_next_run_goes(
    sheet: Sheet, tiny: Base, visitor: Visitor, trainings: Trainings
) -> None:
    planned = order(wish(sheet), tiny, LIMITS)
    planned.methods["prefix"] = planned.methods["prefix"].replaced(prefix_length=5000)
    training = trainings.add(planned, visitor)
    until(lambda: training.over)
    assert training.state == "failed" and "leaves no room" in training.error
    assert "leaves no room" in progress(training, 0)
    finish(trainings.add(order(wish(sheet), tiny, LIMITS), visitor))


def test_a_prefix_comes_home_and_back(done: tuple[Training, Visitor], tiny: Base, tmp_path: Path) -> None:
    training, visitor = done
    own = visitor.prefixes[training.prefix]
    packed = pack(own, tiny, tmp_path)
    again = unpack(packed, tiny)
    assert again.card == own.card.__class__(**(vars(own.card) | {"bytes": again.card.bytes}))
    source = training.order.held_out[0].source
    assert write(tiny, [Request(again.steered, again.task, source)]) == write(
        tiny, [Request(own.steered, own.task, source)]
    )


def test_what_a_visitor_wrote_is_never_html(sheet: Sheet, done: tuple[Training, Visitor]) -> None:
    hostile = Sheet("a", (HOSTILE, "text"), (2,), ((HOSTILE, HOSTILE),))
    assert "<img" not in preview(hostile, [HOSTILE], "text")
    training, _ = done
    for kept in (training.inputs, training.outputs["prefix"]):
        kept[0] = HOSTILE
    assert "<img" not in samples(training)
    training.prefix = HOSTILE
    assert "<img" not in progress(training, 0)


def test_small_pieces() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])
    assert smoothed([0.0, 1.0], memory=0.5) == pytest.approx([0.0, 2 / 3])
    assert [duration(value) for value in (7.4, 60, 83)] == ["7 s", "1 min 0 s", "1 min 23 s"]


def test_a_file_that_is_no_prefix_is_refused(tiny: Base, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(ArtifactError, match="no readable zip file"):
        unpack(path, tiny)
