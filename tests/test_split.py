"""Splits: never the same input on both sides, the asked number of texts, the same for the same seed."""

import pytest

from prefix_core.errors import InputError
from prefix_core.split import fingerprint, split
from prefix_core.tasks.task import Task


@pytest.mark.parametrize("count", [None, 1, 50, 90])
def test_inputs_are_on_one_side_only(e2e: Task, count: int | None) -> None:
    pool = e2e.pool()
    learned, held_out = split(pool, count, seed=3)
    assert not {example.source for example in learned} & {example.source for example in held_out}
    texts = sum(len(example.references) for example in learned)
    assert texts == (count if count is not None else sum(len(x.references) for x in pool) - 2 * len(held_out))
    assert 1 <= len(held_out) <= len(pool) // 4


def test_the_seed_decides(e2e: Task) -> None:
    first, same, other = (split(e2e.pool(), 20, seed)[0] for seed in (1, 1, 2))
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)


def test_more_than_there_is_cannot_be_had(e2e: Task) -> None:
    with pytest.raises(InputError, match="this file has 132"):
        split(e2e.pool(), 500, 0)
    with pytest.raises(InputError, match="there are 100 to learn from"):
        split(e2e.pool(), 131, 0)
    with pytest.raises(InputError, match="at least 2"):
        split(e2e.pool()[:1], None, 0)
