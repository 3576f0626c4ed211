"""What a visitor uploads, pastes or types -> a sheet of named columns -> examples, with errors that name the place."""

import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from prefix_core.data.examples import Example, read_records
from prefix_core.data.tables import flatten
from prefix_core.errors import InputError
from prefix_core.tasks import Task
from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.tasks.e2e import E2E
from prefix_core.ui.training_limits import FEWEST_ROWS, Limits

SUFFIXES = (".csv", ".tsv", ".jsonl", ".xlsx")
MOST_COLUMNS = 40
LONGEST_CELL = 20_000  # characters
MOST_UNPACKED = 50_000_000  # bytes of an .xlsx, which is a zip file
PROBLEMS_TOLD = 4
LOOKED_AT = 10  # rows
SENTENCE = 8  # words; values in a table have fewer
MEANING = re.compile(r"\s*(?:\w[\w ]*\[[^\[\]]*\],?\s*)+")  # name[Blue Spice], area[riverside]
TARGETS = ("text", "ref", "reference", "references", "human_reference", "target", "output", "summary", "answer")


@dataclass(frozen=True)
class Sheet:
    """Rows of text under `columns`; `numbers` are the rows' own, as the file counts them (the head is row 1)."""

    name: str
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def guess(self) -> tuple[list[str], str]:
        """The columns that are likely the input, and the one that is likely the text.

        Beside two or more columns of values, one of whole sentences is likely another text, not a part of the table.
        """
        low = {column.strip().lower(): column for column in self.columns}
        target = next((low[name] for name in TARGETS if name in low), self.columns[-1])
        others = [column for column in self.columns if column != target and column.lower() != "id"]
        values = [column for column in others if self._words(column) < SENTENCE]
        return values if len(values) > 1 else others, target

    def _words(self, column: str) -> float:
        """How many words a cell of the first rows has, typically."""
        cells = [row[self.columns.index(column)] for row in self.rows[:LOOKED_AT]]
        return median(len(cell.split()) for cell in cells) if cells else 0.0

    @property
    def likely_task(self) -> str:
        """E2E where the one input column is in its notation: the model knows its own way of writing it far better."""
        inputs, _ = self.guess
        cells = [row[self.columns.index(column)] for column in inputs for row in self.rows[:LOOKED_AT]]
        return E2E.name if len(inputs) == 1 and cells and all(map(MEANING.fullmatch, cells)) else CUSTOM


def read_file(path: Path, limits: Limits) -> Sheet:
    """A .csv, .tsv, .jsonl or .xlsx file. Raises `InputError` naming the file, the row and what to do."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path.name}: this kind of file is not read. Bring one of {', '.join(SUFFIXES)}.")
    if path.stat().st_size > limits.megabytes * 1_000_000:
        raise InputError(f"{path.name}: the file is larger than {limits.megabytes} MB. Bring fewer rows.")
    excel = path.suffix.lower() == ".xlsx"
    if not excel and b"\0" in path.read_bytes()[:8192]:
        raise InputError(f"{path.name}: this is no text but a binary file. Save the table as CSV (UTF-8).")
    return _sheet(path.name, _excel_rows(path) if excel else read_records(path), limits)


def read_pasted(text: str, limits: Limits) -> Sheet:
    """Rows as text: JSON lines, tab-separated as spreadsheets copy them, or CSV. Raises `InputError`."""
    if not text.strip():
        raise InputError("There are no rows yet. Paste them, with the names of the columns in the first row.")
    first = text.lstrip("\ufeff \n").split("\n", 1)[0]
    suffix = ".jsonl" if first.startswith("{") else ".tsv" if "\t" in first else ".csv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"pasted{suffix}"
        path.write_text(text.strip("\n") + "\n", encoding="utf-8")
        return replace(read_file(path, limits), name="pasted rows")


def check_columns(sheet: Sheet, inputs: Sequence[str], target: str) -> None:
    """Raises `InputError` for columns that cannot be the input and the text."""
    if not inputs:
        raise InputError("No column is chosen as the input. Tick at least one.")
    if target in inputs:
        raise InputError(f"Column '{target}' is chosen as input and as text. Choose another for one of them.")
    if unknown := [column for column in [*inputs, target] if column not in sheet.columns]:
        raise InputError(f"There is no column '{unknown[0]}'. There are: {', '.join(sheet.columns)}.")


def examples(sheet: Sheet, task: Task, inputs: Sequence[str], target: str) -> list[Example]:
    """An example for every input, rows of the same input together.

    A table task reads several columns as attributes and values, and one as a table in any notation; the visitor's own
    task fills its template. Raises `InputError` naming the first rows and columns that cannot be used.
    """
    found: dict[Any, Example] = {}
    problems = []
    for number, row in zip(sheet.numbers, sheet.rows, strict=True):
        cells = dict(zip(sheet.columns, row, strict=True))
        try:
            example = _example(task, cells, inputs, target)
        except InputError as error:
            problems.append(f"row {number}: {error}")
            continue
        known = found.get(example.source)
        references = (*known.references, *example.references) if known else example.references
        found[example.source] = replace(known or replace(example, id=f"row {number}"), references=references)
    if problems:
        rest = len(problems) - PROBLEMS_TOLD
        more = f" … and {rest} more rows." if rest > 0 else ""
        raise InputError(f"{sheet.name}, " + " ".join(problems[:PROBLEMS_TOLD]) + more)
    if len(sheet.rows) < FEWEST_ROWS:
        raise InputError(f"{sheet.name}: {len(sheet.rows)} rows; at least {FEWEST_ROWS} are needed. 50 are a start.")
    if len(found) < 2:
        raise InputError(f"{sheet.name}: every row has the same input. Choose the column that tells them apart.")
    return list(found.values())


def default_template(inputs: Sequence[str]) -> str:
    """One column as it is; several in the paper's form, `name : {name} | area : {area}`."""
    return f"{{{inputs[0]}}}" if len(inputs) == 1 else " | ".join(f"{name} : {{{name}}}" for name in inputs)


