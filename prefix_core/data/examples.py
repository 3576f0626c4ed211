"""Examples: an input and the texts people wrote for it, made of the rows that the reader gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefix_core.data.columns import REFERENCE_COLUMNS, texts_of
from prefix_core.data.reader import read
from prefix_core.data.report import Report
from prefix_core.errors import EmptyCell, InputError

if TYPE_CHECKING:
    from prefix_core.tasks.task import Task


@dataclass(frozen=True)
class Example:
    """`source` is what the task reads an input into (E2E: a `Table`); `references` are all texts for it.

    category: the topic or origin the data set gives, to tell scores apart by; featured: shown first in the app;
    left_out: texts of its row that were not taken, and why.
    """

    source: Any
    references: tuple[str, ...]
    id: str = ""
    featured: bool = False
    category: str = ""
    left_out: tuple[str, ...] = field(default=(), compare=False)


def load_examples(
    data: str | Path,
    task: Task,
    limit: int | None = None,
    sheet: str | None = None,
    leave_out_empty: bool = False,
    report: Callable[[Report], None] = lambda report: None,
) -> list[Example]:
    """The examples of a file or a published set, rows of one input together, in order of first appearance.

    data: a file of any kind that `reader` reads, or a name of `data_sets` such as `webnlg_2017:train`; several joined
    by +. Rows with an id are one input only where the ids are the same: WebNLG and DART score every entry for itself.
    limit: number of inputs to keep. The whole file is read all the same: later rows may hold further references.
    sheet: of a workbook. leave_out_empty: pass over rows without an input or a text. report: called with how each file
    was read.
    Raises `InputError` naming the file, the row (the head is row 1) and the column.
    """
    examples: dict[Any, Example] = {}
    for place in [str(data)] if Path(data).exists() else str(data).split("+"):
        reading = read(place, sheet)
        rows = iter(reading)
        first = list(islice(rows, LOOKED_AT))
        try:
            columns = task.columns_of([record for _, record in first])
        except InputError as error:
            raise InputError(f"{Path(place).name}: {error}") from None
        there = {str(name) for _, record in first for name in record}
        reading.report.inputs = columns.inputs
        reading.report.targets = tuple(name for name in columns.targets if name in there)
        for row, record in chain(first, rows):
            try:
                example = task.from_record(record, columns.inputs, columns.targets)
            except EmptyCell as error:
                if leave_out_empty:
                    reading.report.left_out.append((row, f"left out: {str(error).split('. ')[0]}"))
                    continue
                raise EmptyCell(f"{Path(place).name}, row {row}: {error}") from None
            except InputError as error:
                raise InputError(f"{Path(place).name}, row {row}: {error}") from None
            reading.report.left_out += [(row, why) for why in example.left_out]
            entry = (example.source, example.id)
            known = examples.get(entry)
            if known:
                examples[entry] = replace(known, references=known.references + example.references)
            elif limit is None or len(examples) < limit:
                examples[entry] = example if example.id else replace(example, id=f"row {row}")
        report(reading.report)
    return list(examples.values())


LOOKED_AT = 10  # rows, to see what the columns are


def example_of(source: Any, record: Mapping[str, Any], columns: Sequence[str] = REFERENCE_COLUMNS) -> Example:
    """An input and the rest of its row: texts in one of `columns`, and id, category and featured where it has them."""
    texts, left_out = texts_of(record, columns)
    return Example(
        source,
        texts,
        str(record.get("id") or ""),
        record.get("featured") is True,
        str(record.get("category") or ""),
        tuple(left_out),
    )
