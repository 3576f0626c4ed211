"""AdamW as torch has it, to the last bit, and without what torch imports for it."""

import subprocess
import sys

import torch
from torch import nn

from prefix_core.training.adamw import AdamW

ALONE = """
import sys, torch
from prefix_core.training.adamw import AdamW
number = torch.nn.Parameter(torch.ones(1))
optimizer = AdamW([number])
number.sum().backward()
torch.nn.utils.clip_grad_norm_([number], 1.0)
optimizer.step(0.1)
print("torch._dynamo" in sys.modules, round(number.item(), 4))
"""


def numbers() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(size, generator=generator)) for size in ((3, 5), (7,), (2, 2))]


def learn(parameters: list[nn.Parameter], step: int) -> None:
    """Gradients; the last parameter has one in every second step alone."""
    for place, parameter in enumerate(parameters):
        parameter.grad = None if place == 2 and step % 2 else torch.sin(parameter.detach() * (step + 1))


def test_every_step_is_that_of_torch_and_a_pause_changes_nothing() -> None:
    ours, theirs = numbers(), numbers()
    optimizer, torchs = AdamW(ours, weight_decay=0.1), torch.optim.AdamW(theirs, weight_decay=0.1, fused=True)
    for step in range(6):
        rate = 0.1 / (step + 1)
        for group in torchs.param_groups:
            group["lr"] = rate
        learn(ours, step)
        learn(theirs, step)
        if step == 3:  # it was saved, and another goes on
            state = {
                place: {name: tensor.clone() for name, tensor in kept.items()}
                for place, kept in optimizer.state.items()
            }
            optimizer = AdamW(ours, weight_decay=0.1)
            optimizer.load(state)
        optimizer.step(rate)
        torchs.step()
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True)), step
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in ours)


def test_nothing_heavy_is_imported_for_it() -> None:
    told = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    assert told == "False 0.9\n"
