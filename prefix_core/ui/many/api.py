"""What programs can call of "Many inputs": the same rows, methods and texts as on the page."""

import time
from collections.abc import Iterator
from typing import Any, Literal

import gradio as gr

from prefix_core.data.examples import Input
from prefix_core.data.report import Report
from prefix_core.errors import InputError
from prefix_core.tasks import Task
from prefix_core.ui.choices import find_card
from prefix_core.ui.common import refusals
from prefix_core.ui.compare.runs import DecodingOptions, decoding_of, steering_of
from prefix_core.ui.labels import METHODS
from prefix_core.ui.loading import Loading
from prefix_core.ui.many.rows import MOST_ROWS, Inputs, ManyRun, begin, check_of
from prefix_core.ui.many.runs import written_rows
from prefix_core.ui.visitors import Visitors
from prefix_core.ui.waiting_line import MOST_WAITING

SEND = 0.5  # seconds between two answers sent


def add(loading: Loading, visitors: Visitors) -> None:
    """Add `/many` to the Blocks being built."""

    def many(
        rows: list[Any],
        methods: list[str] = list(METHODS),  # noqa: B006 (only read)
        decoding: Literal["greedy", "beam", "sampling"] = "greedy",
        temperature: float = 0.8,
        top_p: float = 0.9,
        seed: int = 0,
        max_new_tokens: int = 80,
        cut: bool | None = None,
        shots: int = 0,
        task: str = "e2e",
        strength: float = 1.0,
        layers: str = "",
        visitor: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Write many inputs, each in several ways. Streams; a call that is cancelled stops the work.

        Parameters:
            rows: 1 to 200 inputs, each a text in any notation of its task, or an object of columns and their cells
            methods: some of prefix, fine_tune, top_layers, adapter, prompt; own for a prefix of yours
            decoding, temperature, top_p, seed, max_new_tokens, cut, shots, strength, layers: as for /compare
            task: e2e, innkeeper, webnlg, dart, summarization, or "own: " and the name of a prefix of yours
            visitor: your token, for a prefix of yours
        Returns:
            {"done", "rows": [{"input", "outputs": {method: {"text", "state", "said", "missing", "invented"}}}, ..]};
            what a text says and misses is null until it is finished
        """
        with refusals():
            card = find_card(task, visitors.get(visitor) if visitor else None)
            inputs = Inputs("rows", read_rows(card.task, rows), Report("rows"))
            shorten = card.task.cut if cut is None else cut
            writing = (decoding, temperature, top_p, seed, max_new_tokens, shorten, shots)
            options = DecodingOptions(*writing, strength, layers)
            decoding_of(options), steering_of(options)  # a wrong option is refused before the line
            run = begin(card, inputs, methods, options)
            sent = time.perf_counter()
            for _ in written_rows(loading, run):
                if time.perf_counter() - sent > SEND:
                    yield many_json(run)
                    sent = time.perf_counter()
            yield many_json(run)

    gr.api(many, api_name="many", concurrency_limit=MOST_WAITING, concurrency_id="many")


def read_rows(task: Task, rows: list[Any]) -> tuple[Input, ...]:
    """Texts and objects as inputs, counted from 1. Raises `InputError` naming the row."""
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
        raise InputError(f"Give 1 to {MOST_ROWS} rows, in a list.")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            source = task.source_of(row, tuple(row)) if isinstance(row, dict) else task.parse(str(row))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
        found.append(Input(number, row if isinstance(row, dict) else {"input": row}, source))
    return tuple(found)


def many_json(run: ManyRun) -> dict[str, Any]:
    rows = [
        {
            "input": run.card.task.to_text(one.source),
            "outputs": {method: _output(run, place, index) for index, method in enumerate(run.methods)},
        }
        for place, one in enumerate(run.inputs.rows)
    ]
    return {"done": run.done, "rows": rows}


def _output(run: ManyRun, place: int, index: int) -> dict[str, Any]:
    pane, found = run.panes[place][index], check_of(run, place, index)
    checked = {
        "said": found.said if found else None,
        "missing": list(found.missing) if found else None,
        "invented": list(found.invented) if found else None,
    }
    return {"text": pane.text, "state": pane.state, "error": pane.error, **checked}
