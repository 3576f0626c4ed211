"""Artifacts of one base, loaded when asked for, the least used dropped: a thousand prefixes beside one model."""

from collections import OrderedDict
from pathlib import Path

from prefix_core.artifacts.artifacts import WHOLE_LAYERS, Card, load
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base


class Shelf:
    """Loaded artifacts of one base, the least used dropped when together they take more than `room` bytes."""

    def __init__(self, base: Base, room: int | None = None) -> None:
        self.base = base
        self.room = 4 * base.bytes if room is None else room
        self.held: OrderedDict[Path, tuple[Steered, Card, int]] = OrderedDict()

    def get(self, folder: Path) -> tuple[Steered, Card]:
        """As `load`, remembered."""
        if folder not in self.held:
            steered, card = load(folder, self.base)
            copies = 2 if card.method in WHOLE_LAYERS else 1  # whole layers are held plain and packed
            self.held[folder] = (steered, card, copies * steered.kept * self.base.network.tokens.element_size())
            while len(self.held) > 1 and sum(size for *_, size in self.held.values()) > self.room:
                self.held.popitem(last=False)
        self.held.move_to_end(folder)
        return self.held[folder][:2]
