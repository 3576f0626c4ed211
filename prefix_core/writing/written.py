"""What was written for many inputs, as a table: a row an input, with its own columns and, for each method, the text.

Beside a text stands how much of its input it says, what is missing and what it says beyond; and, of several methods,
how far their texts disagree.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from prefix_core.data.inputs import Input
from prefix_core.errors import InputError
from prefix_core.scores.metrics import rouge_l
from prefix_core.tasks.task import Task

SUFFIXES = (".csv", ".xlsx", ".jsonl")


@dataclass(frozen=True)
class Check:
    """What a text says of its input. said: so many of the `values`; missing, invented: in the order of the input, of
    the text.
    """

    said: int
    values: int
    missing: tuple[str, ...]
    invented: tuple[str, ...]


def check(task: Task, source: Any, text: str) -> Check | None:
    """None where an input of the task has no values to look for."""
    if task.slots is None:
        return None
    found = task.slots(source, text)
    missing = tuple(f"{slot.attribute}: {slot.value}" for slot in found.missing)
    return Check(len(found.said), len(found.slots), missing, tuple(item.said for item in found.unsupported))


def disagreement(texts: Sequence[str]) -> float:
    """How far texts for one input differ: 0, the same words in the same order, to 100, no word in common.

    100 less the mean ROUGE-L of every text against every other; 0 for fewer than two texts.
    """
    pairs = list(permutations(texts, 2))
    worded = [pair for pair in pairs if all(text.strip() for text in pair)]
    same = len(worded) * rouge_l([one for one, _ in worded], [[other] for _, other in worded]) if worded else 0.0
    same += 100 * sum(one == other for one, other in pairs if (one, other) not in worded)
    return 100 - float(same) / len(pairs) if pairs else 0.0


def table(
    task: Task, inputs: Sequence[Input], written: Sequence[Mapping[str, str]]
) -> tuple[list[str], list[list[Any]]]:
    """Head and rows. written: for each input, method -> text, the same methods in all."""
    columns = list(dict.fromkeys(str(name) for one in inputs for name in one.record))
    methods = list(dict.fromkeys(method for texts in written for method in texts))
    parts = ("said", "missing", "invented") if task.slots else ()
    own = [name for method in methods for name in (method, *(f"{method} {part}" for part in parts))]
    own += ["disagreement"] if len(methods) > 1 else []
    head = columns + [f"written {name}" if name in columns else name for name in own]
    rows = []
    for one, texts in zip(inputs, written, strict=True):
        row: list[Any] = [_plain(one.record.get(column)) for column in columns]
        for method in methods:
            found = check(task, one.source, texts.get(method, ""))
            row.append(texts.get(method, ""))
            if found:
                row += [f"{found.said} of {found.values}", "; ".join(found.missing), "; ".join(found.invented)]
        rows.append(row + [round(disagreement(list(texts.values())), 1)] * (len(methods) > 1))
    return head, rows


def check_ending(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: choose a name that ends in one of {', '.join(SUFFIXES)}")


def save(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write the table to `path`, whose ending says how: .csv, .xlsx or .jsonl. Raises `InputError` for another."""
    check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".xlsx":
        _save_workbook(path, [head, *rows])
    elif path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])
    else:
        lines = (json.dumps(dict(zip(head, row, strict=True)), ensure_ascii=False) for row in rows)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _save_workbook(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook()
    sheet = book.active
    for row, cells in enumerate(rows, 1):
        for column, value in enumerate(cells, 1):
            cell = sheet.cell(row, column)
            cell.value = ILLEGAL_CHARACTERS_RE.sub("", value) if isinstance(value, str) else value
            if isinstance(value, str):
                cell.data_type = "s"  # else a text that begins with = would be a formula
    book.save(path)


def _plain(cell: Any) -> Any:
    """A cell of the input: a list or an object as JSON, nothing as an empty text."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str | int | float | bool) else json.dumps(cell, ensure_ascii=False)
