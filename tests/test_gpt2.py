"""The lean network against `transformers` on the same weights."""

import torch

from prefix_core.base import Base
from prefix_core.inject import Rows
from prefix_core.prefix import stack


def run(base: Base, rows: list[list[int]], keep: torch.Tensor | None = None) -> torch.Tensor:
    layout = Rows([len(row) for row in rows], stack([None] * len(rows), base.shape, base.network.tokens))
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


def test_a_packed_network_gives_the_same_logits(tiny: Base) -> None:
    assert tiny.writer is not tiny.network
    for rows in ([[5]], [[5, 9, 30, 7, 7], [12], [8, 200, 41]]):
        layout = Rows([len(row) for row in rows], stack([None] * len(rows), tiny.shape, tiny.network.tokens))
        tokens = torch.tensor([token for row in rows for token in row])
        packed = tiny.writer.logits(tiny.writer.hidden(tokens, layout.positions, layout))
        plain = run(tiny, rows)
        assert (packed - plain).abs().max() <= 1e-5 * plain.abs().max()
