"""A prefix: learned keys and values that every layer's attention sees before the input (Li & Liang 2021, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, log

import torch
from torch import Tensor

from prefix_core.errors import ArtifactError, InputError
from prefix_core.model.base import Shape


@dataclass(frozen=True)
class Prefix:
    """keys, values: (layers, P, kv_heads, head_dim), one a layer of the decoder's self-attention.

    Of an encoder-decoder three kinds of layers, one after another: see `Shape.sites`.
    infix: it stands behind the input instead (section 7.3): only the input's last token, which says the output's first,
    and the output see it, and their positions count it.
    strength: how much it counts beside the tokens: log(strength) is added to the scores of its positions, so that 1
    leaves it as it was learned, and 0 hides it. span: the layers it acts in, from 0; None for all; in the others it is
    hidden. A hidden prefix still takes up its positions, and nothing stands there, not even the token that begins a
    text.
    """

    keys: Tensor
    values: Tensor
    infix: bool = False
    strength: float = 1.0
    span: range | None = None

    @property
    def length(self) -> int:
        """P, in tokens of context."""
        return self.keys.shape[1]

    @property
    def parameters(self) -> int:
        return self.keys.numel() + self.values.numel()

    def acting(self, strength: float, span: range | None = None) -> "Prefix":
        """The same, of another strength, in all layers or some. Raises `InputError` if there are none such."""
        if not 0 <= strength < inf:
            raise InputError(f"the strength is {strength}; it must be 0 or more: 0 hides the prefix, 1 is as learned")
        layers = len(self.keys)
        if span is not None and not 0 <= span.start < span.stop <= layers:
            raise InputError(
                f"layers {span.start + 1} to {span.stop} were asked for; the prefix has layers 1 to {layers}"
            )
        return replace(self, strength=strength, span=span)

    def shift(self) -> list[float]:
        """What is added to the scores of its positions, a number a layer."""
        added = log(self.strength) if self.strength else -inf
        return [-inf if self.span is not None and layer not in self.span else added for layer in range(len(self.keys))]

    def check(self, shape: Shape) -> "Prefix":
        """This prefix, if it fits a base of `shape`; raises `ArtifactError` saying what differs."""
        wanted = (shape.prefix_layers, self.length, shape.kv_heads, shape.head_dim)
        for name, tensor in (("keys", self.keys), ("values", self.values)):
            if tuple(tensor.shape) != wanted:
                raise ArtifactError(
                    f"the prefix's {name} have shape {tuple(tensor.shape)}; this base needs {wanted} "
                    "(layers, prefix length, kv heads, head size)"
                )
        if self.length >= shape.positions:
            raise ArtifactError(f"a prefix of {self.length} leaves no room in a context of {shape.positions} tokens")
        return self


@dataclass(frozen=True)
class StackedPrefix:
    """The prefixes of a batch, one a row. Pads lie on the left, so that every prefix ends where the input starts.

    keys, values: (layers, B, P_max, kv_heads, head_dim); mask: (B, P_max), True where a prefix is;
    lengths: (B,), also the position of each row's first input token, but of an infix; infix: (B,), whether it is one.
    shift: (layers, B, P_max), what is added to the scores; None where every prefix is as it was learned.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor
    lengths: Tensor
    infix: Tensor
    shift: Tensor | None = None


def stack(prefixes: Sequence[Prefix | None], shape: Shape, like: Tensor) -> StackedPrefix:
    """Stack prefixes of any lengths, None for a row without one, with `like`'s device and dtype.

    Rows that hold the very same `Prefix` share its memory when no other is in the batch (training).
    """
    lengths = [0 if prefix is None else prefix.length for prefix in prefixes]
    rows, longest, first = len(prefixes), max(lengths), prefixes[0]
    mask = torch.tensor([[slot >= longest - length for slot in range(longest)] for length in lengths], dtype=torch.bool)
    if first is not None and all(prefix is first for prefix in prefixes):
        keys, values = (tensor.to(like)[:, None].expand(-1, rows, -1, -1, -1) for tensor in (first.keys, first.values))
    else:
        size = (shape.prefix_layers, rows, longest, shape.kv_heads, shape.head_dim)
        keys, values = like.new_zeros(size), like.new_zeros(size)
        for row, prefix in enumerate(prefixes):
            if prefix is not None:
                keys[:, row, longest - prefix.length :] = prefix.keys.to(like)
                values[:, row, longest - prefix.length :] = prefix.values.to(like)
    device = like.device
    infix = torch.tensor([prefix is not None and prefix.infix for prefix in prefixes], device=device)
    mask = mask.reshape(rows, longest).to(device)
    return StackedPrefix(keys, values, mask, torch.tensor(lengths, device=device), infix, _shifts(prefixes, keys))


def _shifts(prefixes: Sequence[Prefix | None], keys: Tensor) -> Tensor | None:
    added = [None if prefix is None else prefix.shift() for prefix in prefixes]
    if not any(shift and any(shift) for shift in added):
        return None
    layers, longest = keys.shape[0], keys.shape[2]
    by_row = keys.new_tensor([shift or [0.0] * layers for shift in added])
    return by_row.t()[:, :, None].expand(-1, -1, longest)
