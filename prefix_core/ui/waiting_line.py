"""Waiting for one's turn: first come, first served. Comparisons, batches and trainings all wait in a line like this."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefix_core.errors import InputError

LOOK = 0.5  # seconds after which whoever waits checks again how many are ahead


class Place:
    """One place in a line."""

    def __init__(self, line: "WaitingLine") -> None:
        self._line = line

    @property
    def ahead(self) -> int:
        """How many have to finish first; 0 once it is this place's turn, and after it was given up."""
        with self._line.moved:
            standing = self._line.standing
            return max(0, standing.index(self) + 1 - self._line.at_once) if self in standing else 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for one's turn, `timeout` seconds at most; returns whether it has come."""
        with self._line.moved:
            return self._line.moved.wait_for(lambda: not self.ahead, timeout)

    def leave(self) -> None:
        """Give the place up, for whoever is next; giving it up twice does nothing."""
        with self._line.moved:
            if self in self._line.standing:
                self._line.standing.remove(self)
                self._line.moved.notify_all()

    def countdown(self, unwanted: Callable[[], bool] = lambda: False, every: float | None = None) -> Iterator[int]:
        """How many are ahead, every few seconds, until it is one's turn or nobody wants the work any more."""
        while not self.wait(LOOK if every is None else every) and not unwanted():
            yield self.ahead


class WaitingLine:
    """A line in which the first `at_once` have their turn. most: that may stand in it; None for any number."""

    def __init__(self, at_once: int, most: int | None = None) -> None:
        self.at_once, self.most = at_once, most
        self.standing: list[Place] = []
        self.moved = threading.Condition()

    def enter(self) -> Place:
        """Take the last place. Raises `InputError` when the line is full."""
        with self.moved:
            waiting = len(self.standing) - self.at_once
            if self.most is not None and waiting >= self.most:
                raise InputError(f"{waiting} others are waiting, the most there is room for. Try again later.")
            place = Place(self)
            self.standing.append(place)
            return place

    @contextmanager
    def join(self) -> Iterator[Place]:
        """Take the last place, and give it up at the end, however it ends."""
        place = self.enter()
        try:
            yield place
        finally:
            place.leave()


MOST_WAITING = 32  # events that may stand in a line; any more wait in Gradio's own queue, which shows no number


def waiting_words(ahead: int) -> str:
    return f"Waiting: {ahead} before you …" if ahead else "Your turn …"
