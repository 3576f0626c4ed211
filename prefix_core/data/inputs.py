"""Inputs from a file: rows that a text is still to be written for. A text that stands beside one is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefix_core.data.columns import TEXT_COLUMNS
from prefix_core.data.examples import LOOKED_AT
from prefix_core.data.reader import Record, read
from prefix_core.data.report import Report
from prefix_core.errors import EmptyCell, InputError

if TYPE_CHECKING:
    from prefix_core.tasks.task import Task


@dataclass(frozen=True)
class Input:
    """A row: its number as the file counts (the head is row 1), its cells, and what the task reads it into.

    problem: why the row cannot be read; then there is no source.
    """

    number: int
    record: Record
    source: Any = None
    problem: InputError | None = None


def inputs_of(task: Task, rows: Iterable[tuple[int, Record]]) -> Iterator[Input]:
    """Rows -> inputs, each with what is wrong with it. Raises `InputError` where no column can be the input."""
    rows = iter(rows)
    first = list(islice(rows, LOOKED_AT))
    columns = input_columns(task, [record for _, record in first])
    for number, record in chain(first, rows):
        try:
            yield Input(number, record, task.source_of(record, columns))
        except InputError as error:
            yield Input(number, record, problem=error)


def input_columns(task: Task, records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Which columns are the input; none where the task picks them itself. One column alone is it, whatever its name."""
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    if len(names) == 1:
        return (names[0],)
    if task.columns and not {name.strip().lower() for name in names} & set(TEXT_COLUMNS):
        records = [{**record, TEXT_COLUMNS[0]: "-"} for record in records]  # else the last column would be the text
    return task.columns_of(records).inputs


def load_inputs(
    place: str | Path,
    task: Task,
    sheet: str | None = None,
    leave_out_empty: bool = False,
    report: Callable[[Report], None] = lambda report: None,
) -> list[Input]:
    """The inputs of a file or a published set, in order. leave_out_empty: pass over rows without an input.

    sheet, report: as `load_examples`. Raises `InputError` naming the file, the row and the column.
    """
    reading = read(place, sheet)
    found = []
    for row in inputs_of(task, reading):
        if row.problem is None:
            found.append(row)
        elif leave_out_empty and isinstance(row.problem, EmptyCell):
            reading.report.left_out.append((row.number, "left out: it has no input"))
        else:
            raise type(row.problem)(f"{Path(place).name}, row {row.number}: {row.problem}") from None
    if not found:
        raise InputError(f"{Path(place).name}: no row has an input.")
    report(reading.report)
    return found
