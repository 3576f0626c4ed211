"""FT-top2: only the top two layers are fine-tuned (the paper's FT-TOP2, section 5.2)."""

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from prefix_core.base import Base
from prefix_core.errors import ArtifactError
from prefix_core.gpt2 import Layer, Network, cast, pack_layer, packable, read_layer
from prefix_core.methods.method import Adaptation, Steered, count, fitting
from prefix_core.settings import Settings

LAYERS = 2


class TopLayers(Adaptation):
    method = "top_layers"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        self._network = self.multiplied(base.layered("top_layers"))
        # in fp32, since small steps are lost in 16 bits
        self.blocks = nn.ModuleList(copy.deepcopy(block).float() for block in top_blocks(base)).requires_grad_(True)

    def network(self) -> Network:
        layers = [read_layer(block, self._network.norm.epsilon) for block in self.blocks]
        dtype = self._network.tokens.dtype
        return on_top(self._network, [self.multiplied(cast(layer, dtype)) for layer in layers])

    def kept(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.blocks.named_parameters()}


def top_blocks(base: Base) -> list[nn.Module]:
    """Raises `InputError` for a base whose layers cannot be replaced."""
    base.layered("top_layers")
    return list(base.model.get_submodule("transformer.h").children())[-LAYERS:]


def origin(base: Base) -> dict[str, Tensor]:
    """The base's tensors from which training starts, by the names they are kept under."""
    return dict(nn.ModuleList(top_blocks(base)).named_parameters())


def on_top(network: Network, layers: Sequence[Layer]) -> Network:
    """The network with its last layers replaced."""
    return network._replace(layers=network.layers[: -len(layers)] + tuple(layers))


def start(base: Base, settings: Settings) -> TopLayers:
    return TopLayers(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained and kept, before anything is trained."""
    size = count(origin(base))
    return size, size


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not the top layers of a base like this."""
    blocks = nn.ModuleList(copy.deepcopy(block) for block in top_blocks(base))
    try:
        blocks.load_state_dict(fitting(base, kept), assign=True)
    except RuntimeError as error:
        raise ArtifactError(f"these top layers do not fit base {base.name!r}: {str(error).splitlines()[-1]}") from error
    network = base.layered("top_layers")
    layers = [read_layer(block, network.norm.epsilon) for block in blocks.requires_grad_(False)]
    if packable(network):
        layers = [pack_layer(layer) for layer in layers]
    return Steered("top_layers", on_top(base.layered("top_layers", base.writer), layers), kept=count(kept))
