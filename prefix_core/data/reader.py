"""The one reader: a file, pasted text or a published set -> rows, and a report of how they were read.

A row is read as its writer meant it, or refused with its place and reason. What a file is, its content says: CSV and
its kin, Markdown, JSON and JSON lines, workbooks (xlsx, xls, OpenDocument), Parquet, XML and HTML; plain, in gzip, or
in a zip with no other table.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from prefix_core.data import apart, data_sets, json_rows, separated
from prefix_core.data.characters import encoding_of, lines_of
from prefix_core.data.columns import with_turns
from prefix_core.data.opened import MEBI, Opened, open_bytes, open_file
from prefix_core.data.records import (
    looks_like_blocks,
    looks_paired,
    rows_of_blocks,
    rows_of_pairs,
    same_but_for_case,
    under_head,
    unnamed,
)
from prefix_core.data.report import Report
from prefix_core.errors import InputError

Record = dict[str, Any]
_YAML = re.compile(r"\s*(?:---\s*\n)?\s*-\s+\w+\s*: .*\n\s+\w+\s*: ")


class Reading:
    """Rows as they come, (row number, column -> cell), none held in memory; `report` is complete after the last.

    A cell is a text; from JSON and Parquet also None, a bool, a list or an object. The head of a table is row 1.
    Iterating raises `InputError` naming file, row and reason.
    """

    def __init__(self, name: str, rows: Iterator[tuple[int, Record]], report: Report) -> None:
        self.name, self.report = name, report
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        for number, record in self._rows:
            self.report.rows += 1
            yield number, record
        if not self.report.rows:
            raise InputError(f"{self.name}: the file has no rows.")


def read(place: str | Path, sheet: str | None = None, most: int | None = None) -> Reading:
    """A file, or a published set by its name (`webnlg_2017:train`).

    sheet: of a workbook with several. most: bytes that the file may unpack to, for a file of a stranger; else it may
    take the time and room that its size asks for. Raises `InputError`, and `SeveralSheets` where one has to be chosen.
    """
    name = str(place)
    if found := data_sets.named(name):
        local = data_sets.local_file(*found)
        if local is None:
            return Reading(name, data_sets.hub_rows(name, *found), Report(name, kind="a set of the Hugging Face Hub"))
        place = local
    path = Path(place)
    if ":" in name and not path.exists() and not path.suffix:
        known = ", ".join(data_sets.DATA_SETS)
        raise InputError(f"{name}: there is no such file, and no such data set. By name there are: {known}.")
    opened = open_file(path, most)  # a file of one's own takes the time that its size needs
    seconds = apart.SECONDS if most is not None else apart.SECONDS + 4 * opened.size / MEBI
    return _reading(opened, sheet, seconds)


def read_bytes(content: bytes, name: str, sheet: str | None = None, most: int | None = None) -> Reading:
    """The content of a file that is not kept. As `read`."""
    opened = replace(open_bytes(content, name, most), until=time.thread_time() + apart.SECONDS)
    return _reading(opened, sheet, apart.SECONDS)


def read_text(text: str, name: str = "pasted rows") -> Reading:
    """Rows that were pasted. Raises `InputError`."""
    try:
        return read_bytes(text.encode("utf-8"), name)
    except UnicodeEncodeError as error:
        raise InputError(f"{name}: character {error.start + 1} is broken. Paste the text again.") from None


def _reading(opened: Opened, sheet: str | None, seconds: float) -> Reading:
    report = Report(opened.name)
    rows = _text_rows(opened, report) if opened.kind == "text" else _other_rows(opened, report, sheet, seconds)
    return Reading(opened.name, rows, report)


def _text_rows(opened: Opened, report: Report) -> Iterator[tuple[int, Record]]:
    codec, report.encoding = encoding_of(opened)
    if codec == "cp1252":
        report.note("the text is not UTF-8 and was read as Windows-1252: look whether its accents are right")

    def lines() -> Iterator[str]:
        return lines_of(opened, codec)

    def long_lines() -> Iterator[str]:
        return lines_of(opened, codec, json_rows.MOST_WHOLE)

    start = "".join(islice(long_lines(), 20))[:2000]
    name = opened.name.lower().removesuffix(".gz").removesuffix(".zip")
    if json_rows.looks_like_json(start) or name.endswith((".json", ".jsonl", ".ndjson")):
        rows = json_rows.rows_of(long_lines, opened.name, report)
        yield from _with_turns(rows, opened.name)
        return
    if _YAML.match(start):
        raise InputError(f"{opened.name}: this looks like YAML, which cannot be read. Bring CSV or JSON lines.")
    if looks_like_blocks(start):
        yield from rows_of_blocks(lines(), opened.name, report)
        return
    if looks_paired(start):
        yield from rows_of_pairs(lines(), opened.name, report)
        return
    cells = separated.rows_of(lines, opened.name, report)
    yield from under_head(cells, opened.name, report)


def _other_rows(opened: Opened, report: Report, sheet: str | None, seconds: float) -> Iterator[tuple[int, Record]]:
    found = apart.messages(opened, report, sheet, seconds)
    first = next(found, None)
    messages = chain([first] if first else [], found)
    if opened.kind == "workbook" or (first and first[0] == "row"):
        report.kind = "workbook" if opened.kind == "workbook" else "HTML"
        yield from under_head(((number, row) for _, number, row in messages), opened.name, report, padded=True)
        return
    report.kind = "XML" if opened.kind == "markup" else "Parquet"
    records = ((number, record) for _, number, record in messages)
    yield from _with_turns(_named(records, opened.name, report), opened.name)


def _named(rows: Iterator[tuple[int, Record]], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    """The records without columns that have no name."""
    for number, record in rows:
        record = {column: cell for column, cell in record.items() if not unnamed(column)}
        if not report.columns:
            report.columns = tuple(record)
            if twice := same_but_for_case(record):
                raise InputError(f"{name}: the columns '{twice[0]}' and '{twice[1]}' differ only in case.")
        yield number, record


def _with_turns(rows: Iterator[tuple[int, Record]], name: str) -> Iterator[tuple[int, Record]]:
    for number, record in rows:
        try:
            yield number, with_turns(record)
        except InputError as error:
            raise InputError(f"{name}, row {number}: {error}") from None
