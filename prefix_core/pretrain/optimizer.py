"""Muon for the matrices inside the blocks, AdamW for the rest (Jordan et al. 2024).

`torch.optim.Muon` iterates in bfloat16, which processors without bfloat16 units run a hundred times slower than
float32, and takes one matrix at a time. This one iterates in bfloat16 only where that is fast, and takes all matrices
of a shape at once.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from prefix_core.base import native_bf16

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """(n, rows, columns) -> the same with all singular values near 1 (between about 0.7 and 1.2)."""
    a, b, c = NEWTON_SCHULZ
    dtype = matrices.dtype
    if matrices.is_cuda or native_bf16():
        matrices = matrices.bfloat16()
    x = matrices.mT if matrices.shape[-2] > matrices.shape[-1] else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.mT if matrices.shape[-2] > matrices.shape[-1] else x).to(dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised.

    Takes GPT-2's (in, out) matrices; one of shape (d, 3d) is three: queries, keys, values.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:  # type: ignore[override]
        """One step along the orthogonalised Nesterov momentum of every matrix."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(momentum, group["momentum"])
                parts = 3 if weight.shape[1] == 3 * weight.shape[0] else 1
                for part, change in zip(weight.chunk(parts, 1), update.chunk(parts, 1), strict=True):
                    alike[part.shape[0], part.shape[1]].append((part, change))
            for (rows, columns), parts_of_shape in alike.items():
                changes = orthogonalise(torch.stack([change for _, change in parts_of_shape]))
                scale = max(1.0, columns / rows) ** 0.5  # wider outputs need longer steps for the same change in output
                for (part, _), change in zip(parts_of_shape, changes, strict=True):
                    part.mul_(1 - group["lr"] * group["weight_decay"]).sub_(change, alpha=group["lr"] * scale)


def optimizers_for(model: nn.Module, muon: float, adamw: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """Muon on the blocks' matrices at rate `muon`; AdamW at rate `adamw` on embeddings, norms and biases."""
    parameters = dict(model.named_parameters())
    matrices = [weight for name, weight in parameters.items() if weight.ndim == 2 and ".h." in name]
    chosen = set(map(id, matrices))
    rest = [weight for weight in parameters.values() if id(weight) not in chosen]
    return [
        Muon(matrices, lr=muon, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=adamw, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=True),
    ]
