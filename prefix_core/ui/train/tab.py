"""The tab "Train": a visitor's own rows become a prefix while they watch. Here its events are connected.

The methods' defaults need torch, so they are imported only once the base is loaded.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.data.report import SeveralSheets
from prefix_core.errors import InputError, PrefixError
from prefix_core.places import ASSETS
from prefix_core.ui.common import LATEST, QUICK, problem_html
from prefix_core.ui.labels import about, size
from prefix_core.ui.loading import Loading
from prefix_core.ui.train import api, views
from prefix_core.ui.train.estimate import copy_bytes, free_bytes
from prefix_core.ui.train.layout import TrainTab, lay_out
from prefix_core.ui.train.limits import Limits, limits
from prefix_core.ui.train.own import connect_own, own_updates
from prefix_core.ui.train.plan import (
    KEEP_CHOICES,
    KEEP_ROWS,
    RECALL,
    TrainingForm,
    describe_plan,
    form_for,
    make_plan,
)  # fmt: skip
from prefix_core.ui.train.queue import TrainingQueue
from prefix_core.ui.train.runs import TrainingRun
from prefix_core.ui.train.sheet import (
    UNASKED,
    Answers,
    Offer,
    Rows,
    Sheet,
    default_template,
    read_content,
    read_pasted,
    take,
)
from prefix_core.ui.visitors import REMEMBER, Arrival, Upload, Visitors

UPLOAD = "rows to learn from"  # what the file that was brought here is kept for
SAMPLE = ASSETS / "examples" / "training_sample.csv"
MOST_TOLD = 5  # texts left out
LOOK = 1.0  # seconds between two looks at a training that is on; more often would only keep the browser busy


def build(demo: gr.Blocks, loading: Loading, visitors: Visitors, arrival: Arrival) -> None:
    """Lay out the tab inside `demo` and connect it."""
    allowed = limits()
    queue = TrainingQueue(loading, visitors, allowed)
    page = lay_out(allowed.in_words())
    watching = _connect_run(page, loading, visitors, queue, arrival)
    forgotten = connect_own(page, loading, visitors, arrival, watching)
    _connect_rows(page, RowEvents(loading, allowed, visitors, queue), arrival, forgotten)
    api.add(loading, visitors, queue)


@dataclass(frozen=True)
class RowEvents:
    """What events do on the way from a file, a text or the sample set to a sheet, its columns and a plan."""

    loading: Loading
    limits: Limits
    visitors: Visitors
    queue: TrainingQueue

    def take_file(self, path: str | None, rows: Rows, note: str, token: str) -> list[Any]:
        if path is None:
            return self.clear(rows, note, token)
        try:
            content = take(Path(path), self.limits)  # the rows are in the session now; nothing stays on disk
        except InputError as error:
            rows.read()
            return _refused(error)
        return self.read(content, "", UNASKED, rows, note, token)

    def clear(self, rows: Rows, note: str, token: str) -> list[Any]:
        return self.read(None, "", UNASKED, rows, note, token)

    def paste(self, text: str, rows: Rows, note: str, token: str) -> list[Any]:
        if not text.strip() and UPLOAD in self.visitors.visit(token).uploads:
            return _unchanged()  # the rows are those of a file
        return self.read(None, text, UNASKED, rows, note, token)

    def choose_sheet(
        self, sheet: str, content: tuple[str, bytes] | None, text: str, answers: Answers, *rest: Any
    ) -> list[Any]:
        return self.read(content, text, replace(answers, sheet=sheet), *rest)

    def allow(
        self, label: str, content: tuple[str, bytes] | None, text: str, answers: Answers, *rest: Any
    ) -> list[Any]:
        """The visitor took the offer that the button made."""
        return self.read(content, text, answers.allowing(label), *rest)

    def read(
        self, content: tuple[str, bytes] | None, text: str, answers: Answers, rows: Rows, note: str, token: str
    ) -> list[Any]:
        """The rows of a file, or the pasted ones, with what was answered so far. A file is kept for a reload."""
        newest = rows.read()
        sheet: Sheet | None
        self.visitors.keep_upload(token, UPLOAD, Upload(content, answers) if content else None)
        try:
            if content:
                sheet = read_content(content[1], content[0], self.limits, answers)
            else:
                sheet = read_pasted(text, self.limits, answers) if text.strip() else None
        except InputError as error:
            return _refused(error, content, answers) if newest() else _unchanged()
        if not newest():
            return _unchanged()
        rows.sheet = sheet
        return sheet_updates(sheet, note, content, answers)

    def recall(self, text: str, rows: Rows, note: str, token: str) -> list[Any]:
        """What was typed, brought and chosen before the page was loaded again. What was brought since stays."""
        brought = self.visitors.visit(token).uploads.get(UPLOAD)
        if rows.reading.asked or not (text.strip() or brought):
            read = _unchanged()
        elif brought and not text.strip():
            read = self.read(brought.content, "", brought.answers, rows, note, token)
        else:
            read = self.paste(text, rows, note, token)
        return [*read, *_settings(note)]

    def forget(self, rows: Rows, note: str, token: str) -> list[Any]:
        return [*self.clear(rows, note, token), *_settings(note)]

    def offer_race(self) -> Any:
        """Fine-tuning beside the prefix takes gigabytes: it is offered only where they are free."""
        try:
            wanted, free = copy_bytes(self.loading.wait().base), free_bytes()
        except PrefixError:
            return gr.skip()
        told = f"a full copy of the model learns from the same rows, in turns; it needs about {size(wanted)} of memory"
        if free is not None and free < wanted:
            return gr.Checkbox(value=False, interactive=False, info=f"{told}, but only {size(free)} are free here")
        return gr.Checkbox(info=told)

    def plan(self, rows: Rows, *fields: Any) -> list[Any]:
        """Problem, offer, report, preview and plan; of the newest rows and choices alone."""
        form, unchanged = TrainingForm(*fields), [gr.skip()] * 5
        if form.sheet is None or form.sheet is not rows.sheet:
            return unchanged
        newest = rows.planning.ask()
        planned = self._plan(form, form.sheet)
        return planned if newest() and form.sheet is rows.sheet else unchanged

    def _plan(self, form: TrainingForm, sheet: Sheet) -> list[Any]:
        preview, report = views.preview_html(sheet, form.inputs, form.target), views.report_html(sheet.report)
        try:
            base = self.loading.wait().base
            plan = make_plan(form, base, self.limits)
        except InputError as error:
            return [problem_html(error), _offered(error), report, preview, ""]
        except PrefixError:
            return ["", _offered(None), report, preview, ""]  # there is no base; the header says why
        left_out = [f"{one.id}: {what}" for one in (*plan.learn, *plan.held_out) for what in one.left_out]
        report = views.report_html(sheet.report, left_out[:MOST_TOLD])
        expected = f"<b>about {about(self.queue.expected(plan))} on this machine</b>"
        return ["", _offered(None), report, preview, f"<p>{expected} · {escape(describe_plan(plan, base))}</p>"]


def _connect_rows(page: TrainTab, events: RowEvents, arrival: Arrival, forgotten: gr.events.Dependency) -> None:
    """forgotten: the event after which nothing of the visitor is left."""
    plan = [page.problem, page.offer, page.report, page.preview, page.plan]
    kept = [page.rows, page.note]
    where = [page.newest, page.note, arrival.token]
    typed = [page.rows, *where]
    given = [page.content, page.rows, page.answers, *where]
    form = [page.newest, *page.form]
    page.rows.change(None, page.rows, None, js=KEEP_ROWS, **QUICK)
    page.note.change(None, page.note, None, js=KEEP_CHOICES, **QUICK)
    parts = [*page.sheet_parts, *page.settings]
    recalled = arrival.come.then(None, None, kept, js=RECALL, **QUICK)
    for shown in (
        recalled.then(events.recall, typed, parts, **QUICK),
        forgotten.then(events.forget, where, parts, **QUICK),
    ):
        shown = shown.then(events.offer_race, None, page.settings[1], **QUICK)
        shown.then(events.plan, form, plan, **QUICK)

    def use_sample(*page_of: Any) -> list[Any]:
        sample = SAMPLE.read_text(encoding="utf-8")
        return [sample, *events.paste(sample, *page_of)]

    for event in (
        page.file.upload(events.take_file, [page.file, *where], page.sheet_parts, **QUICK),
        page.file.clear(events.clear, where, page.sheet_parts, **QUICK),
        page.rows.change(events.paste, typed, page.sheet_parts, **LATEST),  # pasting fires no `input`
        page.sheets.input(events.choose_sheet, [page.sheets, *given], page.sheet_parts, **QUICK),
        page.offer.click(events.allow, [page.offer, *given], page.sheet_parts, **QUICK),
        page.sample.click(use_sample, where, [page.rows, *page.sheet_parts], **QUICK),
        page.task.change(lambda name: gr.Textbox(visible=name == "custom"), page.task, page.template, **QUICK),
    ):
        event.then(events.plan, form, plan, **QUICK)

    def note(*fields: Any) -> str:
        return TrainingForm(*fields).to_note()

    written = page.inputs.input(default_template, page.inputs, page.template, **QUICK)
    written.then(events.plan, form, plan, **QUICK)
    written.then(note, page.form, page.note, **QUICK)
    for field in (page.task, page.target, page.template, *page.settings):
        field.input(note, page.form, page.note, **LATEST)
    for field in (page.target, *page.settings):
        field.change(events.plan, form, plan, **LATEST)
    page.template.input(events.plan, form, plan, **LATEST)


def _connect_run(
    page: TrainTab, loading: Loading, visitors: Visitors, queue: TrainingQueue, arrival: Arrival
) -> list[dict[str, Any]]:
    """Train, Stop, and watching a training that is on, from whatever page its visitor has open.

    Returns the events that watch.
    """
    watching: list[dict[str, Any]] = []

    def begin(token: str, *fields: Any) -> list[Any]:
        visitor = visitors.visit(token)  # an hour may have passed on this page
        try:
            queue.add(make_plan(TrainingForm(*fields), loading.wait().base, queue.limits), visitor)
        except PrefixError as error:
            return [visitor.token, problem_html(error), gr.skip(), gr.skip()]
        return [visitor.token, "", gr.Button(interactive=False), gr.Button(interactive=True)]

    async def watch_to_prefix(token: str) -> AsyncIterator[list[Any]]:
        async for updates in watch(visitors, token, to_prefix=True):
            yield updates

    async def watch_to_end(token: str) -> AsyncIterator[list[Any]]:
        async for updates in watch(visitors, token):
            yield updates

    def stop_one(method: str, token: str) -> Any:
        if run := _training_of(visitors, token):
            run.stop_method(method)
        return gr.Button(interactive=False)

    def stop(token: str) -> Any:
        if run := _training_of(visitors, token):
            run.stop()
        return gr.Button(interactive=False)

    def watched(event: Any) -> None:
        """The prefix is the visitor's as soon as it is trained; what it scores comes later."""
        for look in (watch_to_prefix, watch_to_end):
            seen = event(
                look, arrival.token, page.run_parts, concurrency_limit=None, show_progress="hidden",
                api_visibility="private", trigger_mode="multiple",
            )  # fmt: skip
            watching.append(seen)
            own = partial(own_updates, loading, visitors, chosen=None)
            event = seen.then(own, arrival.token, page.own_parts, **QUICK).then

    begun = page.train.click(
        begin, [arrival.token, *page.form], [arrival.token, page.problem, page.train, page.stop], **QUICK
    )
    begun.then(None, arrival.token, None, js=REMEMBER, **QUICK)
    watched(begun.then)
    watched(arrival.come.then)
    page.stop.click(stop, arrival.token, page.stop, **QUICK)
    for method, button in (("prefix", page.stop_prefix), ("fine_tune", page.stop_fine_tune)):
        button.click(partial(stop_one, method), arrival.token, button, **QUICK)
    return watching


