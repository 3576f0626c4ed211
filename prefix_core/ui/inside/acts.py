"""Where a prefix acts in a text that a pane of "Compare" has just written.

`studies.acts` needs torch, so it is imported only once the base is loaded. assets/acts.js draws the answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.studies.opening import FirstLook
from prefix_core.ui.choices import PrefixChoice, TaskCard
from prefix_core.ui.common import problem_html, status_html
from prefix_core.ui.compare.runs import PageState, span_of
from prefix_core.ui.labels import METHOD_LABELS, PREFIXES, seconds
from prefix_core.ui.loading import Loading
from prefix_core.writing.written import Pane

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine

NOTHING = "There is no text written with a prefix in Compare yet. Run one there, then come back."


def of_first_look(look: FirstLook, title: str) -> tuple[str, dict[str, Any]]:
    """What was precomputed. title: of the prefix."""
    note = f"precomputed on {look.created}, {look.machine}"
    line = status_html("done", f"The shipped prefix of {title}, in the text for {look.label}", note)
    return line, {"places": look.places, "words": list(look.start)}


def explain(loading: Loading, state: PageState, method: str = "") -> Iterator[tuple[Any, Any]]:
    """The status and what assets/acts.js draws, for the text on the page. method: of the pane (any prefix's if "")."""
    try:
        card, source, pane = _wanted(state, method)
        title = f"{METHOD_LABELS[pane.method].title}, in the text for {card.task.label(source)}"
        yield status_html("busy", f"{title}: computing …" if loading.ready else "Loading the model …"), gr.skip()
        engine = loading.wait()
        began = time.perf_counter()
        answer = acts_of(engine, card, source, pane)
    except PrefixError as error:
        yield problem_html(error), gr.skip()
        return
    yield status_html("done", title, f"computed in {seconds(time.perf_counter() - began)}"), answer


def acts_of(engine: Engine, card: TaskCard, source: Any, pane: Pane, by_head: bool = True) -> dict[str, Any]:
    """Where the pane's prefix acts in its text, steered as it was when it wrote. Raises `PrefixError`."""
    from prefix_core.studies.acts import to_json, where_it_acts
    from prefix_core.writing.generate import Request

    if pane.method == "own" and card.own:
        choice = PrefixChoice(card.key, card.own.name, card.task, card.own.steered, card.own.card, card.own.moments)
    else:
        choice = PrefixChoice(card.key, card.task.title, card.task, *engine.artifact(card.task, "prefix"))
    history = choice.history(engine.base)
    request = Request(choice.steered.acting(pane.strength, span_of(pane.layers)), card.task, source)
    acts = where_it_acts(engine.base, request, pane.text, history.start)
    return {"places": to_json(acts, by_head), "words": list(history.words)}


def _wanted(state: PageState, method: str) -> tuple[TaskCard, Any, Pane]:
    """The pane that is meant, with its card and input. Raises `InputError` if there is none, or it is not finished."""
    card, source, panes = state.shown or (None, None, [])
    found = [pane for pane in panes if pane.method in ((method,) if method else PREFIXES)]
    if card is None or not found:
        raise InputError(NOTHING)
    if found[0].state not in ("finished", "stopped"):
        raise InputError("That text is still being written. Wait for its end, then ask again.")
    if not found[0].text:
        raise InputError("The prefix has written nothing for that input, so there is nothing to look at.")
    return card, source, found[0]
