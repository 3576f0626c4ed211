"""Examples: an input and the texts people wrote for it, read from a file row by row."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from prefix_core.data import data_sets
from prefix_core.data.tables import flatten
from prefix_core.errors import InputError

if TYPE_CHECKING:
    from prefix_core.tasks.task import Task

MAX_LINE = 4_000_000  # bytes; a longer line is no row of a data set
SUFFIXES = (".csv", ".tsv", ".jsonl", ".jsonl.gz", ".parquet")
REFERENCE_COLUMNS = ("references", "ref", "target", "reference", "human_reference", "lex", "annotations")


@dataclass(frozen=True)
class Example:
    """`source` is what the task reads an input into (E2E: a `Table`); `references` are all texts for it.

    category: the topic or origin the data set gives, to tell scores apart by; featured: shown first in the app.
    """

    source: Any
    references: tuple[str, ...]
    id: str = ""
    featured: bool = False
    category: str = ""


def load_examples(data: str | Path, task: Task, limit: int | None = None) -> list[Example]:
    """The examples of a file or a published set, rows of one input together, in order of first appearance.

    data: a file with one of `SUFFIXES`, or a name of `data_sets` such as `webnlg_2017:train`; several joined by +.
    Rows with an id are one input only where the ids are the same: WebNLG and DART score every entry for itself.
    limit: number of inputs to keep. The whole file is read all the same: later rows may hold further references.
    Raises `InputError` naming the file, the row (the head is row 1) and the column.
    """
    examples: dict[Any, Example] = {}
    for place in [str(data)] if Path(data).exists() else str(data).split("+"):
        for row, record in read_records(place):
            try:
                example = task.from_record(record)
            except InputError as error:
                raise InputError(f"{Path(place).name}, row {row}: {error}") from None
            entry = (example.source, example.id)
            known = examples.get(entry)
            if known:
                examples[entry] = replace(known, references=known.references + example.references)
            elif limit is None or len(examples) < limit:
                examples[entry] = example if example.id else replace(example, id=f"row {row}")
    return list(examples.values())


def read_records(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, column -> cell) of every row of a file, or of a set by its name; nothing is held in memory.

    Raises `InputError` naming file and row.
    """
    name, path = str(path), Path(path)
    if found := data_sets.named(name):
        local = data_sets.local_file(*found)
        yield from read_records(local) if local else data_sets.hub_rows(name, *found)
        return
    if ":" in name and not path.exists() and not path.suffix:
        known = ", ".join(data_sets.DATA_SETS)
        raise InputError(f"{name}: there is no such file, and no such data set. By name there are: {known}.")
    if path.suffix.lower() == ".parquet" and path.exists():
        yield from data_sets.parquet_rows(name, path.name)
        return
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"{path.name}: this kind of file is not read. Bring one of {', '.join(SUFFIXES)}.")
    empty = True
    try:
        with cast(IO[bytes], gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")) as file:
            for row in _sheet_rows(file, path) if path.suffix.lower() in (".csv", ".tsv") else _json_rows(file, path):
                empty = False
                yield row
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path.name}: the gzip file is damaged ({error}). Copy it or pack it again.") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read ({error.strerror}).") from None
    if empty:
        raise InputError(f"{path.name}: the file has no rows.")


def pick(record: dict[str, Any], names: Sequence[str], what: str) -> tuple[str, Any]:
    """The first of the columns `names` that the record has, and its cell. `what` says what it is for.

    Raises `InputError` where there is no such column or its cell is empty.
    """
    columns = {str(name).strip().lower(): name for name in record}
    name = next((columns[name] for name in names if name in columns), None)
    if name is None:
        found = ", ".join(map(str, record)) or "none"
        raise InputError(f"no column with the {what}: expected one of {', '.join(names)}; found {found}.")
    cell = record[name]
    if cell is None or cell == [] or (isinstance(cell, str) and not cell.strip()):
        raise InputError(f"column '{name}' is empty. Give the {what}, or remove the row.")
    return name, cell


def references_of(record: dict[str, Any], columns: Sequence[str] = REFERENCE_COLUMNS) -> tuple[str, ...]:
    """The reference texts of a row, each on one line. Raises `InputError` where one is missing or no text.

    A cell is a text, a list of texts, or as the Hub's WebNLG and DART have it `{"text": [...], ...}`.
    """
    name, cell = pick(record, columns, "reference text")
    if isinstance(cell, dict):
        cell = [text for text in cell.get("text") or () if text] or [None]  # DART has an empty one
    texts = cell if isinstance(cell, list) else [cell]
    for number, text in enumerate(texts, 1):
        if text is not None and not isinstance(text, str):
            raise InputError(f"column '{name}': reference {number} is no text.")
        if not flatten(text or ""):
            raise InputError(f"column '{name}': reference {number} is empty.")
    return tuple(flatten(text) for text in texts)


def example_of(source: Any, record: dict[str, Any], columns: Sequence[str] = REFERENCE_COLUMNS) -> Example:
    """An input and the rest of its row: texts in one of `columns`, and id, category and featured where it has them."""
    return Example(
        source,
        references_of(record, columns),
        str(record.get("id") or ""),
        record.get("featured") is True,
        str(record.get("category") or ""),
    )


def _json_rows(file: IO[bytes], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_lines(file, path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line.rstrip())
        except (ValueError, RecursionError) as error:
            where = f", character {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            why = error.msg if isinstance(error, json.JSONDecodeError) else "too deep, or a number too long"
            raise InputError(f"{path.name}, row {number}{where}: this is not JSON ({why}).") from None
        if not isinstance(record, dict):
            raise InputError(f'{path.name}, row {number}: expected a JSON object, such as {{"mr": "..", "ref": ".."}}.')
        yield number, record


def _sheet_rows(file: IO[bytes], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = _lines(file, path)
    first = next(lines, "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    rows = csv.reader(_put_back(first, lines), delimiter=delimiter, strict=True)
    number = 1
    try:
        head = [name.strip() for name in next(rows, [])]
        if repeated := {name for name in head if head.count(name) > 1 and name}:
            raise InputError(f"{path.name}, row 1: the column '{min(repeated)}' occurs more than once.")
        for number, row in enumerate(rows, 2):
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(head):
                raise InputError(
                    f"{path.name}, row {number}: {len(row)} cells where the head has {len(head)}."
                    f" Put double quotes around a cell that holds a {'tab' if delimiter == chr(9) else delimiter}"
                )
            yield number, dict(zip(head, row, strict=True))
    except csv.Error as error:
        if "field limit" in str(error):
            raise InputError(
                f"{path.name}, after row {number}: a cell has more than {csv.field_size_limit():,} characters"
                " (csv.field_size_limit). Shorten it, or close the quote that may be open before it."
            ) from None
        raise InputError(
            f"{path.name}, after row {number}: the quotes do not match ({error})."
            ' Put double quotes around the whole cell, and write "" for a quote inside it.'
        ) from None


def _put_back(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _lines(file: IO[bytes], path: Path) -> Iterator[str]:
    """Lines of UTF-8 text, with or without a byte-order mark, never more than one in memory."""
    number = 0
    while raw := file.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            raise InputError(f"{path.name}, line {number}: longer than {MAX_LINE:,} bytes. Give one row a line.")
        if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise InputError(f"{path.name}: the text is UTF-16. Save it as UTF-8.")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path.name}, line {number}: byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8."
                " Save the file as UTF-8."
            ) from None
