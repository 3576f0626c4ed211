"""How a method is trained: one small set of settings, the paper's, and the defaults found for a small base."""

from dataclasses import dataclass, fields, replace
from typing import Any

from prefix_core.errors import InputError


@dataclass(frozen=True)
class Settings:
    """steps: optimizer steps (None: as many as `epochs` take). batch: target texts a step. learning_rate: its peak.

    warmup: share of the steps in which the rate rises; after it falls to zero in a straight line.
    mlp_width: units of the reparameterization, None to train the prefix itself. initial_words: "" for a random start.
    adapter_share: of the base's parameters. patience: held-out measurements without a new best before stopping.
    """

    epochs: float = 10.0
    steps: int | None = None
    batch: int = 5
    learning_rate: float = 5e-5
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 0
    prefix_length: int = 10
    mlp_width: int | None = 512
    initial_words: str = ""
    adapter_share: float = 0.03
    patience: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "learning_rate", "clip", "prefix_length", "adapter_share"):
            if not getattr(self, name) > 0:
                raise InputError(f"setting {name} is {getattr(self, name)}; it must be greater than 0")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"setting steps is {self.steps}; it must be at least 1")

    def replaced(self, **changes: Any) -> "Settings":
        """These settings with the given ones changed; None means unchanged."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


# The paper's table-to-text settings (appendix A): AdamW, linear schedule, 10 epochs, batch 5, 5e-5, P = 10, MLP 512.
PAPER = Settings()

# A base of some millions of parameters needs higher rates and longer prefixes than GPT-2 medium.
# Each value is the best of the sweep in assets/evidence/sweep.json.
_SMALL = Settings(epochs=3.0, batch=16, warmup=0.05, initial_words="table-to-text:")
SMALL: dict[str, Settings] = {
    "prefix": replace(_SMALL, learning_rate=5e-3, prefix_length=50),
    "fine_tune": replace(_SMALL, learning_rate=2e-3),
    "top_layers": replace(_SMALL, learning_rate=5e-3),
    "adapter": replace(_SMALL, learning_rate=5e-3),
}
SMALL_BASE = 60_000_000  # parameters


def defaults(method: str, base_parameters: int) -> Settings:
    """The settings a method is trained with on a base of that size when none are chosen."""
    return SMALL[method] if base_parameters < SMALL_BASE else PAPER


def as_dict(settings: Settings) -> dict[str, Any]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}
