"""Which examples are learned from and which are held out: drawn by a seed, never the same input in both."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prefix_core.data.examples import Example
from prefix_core.errors import InputError

HELD_OUT_SHARE = 0.3  # of the number learned from: the paper's low-data setting (section 6.3)
MOST_HELD_OUT = 200


def split(examples: Sequence[Example], count: int | None, seed: int) -> tuple[list[Example], list[Example]]:
    """`count` texts to learn from (all but the held-out ones if None), and the held-out examples.

    An input with several texts counts once for each. Raises `InputError` if `count` texts cannot be had with
    something left to hold out.
    """
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    texts = sum(len(example.references) for example in shuffled)
    if len(shuffled) < 2:
        raise InputError("at least 2 different inputs are needed, one to learn from and one to hold out")
    if count is not None and not 1 <= count < texts:
        raise InputError(f"{count} texts were asked for; this file has {texts}, of which some must be held out")
    share = HELD_OUT_SHARE if count is not None else HELD_OUT_SHARE / (1 + HELD_OUT_SHARE)
    wanted = (count if count is not None else texts) * share
    held_inputs = max(1, min(MOST_HELD_OUT, round(wanted), len(shuffled) // 4))
    held_out, rest = shuffled[:held_inputs], shuffled[held_inputs:]
    if count is None:
        return rest, held_out
    return draw(rest, count, seed), held_out


def draw(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """The examples of `count` texts drawn by the seed. Raises `InputError` if there are fewer."""
    pairs = [(place, text) for place, example in enumerate(examples) for text in example.references]
    if not 1 <= count <= len(pairs):
        raise InputError(f"{count} texts were asked for; there are {len(pairs)} to learn from")
    chosen: dict[int, list[str]] = {}
    for place, text in random.Random(seed).sample(pairs, count):
        chosen.setdefault(place, []).append(text)
    return [replace(examples[place], references=tuple(found)) for place, found in sorted(chosen.items())]


def fingerprint(examples: Sequence[Example]) -> str:
    """A digest of the examples in their order, by which a card remembers its data."""
    rows = [[example.source, list(example.references)] for example in examples]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def data_card(examples: Sequence[Example]) -> dict[str, Any]:
    """What a card says of the examples learned from."""
    texts = sum(len(example.references) for example in examples)
    return {"inputs": len(examples), "texts": texts, "hash": fingerprint(examples)}


def one_text_each(examples: Sequence[Example]) -> list[Example]:
    """The examples with their first text alone: enough for a held-out loss, at a fraction of the time."""
    return [replace(example, references=example.references[:1]) for example in examples]
