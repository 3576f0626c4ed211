"""Many inputs: here their events are connected, to the card, methods and settings of the tab "Compare"."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.data.report import SeveralSheets
from prefix_core.errors import DiskError, InputError
from prefix_core.ui.choices import find_card
from prefix_core.ui.common import QUICK, problem_html, status_html
from prefix_core.ui.compare import entry
from prefix_core.ui.compare.panes import references_html, written
from prefix_core.ui.compare.runs import DecodingOptions, PageState
from prefix_core.ui.compare.scenes import Scenes, Updates
from prefix_core.ui.many import rows as many
from prefix_core.ui.many.layout import ManyParts
from prefix_core.ui.many.rows import LIMITS, Inputs, ManyRun, ManyState, payload, read_inputs
from prefix_core.ui.many.runs import save_run, write
from prefix_core.ui.train import views
from prefix_core.ui.train.sheet import UNASKED, Answers, Offer, take
from prefix_core.ui.visitors import Arrival, Upload
from prefix_core.ui.waiting_line import MOST_WAITING

UPLOAD = "many inputs"  # what the file that was brought here is kept for

Content = tuple[str, bytes]  # a file's name and what is in it


def connect(parts: ManyParts, scenes: Scenes, arrival: Arrival) -> None:
    events, page = ManyEvents(parts, scenes), scenes.page
    chosen = [parts.state, arrival.token, page.tasks]
    given = [parts.content, parts.answers, *chosen]
    parts.file.upload(events.take_file, [parts.file, *chosen], parts.read_parts, **QUICK)
    parts.file.clear(events.clear, [parts.state, arrival.token], parts.read_parts, **QUICK)
    parts.sheets.input(events.choose_sheet, [parts.sheets, *given], parts.read_parts, **QUICK)
    parts.offer.click(events.allow, [parts.offer, *given], parts.read_parts, **QUICK)
    arrival.come.then(events.recall, chosen, [*parts.read_parts, parts.box], **QUICK)
    page.tasks.change(events.read, given, parts.read_parts, **QUICK)  # another task reads the rows in its own way
    pasted = [arrival.token, page.tasks, page.input.edited, page.input.text]
    page.input.problem.change(events.offer_pasted, pasted, parts.pasted, **QUICK)

    def go_on(asked: gr.events.Dependency) -> None:
        ran = asked.then(
            partial(write, scenes.loading),
            parts.state,
            [parts.status, parts.table],
            concurrency_limit=MOST_WAITING,
            concurrency_id="many",
            show_progress="hidden",
            api_visibility="private",
        )
        over = [parts.status, parts.run, parts.pasted, parts.stop, *parts.files]
        ran.then(events.end, [parts.state, arrival.token], over, **QUICK)

    form = [parts.state, arrival.token, *page.form]
    begun = [parts.problem, parts.status, parts.table, parts.run, parts.pasted, parts.stop, *parts.files]
    for button, begin in ((parts.run, events.begin), (parts.pasted, events.begin_pasted)):
        go_on(button.click(begin, form, begun, **QUICK))
    go_on(arrival.come.then(events.come_back, [parts.state, arrival.token], begun, **QUICK))
    parts.stop.click(events.stop, parts.state, parts.stop, **QUICK)
    parts.table.select(events.open_row, [parts.state, page.state, arrival.token], page.scene, **QUICK)


@dataclass(frozen=True)
class ManyEvents:
    """What events do."""

    parts: ManyParts
    scenes: Scenes

    def take_file(self, path: str | None, state: ManyState, token: str, key: str) -> list[Any]:
        if path is None:
            return self.clear(state, token)
        try:
            content = take(Path(path), LIMITS)  # the rows are in the session now; nothing stays on disk
        except InputError as error:
            state.read()
            return _refused(error)
        return self.read(content, UNASKED, state, token, key)

    def recall(self, state: ManyState, token: str, key: str) -> list[Any]:
        """The file that was brought before the page was loaded again."""
        brought = self.scenes.visitors.visit(token).uploads.get(UPLOAD)
        content, answers = brought or (None, UNASKED)
        return [*self.read(content, answers, state, token, key), gr.Accordion(open=True) if brought else gr.skip()]

    def come_back(self, state: ManyState, token: str) -> Updates:
        """The run that was on, or over, before the page was loaded again."""
        run = self.scenes.visitors.visit(token).many
        return self._show(state, run) if run else {self.parts.table: gr.skip()}

    def clear(self, state: ManyState, token: str) -> list[Any]:
        state.read()
        self.scenes.visitors.keep_upload(token, UPLOAD, None)
        return [None, UNASKED, "", gr.Radio(visible=False), gr.Button(visible=False), "", gr.Button(visible=False)]

    def choose_sheet(self, sheet: str, content: Content | None, answers: Answers, *rest: Any) -> list[Any]:
        return self.read(content, replace(answers, sheet=sheet), *rest)

    def allow(self, label: str, content: Content | None, answers: Answers, *rest: Any) -> list[Any]:
        """The visitor took the offer that the button made."""
        return self.read(content, answers.allowing(label), *rest)

    def read(self, content: Content | None, answers: Answers, state: ManyState, token: str, key: str) -> list[Any]:
        """The rows of the file, as the chosen card's task reads them, with what was answered so far."""
        unchanged = [gr.skip()] * len(self.parts.read_parts)
        if content is None:
            return unchanged
        newest = state.read()
        self.scenes.visitors.keep_upload(token, UPLOAD, Upload(content, answers))
        try:
            task = find_card(key, self.scenes.visitor(token)).task
            inputs = read_inputs(content, task, answers)
        except InputError as error:
            return _refused(error, content, answers) if newest() else unchanged
        if not newest():
            return unchanged
        state.inputs = inputs
        sheets = gr.skip() if answers.sheet else gr.Radio(visible=False)
        report = views.report_html(inputs.report)
        return [content, answers, "", sheets, gr.Button(visible=False), report, _run_button(inputs)]

    def offer_pasted(self, token: str, key: str, edited: str, text: str) -> Any:
        """A button under the input, where several records were pasted."""
        try:
            card = find_card(key, self.scenes.visitor(token))
        except InputError:
            return gr.Button(visible=False)
        several = many.pasted_inputs(card.task, text) if edited == "text" else None
        if several is None:
            return gr.Button(visible=False)
        return gr.Button(f"Write a text for each of the {len(several.rows)}", visible=True)

    def begin(self, state: ManyState, token: str, key: str, *form: Any) -> Updates:
        """Check everything and ask for a run."""
        return self._begin(state.inputs, state, token, key, *form)

    def begin_pasted(self, state: ManyState, token: str, key: str, *form: Any) -> Updates:
        card = find_card(key, self.scenes.visitor(token))
        return self._begin(many.pasted_inputs(card.task, form[2]), state, token, key, *form)

    def _begin(self, inputs: Inputs | None, state: ManyState, token: str, key: str, *form: Any) -> Updates:
        options = DecodingOptions(*form[4:])
        try:
            card = find_card(key, self.scenes.visitor(token))
            run = many.begin(card, inputs, form[3], options)
        except InputError as error:
            return {self.parts.status: status_html("failed", str(error))}
        self.scenes.visitors.keep_many(token, run)
        return self._show(state, run)

    def _show(self, state: ManyState, run: ManyRun) -> Updates:
        """The table as it stands; `write` goes on with it."""
        state.run = state.due = run
        parts = self.parts
        return {
            parts.problem: "",
            parts.status: status_html("busy", "Waiting for a free slot …"),
            parts.table: payload(run),
            parts.run: gr.Button(interactive=False),
            parts.pasted: gr.Button(interactive=False),
            parts.stop: gr.Button(visible=True, interactive=True),
            **{file: gr.DownloadButton(visible=False) for file in parts.files},
        }

    def stop(self, state: ManyState) -> Any:
        if state.run:
            state.run.stopped = True
        return gr.Button(interactive=False)

    def end(self, state: ManyState, token: str) -> Updates:
        """The run is over: what was written can be taken home."""
        parts = self.parts
        updates: Updates = {parts.run: gr.Button(interactive=True), parts.pasted: gr.Button(interactive=True)}
        updates |= {parts.stop: gr.Button(visible=False), parts.status: gr.skip()}
        visitor = self.scenes.visitor(token)
        if state.run and visitor:
            try:
                for file, path in zip(parts.files, save_run(state.run, visitor.folder), strict=True):
                    updates[file] = gr.DownloadButton(value=str(path), visible=True)
            except DiskError as error:
                updates[parts.status] = status_html("failed", f"All is written, but not as a file: {error}")
        return updates

    def open_row(self, state: ManyState, page_state: PageState, token: str, event: gr.EventData) -> Updates:
        """A row of the table in the input and the panes, as it was written."""
        if state.run is None or not 0 <= int(event.row) < len(state.run.panes):
            return {self.scenes.page.status: gr.skip()}
        run, page = state.run, self.scenes.page
        one, panes = run.inputs.rows[int(event.row)], run.panes[int(event.row)]
        settings = {name: value for name, value in run.options._asdict().items() if hasattr(page.decoding, name)}
        draft = entry.draft_of(run.card, one.source)
        updates = self.scenes.show(page_state, self.scenes.visitor(token), run.card, draft, run.methods, settings)
        page_state.due = False
        line = f"{written(panes)} for {run.card.task.label(one.source)}"
        return updates | {
            page.status: status_html("done", line, f"row {one.number} of {run.inputs.name}"),
            page.panes: page_state.draw(run.card, one.source, panes),
            page.references: references_html([], run.card.references_of(one.source)),
        }


def _run_button(inputs: Inputs) -> Any:
    count = len(inputs.rows)
    return gr.Button(f"Write {'the row' if count == 1 else f'all {count} rows'}", visible=True, interactive=True)


def _refused(error: InputError, content: Content | None = None, answers: Answers = UNASKED) -> list[Any]:
    """The reason, and no rows. Where the visitor may answer, they are asked."""
    problem, sheets = problem_html(error), gr.skip() if answers.sheet else gr.Radio(visible=False)
    if isinstance(error, SeveralSheets):
        problem, sheets = "", gr.Radio(list(error.sheets), value=None, visible=True)
    offer = gr.Button(error.label, visible=True) if isinstance(error, Offer) else gr.Button(visible=False)
    return [content, answers, problem, sheets, offer, "", gr.Button(visible=False)]
