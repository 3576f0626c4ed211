"""The components of the tab "Compare" and where they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from prefix_core.places import ASSETS
from prefix_core.studies.opening import Opening
from prefix_core.tasks import Task
from prefix_core.ui.choices import TaskCard, task_cards
from prefix_core.ui.common import MOST_TOKENS, status_html
from prefix_core.ui.compare.entry import Draft, box_settings, draft_of, example_labels
from prefix_core.ui.compare.panes import draw_panes, references_html, written
from prefix_core.ui.compare.runs import MOST_SHOTS, PageState
from prefix_core.ui.labels import METHOD_LABELS, METHODS
from prefix_core.ui.many.layout import ManyParts, lay_out_file, lay_out_pasted, lay_out_table
from prefix_core.writing.written import Pane

REFUSED = "This input cannot be read; the reason is given below it. The texts here belong to an earlier input."
SEED = "with the same seed, methods and settings you get the same texts"
TOP_P = "choose only from the likeliest words, up to this total probability"

# Gradio's own spreadsheet scrolls, hides its rows behind menus, and is hard to use on a phone.
GRID = """
<div class="rows" role="region" aria-label="Table" tabindex="-1"><table>
  <thead><tr></tr></thead>
  <tbody></tbody>
</table></div>
<button type="button" data-do="add">+ add a row</button>
"""
KEYS = "<p>You can also press Shift+Enter or Ctrl+Enter in the input.</p>"
# What "once more" means: only sampling writes another text.
AGAIN = {"greedy": "Run again (same text)", "beam": "Run again (same text)", "sampling": "Regenerate"}

STRENGTH = """
<label><span>Prefix strength</span><input type="range" min="-7" max="6" step="1"></label>
<output></output><button type="button" aria-label="Strength as trained" hidden>reset</button>
"""
LAYERS = """
<span>in layers</span><span class="span"><input type="range" min="1" aria-label="First layer the prefix acts in"><input
  type="range" min="1" aria-label="Last layer the prefix acts in"></span>
<output></output><button type="button" aria-label="All layers" hidden>reset</button>
"""


@dataclass(frozen=True)
class InputComponents:
    """The input side."""

    examples: list[gr.Button]
    grid: gr.HTML
    text: gr.Textbox
    problem: gr.HTML
    edited: gr.State

    @property
    def draft(self) -> list[gr.components.Component]:
        """The parts of a `Draft`, in its order."""
        return [self.edited, self.grid, self.text]


@dataclass(frozen=True)
class DecodingComponents:
    """The settings, in the order of `runs.DecodingOptions`."""

    decoding: gr.Radio
    temperature: gr.Slider
    top_p: gr.Slider
    seed: gr.Number
    max_new_tokens: gr.Slider
    cut: gr.Checkbox
    shots: gr.Slider
    strength: gr.HTML
    layers: gr.HTML

    @property
    def dials(self) -> list[gr.HTML]:
        """What the prefix panes alone depend on."""
        return [self.strength, self.layers]

    @property
    def all(self) -> list[gr.components.Component]:
        return list(vars(self).values())

    def updates(self, task: Task, settings: dict[str, Any] | None = None) -> dict[Any, Any]:
        """Set what `task` needs, and `settings` by name."""
        values = {"max_new_tokens": task.max_new_tokens, "cut": task.cut} | (settings or {})
        return {getattr(self, name): value for name, value in values.items()}


@dataclass(frozen=True)
class CompareTab:
    """The components that events touch."""

    tasks: gr.Radio
    input: InputComponents
    decoding: DecodingComponents
    methods: gr.CheckboxGroup
    without: gr.HTML  # a word on the methods that are not offered
    run: gr.Button
    stop: gr.Button
    again: gr.Button
    link: gr.Button
    query: gr.Textbox
    kept: gr.Textbox  # what the browser kept of the form, before the page was loaded again
    status: gr.HTML
    panes: gr.HTML
    references: gr.HTML
    state: gr.State
    many: ManyParts

    @property
    def buttons(self) -> list[gr.Button]:
        return [self.run, self.again, self.stop, *self.input.examples]

    @property
    def run_parts(self) -> list[gr.components.Component]:
        """What changes as a run begins."""
        return [self.input.problem, self.status, self.references, *self.buttons]

    @property
    def form(self) -> list[gr.components.Component]:
        """What a comparison is made of: the card, the draft, the methods, the settings."""
        return [self.tasks, *self.input.draft, self.methods, *self.decoding.all]

    @property
    def scene(self) -> list[gr.components.Component]:
        """All that changes with the card."""
        entry = [self.input.grid, self.input.text, self.input.problem, self.input.edited, *self.input.examples]
        output = [self.status, self.panes, self.references]
        return [self.tasks, *entry, self.methods, self.without, *self.decoding.all, *output]


def lay_out(card: TaskCard, opening: Opening | None) -> CompareTab:
    """Everything, showing the precomputed comparison or, if there is none, the card's last example."""
    source = opening.source if opening else card.examples[-1].source
    panes = list(opening.panes) if opening else [Pane(method) for method in METHODS]
    tasks = gr.Radio(
        [(other.label, other.key) for other in task_cards()],
        value=card.key,
        label="Task",
        show_label=False,
        container=False,
        elem_id="tasks",
    )
    with gr.Row(elem_id="compare"):
        with gr.Column(scale=4, min_width=340, elem_id="input"):
            entry = _lay_out_input(card, draft_of(card, source))
            several = lay_out_pasted()
            settings = _lay_out_settings(card.task)
            several |= lay_out_file()
        with gr.Column(scale=8, min_width=340, elem_id="output"):
            with gr.Row(elem_id="actions"):
                methods = gr.CheckboxGroup(
                    [(METHOD_LABELS[method].title, method) for method in METHODS],
                    value=[pane.method for pane in panes],
                    label="Methods",
                    show_label=False,
                    container=False,
                    elem_id="methods",
                )
                run = gr.Button("Run", variant="primary", scale=0, min_width=92, elem_id="run")
                stop = gr.Button("Stop", scale=0, min_width=76, interactive=False, elem_id="stop")
            gr.HTML(KEYS, elem_id="keys")
            gr.HTML(f'<p role="status">{REFUSED}</p>', elem_id="refused")
            without = gr.HTML("", elem_id="without")
            several |= lay_out_table()
            with gr.Row(elem_id="outcome"):
                status = gr.HTML(opening_status(card, source, opening), elem_id="status")
                again = gr.Button(AGAIN["greedy"], size="sm", scale=0, min_width=0, elem_id="again")
                link = gr.Button("Copy link", size="sm", scale=0, min_width=0, elem_id="link")
                gr.HTML('<span role="status"></span>', elem_id="linked")
            with gr.Row(elem_id="dials"):
                dials = [_dial(1.0, STRENGTH, "strength"), _dial("", LAYERS, "layers")]
            script = (ASSETS / "panes.js").read_text(encoding="utf-8")
            drawn = gr.HTML(draw_panes(card.task, source, panes), elem_id="panes", js_on_load=script)
            references = gr.HTML(
                references_html(panes, card.references_of(source)) if opening else "", elem_id="people"
            )
    return CompareTab(
        tasks=tasks, input=entry, decoding=DecodingComponents(*settings, *dials), methods=methods, without=without,
        run=run, stop=stop, again=again, link=link, query=gr.Textbox(visible=False), kept=gr.Textbox(visible="hidden"),
        status=status, panes=drawn, references=references, state=gr.State(PageState(card.key)),
        many=ManyParts(**several),
    )  # fmt: skip


