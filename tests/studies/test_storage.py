"""The bytes of many tasks are those of the files."""

import json
from dataclasses import replace
from pathlib import Path

from prefix_core.artifacts import artifacts
from prefix_core.methods import prefix
from prefix_core.methods.settings import defaults
from prefix_core.model.base import Base
from prefix_core.studies import storage


def test_bytes_are_those_of_the_files_of_this_base(tiny: Base, tmp_path: Path) -> None:
    kept = prefix.start(tiny, defaults("prefix", "a pub")).kept()
    card = artifacts.Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    folders = [artifacts.folder_of(tiny, task, "prefix", tmp_path) for task in ("e2e", "webnlg", "dart")]
    for folder in folders:
        artifacts.save(folder, tiny, kept, card)
    artifacts.write_card(folders[2], replace(card, base_hash="another"))
    storage.record(tiny, tmp_path, tmp_path)
    found, copy = json.loads((tmp_path / "storage.json").read_text())["rows"]
    size = artifacts.stored_bytes(folders[0])
    assert (found["method"], found["measured"], found["bytes_a_task"]) == ("prefix", 2, size)
    assert found["bytes"]["1000"] == tiny.bytes + 1000 * size
    assert copy["bytes"]["10"] == 20 * tiny.parameters
