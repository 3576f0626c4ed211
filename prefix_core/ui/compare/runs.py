"""A visitor's comparisons on one page: whatever the queue does, only the latest one asked for is written.

`prefix_core.writing` needs torch, so it is imported only once the base is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.choices import TaskCard
from prefix_core.ui.common import MOST_TOKENS, status_html
from prefix_core.ui.compare.entry import Draft
from prefix_core.ui.compare.panes import draw_panes, outcome, references_html, written
from prefix_core.ui.labels import ALL_METHODS, PREFIXES, seconds
from prefix_core.ui.loading import Loading
from prefix_core.ui.room import line_for
from prefix_core.ui.waiting_line import waiting_words
from prefix_core.writing.written import Pane

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine
    from prefix_core.writing.search import Decoding

REDRAW = 0.06  # seconds between two redraws of the panes; more often would only keep the browser busy
DECODINGS = ("greedy", "beam", "sampling")
BEAMS = 5  # the paper's
HIGHEST_TEMPERATURE = 5.0
MOST_SHOTS = 5  # examples in a prompt
# Of a prefix; as learned: 1. At 2 most texts of a shipped prefix stay as they are, at 8 none, at 16 they fall apart.
STRONGEST = 8.0

Redraw = tuple[str, Any, Any]  # the status, the panes, what people wrote


class DecodingOptions(NamedTuple):
    """How to write, in the order of the page's components. shots: examples in the prompt.

    strength: of the prefix; layers: those in which it acts, "5-12", or "" for all.
    """

    decoding: str = "greedy"
    temperature: float = 0.8
    top_p: float = 0.9
    seed: int | None = 0
    max_new_tokens: int = 80
    cut: bool = False
    shots: int = 0
    strength: float = 1.0
    layers: str = ""


@dataclass
class Comparison:
    """What one run is to write, as the page stood when it was asked for. Whoever holds `taken` writes it.

    kept: panes that stay as they are beside those that are written.
    """

    card: TaskCard
    source: Any
    methods: list[str]
    options: DecodingOptions
    note: str = ""
    kept: list[Pane] = field(default_factory=list)
    stopped: bool = False
    taken: Lock = field(default_factory=Lock)

    def all(self, panes: list[Pane]) -> list[Pane]:
        """These and those kept, in the order of the page."""
        return sorted([*panes, *self.kept], key=lambda pane: ALL_METHODS.index(pane.method))


@dataclass
class PageState:
    """One visitor's page. Only `latest` counts: a run that is writing an older comparison stops.

    key: the card chosen; running: runs that are not over yet; due: the card wants a run at once.
    shown: the panes on the page, with their card and input; against: the method the others are compared with, word by
    word; drafts: card -> what stood in its input when the visitor left it.
    """

    key: str
    latest: Comparison | None = None
    running: int = 0
    shown: tuple[TaskCard, Any, list[Pane]] | None = None
    against: str = ""
    drafts: dict[str, Draft] = field(default_factory=dict)
    due: bool = False

    def begin(self, card: TaskCard, source: Any, methods: list[str], options: DecodingOptions, note: str = "") -> None:
        """Ask for a run, which `running` has counted already. Raises `InputError` if no method is ticked."""
        if not methods:
            raise InputError("No method is ticked. Tick at least one.")
        self.latest = Comparison(card, source, methods, options, note)

    def steer(self, options: DecodingOptions) -> bool:
        """Ask for the prefix's texts anew, while the other panes stay; while these are being written, for all.

        Returns whether there is something to write.
        """
        if self.latest:
            now = self.latest
        elif self.shown:
            card, source, panes = self.shown
            methods = [pane.method for pane in panes if pane.method in PREFIXES]
            kept = [pane for pane in panes if pane.method not in PREFIXES]
            now = Comparison(card, source, methods, options, kept=kept)
        else:
            return False
        self.latest = Comparison(now.card, now.source, now.methods, options, kept=now.kept)
        return bool(now.methods)

    def end(self) -> None:
        """A run is over, or could not begin."""
        self.running = max(0, self.running - 1)
        if not self.running:
            self.latest = None  # so that a comparison which the queue refused is not taken up later

    def stop(self) -> None:
        """The run notices between two tokens."""
        if self.latest:
            self.latest.stopped = True

    @property
    def on(self) -> bool:
        """Whether something is being written: not while a visitor's arrival only passes through, with nothing to do."""
        return self.running > 0 and self.latest is not None

    @property
    def stoppable(self) -> bool:
        return self.on and not (self.latest and self.latest.stopped)

    def draw(self, card: TaskCard, source: Any, panes: list[Pane]) -> str:
        """The panes as HTML, remembered as what is on the page."""
        self.shown = card, source, panes
        return draw_panes(card.task, source, panes, self.against)


