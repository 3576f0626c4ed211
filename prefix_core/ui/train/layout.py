"""The components of the tab "Train" and where they stand."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import gradio as gr

from prefix_core.ui.common import status_html
from prefix_core.ui.train.plan import LONGEST_PREFIX, PACES, STARTS, TrainingForm
from prefix_core.ui.train.sheet import SUFFIXES, UNASKED, Rows
from prefix_core.ui.train.views import COMING

TASKS = {"custom": "My own: any text to any text", "e2e": "Restaurant tables (E2E)", "webnlg": "Triples (WebNLG)"}
IDLE = "Nothing is being trained.", "Bring your rows or try the sample set, then press Train."
FIRST = TrainingForm(None, "custom", [], "")  # what the form holds at first
TEMPLATE = "input,text\n" + '"an input, such as a list of facts","the text for it"\n' * 3


@dataclass(frozen=True)
class TrainTab:
    """The components that events touch."""

    file: gr.File
    rows: gr.Textbox
    sheet: gr.State
    newest: gr.State  # which reading and which plan were asked for last
    note: gr.Textbox  # what is chosen, for the browser to keep
    content: gr.State  # (name, bytes) of the file; None where rows are pasted
    answers: gr.State  # what its visitor answered where reading stopped
    problem: gr.HTML
    sheets: gr.Radio
    offer: gr.Button
    report: gr.HTML
    preview: gr.HTML
    columns: gr.Group
    task: gr.Radio
    inputs: gr.CheckboxGroup
    target: gr.Radio
    template: gr.Textbox
    settings: list[Any]  # pace, race, start, prefix length, initial words, epochs, learning rate
    plan: gr.HTML
    sample: gr.Button
    train: gr.Button
    stop: gr.Button
    stop_prefix: gr.Button
    stop_fine_tune: gr.Button
    status: gr.HTML
    plot: gr.Plot
    samples: gr.HTML
    table: gr.HTML
    own: gr.Radio
    about: gr.HTML
    name: gr.Textbox
    rename: gr.Button
    kept: gr.Column
    use: gr.Button
    inside: gr.Button
    download: gr.DownloadButton
    llama_cpp: gr.DownloadButton
    delete: gr.Button
    bring: gr.File
    brought: gr.HTML
    forget: gr.Button

    @property
    def form(self) -> list[gr.components.Component]:
        """What a plan is made of, in the order of `TrainingForm`."""
        return [self.sheet, self.task, self.inputs, self.target, self.template, *self.settings]

    @property
    def sheet_parts(self) -> list[Any]:
        """What changes with the rows."""
        chosen = [self.task, self.inputs, self.target, self.template]
        shown = [self.sheet, self.problem, self.sheets, self.offer, self.report, self.columns]
        return [self.content, self.answers, *shown, *chosen, self.preview, self.plan]

    @property
    def run_parts(self) -> list[Any]:
        """What shows a training."""
        buttons = [self.train, self.stop, self.stop_prefix, self.stop_fine_tune]
        return [self.status, self.plot, self.samples, self.table, *buttons]

    @property
    def own_parts(self) -> list[Any]:
        """What shows the visitor's prefixes."""
        return [self.own, self.kept, self.about, self.name, self.download, self.llama_cpp]


def lay_out(limits: str) -> TrainTab:
    """Everything. limits: in words."""
    with gr.Row(elem_id="training"):
        with gr.Column(scale=4, min_width=340, elem_id="training-input"):
            components = _lay_out_rows(limits) | _lay_out_settings()
        with gr.Column(scale=8, min_width=340, elem_id="training-output"):
            components |= _lay_out_run() | _lay_out_own()
    note = gr.Textbox(visible="hidden")
    return TrainTab(sheet=gr.State(None), newest=gr.State(Rows()), note=note, **components)


def _lay_out_rows(limits: str) -> dict[str, Any]:
    """The rows: from the sample set, a file or the keyboard, and which of their columns mean what."""
    told = f"Inputs, each with the text you would write for it. Limits: {limits}."
    gr.HTML(f'<h2>Your examples</h2><p class="told">{told}</p>')
    with gr.Row(elem_id="training-start"):
        sample = gr.Button("Try the sample set", size="sm", min_width=0, elem_id="training-sample")
        address = "data:text/csv;charset=utf-8," + quote(TEMPLATE)
        gr.HTML(f'<a class="template" href="{address}" download="template.csv">Empty template (CSV)</a>')
    file = gr.File(
        label="File: CSV, JSON, Excel, ODS, Parquet, Markdown",
        file_types=list(SUFFIXES),
        height=84,
        elem_id="training-file",
    )
    rows = gr.Textbox(
        label="Or paste or type rows, starting with the column names",
        placeholder='input,text\n"an input","the text for it"',
        lines=3,
        max_lines=9,
        elem_id="training-rows",
    )
    problem = gr.HTML("", elem_id="training-problem", elem_classes="problem-place")
    sheets = gr.Radio([], label="Which sheet of the workbook?", visible=False, elem_id="training-sheets")
    offer = gr.Button("", size="sm", visible=False, elem_id="training-offer")
    report = gr.HTML("", elem_id="training-report")
    preview = gr.HTML("", elem_id="training-preview")
    with gr.Group(visible=False, elem_id="training-columns") as columns:
        task = gr.Radio(
            [(title, name) for name, title in TASKS.items()],
            value=FIRST.task,
            label="Task",
            info="texts about restaurants are also checked for the values they say",
        )
        inputs = gr.CheckboxGroup([], label="Input columns")
        target = gr.Radio([], label="Text column")
        template = gr.Textbox(
            label="How the input is put together",
            info="{column} is replaced by the cell in that column",
            elem_id="training-template",
        )
    return {
        "sample": sample, "file": file, "rows": rows, "content": gr.State(None), "answers": gr.State(UNASKED),
        "problem": problem, "sheets": sheets, "offer": offer, "report": report, "preview": preview, "columns": columns,
        "task": task, "inputs": inputs, "target": target, "template": template,
    }  # fmt: skip


