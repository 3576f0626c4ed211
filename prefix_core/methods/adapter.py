"""Adapters: Parameter-Efficient Transfer Learning for NLP (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751).

A bottleneck after the attention and after the MLP of every layer; the base stays frozen.
"""

import torch
from torch import Tensor, nn

from prefix_core.errors import ArtifactError
from prefix_core.methods.method import Adaptation, Steered, count, fitting
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.network import Bottleneck, Network

PARTS = ("down", "down_bias", "up", "up_bias")


class Adapter(Adaptation):
    """Stacked over layers and the two places: down (layers, 2, width, hidden), up (layers, 2, hidden, width)."""

    method = "adapter"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        layers, hidden, width = base.shape.layers, base.shape.hidden, bottleneck_width(base, settings.adapter_share)
        generator = torch.Generator().manual_seed(settings.seed)
        down = torch.randn(layers, 2, width, hidden, generator=generator) / hidden**0.5
        zeros = {"down_bias": (layers, 2, width), "up": (layers, 2, hidden, width), "up_bias": (layers, 2, hidden)}
        sizes = {name: torch.zeros(size) for name, size in zeros.items()}
        self.tensors = nn.ParameterDict({"down": down, **sizes}).to(base.device)
        self._network = self.multiplied(base.layered("adapter"))

    def network(self) -> Network:
        dtype = self._network.dtype
        return with_adapters(self._network, {name: tensor.to(dtype) for name, tensor in self.tensors.items()})

    def kept(self) -> dict[str, Tensor]:
        # numbers that fp16 holds, in which they are stored
        return {name: tensor.detach().half().float() for name, tensor in self.tensors.items()}


def bottleneck_width(base: Base, share: float) -> int:
    """The width whose adapters come nearest to `share` (0.03 = 3%) of the base's parameters, at least 1."""
    layers, hidden = base.shape.layers, base.shape.hidden
    return max(1, round((share * base.parameters / (2 * layers) - hidden) / (2 * hidden + 1)))


def with_adapters(network: Network, tensors: dict[str, Tensor]) -> Network:
    layers = []
    for index, layer in enumerate(network.layers):
        first, second = (Bottleneck(*(tensors[part][index, place] for part in PARTS)) for place in (0, 1))
        layers.append(layer._replace(adapter_1=first, adapter_2=second))
    return network._replace(layers=tuple(layers))


def start(base: Base, settings: Settings) -> Adapter:
    return Adapter(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained and kept, before anything is trained."""
    base.layered("adapter")
    layers, hidden, width = base.shape.layers, base.shape.hidden, bottleneck_width(base, settings.adapter_share)
    size = 2 * layers * (2 * hidden * width + width + hidden)
    return size, size


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not adapters for a base like this."""
    layers, hidden = base.shape.layers, base.shape.hidden
    if set(kept) != set(PARTS):
        raise ArtifactError(f"adapters hold {', '.join(PARTS)}; this holds {', '.join(sorted(kept)) or 'nothing'}")
    width = kept["down_bias"].shape[-1] if kept["down_bias"].ndim else 0
    wanted = {
        "down": (layers, 2, width, hidden),
        "down_bias": (layers, 2, width),
        "up": (layers, 2, hidden, width),
        "up_bias": (layers, 2, hidden),
    }
    for name, size in wanted.items():
        if tuple(kept[name].shape) != size:
            raise ArtifactError(f"the adapters' {name!r} has shape {tuple(kept[name].shape)}; this base needs {size}")
    network = with_adapters(base.layered("adapter", base.writer), fitting(base, kept))
    return Steered("adapter", network, kept=count(kept))
