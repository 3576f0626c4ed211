"""A prefix as llama.cpp's state of a sequence: its bytes, and what llama.cpp writes behind it, where it is at hand."""

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts, llama_cpp
from prefix_core.errors import ArtifactError, InputError
from prefix_core.methods.start import random_start, word_start
from prefix_core.model import smollm2
from prefix_core.model.base import Base
from prefix_core.model.loading import load_base
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.places import SHIPPED
from prefix_core.studies import against_llama_cpp as theirs
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import stop_tokens
from prefix_core.writing.search import Decoding, Row, Search
from tests.architectures import make_base

NEAR = 0.2  # logits, ours; where the six texts part, three in f32 and three in f16, they lie 0.03 to 0.15 apart
DOCS = Path(__file__).parents[2] / "docs" / "llama-cpp.md"

# two layers, P = 2, one head of four numbers; keys 0..15, values 100..115; a line is one field, or one row of numbers
FROZEN = """
71736767 03000000 02000000 07000000 07000000
01000000 02000000
00000000 01000000 00000000
01000000 01000000 00000000
01000000 02000000
00000000 1000000000000000
00000000 00000040 0000803f 00004040
00008040 0000c040 0000a040 0000e040
00000000 1000000000000000
00000041 00002041 00001041 00003041
00004041 00006041 00005041 00007041
00000000 04000000 04000000
0000c842 0000d042
0000ca42 0000d242
0000cc42 0000d442
0000ce42 0000d642
00000000 04000000 04000000
0000d842 0000e042
0000da42 0000e242
0000dc42 0000e442
0000de42 0000e642
"""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(str(make_base(tmp_path_factory.mktemp("llama"), "llama")))


@pytest.fixture(scope="module")
def base(default_base: Base) -> Base:
    return default_base


def some_prefix(base: Base, length: int = 5) -> Prefix:
    return Prefix(*random_start(base.shape, length, torch.Generator().manual_seed(0)))


def test_the_bytes_are_those_of_the_frozen_layout() -> None:
    numbers = torch.arange(16.0).view(2, 2, 1, 4)
    written = llama_cpp.state_bytes(Prefix(numbers, numbers + 100), 7, llama_cpp.KINDS["f32"])
    frozen = bytes.fromhex(FROZEN)
    assert written == frozen
    written = llama_cpp.state_bytes(Prefix(numbers, numbers + 100), 7, llama_cpp.KINDS["f32"], 4)
    assert written == frozen[:4] + struct.pack("<I", 4) + frozen[8:60] + bytes(8) + frozen[60:]


@pytest.mark.parametrize("version", llama_cpp.CHECKED)
@pytest.mark.parametrize(("kind", "off"), [("f32", 0.0), ("f16", 2**-11)])
def test_what_is_written_is_read_back(llama: Base, kind: str, off: float, version: int, tmp_path: Path) -> None:
    prefix, path = some_prefix(llama), tmp_path / "prefix.state"
    assert llama_cpp.export(path, llama, prefix, kind, version) == path.stat().st_size
    found = llama_cpp.read_state(path, llama)
    for ours, back in ((prefix.keys, found.keys), (prefix.values, found.values)):
        assert ((ours - back).abs() <= off * ours.abs() + 1e-7 * bool(off)).all()


def test_another_version_or_another_file_is_refused(llama: Base, tmp_path: Path) -> None:
    path = tmp_path / "prefix.state"
    llama_cpp.export(path, llama, some_prefix(llama))
    good = path.read_bytes()
    shape, first = llama.shape, 12 + 5 * 4 + 8 + 5 * 12 + 8
    changes = {
        "its version is 5": good[:4] + struct.pack("<I", 5) + good[8:],
        "not all of one type": good[:4] + struct.pack("<I", 4) + good[8:],
        "does not begin as": b"GGUF" + good[4:],
        "requires a buffer": good[: first + 6],
        "smaller than requested": good[:-4],
        "4 bytes too many": good + b"1234",
        "transposed values": good[: first - 8] + struct.pack("<II", 0, shape.layers) + good[first:],
        "of type 8": good[:first] + struct.pack("<i", 8) + good[first + 4 :],
    }
    for reason, data in changes.items():
        path.write_bytes(data)
        with pytest.raises(ArtifactError, match=reason):
            llama_cpp.read_state(path, llama)


