"""Many prefixes beside one base: listed, mapped from their files, the least used dropped, mixed in one batch."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts
from prefix_core.errors import ArtifactError
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.tasks.task import Task
from prefix_core.writing.engine import Shelf
from prefix_core.writing.generate import Request, write


def save_prefix(base: Base, folder: Path, seed: int) -> Path:
    keys, values = random_start(base.shape, 3 + seed % 3, torch.Generator().manual_seed(seed))
    card = artifacts.Card(base.name, base.weights_hash, base.parameters, "e2e", "prefix")
    artifacts.save(folder, base, {"keys": 3 * keys, "values": 3 * values}, card)
    return folder


def mapped() -> str:
    return Path("/proc/self/maps").read_text()


def test_a_prefix_is_mapped_from_its_file_until_it_is_dropped(tiny: Base, tmp_path: Path) -> None:
    folders = [save_prefix(tiny, tmp_path / str(number), number) for number in range(3)]
    size = 4 * tiny.shape.prefix_parameters(5)
    shelf = Shelf(tiny, room=2 * size)
    for folder in folders[:2]:
        shelf.get(folder)
    assert all(str(folder) in mapped() for folder in folders[:2])
    shelf.get(folders[0])
    shelf.get(folders[2])
    assert list(shelf.held) == [folders[0], folders[2]]
    assert str(folders[1]) not in mapped() and str(folders[2]) in mapped()
    copied, _ = artifacts.load(folders[1], tiny)
    assert copied.prefix is not None and str(folders[1]) not in mapped()
    assert torch.equal(copied.prefix.keys, Shelf(tiny).get(folders[1])[0].prefix.keys)  # type: ignore[union-attr]


def test_prefixes_from_the_shelf_share_a_batch_and_write_what_each_writes_alone(
    tiny: Base, e2e: Task, tmp_path: Path
) -> None:
    shelf, task = Shelf(tiny), replace(e2e, finish=str)
    steered = [shelf.get(save_prefix(tiny, tmp_path / str(number), number))[0] for number in range(8)]
    requests = [Request(one, task, example.source) for one, example in zip(steered, task.pool()[:8], strict=True)]
    assert write(tiny, requests) == [text for request in requests for text in write(tiny, [request])]


def test_a_thousand_are_listed_in_half_a_second(tiny: Base, tmp_path: Path) -> None:
    card = save_prefix(tiny, tmp_path / "0", 0) / artifacts.CARD
    for number in range(1, 1000):
        (tmp_path / "more" / str(number)).mkdir(parents=True)
        shutil.copyfile(card, tmp_path / "more" / str(number) / artifacts.CARD)
    began = time.process_time()
    found = artifacts.listed(tmp_path)
    assert time.process_time() - began < 0.5
    assert len(found) == 1000 and tmp_path / "more" / "999" in found
    with pytest.raises(ArtifactError, match="no folder"):
        artifacts.listed(tmp_path / "nothing")
