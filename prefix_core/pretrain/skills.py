"""What a base can do that a prefix may call up: copy what stands before it, and tell a table after a few examples.

Nothing is trained: the base goes on greedily from a prompt.
"""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from prefix_core.base import Base
from prefix_core.generate import Request, write
from prefix_core.methods.method import Steered
from prefix_core.pretrain.dialogue_acts import HELD_OUT, PLAIN_ACTS, holds, read_pairs, vary
from prefix_core.pretrain.forms import pairs
from prefix_core.slots import coverage
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task

SHOTS = 3
LONGEST = 1200  # characters of a prompt: with its answer, it fits a context of 512 tokens
# Nothing of pretraining's own made-up names: other syllables, other patterns.
SYLLABLES = "chid frast grud hiv jep kib nux osk plim pov skeem sno tej thrab umb vush wex yol zhe zib".split()
KINDS = "Quarry Foundry Chapel Orchard Viaduct Pier Depot Gate Cellar Terrace".split()
FIELDS = "guest host street venue sponsor teacher shop captain village agent".split()
NUMBERS = "code room seat year total weight page ticket score height".split()
LINE = replace(get_task("e2e"), name="going on", linearize=str, separator="")  # a prompt -> the rest of its line
VALUE = replace(LINE, max_new_tokens=20, finish=lambda text: re.split("[,;|]", LINE.finish(text))[0].strip())


class Open(NamedTuple):
    """A prompt that stops where the base is to say `values`."""

    prompt: str
    values: tuple[str, ...]


def fresh_name(rng: random.Random) -> str:
    """`Vushpov`, `Skeemumb Quarry`, `Zhenux Tejyol`: words that no text holds."""
    invented = ["".join(rng.choices(SYLLABLES, k=2)).capitalize() for _ in range(2)]
    return " ".join([invented[0], *rng.choice([[], [invented[1]], [rng.choice(KINDS)]])])


def number(rng: random.Random) -> str:
    """Two to five digits."""
    return str(rng.randrange(10, 10 ** rng.randint(2, 5)))


def begun_right(value: str, text: str) -> int:
    """How many characters of `value` the text begins with."""
    return next(
        (place for place, (a, b) in enumerate(zip(value, text, strict=False)) if a != b), min(len(value), len(text))
    )


def copying_prompts(fields: Sequence[str], value: Callable[[random.Random], str], count: int = 60) -> list[Open]:
    """Lists of four made-up values, written a second time in another form as far as the field whose value is open."""
    rng, prompts = random.Random(fields[0]), []
    for index in range(count):
        facts = [(field, value(rng)) for field in rng.sample(fields, 4)]
        *told, (field, asked) = facts[: 1 + index % 4]
        again = "".join(f"{name} = {value}, " for name, value in told)
        prompts.append(Open(f"{pairs(facts, ' : ', ' | ')}\n{again}{field} =", (asked,)))
    return prompts


def table_prompts(name: str, count: int = 30) -> list[Open]:
    """Tables of the held-out part of set `name`, each after SHOTS others with their texts; most names are made up.

    The values are those that the table's own text says in so many words: "yes" and "dontcare" have too many wordings.
    """
    rng, prompts = random.Random(name), list[Open]()
    sources = [pair for pair in read_pairs({name: HELD_OUT[name]}) if pair[1]["act"] in PLAIN_ACTS]
    while len(prompts) < count:
        *shown, (facts, prose) = (vary(pair, lambda: fresh_name(rng), rng) for pair in rng.sample(sources, SHOTS + 1))
        said = tuple(value for _, value in facts if holds(prose, value))
        examples = "".join(f"{pairs(some, ' : ', ' | ')}\n{text}\n\n" for some, text in shown)
        prompt = f"{examples}{pairs(facts, ' : ', ' | ')}\n"
        if len(said) > 2 and len(prompt) <= LONGEST:
            prompts.append(Open(prompt, said))
    return prompts


def go_on(base: Base, prompts: Sequence[Open], task: Task) -> list[str]:
    """What the base writes after each prompt, greedily."""
    steered = Steered("prompt", base.writer)
    return write(base, [Request(steered, task, open_.prompt) for open_ in prompts])


def copying(base: Base) -> dict[str, float]:
    """Percent of made-up names, and of numbers, reproduced exactly; and of their characters, up to the first wrong."""
    measured = {}
    for kind, fields, value in (("names", FIELDS, fresh_name), ("numbers", NUMBERS, number)):
        prompts = copying_prompts(fields, value)
        asked = [open_.values[0] for open_ in prompts]
        texts = go_on(base, prompts, VALUE)
        exact = sum(value == text for value, text in zip(asked, texts, strict=True))
        right = sum(begun_right(value, text) for value, text in zip(asked, texts, strict=True))
        measured[kind] = 100 * exact / len(asked)
        measured[f"{kind}, characters"] = 100 * right / sum(map(len, asked))
    return measured


def tables(base: Base) -> dict[str, float]:
    """Percent of the values said, by set of held-out tables."""
    measured = {}
    for name in HELD_OUT:
        prompts = table_prompts(name)
        slots = [
            slot
            for open_, text in zip(prompts, go_on(base, prompts, LINE), strict=True)
            for slot in coverage(tuple(("", value) for value in open_.values), text).slots
        ]
        measured[name] = 100 * sum(slot.span is not None for slot in slots) / len(slots)
    return measured
