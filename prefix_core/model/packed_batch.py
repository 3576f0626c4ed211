"""The packed batch: rows of tokens without padding, each behind its own prefix, their KV cache, mask and attention.

Every attention call sees keys and values in *slots*: first the prefix slots (each row's prefix at their right end),
then the token slots (each row's tokens at their right end), so that the next token of every row goes to the same slot.
The attention itself is PyTorch's, except when training in bf16 on a CPU, where its backward pass is three times slower.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefix_core.model.prefix import StackedPrefix

NEVER = float("-inf")

# What a token's distance adds to its score: distances back from query to key, (...) -> (heads or 1, ...). Relative
# positions (T5) and sliding windows are such; a prefix has no distance, so nothing is ever added to its score.
DistanceBias = Callable[[Tensor], Tensor]
BLOCK = 128  # queries at a time: later keys are never touched, and the others stay in the processor's cache


class Rows:
    """A batch of B token rows with prefixes. T is the longest row, P the longest prefix, N all tokens together.

    positions: (N,), a row's own prefix length onwards, as in the paper's code and PEFT; from 0 before an infix.
    last: (B,), where each row's last token lies among the N.
    Call it as `Network.hidden`'s `attend`; with `room` > 0 it remembers keys and values for that many more tokens a
    row, and `step` continues.
    branches: for each row the lengths of the continuations of one beginning that follow each other at its end. Each
    sees the beginning and itself, as if it stood there alone.
    multiple: T and N are padded to multiples of this, so that few sizes occur; the pads are never read.
    """

    causal = True  # no token sees those behind it

    def __init__(
        self,
        lengths: Sequence[int],
        prefix: StackedPrefix,
        room: int = 0,
        branches: Sequence[Sequence[int]] | None = None,
        multiple: int = 1,
    ) -> None:
        self.prefix = prefix
        self.batch, self.longest = len(lengths), rounded(max(lengths), multiple)
        device, size = prefix.keys.device, torch.tensor(lengths, device=prefix.keys.device)
        time = torch.arange(self.longest, device=device)
        real = time >= self.longest - size[:, None]  # (B, T)
        self.slots = real.flatten().nonzero().squeeze(1)  # (N,) in B * T
        offset = time - (self.longest - size[:, None])  # (B, T), from 0 in each row
        self.branch: Tensor | None = None  # (B, T), 0 in what all branches of a row see
        if branches is not None:
            self.branch, back = _branched(branches, self.longest, device)
            offset = offset - back
        self.places = offset
        written = torch.tensor([sum(row) for row in branches or [()] * self.batch], device=device)
        self.early = prefix.infix[:, None] & (time < self.longest - 1 - written[:, None])  # (B, T), before an infix
        self.spare = rounded(len(self.slots), multiple) - len(self.slots)
        self.positions = F.pad((offset + prefix.lengths[:, None] * ~self.early)[real], (0, self.spare))
        self.last = size.cumsum(0) - 1
        self.visible = torch.cat([prefix.mask, real], 1)  # (B, P + T)
        self.given = self.used = self.visible.shape[1]  # slots: at the start, and by now
        self.room = room
        self.keys: list[Tensor] = []  # a layer: (B, kv_heads, P + T + room, head_dim)
        self.values: list[Tensor] = []
        self.next_positions = prefix.lengths + size  # (B,)
        self.shift = prefix.shift
        self.mask = self._causal_mask(prefix.keys.dtype)
        self.biased: dict[DistanceBias, Tensor] = {}  # masks with a bias added, for the layers that share it
        self.step_mask: Tensor | None = None  # (B, 1, 1, P + T + room), where there are pads to hide
        if room and not bool(self.visible.all()):
            hidden = torch.zeros(self.visible.shape, dtype=self.mask.dtype, device=device)
            self.step_mask = F.pad(hidden.masked_fill_(~self.visible, NEVER), (0, room))[:, None, None]

    def _causal_mask(self, dtype: torch.dtype) -> Tensor:
        """(B, 1, T, P + T), added to the scores. A pad token sees itself, so that no softmax is empty."""
        prefix_slots = self.used - self.longest
        query = torch.arange(self.longest, device=self.visible.device)[:, None] + prefix_slots
        key = torch.arange(self.used, device=self.visible.device)[None]
        seen = (self.visible[:, None] & (key <= query)) | (key == query)
        seen[:, :, :prefix_slots] &= ~self.early[:, :, None]
        if self.branch is not None:
            branch = F.pad(self.branch, (prefix_slots, 0))[:, None]  # (B, 1, P + T)
            seen &= (branch == 0) | (branch == self.branch[:, :, None])
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, NEVER)[:, None]

    def pad(self, x: Tensor) -> Tensor:
        """(N, heads, head_dim) -> (B, T, heads, head_dim), zeros on the left."""
        x = x[: len(self.slots)]
        padded = x.new_zeros(self.batch * self.longest, *x.shape[1:]).index_copy_(0, self.slots, x)
        return padded.view(self.batch, self.longest, *x.shape[1:])

    def pack(self, out: Tensor) -> Tensor:
        """(B, heads, T, head_dim) -> (N, heads * head_dim); the values of spare tokens mean nothing."""
        rows = out.transpose(1, 2).flatten(0, 1).flatten(1)
        picked: Tensor = _Picked.apply(rows, self.slots, self.spare)  # type: ignore[no-untyped-call]
        return picked

    def with_bias(self, mask: Tensor | None, bias: DistanceBias | None, queries: int) -> Tensor | None:
        """`mask` with the bias added for the last `queries` slots, (B or 1, heads or 1, queries, slots used)."""
        if bias is None:
            return mask
        if bias not in self.biased:
            prefix_slots = self.prefix.mask.shape[1]
            place = torch.arange(self.used - prefix_slots, device=self.visible.device)[None]  # (1 or B, S)
            if self.branch is not None:
                place = self.places
            distance = place[:, -queries:, None] - place[:, None]
            added = F.pad(bias(distance).transpose(0, 1), (prefix_slots, 0)).to(self.mask.dtype)
            self.biased[bias] = added if mask is None else mask + added
        return self.biased[bias]

    def shifted(self, mask: Tensor | None, layer: int, slots: int) -> Tensor | None:
        """`mask` with what the strength of each row's prefix adds in this layer, as wide as before; `slots` in all."""
        if self.shift is None:
            return mask
        shift = self.shift[layer]  # (B, P)
        added = F.pad(shift, (0, slots - shift.shape[1]))[:, None, None]
        return added if mask is None else mask + added

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: DistanceBias | None = None) -> Tensor:
        """Attention of all tokens. q: (N, heads, head_dim); k, v: (N, kv_heads, head_dim) -> (N, heads * head_dim)."""
        keys = torch.cat([self.prefix.keys[layer], self.pad(k)], 1)  # (B, P + T, kv_heads, head_dim)
        values = torch.cat([self.prefix.values[layer], self.pad(v)], 1)
        if self.room:
            self.keys.append(F.pad(keys.transpose(1, 2), (0, 0, 0, self.room)))
            self.values.append(F.pad(values.transpose(1, 2), (0, 0, 0, self.room)))
        mask = self.shifted(self.with_bias(self.mask, bias, self.longest), layer, self.used)
        out = attention(self.pad(q).transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), mask, self.causal)
        return self.pack(out)

    def advance(self) -> Tensor:
        """Make room for one more token a row; returns their positions (B,). Then run the network with `step`."""
        positions = self.next_positions
        self.next_positions = positions + 1
        self.used += 1
        self.biased.clear()
        return positions

    def step(self, layer: int, q: Tensor, k: Tensor, v: Tensor, bias: DistanceBias | None = None) -> Tensor:
        """Attention of one new token a row: as `__call__`, with N = B."""
        used = self.used
        keys, values = self.keys[layer], self.values[layer]
        keys[:, :, used - 1], values[:, :, used - 1] = k, v
        mask = None if self.step_mask is None else self.step_mask[..., :used]
        mask = self.shifted(self.with_bias(mask, bias, 1), layer, used)
        out = attention(q[:, :, None], keys[:, :, :used], values[:, :, :used], mask)
        return out.flatten(1)  # from (B, heads, 1, head_dim)

    def as_prefix(self) -> StackedPrefix:
        """What these rows have read, behind their prefixes and with them, as prefixes of what they read next."""
        keys, values = (
            torch.stack([cached[:, :, : self.used].transpose(1, 2) for cached in some])
            for some in (self.keys, self.values)
        )
        shift = None if self.shift is None else F.pad(self.shift, (0, self.longest))
        infix = torch.zeros_like(self.prefix.infix)
        return StackedPrefix(keys, values, self.visible, self.next_positions, infix, shift)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only, in this order (repeats allowed): finished rows leave, beams change places."""
        self.batch = len(rows)
        self.next_positions = self.next_positions[rows]
        self.step_mask = None if self.step_mask is None else self.step_mask[rows]
        self.shift = None if self.shift is None else self.shift[:, rows]
        self.keys = [keys.index_select(0, rows) for keys in self.keys]
        self.values = [values.index_select(0, rows) for values in self.values]

    def trade(self, rows: Tensor) -> None:
        """Go on with these rows, in this order, each from one of the same input: only what was written since moves."""
        written = slice(self.given, self.used)
        for cached in (*self.keys, *self.values):
            cached[:, :, written] = cached[:, :, written].index_select(0, rows)


class _Picked(torch.autograd.Function):
    """`x[slots]` and some spare rows; as no slot is picked twice, the gradient needs no sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slots: Tensor, spare: int) -> Tensor:
        ctx.save_for_backward(slots)
        ctx.size = len(x)
        return x.index_select(0, F.pad(slots, (0, spare)))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (slots,), (gradient,) = ctx.saved_tensors, grads
        whole = gradient.new_zeros(ctx.size, gradient.shape[1])
        return whole.index_copy_(0, slots, gradient[: len(slots)]), None, None