def _lay_out_input(card: TaskCard, draft: Draft) -> InputComponents:
    with gr.Row(elem_id="examples"):
        examples = [
            gr.Button(label or "–", size="sm", min_width=0, visible=bool(label)) for label in example_labels(card)
        ]
    return InputComponents(
        examples=examples,
        grid=_grid(card.task.columns, draft.grid, card.task.kind != "text"),
        text=gr.Textbox(draft.text, elem_id="text", **box_settings(card)),
        problem=gr.HTML("", elem_id="problem"),
        edited=gr.State(draft.edited),
    )


def _lay_out_settings(task: Task) -> list[Any]:
    """The settings but for the prefix's dials."""
    with gr.Accordion("Decoding and prompt settings", open=False, elem_id="settings"):
        decoding = gr.Radio(
            [("Greedy", "greedy"), ("Beam search, 5 beams", "beam"), ("Sampling", "sampling")],
            value="greedy",
            label="Decoding",
        )
        with gr.Group(visible=False) as sampling:
            temperature = gr.Slider(0.1, 2.0, 0.8, step=0.05, label="Temperature", info="higher is bolder")
            top_p = gr.Slider(0.05, 1.0, 0.9, step=0.05, label="Top-p", info=TOP_P)
            seed = gr.Number(0, precision=0, label="Seed", info=SEED)
        longest = gr.Slider(10, MOST_TOKENS, task.max_new_tokens, step=1, label="Max new tokens")
        cut = gr.Checkbox(task.cut, label="Shorten an input that is too long instead of refusing it")
        shots = gr.Slider(
            0, MOST_SHOTS, 0, step=1, label="Examples in the prompt", info="0 gives only an instruction (zero-shot)"
        )
    decoding.change(
        lambda kind: gr.Group(visible=kind == "sampling"), decoding, sampling, queue=False, api_visibility="private"
    )
    return [decoding, temperature, top_p, seed, longest, cut, shots]


def _dial(value: float | str, template: str, name: str) -> gr.HTML:
    """A dial of the prefix; its `input` event fires while it is moved. `most`: layers of the base, once it is known."""
    return gr.HTML(
        value,
        html_template=template,
        js_on_load=(ASSETS / "dials.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id=name,
        most=1,
        visible="hidden",
    )


def _grid(columns: Sequence[str], rows: list[list[str]], visible: bool) -> gr.HTML:
    """The editable table. Its value is rows of cells, one for each column; its `input` event fires at every key."""
    return gr.HTML(
        rows,
        html_template=GRID,
        js_on_load=(ASSETS / "grid.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="grid",
        columns=list(columns),
        fixed=False,
        visible=True if visible else "hidden",  # hidden, it stays in the page, and its script runs only once
    )


def input_updates(entry: InputComponents, card: TaskCard, draft: Draft, problem: str) -> dict[Any, Any]:
    """Show another card's examples and grid, with `draft` in its input. problem: as HTML, what is wrong with it."""
    labels = example_labels(card)
    buttons = [gr.Button(label, visible=bool(label), interactive=True) for label in labels]
    shown: bool | Literal["hidden"] = True if card.task.kind != "text" else "hidden"
    return dict(zip(entry.examples, buttons, strict=True)) | {
        entry.grid: gr.HTML(draft.grid, columns=list(card.task.columns), fixed=bool(card.form), visible=shown),
        entry.text: gr.Textbox(draft.text, **box_settings(card)),
        entry.problem: problem,
        entry.edited: draft.edited,
    }


def opening_status(card: TaskCard, source: Any, opening: Opening | None) -> str:
    """The status line over a precomputed comparison, or while there is none."""
    if opening is None:
        return status_html("busy", "Loading the model …")
    line = f"{written(opening.panes)} for {card.task.label(source)}"
    return status_html("done", line, f"precomputed on {opening.created}, {opening.machine}")
