"""The tab "Compare": one table, several methods, their texts side by side."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from threading import Lock
from typing import Any

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.tables import Table, to_grid, to_mr
from prefix_core.tasks import TASKS, Task
from prefix_core.tasks.e2e import slots
from prefix_core.ui import endpoints
from prefix_core.ui.endpoints import AT_ONCE, GENERATION
from prefix_core.ui.engine import METHODS, MOST_SHOTS, MOST_TOKENS, Loading
from prefix_core.ui.grid import grid as editable
from prefix_core.ui.opening import Opening, read_opening
from prefix_core.ui.panes import KINDS, Pane, panes_html, seconds

REDRAW = 0.06  # seconds between two pictures of the panes; more would only keep the browser busy

SEED = "the same seed, methods and settings write the same texts"
LEGEND = (
    '<p class="legend"><mark class="said">said</mark> is in the table · '
    '<mark class="extra">unsupported</mark> is not · what is missing is listed under each text</p>'
)


@dataclass
class Order:
    """What one run is to write, as the page stood when it was asked for. Whoever holds `taken` writes it."""

    table: Table
    methods: list[str]
    settings: Sequence[Any]
    note: str = ""
    stopped: bool = False
    taken: Lock = field(default_factory=Lock)


@dataclass
class Turn:
    """One visitor's runs. Only the latest order counts: what writes an older one stops. going: runs not yet over."""

    latest: Order | None = None
    going: int = 0


@dataclass(frozen=True)
class Page:
    """The components that events touch."""

    grid: gr.HTML
    text: gr.Textbox
    typed: gr.State  # which of the two was edited last: "grid" or "text"
    problem: gr.HTML
    methods: gr.CheckboxGroup
    without: gr.HTML  # a word on the methods that are not offered
    settings: list[gr.components.Component]
    examples: list[gr.Button]
    run: gr.Button
    stop: gr.Button
    status: gr.HTML
    panes: gr.HTML
    turn: gr.State

    @property
    def buttons(self) -> list[gr.Button]:
        return [self.run, self.stop, *self.examples]


def build(demo: gr.Blocks, loading: Loading) -> None:
    """Lay out the tab inside `demo` and connect it."""
    task = TASKS["e2e"]
    featured = [example.source for example in task.pool() if example.featured]
    opening = read_opening(loading.name, loading.root)
    table = opening.table if opening else featured[-1]
    page = _lay_out(task, featured, table, opening)
    _connect(demo, loading, task, featured, page, opening is None)
    endpoints.add(loading, task)


def _lay_out(task: Task, featured: Sequence[Table], table: Table, opening: Opening | None) -> Page:
    chosen = [pane.method for pane in opening.panes] if opening else list(METHODS)
    with gr.Row(elem_id="compare"):
        with gr.Column(scale=4, min_width=340, elem_id="input"):
            with gr.Row(elem_id="examples"):
                examples = [gr.Button(_name(example), size="sm", min_width=0) for example in featured]
            grid = editable(table)
            text = gr.Textbox(
                to_mr(table),
                label="As text: MR, field : value, CSV, Markdown, JSON",
                placeholder="name[Blue Spice], eatType[coffee shop], area[riverside]",
                lines=2,
                max_lines=8,
                elem_id="text",
            )
            problem = gr.HTML("", elem_id="problem")
            with gr.Accordion("Decoding and prompt settings", open=False, elem_id="settings"):
                decoding = gr.Radio(
                    [("Greedy", "greedy"), ("Beam search, 5 beams", "beam"), ("Sampling", "sampling")],
                    value="greedy",
                    label="Decoding",
                )
                with gr.Group(visible=False) as sampling:
                    temperature = gr.Slider(0.1, 2.0, 0.8, step=0.05, label="Temperature", info="higher: bolder words")
                    top_p = gr.Slider(0.05, 1.0, 0.9, step=0.05, label="Top-p", info="of the likeliest words only")
                    seed = gr.Number(0, precision=0, label="Seed", info=SEED)
                longest = gr.Slider(10, MOST_TOKENS, task.max_new_tokens, step=1, label="Max new tokens")
                cut = gr.Checkbox(label="Cut an input that is too long, instead of refusing it")
                shots = gr.Slider(
                    0, MOST_SHOTS, 0, step=1, label="Examples in the prompt", info="0: an instruction only (zero-shot)"
                )
        with gr.Column(scale=8, min_width=340, elem_id="output"):
            with gr.Row(elem_id="actions"):
                methods = gr.CheckboxGroup(
                    [(KINDS[method].title, method) for method in METHODS],
                    value=chosen,
                    label="Methods",
                    show_label=False,
                    container=False,
                    elem_id="methods",
                )
                run = gr.Button("Run", variant="primary", scale=0, min_width=92, elem_id="run")
                stop = gr.Button("Stop", scale=0, min_width=76, interactive=False, elem_id="stop")
            without = gr.HTML("", elem_id="without")
            status = gr.HTML(opening_line(opening), elem_id="status")
            panes = gr.HTML(
                draw(opening.panes, table) if opening else draw([Pane(method) for method in METHODS], table),
                elem_id="panes",
            )
            gr.HTML(LEGEND)
    decoding.change(
        lambda kind: gr.Group(visible=kind == "sampling"), decoding, sampling, queue=False, api_visibility="private"
    )
    return Page(
        grid=grid,
        text=text,
        typed=gr.State("text"),
        problem=problem,
        methods=methods,
        without=without,
        settings=[decoding, temperature, top_p, seed, longest, cut, shots],
        examples=examples,
        run=run,
        stop=stop,
        status=status,
        panes=panes,
        turn=gr.State(Turn()),
    )


