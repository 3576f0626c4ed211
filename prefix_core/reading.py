"""Reading: inputs, and what is written of each so far, go through a network, behind their prefixes.

A decoder sees an input and its output in one row; an encoder-decoder reads the input apart, and its output starts from
tokens of its own. Who trains or writes need not know which it is.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import torch
from torch import Tensor

from prefix_core.base import AnyNetwork, Base
from prefix_core.encoder_decoder import SourceRows, TargetRows
from prefix_core.gpt2 import Network
from prefix_core.inject import Rows
from prefix_core.prefix import Prefix, stack

Watch = Callable[[int, Tensor, Tensor], None]  # prefix layer, keys and values (N, kv_heads, head_dim)


def read(
    base: Base,
    network: AnyNetwork,
    inputs: Sequence[Sequence[int]],
    written: Sequence[Sequence[int]],
    prefixes: Sequence[Prefix | None],
    room: int = 0,
    watch: Watch | None = None,
) -> tuple[Rows, Tensor]:
    """Run a row for every input; returns the rows, to go on from, and the states that predict.

    inputs, written: tokens. room: tokens that each row may go on for. States: row after row, the one before each token
    of `written` and the one after the last, (all of written + rows, hidden). `watch` sees the keys and values.
    """
    stacked = stack(prefixes, base.shape, network.tokens)
    heads = [base.begin or row for row in inputs]  # what the decoder reads before it writes
    lengths = [len(head) + len(row) for head, row in zip(heads, written, strict=True)]
    tokens = _packed(chain.from_iterable(zip(heads, written, strict=True)), base)
    ends = torch.tensor(lengths).cumsum(0).tolist()
    keep = [place for end, row in zip(ends, written, strict=True) for place in range(end - len(row) - 1, end)]
    kept = torch.tensor(keep, device=base.device)
    if isinstance(network, Network) or not base.begin:
        rows = Rows(lengths, stacked, room)
        return rows, network.hidden(tokens, rows.positions, _watched(rows, watch), kept)
    sources = SourceRows([len(row) for row in inputs], stacked)
    states = network.encode(_packed(inputs, base), sources.positions, _watched(sources, watch))
    targets = TargetRows(lengths, sources, stacked, base.shape, room)
    return targets, network.hidden(tokens, targets.positions, _watched(targets, watch), kept, states)


def _packed(rows, base: Base) -> Tensor:
    return torch.tensor([token for row in rows for token in row], device=base.device)


def _watched(rows: Rows, watch: Watch | None):
    if watch is None:
        return rows

    def attend(layer: int, q: Tensor, k: Tensor, v: Tensor, *bias) -> Tensor:
        watch(layer, k, v)
        return rows(layer, q, k, v, *bias)

    return attend
