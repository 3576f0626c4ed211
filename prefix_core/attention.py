"""Attention: PyTorch's own, but for learning in bf16 on a processor, where its backward pass takes thrice the time."""

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(head_dim) + mask) v, (B, heads, T, head_dim).

    q: (B, heads, T, head_dim); k, v: (B, kv_heads, S, head_dim); mask: added to the scores, as wide as (B, heads, T, S)
    or to be broadcast.
    """
    grouped = q.shape[1] != k.shape[1]
    half = q.dtype == k.dtype == v.dtype == torch.bfloat16 and q.device.type == "cpu"
    if not half or grouped or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=grouped)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
    return (scores if mask is None else scores.add_(mask)).softmax(-1).to(v.dtype) @ v
