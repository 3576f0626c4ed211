"""A run over many inputs: written some rows at a time, gone on with after a reload, and saved.

`prefix_core.writing` needs torch, so it is imported only once the base is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.errors import PrefixError, saving
from prefix_core.ui.common import status_html
from prefix_core.ui.compare.runs import decoding_of, steering_of
from prefix_core.ui.labels import duration
from prefix_core.ui.loading import Loading
from prefix_core.ui.many.rows import ManyRun, ManyState, payload
from prefix_core.ui.room import line_for
from prefix_core.ui.waiting_line import waiting_words

REDRAW = 0.3  # seconds between two redraws of the table
TOGETHER = {"text": 2}  # inputs that are written in one go, by every method: of articles, which are long, fewer
USUALLY_TOGETHER = 8


def write(loading: Loading, state: ManyState) -> Iterator[tuple[Any, Any]]:
    """Status and table, again and again while the rows are written, by this page or by the one before a reload."""
    run, state.due = state.due, None
    if run is None:
        yield gr.skip(), gr.skip()
        return
    try:
        if not run.over:
            yield status_html("busy", "Writing …" if loading.ready else "Loading the model …"), gr.skip()
        while not run.over:
            if run.taken.acquire(blocking=False):
                with closing(_taken(loading, run)) as lines:
                    for line in lines:
                        yield status_html("busy", line), payload(run)
            else:
                yield status_html("busy", _progress(run)), payload(run)
                time.sleep(REDRAW)
    except PrefixError as error:
        yield status_html("failed", str(error)), payload(run)
        return
    yield _outcome(run), payload(run)


def _taken(loading: Loading, run: ManyRun) -> Generator[str]:
    """As `written_rows`, of a run that was taken, which is given back whatever happens."""
    began = time.perf_counter()
    try:
        run.keep_only([method for method, why in run.card.obstacles(loading.wait()).items() if not why])
        yield from written_rows(loading, run)
    finally:
        run.seconds += time.perf_counter() - began
        run.taken.release()


def written_rows(loading: Loading, run: ManyRun) -> Iterator[str]:
    """Fills what is left of `run.panes`, some rows at a time; in between, whoever came meanwhile goes first.

    Yields words to show.
    """
    engine = loading.wait()
    from prefix_core.writing.comparison import compare

    options, own = run.options, run.card.own.steered if run.card.own else None
    decoding, width = decoding_of(options), len(run.methods)
    together, drawn = TOGETHER.get(run.card.task.kind, USUALLY_TOGETHER), 0.0
    left = run.left
    for start in range(0, len(left), together):
        places = left[start : start + together]
        sources = [run.inputs.rows[place].source for place in places]
        line = line_for(engine.base, [(run.card.task, source) for source in sources], width, decoding)
        with line.join() as place:
            for ahead in place.countdown(lambda: run.stopped):
                yield waiting_words(ahead)
            if run.stopped:
                return
            for panes in compare(
                engine, run.card.task, sources, run.methods, decoding, int(options.shots), own, lambda: run.stopped,
                **steering_of(options),
            ):  # fmt: skip
                for row, at in enumerate(places):
                    run.panes[at] = panes[row * width : (row + 1) * width]
                if time.perf_counter() - drawn > REDRAW:
                    yield _progress(run)
                    drawn = time.perf_counter()


def _progress(run: ManyRun) -> str:
    return f"Writing: {run.done} of {len(run.panes)} rows …"


def _outcome(run: ManyRun) -> str:
    """The status line of a run that is over."""
    whole, count = len(run.panes), len(run.methods)
    if run.stopped and run.left:
        return status_html("stopped", f"Stopped: {run.done} of {whole} rows are written")
    line = f"{whole} row{'s' * (whole != 1)}, each by {count} method{'s' * (count != 1)}"
    return status_html("done", line, f"in {duration(run.seconds)}; click a row to open it")


def save_run(run: ManyRun, folder: Path) -> list[Path]:
    """What was written as CSV and as a workbook, under the name of the file that was brought. Raises `DiskError`."""
    from prefix_core.writing.written import save, table

    head, rows = table(run.card.task, run.inputs.rows, run.written)
    stem = "".join(letter if letter.isalnum() else "-" for letter in Path(run.inputs.name).stem)[:40] or "rows"
    paths = [folder / f"{stem}-written{suffix}" for suffix in (".csv", ".xlsx")]
    with saving("The file"):
        for path in paths:
            save(path, head, rows)
    return paths
