"""Several tasks in one batch, timed against one input at a time (Li & Liang 2021, sections 1 and 8.1).

Every input has its own prefix, and all run through the one frozen model: a batch may mix tasks and users. With
fine-tuned weights each task would need a model, and so a batch, of its own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.writing.generate import Decoding, GenerationEvent, Request, stream

Streaming = Callable[[Sequence[Request], Decoding, Callable[[], bool]], Iterator[GenerationEvent]]
WARM_UP = 2  # tokens written before anything is timed, so that neither side pays for what is set up once


@dataclass(frozen=True)
class Together:
    """How the same inputs fared both ways. Times in seconds, of the model's work alone; tokens: of all outputs.

    outputs: from the one batch; alone: from one input at a time; both in the order of the requests.
    """

    outputs: tuple[str, ...]
    alone: tuple[str, ...]
    tokens: int
    seconds_together: float
    seconds_alone: float

    @property
    def same(self) -> bool:
        """Whether every output is the same both ways, as it must be in greedy search and fp32."""
        return self.outputs == self.alone

    @property
    def times_faster(self) -> float:
        return self.seconds_alone / self.seconds_together


@dataclass(frozen=True)
class TogetherEvent:
    """One row's event in one of the two runs, and that run's seconds so far. `result`: in one closing event."""

    in_one_batch: bool
    event: GenerationEvent
    seconds: float
    result: Together | None = None


def together(
    base: Base,
    requests: Sequence[Request],
    decoding: Decoding | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    streaming: Streaming | None = None,
) -> Iterator[TogetherEvent]:
    """Write for all requests in one batch, then for each alone; yields every row's events, and a closing result.

    An event's pane is the request's index, in both runs. streaming: what writes, if not this thread. Stops without a
    result when `should_stop` says so. Raises `InputError` if there are fewer than two requests, if one has weights of
    its own and so cannot share the batch, or if an input is refused.
    """
    if len(requests) < 2:
        raise InputError("a batch of several tasks needs at least two inputs")
    for request in requests:
        if request.steered.network is not base.writer:
            raise InputError(
                f"{request.steered.method} has weights of its own and cannot share a batch wholly: only prefixes and "
                "prompts run on the frozen model itself"
            )
    decoding, streaming = decoding or Decoding(), streaming or partial(stream, base)
    for warm_up in (requests, requests[:1]):
        for event in streaming(warm_up, replace(decoding, max_new_tokens=WARM_UP), should_stop):
            if event.error:
                raise InputError(f"input {event.pane + 1}: {event.error}")
    panes = range(len(requests))
    finished: dict[bool, dict[int, GenerationEvent]] = {True: {}, False: {}}
    seconds = {True: 0.0, False: 0.0}
    for in_one_batch, batches in ((True, [panes]), (False, [range(pane, pane + 1) for pane in panes])):
        for batch in batches:
            before = seconds[in_one_batch]
            for event in streaming([requests[pane] for pane in batch], decoding, should_stop):
                seconds[in_one_batch] = before + event.seconds
                event = replace(event, pane=batch[event.pane])
                if event.error:
                    raise InputError(f"input {event.pane + 1}: {event.error}")
                if event.finished:
                    finished[in_one_batch][event.pane] = event
                yield TogetherEvent(in_one_batch, event, seconds[in_one_batch])
            if not all(pane in finished[in_one_batch] for pane in batch):
                return  # stopped
    result = Together(
        outputs=tuple(finished[True][pane].text for pane in panes),
        alone=tuple(finished[False][pane].text for pane in panes),
        tokens=sum(finished[True][pane].tokens for pane in panes),
        seconds_together=seconds[True],
        seconds_alone=seconds[False],
    )
    yield TogetherEvent(False, finished[False][panes[-1]], seconds[False], result)
