"""The tab "Train": a visitor's own rows become a prefix while they watch, to be compared, taken home, brought back.

Here its events are connected.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.methods.settings import defaults
from prefix_core.places import ASSETS
from prefix_core.ui import training_api, training_views
from prefix_core.ui.engine import Loading
from prefix_core.ui.status import problem_html, status_html
from prefix_core.ui.training_kept import KEEP_CHOICES, KEEP_ROWS, RECALL, chosen, noted
from prefix_core.ui.training_layout import Page, lay_out
from prefix_core.ui.training_limits import Limits, limits
from prefix_core.ui.training_plan import Wish, order, told
from prefix_core.ui.training_plot import loss_plot
from prefix_core.ui.training_run import Training, Trainings
from prefix_core.ui.training_sheet import Sheet, default_template, read_file, read_pasted
from prefix_core.ui.visitors import REMEMBER, Arrival, Visitor, Visitors

SAMPLE = ASSETS / "examples" / "training_sample.csv"
LOOK = 1.0  # seconds between two looks at a training that is on; more would only keep the browser busy
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

# assets/page.js opens the tab and presses what is meant as soon as it is offered there.
USE = """(name) => { go("Compare", "#tasks input", (card) => card.value === "own: " + name); return [] }"""
LOOK_INSIDE = """(name) => {
  const box = (label) => label.querySelector("input");
  const look = (label) => (box(label).checked ? document.querySelector("#look") : box(label)).click();
  go("Look inside", "#inside-prefixes label", (label) => label.textContent.trim() === name + " (yours)", look);
  return [];
}"""


def build(demo: gr.Blocks, loading: Loading, visitors: Visitors, arrival: Arrival) -> None:
    """Lay out the tab inside `demo` and connect it."""
    allowed = limits()
    trainings = Trainings(loading, visitors, allowed).start()
    page = lay_out(allowed.told())
    forgotten = _connect_own(page, loading, visitors, arrival)
    _connect_rows(page, loading, allowed, arrival, forgotten)
    _connect_run(page, loading, visitors, trainings, arrival)
    training_api.add(loading, visitors, trainings)


def _connect_rows(
    page: Page, loading: Loading, allowed: Limits, arrival: Arrival, forgotten: gr.events.Dependency
) -> None:
    """From a file, a text or the sample set to a sheet, its columns and a plan."""
    plan = [page.problem, page.preview, page.plan]

    def uploaded(path: str | None, kept: str) -> list[Any]:
        if path is None:
            return _sheet_shown(None, kept)
        try:
            return _sheet_shown(read_file(Path(path), allowed), kept)
        except InputError as error:
            return _refused(error)
        finally:
            Path(path).unlink(missing_ok=True)  # what was read is in the session; nothing of it stays on disk

    def pasted(text: str, kept: str) -> list[Any]:
        try:
            return _sheet_shown(read_pasted(text, allowed) if text.strip() else None, kept)
        except InputError as error:
            return _refused(error)

    def plan_for(*fields: Any) -> tuple[str, str, str]:
        wish = Wish(*fields)
        if wish.sheet is None:
            return gr.skip(), "", ""
        shown = training_views.preview(wish.sheet, wish.inputs, wish.target)
        try:
            base = loading.wait().base
            return "", shown, f"<p>{escape(told(order(wish, base, allowed), base))}</p>"
        except InputError as error:
            return problem_html(error), shown, ""
        except PrefixError:
            return "", shown, ""  # there is no base; the header says why

    def recalled(text: str, kept: str) -> list[Any]:
        found = chosen(kept, None)
        settings = found.method, found.prefix_length, found.initial_words, found.epochs, found.learning_rate
        return [*pasted(text, kept), *settings]

    def note(*fields: Any) -> str:
        return noted(Wish(*fields))

    def suited(rate: float | None) -> Any:
        """The learning rate that this base's prefixes are trained with, where nothing else is chosen."""
        try:
            return defaults("prefix", "").learning_rate if rate is None else gr.skip()
        except PrefixError:
            return gr.skip()

    sample = SAMPLE.read_text(encoding="utf-8")
    kept = [page.rows, page.note]
    page.rows.change(None, page.rows, None, js=KEEP_ROWS, **QUICK)
    page.note.change(None, page.note, None, js=KEEP_CHOICES, **QUICK)
    for known in (arrival.come.then(None, None, kept, js=RECALL, **QUICK), forgotten):
        shown = known.then(recalled, kept, [*page.brought_in, *page.settings], **QUICK)
        shown = shown.then(suited, page.settings[-1], page.settings[-1], **QUICK)
        shown.then(plan_for, page.wish, plan, **QUICK)
    for event in (
        page.file.upload(uploaded, [page.file, page.note], page.brought_in, **QUICK),
        page.file.clear(partial(_sheet_shown, None), page.note, page.brought_in, **QUICK),
        page.rows.change(pasted, kept, page.brought_in, trigger_mode="always_last", **QUICK),  # pasting: no `input`
        page.sample.click(
            lambda kept: (sample, *pasted(sample, kept)), page.note, [page.rows, *page.brought_in], **QUICK
        ),
        page.task.change(lambda name: gr.Textbox(visible=name == "custom"), page.task, page.template, **QUICK),
    ):
        event.then(plan_for, page.wish, plan, **QUICK)
    written = page.inputs.input(default_template, page.inputs, page.template, **QUICK)
    written.then(plan_for, page.wish, plan, **QUICK)
    written.then(note, page.wish, page.note, **QUICK)
    for field in (page.task, page.target, page.template, *page.settings):
        field.input(note, page.wish, page.note, trigger_mode="always_last", **QUICK)
    for field in (page.target, *page.settings):
        field.change(plan_for, page.wish, plan, trigger_mode="always_last", **QUICK)
    page.template.input(plan_for, page.wish, plan, trigger_mode="always_last", **QUICK)


