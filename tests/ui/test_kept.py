"""What visitors have outlives a program that was killed, is found by their token alone, and goes when it should."""

import json
import os
import time
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts.artifacts import Card
from prefix_core.methods import prefix as prefix_method
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui.kept import TOKEN, Kept, OwnPrefix
from prefix_core.ui.visitors import HOUR, Visitors


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "visitors")


@pytest.fixture
def own(tiny: Base) -> OwnPrefix:
    shape = tiny.shape
    keys, values = torch.randn(2, shape.layers, 4, shape.kv_heads, shape.head_dim)
    steered = prefix_method.steer(tiny, {"keys": keys, "values": values})
    card = Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    return OwnPrefix("../mine: “ä”", get_task("e2e"), card, steered)


def program(kept: Kept, base: Base) -> Visitors:
    """A program that has just started."""
    visitors = Visitors(kept=kept)
    visitors.restore(base)
    visitors._restored.set()
    return visitors


def test_after_a_kill_a_visitor_finds_their_prefixes(kept: Kept, tiny: Base, own: OwnPrefix) -> None:
    before = program(kept, tiny)
    visitor, other = before.visit(), before.visit()
    before.keep(visitor, own)
    before.keep(visitor, own)
    after = program(kept, tiny)  # nothing was told to the first one
    found = after.get(visitor.token)
    assert list(found.prefixes) == [own.name, f"{own.name} 2"]
    prefix = found.prefixes[own.name].steered.prefix
    assert prefix is not None and own.steered.prefix is not None and torch.equal(prefix.keys, own.steered.prefix.keys)
    assert not after.visit(other.token).prefixes
    assert after.visit("a guess").token != "a guess"
    assert all(path.is_relative_to(kept.root) for path in kept.root.rglob("*"))  # whatever a prefix is called
    after.delete(found, own.name)
    assert list(program(kept, tiny).get(visitor.token).prefixes) == [f"{own.name} 2"]
    after.forget(visitor.token)
    assert not list(kept.root.rglob("*.zip"))


def test_what_is_half_written_is_never_read(
    kept: Kept, tiny: Base, own: OwnPrefix, capsys: pytest.CaptureFixture
) -> None:
    visitors = program(kept, tiny)
    token = visitors.visit().token
    visitors.keep(visitors.get(token), own)
    (whole,) = kept.folder(token).glob("*.zip")
    content = whole.read_bytes()
    (whole.parent / "unfinished.zip").write_bytes(content[:100])
    (whole.parent / ("0" * 40 + ".zip")).write_bytes(content[: len(content) // 2])
    (kept.root / "somebody").mkdir()
    assert list(program(kept, tiny).get(token).prefixes) == [own.name]
    assert "left out" in capsys.readouterr().err and not (kept.root / "somebody").exists()


def test_an_hour_after_the_last_contact_it_is_gone_and_a_clock_set_back_changes_nothing(
    kept: Kept, tiny: Base, own: OwnPrefix
) -> None:
    visitors = program(kept, tiny)
    late, future = visitors.visit(), visitors.visit()
    for visitor, seen in ((late, time.time() - HOUR - 1), (future, time.time() + 3600)):
        visitors.keep(visitor, own)
        os.utime(kept.folder(visitor.token) / TOKEN, (seen, seen))
    again = program(kept, tiny)
    assert again.get(future.token).prefixes and not again.visit(late.token).prefixes
    assert not kept.folder(late.token).exists()
    again.visit(future.token)
    assert abs((kept.folder(future.token) / TOKEN).stat().st_mtime - time.time()) < 60  # and is right from now on


def test_where_nothing_can_be_written_one_line_says_so_and_all_goes_on(
    tmp_path: Path, tiny: Base, own: OwnPrefix, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a file").write_text("in the way")
    visitors = program(Kept(tmp_path / "a file"), tiny)
    visitor = visitors.visit()
    assert visitors.keep(visitor, own).name == own.name
    assert visitors.get(visitor.token).prefixes
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["event"] == "not kept" and told["why"] == "Not a directory" and own.name not in line
