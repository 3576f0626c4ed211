"""Training by several processes as by one: those that `accelerate launch` starts, on many GPUs or machines.

Each knows the whole batch, which follows from the seed, and runs its own part of it. Losses and gradients are divided
by the target tokens of all and summed, so every step is the one that a single process with the same batch makes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from prefix_core.errors import InputError

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Workers:
    """This process, number `rank` of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports progress."""
        return self.rank == 0

    def share(self, things: Sequence[Thing]) -> Sequence[Thing]:
        """This process's part, consecutive, so that texts of one input stay together."""
        start, end = (len(things) * rank // self.count for rank in (self.rank, self.rank + 1))
        return things[start:end]

    def sum(self, *tensors: Tensor) -> None:
        """Put the sum over all processes in the place of each tensor."""
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for tensor in tensors:
            tensor.copy_(reduce(tensor, "sum"))

    def agree(self, wish: bool, device: torch.device) -> bool:
        """Whether any process wants this; all of them get the same answer."""
        wishes = torch.tensor(float(wish), device=device)
        self.sum(wishes)
        return bool(wishes)


ALONE = Workers()


def join(device: str) -> Workers:
    """The processes that `accelerate launch` started; alone where it did not.

    Raises `InputError` if it did and `accelerate` is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise InputError("several processes train together by Accelerate: pip install accelerate") from error
    state = PartialState(cpu=device == "cpu")  # on GPUs, "cuda" is from now on this process's own
    return Workers(state.process_index, state.num_processes)
