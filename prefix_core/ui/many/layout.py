"""The components of "Many inputs": where a file is dropped, beside the input, and the table, over the panes."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from prefix_core.places import ASSETS
from prefix_core.ui.many.rows import MOST_ROWS, ManyState
from prefix_core.ui.train.sheet import SUFFIXES, UNASKED

TABLE = """
<div class="many-tools" hidden>
  <label>Show <select data-show aria-label="Rows to show">
    <option value="all">all rows</option>
    <option value="missing">something missing</option>
    <option value="invented">something invented</option>
    <option value="right">all said, nothing invented</option>
    <option value="apart">methods that disagree</option>
  </select></label>
  <label>in <select data-of aria-label="Of which method"></select></label>
  <input type="search" data-find placeholder="Find in inputs and texts" aria-label="Find in inputs and texts">
  <span data-count role="status"></span>
</div>
<div class="many-table" tabindex="0" role="region" aria-label="Many inputs" hidden><table>
  <thead><tr></tr></thead>
  <tbody></tbody>
</table></div>
"""
ABOUT = (
    f'<p class="told">Bring a file of up to {MOST_ROWS} rows, each one input for the chosen task, in one column or in '
    "several. Every ticked method writes a text for every row.</p>"
)


@dataclass(frozen=True)
class ManyParts:
    """The components that events touch."""

    box: gr.Accordion
    file: gr.File
    problem: gr.HTML
    sheets: gr.Radio
    offer: gr.Button
    report: gr.HTML
    run: gr.Button
    pasted: gr.Button  # under the input, where several records were pasted
    content: gr.State  # (name, bytes) of the file
    answers: gr.State  # what its visitor answered where reading stopped
    state: gr.State
    status: gr.HTML
    stop: gr.Button
    csv: gr.DownloadButton
    workbook: gr.DownloadButton
    table: gr.HTML

    @property
    def read_parts(self) -> list[Any]:
        """What changes with the file."""
        return [self.content, self.answers, self.problem, self.sheets, self.offer, self.report, self.run]

    @property
    def files(self) -> list[gr.DownloadButton]:
        return [self.csv, self.workbook]


def lay_out_pasted() -> dict[str, Any]:
    """Under the input."""
    return {"pasted": gr.Button("", size="sm", visible=False, elem_id="many-pasted")}


def lay_out_file() -> dict[str, Any]:
    """In the input's column."""
    with gr.Accordion("Many inputs: a file of rows", open=False, elem_id="many-input") as box:
        gr.HTML(ABOUT)
        file = gr.File(label="CSV, Excel, JSON, Parquet", file_types=[*SUFFIXES], height=84, elem_id="many-file")
        problem = gr.HTML("", elem_id="many-problem", elem_classes="problem-place")
        sheets = gr.Radio([], label="Which sheet of the workbook?", visible=False, elem_id="many-sheets")
        offer = gr.Button("", size="sm", visible=False, elem_id="many-offer")
        report = gr.HTML("", elem_id="many-report", elem_classes="report-place")
        run = gr.Button("Write all rows", variant="primary", visible=False, elem_id="many-run")
    return {
        "box": box, "file": file, "problem": problem, "sheets": sheets, "offer": offer, "report": report, "run": run,
        "content": gr.State(None), "answers": gr.State(UNASKED), "state": gr.State(ManyState()),
    }  # fmt: skip


def lay_out_table() -> dict[str, Any]:
    """Over the panes; nothing of it is seen until there are rows."""
    with gr.Column(elem_id="many"):
        with gr.Row(elem_id="many-actions"):
            status = gr.HTML("", elem_id="many-status")
            stop = gr.Button("Stop", size="sm", scale=0, min_width=0, visible=False, elem_id="many-stop")
            csv = gr.DownloadButton("Download CSV", size="sm", scale=0, min_width=0, visible=False, elem_id="many-csv")
            workbook = gr.DownloadButton("Excel", size="sm", scale=0, min_width=0, visible=False, elem_id="many-xlsx")
        table = gr.HTML(
            None,
            html_template=TABLE,
            js_on_load=(ASSETS / "many.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            elem_id="many-rows",
        )
    return {"status": status, "stop": stop, "csv": csv, "workbook": workbook, "table": table}
