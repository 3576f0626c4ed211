"""The tab "One batch": rows of several tasks, each behind its own prefix, in one pass through the frozen model.

`prefix_core.writing` needs torch, so it is imported only once the base is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.batch.rows import (
    NO_PREFIX,
    NO_PREFIX_TEXT,
    NO_PREFIX_TITLE,
    ROWS,
    BatchRow,
    batch_json,
    costs_html,
    example,
    first_rows,
    is_example,
    requests_for,
    rows_html,
)  # fmt: skip
from prefix_core.ui.choices import PrefixChoice, prefix_choices
from prefix_core.ui.common import MOST_TOKENS, QUICK, problem_html, refusals, status_html
from prefix_core.ui.loading import Loading
from prefix_core.ui.room import line_for
from prefix_core.ui.visitors import Arrival, Visitors
from prefix_core.ui.waiting_line import MOST_WAITING, WaitingLine, waiting_words

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine
    from prefix_core.writing.generate import Request
    from prefix_core.writing.together import TogetherEvent

REDRAW = 0.08  # seconds between two redraws of the outputs
TOKENS, MOST_ROWS = 60, 16

COMING = """<div class="coming"><p>You will see here:</p><ul>
<li><b>five texts</b> that appear together, each for its own task</li>
<li><b>the time</b> it takes, compared with writing one after the other</li>
<li><b>the storage</b> it needs, compared with five fine-tuned copies of the model</li></ul></div>"""
ABOUT = (
    '<div class="words"><p>A fine-tuned model does one task. Here every row can be a different task with its own '
    "prefix, and <b>all of them go through the one frozen model together</b>. Then each is written alone, to compare "
    "the time.</p></div>"
)
IDLE = "Nothing is written yet."


@dataclass
class BatchRun:
    """One page's run."""

    stopped: bool = False


def build(loading: Loading, visitors: Visitors, arrival: Arrival, tab: gr.Tab) -> None:
    """Lay out the tab and connect it."""
    names: list[gr.Radio] = []
    texts: list[gr.Textbox] = []
    with gr.Column(elem_id="batch"):
        gr.HTML(ABOUT, apply_default_css=False)
        with gr.Row():
            with gr.Column(scale=6, min_width=320, elem_id="batch-input"):
                for number in range(1, ROWS + 1):
                    with gr.Group():
                        plain = [(NO_PREFIX_TITLE, NO_PREFIX)]
                        names.append(gr.Radio(plain, value=NO_PREFIX, label=f"Row {number}: written with"))
                        label = f"Input of row {number}"
                        texts.append(gr.Textbox(label=label, show_label=False, lines=1, max_lines=4))
            with gr.Column(scale=7, min_width=320, elem_id="batch-result"):
                with gr.Row(elem_classes="batch-actions"):
                    status = gr.HTML(status_html("idle", IDLE), apply_default_css=False, elem_id="batch-status")
                    run = gr.Button("Run as one batch", variant="primary", scale=0, min_width=190, elem_id="batch-run")
                    stop = gr.Button("Stop", interactive=False, scale=0, min_width=76, elem_id="batch-stop")
                outputs = gr.HTML(COMING, apply_default_css=False, elem_id="batch-output")
                costs = gr.HTML("", apply_default_css=False, elem_id="batch-costs")
    batch_run = gr.State(BatchRun())

    tab.select(partial(offer, loading, visitors), [arrival.token, *names, *texts], [*names, *texts], **QUICK)
    for name, text in zip(names, texts, strict=True):
        name.input(partial(follow, loading, visitors), [arrival.token, name, text], text, **QUICK)
    buttons = [batch_run, run, stop]
    begun = run.click(
        lambda: (BatchRun(), gr.Button(interactive=False), gr.Button(interactive=True)), None, buttons, **QUICK
    )
    ran = begun.then(
        partial(write, loading, visitors),
        [arrival.token, batch_run, *names, *texts],
        [status, outputs, costs],
        concurrency_limit=MOST_WAITING,
        concurrency_id="batches",
        show_progress="hidden",
        api_visibility="private",
    )
    ran.then(lambda: (gr.Button(interactive=True), gr.Button(interactive=False)), None, [run, stop], **QUICK)
    stop.click(halt, batch_run, stop, **QUICK)
    _endpoint(loading, visitors)


def offered(loading: Loading, visitors: Visitors, token: str) -> dict[str, PrefixChoice]:
    return prefix_choices(loading.wait(), visitors.get(token) if token else None)


def offer(loading: Loading, visitors: Visitors, token: str, *rows: str) -> list[Any]:
    """The prefixes to choose from, in every row; rows that were never filled get their first example."""
    names, texts = rows[:ROWS], rows[ROWS:]
    try:
        choices = prefix_choices(loading.wait(), visitors.visit(token))
    except PrefixError:
        return [gr.skip()] * (2 * ROWS)  # the header says why
    titles = [*((choice.title, choice.name) for choice in choices.values()), (NO_PREFIX_TITLE, NO_PREFIX)]
    if not any(text.strip() for text in texts):
        names, texts = zip(*first_rows(choices), strict=True)
    kept = [name if name in choices else NO_PREFIX for name in names]
    return [*(gr.Radio(titles, value=name) for name in kept), *texts]


