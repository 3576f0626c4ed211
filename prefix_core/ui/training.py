"""The tab "Train": a visitor's own rows become a prefix while they watch, to be compared, taken home, brought back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.places import ASSETS
from prefix_core.settings import defaults
from prefix_core.ui import training_api, training_views
from prefix_core.ui.engine import Loading
from prefix_core.ui.status import problem_html, status_html
from prefix_core.ui.training_limits import Limits, limits
from prefix_core.ui.training_plan import METHODS, Wish, order, told
from prefix_core.ui.training_plot import loss_plot
from prefix_core.ui.training_run import Training, Trainings
from prefix_core.ui.training_sheet import SUFFIXES, Sheet, default_template, read_file, read_pasted
from prefix_core.ui.visitors import REMEMBER, Arrival, Visitor, Visitors

SAMPLE = ASSETS / "examples" / "training_sample.csv"
LOOK = 1.0  # seconds between two looks at a training that is on; more would only keep the browser busy
TASKS = {"custom": "My own: any text to any text", "e2e": "Restaurant tables (E2E)"}
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
IDLE = "Nothing is being trained.", "Bring rows, or try the sample set: a minute or two."
TEMPLATE = "input,text\n" + '"an input, such as a list of facts","the text for it"\n' * 3

# What was pasted or typed outlives a reload: the browser keeps it until its tab is closed, the server does not.
ROWS_KEY = "'prefix-rows' + location.pathname"
KEEP_ROWS = f"(rows) => {{ try {{ sessionStorage.setItem({ROWS_KEY}, rows) }} catch {{}} return [] }}"
RECALL_ROWS = f"() => {{ try {{ return sessionStorage.getItem({ROWS_KEY}) || '' }} catch {{ return '' }} }}"

# assets/page.js opens the tab and presses what is meant as soon as it is offered there.
USE = """(name) => { go("Compare", "#tasks input", (card) => card.value === "own: " + name); return [] }"""
LOOK_INSIDE = """(name) => {
  const box = (label) => label.querySelector("input");
  const look = (label) => (box(label).checked ? document.querySelector("#look") : box(label)).click();
  go("Look inside", "#inside-prefixes label", (label) => label.textContent.trim() === name + " (yours)", look);
  return [];
}"""


@dataclass(frozen=True)
class Page:
    """The components that events touch."""

    file: gr.File
    rows: gr.Textbox
    sheet: gr.State
    problem: gr.HTML
    preview: gr.HTML
    columns: gr.Group
    task: gr.Radio
    inputs: gr.CheckboxGroup
    target: gr.Radio
    template: gr.Textbox
    settings: list[Any]  # method, prefix length, initial words, epochs, learning rate
    plan: gr.HTML
    sample: gr.Button
    train: gr.Button
    stop: gr.Button
    status: gr.HTML
    plot: gr.Plot
    samples: gr.HTML
    table: gr.HTML
    own: gr.Radio
    about: gr.HTML
    kept: gr.Column
    use: gr.Button
    inside: gr.Button
    download: gr.DownloadButton
    delete: gr.Button
    bring: gr.File
    brought: gr.HTML
    forget: gr.Button

    @property
    def wish(self) -> list[gr.components.Component]:
        """What plans and orders are made of, in the order of `Wish`."""
        return [self.sheet, self.task, self.inputs, self.target, self.template, *self.settings]

    @property
    def shown(self) -> list[Any]:
        """What shows a training."""
        return [self.status, self.plot, self.samples, self.table, self.train, self.stop]

    @property
    def mine(self) -> list[Any]:
        """What shows the visitor's prefixes."""
        return [self.own, self.kept, self.about, self.download]


def build(demo: gr.Blocks, loading: Loading, visitors: Visitors, arrival: Arrival) -> None:
    """Lay out the tab inside `demo` and connect it."""
    allowed = limits()
    trainings = Trainings(loading, visitors, allowed).start()
    page = _lay_out(allowed.told())
    _connect_rows(page, loading, allowed, arrival)
    _connect_run(page, loading, visitors, trainings, arrival)
    _connect_own(page, loading, visitors, arrival)
    training_api.add(loading, visitors, trainings)


