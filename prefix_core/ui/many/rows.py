"""The rows of "Many inputs": read from a file or pasted, and what is written for them. Knows no component."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from prefix_core.data.examples import Input, inputs_of
from prefix_core.data.report import Report
from prefix_core.errors import EmptyCell, InputError, SeveralRecords
from prefix_core.ui.common import Newest
from prefix_core.ui.labels import METHOD_LABELS
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.sheet import PROBLEMS_TOLD, UNASKED, Answers, Offer, read_content

if TYPE_CHECKING:
    from prefix_core.tasks import Task
    from prefix_core.ui.choices import TaskCard
    from prefix_core.ui.compare.runs import DecodingOptions
    from prefix_core.writing.written import Check, Pane

MOST_ROWS = 200
LIMITS = Limits(rows=MOST_ROWS)
OVER = ("finished", "stopped", "failed")


@dataclass(frozen=True)
class Inputs:
    """Rows to write for. name: of the file; report: how it was read."""

    name: str
    rows: tuple[Input, ...]
    report: Report

    @cached_property
    def bytes(self) -> int:
        """Memory it takes, about."""
        return sum(len(str(one.record)) for one in self.rows)


@dataclass
class ManyRun:
    """One run over all rows. panes: for each row, those of the methods; checks, apart: of rows and panes that are done.

    `panes` is replaced row by row while the model writes; whoever draws reads it as it stands. Whoever holds `taken`
    writes it: when its page is loaded again, the new page waits for that, and goes on. seconds: of writing, so far.
    """

    card: TaskCard
    inputs: Inputs
    methods: list[str]
    options: DecodingOptions
    panes: list[list[Pane]]
    stopped: bool = False
    seconds: float = 0.0
    taken: Lock = field(default_factory=Lock)
    checks: dict[tuple[int, int], Check | None] = field(default_factory=dict)
    apart: dict[int, float] = field(default_factory=dict)

    def keep_only(self, able: Sequence[str]) -> None:
        """Leave out methods that cannot run: which they are, nobody knew before the base was loaded. Never all."""
        kept = [index for index, method in enumerate(self.methods) if method in able]
        if 0 < len(kept) < len(self.methods):
            self.methods = [self.methods[index] for index in kept]
            self.panes = [[row[index] for index in kept] for row in self.panes]

    @property
    def left(self) -> list[int]:
        """Places of the rows that some method has not written yet."""
        return [place for place, row in enumerate(self.panes) if any(pane.state not in OVER for pane in row)]

    @property
    def done(self) -> int:
        """Rows that every method has written."""
        return len(self.panes) - len(self.left)

    @property
    def over(self) -> bool:
        return self.stopped or not self.left

    @property
    def written(self) -> list[Mapping[str, str]]:
        """For each row, method -> text; "" where it could not be written."""
        return [{pane.method: pane.text for pane in row} for row in self.panes]


@dataclass
class ManyState:
    """One page's rows, its latest run over them, and one that is asked for and not taken up yet."""

    inputs: Inputs | None = None
    run: ManyRun | None = None
    due: ManyRun | None = None
    reading: Newest = field(default_factory=Newest)

    def read(self) -> Callable[[], bool]:
        """Others are read now. What is returned says whether these are the newest still."""
        self.inputs = None
        return self.reading.ask()


def read_inputs(content: tuple[str, bytes], task: Task, answers: Answers = UNASKED) -> Inputs:
    """The rows of a file. Raises `InputError` naming rows, `Offer` and `SeveralSheets` where the visitor may answer."""
    name, data = content
    sheet = read_content(data, name, LIMITS, answers, fewest_columns=1)
    rows = list(inputs_of(task, zip(sheet.numbers, sheet.records, strict=True)))
    problems = [row for row in rows if row.problem is not None]
    empty = [row for row in problems if isinstance(row.problem, EmptyCell)]
    good = tuple(row for row in rows if row.problem is None)
    if problems and not (answers.leave_out and len(empty) == len(problems) and good):
        told = " ".join(f"row {row.number}: {row.problem}" for row in problems[:PROBLEMS_TOLD])
        rest = len(problems) - PROBLEMS_TOLD
        message = f"{sheet.name}, {told}" + (f" … and {rest} more rows." if rest > 0 else "")
        if len(empty) == len(problems) and good:
            count = len(empty)
            raise Offer(message, "leave_out", f"Leave out {'this row' if count == 1 else f'these {count} rows'}")
        raise InputError(message)
    for row in problems:
        sheet.report.left_out.append((row.number, "left out: it has no input"))
    return Inputs(sheet.name, good, sheet.report)


