"""A prefix: learned keys and values that every layer's attention sees before the input (Li & Liang 2021, section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefix_core.errors import ArtifactError
from prefix_core.model.base import Shape


@dataclass(frozen=True)
class Prefix:
    """keys, values: (layers, P, kv_heads, head_dim), one a layer of the decoder's self-attention.

    Of an encoder-decoder three kinds of layers, one after another: see `Shape.sites`.
    infix: it stands behind the input instead (section 7.3): only the input's last token, which says the output's first,
    and the output see it, and their positions count it.
    """

    keys: Tensor
    values: Tensor
    infix: bool = False

    @property
    def length(self) -> int:
        """P, in tokens of context."""
        return self.keys.shape[1]

    @property
    def parameters(self) -> int:
        return self.keys.numel() + self.values.numel()

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
    """

    keys: Tensor
    values: Tensor
    mask: Tensor
    lengths: Tensor
    infix: Tensor


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
    return StackedPrefix(keys, values, mask, torch.tensor(lengths, device=device), infix)
