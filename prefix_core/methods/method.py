"""What a method is, seen from the model: other weights or none, a prefix or none, words before the input or none."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from prefix_core.errors import InputError
from prefix_core.methods.settings import Settings
from prefix_core.model.base import AnyNetwork, Base
from prefix_core.model.lower_layers import LowerLayers
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.network import Layer, Network, cast_products
from prefix_core.model.prefix import Prefix

Multiplied = TypeVar("Multiplied", AnyNetwork, Network, Layer)


@dataclass(frozen=True)
class Steered:
    """A base as one method leaves it, ready to write.

    trained, kept: parameters moved by training and parameters kept of them; bytes: on disk, beside the base.
    prefix: keys and values before the input, learned or, of a prompt, those of its fixed beginning. words: a prompt of
    an encoder-decoder, before the input. closing: a prompt's tokens after the input, in place of the task's separator.
    """

    method: str
    network: AnyNetwork
    prefix: Prefix | None = None
    words: str = ""
    closing: tuple[int, ...] | None = None
    trained: int = 0
    kept: int = 0
    bytes: int = 0

    def acting(self, strength: float = 1.0, span: range | None = None) -> "Steered":
        """The same, with its learned prefix weaker or stronger, or in some layers only: see `Prefix`.

        Raises `InputError` for a method without a learned prefix, and for layers of an encoder-decoder, of three kinds.
        """
        if strength == 1 and span is None:
            return self
        if self.method != "prefix" or self.prefix is None:
            raise InputError(f"strength and layers are a prefix's; {self.method} has none: leave them out")
        if span is not None and isinstance(self.network, ModuleNetwork) and self.network.encoder is not None:
            raise InputError("layers can be chosen for decoders only: an encoder-decoder has three kinds of them")
        return replace(self, prefix=self.prefix.acting(strength, span))

    def costing(self, trained: int, stored: int) -> "Steered":
        """The same, with the costs its card records."""
        return replace(self, trained=trained, bytes=stored)


class Adaptation(nn.Module):
    """What is being trained, in fp32. Its parameters are the trained ones; the base it was started on never changes."""

    method: str
    prefix_length = 0  # tokens of context the prefix takes
    infix = False  # whether it stands behind the input
    at_once: int | None = None  # tokens that are best learned from in one pass, where that is fewer than usual
    below: LowerLayers | None = None  # where nothing is trained in the lower layers: what those make of the examples

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__()
        self.in_bf16 = settings.precision == "bf16"
        self.device_type = base.device.type

    def arithmetic(self) -> torch.autocast:
        """The context that network and prefix are run in: products in bf16 if so set, what is added up in fp32."""
        return torch.autocast(self.device_type, torch.bfloat16, enabled=self.in_bf16)

    def multiplied(self, tensors: Multiplied) -> Multiplied:
        """The tensors with their matrices as they are multiplied: a frozen one is cast once, not in every step."""
        if not self.in_bf16 or isinstance(tensors, ModuleNetwork):
            return tensors
        return cast_products(tensors, torch.bfloat16)

    def network(self) -> AnyNetwork:
        """The network to run, made of the parameters as they are now."""
        raise TypeError(f"{type(self).__name__} defines no network")

    def prefix(self) -> Prefix | None:
        """The prefix as it is now."""
        return None

    def kept(self) -> dict[str, Tensor]:
        """What is kept after training, by name."""
        raise TypeError(f"{type(self).__name__} keeps nothing")

    @property
    def trained(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def count(tensors: dict[str, Tensor]) -> int:
    """Parameters in all."""
    return sum(tensor.numel() for tensor in tensors.values())


def fitting(base: Base, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the base's device, in its arithmetic."""
    return {name: base.computed(tensor.detach()) for name, tensor in tensors.items()}
