"""Tasks that write tables: a row of a file as a table, in one cell or an attribute in each of several; its scores."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from prefix_core.data.columns import TEXT_COLUMNS, Columns, guess, is_empty, known, pick, plain_text
from prefix_core.data.examples import Example
from prefix_core.data.tables import Table, from_grid, from_json
from prefix_core.errors import EmptyCell, InputError
from prefix_core.scores.metrics import mean, text_scores
from prefix_core.scores.slots import Coverage, percent_said

INPUT_COLUMNS = ("table", "mr", "source", "input", "meaning_representation")


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """One of `INPUT_COLUMNS`; else what is likely: a column of tables, or several, each an attribute."""
    columns = known(records, INPUT_COLUMNS, TEXT_COLUMNS)
    names = tuple(dict.fromkeys(str(name) for record in records for name in record))
    return columns or (guess(names, records) if len(names) > 1 else Columns((), ()))


def score(
    outputs: Sequence[str],
    examples: Sequence[Example],
    slots: Callable[[Table, str], Coverage],
    names: Collection[str],
) -> dict[str, float]:
    """bleu, nist, rouge_l, cider and chrf (see `metrics`); slot_coverage and names_said in percent.

    slot_coverage: the values said, of all rows of all tables; names_said: the same of the attributes `names` alone.
    invented: how much that is not in its table a text says, on average. slots: what a text says of its table.
    """
    covers = [slots(example.source, output) for output, example in zip(outputs, examples, strict=True)]
    rows = [cover.slots for cover in covers]
    return {
        **text_scores(outputs, [example.references for example in examples]),
        "slot_coverage": percent_said(rows),
        "names_said": percent_said([[slot for slot in row if slot.attribute in names] for row in rows]),
        "invented": mean([len(cover.unsupported) for cover in covers]),
    }


def unlike(table: Table, known: Collection[str], most: int) -> str:
    """What about a table is unlike those learned from, which have up to `most` of the `known` attributes."""
    strangers = [name for name, _ in table if name not in known]
    some = ", ".join(known)
    if len(strangers) == len(table):
        return f"None of these attributes was in the training data, which has {some}."
    if 2 * len(strangers) > len(table):
        return f"{len(strangers)} of these {len(table)} attributes were not in the training data, which has {some}."
    if len(table) > most:
        return f"This table has {len(table)} rows; those in the training data have {most} at most."
    return ""


def table_of(record: Mapping[str, Any], inputs: Sequence[str], parse: Callable[[str], Table]) -> Table:
    """The table in the columns `inputs`; where none are named, in one of `INPUT_COLUMNS`.

    parse: of a notation. Raises `InputError`, `EmptyCell` where nothing is there.
    """
    if len(inputs) > 1:
        cells = [[name, plain_text(record.get(name), name)] for name in inputs if not is_empty(record.get(name))]
        if not cells:
            raise EmptyCell(f"the columns {', '.join(inputs)} are all empty. Fill one in, or remove the row.")
        return from_grid(cells)
    name, cell = pick(record, inputs or INPUT_COLUMNS, "table")
    try:
        return parse(cell) if isinstance(cell, str) else from_json(cell)
    except InputError as error:
        raise InputError(f"column '{name}': {error}") from None
