"""The GPT-2 network as this project runs it: packed rows, no padding, nothing computed that is not used.

`transformers` holds the parameters; this file only runs them. Tokens of all rows lie one after another in one
dimension N, so the matrix products never see padding; what a token may attend to is the caller's business
(`attend`, see `inject.py`). Radford et al. 2019, pre-norm blocks, learned positions, GELU (tanh).
"""

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

# (layer, queries, keys, values), each (N, heads, head_dim) -> (N, heads * head_dim)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]

FEW_ROWS = 8  # the batch that packed matrices are laid out for
MANY_ROWS = 128  # beyond, arithmetic takes longer than reading the weights, and `Dense` does it on all cores
MOST_PACKED = 200_000_000  # parameters of a network that is packed: it takes that memory twice


class Bottleneck(NamedTuple):
    """A Houlsby adapter: y + up(gelu(down(y))). `down` (width, hidden), `up` (hidden, width)."""

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor

    def __call__(self, y: Tensor) -> Tensor:
        return y + F.linear(F.gelu(F.linear(y, self.down, self.down_bias)), self.up, self.up_bias)


class Dense(NamedTuple):
    """x @ weight + bias; `weight` is (in, out), as GPT-2 stores it: the fastest order for a single row."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")


class HalfDense(NamedTuple):
    """The same with `weight` kept in 16 bits, multiplied in 32: half the memory to read, where writing spends its time.

    For weights that float16 holds exactly, as those of a base stored in float16: the result is that of `Dense`.
    """

    dense: Dense
    weight: Tensor  # FBGEMM's own layout

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) > MANY_ROWS:
            return self.dense(x)
        return torch.fbgemm_linear_fp16_weight_fp32_activation(x, self.weight, self.dense.bias)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x), approximate="tanh")


class HalfHead(NamedTuple):
    """The same for an output layer, by all cores: it costs 20 us a call, which pays for the largest matrix alone."""

    weight: torch.ScriptObject  # FBGEMM's own layout

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.quantized.linear_dynamic_fp16(x, self.weight)


class PackedDense(NamedTuple):
    """The same with `weight` laid out by oneDNN for a few rows at a time, twice as fast there; for other weights."""

    dense: Dense
    weight: Tensor
    tall: bool  # more inputs than outputs: the packed order is the faster one for a single row, too

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) == 1 and not self.tall:
            return self.dense(x)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.dense.bias, "none", [], "")

    def gelu(self, x: Tensor) -> Tensor:
        if len(x) == 1 and not self.tall:
            return self.dense.gelu(x)
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.dense.bias, "gelu", [], "tanh")


Packed = HalfDense | PackedDense
Product = Dense | Packed


class Norm(NamedTuple):
    """Layer normalisation over the last dimension."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


class Layer(NamedTuple):
    """One pre-norm block: attention, then MLP, each with an adapter behind it or none."""

    norm_1: Norm
    qkv: Product
    out: Product
    norm_2: Norm
    up: Product
    down: Product
    adapter_1: Bottleneck | None = None
    adapter_2: Bottleneck | None = None