def _connect(demo: gr.Blocks, loading: Loading, task: Task, featured: Sequence[Table], page: Page, late: bool) -> None:
    """`late`: there is no precomputed comparison to open on, so the first one is computed as the page arrives."""
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    page.text.input(
        partial(follow_text, task),
        page.text,
        [page.grid, page.problem, page.typed],
        trigger_mode="always_last",
        **quick,
    )
    page.grid.input(
        partial(follow_grid, task),
        page.grid,
        [page.text, page.problem, page.typed],
        trigger_mode="always_last",
        **quick,
    )

    def run_on(event: Callable[..., gr.events.Dependency], typed: gr.State = page.typed, note: str = "") -> None:
        begun = event(
            partial(begin, task, len(featured), note),
            [page.turn, typed, page.grid, page.text, page.methods, *page.settings],
            [page.problem, page.status, *page.buttons],
            **quick,
        )
        ran = begun.then(
            partial(run, loading, task),
            page.turn,
            [page.status, page.panes],
            concurrency_limit=AT_ONCE,
            concurrency_id=GENERATION,
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple",  # else the page drops a second run while a first is on
        )
        over = partial(rest, len(featured))
        ran.then(over, page.turn, page.buttons, trigger_mode="multiple", **quick)  # after an error too

    run_on(page.run.click)
    run_on(page.text.submit, gr.State("text"))  # `typed` may not have heard of the last key yet
    for button, table in zip(page.examples, featured, strict=True):
        shown = [page.grid, page.text, page.problem, page.typed]
        run_on(button.click(partial(fill, table), None, shown, **quick).then)
    page.stop.click(halt, page.turn, page.stop, **quick)
    arrived = demo.load(partial(offer, loading, task), page.methods, [page.methods, page.without], **quick)
    if late:
        run_on(arrived.then, note="no precomputed comparison fits this model, so it was computed as you came")


# --------------------------------------------------------------------------------------------------- what events do


def follow_text(task: Task, text: str) -> tuple[Any, str, str]:
    """The grid follows the text; where it cannot be read the grid stays, and the reason is shown."""
    try:
        return to_grid(task.read(text)), "", "text"
    except InputError as error:
        return gr.skip(), problem_html(error), "text"


def follow_grid(task: Task, grid: list[list[Any]]) -> tuple[Any, str, str]:
    """The text follows the grid, as MR."""
    try:
        return to_mr(task.read(grid)), "", "grid"
    except InputError as error:
        return gr.skip(), problem_html(error), "grid"


def fill(table: Table) -> tuple[list[list[str]], str, str, str]:
    """An example, into grid and text."""
    return to_grid(table), to_mr(table), "", "text"


def offer(loading: Loading, task: Task, ticked: list[str]) -> tuple[Any, str]:
    """Only the methods this base has, once that is known, with a word on the others."""
    try:
        obstacles = loading.wait().offered(task)
    except PrefixError:
        return gr.skip(), ""  # the header says why
    if not any(obstacles.values()):
        return gr.skip(), ""  # what was ticked meanwhile stays
    choices = [(KINDS[method].title, method) for method in METHODS if not obstacles[method]]
    without = "; ".join(f"{KINDS[method].title}: {why}" for method, why in obstacles.items() if why)
    ticked = [method for method in ticked if not obstacles[method]]
    return gr.CheckboxGroup(choices, value=ticked), f"<p>Not offered: {escape(without)}</p>"


