"""What a visitor uploads, pastes or types -> a sheet of named columns -> examples, with errors that name the place.

The rows come from the one reader; here are the limits of a page, and what a visitor may answer where it stops.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from prefix_core.data.columns import all_cells, guess, is_empty, is_meaning, is_triples
from prefix_core.data.examples import Example
from prefix_core.data.reader import Reading, read_bytes, read_text
from prefix_core.data.report import Report
from prefix_core.errors import EmptyCell, InputError
from prefix_core.tasks import Task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.tasks.e2e import E2E
from prefix_core.tasks.webnlg import WEBNLG
from prefix_core.ui.common import Newest
from prefix_core.ui.train.limits import FEWEST_ROWS, Limits

SUFFIXES = (
    ".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx", ".xlsm", ".xls", ".ods", ".parquet",
    ".feather", ".arrow", ".xml", ".html", ".md", ".gz", ".zip",
)  # fmt: skip
MOST_COLUMNS = 40
LONGEST_CELL = 20_000  # characters
UNPACKED = 8  # times what a file may have packed
PROBLEMS_TOLD = 4
LOOKED_AT = 10  # rows


@dataclass(frozen=True)
class Answers:
    """What a visitor answered where reading stopped. sheet: of a workbook; first: use the first rows of too many;

    leave_out: pass over rows without an input or a text.
    """

    sheet: str | None = None
    first: bool = False
    leave_out: bool = False

    def allowing(self, label: str) -> "Answers":
        """These, and what the button of an `Offer` with this label allows."""
        return replace(self, leave_out=True) if label.startswith("Leave") else replace(self, first=True)


UNASKED = Answers()


class Offer(InputError):
    """Reading stopped at something the visitor may allow. allows: the name of that in `Answers`; label: in words."""

    def __init__(self, message: str, allows: str, label: str) -> None:
        self.allows, self.label = allows, label
        super().__init__(message)


@dataclass(frozen=True)
class Sheet:
    """Rows under `columns`; `numbers` are the rows' own, as the file counts them (the head is row 1).

    A cell is a text; from JSON and Parquet also None, a bool, a list or an object.
    """

    name: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: tuple[tuple[Any, ...], ...]
    report: Report = field(default_factory=lambda: Report(""))
    leave_out: bool = False

    @property
    def records(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    @property
    def guess(self) -> tuple[list[str], str]:
        """The columns that are likely the input, and the one that is likely the text."""
        found = guess(self.columns, self.records[:LOOKED_AT])
        return list(found.inputs), found.targets[0]

    @property
    def likely_task(self) -> str:
        """The task whose notation the one input column is in: the model knows its own way of writing it far better."""
        inputs, _ = self.guess
        rows = self.records[:LOOKED_AT]
        if len(inputs) == 1 and all_cells(rows, inputs[0], is_meaning) and not all_cells(rows, inputs[0], is_triples):
            return E2E.name
        return WEBNLG.name if len(inputs) == 1 and all_cells(rows, inputs[0], is_triples) else CUSTOM


@dataclass(eq=False)
class Rows:
    """The rows of one page. sheet: of the newest reading, as soon as it is read."""

    sheet: Sheet | None = None
    reading: Newest = field(default_factory=Newest)
    planning: Newest = field(default_factory=Newest)

    def read(self) -> Callable[[], bool]:
        """Others are read now. What is returned says whether these are the newest still."""
        self.sheet = None
        return self.reading.ask()


def take(path: Path, limits: Limits) -> tuple[str, bytes]:
    """Name and bytes of an uploaded file, which does not stay on disk. Raises `InputError` if it is too large."""
    try:
        check_size(path, limits)
        return path.name, path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def check_size(path: Path, limits: Limits) -> None:
    """Raises `InputError` for a file that is too large to be looked at."""
    if path.stat().st_size > limits.megabytes * 1_000_000:
        raise InputError(f"{path.name}: the file is larger than {limits.megabytes} MB. Bring fewer rows.")


def read_file(path: Path, limits: Limits, answers: Answers = UNASKED) -> Sheet:
    """A file of any kind that the reader reads. Raises `InputError` naming the file, the row and what to do."""
    check_size(path, limits)
    return read_content(path.read_bytes(), path.name, limits, answers)


def read_content(
    content: bytes, name: str, limits: Limits, answers: Answers = UNASKED, fewest_columns: int = 2
) -> Sheet:
    """As `read_file`, of a file that is not kept. fewest_columns: 1 for inputs alone."""
    most = UNPACKED * limits.megabytes * 1_000_000
    return _sheet(read_bytes(content, name, answers.sheet, most), limits, answers, fewest_columns)


def read_pasted(text: str, limits: Limits, answers: Answers = UNASKED) -> Sheet:
    """Rows as text: JSON lines, tab-separated as spreadsheets copy them, or CSV. Raises `InputError`."""
    if not text.strip():
        raise InputError("There are no rows yet. Paste them, with the names of the columns in the first row.")
    if len(text) > limits.megabytes * 1_000_000:
        raise InputError(f"There are more than {limits.megabytes} MB of text. Paste fewer rows.")
    return _sheet(read_text(text), limits, answers)


def check_columns(sheet: Sheet, inputs: Sequence[str], target: str) -> None:
    """Raises `InputError` for columns that cannot be the input and the text."""
    if not inputs:
        raise InputError("No column is chosen as the input. Tick at least one.")
    if target in inputs:
        raise InputError(f"Column '{target}' is chosen as input and as text. Choose another for one of them.")
    if unknown := [column for column in [*inputs, target] if column not in sheet.columns]:
        raise InputError(f"There is no column '{unknown[0]}'. There are: {', '.join(sheet.columns)}.")


def examples(sheet: Sheet, task: Task, inputs: Sequence[str], target: str) -> list[Example]:
    """An example for every input, rows of the same input together; as the command line makes them of a file.

    A table task reads several columns as attributes and values, and one as a table in any notation; the visitor's own
    task fills its template. Raises `InputError` naming the first rows and columns that cannot be used, and `Offer`
    where all that is wrong is that cells are empty.
    """
    if task.name == CUSTOM:
        task.columns_of(sheet.records)  # whether the template names columns that are there
    found: dict[Any, Example] = {}
    problems, empty = [], 0
    for number, record in zip(sheet.numbers, sheet.records, strict=True):
        try:
            example = task.from_record(record, inputs, _targets(record, target))
        except InputError as error:
            if not (isinstance(error, EmptyCell) and sheet.leave_out):
                problems.append(f"row {number}: {error}")
                empty += isinstance(error, EmptyCell)
            continue
        known = found.get(example.source)
        if known is None:
            found[example.source] = replace(example, id=f"row {number}")
            continue
        references, left_out = known.references + example.references, known.left_out + example.left_out
        found[example.source] = replace(known, references=references, left_out=left_out)
    if problems:
        _refuse(sheet, problems, empty)
    if len(sheet.rows) < FEWEST_ROWS:
        raise InputError(f"{sheet.name}: {len(sheet.rows)} rows; at least {FEWEST_ROWS} are needed. 50 are a start.")
    if len(found) < 2:
        raise InputError(f"{sheet.name}: every row has the same input. Choose the column that tells them apart.")
    return list(found.values())


def default_template(inputs: Sequence[str]) -> str:
    """One column as it is; several in the paper's form, `name : {name} | area : {area}`."""
    return f"{{{inputs[0]}}}" if len(inputs) == 1 else " | ".join(f"{name} : {{{name}}}" for name in inputs)


