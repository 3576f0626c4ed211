"""A row of a file as a table: one cell that holds it all, in any notation, or several cells, each an attribute's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prefix_core.data.columns import TEXT_COLUMNS, Columns, guess, is_empty, known, pick, plain_text
from prefix_core.data.tables import Table, from_grid, from_json
from prefix_core.errors import EmptyCell, InputError

INPUT_COLUMNS = ("table", "mr", "source", "input", "meaning_representation")


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """One of `INPUT_COLUMNS`; else what is likely: a column of tables, or several, each an attribute."""
    columns = known(records, INPUT_COLUMNS, TEXT_COLUMNS)
    names = tuple(dict.fromkeys(str(name) for record in records for name in record))
    return columns or (guess(names, records) if len(names) > 1 else Columns((), ()))


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
