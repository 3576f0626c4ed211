"""Visitors: what each has made here, under a token that nobody can guess; removed an hour after the last contact.

Everything is in memory, except the files for download, which are in a folder of the visitor's own, and what a host has
kept on disk, too (see `kept`). The browser keeps the token, so that a reloaded page finds its things; if the browser
stores nothing, they last as long as the page.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr
from gradio.utils import get_upload_folder

from prefix_core.errors import InputError, PrefixError
from prefix_core.ui.common import QUICK

if TYPE_CHECKING:
    from prefix_core.model.base import Base
    from prefix_core.ui.kept import Kept, OwnPrefix
    from prefix_core.ui.loading import Loading
    from prefix_core.ui.many.rows import ManyRun
    from prefix_core.ui.train.runs import TrainingRun
    from prefix_core.ui.train.sheet import Answers

HOUR = 3600.0  # seconds after the last contact in which a visitor's things are kept
SWEEP = 60.0  # seconds between two removals of those gone longer
MOST_VISITORS = 1000
LONGEST_NAME = 40
MOST_PREFIXES = 8  # of one visitor
MOST_BYTES = 512_000_000  # of all visitors' prefixes together

KEY = "'prefix-visitor' + location.pathname"  # a page for every base, and a visitor's things are made on one
RECALL = f"() => {{ try {{ return [localStorage.getItem({KEY}) || '', true] }} catch {{ return ['', false] }} }}"
REMEMBER = f"(token) => {{ try {{ localStorage.setItem({KEY}, token) }} catch {{}} return [] }}"


class Upload(NamedTuple):
    """A file as its visitor brought it, its name and its bytes, and what they answered where reading stopped."""

    content: tuple[str, bytes]
    answers: Answers


@dataclass(eq=False)
class Visitor:
    """One visitor's things. `training`: the latest run, waiting, going on or over. `seen`: the last contact.

    uploads: by what they are for, a file with what its visitor answered where reading stopped; many: the latest run
    over many inputs.
    """

    token: str
    seen: float
    prefixes: dict[str, OwnPrefix] = field(default_factory=dict)
    training: TrainingRun | None = None
    uploads: dict[str, Upload] = field(default_factory=dict)
    many: ManyRun | None = None
    _folder: str = field(default_factory=secrets.token_urlsafe)

    @property
    def folder(self) -> Path:
        """For files to download. Gradio serves them to anyone who has the address, which is a secret of its own."""
        return Path(get_upload_folder()) / self._folder

    @property
    def bytes(self) -> int:
        files = sum(len(upload.content[1]) for upload in self.uploads.values())
        files += self.many.inputs.bytes if self.many else 0
        return sum(prefix.bytes for prefix in self.prefixes.values()) + files

    @property
    def empty(self) -> bool:
        return not (self.prefixes or self.uploads or self.training or self.many)


class Visitors:
    """All visitors of a process. Safe to use from any number of threads. clock: in seconds."""

    def __init__(
        self,
        most: int = MOST_VISITORS,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
        kept: Kept | None = None,
    ) -> None:
        self.most, self.most_bytes, self.clock, self.kept = most, most_bytes, clock, kept
        self.returning: list[Callable[[Visitor], None]] = []  # what else is to be found again of a visitor
        self._here: dict[str, Visitor] = {}
        self._lock = threading.RLock()
        self._base: Base | None = None  # with which prefixes are kept on disk
        self._restored = threading.Event()
        if kept is None:
            self._restored.set()

    def start(self, loading: Loading | None = None) -> Visitors:
        """Remove those who are gone, every minute from now on; first find again what was kept of them on disk."""
        threading.Thread(target=self._sweep_for_ever, name="forget visitors", daemon=True).start()
        if self.kept is not None and loading is not None:
            threading.Thread(target=self._restore, args=(loading,), name="restore visitors", daemon=True).start()
        return self

    def _restore(self, loading: Loading) -> None:
        """What is on disk of those who were here within the hour, once there is a base for it."""
        assert self.kept is not None
        try:
            self.restore(loading.wait().base)
        except PrefixError:
            pass  # without a base there is nobody to be served
        finally:
            self._restored.set()

    def restore(self, base: Base) -> None:
        """Find again what was kept on disk with this base."""
        assert self.kept is not None
        self._base = base
        for token, away in self.kept.tokens(HOUR):
            visitor = Visitor(token, self.clock() - away)
            for prefix in self.kept.prefixes(token, base):
                visitor.prefixes[prefix.name] = prefix
            with self._lock:
                self._here[token] = visitor
            for find_again in self.returning:
                find_again(visitor)

    def visit(self, token: str = "") -> Visitor:
        """The visitor with that token, or a new one with a new token; an unknown token is never accepted."""
        self._await_restored(token)
        with self._lock:
            self.sweep()
            known = self._here.get(token)
            if known is None:
                known = Visitor(secrets.token_urlsafe(32), self.clock())
                self._here[known.token] = known
                while len(self._here) > self.most:
                    self.forget(self._longest_away(known).token)
            self._note(known)
            return known

    def get(self, token: str) -> Visitor:
        """The visitor with that token. Raises `InputError` if their things are gone."""
        self._await_restored(token)
        with self._lock:
            self.sweep()
            if token not in self._here:
                raise InputError(
                    "What you had here was deleted, because you asked for it or an hour passed without a visit. "
                    "Reload the page to start again."
                )
            visitor = self._here[token]
            self._note(visitor)
            return visitor

    def _await_restored(self, token: str) -> None:
        """A token may be that of somebody who was here before the program was started."""
        if token and token not in self._here:
            self._restored.wait()

    def _note(self, visitor: Visitor) -> None:
        visitor.seen = self.clock()
        if self.kept is not None:
            self.kept.touch(visitor.token)

    def keep(self, visitor: Visitor, prefix: OwnPrefix) -> OwnPrefix:
        """Add a prefix to the visitor's own, under its name or a similar one that is free; returns it as it is kept.

        When all visitors' prefixes together take too much memory, those of the visitor away longest are removed. Raises
        `InputError` if this visitor has too many.
        """
        with self._lock:
            if len(visitor.prefixes) >= MOST_PREFIXES:
                raise InputError(f"You have {MOST_PREFIXES} prefixes here, the most you can have. Delete one first.")
            names = [prefix.name, *(f"{prefix.name} {number}" for number in range(2, MOST_PREFIXES + 2))]
            name = next(name for name in names if name not in visitor.prefixes)
            prefix = replace(prefix, name=name)
            visitor.prefixes[name] = prefix
            self._make_room(visitor)
            if self.kept is not None and self._base is not None:
                self.kept.save(visitor.token, self._base, prefix)
            return prefix

    def delete(self, visitor: Visitor, name: str) -> None:
        """Remove one of the visitor's prefixes, if there is one of that name."""
        with self._lock:
            visitor.prefixes.pop(name, None)
            if self.kept is not None:
                self.kept.delete(visitor.token, name)

    def rename(self, visitor: Visitor, name: str, wanted: str) -> str:
        """Give one of the visitor's prefixes another name; returns it. Raises `InputError` for one that cannot be."""
        wanted = " ".join(wanted.split())
        with self._lock:
            if name not in visitor.prefixes:
                raise InputError(f"You no longer have a prefix '{name}'.")
            if not 1 <= len(wanted) <= LONGEST_NAME:
                raise InputError(f"A name has 1 to {LONGEST_NAME} characters; this one has {len(wanted)}.")
            if wanted != name and wanted in visitor.prefixes:
                raise InputError(f"You have a prefix “{wanted}” already. Choose another name.")
            renamed = replace(visitor.prefixes[name], name=wanted)
            items = visitor.prefixes.items()  # each stays in its place
            visitor.prefixes = dict((wanted, renamed) if key == name else (key, own) for key, own in items)
            if self.kept is not None and self._base is not None:
                self.kept.delete(visitor.token, name)
                self.kept.save(visitor.token, self._base, renamed)
            return wanted

    def keep_upload(self, token: str, name: str, upload: Upload | None) -> None:
        """Remember a file for when the page is loaded again, or that there is none any more."""
        with self._lock:
            visitor = self.visit(token)
            visitor.uploads.pop(name, None)
            if upload is not None:
                visitor.uploads[name] = upload
                self._make_room(visitor)

    def keep_many(self, token: str, run: ManyRun) -> None:
        """Remember the run over many inputs for when the page is loaded again."""
        with self._lock:
            visitor = self.visit(token)
            visitor.many = run
            self._make_room(visitor)

    def _make_room(self, visitor: Visitor) -> None:
        """Remove whoever is away longest, until what is left takes no more than it may."""
        while sum(other.bytes for other in self._here.values()) > self.most_bytes:
            away = self._longest_away(visitor, lambda other: other.bytes > 0)
            if away is visitor:
                break
            self.forget(away.token)

    def forget(self, token: str) -> None:
        """Remove a visitor and everything of theirs; a training that is on is stopped."""
        with self._lock:
            visitor = self._here.pop(token, None)
            if visitor is None:
                return
            if visitor.training is not None:
                visitor.training.stop()
            if visitor.many is not None:
                visitor.many.stopped = True
            visitor.prefixes.clear()
            visitor.uploads.clear()
            shutil.rmtree(visitor.folder, ignore_errors=True)
            if self.kept is not None:
                self.kept.forget(token)

    def sweep(self) -> None:
        """Remove those whose last contact was more than an hour ago."""
        with self._lock:
            for visitor in list(self._here.values()):
                if self.clock() - visitor.seen > HOUR:
                    self.forget(visitor.token)

    def _longest_away(self, present: Visitor, of: Callable[[Visitor], bool] = lambda other: True) -> Visitor:
        """Who is removed first when there is no room: one with nothing, then the one away longest."""
        others = [other for other in self._here.values() if other is not present and of(other)]
        return min(others, key=lambda other: (not other.empty, other.seen), default=present)

    def _sweep_for_ever(self) -> None:
        while True:
            time.sleep(SWEEP)
            self.sweep()


@dataclass(frozen=True)
class Arrival:
    """Who is looking at the page. token: an input of every event that concerns a visitor's things.

    come: the event after which the token is known; whatever shows a visitor's things on loading follows it.
    """

    token: gr.Textbox
    come: gr.events.Dependency


def recognise(demo: gr.Blocks, visitors: Visitors) -> Arrival:
    """Find the visitor as the page loads, by the token their browser keeps; say so if it cannot keep one."""
    token = gr.Textbox(visible="hidden")  # not a State, since the browser has to read it
    allowed = gr.Checkbox(visible="hidden")
    word = gr.HTML("", elem_id="forgetful")

    def arrive(known: str, may_keep: bool) -> tuple[str, str]:
        return visitors.visit(known).token, "" if may_keep else f"<p>{FORGETFUL}</p>"

    come = demo.load(arrive, [token, allowed], [token, word], js=RECALL, **QUICK)
    come.then(None, token, None, js=REMEMBER, **QUICK)
    return Arrival(token, come)


FORGETFUL = (
    "Your browser does not let this page store anything, so what you train is lost when you close or reload the page: "
    "download it first."
)
