"""Splits: never the same input on both sides, the asked number of texts, the same for the same seed."""

import pytest

from prefix_core.data.split import fingerprint, split
from prefix_core.errors import InputError
from prefix_core.tasks.task import Task


@pytest.mark.parametrize("count", [None, 1, 50, 90])
def test_inputs_are_on_one_side_only(e2e: Task, count: int | None) -> None:
    pool = e2e.pool()
    learned, held_out = split(pool, count, seed=3)
    assert not {example.source for example in learned} & {example.source for example in held_out}
    held = {example.source for example in held_out}
    rest = sum(len(example.references) for example in pool if example.source not in held)
    assert sum(len(example.references) for example in learned) == (rest if count is None else count)
    assert 1 <= len(held_out) <= len(pool) // 4


def test_the_seed_decides(e2e: Task) -> None:
    first, same, other = (split(e2e.pool(), 20, seed)[0] for seed in (1, 1, 2))
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)


def test_more_than_there_is_cannot_be_had(e2e: Task) -> None:
    pairs = [example for example in e2e.pool() if len(example.references) == 2]
    texts = 2 * len(pairs)
    with pytest.raises(InputError, match=f"this file has {texts}"):
        split(pairs, 500, 0)
    with pytest.raises(InputError, match="there are 100 to learn from"):
        split(pairs, texts - 1, 0)
    with pytest.raises(InputError, match="at least 2"):
        split(e2e.pool()[:1], None, 0)
