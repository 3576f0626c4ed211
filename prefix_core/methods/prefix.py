"""Prefix-Tuning: Optimizing Continuous Prompts for Generation (Li & Liang 2021, https://arxiv.org/abs/2101.00190).

The base stays frozen; keys and values before the input are learned, through an MLP that is dropped afterwards.
"""

import torch
from torch import Tensor

from prefix_core.base import AnyNetwork, Base
from prefix_core.errors import ArtifactError, InputError
from prefix_core.methods.method import Adaptation, Steered, count
from prefix_core.prefix import Prefix
from prefix_core.prefix_encoder import PrefixEncoder, parameters_trained, random_start, word_start
from prefix_core.settings import Settings


class PrefixTuning(Adaptation):
    method = "prefix"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        generator = torch.Generator().manual_seed(settings.seed)
        length, words = settings.prefix_length, settings.initial_words
        if length >= base.shape.positions:
            raise InputError(
                f"a prefix of {length} leaves no room for an input: this base has a context of {base.shape.positions}"
            )
        self.prefix_length = length
        start = word_start(base, words, length) if words else random_start(base.shape, length, generator)
        self.encoder = PrefixEncoder(start.cpu(), base.shape, settings.mlp_width, generator).to(base.device)
        self._network = self.multiplied(base.network)

    def network(self) -> AnyNetwork:
        return self._network

    def prefix(self) -> Prefix:
        return self.encoder()

    @torch.no_grad()
    def kept(self) -> dict[str, Tensor]:
        prefix = self.encoder()
        return {"keys": prefix.keys.detach().clone(), "values": prefix.values.detach().clone()}


def start(base: Base, settings: Settings) -> PrefixTuning:
    return PrefixTuning(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained (with the MLP) and kept, before anything is trained."""
    length = settings.prefix_length
    return parameters_trained(base.shape, length, settings.mlp_width), base.shape.prefix_parameters(length)


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not a prefix for this base."""
    if set(kept) != {"keys", "values"}:
        raise ArtifactError(f"a prefix holds keys and values; this holds {', '.join(sorted(kept)) or 'nothing'}")
    prefix = Prefix(kept["keys"].float(), kept["values"].float()).check(base.shape)
    return Steered("prefix", base.writer, prefix, kept=count(kept))
