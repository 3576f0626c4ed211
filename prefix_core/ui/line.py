"""Who writes now and who waits: first come, first served. Pages and programs stand in the same line."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = 2  # what the model writes at once, of all visitors and programs together
MOST_WAITING = 32  # in this line; those after them wait in Gradio's queue, without a number


class Place:
    """One place in a line."""

    def __init__(self, line: "Line") -> None:
        self._line = line

    @property
    def ahead(self) -> int:
        """How many have to finish first; 0: it is one's turn."""
        with self._line.moved:
            return max(0, self._line.standing.index(self) + 1 - self._line.at_once)

    def wait(self, timeout: float) -> bool:
        """Until it is one's turn, `timeout` seconds at most; returns whether it is."""
        with self._line.moved:
            return self._line.moved.wait_for(lambda: self._line.standing.index(self) < self._line.at_once, timeout)


class Line:
    """A line of which the first `at_once` have their turn."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.standing: list[Place] = []
        self.moved = threading.Condition()

    @contextmanager
    def join(self) -> Iterator[Place]:
        """The last place; left at the end, in whatever way that comes."""
        place = Place(self)
        with self.moved:
            self.standing.append(place)
        try:
            yield place
        finally:
            with self.moved:
                self.standing.remove(place)
                self.moved.notify_all()


WRITING = Line(AT_ONCE)  # everything that makes the base write for a visitor


def ahead_of_you(ahead: int) -> str:
    """`ahead` as a visitor reads it."""
    return f"Waiting: {ahead} before you …" if ahead else "Your turn …"
