"""FT-top2: only the top two layers are fine-tuned (the paper's FT-TOP2, section 5.2)."""

from torch import Tensor, nn
from transformers import PreTrainedConfig

from prefix_core.errors import ArtifactError
from prefix_core.methods.method import Adaptation, Steered, count, fitting
from prefix_core.methods.settings import Settings
from prefix_core.model.base import Base
from prefix_core.model.network import Layer, Network, cast, layer_names, prepack_layer, prepackable, read_layer

LAYERS = 2


class TopLayers(Adaptation):
    method = "top_layers"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        self.config, self._network = base.config, self.multiplied(base.layered("top_layers"))
        self.names = list(origin(base))
        # in fp32, since small steps are lost in 16 bits
        widened = [tensor.to(base.device, base.dtype).float().clone() for tensor in origin(base).values()]
        self.tensors = nn.ParameterList(widened)

    def network(self) -> Network:
        layers = read_top(self.config, dict(zip(self.names, self.tensors, strict=True)))
        dtype = self._network.dtype
        return on_top(self._network, tuple(self.multiplied(cast(layer, dtype)) for layer in layers))

    def kept(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in zip(self.names, self.tensors, strict=True)}


def origin(base: Base) -> dict[str, Tensor]:
    """The base's tensors from which training starts, by the names they are kept under.

    Raises `InputError` for a base whose layers cannot be replaced.
    """
    count = len(base.layered("top_layers").layers)
    tops = tuple(layer_names(base.config, index) for index in range(max(0, count - LAYERS), count))
    return {name: tensor for name, tensor in base.tensors.items() if name.startswith(tops)}


def read_top(config: PreTrainedConfig, tensors: dict[str, Tensor]) -> tuple[Layer, ...]:
    """The two layers, lower one first."""
    count = config.num_hidden_layers
    return tuple(read_layer(config, tensors, index) for index in range(max(0, count - LAYERS), count))


def on_top(network: Network, layers: tuple[Layer, ...]) -> Network:
    """The network with its last layers replaced."""
    return network._replace(layers=network.layers[: -len(layers)] + layers)


def start(base: Base, settings: Settings) -> TopLayers:
    return TopLayers(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained and kept, before anything is trained."""
    size = count(origin(base))
    return size, size


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not the top layers of a base like this."""
    wanted = origin(base)
    sizes = {name: tuple(tensor.shape) for name, tensor in kept.items()}
    if sizes != {name: tuple(tensor.shape) for name, tensor in wanted.items()}:
        raise ArtifactError(f"these top layers do not fit base {base.name!r}: their names or shapes differ")
    layers = read_top(base.config, fitting(base, kept))
    if prepackable(base.layered("top_layers")):
        layers = tuple(prepack_layer(layer) for layer in layers)
    return Steered("top_layers", on_top(base.layered("top_layers", base.writer), layers), kept=count(kept))
