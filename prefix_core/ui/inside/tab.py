"""The tab "Look inside": where a prefix's vectors lie among the model's own tokens.

`studies.token_space` needs torch and scikit-learn, so it is imported only once the base is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.places import ASSETS
from prefix_core.ui.choices import PrefixChoice, pick_prefixes, prefix_choices
from prefix_core.ui.common import QUICK, problem_html, refusals, status_html
from prefix_core.ui.inside import plots
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Arrival, Visitors

if TYPE_CHECKING:
    from prefix_core.studies.token_space import Space, View
    from prefix_core.writing.engine import Engine

MOST_PREFIXES = 6  # in one picture
QUEUED: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "inside"}

ABOUT = """
<div class="words"><p>In every layer, each token of a text offers a <b>key</b>, by which later tokens find it, and a
<b>value</b>, which they take from it. A prefix is simply more of these, learned instead of computed, so it can be
drawn among those of ordinary tokens: 2,000 frequent ones, each averaged over its places in a sample text of our own
(tokens that the sample lacks are put in place of other words). Out of hundreds of dimensions, the picture keeps the
directions in which the set you choose varies most (PCA); everything else is flattened, so two points may look close and
be far apart. The table below measures in all dimensions: a vector far from every token says something that no word of
the vocabulary says.</p></div>
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
class Inspector:
    """The base's tokens, whose vectors are computed when the first visitor asks for a picture."""

    loading: Loading
    visitors: Visitors
    _space: Space | None = None
    _lock: Lock = field(default_factory=Lock)

    def view(
        self, token: str, wanted: list[str], layer: int, part: Any, fit: Any, bare: bool
    ) -> tuple[View, list[PrefixChoice]]:
        """layer: counted from 1. Raises `PrefixError`; waits while another visitor has the vectors computed."""
        engine = self.loading.wait()
        picked = pick_prefixes(prefix_choices(engine, self.visitors.get(token) if token else None), wanted)
        if len(picked) > MOST_PREFIXES:
            raise InputError(
                f"{len(picked)} prefixes are ticked; one picture holds up to {MOST_PREFIXES}. Untick some."
            )
        prefixes = {choice.name: choice.steered.prefix for choice in picked if choice.steered.prefix}
        with self._lock:
            view = self.space(engine).view(prefixes, int(layer) - 1, part, fit, bare)
        return view, picked

    def space(self, engine: Engine) -> Space:
        from prefix_core.studies.token_space import Space

        if self._space is None:
            self._space = Space(engine.base)
        return self._space

    @property
    def ready(self) -> bool:
        return self._space is not None


@dataclass(frozen=True)
class InsideTab:
    """The components that events touch. choices: what a picture is made of; three: 2-D or 3-D."""

    prefixes: gr.CheckboxGroup
    layer: gr.Radio
    part: gr.Radio
    fit: gr.Radio
    bare: gr.Checkbox
    three: gr.Radio
    look: gr.Button
    save: gr.Button
    status: gr.HTML
    space: gr.Plot
    near: gr.HTML

    @property
    def choices(self) -> list[Any]:
        return [self.prefixes, self.layer, self.part, self.fit, self.bare]


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab) -> None:
    """Lay out the tab and connect it."""
    inspector, page = Inspector(loading, visitors), lay_out()
    csv = gr.Textbox(visible=False)
    queued = QUEUED | {"api_visibility": "private"}
    prefixes = [arrival.token, page.prefixes]
    tab.select(partial(offer, inspector), prefixes, [page.prefixes, page.layer], **QUICK)
    choices = [arrival.token, *page.choices]
    for event in (page.look.click, *(choice.input for choice in (*page.choices, page.three))):
        event(
            partial(draw, inspector),
            [*choices, page.three],
            [page.status, page.space, page.near],
            show_progress="hidden",
            trigger_mode="always_last",
            **queued,
        )
    page.layer.input(lambda layer: gr.Checkbox(visible=layer == "1"), page.layer, page.bare, **QUICK)
    made = page.save.click(partial(coordinates, inspector), choices, [csv, page.status], **queued)
    made.then(None, csv, None, js=SAVE, **QUICK)
    _endpoints(inspector)


