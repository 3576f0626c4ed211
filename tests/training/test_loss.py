"""The loss behind an output layer is cross-entropy, and so are its gradients."""

import pytest
import torch
import torch.nn.functional as F

from prefix_core.model import products
from prefix_core.model.products import Dense, HalfDense, StoredDense, half_products
from prefix_core.training.loss import BLOCK, ROWS, mean_token_loss, token_losses


@pytest.mark.parametrize("count", [1, ROWS, 2 * ROWS + 3])
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_losses_and_gradients_are_those_of_cross_entropy(count: int, trained: bool) -> None:
    torch.manual_seed(count)
    head, targets = 4 * torch.randn(50, 8), torch.randint(0, 50, (count,))
    weights = torch.rand(count)
    found = []
    for loss in (token_losses, lambda h, w, t: F.cross_entropy(w(h), t, reduction="none")):
        torch.manual_seed(0)
        hidden, matrix = torch.randn(count, 8, requires_grad=True), head.clone().requires_grad_(trained)
        losses = loss(hidden, Dense(matrix), targets)
        (losses * weights).sum().backward()
        found.append((losses.detach(), hidden.grad, matrix.grad))
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, ROWS, BLOCK, 2 * BLOCK + 3])
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_the_mean_and_its_gradients_are_those_of_cross_entropy(count: int, trained: bool, dtype: torch.dtype) -> None:
    """In bf16 the parameters stay in fp32 and the products are rounded: logits of 10 by up to 0.03."""
    torch.manual_seed(count)
    start, head, targets = torch.randn(count, 8), 4 * torch.randn(50, 8), torch.randint(0, 50, (count,))
    found = []
    for loss in (mean_token_loss, lambda h, w, t: F.cross_entropy(h.float() @ w.weight.float().t(), t)):
        hidden, matrix = start.clone().requires_grad_(), head.clone().requires_grad_(trained)
        mean = loss(hidden.to(dtype), Dense(matrix.to(dtype)), targets)
        (3 * mean).backward()  # a factor, as a loss's weight would be
        found.append((mean.detach(), hidden.grad, matrix.grad))
    near = 1e-5 if dtype == torch.float32 else 3e-2
    for ours, theirs in zip(*found, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours.dtype == torch.float32
            assert (ours - theirs).abs().max() <= near * theirs.abs().max()


def test_without_gradients_the_mean_is_the_same() -> None:
    torch.manual_seed(0)
    hidden, head, targets = torch.randn(5, 8), torch.randn(50, 8, requires_grad=True), torch.randint(0, 50, (5,))
    with torch.no_grad():
        measured = mean_token_loss(hidden, Dense(head), targets)
    assert measured.item() == pytest.approx(mean_token_loss(hidden, Dense(head), targets).item(), rel=1e-6)


def test_far_off_logits_do_not_overflow() -> None:
    losses = token_losses(torch.tensor([[1e4]]), Dense(torch.tensor([[1.0], [-1.0]])), torch.tensor([1]))
    assert losses.item() == pytest.approx(2e4)


def test_a_half_precision_head_gives_losses_in_full_precision() -> None:
    hidden = torch.randn(3, 8, dtype=torch.bfloat16, requires_grad=True)
    losses = token_losses(hidden, Dense(torch.randn(50, 8, dtype=torch.bfloat16)), torch.tensor([1, 2, 3]))
    losses.sum().backward()
    assert losses.dtype == torch.float32 and hidden.grad is not None and hidden.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("count", [1, 2 * ROWS + 3])
def test_a_head_in_16_bits_has_the_same_losses_and_gradients(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert half_products()
    torch.manual_seed(count)
    matrix, targets = torch.randn(50, 8).half(), torch.randint(0, 50, (count,))
    found, whole = [], Dense(matrix.float())
    monkeypatch.setattr(products, "MOST_ROWS", 16)  # widened in four blocks
    for head in (HalfDense([matrix]), StoredDense((matrix,)), StoredDense((matrix[:20], matrix[20:])), whole):
        torch.manual_seed(0)
        hidden = torch.randn(count, 8, requires_grad=True)
        mean = mean_token_loss(hidden, head, targets)
        mean.backward()
        found.append((mean.detach(), hidden.grad))
    for other in found[:-1]:
        for ours, theirs in zip(other, found[-1], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
