"""What a text says beyond its input, against marks made by hand on outputs of the shipped methods.

marked.jsonl: twenty outputs of every table task, for every fourth of our own tables, unselected, of the shipped
prefixes and of the prompted base. Every second one was held out while the rule was written; of WebNLG's and DART's
prefixes, which came later, all were.
"""

import json
from pathlib import Path

import pytest

from prefix_core.tasks import get_task

MARKED = [json.loads(line) for line in Path(__file__).with_name("marked.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("rows", [MARKED[::2], MARKED[1::2]], ids=["seen", "held out"])
def test_what_is_marked_is_what_a_person_marks(rows: list[dict]) -> None:
    found, right, missed = 0, 0, 0
    for row in rows:
        task, text = get_task(row["task"]), row["output"]
        starts = [text.index(phrase) for phrase in row["unsupported"]]
        wanted = [(start, start + len(phrase)) for start, phrase in zip(starts, row["unsupported"], strict=True)]
        assert task.slots is not None
        marks = [item.span for item in task.slots(task.parse(row["input"]), text).unsupported]
        found += len(marks)
        right += sum(any(touch(mark, span) for span in wanted) for mark in marks)
        missed += sum(not any(touch(mark, span) for mark in marks) for span in wanted)
    assert right >= 0.9 * found and missed <= 0.1 * (right + missed)


def touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]
