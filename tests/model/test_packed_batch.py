"""Injection is exact: a row in a mixed batch gets what it gets alone, and what a key/value cache gives it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from prefix_core.methods.start import random_start, word_start
from prefix_core.model.base import Base
from prefix_core.model.packed_batch import BLOCK, Rows, attention
from prefix_core.model.prefix import Prefix, stack

INPUTS = [[5, 9, 30, 7, 7, 81, 12], [12], [8, 200, 41], [44, 45, 46, 47]]
LENGTHS = [5, 0, 17, 1]


def loud_prefixes(base: Base) -> list[Prefix | None]:
    """Random prefixes large enough to change every output."""
    generator = torch.Generator().manual_seed(1)
    return [Prefix(*(40 * random_start(base.shape, length, generator))) if length else None for length in LENGTHS]


@torch.no_grad()
def greedy(base: Base, inputs: list[list[int]], prefixes: list[Prefix | None], steps: int = 6) -> Tensor:
    """Logits of the next `steps` tokens, (rows, steps, vocabulary)."""
    rows = Rows([len(row) for row in inputs], stack(prefixes, base.shape, base.network.tokens), room=steps)
    tokens = torch.tensor([token for row in inputs for token in row])
    logits = [base.network.logits(base.network.hidden(tokens, rows.positions, rows, rows.last))]
    for _ in range(steps - 1):
        positions = rows.advance()
        logits.append(base.network.logits(base.network.hidden(logits[-1].argmax(-1), positions, rows.step)))
    return torch.stack(logits, 1)


def filled_cache(prefix: Prefix | None) -> DynamicCache:
    cache = DynamicCache()
    if prefix is not None:
        for layer, (keys, values) in enumerate(zip(prefix.keys, prefix.values, strict=True)):
            cache.update(keys.transpose(0, 1)[None], values.transpose(0, 1)[None], layer)
    return cache


def test_a_mixed_batch_gives_each_row_what_it_gets_alone(tiny: Base) -> None:
    prefixes = loud_prefixes(tiny)
    together = greedy(tiny, INPUTS, prefixes)
    for row, (tokens, prefix) in enumerate(zip(INPUTS, prefixes, strict=True)):
        alone = greedy(tiny, [tokens], [prefix])[0]
        assert (together[row].argmax(-1) == alone.argmax(-1)).all()
        assert (together[row] - alone).abs().max() <= 1e-5 * alone.abs().max()


@pytest.mark.parametrize("row", range(len(INPUTS)))
def test_a_prefix_is_what_transformers_takes_as_past_keys_and_values(tiny: Base, row: int) -> None:
    prefixes = loud_prefixes(tiny)
    ours = greedy(tiny, INPUTS, prefixes)[row]
    length = LENGTHS[row] + len(INPUTS[row])
    out = tiny.model.generate(
        torch.tensor([INPUTS[row]]),
        attention_mask=torch.ones(1, length, dtype=torch.long),
        past_key_values=filled_cache(prefixes[row]),
        max_new_tokens=6,
        min_new_tokens=6,
        do_sample=False,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    theirs = torch.stack(out.logits, 1)[0]
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_a_prefix_changes_the_output(tiny: Base) -> None:
    plain = greedy(tiny, [INPUTS[0]], [None])
    assert (greedy(tiny, [INPUTS[0]], [loud_prefixes(tiny)[0]]) - plain).abs().max() > 0.1


def test_the_activations_of_words_as_a_prefix_are_those_words_in_context(tiny: Base) -> None:
    words = "name : The Wandering Heron"
    tokens = [tiny.end, *tiny.encode(words)]
    start = word_start(tiny, words, len(tokens))
    steered = greedy(tiny, [INPUTS[0]], [Prefix(*start)])
    spelled = greedy(tiny, [tokens + INPUTS[0]], [None])
    assert (steered - spelled).abs().max() <= 1e-5 * spelled.abs().max()


def test_keep_goes_on_with_some_rows_in_another_order(tiny: Base) -> None:
    prefixes = loud_prefixes(tiny)
    with torch.no_grad():
        rows = Rows([len(row) for row in INPUTS], stack(prefixes, tiny.shape, tiny.network.tokens), room=3)
        tokens = torch.tensor([token for row in INPUTS for token in row])
        first = tiny.network.logits(tiny.network.hidden(tokens, rows.positions, rows, rows.last))
        order = torch.tensor([2, 0, 0])
        rows.keep(order)
        positions = rows.advance()
        second = tiny.network.logits(tiny.network.hidden(first.argmax(-1)[order], positions, rows.step))
    expected = greedy(tiny, INPUTS, prefixes, steps=2)[:, 1][order]
    assert (second - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_pads_up_to_a_multiple_change_nothing(tiny: Base) -> None:
    """Rows that end in branches, and a prefix behind some of them: 17 tokens and 32 slots."""
    prefixes, branches = loud_prefixes(tiny), [[2, 3], [1], [1, 1], [4]]
    packed = torch.tensor([token for row in INPUTS for token in row] + [5, 6])
    found = []
    for multiple in (1, 32):
        stacked = stack(prefixes, tiny.shape, tiny.network.tokens)
        rows = Rows([7, 1, 5, 4], stacked, branches=branches, multiple=multiple)
        tokens = torch.cat([packed, packed.new_zeros(rows.spare)])
        assert (rows.longest, len(rows.positions)) == ((7, 17) if multiple == 1 else (32, 32))
        found.append(tiny.network.hidden(tokens, rows.positions, rows)[:17])
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_rows_of_one_input_that_trade_places_are_kept_rows(tiny: Base) -> None:
    """Beams: after two tokens of their own, the rows of each input go on from one another."""
    prefixes, order, found = loud_prefixes(tiny)[1:3], torch.tensor([1, 1, 2, 2]), []
    for way in (Rows.keep, Rows.trade):
        rows = Rows([1, 3], stack(prefixes, tiny.shape, tiny.network.tokens), room=4)
        tiny.network.hidden(torch.tensor([12, 8, 200, 41]), rows.positions, rows)
        rows.keep(torch.tensor([0, 0, 1, 1]))
        for tokens in ([5, 6, 7, 8], [15, 16, 17, 18]):
            tiny.network.hidden(torch.tensor(tokens), rows.advance(), rows.step)
        way(rows, order)
        found.append(tiny.network.hidden(torch.tensor([9, 9, 9, 9]), rows.advance(), rows.step))
    assert torch.equal(*found)
    assert torch.equal(found[0][0], found[0][1]) and not torch.allclose(found[0][1], found[0][2])


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
