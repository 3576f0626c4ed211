"""The pirate innkeeper: a small task of our own, fifty texts, to show what a prefix learns that no instruction says.

He greets, states every fact but the rating, and ends on it: "Drop anchor here!" where it is good, "Sail on by!" where
it is poor. His texts are assets/examples/training_sample.csv, the sample set of the page; none of them is shown to a
prompt, whose examples are others.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefix_core.data.columns import TEXT_COLUMNS
from prefix_core.data.examples import Example, example_of
from prefix_core.data.notations import read_table
from prefix_core.data.tables import Table, attribute_key, from_grid, to_grid, to_mr
from prefix_core.scores.slots import Coverage, Vocabulary, coverage
from prefix_core.tasks import tabular
from prefix_core.tasks.tabular import columns_of, table_of, unlike
from prefix_core.tasks.task import Task, first_line

_KNOWN = {attribute_key(name): name for name in ("name", "kind", "food", "area", "price", "rating")}
_PLACES = {name: rf"{name}s?" for name in ("coffee shop", "tavern", "restaurant", "pub", "inn")}
_FOODS = (
    "coconut cake", "roast boar", "fish stew", "fried squid", "crab soup", "black bread", "sea biscuits", "rum pudding",
)  # fmt: skip
_PRICED = r"(?:ly)? (?:in )?pric(?:e|es|ed|ing)"
VOCABULARIES = {
    "kind": Vocabulary(_PLACES, {}),
    "food": Vocabulary({food: food for food in _FOODS}, {}),
    "price": Vocabulary(
        {"moderate": rf"moderate{_PRICED}", "cheap": rf"cheap|low{_PRICED}", "expensive": rf"expensive|high{_PRICED}"},
        {},
    ),
    "rating": Vocabulary(
        {"good": r"drop anchor here|(?:good|high|highly)(?: customer)? rat(?:ed|ing)|rat(?:ed|ing)(?: is| of)? good"}
        | {"poor": r"sail on by|(?:poor|low|poorly)(?: customer)? rat(?:ed|ing)|rat(?:ed|ing)(?: is| of)? poor"},
        {},
    ),
}
COMMON = frozenset(("ahoy", "matey", "mateys", "arr", "drop", "anchor", "sail"))


def parse(raw: str | Sequence[Sequence[Any]]) -> Table:
    """Pasted text in any notation of `read_table`, or grid rows -> table with the names of the set. Raises
    `InputError`.
    """
    return _own_names(read_table(raw, _KNOWN) if isinstance(raw, str) else from_grid(raw))


def linearize(table: Table) -> str:
    """`name : The Salty Parrot | kind : coffee shop | ...`, as the paper writes tables."""
    return " | ".join(f"{name} : {value}" for name, value in table)


def label(table: Table) -> str:
    return dict(table).get("name") or table[0][1]


def source_of(record: Mapping[str, Any], inputs: Sequence[str] = ()) -> Table:
    return _own_names(table_of(record, inputs, parse))


def from_record(record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Example:
    return example_of(source_of(record, inputs), record, targets or TEXT_COLUMNS)


def slots(table: Table, text: str) -> Coverage:
    """Which values the text says; the rating also by how the innkeeper ends."""
    return coverage(table, text, VOCABULARIES, ("name",), COMMON)


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """See `tabular.score`."""
    return tabular.score(outputs, examples, slots, ("name",))


def _own_names(table: Table) -> Table:
    return tuple((_KNOWN.get(attribute_key(name), name), value) for name, value in table)


INNKEEPER = Task(
    name="innkeeper",
    title="Pirate innkeeper",
    kind="table",
    columns=("attribute", "value"),
    terms="our own writing, under the licence of this repository",
    instruction="Write what a pirate innkeeper shouts about this place, with every fact and nothing else.",
    initial_words="Write what a pirate innkeeper shouts about the place with these facts:",
    max_new_tokens=60,
    parse=parse,
    to_grid=to_grid,
    to_text=to_mr,
    label=label,
    linearize=linearize,
    columns_of=columns_of,
    source_of=source_of,
    from_record=from_record,
    finish=first_line,
    score=score,
    slots=slots,
    unlike=partial(unlike, known=tuple(_KNOWN.values()), most=len(_KNOWN)),
)
