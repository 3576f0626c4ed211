"""The loss of target tokens behind a frozen output layer, with its gradient, in one pass over the vocabulary.

The output layer is the largest matrix of a small model and its logits the largest thing a training step makes. Where
the layer learns nothing, the gradient of the hidden states is known as soon as the logits are: they are turned into it
a few rows at a time, while they are still in the processor's cache, and never kept.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 64  # that are worked on at a time


def token_losses(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of every token in nats, (n,), in fp32.

    hidden: (n, width), the final states; head: (vocabulary, width); targets: (n,) token ids.
    """
    if head.requires_grad:
        return F.cross_entropy(F.linear(hidden, head).float(), targets, reduction="none")
    return _BehindFrozenHead.apply(hidden, head, targets)  # type: ignore[no-any-return]


class _BehindFrozenHead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        wanted = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wanted else hidden.new_empty(0)
        for start in range(0, len(hidden), ROWS):
            part = slice(start, start + ROWS)
            logits, target = F.linear(hidden[part], head).float(), targets[part, None]
            highest = logits.amax(1, keepdim=True)
            at_target = logits.gather(1, target)
            powers = logits.sub_(highest).exp_()
            total = powers.sum(1, keepdim=True)
            losses[part] = (total.log() + highest - at_target).squeeze(1)
            if wanted:
                chances = powers.div_(total)
                chances.scatter_add_(1, target, chances.new_full((len(target), 1), -1.0))
                torch.mm(chances.to(head.dtype), head, out=gradient[part])
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0][:, None].to(gradient.dtype), None, None
