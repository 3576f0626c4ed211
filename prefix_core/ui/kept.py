"""What visitors have, on disk, so that it outlives a program that was killed: a folder for each, named by no secret.

Every file is written whole or not at all. What cannot be written is told in the log, and lasts as long as the program.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefix_core.errors import ArtifactError, DiskError, PrefixError
from prefix_core.tasks import task_of
from prefix_core.ui.log import log

if TYPE_CHECKING:
    from torch import Tensor

    from prefix_core.artifacts.artifacts import Card
    from prefix_core.data.examples import Example
    from prefix_core.methods.method import Steered
    from prefix_core.model.base import Base
    from prefix_core.tasks import Task

TOKEN = "token"  # the file with a visitor's token; its time is that of the last contact
TOUCHED = 60.0  # seconds between two notes of a contact
VARIABLE = "PREFIX_VISITORS"


@dataclass(frozen=True)
class Moment:
    """A prefix during training: its keys and values (layers, P, kv_heads, head_dim) in fp16 after `step` steps."""

    step: int
    keys: Tensor
    values: Tensor


@dataclass(frozen=True)
class OwnPrefix:
    """A prefix that a visitor trained or brought.

    If it was trained here, moments: how training moved it; examples: rows that were held out of it.
    """

    name: str
    task: Task
    card: Card
    steered: Steered
    moments: tuple[Moment, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def bytes(self) -> int:
        """Memory it takes."""
        moving = sum(moment.keys.nbytes + moment.values.nbytes for moment in self.moments)
        return 4 * self.steered.kept + moving


def kept_from_environment(base: str) -> Kept | None:
    """The folder that PREFIX_VISITORS names, a part of it for each base; None where nothing is kept."""
    root = os.environ.get(VARIABLE)
    return Kept(Path(root) / hashlib.sha256(base.encode()).hexdigest()[:12]) if root else None


@dataclass(frozen=True)
class Kept:
    """The visitors' folders under `root`."""

    root: Path

    def folder(self, token: str) -> Path:
        return self.root / hashlib.sha256(token.encode()).hexdigest()[:40]

    def tokens(self, longest: float) -> Iterator[tuple[str, float]]:
        """Every visitor's token, and the seconds since their last contact; those away longer are removed.

        A contact that lies in the future, since somebody set the clock back, was just now.
        """
        for folder in sorted(self.root.glob("*")):
            try:
                away = max(0.0, time.time() - (folder / TOKEN).stat().st_mtime)
                token = (folder / TOKEN).read_text(encoding="utf-8")
            except OSError:
                token, away = "", longest + 1
            if away > longest or self.folder(token) != folder:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                yield token, away

    def touch(self, token: str) -> None:
        """Note a contact, if this visitor has anything here."""
        path = self.folder(token) / TOKEN
        try:
            if abs(time.time() - path.stat().st_mtime) > TOUCHED:
                os.utime(path)
        except OSError:
            pass  # there is nothing of theirs

    def begin(self, token: str) -> Path:
        """The visitor's folder, made if need be. Raises `OSError`."""
        folder = self.folder(token)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / TOKEN).exists():
            write_whole(folder / TOKEN, token.encode())
        return folder

    def save(self, token: str, base: Base, own: OwnPrefix) -> None:
        """A prefix, under its name, which is in the zip's comment."""
        from prefix_core.artifacts.share import write_zip

        assert own.steered.prefix is not None
        with told("a prefix"):
            unfinished = self.begin(token) / "unfinished.zip"
            write_zip(unfinished, base, own.steered.prefix, own.card)
            with zipfile.ZipFile(unfinished, "a") as archive:
                archive.comment = own.name.encode()
            os.replace(unfinished, self._zip(token, own.name))

    def prefixes(self, token: str, base: Base) -> Iterator[OwnPrefix]:
        """The visitor's prefixes, oldest first; what does not fit the base any more is left out."""
        from prefix_core.artifacts.share import read_zip

        paths = (path for path in self.folder(token).glob("*.zip") if path.stem != "unfinished")
        for path in sorted(paths, key=lambda path: path.stat().st_mtime):
            try:
                with zipfile.ZipFile(path) as archive:
                    name = archive.comment.decode()
                steered, card = read_zip(path, base)
                yield OwnPrefix(name, task_of(card.task, card.data), card, steered)
            except (PrefixError, OSError, zipfile.BadZipFile, UnicodeError) as error:
                log("left out", what="a kept prefix", why=type(error).__name__)

    def delete(self, token: str, name: str) -> None:
        self._zip(token, name).unlink(missing_ok=True)

    def forget(self, token: str) -> None:
        shutil.rmtree(self.folder(token), ignore_errors=True)

    def _zip(self, token: str, name: str) -> Path:
        return self.folder(token) / f"{hashlib.sha256(name.encode()).hexdigest()[:40]}.zip"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises `OSError`."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Around what is written only to outlive the program: where it cannot be, one line says so, and all goes on."""
    try:
        yield
    except (OSError, ArtifactError, DiskError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).split(".")[0]
        log("not kept", what=what, why=why, then="it lasts as long as the program")
