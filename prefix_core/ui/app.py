"""The app: header, tabs, queue. Nothing a visitor types is kept here or anywhere but in their own session."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

# Read when gradio is imported, and the Hub's client with it: no call leaves the machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

try:
    tempfile.gettempdir()  # gradio asks for it when it is imported
except FileNotFoundError:
    sys.exit("Visitors' files need a temporary folder, and none can be written. Name one that can be, as TMPDIR.")

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.memory import few_arenas
from prefix_core.places import ASSETS
from prefix_core.ui import about
from prefix_core.ui.batch import tab as batch
from prefix_core.ui.common import QUICK
from prefix_core.ui.compare import tab as compare
from prefix_core.ui.evidence import tab as evidence
from prefix_core.ui.inside import tab as inside
from prefix_core.ui.kept import kept_from_environment
from prefix_core.ui.labels import number, size
from prefix_core.ui.loading import Loading, base_card, display_name, from_environment
from prefix_core.ui.log import fault, log
from prefix_core.ui.server import LARGEST_FILE, around
from prefix_core.ui.style import theme
from prefix_core.ui.train import tab as train
from prefix_core.ui.train.queue import end_trainings
from prefix_core.ui.visitors import Visitors, recognise

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine

TITLE = "Prefix-Tuning, side by side"
BAD_AT = "facts (it invents them), long tables, reasoning, and instructions unlike those it was tuned on."
STEPS = """
<nav aria-label="The idea in three steps"><span>New here?</span><ol>
  <li><button type="button" data-tab="Compare">Compare</button>
    <small>what one model writes, steered in five ways</small></li>
  <li><button type="button" data-tab="Train">Train</button>
    <small>a prefix on a small sample while you watch</small></li>
  <li><button type="button" data-tab="Look inside">Look inside</button>
    <small>to see what it has learned</small></li>
</ol></nav>
"""
SAVING = 6.0  # seconds that trainings have to save where they are, when a host ends the program
GO = (ASSETS / "page.js").read_text(encoding="utf-8")


def build(loadings: Sequence[Loading]) -> gr.Blocks:
    """A page for every base, ready before the models are; with several bases, a bar at the top leads to each."""
    # delete_cache: every 10 minutes, delete files from 2 hours ago. Uploads are deleted as soon as they are read.
    demo: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(600, 7200)) as demo:
        page(demo, loadings[0], loadings)
    for loading in loadings[1:]:
        with demo.route(display_name(loading.name)):
            page(demo, loading, loadings)
    demo.queue(max_size=32)
    return demo


def page(demo: gr.Blocks, loading: Loading, all_of_them: Sequence[Loading]) -> None:
    """The page of one base; visitors have separate things on each."""
    gr.Navbar(main_page_name=display_name(all_of_them[0].name), visible=len(all_of_them) > 1)
    header = gr.HTML(header_html(loading.name), elem_id="header")
    gr.HTML(STEPS, elem_id="steps", js_on_load=GO)
    visitors = Visitors(kept=kept_from_environment(loading.name)).start(loading)
    arrival = recognise(demo, visitors)
    running = gr.Textbox(visible="hidden")
    opened = arrival.come.then(partial(running_tab, visitors), arrival.token, running, **QUICK)
    opened.then(None, running, None, js="(running) => openTab(running)", **QUICK)
    with gr.Tabs(elem_id="tabs"):
        with gr.Tab("Compare", id="compare") as tab:
            compared = compare.build(loading, visitors, arrival, tab)
        with gr.Tab("Train", id="train"):
            train.build(demo, loading, visitors, arrival)
        with gr.Tab("Look inside", id="inside") as tab:
            inside.build(loading, visitors, arrival, tab, compared)
        with gr.Tab("One batch", id="batch-tab") as tab:
            batch.build(loading, visitors, arrival, tab)
        with gr.Tab("Evidence", id="evidence-tab"):
            evidence.build(demo, loading)
        with gr.Tab("How it works", id="about"):
            about.build(loading)
    demo.load(lambda: arrived(loading), None, header, queue=False, show_progress="hidden", api_visibility="private")


def running_tab(visitors: Visitors, token: str) -> str:
    """The tab where something of the visitor's is going on; "" where nothing is."""
    training = visitors.visit(token).training
    return "Train" if training is not None and not training.over else ""


def main() -> None:
    """Serve until interrupted. Gradio reads GRADIO_SERVER_NAME and GRADIO_SERVER_PORT itself."""
    few_arenas()
    # Gradio's own place is shared by all users of a machine
    files = tempfile.TemporaryDirectory(prefix="prefix-tuning-")
    os.environ.setdefault("GRADIO_TEMP_DIR", files.name)
    traceback.print_exc = fault  # Gradio prints what was sent along with it
    signal.signal(signal.SIGTERM, lambda *_: end(files))
    names, root = from_environment()
    loadings = [Loading(name, root) for name in names]
    demo = build(loadings)
    demo.launch(
        theme=theme(),
        css_paths=ASSETS / "style.css",
        favicon_path=ASSETS / "favicon.svg",
        footer_links=["api", "settings"],
        ssr_mode=False,
        share=False,
        show_error=True,
        max_file_size=LARGEST_FILE,
        max_threads=100,  # each visitor who waits in line holds one
        prevent_thread_lock=True,
        app_kwargs=around(loadings),
    )
    for loading in loadings:
        loading.start()  # only now: the page answers first
    demo.block_thread()


def end(files: tempfile.TemporaryDirectory[str]) -> NoReturn:
    """End as a host wants it: trainings save where they are, visitors' files go, and no thread is waited for."""
    log("end")
    end_trainings(SAVING)
    files.cleanup()
    os._exit(0)


def arrived(loading: Loading) -> str:
    """The header once the model is there, or with the reason why it is not."""
    try:
        return header_html(loading.name, loading.wait())
    except PrefixError as error:
        return header_html(loading.name, problem=str(error))


def header_html(name: str, engine: Engine | None = None, problem: str = "") -> str:
    """The title, and what the base is, how large, and what it is bad at. problem: why there is no base."""
    lead = "One frozen language model writes from tables, facts and articles, steered in five ways."
    title = f'<div class="title"><h1>{TITLE}</h1><p class="lead">{lead}</p></div>'
    if problem:
        return f'<div class="masthead">{title}<p class="failure" role="alert">{escape(problem)}</p></div>'
    description, bad_at = "loading …", weakness(base_card(name)) or BAD_AT
    if engine is not None:
        base, shape = engine.base, engine.base.shape
        description = f"{number(base.parameters)} parameters · {shape.layers} layers · {size(base.bytes)} in memory"
        description += "" if base.tuned else " · training settings not tuned on this base"
    about = f"<p><b>{escape(display_name(name))}</b> {escape(description)}</p><p><b>Bad at</b> {escape(bad_at)}</p>"
    return f'<div class="masthead">{title}<div class="base">{about}</div></div>'


def weakness(card: Path) -> str:
    """The first sentence under "What it is bad at" in the base's card; "" if there is none."""
    try:
        text = card.read_text(encoding="utf-8")
    except OSError:
        return ""
    match = re.search(r"^#+ what it is bad at\s+(.+?\.)(?=\s)", text, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    sentence = " ".join(match[1].split()) if match else ""
    return sentence[:1].lower() + sentence[1:]
