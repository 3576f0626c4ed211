"""The forward pass: inputs, and what is written of each so far, go through a network behind their prefixes.

A decoder sees an input and its output in one row; an encoder-decoder reads the input apart, and its output starts from
tokens of its own. Who trains or writes need not know which it is. The paper's prefixes for BART (Li & Liang 2021,
section 4.1) stand in its encoder's self-attention, in cross-attention and in its decoder's self-attention: a `Prefix`
holds them along its first dimension, in the order of `Shape.sites`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from prefix_core.model.base import AnyNetwork, Base, Shape
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.packed_batch import NEVER, DistanceBias, Rows, attention, rounded
from prefix_core.model.prefix import Prefix, StackedPrefix, stack
from prefix_core.model.shared_pass import SharedPass

SIZES = 32  # packed tokens of bf16 come in multiples: for every new size of a product, oneDNN makes a kernel for 2 ms

Watch = Callable[[int, Tensor, Tensor], None]  # prefix layer, keys and values (N, kv_heads, head_dim)


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


def forward(
    base: Base,
    network: AnyNetwork | SharedPass,
    inputs: Sequence[Sequence[int]],
    written: Sequence[Sequence[Sequence[int]]],
    prefixes: Sequence[Prefix | None],
    room: int = 0,
    watch: Watch | None = None,
) -> tuple[Rows, Tensor]:
    """Run a row for every input; returns the rows, to go on from, and the states that predict.

    inputs: tokens. written: for each input the texts that follow it, each as if it stood there alone. room: tokens that
    each row may go on for, behind its one text. States: text after text, the one before its first token and the one
    after each, (all of written + texts, hidden). `watch` sees the keys and values.
    """
    stacked = stack(prefixes, base.shape, like_keys(network))
    multiple = SIZES if stacked.keys.dtype != network.dtype and not room else 1
    tokens: list[int] = []
    keep: list[int] = []
    lengths = []
    for row, texts in zip(inputs, written, strict=True):
        first = len(tokens)
        tokens += base.begin or row  # what the decoder reads before it writes
        fork = len(tokens) - 1
        for text in texts:
            keep += [fork, *range(len(tokens), len(tokens) + len(text))]
            tokens += text
        lengths.append(len(tokens) - first)
    branches = None if room else [[len(text) for text in texts] for texts in written]
    count = len(keep)
    if not isinstance(network, ModuleNetwork) or not base.begin:
        tokens += [0] * (rounded(len(tokens), multiple) - len(tokens))
        keep += [0] * (rounded(count, multiple) - count)
    packed, kept = torch.tensor(tokens, device=base.device), torch.tensor(keep, device=base.device)
    if not isinstance(network, ModuleNetwork) or not base.begin:
        rows = Rows(lengths, stacked, room, branches, multiple)
        return rows, network.hidden(packed, rows.positions, watched(rows, watch), kept)[:count]
    sources, states = encode_sources(network, inputs, stacked, watch)
    targets = TargetRows(lengths, sources, stacked, base.shape, room, branches)
    return targets, network.hidden(packed, targets.positions, watched(targets, watch), kept, states)


def encode_sources(
    network: ModuleNetwork, inputs: Sequence[Sequence[int]], stacked: StackedPrefix, watch: Watch | None = None
) -> tuple[SourceRows, Tensor]:
    """An encoder-decoder's inputs, read by its encoder: the rows, and their states, (all tokens, hidden)."""
    sources = SourceRows([len(row) for row in inputs], stacked)
    source = torch.tensor([token for row in inputs for token in row], device=network.device)
    return sources, network.encode(source, sources.positions, watched(sources, watch))


def like_keys(network: AnyNetwork | SharedPass) -> Tensor:
    """An empty tensor of the device and dtype that the network's keys and values have: under autocast, of that."""
    device = network.device.type
    half = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if half else network.dtype
    return torch.empty(0, dtype=dtype, device=network.device)


def watched(rows: Rows, watch: Watch | None) -> Callable[..., Tensor]:
    """The attention of these rows, which shows each layer's keys and values to `watch` before they are attended to."""
    if watch is None:
        return rows

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor, *bias: DistanceBias | None) -> Tensor:
        watch(layer, k, v)
        return rows(layer, q, k, v, *bias)

    return attend
