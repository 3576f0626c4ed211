"""The tab "Look inside": where a prefix acts in a text, and where its vectors lie among the model's own tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.studies.opening import load_first_look
from prefix_core.tasks import get_task
from prefix_core.ui.choices import OWN, prefix_choices
from prefix_core.ui.common import QUICK, problem_html, status_html
from prefix_core.ui.compare.layout import CompareTab
from prefix_core.ui.compare.runs import PageState
from prefix_core.ui.inside import acts, api, plots
from prefix_core.ui.inside.inspector import MOST_PREFIXES, QUEUED, Inspector
from prefix_core.ui.inside.layout import SAVE, InsideTab, lay_out
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Arrival, Visitors

if TYPE_CHECKING:
    from prefix_core.studies.view import View


@dataclass
class Shown:
    """Whether a visitor's page shows something already, in each of the tab's two halves."""

    acts: bool = False
    picture: bool = False


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab, compare: CompareTab) -> None:
    """Lay out the tab and connect it. compare: whose texts can be looked at."""
    inspector, page, opened = Inspector(loading, visitors), lay_out(), gr.State(Shown())
    queued = QUEUED | {"api_visibility": "private", "show_progress": "hidden"}
    latest = queued | {"trigger_mode": "always_last"}
    prefixes = [arrival.token, page.prefixes]
    offered = tab.select(partial(offer, inspector), [*prefixes, page.layer], [page.prefixes, page.layer], **QUICK)
    given = [opened, compare.state, arrival.token, *page.choices, page.three]
    tab.select(partial(open_acts, inspector), given[:2], page.explained, **queued)
    offered.then(partial(open_picture, inspector), [opened, *given[2:]], [page.layer, *page.picture], **queued)
    asked = [opened, compare.state]
    page.explain.click(partial(explain, inspector), asked, page.explained, **latest)

    def of_pane(opened: Shown, state: PageState, event: gr.EventData) -> Iterator[tuple[Any, Any]]:
        yield from explain(inspector, opened, state, str(event.method))

    compare.panes.expand(of_pane, asked, page.explained, **latest)
    _connect_picture(inspector, page, arrival, opened, latest)
    api.add(inspector)


def _connect_picture(
    inspector: Inspector, page: InsideTab, arrival: Arrival, opened: gr.State, latest: dict[str, Any]
) -> None:
    csv, choices = gr.Textbox(visible=False), [arrival.token, *page.choices]
    for choice in (*page.choices, page.three):
        choice.input(partial(redraw, inspector), [opened, *choices, page.three], page.picture, **latest)
    page.layer.input(lambda layer: gr.Checkbox(visible=layer == 1), page.layer, page.bare, **QUICK)
    made = page.save.click(partial(coordinates, inspector), choices, [csv, page.status], **latest)
    made.then(None, csv, None, js=SAVE, **QUICK)


def offer(inspector: Inspector, token: str, ticked: list[str], layer: int) -> tuple[Any, Any]:
    """The prefixes and layers to choose from; at first the first shipped prefix and the visitor's own are ticked."""
    try:
        engine = inspector.loading.wait()
        choices = prefix_choices(engine, inspector.visitors.visit(token))
    except PrefixError:
        return gr.skip(), gr.skip()  # the header says why
    shipped = [name for name in choices if not name.startswith(OWN)]
    own = [name for name in choices if name.startswith(OWN)]
    kept = [name for name in ticked if name in choices] or [*shipped[:1], *own][:MOST_PREFIXES]
    titles = [(choice.title, choice.name) for choice in choices.values()]
    nothing = None if choices else "not trained yet: train one on the tab “Train”"
    most = engine.base.shape.layers
    layers = gr.Slider(maximum=max(2, most), value=min(layer, most))  # a slider needs two ends
    return gr.CheckboxGroup(titles, value=kept, info=nothing), layers


def open_acts(inspector: Inspector, opened: Shown, state: PageState) -> Iterator[tuple[Any, Any]]:
    """What was precomputed or, where that is of other weights, the text in Compare; nothing to one who comes back."""
    if opened.acts:
        yield gr.skip(), gr.skip()
        return
    opened.acts = True
    look = load_first_look(inspector.loading.name, inspector.loading.root)
    if look:
        yield acts.of_first_look(look, get_task(look.task).title)
    else:
        yield from acts.explain(inspector.loading, state)


def explain(inspector: Inspector, opened: Shown, state: PageState, method: str = "") -> Iterator[tuple[Any, Any]]:
    """Where the prefix acts in a text that stands in Compare. method: of its pane (any prefix's if "")."""
    opened.acts = True
    yield from acts.explain(inspector.loading, state, method)


def open_picture(
    inspector: Inspector, opened: Shown, token: str, names: list[str], layer: int, *form: Any
) -> Iterator[tuple[Any, ...]]:
    """What was precomputed, if it is of the prefixes ticked, or else the picture of these; once for each visitor."""
    if opened.picture:
        yield gr.skip(), gr.skip(), gr.skip(), gr.skip()
        return
    opened.picture = True
    look = load_first_look(inspector.loading.name, inspector.loading.root)
    if look and (not names or set(names) == set(look.view.prefixes)):
        titles = {look.task: get_task(look.task).title}
        note = f"precomputed on {look.created}, {look.machine}"
        yield look.view.layer + 1, *_drawn(look.view, titles, look.layers, False, note)
        return
    middle = layer if layer > 1 or not names else (inspector.loading.wait().base.shape.layers // 2) + 1
    for redrawn in draw(inspector, token, names, middle, *form):
        yield middle, *redrawn


def redraw(inspector: Inspector, opened: Shown, *form: Any) -> Iterator[tuple[Any, Any, Any]]:
    opened.picture = True
    yield from draw(inspector, *form)


def draw(
    inspector: Inspector, token: str, names: list[str], layer: int, part: str, fit: str, bare: bool, three: bool
) -> Iterator[tuple[Any, Any, Any]]:
    """The picture and the table for what is chosen."""
    if not inspector.loading.ready:
        yield status_html("busy", "Loading the model …"), gr.skip(), gr.skip()
    elif not inspector.ready:
        yield status_html("busy", "Reading the sample text, once for all layers …"), gr.skip(), gr.skip()
    try:
        view, picked = inspector.view(token, names, int(layer), part, fit, bare and int(layer) == 1)
    except PrefixError as error:
        yield problem_html(error), gr.skip(), gr.skip()
        return
    titles = {choice.name: choice.title for choice in picked}
    yield _drawn(view, titles, inspector.loading.wait().base.shape.layers, three)


def _drawn(view: View, titles: dict[str, str], layers: int, three: bool, note: str = "") -> tuple[Any, Any, Any]:
    status = status_html("done", plots.summary(view, layers, three), note)
    return status, plots.plot(view, titles, three), plots.nearest_html(view, titles)


def coordinates(
    inspector: Inspector, token: str, names: list[str], layer: int, part: str, fit: str, bare: bool
) -> tuple[str, Any]:
    """The points as CSV, for the browser to save."""
    try:
        view, _ = inspector.view(token, names, int(layer), part, fit, bare and int(layer) == 1)
    except PrefixError as error:
        return "", problem_html(error)
    from prefix_core.studies.view import to_csv

    return to_csv(view), gr.skip()
