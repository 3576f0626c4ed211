"""Full fine-tuning: every parameter of a copy of the base is trained, and every task keeps a copy of its own."""

import copy

from torch import Tensor

from prefix_core.errors import ArtifactError
from prefix_core.methods.method import Adaptation, Steered, count, fitting
from prefix_core.methods.settings import Settings
from prefix_core.model.base import AnyNetwork, Base
from prefix_core.model.modules import ModuleNetwork
from prefix_core.model.network import cast, prepack, read_network


class FineTuning(Adaptation):
    method = "fine_tune"

    def __init__(self, base: Base, settings: Settings) -> None:
        super().__init__(base, settings)
        model = copy.deepcopy(base.modules).float() if base.modules is not None else base.to_transformers()
        self.model = model.requires_grad_(True)  # in fp32: small steps are lost in 16 bits
        self.packed, self.dtype = base.modules is None, base.network.dtype

    def network(self) -> AnyNetwork:
        if not self.packed:
            return ModuleNetwork(self.model)  # the others stay in fp32
        network = read_network(self.model.config, dict(self.model.named_parameters()))
        return self.multiplied(cast(network, self.dtype))

    def kept(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.model.named_parameters()}


def origin(base: Base) -> dict[str, Tensor]:
    """The base's tensors from which training starts, by the names they are kept under."""
    return dict(base.tensors)


def start(base: Base, settings: Settings) -> FineTuning:
    return FineTuning(base, settings)


def costs(base: Base, settings: Settings) -> tuple[int, int]:
    """Parameters trained and kept, before anything is trained."""
    return base.parameters, base.parameters


def steer(base: Base, kept: dict[str, Tensor]) -> Steered:
    """Raises `ArtifactError` if these are not weights of this base's architecture and size."""
    wanted = origin(base)
    if set(kept) != set(wanted):
        raise ArtifactError(f"these weights are not those of a model like base {base.name!r}: their names differ")
    for name, tensor in kept.items():
        if tensor.shape != wanted[name].shape:
            sizes = f"{name} is {tuple(tensor.shape)}, here {tuple(wanted[name].shape)}"
            raise ArtifactError(f"these weights do not fit base {base.name!r}: {sizes}")
    tensors = fitting(base, kept)
    if base.modules is None:
        return Steered("fine_tune", prepack(read_network(base.config, tensors)), kept=count(kept))
    model = copy.deepcopy(base.modules, {id(parameter): parameter for parameter in base.modules.parameters()})
    model.load_state_dict(tensors, assign=True, strict=False)
    model.tie_weights()
    return Steered("fine_tune", ModuleNetwork(model.requires_grad_(False)), kept=count(kept))
