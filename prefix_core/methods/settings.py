"""How a method is trained: one small set of settings, the paper's, and the defaults chosen by a sweep."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import Any

from prefix_core.errors import InputError

LARGEST_SEED = 2**31 - 1
PRECISIONS = ("fp32", "bf16")
VARIANTS = ("prefix", "infix", "embedding")
LAYERS = {"all": (0, 1), "upper half": (1 / 2, 1), "upper third": (2 / 3, 1), "lower half": (0, 1 / 2)}  # from, to


@dataclass(frozen=True)
class Settings:
    """steps: optimizer steps (None: as many as `epochs` take, and no fewer than `least_steps`).

    batch: target texts a step. together: how many texts of one input come in one batch, where it has so many: the
    input is run once for them. learning_rate: its peak.
    accumulate: in how many parts, one after another, a batch goes through the network: less memory, the same step.
    warmup: share of the steps in which the rate rises; after that it falls linearly to zero.
    variant: a "prefix", or one of the paper's ablations (sections 7.2, 7.3): an "infix" between input and output, or
    the "embedding" of a prefix alone, whose keys and values are what the base makes of it (trained without an MLP).
    layers: in which of LAYERS a prefix is trained; in the others it stays the activations of the initial words.
    mlp_width: units of the reparameterization, None to train the prefix itself. initial_words: "" for a random start.
    demonstrations: examples written out, each an input with its text, that the start reads behind the initial words;
    the prefix is then as long as all of it, whatever `prefix_length` says (see `methods/start.py`).
    adapter_share: of the base's parameters. patience: held-out measurements without a new best before stopping.
    precision: "fp32", or "bf16" for matrix products and attention in bf16, where the processor multiplies it; what is
    trained, its gradients and optimizer, what is added up, and the loss stay in fp32.
    """

    epochs: float = 10.0
    steps: int | None = None
    least_steps: int = 1
    batch: int = 5
    together: int = 1
    accumulate: int = 1
    learning_rate: float = 5e-5
    warmup: float = 0.0
    weight_decay: float = 0.0
    clip: float = 1.0
    seed: int = 0
    variant: str = "prefix"
    layers: str = "all"
    prefix_length: int = 10
    mlp_width: int | None = 512
    initial_words: str = ""
    demonstrations: tuple[str, ...] = ()
    adapter_share: float = 0.03
    patience: int | None = None
    precision: str = "fp32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "demonstrations", tuple(self.demonstrations))  # JSON knows lists alone
        positive = "epochs batch together accumulate learning_rate clip prefix_length adapter_share least_steps"
        for name in positive.split():
            if not 0 < getattr(self, name) < inf:
                raise InputError(f"setting {name} is {getattr(self, name)}; it must be a number greater than 0")
        if self.variant not in VARIANTS:
            raise InputError(f"setting variant is {self.variant!r}; choose one of {', '.join(VARIANTS)}")
        if self.layers not in LAYERS or (self.layers != "all" and self.variant == "embedding"):
            raise InputError(
                f"setting layers is {self.layers!r}; choose one of {', '.join(LAYERS)}; an embedding has all"
            )
        if self.demonstrations and self.variant != "prefix":
            raise InputError(f"demonstrations begin a prefix; setting variant is {self.variant!r}: leave one out")
        for name in ("steps", "mlp_width", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"setting {name} is {value}; it must be at least 1")
        if self.precision not in PRECISIONS:
            raise InputError(f"setting precision is {self.precision!r}; choose one of {', '.join(PRECISIONS)}")
        if not (0 <= self.warmup <= 1 and 0 <= self.weight_decay < inf and 0 <= self.seed <= LARGEST_SEED):
            raise InputError(
                f"warmup must be from 0 to 1, weight_decay 0 or more, and seed from 0 to {LARGEST_SEED}; they are "
                f"{self.warmup}, {self.weight_decay} and {self.seed}"
            )

    def steps_for(self, texts: int) -> int:
        """Optimizer steps on so many target texts."""
        return self.steps or max(self.least_steps, round(self.epochs * texts / min(self.batch, texts)))

    def replaced(self, **changes: Any) -> "Settings":
        """These settings with the given ones changed; None means unchanged."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


def chosen(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the paper's settings, which are `Settings()`: by this, trainings of the same kind are known.

    A setting that is new here stands in no older card, and is none of theirs; so it does not make them another kind.
    """
    plain: dict[str, Any] = json.loads(json.dumps(asdict(Settings())))
    given: dict[str, Any] = json.loads(json.dumps(dict(settings)))
    return {name: value for name, value in given.items() if name not in plain or value != plain[name]}


# The paper's table-to-text settings (appendix A): AdamW, linear schedule, 10 epochs, batch 5, 5e-5, P = 10, MLP 512.
PAPER = Settings()

# Chosen by `sweep` on the default base (assets/evidence/sweep.json). A prefix is trained without the MLP, at a rate in
# units of the size of each layer's keys and values; 11 tokens of it are 0.1% of that base.
_TUNED = Settings(epochs=3.0, least_steps=40, batch=8, together=4, warmup=0.1)
TUNED: dict[str, Settings] = {
    "prefix": replace(_TUNED, learning_rate=0.03, prefix_length=11, mlp_width=None),
    "fine_tune": replace(_TUNED, learning_rate=1e-4),
    "top_layers": replace(_TUNED, learning_rate=1e-3),
    "adapter": replace(_TUNED, learning_rate=3e-3),
}
MLP_RATE = 1e-3  # of a prefix that is trained through the MLP
MLP_WIDTH = 512  # the paper's


def defaults(method: str, initial_words: str) -> Settings:
    """The settings a method is trained with when none are chosen: those tuned on the default base.

    A base that was never swept takes them, too, rather than the paper's, which were never tried on such a base either.
    """
    return replace(TUNED[method], initial_words=initial_words)


def through_mlp(settings: Settings, width: int | None) -> Settings:
    """These settings of a prefix with an MLP of that width, or None; at a rate for it where there was none before."""
    rate = MLP_RATE if width is not None and settings.mlp_width is None else settings.learning_rate
    return replace(settings, mlp_width=width, learning_rate=rate)
