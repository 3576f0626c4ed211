"""What a visitor has asked to be written, and its writing: only the latest order counts, whatever the queue does."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.cards import ALL_METHODS, TaskCard
from prefix_core.ui.engine import Loading
from prefix_core.ui.inputs import Draft
from prefix_core.ui.line import WRITING, Place, ahead_of_you
from prefix_core.ui.panes import Pane, panes_html, seconds
from prefix_core.ui.references import people_html, references_of, scored
from prefix_core.ui.status import outcome, status_html, texts

REDRAW = 0.06  # seconds between two pictures of the panes; more would only keep the browser busy
LOOK = 0.5  # seconds after which one who waits looks again whether they are still wanted

Picture = tuple[str, Any, Any]  # the status, the panes, what people wrote


class Settings(NamedTuple):
    """How to write, in the order of the page's components; see `ui.run.choose`. shots: examples in the prompt."""

    decoding: str = "greedy"
    temperature: float = 0.8
    top_p: float = 0.9
    seed: int | None = 0
    max_new_tokens: int = 80
    cut: bool = False
    shots: int = 0


@dataclass
class Order:
    """What one run is to write, as the page stood when it was asked for. Whoever holds `taken` writes it."""

    card: TaskCard
    source: Any
    methods: list[str]
    settings: Settings
    note: str = ""
    stopped: bool = False
    taken: Lock = field(default_factory=Lock)


@dataclass
class Turn:
    """One visitor's page. Only the latest order counts: what writes an older one stops. going: runs not yet over.

    shown: the panes on the page, with their card and input; against: the method the others' words are held against;
    key: the card chosen; drafts: what stood in the input of the cards left; due: the card wants a run at once.
    """

    key: str
    latest: Order | None = None
    going: int = 0
    shown: tuple[TaskCard, Any, list[Pane]] | None = None
    against: str = ""
    drafts: dict[str, Draft] = field(default_factory=dict)
    due: bool = False

    def begin(self, card: TaskCard, source: Any, methods: list[str], settings: Settings, note: str = "") -> None:
        """Order a run; `going` has counted it already."""
        if not methods:
            raise InputError("No method is ticked. Tick at least one.")
        self.latest = Order(card, source, methods, settings, note)

    def rest(self) -> None:
        """A run is over, or there was none to begin."""
        self.going = max(0, self.going - 1)
        if not self.going:
            self.latest = None  # an order that the queue refused is not taken up later

    def halt(self) -> None:
        """The run asks between two tokens whether it still counts."""
        if self.latest:
            self.latest.stopped = True

    @property
    def on(self) -> bool:
        return self.going > 0

    @property
    def stoppable(self) -> bool:
        return self.on and self.latest is not None and not self.latest.stopped

    def draw(self, card: TaskCard, source: Any, panes: list[Pane]) -> str:
        """The panes with what each says of the input, or the words that differ from the chosen one's."""
        self.shown = card, source, panes
        return draw(card, source, panes, self.against)


def draw(card: TaskCard, source: Any, panes: list[Pane], against: str = "") -> str:
    slots = card.task.slots
    return panes_html(panes, [slots(source, pane.text) if slots else None for pane in panes], against)


def run(loading: Loading, turn: Turn) -> Iterator[Picture]:
    """Pictures of the latest order, redrawn as the model writes; nothing more once there is a later one."""
    order = turn.latest
    if order is None or not order.taken.acquire(blocking=False):
        yield gr.skip(), gr.skip(), gr.skip()  # a generator that yields nothing would empty its outputs
        return
    with WRITING.join() as place:
        for picture in _pictures(loading, order, turn, place):
            if turn.latest is not order:
                yield gr.skip(), gr.skip(), gr.skip()  # what is yielded last is sent once more at the end
                return
            yield picture


def _pictures(loading: Loading, order: Order, turn: Turn, place: Place) -> Iterator[Picture]:
    card, settings = order.card, order.settings

    def unwanted() -> bool:
        return order.stopped or turn.latest is not order

    try:
        while not place.wait(LOOK) and not unwanted():
            yield status_html("busy", ahead_of_you(place.ahead)), gr.skip(), gr.skip()
        if unwanted():
            yield status_html("stopped", "Stopped before it began"), gr.skip(), gr.skip()
            return
        yield status_html("busy", "Writing …" if loading.ready else "Loading the model …"), gr.skip(), gr.skip()
        engine = loading.wait()
        from prefix_core.ui.run import choose, compare  # needs torch, which is there by now

        methods = [method for method in ALL_METHODS if method in order.methods]
        decoding, references = choose(*settings[:-1]), references_of(card, order.source)
        began = drawn = time.perf_counter()
        panes: list[Pane] = []
        for panes in compare(engine, card, order.source, methods, decoding, settings.shots, unwanted):
            if time.perf_counter() - drawn > REDRAW:
                yield status_html("busy", "Writing …"), turn.draw(card, order.source, panes), gr.skip()
                drawn = time.perf_counter()
        took = f"{texts(panes)} for {card.task.label(order.source)} in {seconds(time.perf_counter() - began)}"
        line = status_html(outcome(panes), took, order.note or settings.decoding)
        yield line, turn.draw(card, order.source, panes), people_html(panes, references)
        if references:
            yield line, gr.skip(), people_html(scored(panes, references), references)
    except PrefixError as error:
        yield status_html("failed", str(error)), gr.skip(), gr.skip()
    except Exception:
        fault = "This run broke off by a fault of the program. Your input is kept; try again."
        yield status_html("failed", fault), gr.skip(), gr.skip()
        raise
