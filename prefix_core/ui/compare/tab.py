"""The tab "Compare": one input, several methods, their texts side by side. Here its events are connected."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from prefix_core.errors import InputError
from prefix_core.studies.opening import load_opening
from prefix_core.ui.choices import SHIPPED_CARDS, find_card
from prefix_core.ui.common import LATEST, QUICK, problem_html, status_html
from prefix_core.ui.compare import api, entry
from prefix_core.ui.compare.entry import Draft
from prefix_core.ui.compare.layout import AGAIN, CompareTab, lay_out
from prefix_core.ui.compare.panes import references_html
from prefix_core.ui.compare.runs import DecodingOptions, PageState, run
from prefix_core.ui.compare.scenes import FIRST, Scenes, Updates, to_query
from prefix_core.ui.loading import Loading
from prefix_core.ui.many import api as many_api
from prefix_core.ui.many import tab as many
from prefix_core.ui.visitors import Arrival, Visitors
from prefix_core.ui.waiting_line import MOST_WAITING

MOST_SEEDS = 10_000  # to draw from; short enough to write down

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


KEEP_FORM = '(...form) => keepForm("{part}", ...form)'
RECALL_FORM = "(state, token) => [state, token, recallForm()]"


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab) -> CompareTab:
    """Lay out the tab and connect it; returns it, since its texts are looked at elsewhere, too."""
    card = SHIPPED_CARDS[FIRST]
    opening = load_opening(loading.name, loading.root, card.key)
    page = lay_out(card, opening)
    scenes = Scenes(page, loading, visitors)
    note = "" if opening else "computed just now, as there is no precomputed comparison for this model"
    _connect_input(scenes, arrival)
    _connect_runs(scenes, arrival, note)
    tab.select(scenes.tasks, [arrival.token, page.state], page.tasks, **QUICK)
    many.connect(page.many, scenes, arrival)
    api.add(loading)
    many_api.add(loading, visitors)
    return page


def _connect_input(scenes: Scenes, arrival: Arrival) -> None:
    """Grid and text follow each other; a link says what is in them."""
    page, visitor = scenes.page, scenes.visitor

    def follow_text(token: str, key: str, text: str, rows: list[list[Any]]) -> tuple[Any, ...]:
        return entry.follow_text(find_card(key, visitor(token)), text, rows)

    def follow_grid(token: str, key: str, rows: list[list[Any]], text: str) -> tuple[Any, ...]:
        return entry.follow_grid(find_card(key, visitor(token)), rows, text)

    def link(token: str, key: str, *form: Any) -> tuple[str, str]:
        draft, methods, options = Draft(*form[:3]), form[3], DecodingOptions(*form[4:])
        try:
            card = find_card(key, visitor(token))
            text = draft.text if draft.edited == "text" else card.task.to_text(draft.source(card))
            return to_query(key, text, methods, options), ""
        except InputError as error:
            return "", problem_html(error)

    text, grid, rest = page.input.text, page.input.grid, [page.input.problem, page.input.edited]
    text.input(follow_text, [arrival.token, page.tasks, text, grid], [grid, *rest], **LATEST)
    grid.input(follow_grid, [arrival.token, page.tasks, grid, text], [text, *rest], **LATEST)
    form: list[Any] = [page.tasks, grid, text, page.methods, *page.decoding.all]
    for event, part in ((text.input, "text"), (grid.input, "grid")):
        event(None, form, None, js=KEEP_FORM.format(part=part), **LATEST)
    for component in form:
        component.change(None, form, None, js=KEEP_FORM.format(part=""), **LATEST)
    linked = page.link.click(link, [arrival.token, *page.form], [page.query, page.input.problem], **QUICK)
    linked.then(None, page.query, None, js=COPY_LINK, **QUICK)


@dataclass(frozen=True)
class RunEvents:
    """What events do around a run. Components are updated by what the methods return."""

    scenes: Scenes

    def begin(self, due: bool, note: str, state: PageState, token: str, key: str, *form: Any) -> Updates:
        """Check the input and ask for a run. Bad input asks for nothing, and a run that is on goes on.

        due: only if `state.due` says that there is something to compute; note: for the status line of the run.
        """
        page = self.scenes.page
        state.running += 1  # `end` follows, whatever happens here
        if due and not state.due:
            return _buttons(page, state)
        draft, methods, options = Draft(*form[:3]), form[3], DecodingOptions(*form[4:])
        try:
            card = find_card(key, self.scenes.visitor(token))
            source = draft.source(card)
            state.begin(card, source, methods, options, note)
        except InputError as error:
            return {page.input.problem: entry.refused_html(error)}
        checked = {} if due else {page.input.problem: entry.check_html(card, draft)}  # else a link's own problem stays
        status = status_html("busy", "Waiting for a free slot …")
        references = references_html([], card.references_of(source))
        return _buttons(page, state) | checked | {page.status: status, page.references: references}

    def steer(self, state: PageState, *options: Any) -> Updates:
        """Ask for the prefix's texts anew, as its dials say."""
        page = self.scenes.page
        state.running += 1  # `end` follows, whatever happens here
        if not state.steer(DecodingOptions(*options)):
            return _buttons(page, state)
        return _buttons(page, state) | {page.status: status_html("busy", "Writing …")}

    def end(self, state: PageState) -> Updates:
        state.end()
        return _buttons(self.scenes.page, state)

    def stop(self, state: PageState) -> Any:
        state.stop()
        return gr.Button(interactive=False)

    def fill(self, index: int, token: str, key: str) -> tuple[Any, ...]:
        """One of the card's examples into the input."""
        card = find_card(key, self.scenes.visitor(token))
        draft = entry.draft_of(card, card.examples[index].source)
        return draft.grid, draft.text, "", draft.edited

    def against(self, state: PageState, event: gr.EventData) -> Any:
        """Compare the words of all panes with those of one, or of none."""
        state.against = str(event.against)
        return state.draw(*state.shown) if state.shown else gr.skip()