def _lay_out_settings() -> dict[str, Any]:
    gr.HTML("<h2>How it is trained</h2>")
    pace = gr.Radio(
        [(title, name) for name, title in PACES.items()],
        value=FIRST.pace,
        label="How long",
        info="quick: every row four or five times, in 30 steps at most; thorough: ten times, in up to 200 steps",
    )
    race = gr.Checkbox(
        FIRST.race,
        label="Race it against fine-tuning",
        info="a full copy of the model learns from the same rows; they take turns, step by step",
        elem_id="training-race",
    )
    with gr.Accordion("Start, length, epochs, learning rate", open=False, elem_id="training-settings"):
        start = gr.Radio(
            [(title, name) for name, title in STARTS.items()],
            value=FIRST.start,
            label="The prefix starts from",
            info="from rows: it begins as if it had been shown them, and learns from the others",
        )
        words = gr.Textbox(
            FIRST.initial_words, label="Words", info="for a start from words: a few that name the task",
            elem_id="training-words",
        )  # fmt: skip
        length = gr.Slider(
            1, LONGEST_PREFIX, FIRST.prefix_length, step=1, label="Prefix length",
            info="vectors per layer, for a start from words; a start from rows has one per token",
        )  # fmt: skip
        epochs = gr.Number(
            None, label="Epochs", info="how often every row is seen", placeholder="set by quick or thorough",
            elem_id="training-epochs",
        )  # fmt: skip
        rate = gr.Number(
            None,
            label="Learning rate",
            info="of the prefix; higher learns faster, too high learns nothing",
            placeholder="chosen for this model",
            step=0.005,
            elem_id="training-rate",
        )
    return {"settings": [pace, race, start, length, words, epochs, rate]}


def _lay_out_run() -> dict[str, Any]:
    with gr.Row(elem_id="training-actions"):
        status = gr.HTML(status_html("idle", *IDLE), elem_id="training-status")
        train = gr.Button("Train", variant="primary", scale=0, min_width=92, elem_id="train")
        stop = gr.Button("Stop", scale=0, min_width=76, interactive=False, elem_id="training-stop")
    with gr.Row(elem_id="training-race-stops"):
        stop_prefix = gr.Button(
            "Stop the prefix", size="sm", scale=0, min_width=140, visible=False, elem_id="stop-prefix"
        )
        stop_tuned = gr.Button(
            "Stop fine-tuning", size="sm", scale=0, min_width=140, visible=False, elem_id="stop-fine-tune"
        )
    plan = gr.HTML("", elem_id="training-plan")
    plot = gr.Plot(visible=False, show_label=False, container=False, elem_id="training-plot")
    samples = gr.HTML(COMING, elem_id="training-samples")
    table = gr.HTML("", elem_id="training-table")
    return {
        "status": status, "train": train, "stop": stop, "plan": plan, "stop_prefix": stop_prefix,
        "stop_fine_tune": stop_tuned, "plot": plot, "samples": samples, "table": table,
    }  # fmt: skip


def _lay_out_own() -> dict[str, Any]:
    """The visitor's prefixes."""
    gr.HTML("<h2>Your prefixes</h2>")
    with gr.Column(visible=False, elem_id="training-own") as kept:
        own = gr.Radio([], show_label=False, label="Your prefixes", container=False)
        about = gr.HTML("")
        with gr.Row(elem_id="training-naming"):
            name = gr.Textbox(label="Name", max_lines=1, elem_id="training-name")
            rename = gr.Button("Rename", size="sm", scale=0, min_width=0, elem_id="training-rename")
        with gr.Row():
            use = gr.Button("Use in Compare", size="sm", min_width=0, elem_id="training-use")
            inside = gr.Button("Look inside", size="sm", min_width=0, elem_id="training-inside")
            download = gr.DownloadButton("Download", size="sm", min_width=0, elem_id="training-download")
            llama_cpp = gr.DownloadButton("For llama.cpp", size="sm", min_width=0, elem_id="training-llama-cpp")
            delete = gr.Button("Delete", size="sm", min_width=0, elem_id="training-delete")
    bring = gr.File(
        label="Upload one that you downloaded here (.zip)", file_types=[".zip"], height=84, elem_id="training-bring"
    )
    brought = gr.HTML("", elem_id="training-brought", elem_classes="problem-place")
    with gr.Row(elem_id="training-forget-row"):
        gr.HTML(
            '<p class="legend">Only you can see your rows, runs and prefixes. They are deleted an hour after your '
            "last visit, or now:</p>"
        )
        forget = gr.Button("Delete all of mine", size="sm", scale=0, min_width=150, elem_id="training-forget")
    return {
        "own": own, "kept": kept, "about": about, "name": name, "rename": rename,
        "use": use, "inside": inside, "download": download,
        "llama_cpp": llama_cpp, "delete": delete,
        "bring": bring, "brought": brought, "forget": forget,
    }  # fmt: skip
