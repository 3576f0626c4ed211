"""What was typed and chosen on the tab "Train" outlives a reload: the browser keeps it, the server does not.

It is kept until the browser's tab is closed or the visitor removes all of theirs; where a browser stores nothing, not
at all. What is chosen of the rows goes with their columns, the settings go with any.
"""

import json
from dataclasses import replace

from prefix_core.tasks.custom import NAME as CUSTOM
from prefix_core.ui.training_plan import Wish
from prefix_core.ui.training_sheet import Sheet, default_template


def _keep(name: str) -> str:
    return f"(text) => {{ try {{ sessionStorage.setItem('{name}' + location.pathname, text) }} catch {{}} return [] }}"


ROWS, CHOICES = "prefix-rows", "prefix-choices"
KEEP_ROWS, KEEP_CHOICES = _keep(ROWS), _keep(CHOICES)
RECALL = f"""() => ["{ROWS}", "{CHOICES}"].map((name) => {{
  try {{ return sessionStorage.getItem(name + location.pathname) || "" }} catch {{ return "" }}
}})"""


def noted(wish: Wish) -> str:
    """What is chosen, as the browser keeps it."""
    columns = list(wish.sheet.columns) if wish.sheet else []
    return json.dumps({**vars(wish), "sheet": columns})


def chosen(note: str, sheet: Sheet | None) -> Wish:
    """What `noted` wrote, for these rows: of other columns, or where nothing is noted, what is likely."""
    if sheet is None:
        likely = Wish(None, CUSTOM, [], "")
    else:
        inputs, target = sheet.guess
        likely = Wish(sheet, sheet.likely_task, inputs, target, default_template(inputs) if inputs else "")
    try:
        facts = json.loads(note)
        columns = facts.pop("sheet")
        found = replace(likely, **facts)
    except (ValueError, TypeError, KeyError, AttributeError):  # nothing, or of another form than this page's
        return likely
    if sheet is None or columns != list(sheet.columns):
        found = replace(found, task=likely.task, inputs=likely.inputs, target=likely.target, template=likely.template)
    return found
