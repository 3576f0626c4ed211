"""Packed weights come back within half a step, and the model with them."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from prefix_core.artifacts import compact
from prefix_core.errors import ArtifactError
from prefix_core.methods import fine_tune
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task


def some(scale: float = 0.01) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of sizes that fill no whole group, and the ones they came from."""
    torch.manual_seed(0)
    origin = {"matrix": torch.randn(37, 51), "bias": torch.randn(51), "still": torch.randn(8, 8)}
    origin = {name: tensor.half().float() for name, tensor in origin.items()}  # as a base stored in fp16 has them
    kept = {name: tensor + scale * torch.randn(tensor.shape) for name, tensor in origin.items() if name != "still"}
    return kept | {"still": origin["still"]}, origin


@pytest.mark.parametrize("scale", [3.0, 0.1, 1e-6])
@pytest.mark.parametrize(("bits", "share"), [(8, 0.01), (4, 0.13)])
def test_every_number_is_within_half_a_step(bits: int, share: float, scale: float) -> None:
    """The step is the group's largest difference over the largest code; in all, an error of `share` of the change."""
    kept, origin = some(scale)
    found = compact.unpack(compact.pack(kept, origin, bits), origin)
    assert torch.equal(found["bias"], kept["bias"]) and torch.equal(found["still"], kept["still"])
    change = (kept["matrix"] - origin["matrix"]).flatten()
    error = (found["matrix"] - kept["matrix"]).flatten()
    for group, off in zip(change.split(compact.GROUP), error.split(compact.GROUP), strict=True):
        rounding = 2**-11 * found["matrix"].abs().max()  # to what fp16 holds
        assert off.abs().max() <= 0.51 * group.abs().max() / compact.LARGEST[bits] + rounding
    assert torch.equal(found["matrix"].half().float(), found["matrix"])
    if scale > 1e-5:
        assert error.norm() < share * change.norm()


@pytest.mark.parametrize("bits", [8, 4])
def test_the_size_is_what_is_said(bits: int) -> None:
    origin = {"matrix": torch.zeros(64, 64)}
    stored = compact.pack({"matrix": torch.randn(64, 64)}, origin, bits)
    size = sum(tensor.numel() * tensor.element_size() for tensor in stored.values())
    assert size == 64 * 64 * compact.bytes_per_number(bits)


def test_the_model_comes_back_much_nearer_than_training_moved_it(tiny: Base, e2e: Task) -> None:
    torch.manual_seed(1)
    origin = fine_tune.origin(tiny)
    kept = {name: tensor + 0.02 * torch.randn(tensor.shape) for name, tensor in origin.items()}
    example = e2e.pool()[0]
    tokens = torch.tensor([tiny.encode(e2e.prompt(example.source) + example.references[0])])

    def logits(weights: dict[str, Tensor]) -> Tensor:
        return functional_call(tiny.model, weights, (tokens,)).logits

    moved = (logits(kept) - logits(origin)).norm()
    off = [(logits(compact.unpack(compact.pack(kept, origin, bits), origin)) - logits(kept)).norm() for bits in (8, 4)]
    assert off[0] < 0.01 * moved and off[0] < 0.1 * off[1] < 0.02 * moved


def test_plain_tensors_are_taken_as_they_are() -> None:
    kept, origin = some()
    assert compact.unpack(dict(kept), origin) == kept


def test_codes_that_do_not_fit_are_refused() -> None:
    kept, origin = some()
    stored = compact.pack(kept, origin, 8)
    changes: list[dict[str, Tensor]] = [
        {"matrix": stored["matrix"][:-1]},
        {"matrix": stored["matrix"].float()},
        {"matrix": stored["matrix"].to(torch.uint8)},
        {"matrix.scales": stored["matrix.scales"][:-1]},
        {"other": stored["matrix"], "other.scales": stored["matrix.scales"]},
    ]
    for change in changes:
        with pytest.raises(ArtifactError, match="does not fit this base"):
            compact.unpack(stored | change, origin)
