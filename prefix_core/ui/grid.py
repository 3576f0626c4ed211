"""The editable table. Gradio's own spreadsheet scrolls, hides its rows behind menus and is no joy on a phone."""

import gradio as gr

from prefix_core.tables import Table, to_grid
from prefix_core.ui.engine import ASSETS

TEMPLATE = """
<div class="rows"><table aria-label="Table">
  <thead><tr><th scope="col">attribute</th><th scope="col">value</th><td></td></tr></thead>
  <tbody></tbody>
</table></div>
<button type="button" data-do="add">+ add a row</button>
"""


def grid(table: Table) -> gr.HTML:
    """A component whose value is rows of [attribute, value]; its `input` event fires at every key."""
    script = (ASSETS / "grid.js").read_text(encoding="utf-8")
    return gr.HTML(to_grid(table), html_template=TEMPLATE, js_on_load=script, apply_default_css=False, elem_id="grid")