def follow(loading: Loading, visitors: Visitors, token: str, name: str, text: str) -> Any:
    """Another prefix brings an example of its task, unless the visitor wrote something of their own."""
    if not is_example(text):
        return gr.skip()
    if name == NO_PREFIX:
        return NO_PREFIX_TEXT
    try:
        return example(offered(loading, visitors, token)[name].task)
    except (PrefixError, KeyError):
        return gr.skip()  # the run will say why


def halt(batch_run: BatchRun) -> Any:
    """Stop; the run notices between two tokens."""
    batch_run.stopped = True
    return gr.Button(interactive=False)


def write(
    loading: Loading, visitors: Visitors, token: str, batch_run: BatchRun, *rows: str
) -> Iterator[tuple[Any, Any, Any]]:
    """Status, outputs and costs, again and again while the model writes."""
    wanted = list(zip(rows[:ROWS], rows[ROWS:], strict=True))
    try:
        yield status_html("busy", "Writing …" if loading.ready else "Loading the model …"), gr.skip(), ""
        engine = loading.wait()
        written, requests = requests_for(engine, offered(loading, visitors, token), wanted)
        with line_of(engine, requests, TOKENS).join() as place:
            for ahead in place.countdown(lambda: batch_run.stopped):
                yield status_html("busy", waiting_words(ahead)), gr.skip(), ""
            if batch_run.stopped:
                yield status_html("stopped", "Stopped before it began"), gr.skip(), ""
                return
            yield from _written(engine, written, requests, lambda: batch_run.stopped)
    except InputError as error:
        message = str(error)
        yield problem_html(message[:1].upper() + message[1:]), gr.skip(), ""
    except PrefixError as error:
        yield problem_html(error), gr.skip(), ""


def line_of(engine: Engine, requests: Sequence[Request], tokens: int) -> WaitingLine:
    """The line that a batch waits in; each of its rows writes so many tokens. Raises `InputError` if it is too long."""
    from prefix_core.writing.generate import Decoding

    return line_for(engine.base, [(request.task, request.source) for request in requests], 1, Decoding(tokens))


def events_of(
    engine: Engine, requests: Sequence[Request], tokens: int, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[TogetherEvent]:
    """The batch and its rows alone, at the desk where others' comparisons are written, but in passes of their own."""
    from prefix_core.writing.generate import Decoding
    from prefix_core.writing.together import together

    streaming = partial(engine.desk.stream, apart=True)
    return together(engine.base, requests, Decoding(tokens, too_long="cut"), should_stop, streaming)


def _written(
    engine: Engine, rows: list[BatchRow], requests: Sequence[Request], should_stop: Callable[[], bool]
) -> Iterator[tuple[Any, Any, Any]]:
    drawn = 0.0
    for event in events_of(engine, requests, TOKENS, should_stop):
        pane, now = event.event.pane, time.perf_counter()
        if event.result:
            done = f"{len(rows)} texts in one batch"
            yield status_html("done", done), rows_html(rows), costs_html(rows, event.result, engine.base.parameters)
            return
        if event.in_one_batch:
            rows[pane] = replace(rows[pane], output=event.event.text, tokens=event.event.tokens)
        if now - drawn > REDRAW:
            what = (
                "All rows together …" if event.in_one_batch else f"Now one at a time: row {pane + 1} of {len(rows)} …"
            )
            yield status_html("busy", what), rows_html(rows, event.in_one_batch), ""
            drawn = now
    yield status_html("stopped", "Stopped, so there are no times to compare"), rows_html(rows), ""


def _endpoint(loading: Loading, visitors: Visitors) -> None:
    """Add `/batch` to the Blocks being built."""

    def batch(rows: list[list[str]], max_new_tokens: int = TOKENS, visitor: str = "") -> dict[str, Any]:
        """Write several inputs, each behind its own prefix, in one batch; then each alone, for the clock.

        Parameters:
            rows: 2 to 16 times [prefix, input]; a prefix is a task's name, "own: " and the name of the visitor's own,
                or "none", which goes on from the input as it is
            max_new_tokens: 1 to 200, of each output
            visitor: the token of the visitor whose own prefixes are meant
        Returns:
            {"outputs": [{"prefix", "text", "prefix_length", "kept"}, ..], "same_alone", "tokens", "seconds_together",
            "seconds_one_at_a_time"}
        """
        with refusals():
            wanted: list[tuple[str, str]] = [(str(name), str(text)) for name, text in rows]
            if len(wanted) > MOST_ROWS or not 1 <= max_new_tokens <= MOST_TOKENS:
                raise InputError(f"A batch takes up to {MOST_ROWS} rows and 1 to {MOST_TOKENS} new tokens.")
            engine = loading.wait()
            written, requests = requests_for(engine, offered(loading, visitors, visitor), wanted)
            with line_of(engine, requests, max_new_tokens).join() as place:
                place.wait()
                *_, last = events_of(engine, requests, max_new_tokens)
            assert last.result is not None
            return batch_json(written, last.result)

    gr.api(batch, api_name="batch", concurrency_limit=MOST_WAITING, concurrency_id="batches")
