"""The editable table. Gradio's own spreadsheet scrolls, hides its rows behind menus and is no joy on a phone."""

from collections.abc import Sequence

import gradio as gr

from prefix_core.places import ASSETS

TEMPLATE = """
<div class="rows" role="region" aria-label="Table" tabindex="-1"><table>
  <thead><tr></tr></thead>
  <tbody></tbody>
</table></div>
<button type="button" data-do="add">+ add a row</button>
"""


def grid(columns: Sequence[str], rows: list[list[str]], visible: bool) -> gr.HTML:
    """A component whose value is rows of cells, one a column; its `input` event fires at every key."""
    return gr.HTML(
        rows,
        html_template=TEMPLATE,
        js_on_load=(ASSETS / "grid.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_id="grid",
        columns=list(columns),
        visible=True if visible else "hidden",  # kept in the page, so that its script runs once
    )


def regrid(columns: Sequence[str], rows: list[list[str]], visible: bool) -> gr.HTML:
    """The same, as an update of a grid that is there: other headings, other rows."""
    return gr.HTML(rows, columns=list(columns), visible=True if visible else "hidden")
