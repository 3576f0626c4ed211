"""From examples to batches: tokenized pairs, the batch of every step, and the parts in which a long batch is run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from prefix_core.data.examples import Example
from prefix_core.errors import InputError
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base, TooLong, encode_input
from prefix_core.tasks.task import Task

LONG = 2048  # tokens run at once; more would not keep a processor any busier


@dataclass(frozen=True)
class Pair:
    """One target text and its input, as tokens; the target ends with the base's end token."""

    source: list[int]
    target: list[int]


class Batches:
    """The batch of every step: epoch after epoch, each in an order of its own that depends on the seed alone.

    The texts of one input come in groups of `settings.together`, regrouped in every epoch; a group goes through the
    network behind one copy of its input.
    """

    def __init__(self, pairs: Sequence[Pair], settings: Settings) -> None:
        self.pairs, self.seed, self.together = pairs, settings.seed, settings.together
        self.size = min(settings.batch, len(pairs))
        by_source: dict[tuple[int, ...], list[int]] = {}
        for index, pair in enumerate(pairs):
            by_source.setdefault(tuple(pair.source), []).append(index)
        self.texts = list(by_source.values())
        self.epoch, self.order = -1, [0]

    def at(self, step: int) -> list[Pair]:
        """The batch of `step`, from 0."""
        chosen = []
        for index in range(step * self.size, (step + 1) * self.size):
            epoch, place = divmod(index, len(self.pairs))
            if epoch != self.epoch:
                self.epoch, self.order = epoch, self._order(epoch)
            chosen.append(self.pairs[self.order[place]])
        return chosen

    def _order(self, epoch: int) -> list[int]:
        rng = random.Random(self.seed * 1_000_003 + epoch)
        groups = []
        for texts in self.texts:
            mixed = rng.sample(texts, len(texts))
            groups += [mixed[start : start + self.together] for start in range(0, len(mixed), self.together)]
        rng.shuffle(groups)
        return [index for group in groups for index in group]


def encode_pairs(
    base: Base,
    task: Task,
    examples: Sequence[Example],
    prefix_length: int,
    too_long: TooLong | None = None,
    kind: str = "example",
    infix: bool = False,
) -> list[Pair]:
    """A pair for every reference; too_long None: as the task does.

    Raises `InputError` naming the example that is empty or too long.
    """
    pairs = []
    for number, example in enumerate(examples, 1):
        where = f"{kind} {number}" + (f" ({example.id})" if example.id else "")
        text = task.linearize(example.source)
        for reference in example.references:
            target = [*base.encode(" ".join(reference.split())), base.end]
            way, room = too_long or task.too_long, len(target)
            encoded = encode_input(base, text, task.separator, "", prefix_length, room, way, where, infix)
            pairs.append(Pair(encoded.tokens, target))
    if not pairs:
        raise InputError("there are no examples to learn from; give at least one input with its text")
    return pairs


def by_length(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs by length of their inputs, the texts of one input together, so that a batch needs little padding."""
    return sorted(pairs, key=lambda pair: (len(pair.source), pair.source))


def in_parts(batch: Sequence[Pair], least: int = 1, most: int = LONG) -> list[Sequence[Pair]]:
    """A batch in parts that are run one after another, at least so many (but none is empty), of `most` tokens or so.

    Rows of similar length go together: attention takes the square of a part's longest row, for every row of it.
    """
    tokens = sum(len(pair.source) + len(pair.target) for pair in batch)
    count = min(len(batch), max(least, ceil(tokens / most)))
    if count <= 1:
        return [batch] if batch else []
    pairs = by_length(batch)
    return [pairs[len(pairs) * part // count : len(pairs) * (part + 1) // count] for part in range(count)]


def target_tokens(pairs: Sequence[Pair]) -> int:
    return sum(len(pair.target) for pair in pairs)
