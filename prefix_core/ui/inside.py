"""The tab "Look inside": where a prefix's vectors lie among the model's own tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.places import ASSETS
from prefix_core.ui.engine import Engine, Loading
from prefix_core.ui.prefixes import Choice, choices, chosen
from prefix_core.ui.status import problem_html, status_html
from prefix_core.ui.visitors import Arrival, Visitors

if TYPE_CHECKING:
    from prefix_core.studies.token_space import Space, View

AT_ONCE = 2
INSIDE = "inside"
MOST = 6  # prefixes in one picture

ABOUT = """
<div class="words"><p>In every layer, each token of a text offers a <b>key</b>, by which later tokens find it, and a
<b>value</b>, which they take from it. A prefix is nothing but more of these, learned instead of computed, so it can be
drawn among those of ordinary tokens: 2,000 frequent ones, each averaged over its places in sample text of our own
(those that it lacks are put in place of other words). Of the hundreds of dimensions the picture keeps the directions in
which the set you fit it on differs most (PCA); all else is flattened, so two points may look close and be far apart.
The table below measures in all dimensions: how far a vector has gone from any token shows that it says what no word
of the vocabulary would.</p></div>
"""

FINDER = """
<div class="finder">
  <label>Find tokens <input type="search" data-find placeholder="pub, restaurant" autocomplete="off" spellcheck="false">
  </label><output data-count aria-live="polite"></output>
  <div class="movement" data-movement hidden>
    <span>Its way here</span><button type="button">Play</button>
    <input type="range" min="0" step="any" aria-label="Step of the training"><output></output>
  </div>
</div>
"""

COMING = """<div class="coming"><p>You will see here</p><ul>
<li><b>a picture</b> of the prefixes among the model's own tokens: point at a dot for its token, or search for one</li>
<li><b>the tokens nearest</b> to each learned vector, with their distance</li>
<li><b>the way</b> a prefix took while it was trained, for one that you trained here</li></ul></div>"""

# Saves a text as a file; nothing of it stays on the server.
SAVE = """(text) => {
  if (!text) return [];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "coordinates.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  return [];
}"""


@dataclass
class Insight:
    """The tokens of the app's one base, read when the first visitor asks."""

    loading: Loading
    visitors: Visitors
    _space: Space | None = None
    _lock: Lock = field(default_factory=Lock)

    def view(
        self, token: str, wanted: list[str], layer: int, part: Any, fit: Any, bare: bool
    ) -> tuple[View, list[Choice]]:
        """Layer counted from 1. Raises `PrefixError`; waits for whoever is reading the tokens."""
        engine = self.loading.wait()
        picked = chosen(choices(engine, self.visitors.get(token) if token else None), wanted)
        if len(picked) > MOST:
            raise InputError(f"{len(picked)} prefixes are ticked; one picture holds up to {MOST}. Untick some.")
        prefixes = {choice.name: choice.steered.prefix for choice in picked if choice.steered.prefix}
        with self._lock:
            view = self.space(engine).view(prefixes, int(layer) - 1, part, fit, bare)
        return view, picked

    def space(self, engine: Engine) -> Space:
        from prefix_core.studies.token_space import Space  # needs torch and scikit-learn

        if self._space is None:
            self._space = Space(engine.base)
        return self._space

    @property
    def read(self) -> bool:
        return self._space is not None


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab) -> None:
    """Lay out the tab and connect it."""
    insight = Insight(loading, visitors)
    with gr.Column(elem_id="inside"):
        gr.HTML(ABOUT, apply_default_css=False)
        with gr.Row():
            with gr.Column(scale=4, min_width=300, elem_classes="choices"):
                prefixes = gr.CheckboxGroup([], label="Prefixes", elem_id="inside-prefixes")
                layer = gr.Radio(["1"], value="1", label="Layer", elem_id="inside-layer")
                part = gr.Radio([("Keys", "keys"), ("Values", "values")], value="keys", label="What of it")
                bare = gr.Checkbox(label="Bare embeddings: tokens without text or position, as layer 1 reads them")
                fit = gr.Radio(
                    [("Tokens", "tokens"), ("Prefixes", "prefixes"), ("Both", "both")],
                    value="tokens",
                    label="Directions fitted on",
                    info="in which of them vectors shall differ most",
                )
                three = gr.Radio([("2-D", False), ("3-D", True)], value=False, label="Picture")
                look = gr.Button("Look inside", variant="primary", elem_id="look")
                save = gr.Button("Download coordinates (CSV)", elem_id="save-coordinates")
            with gr.Column(scale=9, min_width=340):
                status = gr.HTML(status_html("idle", "Nothing is computed until you press “Look inside”."))
                gr.HTML(COMING, apply_default_css=False)
                space = gr.Plot(show_label=False, container=False, elem_id="space")
                script = (ASSETS / "space.js").read_text(encoding="utf-8")
                gr.HTML(FINDER, js_on_load=script, apply_default_css=False)
        near = gr.HTML("", apply_default_css=False)
    csv = gr.Textbox(visible=False)

    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    queued: dict[str, Any] = {"concurrency_limit": AT_ONCE, "concurrency_id": INSIDE, "api_visibility": "private"}
    tab.select(partial(offer, insight), [arrival.token, prefixes], [prefixes, layer], **quick)
    inputs = [arrival.token, prefixes, layer, part, fit, bare, three]
    for event in (look.click, *(choice.input for choice in (prefixes, layer, part, fit, bare, three))):
        event(
            partial(draw, insight),
            inputs,
            [status, space, near],
            show_progress="hidden",
            trigger_mode="always_last",
            **queued,
        )
    layer.input(lambda layer: gr.Checkbox(visible=layer == "1"), layer, bare, **quick)
    made = save.click(partial(coordinates, insight), inputs[:-1], [csv, status], **queued)
    made.then(None, csv, None, js=SAVE, **quick)
    _endpoints(insight)


