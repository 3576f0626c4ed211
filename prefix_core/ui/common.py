"""What the tabs share: how events are connected, how a program's call is refused, and small pieces of HTML."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Any

import gradio as gr

from prefix_core.errors import PrefixError

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LATEST = QUICK | {"trigger_mode": "always_last"}  # while one event is handled, only the last of those after it counts

MOST_TOKENS = 200  # new tokens that a visitor may ask for
NUMBER = re.compile(r"[−+-]?\d")


@dataclass(eq=False)
class Newest:
    """Of what a page asks for in turn: answers are made side by side, and one that was asked for earlier and is ready

    later must not replace the newest.
    """

    asked: object = None

    def ask(self) -> Callable[[], bool]:
        """Ask anew. What is returned says whether nothing has been asked for since."""
        mine = self.asked = object()
        return lambda: self.asked is mine


@contextmanager
def refusals() -> Iterator[None]:
    """Around the body of an endpoint: what is wrong with a call is answered to the program that made it."""
    try:
        yield
    except PrefixError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except (TypeError, ValueError) as error:  # Gradio does not check types on the way here
        raise gr.Error(f"A parameter is of the wrong type: {error}", print_exception=False) from error


def status_html(state: str, text: str, note: str = "") -> str:
    """The line that says how things stand. state: idle, busy, done, stopped or failed."""
    tail = f'<span class="note">{escape(note)}</span>' if note else ""
    return f'<p class="status" data-state="{state}"><span>{escape(text)}</span>{tail}</p>'


def problem_html(problem: Exception | str) -> str:
    return f'<p class="problem" role="alert">{escape(str(problem))}</p>'


def hint_html(hint: str) -> str:
    return f'<p class="hint" role="status">{escape(hint)}</p>' if hint else ""


def table_html(columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table whose first column names the rows. Numbers are aligned right, words left; everything is escaped."""
    rows = list(rows)
    sides = [
        "" if all(map(NUMBER.match, filter(None, cells))) else ' class="words"' for cells in zip(*rows, strict=True)
    ]
    head = "".join(
        f'<th scope="col"{side}>{escape(column)}</th>' if column else f"<td{side}></td>"  # no heading, no words to say
        for column, side in zip_longest(columns, sides, fillvalue="")
    )
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td{side}>{escape(cell)}</td>" for cell, side in zip(cells, sides[1:], strict=True))
        + "</tr>"
        for first, *cells in rows
    )
    return (
        f'<div class="numbers-table" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def bars_html(values: Sequence[tuple[str, Any]], written: Callable[[Any], str]) -> str:
    """A bar for each (name, value), the first one in colour, as a share of the largest. written: value -> text."""
    largest = max(value for _, value in values) or 1
    return "".join(
        f'<div class="cost"><span>{name}</span><div class="bar" aria-hidden="true">'
        f'<i class="{"grey" if index else ""}" style="width:{100 * value / largest:.2f}%"></i></div>'
        f"<b>{written(value)}</b></div>"
        for index, (name, value) in enumerate(values)
    )
