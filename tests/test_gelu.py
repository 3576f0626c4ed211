"""The activation and its slope, against PyTorch's own."""

import torch
import torch.nn.functional as F

from prefix_core.gelu import gelu


def test_value_and_slope_are_those_of_pytorch() -> None:
    ours = torch.cat([torch.linspace(-12, 12, 9999), torch.tensor([-1e4, 0.0, 1e4])]).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    weights = torch.randn(len(ours), generator=torch.Generator().manual_seed(0))
    y, wanted = gelu(ours), F.gelu(theirs, approximate="tanh")
    assert type(y.grad_fn) is not type(wanted.grad_fn)
    (y * weights).sum().backward()
    (wanted * weights).sum().backward()
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)