def _lay_out(told: str) -> Page:
    with gr.Row(elem_id="training"):
        with gr.Column(scale=4, min_width=340, elem_id="training-input"):
            gr.HTML(f'<h2>Your examples</h2><p class="told">Inputs and the texts you would write for them: {told}.</p>')
            with gr.Row(elem_id="training-start"):
                sample = gr.Button("Try the sample set", size="sm", min_width=0, elem_id="training-sample")
                address = "data:text/csv;charset=utf-8," + quote(TEMPLATE)
                gr.HTML(f'<a class="template" href="{address}" download="template.csv">an empty template (CSV)</a>')
            file = gr.File(
                label=f"A file: {', '.join(SUFFIXES)}", file_types=list(SUFFIXES), height=84, elem_id="training-file"
            )
            rows = gr.Textbox(
                label="Or paste or type the rows, the names of the columns first",
                placeholder='input,text\n"an input","the text for it"',
                lines=3,
                max_lines=9,
                elem_id="training-rows",
            )
            problem = gr.HTML("", elem_id="training-problem", elem_classes="problem-place")
            preview = gr.HTML("", elem_id="training-preview")
            with gr.Group(visible=False, elem_id="training-columns") as columns:
                task = gr.Radio(
                    [(title, name) for name, title in TASKS.items()],
                    value="custom",
                    label="Task",
                    info="of a restaurant's text it is also counted how much of the table it says",
                )
                inputs = gr.CheckboxGroup([], label="Input columns")
                target = gr.Radio([], label="Text column")
                template = gr.Textbox(
                    label="How the input is written",
                    info="{column} stands for the cell of that column",
                )
            gr.HTML("<h2>How it is trained</h2>")
            method = gr.Radio(
                [(title, name) for name, title in METHODS.items()],
                value="prefix",
                label="Method",
                info="fine-tuning moves every weight of a copy of the model: to compare, on the same rows",
            )
            words = gr.Textbox(
                "table-to-text:",
                label="Initial words",
                info="the prefix starts as what the model computes for them: words that name the task",
                elem_id="training-words",
            )
            with gr.Accordion("Length, epochs, learning rate", open=False, elem_id="training-settings"):
                length = gr.Slider(
                    1,
                    100,
                    20,
                    step=1,
                    label="Prefix length",
                    info="vectors a layer; more can say more",
                )
                epochs = gr.Slider(1, 100, 20, step=1, label="Epochs", info="how often every row is seen")
                rate = gr.Number(
                    None,
                    label="Learning rate",
                    info="of the prefix; higher learns faster, until it learns nothing",
                    placeholder="what suits the model",
                    step=0.0005,
                    elem_id="training-rate",
                )
            plan = gr.HTML("", elem_id="training-plan")
        with gr.Column(scale=8, min_width=340, elem_id="training-output"):
            with gr.Row(elem_id="training-actions"):
                status = gr.HTML(status_html("idle", *IDLE), elem_id="training-status")
                train = gr.Button("Train", variant="primary", scale=0, min_width=92, elem_id="train")
                stop = gr.Button("Stop", scale=0, min_width=76, interactive=False, elem_id="training-stop")
            plot = gr.Plot(visible=False, show_label=False, container=False, elem_id="training-plot")
            samples = gr.HTML("", elem_id="training-samples")
            table = gr.HTML("", elem_id="training-table")
            gr.HTML("<h2>Your prefixes</h2>")
            with gr.Column(visible=False, elem_id="training-own") as kept:
                own = gr.Radio([], show_label=False, label="Your prefixes", container=False)
                about = gr.HTML("")
                with gr.Row():
                    use = gr.Button("Use in Compare", size="sm", min_width=0, elem_id="training-use")
                    inside = gr.Button("Look inside", size="sm", min_width=0, elem_id="training-inside")
                    download = gr.DownloadButton("Download", size="sm", min_width=0, elem_id="training-download")
                    delete = gr.Button("Delete", size="sm", min_width=0, elem_id="training-delete")
            bring = gr.File(
                label="Bring one that you downloaded here (.zip)",
                file_types=[".zip"],
                height=84,
                elem_id="training-bring",
            )
            brought = gr.HTML("", elem_id="training-brought", elem_classes="problem-place")
            with gr.Row(elem_id="training-forget-row"):
                gr.HTML(
                    '<p class="legend">Rows, runs and prefixes are yours alone. They are removed an hour after your '
                    "last visit, or now:</p>"
                )
                forget = gr.Button("Remove all of mine", size="sm", scale=0, min_width=150, elem_id="training-forget")
    return Page(
        file=file, rows=rows, sheet=gr.State(None), problem=problem, preview=preview, columns=columns, task=task,
        inputs=inputs, target=target, template=template, settings=[method, length, words, epochs, rate], plan=plan,
        sample=sample, train=train, stop=stop, status=status, plot=plot, samples=samples, table=table, own=own,
        about=about, kept=kept, use=use, inside=inside, download=download, delete=delete, bring=bring,
        brought=brought, forget=forget,
    )  # fmt: skip


