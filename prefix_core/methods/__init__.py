"""The methods by name. A trained one is a file with `start`, `costs` and `steer`; a new one is a line here."""

from types import ModuleType

from prefix_core.errors import InputError
from prefix_core.methods import adapter, fine_tune, prefix, prompt, top_layers

TRAINED: dict[str, ModuleType] = {
    "prefix": prefix,
    "fine_tune": fine_tune,
    "top_layers": top_layers,
    "adapter": adapter,
}
METHODS: dict[str, ModuleType] = {**TRAINED, "prompt": prompt}


def get_trained(name: str) -> ModuleType:
    """A method that can be trained; raises `InputError` naming those there are."""
    if name not in TRAINED:
        why = "nothing is trained in it" if name in METHODS else "no such method"
        raise InputError(f"method {name!r} cannot be trained ({why}); choose one of {', '.join(TRAINED)}")
    return TRAINED[name]
