"""The lower layers once: the same loss and gradients, and no layer below the first trained one is run a second time."""

import dataclasses

import pytest
import torch

from prefix_core.methods import prefix
from prefix_core.methods.prefix import PrefixTuning
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.model.lower_layers import LowerLayers
from prefix_core.model.network import Layer, Network, products_of
from prefix_core.model.products import HalfDense, StoredDense, half_products
from prefix_core.tasks.task import Task
from prefix_core.training.batches import Pair, encode_pairs
from prefix_core.training.loss import learn
from tests.architectures import make_base

SETTINGS = Settings(layers="upper half", mlp_width=None, prefix_length=6, initial_words="name : a pub")


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def base(request: pytest.FixtureRequest, tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny if request.param == "gpt2" else load_base(str(make_base(tmp_path_factory.mktemp("llama"), "llama")))


def some_pairs(base: Base, task: Task, precise: int = 4) -> list[Pair]:
    """Inputs with one text and with several."""
    return encode_pairs(base, task, task.pool()[:precise], 6, "cut")


def gradient(tuned: PrefixTuning, batch: list[Pair], base: Base) -> tuple[float, torch.Tensor]:
    tuned.zero_grad()
    loss = learn(base, tuned, batch)
    (added,) = tuned.parameters()
    assert added.grad is not None
    return loss, added.grad.clone()


def test_losses_and_gradients_are_those_of_all_layers_in_every_epoch_and_any_batch(base: Base, e2e: Task) -> None:
    pairs = some_pairs(base, e2e)
    kept, plain = prefix.start(base, SETTINGS), prefix.start(base, SETTINGS)
    plain.below = None
    torch.nn.init.normal_(kept.encoder.added, std=0.3, generator=torch.Generator().manual_seed(0))
    plain.load_state_dict(kept.state_dict())
    for batch in (pairs, pairs[::-1], pairs[1:3], pairs[3:]):
        loss, moved = gradient(kept, batch, base)
        expected, exactly = gradient(plain, batch, base)
        assert loss == pytest.approx(expected, abs=1e-5)
        torch.testing.assert_close(moved, exactly, rtol=1e-3, atol=1e-6)


def test_what_is_known_is_not_run_again(base: Base, e2e: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, tuned = some_pairs(base, e2e), prefix.start(base, SETTINGS)
    run: list[int] = []
    after = Layer.after_attention

    def counted(layer: Layer, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        run.append(1)
        return after(layer, x, y)

    monkeypatch.setattr(Layer, "after_attention", counted)
    layers = base.shape.layers
    learn(base, tuned, pairs)
    assert len(run) == layers
    learn(base, tuned, pairs[::2])
    assert len(run) == layers + layers - layers // 2


def test_only_as_much_is_kept_as_there_is_room_for(base: Base, e2e: Task) -> None:
    pairs, tuned = some_pairs(base, e2e), prefix.start(base, SETTINGS)
    expected, _ = gradient(tuned, pairs, base)
    few = prefix.start(base, SETTINGS)
    a_token = base.shape.hidden * 4
    few.below = LowerLayers(base.shape.layers // 2, most_bytes=a_token * (len(pairs[0].source) + len(pairs[0].target)))
    for _ in range(2):
        assert gradient(few, pairs, base)[0] == pytest.approx(expected, abs=1e-5)
    assert len(few.below.states) == 1 and few.below.bytes <= few.below.most_bytes


def test_a_prefix_of_the_upper_layers_trains_them_alone_and_is_kept_of_all(tiny: Base) -> None:
    tuned = prefix.start(tiny, SETTINGS)
    trained, kept = prefix.costs(tiny, SETTINGS)
    assert tuned.trained == trained == kept // 2
    assert tuned.kept()["keys"].shape == (2, 6, tiny.shape.kv_heads, tiny.shape.head_dim)
    start = prefix.start_of(tiny, SETTINGS)
    torch.nn.init.ones_(tuned.encoder.added)
    assert torch.equal(tuned.prefix().keys[0], start.keys[0]) and (tuned.prefix().keys[1] != start.keys[1]).all()


def test_nothing_is_laid_out_for_the_lower_layers_nor_for_writing(tiny: Base, e2e: Task) -> None:
    halves = {name: tensor.half() for name, tensor in tiny.tensors.items()}
    base = dataclasses.replace(tiny, tensors=halves)
    assert half_products()
    tuned = prefix.start(base, SETTINGS)
    learn(base, tuned, some_pairs(base, e2e))
    *lower, upper = [layer.out for layer in base.network.layers]  # of two
    assert all(isinstance(dense, HalfDense) and "packed" not in vars(dense) for dense in lower)
    assert isinstance(upper, HalfDense) and {"packed", "transposed"} <= set(vars(upper))
    assert "writer" not in vars(base)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_lean_base_has_the_same_losses_and_gradients_and_lays_nothing_out(
    tiny: Base, e2e: Task, precision: str
) -> None:
    halves = {name: tensor.half() for name, tensor in tiny.tensors.items()}
    settings, found = dataclasses.replace(SETTINGS, precision=precision), []
    for lean in (False, True):
        base = dataclasses.replace(tiny, tensors=halves, lean=lean)
        pairs, tuned = some_pairs(base, e2e), prefix.start(base, settings)
        for _ in range(2):  # the second time with the states of the lower layers that the first has kept
            found.append(gradient(tuned, pairs, base))
    network = tuned.network()
    assert isinstance(network, Network) and all(isinstance(dense, StoredDense) for dense in products_of(network))
    close = {"rtol": 1e-3, "atol": 1e-6} if precision == "fp32" else {"rtol": 0.05, "atol": 2e-3}
    for loss, moved in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5 if precision == "fp32" else 1e-2)
        torch.testing.assert_close(moved, found[0][1], **close)


def test_matrices_as_they_are_stored_give_the_same(tiny: Base) -> None:
    base = dataclasses.replace(tiny, tensors={name: tensor.half() for name, tensor in tiny.tensors.items()})
    x = torch.randn(5, base.shape.hidden, generator=torch.Generator().manual_seed(0))
    for stored, plain in zip(base.stored.layers, base.network.layers, strict=True):
        torch.testing.assert_close(stored.qkv(x), plain.qkv(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(stored.mlp(x), plain.mlp(x), rtol=1e-5, atol=1e-5)
