"""Where a prefix comes from: the words it began as, and the steps that training took it through.

Training is repeatable, so the start follows from the settings on an artifact's card; the steps between are known only
where the training noted them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefix_core.errors import InputError
from prefix_core.methods.prefix import start_of, start_words
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix


@dataclass(frozen=True)
class History:
    """words: the token that each position began as, as spelled; none for a random start.

    steps: (step, prefix), from step 0 to the one that was kept; whole: whether steps between the two were noted.
    """

    words: tuple[str, ...]
    steps: tuple[tuple[int, Prefix], ...]
    whole: bool = False

    @property
    def start(self) -> Prefix:
        return self.steps[0][1]


def history_of(
    base: Base,
    prefix: Prefix,
    settings: Mapping[str, Any],
    step: int,
    noted: Sequence[tuple[int, Prefix]] = (),
) -> History:
    """The history of a prefix that `settings`, as on its card, have trained for `step` steps.

    noted: (step, prefix) at some steps of the training. Raises `InputError` if the settings are not those of a training
    here, and nothing was noted at step 0.
    """
    between = [(at, then) for at, then in noted if 0 < at < step]
    if not settings:  # of a prefix that came without a card
        if not noted or noted[0][0]:
            raise InputError("nothing is known of how this prefix began: it came without a card that says so")
        start, words = noted[0][1], []
    else:
        try:
            asked = Settings(**settings)
        except TypeError as error:
            raise InputError(f"the card's settings are not those of a training here ({error})") from None
        start, words = start_of(base, asked), start_words(base, asked)
    return History(tuple(words), ((0, start), *between, (step, prefix)), bool(between))