def pasted_inputs(task: Task, text: str) -> Inputs | None:
    """The records that were pasted where one input is expected; None where the text is no several records."""
    try:
        task.parse(text)
    except SeveralRecords as several:
        records = several.records[:MOST_ROWS]
        rows = [Input(number, {"input": task.to_text(one)}, one) for number, one in enumerate(records, 1)]
        report = Report("pasted records", rows=len(rows))
        if len(several.records) > len(rows):
            report.note(f"only the first {len(rows)} of {len(several.records):,} records are used")
        return Inputs(report.name, tuple(rows), report)
    except InputError:
        pass
    return None


def begin(card: TaskCard, inputs: Inputs | None, methods: Sequence[str], options: DecodingOptions) -> ManyRun:
    """A run in which nothing is written yet. Raises `InputError`."""
    from prefix_core.writing.written import Pane

    if inputs is None:
        raise InputError("There are no rows. Bring a file first.")
    if not methods:
        raise InputError("No method is ticked. Tick at least one.")
    if unknown := [method for method in methods if method not in METHOD_LABELS]:
        raise InputError(f"There is no method '{unknown[0]}'. Choose from: {', '.join(METHOD_LABELS)}.")
    ordered = [method for method in METHOD_LABELS if method in methods]
    return ManyRun(card, inputs, ordered, options, [[Pane(method) for method in ordered] for _ in inputs.rows])


def payload(run: ManyRun) -> dict[str, Any]:
    """The run as assets/many.js draws it."""
    task = run.card.task
    return {
        "methods": [{"key": method, "title": METHOD_LABELS[method].title} for method in run.methods],
        "values": task.slots is not None,
        "rows": [
            {
                "number": one.number,
                "label": task.label(one.source),
                "input": task.linearize(one.source),
                "apart": _apart(run, place),
                "cells": [_cell(run, place, index) for index in range(len(run.methods))],
            }
            for place, one in enumerate(run.inputs.rows)
        ],
    }


def _cell(run: ManyRun, place: int, index: int) -> dict[str, Any]:
    pane = run.panes[place][index]
    cell = {"text": pane.error if pane.state == "failed" else pane.text, "state": pane.state}
    found = check_of(run, place, index)
    if found is None:
        return cell | {"said": 0, "values": 0, "missing": "", "invented": ""}
    listed = {"missing": ", ".join(found.missing), "invented": ", ".join(found.invented)}
    return cell | {"said": found.said, "values": found.values, **listed}


def check_of(run: ManyRun, place: int, index: int) -> Check | None:
    """What a finished text says of its input; computed once."""
    from prefix_core.writing.written import check

    pane = run.panes[place][index]
    if pane.state not in ("finished", "stopped"):
        return None
    if (place, index) not in run.checks:
        run.checks[place, index] = check(run.card.task, run.inputs.rows[place].source, pane.text)
    return run.checks[place, index]


def _apart(run: ManyRun, place: int) -> float | None:
    """How far the finished texts of a row disagree; None while it is written, and for one method alone."""
    from prefix_core.writing.written import disagreement

    if len(run.methods) < 2 or not all(pane.state in OVER for pane in run.panes[place]):
        return None
    if place not in run.apart:
        run.apart[place] = round(disagreement([pane.text for pane in run.panes[place] if pane.state != "failed"]))
    return run.apart[place]
