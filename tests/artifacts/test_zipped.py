"""A zip from outside is read by fixed names and sizes, or refused with the reason."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from prefix_core.artifacts.artifacts import CARD, Card
from prefix_core.artifacts.model_card import README
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.artifacts.zipped import read_zip, write_zip
from prefix_core.errors import ArtifactError
from prefix_core.methods import prefix as prefix_method
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base

Parts = dict[str, bytes]


@pytest.fixture
def parts(tiny: Base, tmp_path: Path) -> Parts:
    """What is in a good one, by name."""
    shape = tiny.shape
    keys, values = torch.randn(2, shape.layers, 4, shape.kv_heads, shape.head_dim)
    steered = prefix_method.steer(tiny, {"keys": keys, "values": values})
    card = Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    assert steered.prefix is not None
    with zipfile.ZipFile(write_zip(tmp_path / "mine.zip", tiny, steered.prefix, card)) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def bring(tiny: Base, tmp_path: Path) -> Callable[[Parts], tuple[Steered, Card]]:
    def bring(parts: Parts) -> tuple[Steered, Card]:
        path = tmp_path / "brought.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in parts.items():
                packed.writestr(name, content)
        return read_zip(path, tiny)

    return bring


def test_it_comes_back_with_or_without_a_folder_around_it(bring, parts: Parts) -> None:
    assert set(parts) == {CARD, PEFT_CONFIG, PEFT_WEIGHTS, README}
    assert b"prefix_core train --base" in parts[README] and b"prefix_core generate" in parts[README]
    assert bring(parts)[1].task == "e2e"
    assert bring({f"folder/{name}": content for name, content in parts.items()})[0].prefix.length == 4
    assert bring(parts | {"__MACOSX/._card.json": b"x", ".DS_Store": b"x"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../evil.py", "evil.py"),
        ("/etc/card.json", "etc/card.json"),
        ("weights.pkl", "weights.pkl"),
        ("other/card.json", "each once"),
    ],
)
def test_other_names_are_refused(bring, parts: Parts, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        bring(parts | {name: b"x"})
    assert not list(tmp_path.parent.glob("evil.py"))


def test_missing_parts_are_named(bring, parts: Parts) -> None:
    for name in set(parts) - {README}:
        with pytest.raises(ArtifactError, match=f"has no {name}"):
            bring({other: content for other, content in parts.items() if other != name})


def test_too_large_and_too_many(bring, parts: Parts) -> None:
    with pytest.raises(ArtifactError, match="more than 1,000,000 bytes"):
        bring(parts | {CARD: b" " * 30_000_000})  # small as a zip
    with pytest.raises(ArtifactError, match="30 files"):
        bring({f"{number}/card.json": b"{}" for number in range(30)})


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_refused_however_it_was_compressed(tiny: Base, tmp_path: Path, kind: int) -> None:
    path, rng = tmp_path / "brought.zip", random.Random(0)
    with zipfile.ZipFile(path, "w", kind) as packed:
        packed.writestr(f"mine/{CARD}", rng.randbytes(600))
    whole = path.read_bytes()
    start = whole.index(CARD.encode()) + len(CARD)
    for place in range(start, start + 600, 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match=r"not a readable zip|has no"):
            read_zip(path, tiny)


def test_another_base_method_or_shape(bring, parts: Parts, tiny: Base) -> None:
    card = json.loads(parts[CARD])
    for changes, message in (
        ({"base_hash": "0" * 64}, "not on"),
        ({"method": "adapter"}, "adapter|readable|holds"),
        ({"steps": "many"}, "steps"),
    ):
        with pytest.raises(ArtifactError, match=message):
            bring(parts | {CARD: json.dumps(card | changes).encode()})
    for tensors, message in (
        ({"prompt_embeddings": torch.zeros(4, 7)}, r"\(4, 7\)"),
        ({"prompt_embeddings": torch.full((4, 2 * tiny.shape.layers * tiny.shape.hidden), float("nan"))}, "not finite"),
        ({"prompt_embeddings": torch.zeros(300, 2 * tiny.shape.layers * tiny.shape.hidden)}, "more than half"),
    ):
        (rows,) = tensors.values()
        config = json.loads(parts[PEFT_CONFIG]) | {"num_virtual_tokens": len(rows)}
        with pytest.raises(ArtifactError, match=message):
            bring(parts | {PEFT_WEIGHTS: save(tensors), PEFT_CONFIG: json.dumps(config).encode()})
    with pytest.raises(ArtifactError, match="safetensors"):
        bring(parts | {PEFT_WEIGHTS: b"\x80\x04pickled"})


def test_a_file_that_is_no_zip_is_refused(tiny: Base, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(ArtifactError, match="not a readable zip file"):
        read_zip(path, tiny)
