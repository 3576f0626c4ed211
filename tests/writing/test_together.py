"""A batch of several tasks: the same texts as one at a time, measured both ways, stopped and refused with reasons."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from prefix_core.artifacts import artifacts
from prefix_core.cli import main
from prefix_core.errors import InputError
from prefix_core.methods import fine_tune, prompt
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding, Request, write
from prefix_core.writing.together import Together, together
from tests.model.test_packed_batch import loud_prefixes


def mixed(base: Base, task: Task) -> list[Request]:
    """Inputs of two tasks that differ in how long an answer may be, each with a prefix of its own or none."""
    long, short = replace(task, finish=str, max_new_tokens=12), replace(task, finish=str, max_new_tokens=5)
    steered = [Steered("prefix", base.writer, prefix) for prefix in loud_prefixes(base)]
    return [
        Request(one, (long, short)[place % 2], task.pool()[place].source)
        for place, one in enumerate([*steered, prompt.steer(base, task)])
    ]


def finish(events) -> Together:
    *_, last = events
    assert last.result is not None
    return last.result


def test_both_ways_write_the_same_and_both_are_timed(tiny: Base, e2e: Task) -> None:
    requests = mixed(tiny, e2e)
    events = list(together(tiny, requests))
    result = events[-1].result
    assert result is not None and result.same and list(result.outputs) == write(tiny, requests)
    assert len(set(result.outputs)) == len(requests)
    for in_one_batch, seconds in ((True, result.seconds_together), (False, result.seconds_alone)):
        run = [event for event in events if event.in_one_batch == in_one_batch]
        assert {event.event.pane for event in run} == set(range(len(requests)))
        assert {event.event.shared for event in run} == {len(requests) if in_one_batch else 1}
        assert [event.seconds for event in run] == sorted(event.seconds for event in run)
        assert run[-1].seconds == seconds > 0
    assert events[0].in_one_batch and result.times_faster == result.seconds_alone / result.seconds_together


def test_a_reader_who_dawdles_is_not_timed(tiny: Base, e2e: Task) -> None:
    began, dawdled = time.perf_counter(), 0.0
    events = []
    for event in together(tiny, mixed(tiny, e2e)):
        events.append(event)
        time.sleep(0.02)
        dawdled += 0.02
    result = finish(events)
    assert result.seconds_together + result.seconds_alone < time.perf_counter() - began - dawdled


@pytest.mark.parametrize("steps", [6, 24])  # in the batch, and in the single ones
def test_stopping_leaves_no_result(tiny: Base, e2e: Task, steps: int) -> None:
    asked: list[int] = []
    events = list(together(tiny, mixed(tiny, e2e), should_stop=lambda: asked.append(1) or len(asked) > steps))
    assert events and all(event.result is None for event in events)


def test_what_cannot_share_a_batch_is_refused(tiny: Base, e2e: Task) -> None:
    requests = mixed(tiny, e2e)
    with pytest.raises(InputError, match="at least two"):
        next(together(tiny, requests[:1]))
    tuned = fine_tune.steer(tiny, fine_tune.origin(tiny))
    with pytest.raises(InputError, match="fine_tune has weights of its own"):
        next(together(tiny, [*requests, Request(tuned, e2e, e2e.pool()[0].source)]))


def test_an_input_without_room_is_refused_by_its_number(tiny: Base, e2e: Task) -> None:
    requests = mixed(tiny, e2e)
    with pytest.raises(InputError, match="input 1"):
        list(together(tiny, requests, Decoding(max_new_tokens=tiny.shape.positions - 10)))
    long = replace(requests[1], source=(("name", "Blue Spice " * 200),))
    with pytest.raises(InputError, match="input 2"):
        list(together(tiny, [requests[0], long]))
    assert finish(together(tiny, [requests[0], long], Decoding(too_long="cut"))).same


def test_the_command_takes_inputs_of_its_own_or_the_examples(
    tiny: Base, e2e: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFIX_ARTIFACTS", str(tmp_path))
    command = ["together", "--base", tiny.name, "--max-new-tokens", "6", "--json"]
    assert main(command) == 2 and "no prefix is trained" in capsys.readouterr().err
    prefix = loud_prefixes(tiny)[0]
    assert prefix is not None
    card = artifacts.Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    kept = {"keys": prefix.keys, "values": prefix.values}
    artifacts.save(artifacts.folder_of(tiny, "e2e", "prefix"), tiny, kept, card)
    assert main(command) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["same"] and [row["task"] for row in shown["rows"]] == ["e2e", "e2e"]
    assert main([*command[:-1], *(2 * ["--request", "e2e", "name[Blue Spice]"])]) == 0
    assert "2 inputs, 12 tokens" in capsys.readouterr().out
