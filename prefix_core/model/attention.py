"""Attention: PyTorch's own, except when training in bf16 on a CPU, where its backward pass is three times slower."""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128  # queries at a time: later keys are never touched, and the others stay in the processor's cache


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
