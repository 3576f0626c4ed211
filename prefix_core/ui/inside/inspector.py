"""The base's tokens and the prefixes among them, computed when the first visitor asks for a picture.

`studies.token_space` needs torch and scikit-learn, so it is imported only once the base is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from prefix_core.errors import InputError
from prefix_core.ui.choices import PrefixChoice, pick_prefixes, prefix_choices
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Visitors

if TYPE_CHECKING:
    from prefix_core.methods.prefix import History
    from prefix_core.model.base import Base
    from prefix_core.studies.token_space import Space
    from prefix_core.studies.view import View
    from prefix_core.writing.engine import Engine

MOST_PREFIXES = 6  # in one picture
QUEUED: dict[str, Any] = {"concurrency_limit": 2, "concurrency_id": "inside"}


@dataclass
class Inspector:
    """Pictures of the base of `loading`, with its prefixes and those of its visitors."""

    loading: Loading
    visitors: Visitors
    _space: Space | None = None
    _lock: Lock = field(default_factory=Lock)

    def view(
        self, token: str, wanted: list[str], layer: int, part: Any, fit: Any, bare: bool
    ) -> tuple[View, list[PrefixChoice]]:
        """layer: counted from 1. Raises `PrefixError`; waits while another visitor has the vectors computed."""
        engine = self.loading.wait()
        picked = pick_prefixes(prefix_choices(engine, self.visitors.get(token) if token else None), wanted)
        if len(picked) > MOST_PREFIXES:
            raise InputError(
                f"{len(picked)} prefixes are ticked; one picture holds up to {MOST_PREFIXES}. Untick some."
            )
        prefixes = {choice.name: choice.steered.prefix for choice in picked if choice.steered.prefix}
        histories = {choice.name: history for choice in picked if (history := _history(choice, engine.base))}
        with self._lock:
            view = self.space(engine).view(prefixes, int(layer) - 1, part, fit, bare, histories)
        return view, picked

    def space(self, engine: Engine) -> Space:
        from prefix_core.studies.token_space import Space

        if self._space is None:
            self._space = Space(engine.base)
        return self._space

    @property
    def ready(self) -> bool:
        return self._space is not None


def _history(choice: PrefixChoice, base: Base) -> History | None:
    try:
        return choice.history(base)
    except InputError:  # it came without a card
        return None
