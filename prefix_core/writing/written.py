"""What was written: a pane for each method's text, and many inputs as a table, a row an input.

In the table stand an input's own columns and, for each method, the text; beside a text how much of its input it says,
what is missing and what it says beyond; and, of several methods, how far their texts disagree. Imports no torch.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

from prefix_core.data.examples import Input
from prefix_core.errors import InputError
from prefix_core.scores.metrics import rouge_l
from prefix_core.tasks.task import Task

State = Literal["waiting", "writing", "finished", "stopped", "failed"]  # of a pane
SUFFIXES = (".csv", ".xlsx", ".jsonl")  # of a table


@dataclass(frozen=True)
class Pane:
    """One method's output so far.

    tokens: written so far; first_token, seconds: measured in the method's own batch, which held `shared` rows.
    trained, kept, base: parameters trained, kept on disk, and in the base; bytes: on disk, in addition to the base;
    copy: of a whole copy of the base in 16 bits, where the method is one and is stored as its difference; else 0.
    context: tokens of the context that the method takes up before any input; cut: input tokens that did not fit.
    loading: seconds it took before that to have the method's weights, next to none where they are in memory.
    strength, layers: of a prefix; layers as people count them, "5-12", or "" for all.
    scores: metric -> 0 to 100 against the references; see `comparison.scored`.
    """

    method: str
    state: State = "waiting"
    text: str = ""
    tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0
    shared: int = 1
    cut: int = 0
    loading: float = 0.0
    trained: int = 0
    kept: int = 0
    bytes: int = 0
    copy: int = 0
    context: int = 0
    base: int = 0
    error: str = ""
    strength: float = 1.0
    layers: str = ""
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


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
