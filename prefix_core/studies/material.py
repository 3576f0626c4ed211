"""What each task learns from and is scored on, the same for every method. No input is in both."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prefix_core.data.examples import Example, data_card, load_examples
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task

SEED = 0  # of what is drawn where not everything is used
SOURCE_TOKENS = {"cpu": 320, "cuda": 512}  # of an article, at most; the paper's 512 where there is a GPU


@dataclass(frozen=True)
class Data:
    """By the names of `load_examples`. train: several joined by +.

    few_texts: learned from without a GPU, as many of each part. few_inputs: split -> scored without a GPU.
    """

    train: str
    splits: dict[str, str]
    few_texts: int = 2500
    few_inputs: dict[str, int] = field(default_factory=dict)


BEAMS = "-beams"  # ends the name of a split that is written with the paper's 5 beams
DATA = {
    "e2e": Data(
        "e2e:train",
        # ours: tables of our own, about restaurants that no table of E2E names
        {
            "dev": "e2e:dev",
            "test": "e2e:test",
            "test-beams": "e2e:test",
            "test-ours": "assets/examples/e2e.jsonl",
        },
    ),
    "webnlg": Data(
        "webnlg_2017:train",
        {"dev": "webnlg_2017:dev", "test": "webnlg_2017:test", "test-beams": "webnlg_2017:test"},
    ),
    # DART's own training split is not to be had
    "dart": Data(
        "webnlg_2017:train+e2e_cleaned:train",
        {"dev": "dart:dev", "test": "dart:test"},
        few_inputs={"dev": 500, "test": 1000},
    ),
    "summarization": Data(
        "xsum:train+bbc_news_lead:train",
        {"dev": "xsum:dev", "bbc": "bbc_news_lead:dev", "test": "xsum:test", "test-bbc": "bbc_news_lead:test"},
        few_texts=500,
        few_inputs={"dev": 300, "test": 500},
    ),
}


@dataclass(frozen=True)
class Material:
    """A task's examples: learned from, and scored on by split. known: what a card says of those learned from."""

    task: Task
    learned: list[Example]
    sets: dict[str, list[Example]]
    known: dict[str, Any]


def material(base: Base, name: str) -> Material:
    """All there is where there is a GPU, and otherwise the part of it that `Data` names, drawn by SEED."""
    task, data, few = get_task(name), DATA[name], base.device.type == "cpu"
    sets = {split: load_examples(place, task) for split, place in data.splits.items()}
    parts = [load_examples(place, task) for place in data.train.split("+")]
    held = [example for examples in sets.values() for example in examples]
    new = [unseen(task, part, held) for part in parts]
    left_out = sum(map(len, parts)) - sum(map(len, new))
    if few:
        new = [drawn_inputs(part, data.few_texts // len(parts)) for part in new]
        sets = {split: drawn(some, data.few_inputs.get(split)) for split, some in sets.items()}
    most = SOURCE_TOKENS.get(base.device.type, max(SOURCE_TOKENS.values()))
    learned = shortened(base, task, [example for part in new for example in part], most)
    sets = {split: shortened(base, task, some, most) for split, some in sets.items()}
    known = {
        "name": data.train,
        "split": "train",
        **data_card(learned),
        "left_out": left_out,  # inputs that a development or test set holds, too
        "terms": task.terms,
    }
    if task.kind == "text":
        known["source_tokens"] = most
    return Material(task, learned, sets, known)


def unseen(task: Task, examples: Sequence[Example], held: Sequence[Example]) -> list[Example]:
    """The examples whose input is none of the held ones, in whatever order its rows stand."""

    def key(example: Example) -> Any:
        grid = task.to_grid(example.source)
        return frozenset(map(tuple, grid)) if grid else task.linearize(example.source)

    held_keys = {key(example) for example in held}
    return [example for example in examples if key(example) not in held_keys]


def drawn_inputs(examples: Sequence[Example], texts: int) -> list[Example]:
    """Inputs drawn with all their texts, until there are so many texts."""
    order, chosen, count = random.Random(SEED).sample(range(len(examples)), len(examples)), [], 0
    for place in order:
        if count >= texts:
            break
        chosen.append(place)
        count += len(examples[place].references)
    return [examples[place] for place in sorted(chosen)]


def drawn(examples: Sequence[Example], count: int | None) -> list[Example]:
    """So many of the examples, drawn; all where that is None, or more than there are."""
    if count is None or count >= len(examples):
        return list(examples)
    return [examples[place] for place in sorted(random.Random(SEED).sample(range(len(examples)), count))]


def shortened(base: Base, task: Task, examples: Sequence[Example], most: int) -> list[Example]:
    """The examples with articles of at most so many tokens; what is no article stays."""
    if task.kind != "text":
        return list(examples)
    return [replace(example, source=base.decode(base.encode(example.source)[:most])) for example in examples]
