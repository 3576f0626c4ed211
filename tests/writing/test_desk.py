"""The desk: what several threads want at once is written in the same passes, and is what each would get alone."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.writing import desk as desks
from prefix_core.writing.desk import Desk
from prefix_core.writing.generate import Decoding, GenerationEvent, Request, write
from tests.model.test_packed_batch import loud_prefixes

PATIENCE = 60.0  # seconds; only a test that fails waits so long


@pytest.fixture
def desk(tiny: Base) -> Iterator[Desk]:
    desk = Desk(tiny)
    yield desk
    assert soon(lambda: not desk._working and not desk._orders)  # nobody wants anything: nothing runs


@pytest.fixture
def raw(e2e: Task) -> Task:
    return replace(e2e, finish=str, max_new_tokens=24)


def soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    return true()


def visitors(base: Base, task: Task) -> list[list[Request]]:
    """Rows of several visitors: behind prefixes of different lengths or none, and on weights of their own."""
    norm = base.network.norm
    tuned = Steered("fine_tune", base.network._replace(norm=norm._replace(bias=norm.bias + 1)))
    steered = [Steered("prefix", base.writer, prefix) for prefix in loud_prefixes(base)]
    return [
        [Request(one, task, task.pool()[place].source) for one in (steered[place % len(steered)], tuned, steered[0])]
        for place in range(4)
    ]


def at_once(desk: Desk, every: list[list[Request]], decodings: list[Decoding]) -> list[list[GenerationEvent]]:
    """What each visitor is told last of each row, when all come at the same time."""
    told: list[list[GenerationEvent]] = [[] for _ in every]
    gate = threading.Barrier(len(every))

    def visit(place: int) -> None:
        gate.wait(PATIENCE)
        last = {event.pane: event for event in desk.stream(every[place], decodings[place])}
        told[place] = [last[pane] for pane in sorted(last)]

    threads = [threading.Thread(target=visit, args=(place,)) for place in range(len(every))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return told


@pytest.mark.parametrize("chunk", [5, 128])
def test_all_get_what_they_get_alone(
    desk: Desk, tiny: Base, raw: Task, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "CHUNK", chunk)
    every = visitors(tiny, raw)
    decodings = [Decoding(), Decoding(beams=3), Decoding(temperature=1.0, seed=3), Decoding(max_new_tokens=40)]
    told = at_once(desk, every, decodings)
    for place, requests in enumerate(every):
        assert [event.text for event in told[place]] == write(tiny, requests, decodings[place])
        assert all(event.finished and event.seconds > 0 for event in told[place])
    assert max(event.shared for events in told for event in events) > 3  # rows of others were in the same passes


def test_apart_no_row_of_others_is_in_a_pass(desk: Desk, tiny: Base, raw: Task) -> None:
    requests = [request for request in visitors(tiny, raw)[0] if request.steered.network is tiny.writer]
    other = desk.stream(requests, Decoding(max_new_tokens=100))
    next(other)
    events = list(desk.stream(requests, apart=True))
    assert {event.shared for event in events} == {len(requests)}
    other.close()


def test_a_long_input_is_read_beside_others_tokens(
    desk: Desk, tiny: Base, raw: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "CHUNK", 8)
    monkeypatch.setattr(desks, "CHUNK_ALONE", 1)
    (short, *_), article = visitors(tiny, raw)[0], (("name", "long " * 60),)
    long = replace(short, source=article)
    (wanted,) = write(tiny, [long])
    reader = threading.Thread(target=lambda: events.extend(desk.stream([long])))
    events: list[GenerationEvent] = []
    reader.start()
    assert soon(lambda: bool(desk._orders and desk._orders[0].batches[0].search.before))  # it is being read
    list(desk.stream([short], Decoding(max_new_tokens=3)))
    assert not events  # who came later, with little to read, did not wait for it
    reader.join(PATIENCE)
    assert events[-1].text == wanted


def test_who_came_first_is_never_passed_for_ever(tiny: Base, raw: Task) -> None:
    requests = [some[0] for some in visitors(tiny, raw)]
    requests[0] = replace(requests[0], source=(("name", "a " * 90),))
    first, *others = [desks.begin(tiny, [request], Decoding())[0][0] for request in requests]
    found = desks.shares([first, *others], alone=False)
    assert found[first] >= desks.CHUNK // 2 and sum(found.values()) <= desks.CHUNK


def test_one_who_leaves_frees_the_desk(desk: Desk, tiny: Base, raw: Task) -> None:
    events = desk.stream(visitors(tiny, raw)[0], Decoding(max_new_tokens=100))
    next(events)
    events.close()
    assert desk._orders == []


def test_a_fault_is_told_to_whom_it_concerns_and_the_desk_goes_on(
    desk: Desk, tiny: Base, raw: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = visitors(tiny, raw)[0]
    with monkeypatch.context() as broken:
        broken.setattr(desks, "run", lambda parts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(desk.stream(requests))
    assert [event.text for event in at_once(desk, [requests], [Decoding()])[0]] == write(tiny, requests)
