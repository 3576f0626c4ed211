"""A comparison: one input, several methods, panes that fill as the model writes. Imports torch; the page does not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from prefix_core.errors import InputError, PrefixError
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import LARGEST_SEED
from prefix_core.ui.cards import ALL_METHODS, TaskCard
from prefix_core.ui.engine import METHODS, MOST_SHOTS, MOST_TOKENS, Engine
from prefix_core.ui.panes import Pane
from prefix_core.writing.generate import Decoding, Request, stream

DECODINGS = ("greedy", "beam", "sampling")
BEAMS = 5  # the paper's
HOTTEST = 5.0


def choose(
    decoding: str, temperature: float, top_p: float, seed: int | None, max_new_tokens: int, cut: bool
) -> Decoding:
    """The page's settings -> `Decoding`; temperature, top-p and seed count in sampling alone. Raises `InputError`."""
    if decoding not in DECODINGS:
        raise InputError(f"There is no decoding '{decoding}'. Choose one of: {', '.join(DECODINGS)}.")
    if not 1 <= max_new_tokens <= MOST_TOKENS:
        raise InputError(f"Max new tokens is {max_new_tokens}; it must be from 1 to {MOST_TOKENS}.")
    chosen = Decoding(int(max_new_tokens), too_long="cut" if cut else None)
    if decoding == "greedy":
        return chosen
    if decoding == "beam":
        return replace(chosen, beams=BEAMS)
    if not 0 < temperature <= HOTTEST:
        raise InputError(f"The temperature is {temperature}; sampling needs one above 0, up to {HOTTEST}.")
    if seed is None or not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"The seed is {seed}; give a whole number from 0 to {LARGEST_SEED:,}.")
    return replace(chosen, temperature=temperature, top_p=top_p, seed=int(seed))


def compare(
    engine: Engine,
    card: TaskCard,
    source: Any,
    methods: Sequence[str],
    decoding: Decoding,
    shots: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[list[Pane]]:
    """The panes, again and again as they fill; at the end none is left waiting or writing.

    A method that cannot run fails in its own pane. Raises `InputError` for unknown methods and too many `shots`.
    """
    known = ALL_METHODS if card.own else METHODS
    if unknown := set(methods) - set(known):
        raise InputError(f"There is no method '{min(unknown)}'. Choose from: {', '.join(known)}.")
    if not 0 <= shots <= MOST_SHOTS:
        raise InputError(f"{shots} examples were asked for; a prompt takes from 0 to {MOST_SHOTS}.")
    panes: list[Pane] = []
    requests: dict[int, Request] = {}  # place among the panes -> what runs there
    for place, method in enumerate(methods):
        try:
            steered = card.own.steered if card.own and method == "own" else engine.steer(card.task, method, int(shots))
        except PrefixError as error:
            panes.append(Pane(method, "failed", error=str(error), base=engine.base.parameters))
            continue
        panes.append(_waiting(engine, method, steered))
        requests[place] = Request(steered, card.task, source)
    yield list(panes)
    places, steps = list(requests), [0] * len(panes)
    for event in stream(engine.base, list(requests.values()), decoding, should_stop):
        place = places[event.pane]
        steps[place] += 1  # one event a step of its batch, the last one's end token included
        panes[place] = replace(
            panes[place],
            state="failed" if event.error else "finished" if event.finished else "writing",
            text=event.text,
            tokens=event.tokens,
            first_token=event.first_token,
            seconds=steps[place] * event.milliseconds / 1000,
            shared=event.shared,
            cut=event.cut,
            error=event.error,
        )
        yield list(panes)
    yield [replace(pane, state="stopped") if pane.state in ("waiting", "writing") else pane for pane in panes]


def compare_all(
    engine: Engine, card: TaskCard, source: Any, methods: Sequence[str], decoding: Decoding, shots: int = 0
) -> list[Pane]:
    """The finished panes."""
    *_, panes = compare(engine, card, source, methods, decoding, shots)
    return panes


def _waiting(engine: Engine, method: str, steered: Steered) -> Pane:
    """What is known of a method before it has written."""
    return Pane(
        method,
        trained=steered.trained,
        kept=steered.kept,
        bytes=steered.bytes,
        context=steered.prefix.length if steered.prefix else len(engine.base.encode(steered.words)),
        base=engine.base.parameters,
    )
