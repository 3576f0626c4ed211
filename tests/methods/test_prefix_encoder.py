"""A prefix's parameters: how many they are, where they start, and how they learn."""

import pytest
import torch

from prefix_core.errors import ArtifactError, InputError
from prefix_core.methods import prefix
from prefix_core.methods.prefix_encoder import PrefixEncoder, parameters_trained, units_of
from prefix_core.methods.settings import Settings
from prefix_core.methods.start import word_start
from prefix_core.model.base import Base, Shape
from prefix_core.model.prefix import Prefix

MEDIUM = Shape(layers=24, kv_heads=16, head_dim=64, hidden=1024, vocabulary=50257, positions=1024)


def test_gpt2_medium_at_length_5_keeps_the_papers_250_thousand_parameters() -> None:
    assert MEDIUM.prefix_parameters(5) == 245_760


@pytest.mark.parametrize("width", [None, 16])
def test_step_0_is_exactly_the_words_activations(tiny: Base, width: int | None) -> None:
    start = word_start(tiny, "table-to-text:", 30)
    assert start.shape == (2, tiny.shape.layers, 30, tiny.shape.kv_heads, tiny.shape.head_dim)
    encoder = PrefixEncoder(start, tiny.shape, width, torch.Generator().manual_seed(0), units_of(start))
    prefix = encoder()
    assert torch.equal(torch.stack([prefix.keys, prefix.values]), start)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters_trained(tiny.shape, 30, width)
    assert prefix.parameters == tiny.shape.prefix_parameters(30)


def test_one_step_moves_every_layer_in_proportion_to_its_size(tiny: Base) -> None:
    start = torch.randn(2, 3, 30, 2, 8, generator=torch.Generator().manual_seed(0))
    start *= torch.tensor([0.1, 5.0, 1.0]).view(3, 1, 1, 1)
    encoder = PrefixEncoder(start, tiny.shape, None, torch.Generator(), units_of(start))
    torch.nn.init.ones_(encoder.added)
    moved = torch.stack([encoder().keys, encoder().values]) - start
    keys, values = moved[:, :, 0, 0, 0] / start.std((2, 3, 4), correction=0)
    torch.testing.assert_close(values, torch.ones(3))
    torch.testing.assert_close(keys, torch.ones(3))


def test_a_prefix_that_does_not_fit_says_what_differs(tiny: Base) -> None:
    good = torch.zeros(tiny.shape.layers, 5, tiny.shape.kv_heads, tiny.shape.head_dim)
    assert Prefix(good, good).check(tiny.shape).length == 5
    with pytest.raises(ArtifactError, match="values have shape"):
        Prefix(good, good[1:]).check(tiny.shape)
    long = good.repeat(1, tiny.shape.positions, 1, 1)
    with pytest.raises(ArtifactError, match="no room"):
        Prefix(long, long).check(tiny.shape)


@pytest.mark.parametrize(
    ("layers", "learn"), [("all", (0, 1)), ("upper half", (1,)), ("upper third", ()), ("lower half", (0,))]
)
def test_only_the_chosen_layers_learn(tiny: Base, layers: str, learn: tuple[int, ...]) -> None:
    """Of two layers; no layer of two begins in the upper third."""
    settings = Settings(prefix_length=3, initial_words="a pub", mlp_width=None, layers=layers)
    adaptation = prefix.start(tiny, settings)
    before = adaptation.kept()
    with torch.no_grad():
        for parameter in adaptation.parameters():
            parameter.add_(1.0)
    after = adaptation.kept()
    for name in before:
        moved = [index for index in range(2) if not torch.equal(before[name][index], after[name][index])]
        assert tuple(moved) == learn


def test_layers_that_there_are_not_are_refused() -> None:
    with pytest.raises(InputError, match="setting layers is 'middle'"):
        Settings(layers="middle")
    with pytest.raises(InputError, match="an embedding has all"):
        Settings(layers="upper half", variant="embedding")
