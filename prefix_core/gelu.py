"""GELU (tanh), GPT-2's activation: PyTorch's own, but for learning on a processor, where it is made of faster parts.

tanh(u) is 2 sigmoid(2u) - 1, and PyTorch's sigmoid takes a third of the time of its tanh, which it works out twice:
forward and backward. Here the slope is known as soon as the value is, and is what is kept.
"""

from math import pi, sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SCALE = 2 * sqrt(2 / pi)
CUBIC = 0.044715 * SCALE


def gelu(x: Tensor) -> Tensor:
    """x sigmoid(SCALE x + CUBIC x^3), of any shape."""
    if x.requires_grad and x.device.type == "cpu" and x.dtype == torch.float32:
        return _Gelu.apply(x)  # type: ignore[no-any-return]
    return F.gelu(x, approximate="tanh")


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        square = x * x
        share = (square * CUBIC).add_(SCALE).mul_(x).sigmoid_()
        y = x * share
        slope = square.mul_(3 * CUBIC).add_(SCALE).mul_(y)  # of the argument, times y
        ctx.save_for_backward(slope.sub_(slope * share).add_(share))
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (slope,) = ctx.saved_tensors
        return slope * grads[0]
