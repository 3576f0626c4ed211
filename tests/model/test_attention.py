"""Attention as it is worked out here is PyTorch's, and so are its gradients."""

import pytest
import torch
import torch.nn.functional as F

from prefix_core.model.attention import BLOCK, attention


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("kv_heads", [4, 2])
def test_outputs_and_gradients_are_those_of_exact_attention(masked: bool, dtype: torch.dtype, kv_heads: int) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(2, heads, length, 8) for heads, length in ((4, 5), (kv_heads, 7), (kv_heads, 7))]
    mask = torch.zeros(2, 1, 5, 7).masked_fill_(torch.rand(2, 1, 5, 7) < 0.4, float("-inf")) if masked else None
    if mask is not None:
        mask[..., 0] = 0
    found = []
    for exact in (False, True):
        kind = torch.float64 if exact else dtype
        inputs = [tensor.to(dtype).to(kind, copy=True).requires_grad_() for tensor in tensors]
        added = None if mask is None else mask.to(kind)
        if exact:
            out = F.scaled_dot_product_attention(*inputs, attn_mask=added, enable_gqa=kv_heads != 4)
        else:
            out = attention(*inputs, added)
        out.sum().backward()
        found.append([out.detach(), *(tensor.grad for tensor in inputs)])
    near = 1e-5 if dtype == torch.float32 else 3e-2
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == dtype
        assert (ours.double() - theirs).abs().max() <= near * theirs.abs().max()


@pytest.mark.parametrize("count", [1, BLOCK, 2 * BLOCK + 3])
def test_what_is_hidden_behind_a_query_is_left_out_without_a_change(count: int) -> None:
    torch.manual_seed(count)
    slots = count + 5
    later = torch.ones(count, slots, dtype=torch.bool).triu(6)
    mask = torch.zeros(2, 1, count, slots).masked_fill_(later, float("-inf"))
    found = []
    for causal in (False, True):
        torch.manual_seed(0)
        inputs = [torch.randn(2, 4, n, 8, dtype=torch.bfloat16).requires_grad_() for n in (count, slots, slots)]
        out = attention(*inputs, mask, causal)
        out.sum().backward()
        found.append([out.detach(), *(tensor.grad for tensor in inputs)])
    for ours, theirs in zip(*found, strict=True):
        assert (ours.float() - theirs.float()).abs().max() <= 2e-2 * theirs.float().abs().max()
