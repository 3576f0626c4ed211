"""Artifacts of one base, loaded when asked for, the least used dropped: a thousand prefixes beside one model."""

from collections import OrderedDict
from pathlib import Path

from prefix_core.artifacts.artifacts import Card, load
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base

WHOLE_MODEL = "fine_tune"  # the method whose artifact is a model of its own


class Shelf:
    """Loaded artifacts of one base, the least used dropped when together they take more than `room` bytes.

    A prefix's numbers are mapped from its file: until they are used, they take no memory, and what is dropped can be
    had again at the price of reading them. Of whole models one is held at a time: another task's takes its place.
    """

    def __init__(self, base: Base, room: int | None = None) -> None:
        self.base = base
        self.room = 4 * base.bytes if room is None else room
        self.taken = 0
        self.held: OrderedDict[Path, tuple[Steered, Card, int]] = OrderedDict()

    def get(self, folder: Path) -> tuple[Steered, Card]:
        """As `load`, remembered."""
        if folder not in self.held:
            steered, card = load(folder, self.base, mapped=True)
            size = self.bytes_of(steered, card)
            if card.method == WHOLE_MODEL:
                self.drop([path for path, (_, held, _) in self.held.items() if held.method == WHOLE_MODEL])
            self.held[folder] = (steered, card, size)
            self.taken += size
            while len(self.held) > 1 and self.taken > self.room:
                self.drop([next(iter(self.held))])
        self.held.move_to_end(folder)
        return self.held[folder][:2]

    def drop(self, folders: list[Path]) -> None:
        """Forget these."""
        for folder in folders:
            self.taken -= self.held.pop(folder)[2]

    def bytes_of(self, steered: Steered, card: Card) -> int:
        """What it takes: a prefix in fp32, the rest as the base computes."""
        if steered.prefix is not None:
            return 4 * steered.prefix.parameters
        return steered.kept * self.base.network.tokens.element_size()