def lay_out() -> InsideTab:
    with gr.Column(elem_id="inside"):
        gr.HTML(ABOUT, apply_default_css=False)
        with gr.Row():
            with gr.Column(scale=4, min_width=300, elem_classes="choices"):
                prefixes = gr.CheckboxGroup([], label="Prefixes", elem_id="inside-prefixes")
                layer = gr.Radio(["1"], value="1", label="Layer", elem_id="inside-layer")
                part = gr.Radio([("Keys", "keys"), ("Values", "values")], value="keys", label="Keys or values")
                bare = gr.Checkbox(label="Bare embeddings: tokens without text or position, as layer 1 reads them")
                fit = gr.Radio(
                    [("Tokens", "tokens"), ("Prefixes", "prefixes"), ("Both", "both")],
                    value="tokens",
                    label="Directions fitted on",
                    info="the picture spreads these out the most",
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
    return InsideTab(prefixes, layer, part, fit, bare, three, look, save, status, space, near)


def offer(inspector: Inspector, token: str, ticked: list[str]) -> tuple[Any, Any]:
    """The prefixes and layers to choose from; at first the shipped prefixes are ticked."""
    try:
        engine = inspector.loading.wait()
        choices = prefix_choices(engine, inspector.visitors.visit(token))
    except PrefixError:
        return gr.skip(), gr.skip()  # the header says why
    kept = [name for name in ticked if name in choices] or list(choices)[:MOST_PREFIXES]
    titles = [(choice.title, choice.name) for choice in choices.values()]
    layers = [str(number) for number in range(1, engine.base.shape.layers + 1)]
    nothing = None if choices else "not trained yet: train one on the tab “Train”"
    return gr.CheckboxGroup(titles, value=kept, info=nothing), gr.Radio(layers)


def draw(
    inspector: Inspector, token: str, names: list[str], layer: str, part: str, fit: str, bare: bool, three: bool
) -> Iterator[tuple[Any, Any, Any]]:
    """The picture and the table for what is chosen."""
    if not inspector.loading.ready:
        yield status_html("busy", "Loading the model …"), gr.skip(), gr.skip()
    elif not inspector.ready:
        yield status_html("busy", "Reading the sample text, once for all layers …"), gr.skip(), gr.skip()
    try:
        view, picked = inspector.view(token, names, int(layer), part, fit, bare and layer == "1")
    except PrefixError as error:
        yield problem_html(error), gr.skip(), gr.skip()
        return
    from prefix_core.model.prefix import Prefix

    titles = {choice.name: choice.title for choice in picked}
    moving = [choice for choice in picked if choice.moments]
    if moving:  # the one that moves is drawn last, on top of the others
        view.prefixes[moving[-1].name] = view.prefixes.pop(moving[-1].name)
    moments = moving[-1].moments if moving else ()
    path = [(moment.step, view.place(Prefix(moment.keys, moment.values))) for moment in moments]
    layers = inspector.loading.wait().base.shape.layers
    yield (
        status_html("done", plots.summary(view, layers, three)),
        plots.plot(view, titles, three, path),
        plots.nearest_html(view, titles),
    )


def coordinates(
    inspector: Inspector, token: str, names: list[str], layer: str, part: str, fit: str, bare: bool
) -> tuple[str, Any]:
    """The points as CSV, for the browser to save."""
    try:
        view, _ = inspector.view(token, names, int(layer), part, fit, bare and layer == "1")
    except PrefixError as error:
        return "", problem_html(error)
    from prefix_core.studies.token_space import to_csv

    return to_csv(view), gr.skip()


def _endpoints(inspector: Inspector) -> None:
    """Add `/inside` and `/coordinates` to the Blocks being built."""

    def view(prefixes: list[str], layer: int, part: str, fit: str, bare: bool, visitor: str) -> View:
        with refusals():
            return inspector.view(visitor, list(dict.fromkeys(prefixes)), layer, part, fit, bare)[0]

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
        return plots.view_json(view(prefixes, layer, part, fit, bare, visitor))

    def coordinates(
        prefixes: list[str],
        layer: int = 1,
        part: Literal["keys", "values"] = "keys",
        fit: Literal["tokens", "prefixes", "both"] = "tokens",
        bare: bool = False,
        visitor: str = "",
    ) -> str:
        """The same points as CSV: kind, name, number, token, x, y, z, nearest, distance. Parameters as /inside."""
        seen = view(prefixes, layer, part, fit, bare, visitor)
        from prefix_core.studies.token_space import to_csv

        return to_csv(seen)

    for endpoint in (inside, coordinates):
        gr.api(endpoint, api_name=endpoint.__name__, **QUEUED)