async def watch(visitors: Visitors, token: str, to_prefix: bool = False) -> AsyncIterator[list[Any]]:
    """Updates for the visitor's training until it is over, or there is a prefix. Every look counts as contact."""
    seen: tuple[TrainingRun, int, int] | None = None
    while True:
        run = _training_of(visitors, token)
        if run is None:
            yield [gr.skip()] * 8
            return
        now = (run, run.version, run.ahead)
        over = run.over or (to_prefix and run.prefix)  # asked before drawing, so that the last update shows the end
        if now != seen or run.state in ("waiting", "loading", "scoring"):
            seen = now
            yield await asyncio.to_thread(run_updates, run)
        if over:
            return
        await asyncio.sleep(LOOK)


def run_updates(run: TrainingRun) -> list[Any]:
    """A training as it stands: status, plot, samples, table, Train, Stop, and a Stop for either of a race."""
    plot = gr.Plot(views.loss_plot(run.methods), visible=True) if run.methods else gr.Plot(visible=False)
    on = [method.method for method in run.methods if not method.ended and not run.over]
    racing = len(run.methods) > 1 and not run.over
    return [
        views.progress_html(run),
        plot,
        views.samples_html(run),
        views.scores_html(run),
        gr.Button(interactive=run.over),
        gr.Button(interactive=not run.over and not run.stopped),
        *(gr.Button(visible=racing, interactive=method in on) for method in ("prefix", "fine_tune")),
    ]


