"""The one base and the one shelf of artifacts that all visitors of a process share, loaded behind the page's back.

Importing this file is cheap: torch and transformers take seconds, so they are imported while the page is already up.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prefix_core.errors import ArtifactError, PrefixError
from prefix_core.places import ASSETS, DEFAULT_BASE, SHIPPED, named_bases
from prefix_core.tasks import Task

if TYPE_CHECKING:
    from prefix_core.artifacts.shelf import Shelf
    from prefix_core.methods.method import Steered
    from prefix_core.model.base import Base

METHODS = ("prefix", "fine_tune", "top_layers", "adapter", "prompt")
ONE_AT_A_TIME = threading.Lock()  # transformers cannot load two models at once
MOST_TOKENS, MOST_SHOTS = 200, 5  # that a visitor may ask for


@dataclass(frozen=True)
class Engine:
    """A loaded base with the artifacts found under `root`. Holds nothing of any visitor."""

    base: Base
    shelf: Shelf
    root: Path
    lock: threading.Lock = field(default_factory=threading.Lock)  # the shelf is one for all threads

    def offered(self, task: Task) -> dict[str, str]:
        """Method -> "" where it can be run, else why it cannot."""
        return {method: self._obstacle(task, method) for method in METHODS}

    def steer(self, task: Task, method: str, shots: int) -> Steered:
        """The base as `method` leaves it; `shots` are a prompt's examples. Raises `PrefixError`."""
        from prefix_core.artifacts.artifacts import folder_of
        from prefix_core.methods import prompt

        if method == "prompt":
            return prompt.steer(self.base, task, shots)
        with self.lock:
            return self.shelf.get(folder_of(self.base, task.name, method, self.root))[0]

    def _obstacle(self, task: Task, method: str) -> str:
        from prefix_core.artifacts.artifacts import CARD, folder_of, read_card

        folder = folder_of(self.base, task.name, method, self.root)
        if method == "prompt":
            return ""
        if not (folder / CARD).is_file():
            return "not trained on this base yet"
        try:
            same = read_card(folder).base_hash == self.base.weights_hash
        except ArtifactError:
            return "its card cannot be read"
        return "" if same else "trained on other weights than these"


class Loading:
    """An `Engine` on its way."""

    def __init__(self, base: str, root: Path | None) -> None:
        self.name, self.root = base, root
        self._done = threading.Event()
        self._engine: Engine | None = None
        self._error = "the model is not loaded"

    def start(self) -> Loading:
        threading.Thread(target=self._load, name="load the base", daemon=True).start()
        return self

    @property
    def ready(self) -> bool:
        return self._done.is_set()

    def wait(self) -> Engine:
        """The engine, once it is there. Raises `PrefixError` with the reason if it never will be."""
        self._done.wait()
        if self._engine is None:
            raise PrefixError(self._error)
        return self._engine

    def _load(self) -> None:
        try:
            self._engine = load_engine(self.name, self.root)
        except PrefixError as error:
            self._error = str(error)
        except Exception as error:  # the page must say it, not wait for ever
            self._error = f"the model could not be loaded: {type(error).__name__}: {error}"
            raise
        finally:
            self._done.set()


def load_engine(name: str, root: Path | None = None) -> Engine:
    """The base called `name` and its shelf. `root` None: the artifacts that come with the program."""
    import torch

    from prefix_core.artifacts.shelf import Shelf
    from prefix_core.model.loading import load_base

    # Two comparisons may run at once; together they get the processor's cores, and no more.
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    with ONE_AT_A_TIME:
        base = load_base(name)
    base.writer  # noqa: B018 -- laid out once, here: two first visitors at once would each do it
    return Engine(base, Shelf(base), root or SHIPPED)


def from_environment() -> tuple[list[str], Path | None]:
    """PREFIX_BASE and PREFIX_ARTIFACTS, as the command line has them."""
    root = os.environ.get("PREFIX_ARTIFACTS")
    return named_bases(), Path(root) if root else None


def shown_name(base: str) -> str:
    return "SmolLM2-135M" if base == DEFAULT_BASE else base.rstrip("/").split("/")[-1]


def base_card(name: str) -> Path:
    """The text that tells what a base is, of the default one or of one in a folder."""
    return ASSETS / f"{name}.md" if name == DEFAULT_BASE else Path(name) / "README.md"