def _connect_runs(scenes: Scenes, arrival: Arrival, note: str) -> None:
    """Everything that makes the model write. note: on the run that begins as a visitor comes."""
    page, events = scenes.page, RunEvents(scenes)

    def run_on(event: Callable[..., Any], due: bool = False, note: str = "", form: list[Any] | None = None) -> None:
        given = [page.state, arrival.token, *(form or page.form)]
        begun = event(partial(events.begin, due, note), given, page.run_parts, **QUICK)
        go_on(begun)

    def go_on(begun: gr.events.Dependency) -> None:
        ran = begun.then(
            partial(run, scenes.loading),
            page.state,
            [page.status, page.panes, page.references],
            concurrency_limit=MOST_WAITING,
            concurrency_id="comparisons",
            show_progress="hidden",
            api_visibility="private",
            trigger_mode="multiple",  # otherwise the page drops a second run while a first is on
        )
        ran.then(events.end, page.state, page.buttons, trigger_mode="multiple", **QUICK)  # after an error, too

    run_on(page.run.click)
    by_text = [page.tasks, gr.State("text"), *page.form[2:]]  # `edited` may not know of the last key yet
    run_on(page.input.text.submit, form=by_text)
    shown = [page.input.grid, page.input.text, page.input.problem, page.input.edited]
    for index, example in enumerate(page.input.examples):
        run_on(example.click(partial(events.fill, index), [arrival.token, page.tasks], shown, **QUICK).then)
    run_on(page.again.click(_another_seed, page.decoding.decoding, page.decoding.seed, **QUICK).then)
    decoding = page.decoding.decoding
    decoding.change(lambda kind: gr.Button(AGAIN[kind]), decoding, page.again, **QUICK)
    for dial in page.decoding.dials:
        go_on(dial.input(events.steer, [page.state, *page.decoding.all], page.run_parts, **LATEST))
    page.stop.click(events.stop, page.state, page.stop, **QUICK)
    page.panes.select(events.against, page.state, page.panes, **QUICK)
    left = [page.state, arrival.token, page.tasks, *page.input.draft]
    run_on(page.tasks.input(scenes.choose, left, page.scene, **LATEST).then, due=True)
    came = [page.state, arrival.token, page.kept]
    arrived = arrival.come.then(scenes.arrive, came, page.scene, js=RECALL_FORM, **QUICK)
    run_on(arrived.then, due=True, note=note)


def _buttons(page: CompareTab, state: PageState) -> Updates:
    """Stop is enabled while a run is on and not stopped yet, the others while none is."""
    idle = {button: gr.Button(interactive=not state.on) for button in (page.run, page.again, *page.input.examples)}
    return idle | {page.stop: gr.Button(interactive=state.stoppable)}


def _another_seed(decoding: str) -> Any:
    """Only sampling can write another text."""
    return random.randrange(MOST_SEEDS) if decoding == "sampling" else gr.skip()
