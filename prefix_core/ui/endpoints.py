"""What programs can call, with `gradio_client` or plain HTTP: the same as the page does."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.ui.cards import TaskCard, find
from prefix_core.ui.engine import METHODS, Loading
from prefix_core.ui.line import MOST_WAITING, WRITING
from prefix_core.ui.panes import Pane

TaskName = Literal["e2e", "webnlg", "dart", "summarization"]
SEND = 0.2  # seconds between two pictures sent; a cancelled call ends at the next


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
            cut: shorten an input that does not fit, instead of refusing it; by default for articles alone
            shots: examples in the prompt of the method prompt, 0 to 5
            task: e2e (a table), webnlg or dart (triples), summarization (an article)
        Returns:
            {"task", "table": the input's rows, "ahead": comparisons to wait for,
            "outputs": [{"method", "state", "text", "said", "missing", "seconds", ..}, ..]}; what a text says and misses
            is null until it is finished
        """
        try:
            card = find(task)
            source = card.task.read(text)
            engine = loading.wait()
            from prefix_core.ui.run import choose, compare  # needs torch, which `wait` waits for

            shorten = card.task.cut if cut is None else cut
            settings = choose(decoding, temperature, top_p, seed, max_new_tokens, shorten)
            answer = {"task": task, "table": card.task.to_grid(source), "ahead": 0, "outputs": []}
            with WRITING.join() as place:  # left when the call is cancelled: Gradio closes the generator
                while not place.wait(SEND):
                    yield answer | {"ahead": place.ahead}
                wanted, sent = list(dict.fromkeys(methods)), time.perf_counter()
                panes: list[Pane] = []
                for panes in compare(engine, card, source, wanted, settings, shots):
                    if time.perf_counter() - sent > SEND:
                        yield answer | {"outputs": [facts(card, source, pane) for pane in panes]}
                        sent = time.perf_counter()
            yield answer | {"outputs": [facts(card, source, pane) for pane in panes]}
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except TypeError as error:  # types are not checked on the way here
            raise gr.Error(f"A parameter is of the wrong type: {error}", print_exception=False) from error

    gr.api(compare, api_name="compare", concurrency_limit=MOST_WAITING, concurrency_id="comparisons")


def facts(card: TaskCard, source: Any, pane: Pane) -> dict[str, Any]:
    """A pane as JSON. What it says is told once, at its end: lists that grow shorter on the way arrive damaged, since
    Gradio sends the differences between two pictures, and miscounts what was deleted in a list inside a list."""
    known = asdict(pane) | {"tokens_per_second": round(pane.tokens_per_second, 1)}
    if card.task.slots is None:
        return known
    if pane.state not in ("finished", "stopped"):
        return known | {"said": None, "missing": None, "unsupported": None}
    coverage = card.task.slots(source, pane.text)
    return known | {
        "said": [slot.attribute for slot in coverage.said],
        "missing": [slot.attribute for slot in coverage.missing],
        "unsupported": [item.said for item in coverage.unsupported],
    }
