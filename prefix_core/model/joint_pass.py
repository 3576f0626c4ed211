"""One pass through the network for several searches, each with rows and caches of its own.

The next tokens of some texts and chunks of inputs that are still being prefilled go through the frozen matrices
together; only attention is each search's own. (Li & Liang 2021, section 8.1; chunks of inputs beside others' tokens as
in Agrawal et al. 2023, https://arxiv.org/abs/2308.16369.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from prefix_core.model.base import AnyNetwork
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.network import Network
from prefix_core.model.shared_pass import one_pass


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
