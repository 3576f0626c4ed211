"""E2E: restaurant tables to one or two sentences (Novikova et al. 2017; Li & Liang 2021, section 5.1)."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from prefix_core import metrics
from prefix_core.errors import InputError
from prefix_core.examples import Example, load_examples, pick, references_of
from prefix_core.tables import Table, attribute_key, from_grid, from_json, read_table
from prefix_core.tasks.task import Task

POOL = Path(__file__).parents[2] / "assets" / "examples" / "e2e.jsonl"
INPUT_COLUMNS = ("table", "mr", "source", "input", "meaning_representation")

# E2E's own name -> the name the paper's linearization gives it
PAPER_NAMES = {
    "name": "name",
    "eatType": "Type",
    "food": "food",
    "priceRange": "price",
    "customer rating": "customer rating",
    "area": "area",
    "familyFriendly": "family friendly",
    "near": "near",
}
_OTHER_NAMES = {"rating": "customer rating", "cuisine": "food"}
_KNOWN = {attribute_key(name): own for own, paper in PAPER_NAMES.items() for name in (own, paper)} | _OTHER_NAMES


def read(raw: str | Sequence[Sequence[Any]]) -> Table:
    """Pasted text in any notation of `tables.read_table`, or grid rows -> table with E2E's own attribute names.

    The paper's names (`Type`, `price`, `family friendly`) and any spelling (`eat_type`, `PRICE RANGE`) are recognised;
    other attributes are kept as they are. Raises `InputError`.
    """
    return _own_names(read_table(raw, _KNOWN) if isinstance(raw, str) else from_grid(raw))


def linearize(table: Table) -> str:
    """`name : Blue Spice | Type : coffee shop | ...`, the paper's form, in the order of the table."""
    return " | ".join(f"{PAPER_NAMES.get(name) or _open(name)} : {value}" for name, value in _own_names(table))


def from_record(record: dict[str, Any]) -> Example:
    """A row with a table or its notation in one of `INPUT_COLUMNS`, and its text(s) -> example. Raises `InputError`."""
    name, cell = pick(record, INPUT_COLUMNS, "table")
    try:
        table = read(cell) if isinstance(cell, str) else _own_names(from_json(cell))
    except InputError as error:
        raise InputError(f"column '{name}': {error}") from None
    return Example(table, references_of(record), str(record.get("id") or ""), record.get("featured") is True)


def finish(text: str) -> str:
    """The first line that is not blank, up to the end-of-text mark."""
    return text.split("<|endoftext|>")[0].strip().split("\n")[0].strip()


@cache
def _pool() -> tuple[Example, ...]:
    return tuple(load_examples(POOL, E2E))


def pool() -> list[Example]:
    """Restaurants of our own invention, the featured ones among them; none is in E2E."""
    return list(_pool())


def _own_names(table: Table) -> Table:
    return tuple((_KNOWN.get(attribute_key(name), name), value) for name, value in table)


def _open(name: str) -> str:
    """`openingHours`, `opening_hours` -> `opening hours`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z](?=[a-z])", lambda match: " " + match[0].lower(), name).replace("_", " ").strip()


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """`metrics.text_scores`."""
    return metrics.text_scores(outputs, [example.references for example in examples])


E2E = Task(
    name="e2e",
    title="Restaurants (E2E)",
    instruction="Write one or two fluent English sentences that state every fact of this restaurant and nothing else.",
    initial_words="table-to-text:",
    max_new_tokens=80,
    read=read,
    linearize=linearize,
    from_record=from_record,
    finish=finish,
    score=score,
    pool=pool,
)
