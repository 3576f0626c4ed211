"""Rows of an encoder-decoder: each target row looks at its own source, and all three attentions have a prefix.

The paper's prefixes for BART (Li & Liang 2021, section 4.1): encoder self-attention, cross-attention and decoder
self-attention. A `Prefix` holds them along its first dimension, in the order of `Shape.sites`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prefix_core.model.base import Shape
from prefix_core.model.packed_batch import NEVER, DistanceBias, Rows, attention
from prefix_core.model.prefix import StackedPrefix


class SourceRows(Rows):
    """Rows that the encoder reads: every token sees its whole row. Positions count from 0; a prefix shifts none."""

    causal = False

    def __init__(self, lengths: Sequence[int], prefix: StackedPrefix) -> None:
        super().__init__(lengths, prefix)
        size = torch.tensor(lengths, device=self.positions.device)
        self.positions = self.positions - prefix.lengths.repeat_interleave(size)

    def _causal_mask(self, dtype: torch.dtype) -> Tensor:
        """(B, 1, T, P + T): nothing is causal here, only pads are hidden."""
        hidden = torch.zeros(self.visible.shape, dtype=dtype, device=self.visible.device)
        return hidden.masked_fill_(~self.visible, NEVER)[:, None, None].expand(-1, 1, self.longest, -1)


class TargetRows(Rows):
    """Rows that the decoder writes, each beside its row of `sources`.

    Layers of `shape.sites["cross"]` are cross-attention: their keys and values come from the sources, once.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        sources: SourceRows,
        prefix: StackedPrefix,
        shape: Shape,
        room: int = 0,
        branches: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(lengths, prefix, room, branches)
        self.sources = sources
        self.cross = shape.sites["cross"]
        self.source_mask = sources.mask[:, :, :1]  # (B, 1, 1, P + S)
        self.seen: dict[int, tuple[Tensor, Tensor]] = {}  # by layer: keys, values (B, kv_heads, P + S, head_dim)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: DistanceBias | None = None) -> Tensor:
        """As in `Rows`; in cross-attention k and v are those of the packed source tokens."""
        if layer not in self.cross:
            return super().__call__(layer, q, k, v, bias)
        keys = torch.cat([self.prefix.keys[layer], self.sources.pad(k)], 1).transpose(1, 2)
        values = torch.cat([self.prefix.values[layer], self.sources.pad(v)], 1).transpose(1, 2)
        if self.room:
            self.seen[layer] = keys, values
        mask = self.shifted(self.source_mask, layer, keys.shape[2])
        out = attention(self.pad(q).transpose(1, 2), keys, values, mask)
        return self.pack(out)

    def step(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: DistanceBias | None = None) -> Tensor:
        """As in `Rows`; in cross-attention k and v are ignored: those of the sources are cached."""
        if layer not in self.cross:
            return super().step(layer, q, k, v, bias)
        keys, values = self.seen[layer]
        out = attention(q[:, :, None], keys, values, self.shifted(self.source_mask, layer, keys.shape[2]))
        return out.flatten(1)

    def keep(self, rows: Tensor) -> None:
        super().keep(rows)
        self.source_mask = self.source_mask[rows]
        self.seen = {layer: (keys[rows], values[rows]) for layer, (keys, values) in self.seen.items()}
