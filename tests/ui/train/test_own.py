"""A visitor's own prefix can be taken along: for llama.cpp, where it has a place for it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prefix_core.artifacts.artifacts import Card
from prefix_core.artifacts.llama_cpp import read_state
from prefix_core.methods.prefix import steer
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.tasks.task import Task
from prefix_core.ui.kept import OwnPrefix
from prefix_core.ui.train.own import for_llama_cpp
from prefix_core.ui.visitors import Visitor
from tests.architectures import make_base


def own_on(base: Base, task: Task) -> OwnPrefix:
    keys, values = random_start(base.shape, 4, torch.Generator().manual_seed(0))
    card = Card(base.name, base.weights_hash, base.parameters, task.name, "prefix")
    return OwnPrefix("my own", task, card, steer(base, {"keys": keys, "values": values}))


def test_the_button_holds_the_state_of_a_llama_and_is_not_there_for_gpt2(
    tiny: Base, e2e: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    llama = load_base(str(make_base(tmp_path / "llama", "llama")))

    def button(base: Base) -> Any:
        loading: Any = SimpleNamespace(wait=lambda: SimpleNamespace(base=base))
        return for_llama_cpp(loading, Visitor("token", 0.0), own_on(base, e2e))

    shown, ours = button(llama), own_on(llama, e2e).steered.prefix
    assert shown.visible and ours is not None and not button(tiny).visible
    value = shown.value["path"] if isinstance(shown.value, dict) else shown.value
    assert torch.equal(read_state(Path(value), llama).keys, ours.keys)