def rounded(size: int, multiple: int) -> int:
    """The next multiple."""
    return -(-size // multiple) * multiple


def _branched(branches: Sequence[Sequence[int]], longest: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each of the T slots of B rows: the number of its branch, 0 before all, and how far its positions go back."""
    number = torch.zeros(len(branches), longest, dtype=torch.long)
    back = torch.zeros_like(number)
    for row, lengths in enumerate(branches):
        start = fork = longest - sum(lengths)
        for index, length in enumerate(lengths, 1):
            number[row, start : start + length] = index
            back[row, start : start + length] = start - fork
            start += length
    return number.to(device), back.to(device)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(head_dim) + mask) v, (B, heads, T, head_dim).

    q: (B, heads, T, head_dim); k, v: (B, kv_heads, S, head_dim); mask: added to the scores, as wide as (B, heads, T, S)
    or to be broadcast over B and heads. causal: the queries are those of the last T of the S slots, and the mask hides
    from each what lies behind it; saying so saves the work.
    """
    grouped = q.shape[1] != k.shape[1]
    half = q.dtype == k.dtype == v.dtype == torch.bfloat16 and q.device.type == "cpu"
    if not half or grouped or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)
    if not causal:
        return _products(q, k, v, mask)
    count, before, parts = q.shape[2], k.shape[2] - q.shape[2], []
    for start in range(0, count, BLOCK):
        some, seen = slice(start, start + BLOCK), slice(before + min(start + BLOCK, count))
        hidden = None if mask is None else mask[:, :, some, seen]
        parts.append(_products(q[:, :, some], k[:, :, seen], v[:, :, seen], hidden))
    return torch.cat(parts, 2)


def _products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    with torch.autocast("cpu", enabled=False):  # softmax adds up in fp32 by itself; its scores need not be widened
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
        shares: Tensor = (scores if mask is None else scores.add_(mask)).softmax(-1)
        return shares @ v
