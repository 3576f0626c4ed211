"""The lines that say how things stand: what is going on, how it ended, what is wrong with the input. Pure functions."""

from collections.abc import Sequence
from html import escape

from prefix_core.ui.panes import Pane


def status_html(state: str, text: str, note: str = "") -> str:
    """state: busy, done, stopped or failed."""
    tail = f'<span class="note">{escape(note)}</span>' if note else ""
    return f'<p class="status" data-state="{state}"><span>{escape(text)}</span>{tail}</p>'


def problem_html(problem: Exception | str) -> str:
    return f'<p class="problem" role="alert">{escape(str(problem))}</p>'


def hint_html(hint: str) -> str:
    return f'<p class="hint" role="status">{escape(hint)}</p>' if hint else ""


def outcome(panes: Sequence[Pane]) -> str:
    """The state that panes which are over add up to."""
    states = {pane.state for pane in panes}
    return "stopped" if "stopped" in states else "failed" if states == {"failed"} else "done"


def texts(panes: Sequence[Pane]) -> str:
    """How many were written."""
    failed = sum(pane.state == "failed" for pane in panes)
    written = len(panes) - failed
    if not written:
        return "Nothing could be written"
    return f"{written} text{'s' * (written != 1)}" + (f" ({failed} could not be written)" if failed else "")