def _training_of(visitors: Visitors, token: str) -> TrainingRun | None:
    try:
        return visitors.get(token).training
    except InputError:  # removed in the meantime, from another page
        return None


def sheet_updates(
    sheet: Sheet | None, note: str, content: tuple[str, bytes] | None = None, answers: Answers = UNASKED
) -> list[Any]:
    """What changes with the rows: the sheet, no problem, its report, its columns, as chosen before or as is likely."""
    sheets = gr.skip() if answers.sheet else gr.Radio(visible=False)
    before = [content, answers, sheet, "", sheets, _offered(None)]
    if sheet is None:
        return [*before, "", gr.Group(visible=False), *[gr.skip()] * 4, "", ""]
    names, form = list(sheet.columns), form_for(sheet, note)
    return [
        *before,
        views.report_html(sheet.report),
        gr.Group(visible=True),
        form.task,
        gr.CheckboxGroup(names, value=form.inputs),
        gr.Radio(names, value=form.target),
        form.template,
        gr.skip(),  # the preview and the plan come next
        gr.skip(),
    ]


def _settings(note: str) -> tuple[Any, ...]:
    """How it is trained, as it was chosen before."""
    form = form_for(None, note)
    return form.pace, form.race, form.start, form.prefix_length, form.initial_words, form.epochs, form.learning_rate


def _unchanged() -> list[Any]:
    return [gr.skip()] * len(sheet_updates(None, ""))


def _refused(error: InputError, content: tuple[str, bytes] | None = None, answers: Answers = UNASKED) -> list[Any]:
    """The reason, and no sheet: what cannot be read cannot be trained on. What was typed stays where it is.

    Where its visitor may answer, they are asked: which sheet of a workbook, or whether to take a part of the rows.
    """
    problem, sheets = problem_html(error), gr.skip() if answers.sheet else gr.Radio(visible=False)
    if isinstance(error, SeveralSheets):
        problem, sheets = "", gr.Radio(list(error.sheets), value=None, visible=True)
    hidden = gr.Group(visible=False)
    return [content, answers, None, problem, sheets, _offered(error), "", hidden, *[gr.skip()] * 4, "", ""]


def _offered(error: InputError | None) -> Any:
    """The button under the problem: what its visitor may allow."""
    return gr.Button(error.label, visible=True) if isinstance(error, Offer) else gr.Button(visible=False)
