"""A base and everything trained for it, loaded when asked for: what can write for a task, and why the rest cannot."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from prefix_core.artifacts.artifacts import CARD, Card, folder_of, load, read_card
from prefix_core.errors import ArtifactError
from prefix_core.memory import give_back
from prefix_core.methods import METHODS, prompt
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.places import SHIPPED
from prefix_core.tasks import Task
from prefix_core.writing.desk import Desk

_LOADING = threading.Lock()  # transformers cannot load two models at once
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
            whole = (folder / CARD).is_file() and read_card(folder).method == WHOLE_MODEL
            if whole:  # before the other is read: two at once would be the most that is ever taken
                self.drop([path for path, (_, held, _) in self.held.items() if held.method == WHOLE_MODEL])
            steered, card = load(folder, self.base, mapped=True)
            if whole:
                give_back()
            size = self.bytes_of(steered, card)
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


@dataclass(frozen=True)
class Engine:
    """A loaded base and the artifacts found under `root`. Safe to share between threads.

    desk: where all that is written for visitors is written, together.
    """

    base: Base
    shelf: Shelf
    root: Path
    desk: Desk
    _lock: threading.Lock = field(default_factory=threading.Lock)  # the shelf itself is for one thread at a time

    def obstacles(self, task: Task) -> dict[str, str]:
        """Method -> "" where it can write for `task`, otherwise the reason why not."""
        return {method: self._obstacle(task, method) for method in METHODS}

    def steer(self, task: Task, method: str, shots: int = 0) -> Steered:
        """The base steered by `method`; shots: examples in a prompt. Raises `PrefixError`."""
        if method == "prompt":
            return prompt.steer(self.base, task, shots)
        return self.artifact(task, method)[0]

    def artifact(self, task: Task, method: str) -> tuple[Steered, Card]:
        """What was trained for a task, and its card. Raises `PrefixError`."""
        with self._lock:
            return self.shelf.get(folder_of(self.base, task.name, method, self.root))

    def to_load(self, task: Task, method: str) -> Card | None:
        """The card of a whole model that has to be loaded first, which takes a second or two; None for all else."""
        folder = folder_of(self.base, task.name, method, self.root)
        if method != WHOLE_MODEL or folder in self.shelf.held:
            return None
        try:
            return read_card(folder)
        except ArtifactError:  # loading will say why
            return None

    def _obstacle(self, task: Task, method: str) -> str:
        if method == "prompt":
            return ""
        folder = folder_of(self.base, task.name, method, self.root)
        if not (folder / CARD).is_file():
            return "not trained yet"
        try:
            same = read_card(folder).base_hash == self.base.weights_hash
        except ArtifactError:
            return "its card cannot be read"
        return "" if same else "trained on other weights than these"


def load_engine(name: str, root: Path | None = None) -> Engine:
    """The base called `name` with its artifacts. root: where they are; None for those shipped with the program."""
    with _LOADING:
        base = load_base(name)
    base.writer  # noqa: B018 -- laid out here, once: two first visitors at the same time would each do it
    give_back()
    return Engine(base, Shelf(base), root or SHIPPED, Desk(base))
