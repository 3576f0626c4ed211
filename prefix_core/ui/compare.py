"""The tab "Compare": one input, several methods, their texts side by side. Here its events are connected."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from prefix_core.errors import InputError
from prefix_core.ui import endpoints, inputs
from prefix_core.ui.cards import SHIPPED, find
from prefix_core.ui.engine import Loading
from prefix_core.ui.inputs import Draft
from prefix_core.ui.layout import Page, lay_out
from prefix_core.ui.line import MOST_WAITING
from prefix_core.ui.links import to_query
from prefix_core.ui.opening import read_opening
from prefix_core.ui.orders import Settings, Turn, run
from prefix_core.ui.references import people_html, references_of
from prefix_core.ui.scenes import FIRST, Scenes, Updates
from prefix_core.ui.status import problem_html, status_html
from prefix_core.ui.visitors import Arrival, Visitors

MOST_SEEDS = 10_000  # to draw from; short enough to note down

# Puts the link into the address bar and the clipboard, and says so.
COPY_LINK = """(query) => {
  if (!query) return [];
  const address = location.origin + location.pathname + query;
  history.replaceState(null, "", address);
  const say = (words) => { document.querySelector("#linked span").textContent = words; };
  const where = "The address bar holds the link";
  if (navigator.clipboard) navigator.clipboard.writeText(address).then(() => say("Link copied"), () => say(where));
  else say(where);
  setTimeout(() => say(""), 4000);
  return [];
}"""


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab) -> None:
    """Lay out the tab and connect it."""
    card = SHIPPED[FIRST]
    opening = read_opening(loading.name, loading.root, card.key)
    page = lay_out(card, opening)
    scenes = Scenes(page, loading, visitors)
    note = "" if opening else "no precomputed comparison fits this model, so it was computed as you came"
    _connect_input(scenes, arrival)
    _connect_runs(scenes, arrival, note)
    tab.select(scenes.tasks, [arrival.token, page.turn], page.tasks, **QUICK)
    endpoints.add(loading)


QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
LATEST = QUICK | {"trigger_mode": "always_last"}  # of many keys pressed, the last


def _connect_input(scenes: Scenes, arrival: Arrival) -> None:
    """Grid and text follow each other; a link says what stands there."""
    page, whose = scenes.page, scenes.whose

    def follow_text(token: str, key: str, text: str, rows: list[list[Any]]) -> tuple[Any, ...]:
        return inputs.follow_text(find(key, whose(token)), text, rows)

    def follow_grid(token: str, key: str, rows: list[list[Any]], text: str) -> tuple[Any, ...]:
        return inputs.follow_grid(find(key, whose(token)), rows, text)

    def link(token: str, key: str, *asked: Any) -> tuple[str, str]:
        draft, methods, settings = Draft(*asked[:3]), asked[3], Settings(*asked[4:])
        try:
            card = find(key, whose(token))
            text = draft.text if draft.typed == "text" else card.task.to_text(draft.read(card))
            return to_query(key, text, methods, settings), ""
        except InputError as error:
            return "", problem_html(error)

    text, grid, rest = page.input.text, page.input.grid, [page.input.problem, page.input.typed]
    text.input(follow_text, [arrival.token, page.tasks, text, grid], [grid, *rest], **LATEST)
    grid.input(follow_grid, [arrival.token, page.tasks, grid, text], [text, *rest], **LATEST)
    linked = page.link.click(link, [arrival.token, *page.asked], [page.query, page.input.problem], **QUICK)
    linked.then(None, page.query, None, js=COPY_LINK, **QUICK)


def _connect_runs(scenes: Scenes, arrival: Arrival, note: str) -> None:
    """All that makes something be written. note: on the run that a visitor's coming sets off."""
    page, whose = scenes.page, scenes.whose

    def begin(due: bool, note: str, turn: Turn, token: str, key: str, *asked: Any) -> Updates:
        """Check the input and order a run of it; bad input orders nothing, and a run that is on goes on."""
        turn.going += 1  # `over` follows, whatever happens here
        if due and not turn.due:
            return _buttons(page, turn)
        draft, methods, settings = Draft(*asked[:3]), asked[3], Settings(*asked[4:])
        try:
            card = find(key, whose(token))
            source = draft.read(card)
            turn.begin(card, source, methods, settings, note)
        except InputError as error:
            return {page.input.problem: problem_html(error)}
        said = {} if due else {page.input.problem: inputs.look(card, draft)}  # what the card or a link said stays
        return (
            _buttons(page, turn)
            | said
            | {
                page.status: status_html("busy", "Waiting for a free place …"),
                page.people: people_html([], references_of(card, source)),
            }
        )

    def over(turn: Turn) -> Updates:
        turn.rest()
        return _buttons(page, turn)

    def run_on(event: Callable[..., Any], due: bool = False, note: str = "", asked: list[Any] | None = None) -> None:
        """due: only where `turn.due` says that there is something to compute."""
        begun = event(
            partial(begin, due, note),
            [page.turn, arrival.token, *(asked or page.asked)],
            [page.input.problem, page.status, page.people, *page.buttons],
            **QUICK,
        )
        ran = begun.then(
            partial(run, scenes.loading),
            page.turn,
            [page.status, page.panes, page.people],
            concurrency_limit=MOST_WAITING,
            concurrency_id="comparisons",
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple",  # else the page drops a second run while a first is on
        )
        ran.then(over, page.turn, page.buttons, trigger_mode="multiple", **QUICK)  # after an error too

    def fill(index: int, token: str, key: str) -> tuple[Any, ...]:
        card = find(key, whose(token))
        draft = inputs.draft_of(card, card.examples[index].source)
        return draft.grid, draft.text, "", draft.typed

    def stop(turn: Turn) -> Any:
        turn.halt()
        return gr.Button(interactive=False)

    def against(turn: Turn, event: gr.EventData) -> Any:
        turn.against = str(event.against)
        return turn.draw(*turn.shown) if turn.shown else gr.skip()

    run_on(page.run.click)
    by_text = [page.tasks, gr.State("text"), *page.asked[2:]]  # `typed` may not have heard of the last key yet
    run_on(page.input.text.submit, asked=by_text)
    shown = [page.input.grid, page.input.text, page.input.problem, page.input.typed]
    for index, example in enumerate(page.input.examples):
        run_on(example.click(partial(fill, index), [arrival.token, page.tasks], shown, **QUICK).then)
    run_on(page.again.click(_another_seed, page.decoding.decoding, page.decoding.seed, **QUICK).then)
    page.stop.click(stop, page.turn, page.stop, **QUICK)
    page.panes.select(against, page.turn, page.panes, **QUICK)
    left = [page.turn, arrival.token, page.tasks, *page.input.draft]
    run_on(page.tasks.input(scenes.choose, left, page.scene, **LATEST).then, due=True)
    run_on(arrival.come.then(scenes.arrive, [page.turn, arrival.token], page.scene, **QUICK).then, due=True, note=note)


def _buttons(page: Page, turn: Turn) -> Updates:
    """Stop while a run is on that is not stopped yet, the others while none is."""
    idle = {button: gr.Button(interactive=not turn.on) for button in (page.run, page.again, *page.input.examples)}
    return idle | {page.stop: gr.Button(interactive=turn.stoppable)}


def _another_seed(decoding: str) -> Any:
    """Only sampling has another text to give."""
    return random.randrange(MOST_SEEDS) if decoding == "sampling" else gr.skip()