def shown(cell: Any) -> str:
    """A cell in the preview."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _targets(record: Mapping[str, Any], target: str) -> list[str]:
    """The chosen text column; where it is empty in a row, the others that are likely meant for the same."""
    if not is_empty(record.get(target)):
        return [target]
    return [target, *(column for column in guess(list(record), [record]).targets if column != target)]


def _refuse(sheet: Sheet, problems: list[str], empty: int) -> None:
    rest = len(problems) - PROBLEMS_TOLD
    more = f" … and {rest} more rows." if rest > 0 else ""
    message = f"{sheet.name}, " + " ".join(problems[:PROBLEMS_TOLD]) + more
    if empty == len(problems) <= len(sheet.rows) - FEWEST_ROWS:
        rows = "this row" if empty == 1 else f"these {empty} rows"
        raise Offer(message, "leave_out", f"Leave out {rows}")
    raise InputError(message)


def _sheet(reading: Reading, limits: Limits, answers: Answers, fewest_columns: int = 2) -> Sheet:
    name = reading.name
    taken = list(islice(reading, limits.rows + 1))
    if len(taken) > limits.rows:
        if not answers.first:
            message = f"{name}: more than {limits.rows} rows. Keep the {limits.rows} that matter most."
            raise Offer(message, "first", f"Use the first {limits.rows}")
        taken = taken[: limits.rows]
        reading.report.rows = limits.rows
        reading.report.note(f"only the first {limits.rows} rows are used")
    columns = tuple(dict.fromkeys(column for _, record in taken for column in record))
    if len(columns) < fewest_columns:
        raise InputError(
            f"{name}: only one column ({', '.join(columns)}) was found. Two are needed, the input and its text, with "
            "their names in the first row."
        )
    if len(columns) > MOST_COLUMNS:
        raise InputError(f"{name}: {len(columns)} columns. Keep the input and its text, {MOST_COLUMNS} at most.")
    rows = []
    for number, record in taken:
        row = tuple(record.get(column) for column in columns)
        for column, cell in zip(columns, row, strict=True):
            if len(shown(cell)) > LONGEST_CELL:
                length = len(shown(cell))
                raise InputError(
                    f"{name}, row {number}, column '{column}': {length:,} characters. Shorten it to a few hundred."
                )
        rows.append(row)
    numbers = tuple(number for number, _ in taken)
    return Sheet(name, columns, numbers, tuple(rows), reading.report, answers.leave_out)
