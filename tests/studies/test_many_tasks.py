"""Many tasks beside one base: the bytes of their files, and what a batch of many prefixes takes."""

import json
from dataclasses import replace
from pathlib import Path

from prefix_core.artifacts import artifacts
from prefix_core.methods import prefix
from prefix_core.methods.settings import defaults
from prefix_core.model.base import Base
from prefix_core.studies import many_tasks


def test_bytes_are_those_of_the_files_of_this_base(tiny: Base, tmp_path: Path) -> None:
    kept = prefix.start(tiny, defaults("prefix", "a pub")).kept()
    card = artifacts.Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    folders = [artifacts.folder_of(tiny, task, "prefix", tmp_path) for task in ("e2e", "webnlg", "dart")]
    for folder in folders:
        artifacts.save(folder, tiny, kept, card)
    artifacts.write_card(folders[2], replace(card, base_hash="another"))
    many_tasks.record_storage(tiny, tmp_path, tmp_path)
    found, copy = json.loads((tmp_path / "storage.json").read_text())["rows"]
    size = artifacts.stored_bytes(folders[0])
    assert (found["method"], found["measured"], found["bytes_a_task"]) == ("prefix", 2, size)
    assert found["bytes"]["1000"] == tiny.bytes + 1000 * size
    assert copy["bytes"]["10"] == 20 * tiny.parameters


def test_the_measurement_says_what_it_measured(tiny: Base) -> None:
    result = many_tasks.many_prefixes(tiny, count=6, rows=4, tokens=2)
    assert result["prefixes"] == 6 and result["rows"] == 4 and result["times_one"] > 0
    assert result["megabytes_of_copies"] == round(6 * tiny.bytes / 1e6)
    told = many_tasks.table(result)
    assert "6 prefixes: " in told and "4 different ones" in told