def begin(
    task: Task,
    examples: int,
    note: str,
    turn: Turn,
    typed: str,
    grid: list[list[Any]],
    text: str,
    methods: list[str],
    *settings: Any,
) -> list[Any]:
    """Check the input and order a run of it; bad input orders nothing, and a run that is on goes on. `rest` follows."""
    turn.going += 1
    try:
        table = task.read(text if typed == "text" else grid)
        if not methods:
            raise InputError("No method is ticked. Tick at least one.")
    except InputError as error:
        return [problem_html(error), gr.skip(), *[gr.skip()] * (2 + examples)]
    turn.latest = Order(table, methods, settings, note)
    return ["", status_html("busy", "Waiting for a free place …"), *buttons(examples, turn)]


def rest(examples: int, turn: Turn) -> list[Any]:
    """A run is over, or there was none to begin: the buttons wait for those still on."""
    turn.going = max(0, turn.going - 1)
    if not turn.going:
        turn.latest = None  # an order that the queue refused is not taken up later
    return buttons(examples, turn)


def buttons(examples: int, turn: Turn) -> list[Any]:
    """Run, Stop, examples: Stop while a run is on that is not stopped yet, the others while none is."""
    on = turn.going > 0
    live = on and turn.latest is not None and not turn.latest.stopped
    return [gr.Button(interactive=not on), gr.Button(interactive=live), *[gr.Button(interactive=not on)] * examples]


def halt(turn: Turn) -> Any:
    """Stop: the run asks between two tokens whether it still counts."""
    if turn.latest:
        turn.latest.stopped = True
    return gr.Button(interactive=False)


def run(loading: Loading, task: Task, turn: Turn) -> Iterator[tuple[str, str]]:
    """Status and panes of the latest order, redrawn as the model writes; nothing more once there is a later one."""
    order = turn.latest
    if order is None or not order.taken.acquire(blocking=False):
        yield gr.skip(), gr.skip()  # a generator that yields nothing would empty its outputs
        return
    for picture in _pictures(loading, task, order, lambda: order.stopped or turn.latest is not order):
        if turn.latest is not order:
            yield gr.skip(), gr.skip()  # what is yielded last is sent once more at the end
            return
        yield picture


def _pictures(loading: Loading, task: Task, order: Order, stopped: Callable[[], bool]) -> Iterator[tuple[str, str]]:
    try:
        yield status_html("busy", "Loading the model …" if not loading.ready else "Writing …"), gr.skip()
        engine = loading.wait()
        from prefix_core.ui.run import choose, compare  # needs torch, which is there by now

        *decoding, shots = order.settings
        methods = [method for method in METHODS if method in order.methods]
        began = drawn = time.perf_counter()
        panes: list[Pane] = []
        for panes in compare(engine, task, order.table, methods, choose(*decoding), int(shots), stopped):
            if time.perf_counter() - drawn > REDRAW:
                yield status_html("busy", "Writing …"), draw(panes, order.table)
                drawn = time.perf_counter()
        took = f"{_texts(panes)} for {_name(order.table)} in {seconds(time.perf_counter() - began)}"
        yield status_html(_outcome(panes), took, order.note or decoding[0]), draw(panes, order.table)
    except PrefixError as error:
        yield status_html("failed", str(error)), gr.skip()
    except Exception:
        yield (
            status_html("failed", "This run broke off by a fault of the program. Your input is kept; try again."),
            gr.skip(),
        )
        raise


def draw(panes: Sequence[Pane], table: Table) -> str:
    """The panes with what each says of the table."""
    return panes_html(panes, [slots(table, pane.text) for pane in panes])


# ------------------------------------------------------------------------------------------------------- small pieces


def problem_html(error: InputError) -> str:
    return f'<p class="problem" role="alert">{escape(str(error))}</p>'


def status_html(state: str, text: str, note: str = "") -> str:
    tail = f'<span class="note">{escape(note)}</span>' if note else ""
    return f'<p class="status" data-state="{state}" role="status"><span>{escape(text)}</span>{tail}</p>'


def opening_line(opening: Opening | None) -> str:
    if opening is None:
        return status_html("busy", "Loading the model …")
    text = f"{_texts(opening.panes)} for {_name(opening.table)}"
    return status_html("done", text, f"precomputed on {opening.created}, {opening.machine}")


def _outcome(panes: Sequence[Pane]) -> str:
    states = {pane.state for pane in panes}
    return "stopped" if "stopped" in states else "failed" if states == {"failed"} else "done"


def _texts(panes: Sequence[Pane]) -> str:
    failed = sum(pane.state == "failed" for pane in panes)
    written = len(panes) - failed
    if not written:
        return "Nothing could be written"
    return f"{written} text{'s' * (written != 1)}" + (f" ({failed} could not be written)" if failed else "")


def _name(table: Table) -> str:
    return next((value for attribute, value in table if attribute == "name"), table[0][1])