def test_what_llama_cpp_has_no_place_for_is_refused(llama: Base, tiny: Base, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'gpt2'"):
        llama_cpp.export(tmp_path / "x", tiny, some_prefix(tiny))
    with pytest.raises(ArtifactError, match="infix"):
        llama_cpp.export(tmp_path / "x", llama, replace(some_prefix(llama), infix=True))
    with pytest.raises(ArtifactError, match="use f32"):
        llama_cpp.export(tmp_path / "x", llama, Prefix(some_prefix(llama).keys * 1e6, some_prefix(llama).values), "f16")
    assert not (tmp_path / "x").exists()


def test_the_docs_are_of_what_is_written() -> None:
    text = " ".join(DOCS.read_text(encoding="utf-8").split())
    assert all(by in text for by in llama_cpp.CHECKED.values()) and theirs.PACKAGE in text
    assert all(f"type_{name}={theirs.KINDS['f32']}" in text for name in "kv")
    assert {name: kind.code for name, kind in llama_cpp.KINDS.items()} == theirs.KINDS


@pytest.fixture(scope="module")
def prefix(base: Base) -> Prefix:
    """The shipped one."""
    found = artifacts.load(artifacts.folder_of(base, "e2e", "prefix", SHIPPED), base)[0].prefix
    assert found is not None
    return found


@pytest.mark.needs_llama_cpp
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_what_llama_cpp_keeps_of_words_is_what_we_would_write(base: Base, kind: str, tmp_path: Path) -> None:
    """Its own file is read, and holds our keys and values but for its activations of 8 bits: 4% of the values."""
    words, saved = "Write one sentence that describes the restaurant", tmp_path / "words.state"
    tokens = base.encode(words)
    job = {"model": str(smollm2.find(None)), "kind": kind, "inputs": [tokens], "save": str(saved)}
    assert theirs.ask(job) == saved.stat().st_size
    found = llama_cpp.read_state(saved, base)
    for ours, kept in zip(word_start(base, words, len(tokens)), (found.keys, found.values), strict=True):
        assert (ours - kept).norm() < 0.06 * ours.norm()
        assert (ours[0] - kept[0]).norm() < 0.02 * ours[0].norm()


@pytest.mark.needs_llama_cpp
@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_llama_cpp_writes_the_same_texts(base: Base, prefix: Prefix, e2e: Task, kind: str, tmp_path: Path) -> None:
    """Twenty tables, greedily: at least 17 texts are equal, and the others part where the two best logits are near.

    Near by our logits, the exact ones: it multiplies activations of 8 bits, which moves its own by some tenths.
    """
    state, tokens = tmp_path / "prefix.state", 60
    llama_cpp.export(state, base, prefix, kind)
    inputs = [base.encode(e2e.prompt(example.source)) for example in e2e.pool()[:20]]
    rows = [Row(ids, prefix, tokens, stop_tokens(base, e2e), base.writer, index) for index, ids in enumerate(inputs)]
    search = Search(base, rows, Decoding())
    while search.alive:
        search.advance()
    longest = max(len(row.written) for row in rows)
    job = {"model": str(smollm2.find(None)), "state": str(state), "kind": kind, "inputs": inputs, "tokens": longest}
    equal = 0
    for ids, row, answer in zip(inputs, rows, theirs.ask(job), strict=True):
        pairs = zip(row.written, answer, strict=False)  # llama.cpp goes on behind the end
        parts = next((place for place, (one, other) in enumerate(pairs) if one != other), None)
        equal += parts is None
        if parts is not None:
            _, hidden = forward(base, base.writer, [ids], [[row.written[:parts]]], [prefix])
            best, second = base.writer.logits(hidden[-1:])[0].topk(2).values.tolist()
            assert best - second < NEAR
    assert len(rows) == 20 and equal >= 17


@pytest.mark.needs_llama_cpp
def test_the_lines_of_the_docs_write_what_we_write(base: Base, prefix: Prefix, e2e: Task, tmp_path: Path) -> None:
    llama_cpp.export(tmp_path / "my-prefix.state", base, prefix)
    model = smollm2.find(None)
    (lines,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    lines = lines.replace(smollm2.FILE, str(model))
    command = [str(theirs.python()), "-c", lines]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = "name : Blue Spice | Type : coffee shop | area : city centre\n"
    ours = Row(base.encode(row), prefix, 60, stop_tokens(base, e2e), base.writer)
    search = Search(base, [ours], Decoding())
    while search.alive:
        search.advance()
    assert done.stdout.strip() == base.decode(ours.written).strip()
