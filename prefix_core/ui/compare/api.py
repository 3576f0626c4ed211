"""What programs can call of the tab "Compare", with `gradio_client` or plain HTTP: the same as the page does.

`prefix_core.writing` needs torch, so it is imported only once the base is loaded.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

import gradio as gr

from prefix_core.tasks import Task
from prefix_core.ui.choices import find_card
from prefix_core.ui.common import refusals
from prefix_core.ui.compare.runs import DecodingOptions, decoding_of, steering_of
from prefix_core.ui.labels import METHODS
from prefix_core.ui.loading import Loading
from prefix_core.ui.room import bounded, line_for
from prefix_core.ui.waiting_line import MOST_WAITING
from prefix_core.writing.written import Pane

TaskName = Literal["e2e", "webnlg", "dart", "summarization", "innkeeper"]
SEND = 0.2  # seconds between two answers sent; a cancelled call ends at the next one


def add(loading: Loading) -> None:
    """Add `/compare` to the Blocks being built."""

    def compare(
        text: str,
        methods: list[str] = list(METHODS),  # noqa: B006 (only read)
        decoding: Literal["greedy", "beam", "sampling"] = "greedy",
        temperature: float = 0.8,
        top_p: float = 0.9,
        seed: int = 0,
        max_new_tokens: int = 80,
        cut: bool | None = None,
        shots: int = 0,
        task: TaskName = "e2e",
        strength: float = 1.0,
        layers: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Write the text for one input in several ways. Streams; a call that is cancelled stops the work.

        Parameters:
            text: the input in any notation of its task: MR (name[Blue Spice], area[riverside]), triples, CSV, JSON, ..
            methods: some of prefix, fine_tune, top_layers, adapter, prompt
            decoding: greedy, beam (5 beams) or sampling
            temperature: for sampling
            top_p: for sampling
            seed: for sampling
            max_new_tokens: 1 to 200
            cut: shorten an input that does not fit, instead of refusing it; by default only articles are shortened
            shots: examples in the prompt of the method prompt, 0 to 5
            task: e2e or innkeeper (a table), webnlg or dart (triples), summarization (an article)
            strength: of the prefix, 0 to 8: 0 hides it, 1 is as learned, 2 counts as if it stood there twice
            layers: those in which the prefix acts, such as 5-12; empty for all
        Returns:
            {"task", "table": the input's rows, "ahead": comparisons to wait for,
            "outputs": [{"method", "state", "text", "said", "missing", "seconds", ..}, ..]}; what a text says and misses
            is null until it is finished
        """
        with refusals():
            chosen = find_card(task).task
            source = chosen.parse(bounded(text))
            shorten = chosen.cut if cut is None else cut
            writing = (decoding, temperature, top_p, seed, max_new_tokens, shorten, shots)
            options = DecodingOptions(*writing, strength, layers)
            answer = {"task": task, "table": chosen.to_grid(source), "ahead": 0, "outputs": []}
            for ahead, panes in _stream(loading, chosen, source, list(dict.fromkeys(methods)), options):
                yield answer | {"ahead": ahead, "outputs": [pane_json(chosen, source, pane) for pane in panes]}

    gr.api(compare, api_name="compare", concurrency_limit=MOST_WAITING, concurrency_id="comparisons")


def _stream(
    loading: Loading, task: Task, source: Any, methods: list[str], options: DecodingOptions
) -> Iterator[tuple[int, list[Pane]]]:
    """(comparisons ahead, panes), again and again until the panes are complete."""
    engine = loading.wait()
    from prefix_core.writing import comparison

    decoding = decoding_of(options)
    steering = steering_of(options)
    line = line_for(engine.base, [(task, source)], len(methods), decoding)
    with line.join() as place:  # given up when the call is cancelled: Gradio closes the generator
        for ahead in place.countdown(every=SEND):
            yield ahead, []
        sent = time.perf_counter()
        panes: list[Pane] = []
        for panes in comparison.compare(engine, task, [source], methods, decoding, options.shots, **steering):
            if time.perf_counter() - sent > SEND:
                yield 0, panes
                sent = time.perf_counter()
    yield 0, panes


def pane_json(task: Task, source: Any, pane: Pane) -> dict[str, Any]:
    """A pane as JSON.

    What its text says is told only once, at the end: Gradio sends the difference between two answers, and a list inside
    a list that becomes shorter on the way arrives damaged.
    """
    fields = asdict(pane) | {"tokens_per_second": round(pane.tokens_per_second, 1)}
    if task.slots is None:
        return fields
    if pane.state not in ("finished", "stopped"):
        return fields | {"said": None, "missing": None, "unsupported": None}
    coverage = task.slots(source, pane.text)
    return fields | {
        "said": [slot.attribute for slot in coverage.said],
        "missing": [slot.attribute for slot in coverage.missing],
        "unsupported": [item.said for item in coverage.unsupported],
    }
