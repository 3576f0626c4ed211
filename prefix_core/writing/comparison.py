"""A comparison: inputs written by several methods at once, as panes that fill while the model writes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from sacrebleu.metrics import BLEU

from prefix_core.artifacts.artifacts import Card
from prefix_core.errors import InputError, PrefixError
from prefix_core.methods import METHODS
from prefix_core.methods.method import Steered
from prefix_core.scores.metrics import rouge_l
from prefix_core.tasks import Task
from prefix_core.writing.engine import Engine
from prefix_core.writing.generate import Decoding, Request
from prefix_core.writing.written import Pane

OWN = "own"  # the method of a prefix that is handed in rather than found among the artifacts


def compare(
    engine: Engine,
    task: Task,
    sources: Sequence[Any],
    methods: Sequence[str],
    decoding: Decoding,
    shots: int = 0,
    own: Steered | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    strength: float = 1.0,
    span: range | None = None,
) -> Iterator[list[Pane]]:
    """The panes, again and again as they fill; in the last list none is waiting or writing.

    sources: the inputs, written together: the panes of the first one, then those of the second, and so on.
    shots: examples in the prompt; own: what the method "own" runs; strength, span: of the prefix (see `Prefix`).
    A method that cannot run fails in its own pane. Raises `InputError` for an unknown method.
    """
    known = (OWN, *METHODS) if own else tuple(METHODS)
    if unknown := set(methods) - set(known):
        raise InputError(f"There is no method '{min(unknown)}'. Choose from: {', '.join(known)}.")

    def ready(method: str) -> tuple[Steered | None, Pane]:
        return _ready(engine, task, method, shots, own, strength, span)

    slow = {method: card for method in methods if (card := engine.to_load(task, method))}
    panes = [
        _empty(engine, method, slow[method]) if method in slow else Pane(method) for _ in sources for method in methods
    ]
    loader = ThreadPoolExecutor(1)
    try:
        at_hand = {method: ready(method) for method in methods if method not in slow}
        late = {method: loader.submit(ready, method) for method in slow}  # meanwhile the others write
        yield from _written(engine, task, sources, methods, at_hand, panes, decoding, should_stop)
        if late and not should_stop():
            loaded = {method: future.result() for method, future in late.items()}
            yield from _written(engine, task, sources, methods, loaded, panes, decoding, should_stop)
    finally:
        loader.shutdown(wait=False)
    yield [replace(pane, state="stopped") if pane.state in ("waiting", "writing") else pane for pane in panes]


def _written(
    engine: Engine,
    task: Task,
    sources: Sequence[Any],
    methods: Sequence[str],
    ready: Mapping[str, tuple[Steered | None, Pane]],
    panes: list[Pane],
    decoding: Decoding,
    should_stop: Callable[[], bool],
) -> Iterator[list[Pane]]:
    """Fill the panes of the methods that are ready, in one request; `panes` is changed."""
    requests = {}  # index of the pane -> what runs there
    for index, method in enumerate([*methods] * len(sources)):
        if method in ready:
            steered, panes[index] = ready[method]
            if steered is not None:
                requests[index] = Request(steered, task, sources[index // len(methods)])
    yield list(panes)
    indices = list(requests)
    for event in engine.desk.stream(list(requests.values()), decoding, should_stop):
        index = indices[event.pane]
        panes[index] = replace(
            panes[index],
            state="failed" if event.error else "finished" if event.finished else "writing",
            text=event.text,
            tokens=event.tokens,
            first_token=event.first_token,
            seconds=event.seconds,
            shared=event.shared,
            cut=event.cut,
            error=event.error,
        )
        yield list(panes)


def _ready(
    engine: Engine, task: Task, method: str, shots: int, own: Steered | None, strength: float, span: range | None
) -> tuple[Steered | None, Pane]:
    """A method loaded and set, with its empty pane; or why it cannot run, in a failed one."""
    began = time.perf_counter()
    try:
        steered = own if own and method == OWN else engine.steer(task, method, shots)
        steered = steered.acting(strength, span) if steered.method == "prefix" else steered
    except PrefixError as error:
        return None, Pane(method, "failed", error=str(error), base=engine.base.parameters)
    loading = time.perf_counter() - began
    context = steered.prefix.length if steered.prefix else len(engine.base.encode(steered.words))
    pane = _empty(engine, method, steered, loading=loading, context=context)
    return steered, replace(pane, strength=strength, layers=counted(span)) if steered.method == "prefix" else pane


def counted(span: range | None) -> str:
    """Layers as people count them, from 1: "5-12"; "" for all."""
    return f"{span.start + 1}-{span.stop}" if span else ""


def scored(panes: Sequence[Pane], references: Sequence[str]) -> list[Pane]:
    """The panes with their scores against the references; a pane without text gets none."""
    return [replace(pane, scores=scores(pane.text, references)) if pane.text else pane for pane in panes]


def scores(text: str, references: Sequence[str]) -> dict[str, float]:
    """BLEU-4, smoothed since a single text may share no four words with a reference, and ROUGE-L; both 0 to 100."""
    bleu = BLEU(lowercase=True, effective_order=True).sentence_score(text, list(references)).score
    return {"bleu": float(bleu), "rouge_l": float(rouge_l([text], [references]))}


def _empty(engine: Engine, method: str, costs: Steered | Card, **known: Any) -> Pane:
    """What is known of a method before it has written anything: what it costs, and what else there is to say."""
    parameters = engine.base.parameters
    return Pane(
        method,
        trained=costs.trained,
        kept=costs.kept,
        bytes=costs.bytes,
        copy=2 * parameters if costs.kept == parameters else 0,
        base=parameters,
        **known,
    )
