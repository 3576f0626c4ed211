"""Prefix-Tuning: Optimizing Continuous Prompts for Generation (Li & Liang 2021, https://arxiv.org/abs/2101.00190).

The base stays frozen; keys and values before the input are learned, through an MLP that is dropped afterwards. The
paper's ablations of it are settings (`Settings.variant`), and kept as prefixes are. Training is repeatable, so where a
prefix began follows from the settings on its card; the steps between are known only where the training noted them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from prefix_core.errors import ArtifactError, InputError
from prefix_core.methods.method import Adaptation, Steered, count
from prefix_core.methods.prefix_encoder import (
    EmbeddingEncoder,
    PrefixEncoder,
    learning_layers,
    parameters_trained,
    units_of,
)
from prefix_core.methods.settings import Settings
from prefix_core.methods.start import beginning, length_of, start_words, word_start
from prefix_core.model.base import AnyNetwork, Base
from prefix_core.model.lower_layers import LowerLayers
from prefix_core.model.network import Network, as_stored
from prefix_core.model.prefix import Prefix

PREFIX, INFIX = ("keys", "values"), ("infix_keys", "infix_values")  # the names they are kept under
# With more, what one layer hands to the next leaves the processor's caches. Where matrices learn, too, each part of a
# batch would add to their gradients, which costs more than that.
AT_ONCE = 384
AT_ONCE_LEAN = {"bf16": 192, "fp32": 128}  # a tenth to a third less memory, a tenth to a fifth more time
SOME_WORDS = "the of and"


class PrefixTuning(Adaptation):
    method = "prefix"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        generator = torch.Generator().manual_seed(settings.seed)
        length, words = length_of(base, settings), settings.initial_words
        if length >= base.shape.positions:
            raise InputError(
                f"a prefix of {length} leaves no room for an input: this base has a context of {base.shape.positions}"
            )
        if base.begin and settings.variant != "prefix":
            raise InputError(
                f"the {settings.variant} variant is for decoders: in {base.name!r}, an encoder-decoder, nothing lies "
                "between input and output, and what the encoder makes of an embedding depends on the input"
            )
        self.prefix_length, self.infix = length, settings.variant == "infix"
        if base.device.type == "cpu":
            self.at_once = AT_ONCE_LEAN[settings.precision] if base.lean else AT_ONCE
        first = 0
        self.encoder: EmbeddingEncoder | PrefixEncoder
        if settings.variant == "embedding":
            self.encoder = EmbeddingEncoder(base, words, length, generator)
        else:
            shape = base.shape
            start = beginning(base, settings, length, generator)
            # a random start has no size to go by: that of some words' activations is taken
            read = words or settings.demonstrations
            units = units_of(start if read else word_start(base, SOME_WORDS, length, self.infix)).cpu()
            learns = learning_layers(shape, settings.layers)
            self.encoder = PrefixEncoder(start.cpu(), shape, settings.mlp_width, generator, units, learns)
            self.encoder.to(base.device)
            first = int(learns.int().argmax())
        if first and isinstance(base.network, Network):
            self.below = LowerLayers(first)
            self._network: AnyNetwork = self._from_layer(base.network, first)
        else:
            self._network = self.multiplied(base.network)

    def _from_layer(self, network: Network, first: int) -> Network:
        """The network with its layers from `first` upwards as they are trained through; those below are run once."""
        upper = self.multiplied(network._replace(layers=network.layers[first:]))
        return upper._replace(layers=(*as_stored(network).layers[:first], *upper.layers))

    def network(self) -> AnyNetwork:
        return self._network

    def prefix(self) -> Prefix:
        prefix: Prefix = self.encoder()
        return replace(prefix, infix=self.infix)

    @torch.no_grad()
    def kept(self) -> dict[str, Tensor]:
        prefix = self.prefix()
        parts = (prefix.keys.detach().clone().float(), prefix.values.detach().clone().float())
        return dict(zip(INFIX if self.infix else PREFIX, parts, strict=True))


def start(base: Base, settings: Settings) -> PrefixTuning:
    return PrefixTuning(base, settings)


@torch.no_grad()
def start_of(base: Base, settings: Settings) -> Prefix:
    """The prefix at step 0 of a training with these settings."""
    return PrefixTuning(base, replace(settings, precision="fp32")).prefix()  # where nothing is trained, bf16 is no gain


def steer_from_start(base: Base, settings: Settings) -> Steered:
    """The base steered by the prefix at step 0."""
    prefix = start_of(base, settings)
    return steer(base, {"keys": prefix.keys, "values": prefix.values})


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained (with the MLP) and kept, before anything is trained."""
    length = length_of(base, settings)
    kept = base.shape.prefix_parameters(length)
    if settings.variant == "embedding":
        return length * base.network.tokens.shape[1], kept
    return parameters_trained(base.shape, length, settings.mlp_width, settings.layers), kept


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not a prefix for this base."""
    names = INFIX if set(kept) == set(INFIX) else PREFIX
    if set(kept) != set(names):
        raise ArtifactError(f"a prefix holds keys and values; this holds {', '.join(sorted(kept)) or 'nothing'}")
    keys, values = (kept[name].float() for name in names)
    prefix = Prefix(keys, values, infix=names == INFIX).check(base.shape)
    return Steered("prefix", base.writer, prefix, kept=count(kept))


@dataclass(frozen=True)
class History:
    """Where a prefix comes from. words: the token that each position began as, as spelled; none for a random start.

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
