"""Examples: an input and the texts people wrote for it, made of a file's rows; and inputs that have no text yet.

Which examples are learned from and which are held out is drawn by a seed: never the same input in both.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefix_core.data.columns import REFERENCE_COLUMNS, TEXT_COLUMNS, texts_of
from prefix_core.data.reader import Record, read
from prefix_core.data.report import Report
from prefix_core.errors import EmptyCell, InputError

if TYPE_CHECKING:
    from prefix_core.tasks.task import Task

LOOKED_AT = 10  # rows, to see what the columns are
HELD_OUT_SHARE = 0.3  # of the number learned from: the paper's low-data setting (section 6.3)
MOST_HELD_OUT = 200


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


# --------------------------------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True)
class Input:
    """A row that a text is still to be written for; one that stands beside the input is left alone.

    number: as the file counts (the head is row 1); record: its cells; source: what the task reads them into;
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


# ----------------------------------------------------------------------------------------------- learned from, held out


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
