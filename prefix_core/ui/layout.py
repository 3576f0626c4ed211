"""The components of the tab "Compare" and where they stand."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from prefix_core.places import ASSETS
from prefix_core.ui import decoding, inputs
from prefix_core.ui.cards import TaskCard, cards
from prefix_core.ui.engine import METHODS
from prefix_core.ui.opening import Opening
from prefix_core.ui.orders import Turn, draw
from prefix_core.ui.panes import KINDS, Pane
from prefix_core.ui.references import people_html, references_of
from prefix_core.ui.status import status_html, texts


@dataclass(frozen=True)
class Page:
    """The components that events touch."""

    tasks: gr.Radio
    input: inputs.Input
    decoding: decoding.Decoding
    methods: gr.CheckboxGroup
    without: gr.HTML  # a word on the methods that are not offered
    run: gr.Button
    stop: gr.Button
    again: gr.Button
    link: gr.Button
    query: gr.Textbox
    status: gr.HTML
    panes: gr.HTML
    people: gr.HTML
    turn: gr.State

    @property
    def buttons(self) -> list[gr.Button]:
        return [self.run, self.again, self.stop, *self.input.examples]

    @property
    def asked(self) -> list[gr.components.Component]:
        """What says which comparison is wanted: the card, the draft, the methods, the settings."""
        return [self.tasks, *self.input.draft, self.methods, *self.decoding.all]

    @property
    def scene(self) -> list[gr.components.Component]:
        """All that changes with the card."""
        shown = [self.input.grid, self.input.text, self.input.problem, self.input.typed, *self.input.examples]
        return [
            self.tasks, *shown, self.methods, self.without, *self.decoding.all, self.status, self.panes, self.people,
        ]  # fmt: skip


def lay_out(card: TaskCard, opening: Opening | None) -> Page:
    """All of it, showing the precomputed comparison or, where there is none, the card's last example."""
    source = opening.source if opening else card.examples[-1].source
    panes = list(opening.panes) if opening else [Pane(method) for method in METHODS]
    tasks = gr.Radio(
        [(card.label, card.key) for card in cards()],
        value=card.key,
        label="Task",
        show_label=False,
        container=False,
        elem_id="tasks",
    )
    with gr.Row(elem_id="compare"):
        with gr.Column(scale=4, min_width=340, elem_id="input"):
            entered = inputs.lay_out(card, source)
            settings = decoding.lay_out(card.task)
        with gr.Column(scale=8, min_width=340, elem_id="output"):
            with gr.Row(elem_id="actions"):
                methods = gr.CheckboxGroup(
                    [(KINDS[method].title, method) for method in METHODS],
                    value=[pane.method for pane in panes],
                    label="Methods",
                    show_label=False,
                    container=False,
                    elem_id="methods",
                )
                run = gr.Button("Run", variant="primary", scale=0, min_width=92, elem_id="run")
                stop = gr.Button("Stop", scale=0, min_width=76, interactive=False, elem_id="stop")
            without = gr.HTML("", elem_id="without")
            with gr.Row(elem_id="outcome"):
                status = gr.HTML(opening_line(card, source, opening), elem_id="status")
                again = gr.Button("Regenerate", size="sm", scale=0, min_width=0, elem_id="again")
                link = gr.Button("Copy link", size="sm", scale=0, min_width=0, elem_id="link")
                gr.HTML('<span role="status"></span>', elem_id="linked")
            drawn = gr.HTML(
                draw(card, source, panes),
                elem_id="panes",
                js_on_load=(ASSETS / "panes.js").read_text(encoding="utf-8"),
            )
            people = gr.HTML(people_html(panes, references_of(card, source)) if opening else "", elem_id="people")
    return Page(
        tasks=tasks,
        input=entered,
        decoding=settings,
        methods=methods,
        without=without,
        run=run,
        stop=stop,
        again=again,
        link=link,
        query=gr.Textbox(visible=False),
        status=status,
        panes=drawn,
        people=people,
        turn=gr.State(Turn(card.key)),
    )


def opening_line(card: TaskCard, source: Any, opening: Opening | None) -> str:
    """The status under which a precomputed comparison is shown."""
    if opening is None:
        return status_html("busy", "Loading the model …")
    line = f"{texts(opening.panes)} for {card.task.label(source)}"
    return status_html("done", line, f"precomputed on {opening.created}, {opening.machine}")
