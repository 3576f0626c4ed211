"""Where a prefix acts: what it changes at each token of a text, and how much attention goes to it, and to which part.

The share of a head's attention that goes to the prefix is the lambda of He et al. 2022 ("Towards a Unified View",
equation 7). Any words at the start draw much of it, the first position most of all (an attention sink), so a trained
prefix's share counts beyond that of its own start, the same words untrained, at the same positions.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.model.base import Base, encode_input
from prefix_core.model.packed_batch import DistanceBias, Rows
from prefix_core.model.prefix import Prefix, stack
from prefix_core.model.reading import like_keys
from prefix_core.writing.generate import Request

LIKELIEST = 5


class Next(NamedTuple):
    """A token that may come next, as spelled, and its probability."""

    token: str
    probability: float


@dataclass(frozen=True)
class Acts:
    """What a prefix does at T places of a text: before each of its tokens, and behind the last.

    tokens: the T - 1 tokens as `spelled`. divergence: (T,), KL from what comes next without the prefix to what comes
    next with it, in nats. likeliest, without: for each place the likeliest next tokens with and without it. gained:
    (T, P, layers, heads), the share of attention at each of its positions beyond that of its start, which is there,
    too.
    """

    tokens: list[str]
    divergence: Tensor
    likeliest: list[list[Next]]
    without: list[list[Next]]
    gained: Tensor
    start: Tensor

    @property
    def share(self) -> Tensor:
        """(T, layers, heads), gained by the whole prefix but its first position."""
        return self.gained[:, 1:].sum(1)

    @property
    def sink(self) -> Tensor:
        """(T, layers, heads), gained by the first position."""
        return self.gained[:, 0]

    def vectors(self, count: int = 3) -> list[list[tuple[int, float]]]:
        """For each place the positions of the prefix, from 0, that gained most, and what: the mean over all heads."""
        best, positions = self.gained.mean((2, 3)).topk(min(count, self.gained.shape[1]))
        return [list(zip(*row, strict=True)) for row in zip(positions.tolist(), best.tolist(), strict=True)]


@torch.inference_mode()
def where_it_acts(base: Base, request: Request, text: str, start: Prefix) -> Acts:
    """What the request's prefix does in `text`, written for the request's source; start: the prefix before training.

    Without it means hidden, at the same positions (strength 0). One pass of three rows. Raises `InputError` for a
    method without a prefix, an encoder-decoder, a start of another length, an empty text or one that does not fit.
    """
    steered, task = request.steered, request.task
    prefix = steered.prefix
    if steered.method != "prefix" or prefix is None:
        raise InputError(f"{steered.method} has no learned prefix, so there is nothing to see of where one acts")
    if base.begin:
        raise InputError(f"{base.name!r} is an encoder-decoder; where a prefix acts is shown for decoders only")
    if start.length != prefix.length:
        raise InputError(f"the prefix has {prefix.length} positions and its start {start.length}; they must be as many")
    written = base.encode(text)
    if not written:
        raise InputError("the text is empty; give one that the prefix has written")
    given = encode_input(
        base, task.linearize(request.source), task.separator, "", prefix.length, len(written), task.too_long,
        infix=prefix.infix,
    ).tokens  # fmt: skip
    places = torch.arange(len(given) - 1, len(given) + len(written), device=base.device)
    states, shares = _passed(base, request, [*given, *written], [prefix, prefix.acting(0.0), start], places)
    logits = steered.network.logits(states[: 2 * len(places)]).float().log_softmax(-1)
    with_it, without = logits.view(2, len(places), -1)
    return Acts(
        tokens=spelled(base, written),
        divergence=(with_it.exp() * (with_it - without)).sum(-1).clamp(min=0).cpu(),
        likeliest=_likeliest(base, with_it),
        without=_likeliest(base, without),
        gained=(shares[0] - shares[1]).cpu(),
        start=shares[1].cpu(),
    )


def _passed(
    base: Base, request: Request, tokens: list[int], prefixes: list[Prefix], places: Tensor
) -> tuple[Tensor, Tensor]:
    """The same tokens behind each prefix: the states at `places`, row after row, (rows * T, hidden); and the shares of
    attention on the first and the last prefix, (2, T, P, layers, heads)."""
    network, count = request.steered.network, len(tokens)
    stacked = stack(prefixes, base.shape, like_keys(network))
    rows = Rows([count] * len(prefixes), stacked)
    ends = torch.tensor([0, len(prefixes) - 1], device=base.device)
    shares: list[Tensor] = []  # layer after layer: (2, T, P, heads)

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor, bias: DistanceBias | None = None) -> Tensor:
        asking = rows.pad(q)[ends][:, places].transpose(1, 2)  # (2, heads, T, head_dim)
        keys = torch.cat([stacked.keys[layer], rows.pad(k)], 1)[ends].transpose(1, 2)
        keys = keys.repeat_interleave(asking.shape[1] // keys.shape[1], 1)
        mask = rows.shifted(rows.with_bias(rows.mask, bias, count), layer, rows.used)
        assert mask is not None
        scores = asking @ keys.transpose(2, 3) * q.shape[-1] ** -0.5
        scores = scores + mask[ends][:, :, places]
        shares.append(scores.float().softmax(-1)[..., : prefixes[0].length].permute(0, 2, 3, 1))
        return rows(layer, q, k, v, bias)

    keep = torch.cat([places + row * count for row in range(len(prefixes))])
    packed = torch.tensor(tokens * len(prefixes), device=base.device)
    states = network.hidden(packed, rows.positions, attend, keep)
    return states, torch.stack(shares, 3)


def spelled(base: Base, tokens: list[int]) -> list[str]:
    """The tokens as they stand in their text: of a character that several share, all but the last have nothing."""
    ends = [len(base.decode(tokens[:count]).rstrip("�")) for count in range(len(tokens))]
    text = base.decode(tokens)
    return [text[start:end] for start, end in zip(ends, [*ends[1:], len(text)], strict=True)]


def _likeliest(base: Base, logits: Tensor) -> list[list[Next]]:
    """For each row of log-probabilities the likeliest tokens, the likeliest first."""
    best, tokens = logits.topk(LIKELIEST)
    return [
        [Next(base.decode([token]), chance) for token, chance in zip(*row, strict=True)]
        for row in zip(tokens.tolist(), best.exp().tolist(), strict=True)
    ]


def to_json(acts: Acts, by_head: bool = False) -> list[dict[str, Any]]:
    """A place after another: the token there (None behind the last), what changes, and where the attention goes.

    share, sink: gained beyond the start's, mean over the heads, a number a layer; by_head: a list of the heads a layer
    instead. vectors: positions, from 1, and what they gained.
    """

    def by_layer(shares: Tensor) -> Any:
        return _rounded(shares.tolist(), 3) if by_head else _rounded(shares.mean(-1).tolist())

    return [
        {
            "token": token,
            "divergence": _rounded(float(acts.divergence[place])),
            "next": [next_._asdict() for next_ in acts.likeliest[place]],
            "next_without": [next_._asdict() for next_ in acts.without[place]],
            "share": by_layer(acts.share[place]),
            "sink": by_layer(acts.sink[place]),
            "vectors": [{"vector": vector + 1, "gained": _rounded(gained)} for vector, gained in vectors],
        }
        for place, (token, vectors) in enumerate(zip([*acts.tokens, None], acts.vectors(), strict=True))
    ]


def _rounded(numbers: Any, digits: int = 4) -> Any:
    return [_rounded(number, digits) for number in numbers] if isinstance(numbers, list) else round(numbers, digits)
