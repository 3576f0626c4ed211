"""AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101), by torch's own fused kernel.

The same numbers as `torch.optim.AdamW(fused=True)`, which would import torch's compiler: a second of the seconds in
which a visitor waits for a training, and 70 MB of memory.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-8
NAMES = ("step", "exp_avg", "exp_avg_sq")  # what is remembered of each parameter, by torch's names


class AdamW:
    """Moves parameters by their gradients. state: a parameter's place -> NAMES -> tensors, from its first step on."""

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float = 0.0) -> None:
        self.parameters, self.weight_decay = list(parameters), weight_decay
        self.state: dict[int, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One step at this learning rate, of every parameter that has a gradient."""
        grads = {place: parameter.grad for place, parameter in enumerate(self.parameters) if parameter.grad is not None}
        if not grads:
            return
        parameters: list[Tensor] = [self.parameters[place] for place in grads]
        for place in grads:
            self.state.setdefault(place, _fresh(self.parameters[place]))
        steps, means, squares = ([self.state[place][name] for place in grads] for name in NAMES)
        for step in steps:
            step += 1
        torch._fused_adamw_(
            parameters,
            list(grads.values()),
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def load(self, state: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Go on from what was remembered, as `state` had it."""
        self.state = {
            place: {name: tensor.to(self.parameters[place].device) for name, tensor in kept.items()}
            for place, kept in state.items()
        }


def _fresh(parameter: nn.Parameter) -> dict[str, Tensor]:
    moments = {name: torch.zeros_like(parameter) for name in NAMES[1:]}
    return {"step": torch.zeros((), dtype=torch.float32, device=parameter.device), **moments}
