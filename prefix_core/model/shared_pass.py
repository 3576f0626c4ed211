"""Rows of several methods in one pass: what they share of the frozen network is run once for all of them.

Rows behind a prefix or a prompt run on the frozen network itself. Adapters are bottlenecks behind its products, and
FT-top2 replaces its two top layers: up to where they differ, their rows go through the same matrices, which are read
once. (Li & Liang 2021, section 8.1, for prefixes; here for every method that leaves the lower network as it is.)
"""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from prefix_core.model.base import AnyNetwork
from prefix_core.model.network import Attend, Bottleneck, Layer, Network, Turns


def shared_key(network: AnyNetwork) -> tuple[int, ...]:
    """Equal for networks whose rows can go through one pass: those that differ in their layers alone."""
    if not isinstance(network, Network):
        return (id(network),)
    return id(network.tokens), id(network.norm), id(network.head)


def one_pass(networks: Sequence[AnyNetwork], lengths: Sequence[int]) -> "AnyNetwork | SharedPass":
    """The network that runs packed rows of these lengths, each row on its own network; equal ones side by side."""
    runs = [list(some) for _, some in groupby(networks, key=id)]
    if len(runs) == 1:
        return networks[0]
    tokens, start = [], 0
    for some in runs:
        tokens.append(sum(lengths[start : start + len(some)]))
        start += len(some)
    parts = [some[0] for some in runs if isinstance(some[0], Network)]
    assert len(parts) == len(runs), "only packed decoders share a pass"
    return SharedPass(tuple(parts), tuple(tokens), tuple(map(len, runs)))


class SharedPass(NamedTuple):
    """Run as a `Network`. networks: in the order of their rows; tokens, rows: how many each has of them."""

    networks: tuple[Network, ...]
    tokens: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype:
        return self.networks[0].dtype

    @property
    def device(self) -> torch.device:
        return self.networks[0].device

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend, keep: Tensor | None = None) -> Tensor:
        """As in `Network`; keep: one token a row."""
        first, sizes = self.networks[0], self.tokens
        x = first.positions.add(first.embed(tokens), positions)
        turns = first.positions.turns(positions)
        for index in range(len(first.layers)):
            layers = [network.layers[index] for network in self.networks]
            y = attend(index, *self.queries_keys_values(layers, sizes, x, turns))
            if keep is not None and index == len(first.layers) - 1:
                x, y, sizes = x[keep], y[keep], self.rows
            parts = [
                after_attention([layers[place] for place in places], [sizes[place] for place in places], *some)
                for places, some in divided(layers, sizes, x, y)
            ]
            x = parts[0] if len(parts) == 1 else torch.cat(parts)
        return first.norm(x)

    def queries_keys_values(
        self, layers: Sequence[Layer], sizes: Sequence[int], x: Tensor, turns: Turns
    ) -> tuple[Tensor, Tensor, Tensor]:
        heads, kv_heads = self.networks[0].heads, self.networks[0].kv_heads
        found = []
        for places, (some, *angles) in divided(layers, sizes, x, *(turns or ())):
            turned = (angles[0], angles[1]) if angles else None
            found.append(layers[places[0]].queries_keys_values(some, heads, kv_heads, turned))
        if len(found) == 1:
            return found[0]
        q, k, v = (torch.cat(parts) for parts in zip(*found, strict=True))
        return q, k, v

    def logits(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, vocabulary)."""
        return self.networks[0].logits(hidden)


def divided(layers: Sequence[Layer], sizes: Sequence[int], *tensors: Tensor) -> list[tuple[range, list[Tensor]]]:
    """The places of neighbours whose layers have the same matrices, each with its part of the tensors' rows."""
    found, place, start = [], 0, 0
    for _, some in groupby(layers, key=lambda layer: id(layer.qkv)):
        count = len(list(some))
        places = range(place, place + count)
        stop = start + sum(sizes[place] for place in places)
        found.append((places, [tensor[start:stop] for tensor in tensors]))
        place, start = place + count, stop
    return found


def after_attention(layers: Sequence[Layer], sizes: Sequence[int], x: Tensor, y: Tensor) -> Tensor:
    """As in `Layer`, of layers that differ in their adapters alone, each for its rows."""
    shared = layers[0]
    x = x + adapted(shared.out(y), [layer.adapter_1 for layer in layers], sizes)
    return x + adapted(shared.mlp(shared.norm_2(x)), [layer.adapter_2 for layer in layers], sizes)


def adapted(y: Tensor, adapters: Sequence[Bottleneck | None], sizes: Sequence[int]) -> Tensor:
    """Each adapter on its rows of y, (n, hidden)."""
    if not any(adapters):
        return y
    parts = y.split([*sizes])
    return torch.cat(
        [part if adapter is None else adapter(part) for part, adapter in zip(parts, adapters, strict=True)]
    )
