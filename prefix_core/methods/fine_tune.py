"""Full fine-tuning: every parameter of a copy of the base is trained, and every task keeps a copy of its own."""

import copy

from torch import Tensor

from prefix_core.base import AnyNetwork, Base, as_network
from prefix_core.errors import ArtifactError
from prefix_core.gpt2 import Network, cast, pack
from prefix_core.methods.method import Adaptation, Steered, count, fitting
from prefix_core.settings import Settings


class FineTuning(Adaptation):
    method = "fine_tune"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        self.model = copy.deepcopy(base.model).float().requires_grad_(True)  # small steps are lost in 16 bits
        self.dtype = base.network.tokens.dtype

    def network(self) -> AnyNetwork:
        network = as_network(self.model)
        if not isinstance(network, Network):
            return network  # the others stay in fp32
        return self.multiplied(cast(network, self.dtype))

    def kept(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.named_parameters()}


def origin(base: Base) -> dict[str, Tensor]:
    """The base's tensors from which training starts, by the names they are kept under."""
    return dict(base.model.named_parameters())


def start(base: Base, settings: Settings) -> FineTuning:
    return FineTuning(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained and kept, before anything is trained."""
    return base.parameters, base.parameters


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not weights of this base's architecture and size."""
    if set(kept) != set(origin(base)):
        raise ArtifactError(f"these weights are not those of a model like base {base.name!r}: their names differ")
    model = copy.deepcopy(base.model, {id(parameter): parameter for parameter in base.model.parameters()})
    try:
        model.load_state_dict(fitting(base, kept), assign=True, strict=False)
        model.tie_weights()
    except RuntimeError as error:
        raise ArtifactError(f"these weights do not fit base {base.name!r}: {str(error).splitlines()[-1]}") from error
    network = as_network(model.requires_grad_(False))
    return Steered("fine_tune", pack(network) if isinstance(network, Network) else network, kept=count(kept))
