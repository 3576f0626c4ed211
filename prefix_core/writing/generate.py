"""Writing: requests -> a stream of text. Rows that share a network share a batch, whatever their tasks and prefixes.

The paper's "several tasks in one batch" (Li & Liang 2021, section 8.1): prefixes, prompts, adapters and FT-top2 leave
the frozen network as it is, or most of it, so they go through it together (see `model/shared_pass.py`); fine-tuned
weights take turns beside them, token by token, so that none holds up another.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base, encode_input
from prefix_core.model.shared_pass import shared_key
from prefix_core.tasks.task import Task
from prefix_core.writing.search import BeamSearch, Decoding, Row, Search

__all__ = ["Decoding", "GenerationEvent", "Request", "stream", "tokens_cut", "write"]


@dataclass(frozen=True)
class Request:
    """One output asked for: `source` as the task reads it, written by `steered`."""

    steered: Steered
    task: Task
    source: Any


@dataclass(frozen=True)
class GenerationEvent:
    """Where pane number `pane` (the request's index) stands.

    tokens: written so far; first_token: seconds from its batch's start to its first token; seconds: that its batch ran;
    milliseconds: per token, of its batch alone; shared: rows in that batch at most, so that a time taken together says
    so; cut: tokens of the input that did not fit. `error` is for the reader; the other panes go on.
    """

    pane: int
    text: str = ""
    tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0
    milliseconds: float = 0.0
    shared: int = 1
    cut: int = 0
    finished: bool = False
    error: str = ""


class Batch:
    """The requests that run together: same network; panes by number."""

    def __init__(self, base: Base, requests: dict[int, Request], rows: dict[int, Row], decoding: Decoding) -> None:
        self.base, self.requests, self.rows = base, requests, rows
        kind = BeamSearch if decoding.beams > 1 else Search
        self.search = kind(base, list(rows.values()), decoding)
        self.seconds = self.first_token = 0.0
        self.steps = 0
        self.shared = len(rows)

    @property
    def going(self) -> list[int]:
        """The panes that are not done."""
        return [pane for pane, row in self.rows.items() if not row.done]

    def advance(self) -> list[int]:
        """One more token for every row that is not done; returns the panes that changed."""
        going = self.going
        began = time.perf_counter()
        self.search.advance()
        self.ran(time.perf_counter() - began)
        return going

    def ran(self, seconds: float, wrote: bool = True, shared: int = 0) -> None:
        """Its rows have been in a pass. wrote: not in one that only read; shared: rows in the pass, with others'."""
        self.seconds += seconds
        self.shared = max(self.shared, shared)
        if wrote:
            self.steps += 1
            self.first_token = self.first_token or self.seconds

    def event(self, pane: int, cut: int) -> GenerationEvent:
        row = self.rows[pane]
        done = row.done  # asked first: another thread may be writing
        return GenerationEvent(
            pane,
            text=self.text(pane),
            tokens=len(row.written),
            first_token=self.first_token,
            seconds=self.seconds,
            milliseconds=1000 * self.seconds / max(1, self.steps),
            shared=self.shared,
            cut=cut,
            finished=done,
        )

    def text(self, pane: int) -> str:
        raw = self.base.decode(self.rows[pane].written)
        return self.requests[pane].task.finish(raw.removesuffix("�"))  # half of a character is not shown


def stream(
    base: Base,
    requests: Sequence[Request],
    decoding: Decoding | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[GenerationEvent]:
    """Write for all requests at once; yields an event whenever a pane has a new token, and one when it is done.

    `should_stop` is asked between tokens. An input that is refused ends its own pane with an error.
    """
    waiting, cuts, refused = begin(base, requests, decoding or Decoding())
    yield from refused
    while waiting:
        for batch in list(waiting):
            if should_stop():
                return
            for pane in batch.advance():
                yield batch.event(pane, cuts[pane])
            if not batch.search.alive:
                waiting.remove(batch)


def begin(
    base: Base, requests: Sequence[Request], decoding: Decoding
) -> tuple[list[Batch], dict[int, int], list[GenerationEvent]]:
    """The requests as batches; by pane, how many tokens of its input do not fit; and an event for each refused."""
    rows: dict[int, Row] = {}
    cuts: dict[int, int] = {}
    refused = []
    for pane, request in enumerate(requests):
        try:
            rows[pane], cuts[pane] = _row(base, request, decoding, pane)
        except InputError as error:
            refused.append(GenerationEvent(pane, finished=True, error=str(error)))
    return _batches(base, requests, rows, decoding), cuts, refused


def write(
    base: Base,
    requests: Sequence[Request],
    decoding: Decoding | None = None,
    together: int = 32,
    on_done: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """The finished texts of many requests, in order, `together` rows at a time, rows of like length together.

    Raises `InputError` for the first input that is refused. `on_done` is called after each batch with the number of its
    rows.
    """
    decoding = decoding or Decoding()
    rows = {pane: _row(base, request, decoding, pane, f"input {pane + 1}")[0] for pane, request in enumerate(requests)}
    texts = [""] * len(requests)
    for batch in _batches(base, requests, rows, decoding, together):
        while batch.search.alive:
            batch.advance()
        for pane in batch.rows:
            texts[pane] = batch.text(pane)
        on_done(len(batch.rows))
    return texts


def tokens_cut(base: Base, request: Request, decoding: Decoding | None = None) -> int:
    """How many tokens of the request's input are left out, so that the rest fits. Raises `InputError` if refused."""
    return _row(base, request, decoding or Decoding(), 0)[1]


def _row(base: Base, request: Request, decoding: Decoding, pane: int, where: str = "the input") -> tuple[Row, int]:
    """The request as a row, and how many tokens of its input were cut."""
    steered, task = request.steered, request.task
    limit = decoding.max_new_tokens or task.max_new_tokens
    length = steered.prefix.length if steered.prefix else 0
    text = task.linearize(request.source)
    too_long = decoding.too_long or task.too_long
    infix = steered.prefix is not None and steered.prefix.infix
    encoded = encode_input(
        base, text, task.separator, steered.words, length, limit, too_long, where, infix, steered.closing
    )
    stops = stop_tokens(base, task)
    return Row(encoded.tokens, steered.prefix, limit, stops, steered.network, pane), encoded.cut


def _batches(
    base: Base, requests: Sequence[Request], rows: dict[int, Row], decoding: Decoding, together: int | None = None
) -> list[Batch]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for pane in rows:
        steered = requests[pane].steered
        groups.setdefault(shared_key(steered.network), []).append(pane)
    batches = []
    for panes in groups.values():
        if together is not None:
            panes.sort(key=lambda pane: len(rows[pane].tokens))
        size = together or len(panes)
        for some in (panes[start : start + size] for start in range(0, len(panes), size)):
            batches.append(
                Batch(base, {pane: requests[pane] for pane in some}, {pane: rows[pane] for pane in some}, decoding)
            )
    return batches


@lru_cache(maxsize=32)
def _stop_tokens(tokenizer: Any, finish: Callable[[str], str], size: int) -> frozenset[int]:
    texts = tokenizer.batch_decode([[token] for token in range(size)])
    return frozenset(token for token, text in enumerate(texts) if finish(f"x{text}x") == finish(f"x{text}"))


def stop_tokens(base: Base, task: Task) -> frozenset[int]:
    """The tokens after which the task's `finish` lets nothing more count (a line break, for one-line answers)."""
    return _stop_tokens(base.tokenizer, task.finish, base.shape.vocabulary)
