"""Fine-tuned weights as small as they may be: the smallest packing that costs next to nothing in score.

The headline score of the same inputs is taken before and after packing (see `artifacts.delta`).
"""

import sys
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from prefix_core.artifacts import delta
from prefix_core.artifacts.artifacts import size_of
from prefix_core.artifacts.delta import Way
from prefix_core.data.examples import Example
from prefix_core.methods import get_trained
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.studies.evaluate import headline_of
from prefix_core.tasks.task import Task
from prefix_core.training.train import Trained
from prefix_core.writing.generate import Decoding, Request, write

WAYS = (Way(4, 16), Way(4, 32), Way(4, 64), Way(3, 128), Way(4, 128), Way(2), Way(3), Way(4), Way(8))
MOST_BYTES = {"fine_tune": 18_000_000, "top_layers": 5_000_000}
MOST_LOST = 0.3  # BLEU or ROUGE-L
DECODING = Decoding(too_long="cut")


def smallest(base: Base, task: Task, result: Trained, examples: Sequence[Example]) -> tuple[Way, dict[str, Any]]:
    """The smallest way that loses at most MOST_LOST, else the best of those within MOST_BYTES; and what a card says.

    That is both scores, the share of tokens that are the same in percent, and every way's bytes and score, if tried.
    """
    module, headline = get_trained(result.method), headline_of(task)
    origin = module.origin(base)
    packed = {way: delta.compress(result.kept, origin, way) for way in WAYS}
    sizes = {way: size_of(tensors) for way, tensors in packed.items()}
    by_size = sorted(WAYS, key=lambda way: sizes[way])
    fitting = [way for way in by_size if sizes[way] <= MOST_BYTES[result.method]] or by_size[:1]
    plain = outputs_of(base, task, result.steered, examples)
    before = float(task.score(plain, examples)[headline])
    scores: dict[Way, float] = {}
    outputs: dict[Way, list[str]] = {}
    for way in fitting:
        steered = steered_by(base, result.method, packed[way])
        outputs[way] = outputs_of(base, task, steered, examples)
        scores[way] = float(task.score(outputs[way], examples)[headline])
        print(f"{way}: {sizes[way]:,} bytes, {headline} {scores[way]:.2f} (plain {before:.2f})", file=sys.stderr)
        if before - scores[way] <= MOST_LOST:
            break
    chosen = way if before - scores[way] <= MOST_LOST else max(scores, key=lambda way: scores[way])
    return chosen, {
        "way": str(chosen),
        "inputs": len(examples),
        f"{headline}_plain": round(before, 2),
        f"{headline}_packed": round(scores[chosen], 2),
        "tokens_same": tokens_same(base, plain, outputs[chosen]),
        "ways": {
            str(way): {"bytes": size, headline: round(scores[way], 2) if way in scores else None}
            for way, size in sizes.items()
        },
    }


def steered_by(base: Base, method: str, packed: dict[str, Tensor]) -> Steered:
    module = get_trained(method)
    steered: Steered = module.steer(base, delta.decompress(packed, module.origin(base)))
    return steered


def outputs_of(base: Base, task: Task, steered: Steered, examples: Sequence[Example]) -> list[str]:
    return write(base, [Request(steered, task, example.source) for example in examples], DECODING)


def tokens_same(base: Base, before: Sequence[str], after: Sequence[str]) -> float:
    """The share of tokens that stand at the same place in both, in percent."""
    pairs = [[base.encode(text) for text in pair] for pair in zip(before, after, strict=True)]
    same = sum(a == b for pair in pairs for a, b in zip(*pair, strict=False))
    tokens = sum(max(map(len, pair)) for pair in pairs)
    return round(100 * same / tokens, 1) if tokens else 100.0
