"""Rows of several methods and several searches in one pass: what they share of the frozen network is run once.

Rows behind a prefix or a prompt run on the frozen network itself. Adapters are bottlenecks behind its products, and
FT-top2 replaces its two top layers: up to where they differ, their rows go through the same matrices, which are read
once. (Li & Liang 2021, section 8.1, for prefixes; here for every method that leaves the lower network as it is.)

The next tokens of some texts and chunks of inputs that are still being prefilled go through together, too; only
attention is each search's own (as in Agrawal et al. 2023, https://arxiv.org/abs/2308.16369).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from prefix_core.model.base import AnyNetwork
from prefix_core.model.modules import ModuleNetwork
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


@dataclass(frozen=True)
class Part:
    """What one search has to run next: rows of tokens, packed one after another, N in all.

    networks, lengths: each row's network, and how many tokens it has here (perhaps none). tokens, positions: (N,).
    attend: the attention of these tokens, in this order. sources: what an encoder made of the inputs.
    """

    networks: Sequence[AnyNetwork]
    lengths: Sequence[int]
    tokens: Sequence[int]
    positions: Tensor
    attend: Callable[..., Tensor]
    sources: Tensor | None = None


def run(parts: Sequence[Part]) -> list[Tensor]:
    """Run all parts in one pass; returns of each part the logits after the last token of every row that has any.

    Their networks must be such as can share a pass: see `shared_key`. An encoder-decoder's part runs alone.
    """
    if isinstance(parts[0].networks[0], ModuleNetwork):
        return [_run_modules(part) for part in parts]
    device = parts[0].positions.device
    starts = [0, *accumulate(sum(part.lengths) for part in parts)]
    rows = [(network, number) for number, part in enumerate(parts) for network in part.networks]
    spans = _spans(parts)
    order = sorted((row for row in range(len(rows)) if len(spans[row])), key=_side_by_side([net for net, _ in rows]))
    joint = [place for row in order for place in spans[row]]  # in the pass -> among all parts' tokens
    network = one_pass([rows[row][0] for row in order], [len(spans[row]) for row in order])
    tokens = torch.tensor([token for part in parts for token in part.tokens], device=device)
    positions = torch.cat([part.positions for part in parts])
    attend = parts[0].attend
    if len(parts) > 1 or joint != list(range(len(joint))):
        there = torch.tensor(joint, device=device)
        tokens, positions = tokens[there], positions[there]
        attend = _divided([part.attend for part in parts], starts, there)
    ends = [end - 1 for end in accumulate(len(spans[row]) for row in order)]
    keep = None if len(ends) == len(joint) else torch.tensor(ends, device=device)
    logits = network.logits(network.hidden(tokens, positions, attend, keep))
    if len(parts) == 1 and order == sorted(order):
        return [logits]
    place = {row: index for index, row in enumerate(order)}
    owned: list[list[int]] = [[] for _ in parts]
    for row in sorted(order):
        owned[rows[row][1]].append(place[row])
    return [logits[torch.tensor(some, device=device)] for some in owned]


def _run_modules(part: Part) -> Tensor:
    network = part.networks[0]
    assert isinstance(network, ModuleNetwork)
    tokens = torch.tensor(part.tokens, device=part.positions.device)
    ends = torch.tensor(part.lengths, device=part.positions.device).cumsum(0) - 1
    return network.logits(network.hidden(tokens, part.positions, part.attend, ends, part.sources))


def _spans(parts: Sequence[Part]) -> list[range]:
    """For each row of all parts, which of all parts' tokens are its own."""
    ends = list(accumulate(length for part in parts for length in part.lengths))
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _side_by_side(networks: Sequence[AnyNetwork]) -> Callable[[int], tuple[int, int]]:
    """What rows are sorted by, so that equal networks are side by side, and so are those with the same top layer."""
    first: dict[int, int] = {}
    keys = []
    for network in networks:
        assert isinstance(network, Network)
        top = first.setdefault(id(network.layers[-1].qkv), len(first))
        keys.append((top, first.setdefault(id(network), len(first))))
    return keys.__getitem__


def _divided(attends: Sequence[Callable[..., Tensor]], starts: Sequence[int], joint: Tensor) -> Callable[..., Tensor]:
    """The attention of a pass: each part's own, of its tokens. joint: in the pass -> among all parts' tokens."""
    back = torch.empty_like(joint)
    back[joint] = torch.arange(len(joint), device=joint.device)
    places = [back[start:stop] for start, stop in pairwise(starts)]

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        outs = [of(layer, q[own], k[own], v[own]) for of, own in zip(attends, places, strict=True)]
        return torch.cat(outs)[joint]

    return attend
