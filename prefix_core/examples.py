"""Examples: an input and the texts people wrote for it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Example:
    """`source` is what the task reads an input into (E2E: a `Table`); `references` are all texts for it."""

    source: Any
    references: tuple[str, ...]
    id: str = ""
