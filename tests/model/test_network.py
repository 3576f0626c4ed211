"""The lean network against `transformers` on the same weights."""

import dataclasses

import pytest
import torch

from prefix_core.model.base import Base
from prefix_core.model.packed_batch import Rows
from prefix_core.model.prefix import stack
from prefix_core.model.products import HalfDense, half_products
from prefix_core.model.reading import like_keys


def run(base: Base, rows: list[list[int]], keep: torch.Tensor | None = None) -> torch.Tensor:
    layout = Rows([len(row) for row in rows], stack([None] * len(rows), base.shape, like_keys(base.network)))
    tokens = torch.tensor([token for row in rows for token in row])
    return base.network.logits(base.network.hidden(tokens, layout.positions, layout, keep))


def test_logits_are_those_of_transformers(tiny: Base) -> None:
    rows = [[5, 9, 30, 7, 7], [12], [8, 200, 41]]
    ours = run(tiny, rows).split([len(row) for row in rows])
    for row, logits in zip(rows, ours, strict=True):
        theirs = tiny.model(torch.tensor([row])).logits[0]
        assert (logits - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_keep_runs_the_last_layer_for_those_tokens_only_and_gives_the_same(tiny: Base) -> None:
    rows = [[5, 9, 30, 7, 7], [8, 200, 41]]
    keep = torch.tensor([1, 4, 7])
    torch.testing.assert_close(run(tiny, rows, keep), run(tiny, rows)[keep])


@pytest.mark.parametrize("halved", [False, True], ids=["any weights", "weights that fit 16 bits"])
def test_a_packed_network_gives_the_same_logits(tiny: Base, halved: bool) -> None:
    if halved:
        tiny = dataclasses.replace(tiny, tensors={name: tensor.half() for name, tensor in tiny.tensors.items()})
    half = isinstance(tiny.writer.layers[0].qkv, HalfDense)
    assert half == (halved and half_products())
    for rows in ([[5]], [[5, 9, 30, 7, 7], [12], [8, 200, 41]]):
        layout = Rows([len(row) for row in rows], stack([None] * len(rows), tiny.shape, like_keys(tiny.network)))
        tokens = torch.tensor([token for row in rows for token in row])
        packed = tiny.writer.logits(tiny.writer.hidden(tokens, layout.positions, layout))
        plain = run(tiny, rows)
        assert (packed - plain).abs().max() <= 1e-5 * plain.abs().max()
