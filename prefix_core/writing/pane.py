"""A pane of a comparison: what one method wrote for an input, how long that took and what the method costs."""

from dataclasses import dataclass, field
from typing import Literal

State = Literal["waiting", "writing", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Pane:
    """One method's output so far.

    tokens: written so far; first_token, seconds: measured in the method's own batch, which held `shared` rows.
    trained, kept, base: parameters trained, kept on disk, and in the base; bytes: on disk, in addition to the base;
    copy: of a whole copy of the base in 16 bits, where the method is one and is stored as its difference; else 0.
    context: tokens of the context that the method takes up before any input; cut: input tokens that did not fit.
    loading: seconds it took before that to have the method's weights, next to none where they are in memory.
    strength, layers: of a prefix; layers as people count them, "5-12", or "" for all.
    scores: metric -> 0 to 100 against the references; see `comparison.scored`.
    """

    method: str
    state: State = "waiting"
    text: str = ""
    tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0
    shared: int = 1
    cut: int = 0
    loading: float = 0.0
    trained: int = 0
    kept: int = 0
    bytes: int = 0
    copy: int = 0
    context: int = 0
    base: int = 0
    error: str = ""
    strength: float = 1.0
    layers: str = ""
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0
