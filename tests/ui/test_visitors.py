"""Each visitor's things are found by their token alone, and go when they should."""

from dataclasses import dataclass

import pytest
import torch

from prefix_core.artifacts.artifacts import Card
from prefix_core.errors import InputError
from prefix_core.methods import prefix as prefix_method
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui.kept import Moment, OwnPrefix
from prefix_core.ui.train.sheet import UNASKED
from prefix_core.ui.visitors import HOUR, LONGEST_NAME, MOST_PREFIXES, Upload, Visitors


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Going:
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def own(tiny: Base) -> OwnPrefix:
    shape = tiny.shape
    keys, values = torch.zeros(2, shape.layers, 4, shape.kv_heads, shape.head_dim)
    steered = prefix_method.steer(tiny, {"keys": keys, "values": values})
    return OwnPrefix("mine", get_task("e2e"), Card("b", "h", 1, "e2e", "prefix"), steered)


def test_a_token_is_long_and_finds_its_visitor(clock: Clock) -> None:
    visitors = Visitors(clock=clock)
    one, other = visitors.visit(), visitors.visit()
    assert len(one.token) >= 43 and one.token != other.token
    assert visitors.visit(one.token) is visitors.get(one.token) is one


def test_a_token_from_outside_is_not_taken_over(clock: Clock) -> None:
    assert Visitors(clock=clock).visit("chosen by a stranger").token != "chosen by a stranger"


def test_an_hour_after_the_last_contact_all_is_gone(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(clock=clock)
    visitor = visitors.visit()
    visitors.keep(visitor, own)
    visitor.folder.mkdir(parents=True)
    (visitor.folder / "mine.zip").write_bytes(b"zip")
    visitor.training = training = Going()  # type: ignore[assignment]
    for _ in range(3):  # contact keeps it
        clock.now += HOUR - 1
        assert visitors.get(visitor.token).prefixes
    clock.now += HOUR + 1
    visitors.sweep()
    assert not visitor.folder.exists() and not visitor.prefixes and training.stopped
    with pytest.raises(InputError, match="Reload the page"):
        visitors.get(visitor.token)


def test_forgotten_on_request_and_nobody_else(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(clock=clock)
    one, other = visitors.visit(), visitors.visit()
    visitors.keep(one, own)
    visitors.keep(other, own)
    visitors.forget(one.token)
    assert not one.prefixes and visitors.get(other.token).prefixes
    visitors.forget(one.token)  # again: nothing to do


def test_names_stay_apart_and_numbers_bounded(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(clock=clock)
    visitor = visitors.visit()
    names = [visitors.keep(visitor, own).name for _ in range(MOST_PREFIXES)]
    assert names[:3] == ["mine", "mine 2", "mine 3"] and list(visitor.prefixes) == names
    with pytest.raises(InputError, match="Delete one first"):
        visitors.keep(visitor, own)


def test_where_there_is_no_room_those_with_nothing_go_first(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(most=2, clock=clock)
    maker = visitors.visit()
    visitors.keep(maker, own)
    clock.now = 1
    idle = visitors.visit()
    clock.now = 2
    latest = visitors.visit()
    assert visitors.get(maker.token).prefixes and visitors.get(latest.token)
    with pytest.raises(InputError):
        visitors.get(idle.token)


def test_memory_is_bounded_by_those_away_longest(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(most_bytes=2 * own.bytes, clock=clock)
    made = []
    for _ in range(3):
        clock.now += 1
        made.append(visitors.visit())
        visitors.keep(made[-1], own)
    assert [len(visitor.prefixes) for visitor in made] == [0, 1, 1]


def test_how_a_prefix_moved_counts_as_memory(own: OwnPrefix) -> None:
    half = torch.zeros(2, 4, 4, 8, dtype=torch.float16)
    moved = OwnPrefix("mine", own.task, own.card, own.steered, (Moment(1, half, half),))
    assert moved.bytes == own.bytes + 2 * half.nbytes


def test_a_prefix_is_renamed_in_its_place_and_to_no_other_ones_name(clock: Clock, own: OwnPrefix) -> None:
    visitors = Visitors(clock=clock)
    visitor = visitors.visit()
    for _ in range(3):
        visitors.keep(visitor, own)
    assert visitors.rename(visitor, "mine 2", "  the   pirate ") == "the pirate"
    assert list(visitor.prefixes) == ["mine", "the pirate", "mine 3"]
    assert visitor.prefixes["the pirate"].name == "the pirate"
    assert visitors.rename(visitor, "mine", "mine") == "mine"
    for name, wanted, message in (
        ("mine", "mine 3", "already"),
        ("gone", "x", "no longer have a prefix 'gone'"),
        ("mine", " ", "1 to"),
        ("mine", "x" * (LONGEST_NAME + 1), "1 to"),
    ):
        with pytest.raises(InputError, match=message):
            visitors.rename(visitor, name, wanted)


def test_a_file_is_kept_within_the_memory_there_is_and_goes_with_its_visitor(clock: Clock) -> None:
    visitors = Visitors(clock=clock, most_bytes=100)
    first = visitors.visit()
    visitors.keep_upload(first.token, "rows", Upload(("a.csv", b"x" * 60), UNASKED))
    clock.now += 1
    second = visitors.visit()
    visitors.keep_upload(second.token, "rows", Upload(("b.csv", b"x" * 60), UNASKED))
    assert second.uploads["rows"].content[0] == "b.csv"
    with pytest.raises(InputError):
        visitors.get(first.token)  # away longest
    visitors.keep_upload(second.token, "rows", None)
    assert second.empty
