"""One desk for all who want something written: what is wanted at the same time goes through the frozen base together.

Rows of all visitors share its matrices, which are read once a token for all of them (Li & Liang 2021, section 8.1), and
an input is read in chunks beside the others' tokens, so that nobody waits for the end of another's article. One thread
does all the work, and there is none while nobody wants anything.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from prefix_core.model.base import Base
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.shared_pass import run, shared_key
from prefix_core.writing.generate import Batch, Decoding, GenerationEvent, Request, begin

CHUNK = 128  # tokens of inputs that are read in one pass while others write: some 0.2 s on two cores
CHUNK_ALONE = 512
ASK = 0.25  # seconds after which who waits for a token asks whether it is still wanted


@dataclass(eq=False)
class Order:
    """What one caller wants written. news: panes with something new; apart: in passes without others' rows."""

    batches: list[Batch]
    apart: bool
    news: set[int] = field(default_factory=set)
    fault: BaseException | None = None

    @property
    def going(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.search.alive]


class Desk:
    """Writes for any number of threads at once, on one base."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self._orders: list[Order] = []
        self._moved = threading.Condition()
        self._working = False

    def stream(
        self,
        requests: Sequence[Request],
        decoding: Decoding | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        apart: bool = False,
    ) -> Iterator[GenerationEvent]:
        """As `generate.stream`, together with whatever else is being written; a slow reader misses events, not text.

        apart: in passes of its own, which take turns with the others', so that their times are its own.
        """
        batches, cuts, refused = begin(self.base, requests, decoding or Decoding())
        yield from refused
        order = Order(batches, apart)
        self._enter(order)
        try:
            going = {pane for batch in batches for pane in batch.rows}
            while going and not should_stop():
                for pane in self._news(order):
                    batch = next(batch for batch in batches if pane in batch.rows)
                    event = batch.event(pane, cuts[pane])
                    if event.finished:
                        going.discard(pane)
                    yield event
        finally:
            self._leave(order)

    def _enter(self, order: Order) -> None:
        with self._moved:
            self._orders.append(order)
            if not self._working:
                self._working = True
                threading.Thread(target=self._work, name="write", daemon=True).start()

    def _leave(self, order: Order) -> None:
        with self._moved:
            if order in self._orders:
                self._orders.remove(order)

    def _news(self, order: Order) -> list[int]:
        """The panes that have something new, after `ASK` seconds at the latest. Raises what a pass raised."""
        with self._moved:
            self._moved.wait_for(lambda: order.news or order.fault, ASK)
            news, order.news = sorted(order.news), set()
            if order.fault is not None and not news:
                raise order.fault
            return news

    def _work(self) -> None:
        with torch.inference_mode():
            while True:
                with self._moved:
                    orders = [order for order in self._orders if order.fault is None and order.going]
                    if not orders:
                        self._working = False
                        return
                chunks = shares([batch for order in orders for batch in order.going], alone=len(orders) == 1)
                for some in passes(orders):
                    self._pass([(order, batch) for order, batch in some if chunks.get(batch, 1)], chunks)

    def _pass(self, some: list[tuple[Order, Batch]], chunks: dict[Batch, int]) -> None:
        """Run one token or one chunk of each batch, in one pass, and tell those who wait."""
        if not some:
            return
        began = time.perf_counter()
        panes = [batch.going for _, batch in some]
        try:
            parts = [batch.search.part(chunks.get(batch)) for _, batch in some]
            rows = sum(len(part.lengths) for part in parts)
            wrote = [batch.search.take(logits) for (_, batch), logits in zip(some, run(parts), strict=True)]
        except Exception as fault:
            with self._moved:
                for order, _ in some:
                    order.fault = fault
                self._moved.notify_all()
            return
        seconds = time.perf_counter() - began
        with self._moved:
            for (order, batch), changed, written in zip(some, panes, wrote, strict=True):
                batch.ran(seconds, written, rows)
                order.news.update(changed if written else ())
            self._moved.notify_all()


def passes(orders: Sequence[Order]) -> list[list[tuple[Order, Batch]]]:
    """What goes through the network together: batches that share its matrices, whoever asked for them."""
    groups: dict[tuple[int, ...], list[tuple[Order, Batch]]] = {}
    for order in orders:
        for batch in order.going:
            network = batch.search.rows[0].network
            alone = id(batch) if isinstance(network, ModuleNetwork) else id(order) if order.apart else 0
            groups.setdefault((alone, *shared_key(network)), []).append((order, batch))
    return list(groups.values())


def shares(batches: Sequence[Batch], alone: bool) -> dict[Batch, int]:
    """How many tokens of its inputs each batch that is not done reading reads next; perhaps none.

    Half of a chunk is for who came first, so that nobody is passed for ever; the rest for whoever has least to read.
    alone: nobody waits meanwhile.
    """
    reading = [batch for batch in batches if batch.search.unread]
    if alone or not reading:
        return dict.fromkeys(reading, CHUNK_ALONE)
    found = dict.fromkeys(reading, 0)
    found[reading[0]] = CHUNK // 2
    left = CHUNK // 2
    for batch in sorted(reading, key=lambda batch: batch.search.unread):
        some = min(left, batch.search.unread)
        found[batch] += some
        left -= some
    return found