def _connect_run(page: Page, loading: Loading, visitors: Visitors, trainings: Trainings, arrival: Arrival) -> None:
    """Train, Stop, and the look at a training that is on, from whatever page its visitor has open."""

    def begin(token: str, *fields: Any) -> list[Any]:
        visitor = visitors.visit(token)  # an hour may have gone by on this page
        try:
            trainings.add(order(Wish(*fields), loading.wait().base, trainings.limits), visitor)
        except PrefixError as error:
            return [visitor.token, problem_html(error), gr.skip(), gr.skip()]
        return [visitor.token, "", gr.Button(interactive=False), gr.Button(interactive=True)]

    async def watch(token: str) -> AsyncIterator[list[Any]]:
        async for picture in look(visitors, trainings, token):
            yield picture

    def stop(token: str) -> Any:
        if training := _training_of(visitors, token):
            training.stop()
        return gr.Button(interactive=False)

    def watched(event: Any) -> None:
        seen = event(
            watch, arrival.token, page.shown, concurrency_limit=None, show_progress="hidden",
            api_visibility="private", trigger_mode="multiple",
        )  # fmt: skip
        seen.then(lambda token: mine(loading, visitors, token, None), arrival.token, page.mine, **QUICK)

    begun = page.train.click(
        begin, [arrival.token, *page.wish], [arrival.token, page.problem, page.train, page.stop], **QUICK
    )
    begun.then(None, arrival.token, None, js=REMEMBER, **QUICK)
    watched(begun.then)
    watched(arrival.come.then)
    page.stop.click(stop, arrival.token, page.stop, **QUICK)


def _connect_own(page: Page, loading: Loading, visitors: Visitors, arrival: Arrival) -> gr.events.Dependency:
    """The visitor's prefixes: choose, download, delete, bring one, remove everything; returns the removal."""

    def bring(token: str, path: str) -> list[Any]:
        from prefix_core.ui.training_files import unpack

        visitor = visitors.visit(token)
        try:
            own = visitors.keep(visitor, unpack(Path(path), loading.wait().base))
        except PrefixError as error:
            return [visitor.token, None, problem_html(error)]
        finally:
            Path(path).unlink(missing_ok=True)
        return [visitor.token, None, f"<p>“{escape(own.name)}” is yours to use now.</p>"]

    def delete(token: str, name: str) -> None:
        from prefix_core.ui.training_files import file_name

        visitor = visitors.visit(token)
        if visitor.prefixes.pop(name, None):
            (visitor.folder / f"{file_name(name)}.zip").unlink(missing_ok=True)

    def forget(token: str) -> list[Any]:
        visitors.forget(token)
        gone = status_html("idle", "Everything of yours was removed.")
        shown = [gone, gr.Plot(visible=False), training_views.COMING, "", *_buttons(None)]
        return [visitors.visit().token, *shown, "", "", ""]

    def show(token: str, name: str | None) -> list[Any]:
        return mine(loading, visitors, token, name)

    page.use.click(None, page.own, None, js=USE, **QUICK)
    page.inside.click(None, page.own, None, js=LOOK_INSIDE, **QUICK)
    page.own.input(show, [arrival.token, page.own], page.mine, **QUICK)
    page.delete.click(delete, [arrival.token, page.own], None, **QUICK).then(
        show, [arrival.token, gr.State(None)], page.mine, **QUICK
    )
    brought = page.bring.upload(bring, [arrival.token, page.bring], [arrival.token, page.bring, page.brought], **QUICK)
    everything = [arrival.token, *page.shown, page.brought, page.rows, page.note]
    forgotten = page.forget.click(forget, arrival.token, everything, **QUICK)
    for event in (brought, forgotten):
        event.then(None, arrival.token, None, js=REMEMBER, **QUICK)
        event.then(show, [arrival.token, gr.State(None)], page.mine, **QUICK)
    return forgotten