def decoding_of(options: DecodingOptions) -> Decoding:
    """Temperature, top-p and seed count only when sampling. Raises `InputError` for an option out of its range."""
    from prefix_core.methods.settings import LARGEST_SEED
    from prefix_core.writing.search import Decoding

    if options.decoding not in DECODINGS:
        raise InputError(f"There is no decoding '{options.decoding}'. Choose one of: {', '.join(DECODINGS)}.")
    if not 1 <= options.max_new_tokens <= MOST_TOKENS:
        raise InputError(f"Max new tokens is {options.max_new_tokens}; it must be from 1 to {MOST_TOKENS}.")
    if not 0 <= options.shots <= MOST_SHOTS:
        raise InputError(f"{options.shots} examples were asked for; a prompt takes from 0 to {MOST_SHOTS}.")
    if not 0 <= options.strength <= STRONGEST:
        raise InputError(f"The strength is {options.strength}; it must be from 0 to {STRONGEST:g}.")
    decoding = Decoding(int(options.max_new_tokens), too_long="cut" if options.cut else None)
    if options.decoding == "greedy":
        return decoding
    if options.decoding == "beam":
        return replace(decoding, beams=BEAMS)
    if not 0 < options.temperature <= HIGHEST_TEMPERATURE:
        raise InputError(
            f"The temperature is {options.temperature}; sampling needs one above 0, up to {HIGHEST_TEMPERATURE}."
        )
    if options.seed is None or not 0 <= options.seed <= LARGEST_SEED:
        raise InputError(f"The seed is {options.seed}; give a whole number from 0 to {LARGEST_SEED:,}.")
    return replace(decoding, temperature=options.temperature, top_p=options.top_p, seed=int(options.seed))


def span_of(layers: str) -> range | None:
    """Layers as people count them, "5-12", counted from 0; None for all. Raises `InputError` for anything else."""
    if not layers:
        return None
    first, _, last = layers.partition("-")
    try:
        return range(int(first) - 1, int(last or first))
    except ValueError:
        raise InputError(f"The layers are “{layers[:40]}”; write them as 5-12, or leave them out for all.") from None


def steering_of(options: DecodingOptions) -> dict[str, Any]:
    """How the prefix is steered, by the names that `comparison.compare` has. Raises `InputError`."""
    return {"strength": options.strength, "span": span_of(options.layers)}


def run(loading: Loading, state: PageState) -> Iterator[Redraw]:
    """Redraws of the latest comparison while the model writes; nothing more once a later one was asked for."""
    comparison = state.latest
    if comparison is None or not comparison.taken.acquire(blocking=False):
        yield gr.skip(), gr.skip(), gr.skip()  # a generator that yields nothing would empty its outputs
        return
    with closing(_redraws(loading, comparison, state)) as redraws:
        for redraw in redraws:
            if state.latest is not comparison:
                yield gr.skip(), gr.skip(), gr.skip()  # Gradio sends the last item once more at the end
                return
            yield redraw


def _redraws(loading: Loading, comparison: Comparison, state: PageState) -> Generator[Redraw]:
    def unwanted() -> bool:
        return comparison.stopped or state.latest is not comparison

    try:
        yield status_html("busy", "Writing …" if loading.ready else "Loading the model …"), gr.skip(), gr.skip()
        engine = loading.wait()
        decoding, rows = decoding_of(comparison.options), len(comparison.methods)
        line = line_for(engine.base, [(comparison.card.task, comparison.source)], rows, decoding)
        with line.join() as place:
            for ahead in place.countdown(unwanted):
                yield status_html("busy", waiting_words(ahead)), gr.skip(), gr.skip()
            if unwanted():
                yield status_html("stopped", "Stopped before it began"), gr.skip(), gr.skip()
                return
            yield from _written(engine, comparison, state, decoding, unwanted)
    except PrefixError as error:
        yield status_html("failed", str(error)), gr.skip(), gr.skip()
    except Exception:
        fault = "This run was broken off by a fault in the program. Your input is kept; try again."
        yield status_html("failed", fault), gr.skip(), gr.skip()
        raise


def _written(
    engine: Engine, comparison: Comparison, state: PageState, decoding: Decoding, unwanted: Callable[[], bool]
) -> Iterator[Redraw]:
    """The panes while they fill, then the references, then the scores against them."""
    from prefix_core.writing.comparison import compare, scored

    card, source, options = comparison.card, comparison.source, comparison.options
    methods = [method for method in ALL_METHODS if method in comparison.methods]
    own = card.own.steered if card.own else None
    references = card.references_of(source)
    began = drawn = time.perf_counter()
    panes: list[Pane] = []
    shots = int(options.shots)
    for panes in compare(engine, card.task, [source], methods, decoding, shots, own, unwanted, **steering_of(options)):
        if time.perf_counter() - drawn > REDRAW:
            yield status_html("busy", "Writing …"), state.draw(card, source, comparison.all(panes)), gr.skip()
            drawn = time.perf_counter()
    summary = f"{written(panes)} for {card.task.label(source)} in {seconds(time.perf_counter() - began)}"
    line = status_html(outcome(panes), summary, comparison.note or options.decoding)
    panes = comparison.all(panes)
    yield line, state.draw(card, source, panes), references_html(panes, references)
    if references:
        yield line, gr.skip(), references_html(scored(panes, references), references)
