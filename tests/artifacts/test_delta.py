"""Packed weights come back as near as they should, and the model with them."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from prefix_core.artifacts import delta
from prefix_core.artifacts.delta import Packing
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
@pytest.mark.parametrize(("bits", "share"), [(8, 0.01), (4, 0.13), (3, 0.26), (2, 0.66)])
def test_every_number_is_near_and_the_whole_as_near_as_its_bits_allow(bits: int, share: float, scale: float) -> None:
    """A step is the group's largest difference over the largest code; in all, an error of `share` of the change."""
    kept, origin = some(scale)
    found = delta.decompress(delta.compress(kept, origin, Packing(bits)), origin)
    assert set(found) == set(kept)
    assert torch.equal(found["bias"], kept["bias"]) and torch.equal(found["still"], kept["still"])
    change = (kept["matrix"] - origin["matrix"]).flatten()
    error = (found["matrix"] - kept["matrix"]).flatten()
    for group, off in zip(change.split(delta.GROUP), error.split(delta.GROUP), strict=True):
        rounding = 2**-11 * found["matrix"].abs().max()  # to what fp16 holds
        assert off.abs().max() <= group.abs().max() / delta.LARGEST[bits] + rounding
    assert torch.equal(found["matrix"].half().float(), found["matrix"])
    if scale > 1e-5:
        assert error.norm() < share * change.norm()


def test_a_change_of_low_rank_comes_back_from_that_rank() -> None:
    torch.manual_seed(0)
    for rows, columns in ((90, 40), (40, 90), (3, 90)):
        origin = {"matrix": torch.zeros(rows, columns)}
        change = 0.01 * torch.randn(rows, 3) @ torch.randn(3, columns)
        found = delta.decompress(delta.compress({"matrix": change}, origin, Packing(8, rank=3)), origin)["matrix"]
        assert (found - change).norm() < 0.02 * change.norm()
        noisy = change + 0.01 * torch.randn(rows, columns)
        best = float(torch.linalg.svdvals(noisy)[3:].norm())
        off = delta.decompress(delta.compress({"matrix": noisy}, origin, Packing(8, rank=3)), origin)["matrix"] - noisy
        assert float(off.norm()) == pytest.approx(best, rel=0.02, abs=0.02 * float(noisy.norm()))


def size(stored: dict[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in stored.values())


def test_fewer_bits_and_lower_ranks_are_smaller_and_what_stays_takes_little() -> None:
    torch.manual_seed(0)
    origin = {"matrix": torch.zeros(256, 512)}
    change = {"matrix": torch.randn(256, 512)}
    ways = [Packing(8), Packing(4), Packing(3), Packing(2)]
    bits = [8 * size(delta.compress(change, origin, way)) / change["matrix"].numel() for way in ways]
    assert bits == pytest.approx([7.8, 3.7, 2.6, 1.15], abs=0.3)  # a number
    ranks = [size(delta.compress(change, origin, Packing(4, rank))) for rank in (16, 32, 64)]
    assert ranks == sorted(ranks) and ranks[2] == pytest.approx(4 * ranks[0], rel=0.1)
    assert size(delta.compress(origin, origin, Packing(4))) < 0.07 * origin["matrix"].numel()


def test_the_model_comes_back_much_nearer_than_training_moved_it(tiny: Base, e2e: Task) -> None:
    torch.manual_seed(1)
    origin = fine_tune.origin(tiny)
    kept = {name: tensor + 0.02 * torch.randn(tensor.shape) for name, tensor in origin.items()}
    example = e2e.pool()[0]
    tokens = torch.tensor([tiny.encode(e2e.prompt(example.source) + example.references[0])])
    model = tiny.to_transformers()

    def logits(weights: dict[str, Tensor]) -> Tensor:
        return functional_call(model, {name: tensor.float() for name, tensor in weights.items()}, (tokens,)).logits

    moved = (logits(kept) - logits(origin)).norm()
    stored = [delta.compress(kept, origin, Packing(bits)) for bits in (8, 4)]
    off = [(logits(delta.decompress(some, origin)) - logits(kept)).norm() for some in stored]
    assert off[0] < 0.01 * moved and off[0] < 0.1 * off[1] < 0.02 * moved


def test_plain_tensors_are_taken_as_they_are() -> None:
    kept, origin = some()
    assert delta.decompress(dict(kept), origin) == kept


@pytest.mark.parametrize("way", [Packing(8), Packing(2), Packing(4, rank=5)])
def test_codes_that_do_not_fit_are_refused(way: Packing) -> None:
    kept, origin = some()
    stored = delta.compress(kept, origin, way)
    part = "matrix" + (delta.LEFT if way.rank else "")
    codes, scales = stored[part + delta.CODES], stored[part + delta.SCALES]
    longer = delta._squeezed(torch.zeros(10**6, dtype=torch.uint8).numpy())
    changes: list[dict[str, Tensor]] = [
        {part + delta.CODES: codes[:-9]},
        {part + delta.CODES: codes.float()},
        {part + delta.CODES: longer},
        {part + delta.CODES: torch.zeros(9, dtype=torch.uint8)},
        {part + delta.SCALES: scales[:-9]},
        {"other" + delta.CODES: codes, "other" + delta.SCALES: scales},
        {"bias" + delta.CODES: codes, "bias" + delta.SCALES: scales},
    ]
    for change in changes:
        with pytest.raises(ArtifactError, match="does not fit this base"):
            delta.decompress(stored | change, origin)
    without = {name: tensor for name, tensor in stored.items() if name != part + delta.SCALES}
    with pytest.raises(ArtifactError, match="does not fit this base"):
        delta.decompress(without, origin)
    for way_told in (torch.tensor([5, 0]), torch.tensor([8.0, 0.0]), torch.tensor([8, -1]), torch.tensor([8])):
        with pytest.raises(ArtifactError, match="do not say"):
            delta.decompress(stored | {delta.WAY: way_told}, origin)