class Network(NamedTuple):
    """A GPT-2's tensors in the order they are used. Shares storage with the module it was read from."""

    tokens: Tensor  # (vocabulary, hidden)
    positions: Tensor  # (positions, hidden)
    layers: tuple[Layer, ...]
    norm: Norm
    head: Tensor  # (vocabulary, hidden)
    heads: int
    packed_head: PackedDense | HalfHead | None = None

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend, keep: Tensor | None = None) -> Tensor:
        """Final hidden states of packed tokens.

        tokens, positions: (N,); tokens may be embeddings, (N, hidden). keep: (n,) indices of the tokens whose state is
        wanted (all if None); the last layer runs only for those. Returns (n, hidden).
        """
        split = (3, self.heads, self.tokens.shape[1] // self.heads)
        x = (tokens if tokens.is_floating_point() else self.embed(tokens)) + F.embedding(positions, self.positions)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.qkv(layer.norm_1(x)).unflatten(1, split).unbind(1)
            y = attend(index, q, k, v)
            if keep is not None and index == len(self.layers) - 1:
                x, y = x[keep], y[keep]
            y = layer.out(y)
            x = x + (y if layer.adapter_1 is None else layer.adapter_1(y))
            y = layer.down(layer.up.gelu(layer.norm_2(x)))
            x = x + (y if layer.adapter_2 is None else layer.adapter_2(y))
        return self.norm(x)

    def embed(self, tokens: Tensor) -> Tensor:
        """(N,) -> (N, hidden), without positions."""
        return F.embedding(tokens, self.tokens)

    def logits(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, vocabulary)."""
        return F.linear(hidden, self.head) if self.packed_head is None else self.packed_head(hidden)


def read_layer(block: nn.Module, epsilon: float) -> Layer:
    """The tensors of one `GPT2Block`."""

    def pair(name: str) -> tuple[Tensor, Tensor]:
        return block.get_parameter(f"{name}.weight"), block.get_parameter(f"{name}.bias")

    return Layer(
        norm_1=Norm(*pair("ln_1"), epsilon),
        qkv=Dense(*pair("attn.c_attn")),
        out=Dense(*pair("attn.c_proj")),
        norm_2=Norm(*pair("ln_2"), epsilon),
        up=Dense(*pair("mlp.c_fc")),
        down=Dense(*pair("mlp.c_proj")),
    )


def read_network(model: GPT2LMHeadModel) -> Network:
    """View a `GPT2LMHeadModel` as a `Network`; parameters are shared, so training one trains the other."""
    body, config = model.transformer, model.config
    return Network(
        tokens=body.wte.weight,
        positions=body.wpe.weight,
        layers=tuple(read_layer(block, config.layer_norm_epsilon) for block in body.h),
        norm=Norm(body.ln_f.weight, body.ln_f.bias, config.layer_norm_epsilon),
        head=model.lm_head.weight,
        heads=config.n_head,
    )


Tensors = TypeVar("Tensors", Network, Layer)


def cast(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """The same with every tensor in `dtype`; gradients flow back to the tensors as they were."""

    def of(thing: Any) -> Any:
        if isinstance(thing, Tensor):
            return thing.to(dtype)
        if isinstance(thing, tuple):
            parts = [of(part) for part in thing]
            return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
        return thing

    return of(tensors)


def cast_products(tensors: Tensors, dtype: torch.dtype) -> Tensors:
    """The same with the matrices that rows are multiplied with in `dtype`; embeddings and norms as they were."""

    def of(thing: Any) -> Any:
        if isinstance(thing, Network):
            return thing._replace(layers=tuple(map(of, thing.layers)), head=thing.head.to(dtype))
        if isinstance(thing, Layer):
            return Layer(*map(of, thing))
        return Dense(thing.weight.to(dtype), thing.bias.to(dtype)) if isinstance(thing, Dense) else thing

    return of(tensors)


@torch.no_grad()
def pack(network: Network) -> Network:
    """The network for writing: its matrices a second time, laid out for few rows. Where that pays not, as it is."""
    if not packable(network):
        return network
    layers = tuple(pack_layer(layer) for layer in network.layers)
    return network._replace(layers=layers, packed_head=_pack_head(network.head.detach()))


def packable(network: Network) -> bool:
    """Whether packed matrices run here, and take a bearable amount of memory."""
    here = network.head.device.type == "cpu" and network.head.dtype == torch.float32
    size = network.head.numel() + len(network.layers) * 12 * network.head.shape[1] ** 2
    return here and size <= MOST_PACKED and torch.backends.mkldnn.is_available()


@torch.no_grad()
def pack_layer(layer: Layer) -> Layer:
    """A layer whose four matrices are packed."""
    return layer._replace(qkv=_pack(layer.qkv), out=_pack(layer.out), up=_pack(layer.up), down=_pack(layer.down))


def _pack(dense: Product) -> Packed:
    if not isinstance(dense, Dense):
        return dense
    weight = dense.weight.detach().t().contiguous()  # (out, in)
    if _fits_half(weight):
        return HalfDense(dense, torch.fbgemm_pack_gemm_matrix_fp16(weight))
    return _pack_whole(dense, weight)


def _pack_head(head: Tensor) -> PackedDense | HalfHead:
    if _fits_half(head):
        return HalfHead(torch.ops.quantized.linear_prepack_fp16(head, None))
    return _pack_whole(Dense(head.t().contiguous(), head.new_zeros(len(head))), head)


def _pack_whole(dense: Dense, weight: Tensor) -> PackedDense:
    rows, columns = dense.weight.shape
    return PackedDense(dense, torch.ops.mkldnn._reorder_linear_weight(weight, FEW_ROWS), tall=rows > columns)


def _fits_half(weight: Tensor) -> bool:
    return half_products() and bool((weight.half() == weight).all())


@cache
def half_products() -> bool:
    """Whether this build of torch and this processor multiply 32-bit rows with 16-bit matrices (FBGEMM, x86)."""
    with warnings.catch_warnings():  # torch means to replace the two functions; its version is pinned here
        warnings.simplefilter("ignore")
        try:
            half = HalfDense(Dense(torch.eye(8), torch.zeros(8)), torch.fbgemm_pack_gemm_matrix_fp16(torch.eye(8)))
            return bool((half(torch.ones(1, 8)) == 1).all())
        except (RuntimeError, AttributeError):
            return False
