"""Matrix products: rows of fp32 times a frozen matrix, the matrix kept in whatever form is fastest to read.

Writing one token reads every matrix once, so its time is the time that reading takes; training multiplies many rows
and is bound by arithmetic. A matrix whose numbers fp16 holds exactly is kept in 16 bits and multiplied in 32 (FBGEMM):
half the memory to read, and on the processors we measured as fast as any fp32 product for many rows, too.
"""

import threading
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cache, cached_property
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_ROWS = 4096  # of a matrix, widened at a time
AT_A_TIME = 512  # of those, by way of fp32: what lies between stays in a processor's cache
FEW_ROWS = 8  # the batch that `PackedDense` is laid out for


class Dense(NamedTuple):
    """x @ weight.T + bias. weight: (out, in), in the dtype of x; bias: (out,) or None."""

    weight: Tensor
    bias: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        return self.weight.dtype

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")


class HalfDense:
    """The same with the weight in 16 bits, multiplied in 32. For a frozen matrix that fp16 holds exactly.

    parts: matrices of (some of out, in) that are multiplied as one, fp16; they may be mapped from a file. The result is
    that of `Dense` on the same numbers, but for the order of its sums. Gradients flow to x alone.
    """

    dtype = torch.float32  # of the rows

    def __init__(self, parts: Sequence[Tensor], bias: Tensor | None = None) -> None:
        self.parts, self.bias = tuple(parts), bias

    def for_writing(self) -> "HalfDense":
        """The same without the original matrix: it can be multiplied with, but gradients no longer flow through it."""
        self.packed  # noqa: B018 -- laid out here, once
        lean = copy(self)
        lean.parts = ()
        return lean

    @cached_property
    def packed(self) -> torch.ScriptObject:
        """The matrix laid out, from the first product on."""
        packed: torch.ScriptObject = torch.ops.quantized.linear_prepack_fp16(self.whole(), self.bias)
        return packed

    def whole(self) -> Tensor:
        """(out, in) in fp32."""
        return torch.cat([part.detach().float() for part in self.parts])

    @cached_property
    def transposed(self) -> torch.ScriptObject:
        """The matrix for gradients; nothing but training asks for it."""
        packed: torch.ScriptObject = torch.ops.quantized.linear_prepack_fp16(self.whole().t().contiguous(), None)
        return packed

    def __call__(self, x: Tensor) -> Tensor:
        return _through(x, self)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")

    def multiply(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.quantized.linear_dynamic_fp16(x, self.packed)
        return out

    def gradient(self, of_out: Tensor) -> Tensor:
        """(n, out) -> (n, in): what a gradient of the result means for x."""
        back: Tensor = torch.ops.quantized.linear_dynamic_fp16(of_out.contiguous(), self.transposed)
        return back


class StoredDense(NamedTuple):
    """A `HalfDense` that is never laid out: its numbers are widened for every product, in `dtype`.

    For matrices that few rows meet, and where memory counts for more than a tenth of the time. Where the numbers are
    many, they are widened some at a time: twice as many never exist.
    """

    parts: tuple[Tensor, ...]
    bias: Tensor | None = None
    dtype: torch.dtype = torch.float32

    def blocks(self) -> Iterator[Tensor]:
        """The matrix, widened, each time in the same memory; one that is large comes some rows at a time."""
        if sum(map(len, self.parts)) <= MOST_ROWS:
            yield _widened(self.parts, self.dtype)
            return
        for part in self.parts:
            for some in part.split(MOST_ROWS):
                yield _widened([some], self.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return _through(x.to(self.dtype), self)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")

    def multiply(self, x: Tensor) -> Tensor:
        parts = [x @ block.t() for block in self.blocks()]
        out = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return out if self.bias is None else out.add_(self.bias)

    def gradient(self, of_out: Tensor) -> Tensor:
        """(n, out) -> (n, in): what a gradient of the result means for x."""
        parts, at = [], 0
        for block in self.blocks():
            parts.append(of_out[:, at : at + len(block)] @ block)
            at += len(block)
        return sum(parts[1:], parts[0])


class _Memory(threading.local):
    """What matrices are widened in, of every thread; new memory for each would cost as much as a product."""

    def __init__(self) -> None:
        self.of: dict[torch.dtype, Tensor] = {}

    def take(self, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        size = rows * columns
        if dtype not in self.of or self.of[dtype].numel() < size:
            self.of[dtype] = torch.empty(size, dtype=dtype)
        return self.of[dtype][:size].view(rows, columns)


_memory = _Memory()


def _widened(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The parts as one matrix."""
    whole, at = _memory.take(sum(map(len, parts)), parts[0].shape[1], dtype), 0
    for part in parts:
        for some in part.split(AT_A_TIME):
            rows = whole[at : at + len(some)]
            if dtype == torch.float32:
                rows.copy_(some)
            else:  # by way of fp32, four times as fast as from fp16 to bf16
                rows.copy_(_memory.take(len(some), some.shape[1], torch.float32).copy_(some))
            at += len(some)
    return whole


def _through(x: Tensor, dense: HalfDense | StoredDense) -> Tensor:
    """The product, with a way back for the gradient where there is to be one."""
    if x.requires_grad and torch.is_grad_enabled():
        learned_through: Tensor = _HalfProduct.apply(x, dense)  # type: ignore[no-untyped-call]
        return learned_through
    return dense.multiply(x)


class _HalfProduct(torch.autograd.Function):
    """A product with a frozen matrix that autograd need not keep."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dense: HalfDense | StoredDense) -> Tensor:
        ctx.dense = dense
        return dense.multiply(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.dense.gradient(grads[0]), None


class PackedDense(NamedTuple):
    """`Dense` laid out by oneDNN for a few rows at a time, twice as fast there; for weights that fp16 does not hold."""

    dense: Dense
    weight: Tensor
    tall: bool  # more inputs than outputs: the packed order is the faster one for a single row, too

    @property
    def dtype(self) -> torch.dtype:
        return self.dense.dtype

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) == 1 and not self.tall:
            return self.dense(x)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.dense.bias, "none", [], "")
        return out

    def gelu(self, x: Tensor) -> Tensor:
        if len(x) == 1 and not self.tall:
            return self.dense.gelu(x)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.dense.bias, "gelu", [], "tanh")
        return out


Product = Dense | HalfDense | StoredDense | PackedDense


def product(weights: Sequence[Tensor], biases: Sequence[Tensor] = ()) -> Product:
    """One product for matrices (out, in) that are multiplied with the same rows: the form in which they are stored.

    fp16 matrices become a `HalfDense` where this processor has it; others are multiplied in their own dtype.
    """
    bias = torch.cat([*biases]) if biases else None
    if all(weight.dtype == torch.float16 for weight in weights):
        return HalfDense(weights, bias)
    weight = weights[0] if len(weights) == 1 else torch.cat([*weights])
    return Dense(weight, biases[0] if len(biases) == 1 else bias)


@torch.no_grad()
def for_writing(dense: Product) -> Product:
    """The product laid out for few rows; it takes the matrix's memory a second time, or half of it."""
    if isinstance(dense, HalfDense):
        return dense.for_writing()
    if not isinstance(dense, Dense):
        return dense
    weight = dense.weight.detach()
    if half_products() and bool((weight.half() == weight).all()):
        return HalfDense([weight.half()], dense.bias).for_writing()
    weight = weight.contiguous()
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, FEW_ROWS)
    return PackedDense(Dense(weight, dense.bias), packed, tall=weight.shape[1] > weight.shape[0])


@cache
def half_products() -> bool:
    """Whether this build of torch and this processor multiply fp32 rows with fp16 matrices (FBGEMM, x86)."""
    try:
        return bool((HalfDense([torch.eye(8).half()])(torch.ones(1, 8)) == 1).all())
    except (RuntimeError, AttributeError):
        return False