def _connect_rows(page: Page, loading: Loading, allowed: Limits, arrival: Arrival) -> None:
    """From a file, a text or the sample set to a sheet, its columns and a plan."""
    sheet = [page.sheet, page.problem, page.columns, page.inputs, page.target, page.template]
    plan = [page.problem, page.preview, page.plan]

    def uploaded(path: str | None) -> list[Any]:
        if path is None:
            return _sheet_shown(None)
        try:
            return _sheet_shown(read_file(Path(path), allowed))
        except InputError as error:
            return _refused(error)
        finally:
            Path(path).unlink(missing_ok=True)  # what was read is in the session; nothing of it stays on disk

    def pasted(text: str) -> list[Any]:
        try:
            return _sheet_shown(read_pasted(text, allowed) if text.strip() else None)
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

    def suited() -> Any:
        """The learning rate that this base's prefixes are trained with where nothing else is chosen."""
        try:
            rate = defaults("prefix", loading.wait().base.parameters, "").learning_rate
        except PrefixError:
            return gr.skip()
        return rate

    sample = SAMPLE.read_text(encoding="utf-8")
    arrival.come.then(suited, None, page.settings[-1], **QUICK)
    page.rows.change(None, page.rows, None, js=KEEP_ROWS, **QUICK)
    for event in (
        arrival.come.then(None, None, page.rows, js=RECALL_ROWS, **QUICK).then(pasted, page.rows, sheet, **QUICK),
        page.file.upload(uploaded, page.file, sheet, **QUICK),
        page.file.clear(lambda: _sheet_shown(None), None, sheet, **QUICK),
        page.rows.change(pasted, page.rows, sheet, trigger_mode="always_last", **QUICK),  # pasting fires no `input`
        page.sample.click(lambda: (sample, *pasted(sample)), None, [page.rows, *sheet], **QUICK),
        page.inputs.input(default_template, page.inputs, page.template, **QUICK),
        page.task.change(lambda name: gr.Textbox(visible=name == "custom"), page.task, page.template, **QUICK),
    ):
        event.then(plan_for, page.wish, plan, **QUICK)
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


def _connect_own(page: Page, loading: Loading, visitors: Visitors, arrival: Arrival) -> None:
    """The visitor's prefixes: choose, download, delete, bring one, remove everything."""

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
        return [visitors.visit().token, gone, gr.Plot(visible=False), "", "", *_buttons(None), "", ""]

    def show(token: str, name: str | None) -> list[Any]:
        return mine(loading, visitors, token, name)

    page.use.click(None, page.own, None, js=USE, **QUICK)
    page.inside.click(None, page.own, None, js=LOOK_INSIDE, **QUICK)
    page.own.input(show, [arrival.token, page.own], page.mine, **QUICK)
    page.delete.click(delete, [arrival.token, page.own], None, **QUICK).then(
        show, [arrival.token, gr.State(None)], page.mine, **QUICK
    )
    brought = page.bring.upload(bring, [arrival.token, page.bring], [arrival.token, page.bring, page.brought], **QUICK)
    forgotten = page.forget.click(forget, arrival.token, [arrival.token, *page.shown, page.brought, page.rows], **QUICK)
    for event in (brought, forgotten):
        event.then(None, arrival.token, None, js=REMEMBER, **QUICK)
        event.then(show, [arrival.token, gr.State(None)], page.mine, **QUICK)


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


def _sheet_shown(sheet: Sheet | None) -> list[Any]:
    """Sheet, problem, columns, inputs, target, template."""
    if sheet is None:
        return [None, "", gr.Group(visible=False), gr.skip(), gr.skip(), gr.skip()]
    inputs, target = sheet.guess
    names = list(sheet.columns)
    return [
        sheet,
        "",
        gr.Group(visible=True),
        gr.CheckboxGroup(names, value=inputs),
        gr.Radio(names, value=target),
        default_template(inputs) if inputs else "",
    ]


def _refused(error: InputError) -> list[Any]:
    """The reason, and no sheet: what cannot be read cannot be trained on. What was typed stays where it is."""
    return [None, problem_html(error), gr.Group(visible=False), gr.skip(), gr.skip(), gr.skip()]
