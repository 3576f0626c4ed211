"""What programs can call, with `gradio_client` or plain HTTP: the same as the page does."""

from dataclasses import asdict
from typing import Any, Literal

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.slots import Coverage
from prefix_core.tables import to_grid
from prefix_core.tasks import Task
from prefix_core.tasks.e2e import slots
from prefix_core.ui.engine import METHODS, Loading
from prefix_core.ui.panes import Pane

AT_ONCE = 2  # comparisons, of pages and programs together; the others wait in the queue
GENERATION = "generation"


def add(loading: Loading, task: Task) -> None:
    """Add `/compare` to the Blocks being built."""

    def compare(
        text: str,
        methods: list[str] = list(METHODS),  # noqa: B006 (only read)
        decoding: Literal["greedy", "beam", "sampling"] = "greedy",
        temperature: float = 0.8,
        top_p: float = 0.9,
        seed: int = 0,
        max_new_tokens: int = 80,
        cut: bool = False,
        shots: int = 0,
    ) -> dict[str, Any]:
        """Put one table into words in several ways.

        Parameters:
            text: a table as MR (name[Blue Spice], area[riverside]), field : value |, CSV, Markdown or JSON
            methods: some of prefix, fine_tune, top_layers, adapter, prompt
            decoding: greedy, beam (5 beams) or sampling
            temperature: for sampling
            top_p: for sampling
            seed: for sampling
            max_new_tokens: 1 to 200
            cut: shorten an input that does not fit, instead of refusing it
            shots: examples in the prompt of the method prompt, 0 to 5
        Returns:
            {"table": [[attribute, value], ..], "outputs": [{"method", "text", "said", "missing", "seconds", ..}, ..]}
        """
        from prefix_core.ui.run import choose, compare_all  # needs torch, which `wait` waits for

        try:
            engine = loading.wait()
            table = task.read(text)
            settings = choose(decoding, temperature, top_p, seed, max_new_tokens, cut)
            panes = compare_all(engine, task, table, list(dict.fromkeys(methods)), settings, shots)
        except PrefixError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except TypeError as error:  # types are not checked on the way here
            raise gr.Error(f"A parameter is of the wrong type: {error}", print_exception=False) from error
        return {"table": to_grid(table), "outputs": [facts(pane, slots(table, pane.text)) for pane in panes]}

    gr.api(compare, api_name="compare", concurrency_limit=AT_ONCE, concurrency_id=GENERATION)


def facts(pane: Pane, coverage: Coverage) -> dict[str, Any]:
    """A finished pane as JSON."""
    return asdict(pane) | {
        "tokens_per_second": round(pane.tokens_per_second, 1),
        "said": [slot.attribute for slot in coverage.said],
        "missing": [slot.attribute for slot in coverage.missing],
        "unsupported": [item.said for item in coverage.unsupported],
    }
