"""Prefix-Tuning (Li & Liang 2021): steer a frozen language model by a small learned prefix.

Train a prefix on examples, write with it, keep it, and load it again:

>>> from prefix_core import Request, Settings, describe, generate, get_task, load_artifact, load_base, save_artifact
>>> from prefix_core import train
>>> base = load_base(name)  # such as "smollm2", a GGUF file, a folder, or "gpt2-medium" from the Hugging Face Hub
>>> task = get_task("e2e")
>>> examples = [
...     task.from_record({"mr": "name[Copper Kettle], area[riverside]", "ref": "Copper Kettle is by the river."}),
...     task.from_record({"mr": "name[Pomelo], food[Thai]", "ref": "Pomelo serves Thai food."}),
... ]
>>> settings = Settings(steps=3, prefix_length=5, mlp_width=None, learning_rate=0.05, initial_words=task.initial_words)
>>> for event in train(base, task, "prefix", examples, settings):  # an event for every step, and a closing one
...     result = event.result
>>> result.steps, result.steered.kept == base.shape.prefix_parameters(5)
(3, True)
>>> [text] = generate(base, [Request(result.steered, task, task.parse("name[Blue Spice], area[city centre]"))])
>>> card = save_artifact(folder, base, result.kept, describe(base, task.name, result, data={"name": "my own"}))
>>> steered, card = load_artifact(folder, base)
>>> generate(base, [Request(steered, task, examples[0].source)]) == generate(
...     base, [Request(result.steered, task, examples[0].source)]
... )
True

Several requests go through the model in one batch, whatever their prefixes. Nothing heavy is imported until a name is
used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefix_core.artifacts.artifacts import Card, describe
    from prefix_core.artifacts.artifacts import load as load_artifact
    from prefix_core.artifacts.artifacts import save as save_artifact
    from prefix_core.data.examples import Example, load_examples
    from prefix_core.errors import ArtifactError, BaseError, InputError, PrefixError
    from prefix_core.methods.method import Steered
    from prefix_core.methods.settings import Settings, defaults
    from prefix_core.model.base import Base
    from prefix_core.model.loading import load_base
    from prefix_core.model.prefix import Prefix
    from prefix_core.studies.evaluate import evaluate
    from prefix_core.tasks import get_task
    from prefix_core.tasks.custom import custom
    from prefix_core.tasks.task import Task
    from prefix_core.training.train import Trained, TrainingEvent, train
    from prefix_core.writing.generate import Decoding, GenerationEvent, Request, stream
    from prefix_core.writing.generate import write as generate

_HOMES = {  # module -> the names that come from it; "a as b" where the package calls it otherwise
    "artifacts.artifacts": ("Card", "describe", "load as load_artifact", "save as save_artifact"),
    "data.examples": ("Example", "load_examples"),
    "errors": ("ArtifactError", "BaseError", "InputError", "PrefixError"),
    "methods.method": ("Steered",),
    "methods.settings": ("Settings", "defaults"),
    "model.base": ("Base",),
    "model.loading": ("load_base",),
    "model.prefix": ("Prefix",),
    "studies.evaluate": ("evaluate",),
    "tasks": ("get_task",),
    "tasks.custom": ("custom",),
    "tasks.task": ("Task",),
    "training.train": ("Trained", "TrainingEvent", "train"),
    "writing.generate": ("Decoding", "GenerationEvent", "Request", "stream", "write as generate"),
}
_PLACES = {
    entry.split(" as ")[-1]: (module, entry.split(" as ")[0]) for module, entries in _HOMES.items() for entry in entries
}

__all__ = [
    "ArtifactError",
    "Base",
    "BaseError",
    "Card",
    "Decoding",
    "Example",
    "GenerationEvent",
    "InputError",
    "Prefix",
    "PrefixError",
    "Request",
    "Settings",
    "Steered",
    "Task",
    "Trained",
    "TrainingEvent",
    "custom",
    "defaults",
    "describe",
    "evaluate",
    "generate",
    "get_task",
    "load_artifact",
    "load_base",
    "load_examples",
    "save_artifact",
    "stream",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch takes seconds to load."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, own_name = _PLACES[name]
    globals()[name] = value = getattr(import_module(f"{__name__}.{module}"), own_name)
    return value
