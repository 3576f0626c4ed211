"""The GPT-2 network as this project runs it: packed rows, no padding, nothing computed that is not used.

`transformers` holds the parameters; this file only runs them. Tokens of all rows lie one after another in one
dimension N, so the matrix products never see padding; what a token may attend to is the caller's business
(`attend`, see `inject.py`). Radford et al. 2019, pre-norm blocks, learned positions, GELU (tanh).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

# (layer, queries, keys, values), each (N, heads, head_dim) -> (N, heads * head_dim)
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]


class Bottleneck(NamedTuple):
    """A Houlsby adapter: y + up(gelu(down(y))). `down` (width, hidden), `up` (hidden, width)."""

    down: Tensor
    down_bias: Tensor
    up: Tensor
    up_bias: Tensor

    def __call__(self, y: Tensor) -> Tensor:
        return y + F.linear(F.gelu(F.linear(y, self.down, self.down_bias)), self.up, self.up_bias)


class Layer(NamedTuple):
    """One block's tensors; matrices are (in, out) as GPT-2 stores them, the fastest order for few rows."""

    norm_1: Tensor
    norm_1_bias: Tensor
    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    norm_2: Tensor
    norm_2_bias: Tensor
    up: Tensor
    up_bias: Tensor
    down: Tensor
    down_bias: Tensor
    adapter_1: Bottleneck | None = None
    adapter_2: Bottleneck | None = None


class Network(NamedTuple):
    """A GPT-2's tensors in the order they are used. Shares storage with the module it was read from."""

    tokens: Tensor  # (vocabulary, hidden)
    positions: Tensor  # (positions, hidden)
    layers: tuple[Layer, ...]
    norm: Tensor
    norm_bias: Tensor
    head: Tensor  # (vocabulary, hidden)
    heads: int
    epsilon: float

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend, keep: Tensor | None = None) -> Tensor:
        """Final hidden states of packed tokens.

        tokens, positions: (N,). keep: (n,) indices of the tokens whose state is wanted (all if None); the last
        layer runs only for those. Returns (n, hidden).
        """
        width = self.tokens.shape[1]
        split = (3, self.heads, width // self.heads)
        x = F.embedding(tokens, self.tokens) + F.embedding(positions, self.positions)
        for index, layer in enumerate(self.layers):
            y = F.layer_norm(x, (width,), layer.norm_1, layer.norm_1_bias, self.epsilon)
            q, k, v = torch.addmm(layer.qkv_bias, y, layer.qkv).unflatten(1, split).unbind(1)
            y = attend(index, q, k, v)
            if keep is not None and index == len(self.layers) - 1:
                x, y = x[keep], y[keep]
            y = torch.addmm(layer.out_bias, y, layer.out)
            x = x + (y if layer.adapter_1 is None else layer.adapter_1(y))
            y = F.layer_norm(x, (width,), layer.norm_2, layer.norm_2_bias, self.epsilon)
            y = F.gelu(torch.addmm(layer.up_bias, y, layer.up), approximate="tanh")
            y = torch.addmm(layer.down_bias, y, layer.down)
            x = x + (y if layer.adapter_2 is None else layer.adapter_2(y))
        return F.layer_norm(x, (width,), self.norm, self.norm_bias, self.epsilon)

    def logits(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, vocabulary)."""
        return F.linear(hidden, self.head)


def read_layer(block: nn.Module) -> Layer:
    """The tensors of one `GPT2Block`."""
    modules = (block.ln_1, block.attn.c_attn, block.attn.c_proj, block.ln_2, block.mlp.c_fc, block.mlp.c_proj)
    return Layer(*(tensor for module in modules for tensor in (module.weight, module.bias)))


def read_network(model: GPT2LMHeadModel) -> Network:
    """View a `GPT2LMHeadModel` as a `Network`; parameters are shared, so training one trains the other."""
    body, config = model.transformer, model.config
    return Network(
        tokens=body.wte.weight,
        positions=body.wpe.weight,
        layers=tuple(read_layer(block) for block in body.h),
        norm=body.ln_f.weight,
        norm_bias=body.ln_f.bias,
        head=model.lm_head.weight,
        heads=config.n_head,
        epsilon=config.layer_norm_epsilon,
    )