def offer(insight: Insight, token: str, ticked: list[str]) -> tuple[Any, Any]:
    """The prefixes and layers there are; at first the shipped prefixes are ticked."""
    try:
        engine = insight.loading.wait()
        found = choices(engine, insight.visitors.visit(token))
    except PrefixError:
        return gr.skip(), gr.skip()  # the header says why
    kept = [name for name in ticked if name in found] or list(found)[:MOST]
    titles = [(choice.title, choice.name) for choice in found.values()]
    layers = [str(number) for number in range(1, engine.base.shape.layers + 1)]
    return gr.CheckboxGroup(titles, value=kept), gr.Radio(layers)


def draw(
    insight: Insight, token: str, names: list[str], layer: str, part: str, fit: str, bare: bool, three: bool
) -> Iterator[tuple[Any, Any, Any]]:
    """The picture and the table of the choices as they stand."""
    if not insight.loading.ready:
        yield status_html("busy", "Loading the model …"), gr.skip(), gr.skip()
    elif not insight.read:
        yield status_html("busy", "Reading the sample text, once for all layers …"), gr.skip(), gr.skip()
    try:
        view, picked = insight.view(token, names, int(layer), part, fit, bare and layer == "1")
    except PrefixError as error:
        yield problem_html(error), gr.skip(), gr.skip()
        return
    from prefix_core.model.prefix import Prefix
    from prefix_core.ui import space_plot

    titles = {choice.name: choice.title for choice in picked}
    moving = [choice for choice in picked if choice.moments]
    if moving:  # the one whose way is shown is drawn last, over the others
        view.prefixes[moving[-1].name] = view.prefixes.pop(moving[-1].name)
    moments = moving[-1].moments if moving else ()
    path = [(moment.step, view.place(Prefix(moment.keys, moment.values))) for moment in moments]
    layers = insight.loading.wait().base.shape.layers
    yield (
        status_html("done", space_plot.line(view, layers, three)),
        space_plot.plot(view, titles, three, path),
        space_plot.nearest_html(view, titles),
    )


def coordinates(
    insight: Insight, token: str, names: list[str], layer: str, part: str, fit: str, bare: bool
) -> tuple[str, Any]:
    """The points as CSV, for the browser to save."""
    try:
        view, _ = insight.view(token, names, int(layer), part, fit, bare and layer == "1")
    except PrefixError as error:
        return "", problem_html(error)
    from prefix_core.studies.token_space import to_csv

    return to_csv(view), gr.skip()


def _endpoints(insight: Insight) -> None:
    """Add `/inside` and `/coordinates` to the Blocks being built."""

    def seen(prefixes: list[str], layer: int, part: str, fit: str, bare: bool, visitor: str) -> View:
        try:
            return insight.view(visitor, list(dict.fromkeys(prefixes)), layer, part, fit, bare)[0]
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except (TypeError, ValueError) as error:  # types are not checked on the way here
            raise gr.Error(f"A parameter is of the wrong type: {error}", print_exception=False) from error

    def inside(
        prefixes: list[str],
        layer: int = 1,
        part: Literal["keys", "values"] = "keys",
        fit: Literal["tokens", "prefixes", "both"] = "tokens",
        bare: bool = False,
        visitor: str = "",
    ) -> dict[str, Any]:
        """Where prefixes lie among the model's tokens, in one layer.

        Parameters:
            prefixes: names of tasks whose shipped prefix is meant, or "own: " and the name of a prefix of the visitor's
            layer: from 1
            part: keys or values
            fit: what the three directions are fitted on: tokens, prefixes or both
            bare: token embeddings alone, through layer 1's own projection
            visitor: the token of the visitor whose own prefixes are meant
        Returns:
            {"variance": [..], "typical_distance", "tokens": [{"token", "point"}, ..], "prefixes": {name: [{"point",
            "nearest": [[token, distance], ..]}, ..]}, ..}
        """
        from prefix_core.ui.space_plot import facts

        return facts(seen(prefixes, layer, part, fit, bare, visitor))

    def coordinates(
        prefixes: list[str],
        layer: int = 1,
        part: Literal["keys", "values"] = "keys",
        fit: Literal["tokens", "prefixes", "both"] = "tokens",
        bare: bool = False,
        visitor: str = "",
    ) -> str:
        """The same points as CSV: kind, name, number, token, x, y, z, nearest, distance. Parameters as /inside."""
        from prefix_core.studies.token_space import to_csv

        return to_csv(seen(prefixes, layer, part, fit, bare, visitor))

    for endpoint in (inside, coordinates):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=AT_ONCE, concurrency_id=INSIDE)