# --------------------------------------------------------------------------------------------------- what events show


async def look(visitors: Visitors, trainings: Trainings, token: str) -> AsyncIterator[list[Any]]:
    """The visitor's training, again and again until it is over. Every look is a contact."""
    seen: tuple[Training, int, int] | None = None
    while True:
        training = _training_of(visitors, token)
        if training is None:
            yield [gr.skip()] * 6
            return
        now = (training, training.version, trainings.place(training))
        over = training.over  # asked before the picture is drawn, so that the last one is of the end
        if now != seen or training.state in ("loading", "scoring"):
            seen = now
            yield await asyncio.to_thread(picture, training, now[2])
        if over:
            return
        await asyncio.sleep(LOOK)


def picture(training: Training, place: int) -> list[Any]:
    """What shows a training as it stands: status, plot, samples, table, Train, Stop."""
    plot = gr.Plot(loss_plot(training.tracks), visible=True) if training.tracks else gr.Plot(visible=False)
    return [
        training_views.progress(training, place),
        plot,
        training_views.samples(training),
        training_views.table(training),
        *_buttons(training),
    ]


def mine(loading: Loading, visitors: Visitors, token: str, chosen: str | None) -> list[Any]:
    """The visitor's prefixes, `chosen` among them or else the latest, ready to download."""
    visitor = visitors.visit(token)
    names = list(visitor.prefixes)
    if not names:
        return [gr.Radio([], value=None), gr.Column(visible=False), "", None]
    own = visitor.prefixes[chosen if chosen in names else names[-1]]
    return [
        gr.Radio(names, value=own.name),
        gr.Column(visible=True),
        training_views.about(own),
        str(packed(loading, visitor, own.name)),
    ]


def packed(loading: Loading, visitor: Visitor, name: str) -> Path:
    """A visitor's prefix as a file to download. Raises `InputError` where there is none of that name."""
    from prefix_core.ui.training_files import pack

    if name not in visitor.prefixes:
        raise InputError(f"You have no prefix '{name}'. There are: {', '.join(visitor.prefixes) or 'none, so far'}.")
    return pack(visitor.prefixes[name], loading.wait().base, visitor.folder)


def _training_of(visitors: Visitors, token: str) -> Training | None:
    try:
        return visitors.get(token).training
    except InputError:  # removed meanwhile, from another page
        return None


def _buttons(training: Training | None) -> list[Any]:
    on = training is not None and not training.over
    stoppable = training is not None and on and not training.stopped
    return [gr.Button(interactive=not on), gr.Button(interactive=stoppable)]


def _sheet_shown(sheet: Sheet | None, kept: str) -> list[Any]:
    """What changes with the rows: the sheet, no problem, and its columns as they are chosen or likely."""
    if sheet is None:
        return [None, "", gr.Group(visible=False), *(gr.skip() for _ in range(4))]
    names, found = list(sheet.columns), chosen(kept, sheet)
    return [
        sheet,
        "",
        gr.Group(visible=True),
        found.task,
        gr.CheckboxGroup(names, value=found.inputs),
        gr.Radio(names, value=found.target),
        found.template,
    ]


def _refused(error: InputError) -> list[Any]:
    """The reason, and no sheet: what cannot be read cannot be trained on. What was typed stays where it is."""
    return [None, problem_html(error), gr.Group(visible=False), *(gr.skip() for _ in range(4))]
