"""The base and its artifacts on their way: the page answers first, and loads them in the background.

torch and transformers take seconds to import, so here they are imported while the page is already up.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from prefix_core.errors import PrefixError
from prefix_core.places import ASSETS, DEFAULT_BASE, named_bases

if TYPE_CHECKING:
    from prefix_core.writing.engine import Engine


class Loading:
    """An `Engine` that all visitors of a page will share, once it is there. root: of the artifacts; None: shipped."""

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

    @property
    def state(self) -> str:
        """loading, ready or failed."""
        if not self.ready:
            return "loading"
        return "failed" if self._engine is None else "ready"

    def wait(self) -> Engine:
        """The engine, once it is there. Raises `PrefixError` with the reason if it never will be."""
        self._done.wait()
        if self._engine is None:
            raise PrefixError(self._error)
        return self._engine

    def _load(self) -> None:
        try:
            import torch

            from prefix_core.writing.engine import load_engine

            torch.set_num_threads(os.cpu_count() or 2)  # one desk writes for all visitors
            self._engine = load_engine(self.name, self.root)
        except PrefixError as error:
            self._error = str(error)
        except Exception as error:  # the page must say so, rather than wait forever
            self._error = f"the model could not be loaded: {type(error).__name__}: {error}"
            raise
        finally:
            self._done.set()


def from_environment() -> tuple[list[str], Path | None]:
    """PREFIX_BASE and PREFIX_ARTIFACTS, with the same meaning as on the command line."""
    root = os.environ.get("PREFIX_ARTIFACTS")
    return named_bases(), Path(root) if root else None


def display_name(base: str) -> str:
    return "SmolLM2-135M" if base == DEFAULT_BASE else base.rstrip("/").split("/")[-1]


def base_card(name: str) -> Path:
    """The text that describes a base: the default one's card, or the README in a base's folder."""
    return ASSETS / f"{name}.md" if name == DEFAULT_BASE else Path(name) / "README.md"
