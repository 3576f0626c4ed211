"""The visitor's own prefixes on the tab "Train": choose one, download, delete, bring one, remove everything.

Reading and writing their files needs torch, so that is imported only once the base is loaded.
"""

import re
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.errors import ArtifactError, DiskError, InputError, PrefixError, saving
from prefix_core.tasks import task_of
from prefix_core.ui.common import QUICK, problem_html, status_html
from prefix_core.ui.kept import OwnPrefix
from prefix_core.ui.loading import Loading
from prefix_core.ui.train import views
from prefix_core.ui.train.layout import TrainTab
from prefix_core.ui.visitors import REMEMBER, Arrival, Visitor, Visitors

# `go` in assets/page.js opens a tab and presses what is meant as soon as it appears there.
USE = """(name) => { go("Compare", "#tasks input", (card) => card.value === "own: " + name); return [] }"""
LOOK_INSIDE = """(name) => {
  const look = (label) => label.querySelector("input:not(:checked)")?.click();
  go("Look inside", "#inside-prefixes label", (label) => label.textContent.trim() === name + " (yours)", look);
  return [];
}"""


def connect_own(
    page: TrainTab, loading: Loading, visitors: Visitors, arrival: Arrival, watching: list[dict[str, Any]]
) -> gr.events.Dependency:
    """Connect the events; returns the one that removes everything. watching: the events that show a training."""

    def bring(token: str, path: str) -> list[Any]:
        visitor = visitors.visit(token)
        try:
            own = bring_prefix(loading, visitors, visitor, Path(path))
        except PrefixError as error:
            return [visitor.token, None, problem_html(error)]
        return [visitor.token, None, f"<p>“{escape(own.name)}” is ready to use.</p>"]

    def delete(token: str, name: str) -> None:
        visitor = visitors.visit(token)
        visitors.delete(visitor, name)
        _remove_files(visitor, name)

    def rename(token: str, name: str, wanted: str) -> tuple[str, str]:
        """The name it has now, and what was wrong with the one wanted."""
        visitor = visitors.visit(token)
        try:
            renamed = visitors.rename(visitor, name, wanted)
        except InputError as error:
            return name, problem_html(error)
        if renamed != name:
            _remove_files(visitor, name)
        return renamed, ""

    def forget(token: str) -> list[Any]:
        visitors.forget(token)
        gone = status_html("idle", "Everything of yours was deleted.")
        buttons = [gr.Button(interactive=True), gr.Button(interactive=False)]
        stops = [gr.Button(visible=False), gr.Button(visible=False)]
        shown = [gone, gr.Plot(visible=False), views.COMING, "", *buttons, *stops]
        return [visitors.visit().token, *shown, "", "", ""]

    def show(token: str, name: str | None) -> list[Any]:
        return own_updates(loading, visitors, token, name)

    page.use.click(None, page.own, None, js=USE, **QUICK)
    page.inside.click(None, page.own, None, js=LOOK_INSIDE, **QUICK)
    page.own.input(show, [arrival.token, page.own], page.own_parts, **QUICK)
    page.delete.click(delete, [arrival.token, page.own], None, **QUICK).then(
        show, [arrival.token, gr.State(None)], page.own_parts, **QUICK
    )
    renamed = [arrival.token, page.own, page.name]
    for event in (page.rename.click, page.name.submit):
        event(rename, renamed, [page.name, page.brought], **QUICK).then(
            show, [arrival.token, page.name], page.own_parts, **QUICK
        )
    brought = page.bring.upload(bring, [arrival.token, page.bring], [arrival.token, page.bring, page.brought], **QUICK)
    everything = [arrival.token, *page.run_parts, page.brought, page.rows, page.note]
    # Whoever watches is drawing, perhaps, what is gone by now; the page must not show that after it.
    forgotten = page.forget.click(forget, arrival.token, everything, cancels=watching, **QUICK)
    forgotten.then(None, None, None, js="() => forgetForm()", **QUICK)
    for event in (brought, forgotten):
        event.then(None, arrival.token, None, js=REMEMBER, **QUICK)
        event.then(show, [arrival.token, gr.State(None)], page.own_parts, **QUICK)
    return forgotten


def own_updates(loading: Loading, visitors: Visitors, token: str, chosen: str | None = None) -> list[Any]:
    """The visitor's prefixes, with `chosen` or else the latest one selected and ready to download."""
    visitor = visitors.visit(token)
    names = list(visitor.prefixes)
    if not names:
        return [gr.Radio([], value=None), gr.Column(visible=False), "", "", None, gr.DownloadButton(visible=False)]
    own = visitor.prefixes[chosen if chosen in names else names[-1]]
    about = views.about_html(own)
    try:
        files = [str(prefix_zip(loading, visitor, own.name)), for_llama_cpp(loading, visitor, own)]
    except DiskError as error:  # it can be used all the same
        about, files = problem_html(error) + about, [None, gr.DownloadButton(visible=False)]
    return [gr.Radio(names, value=own.name), gr.Column(visible=True), about, own.name, *files]


def for_llama_cpp(loading: Loading, visitor: Visitor, own: OwnPrefix) -> gr.DownloadButton:
    """The button with the prefix as llama.cpp's state; not shown where llama.cpp has no place for it."""
    base, prefix = loading.wait().base, own.steered.prefix
    from prefix_core.artifacts.llama_cpp import export, fits

    if prefix is None or prefix.infix or not fits(base):
        return gr.DownloadButton(visible=False)
    path = _path(visitor, own.name, "state")
    with saving("The prefix's file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        export(path, base, prefix)
    return gr.DownloadButton(value=str(path), visible=True)


def prefix_zip(loading: Loading, visitor: Visitor, name: str) -> Path:
    """One of the visitor's prefixes as a file to download. Raises `InputError` if there is none of that name."""
    if name not in visitor.prefixes:
        raise InputError(f"You have no prefix '{name}'. There are: {', '.join(visitor.prefixes) or 'none, so far'}.")
    base, own = loading.wait().base, visitor.prefixes[name]
    from prefix_core.artifacts.share import write_zip

    assert own.steered.prefix is not None
    return write_zip(_path(visitor, name, "zip"), base, own.steered.prefix, own.card)


def bring_prefix(loading: Loading, visitors: Visitors, visitor: Visitor, path: Path) -> OwnPrefix:
    """An uploaded zip becomes one of the visitor's prefixes; the upload itself is deleted. Raises `PrefixError`."""
    try:
        base = loading.wait().base
        from prefix_core.artifacts.share import read_zip

        steered, card = read_zip(path, base)
        try:
            task = task_of(card.task, card.data)
        except InputError as error:
            raise ArtifactError(f"{path.name}: {error}") from None
        return visitors.keep(visitor, OwnPrefix(path.stem[:60], task, card, steered))
    finally:
        path.unlink(missing_ok=True)


def _path(visitor: Visitor, name: str, kind: str) -> Path:
    """Under a name that is safe on every file system."""
    safe = re.sub(r"[^\w-]+", "-", name).strip("-")[:60] or "prefix"
    return visitor.folder / f"{safe}.{kind}"


def _remove_files(visitor: Visitor, name: str) -> None:
    for kind in ("zip", "state"):
        _path(visitor, name, kind).unlink(missing_ok=True)
