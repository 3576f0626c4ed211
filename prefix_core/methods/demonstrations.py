"""Demonstrations: some of a person's own rows, written out, as what a prefix starts from.

The model has read an instruction and two to four inputs with their texts: at step 0 the prefix is a few-shot prompt,
and training goes on from there. Everything else starts from words (Li & Liang 2021, section 7.4) and has to learn from
nothing what a text looks like.
"""

from collections.abc import Sequence
from statistics import median

from prefix_core.data.examples import Example
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task

COUNT = 3
MOST_TOKENS = 320  # of all demonstrations together: every one of them is read behind in every step, and by every text


def written_out(task: Task, example: Example) -> str:
    """An input and its first text, as they stand in training."""
    return task.prompt(example.source) + " ".join(example.references[0].split())


def start_tokens(base: Base, words: str, demonstrations: Sequence[str]) -> list[int]:
    """What the start has read: the words on a line, and each demonstration with the end token that ends a text."""
    tokens = [*base.before, *base.encode(f"{words}\n\n" if words else "")]
    for demonstration in demonstrations:
        tokens += [*base.encode(demonstration), base.end, *base.encode("\n")]
    return tokens


def choose(base: Base, task: Task, examples: Sequence[Example], count: int = COUNT) -> list[Example]:
    """The examples to show: none longer than the usual one, each as unlike the others as can be had.

    Half of the examples at most, and what `MOST_TOKENS` and a quarter of the base's context allow; none where one alone
    is too long.
    """
    room = min(MOST_TOKENS, base.shape.positions // 4)
    lengths = [len(base.encode(written_out(task, example))) for example in examples]
    usual = median(lengths) if lengths else 0
    short = [place for place, length in enumerate(lengths) if length <= usual]
    short.sort(key=lambda place: -lengths[place])  # the first is a usual one
    words = {place: set(written_out(task, examples[place]).lower().split()) for place in short}
    chosen: list[int] = []

    def likeness(place: int) -> float:
        """To the nearest of those chosen: the share of words that both have."""
        shared = [len(words[place] & words[other]) / len(words[place] | words[other]) for other in chosen]
        return max(shared, default=0.0)

    while len(chosen) < min(count, len(examples) // 2):
        left = room - sum(lengths[place] for place in chosen)
        fitting = [place for place in short if place not in chosen and lengths[place] <= left]
        if not fitting:
            break
        chosen.append(min(fitting, key=likeness))
    return [examples[place] for place in reversed(chosen)]