def _example(task: Task, cells: dict[str, str], inputs: Sequence[str], target: str) -> Example:
    if task.kind == "text":
        return task.from_record(cells)
    text = flatten(cells[target])
    if not text:
        raise InputError(f"column '{target}' is empty. Give the text, or remove the row.")
    if len(inputs) > 1:
        return Example(task.read([[name, cells[name]] for name in inputs if cells[name].strip()]), (text,))
    try:
        return Example(task.read(cells[inputs[0]]), (text,))
    except InputError as error:
        raise InputError(f"column '{inputs[0]}': {error}") from None


def _sheet(name: str, records: Iterable[tuple[int, dict[str, Any]]], limits: Limits) -> Sheet:
    taken = list(islice(records, limits.rows + 1))
    if len(taken) > limits.rows:
        raise InputError(
            f"{name}: more than {limits.rows} rows. Keep the {limits.rows} that matter most; a prefix needs few."
        )
    columns = tuple(dict.fromkeys(str(column) for _, record in taken for column in record))
    if len(columns) < 2:
        raise InputError(
            f"{name}: only one column ({', '.join(columns)}) was found. Two are needed, the input and its text, with "
            "their names in the first row."
        )
    if len(columns) > MOST_COLUMNS:
        raise InputError(f"{name}: {len(columns)} columns. Keep the input and its text, {MOST_COLUMNS} at most.")
    rows = []
    for number, record in taken:
        row = tuple(_text(record.get(column)) for column in columns)
        for column, cell in zip(columns, row, strict=True):
            if len(cell) > LONGEST_CELL:
                raise InputError(
                    f"{name}, row {number}, column '{column}': {len(cell):,} characters. Shorten it to a few hundred."
                )
        rows.append(row)
    return Sheet(name, columns, tuple(number for number, _ in taken), tuple(rows))


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False)
    return cell if isinstance(cell, str) else str(getattr(cell, "text", cell))  # a formula is its text


def _excel_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of the first worksheet. Formulas are not computed: they are text like any other."""
    from openpyxl import load_workbook

    broken = f"{path.name}: this is no readable .xlsx file. Save it again, or as CSV (UTF-8)."
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(member.file_size for member in packed.infolist()) > MOST_UNPACKED:
                raise InputError(f"{path.name}: unpacked it has more than 50 MB. Save the one table as CSV.")
        book = load_workbook(path, read_only=True, keep_links=False)
        rows = enumerate(book.worksheets[0].iter_rows(values_only=True), 1)
        head: list[str] | None = None
        for number, row in rows:
            cells = [_text(cell) for cell in row]
            if not any(cell.strip() for cell in cells):
                continue
            if head is None:
                head = [cell.strip() for cell in cells]
                if repeated := {name for name in head if name and head.count(name) > 1}:
                    raise InputError(f"{path.name}, row 1: the column '{min(repeated)}' occurs more than once.")
            else:
                cells += [""] * (len(head) - len(cells))
                yield number, {name: cell for name, cell in zip(head, cells, strict=False) if name}
    except InputError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do on a file that is broken on purpose
        raise InputError(broken) from error
    if head is None:
        raise InputError(f"{path.name}: the first worksheet has no rows.")
