"""The precomputed comparison is shown for the weights it was computed with, and for no others."""

from pathlib import Path

from prefix_core.base import Base
from prefix_core.ui.engine import load_engine
from prefix_core.ui.opening import read_opening, save_opening
from prefix_core.ui.precompute import opening


def test_fresh_then_stale(tiny: Base, artifacts: Path, tmp_path: Path) -> None:
    path = tmp_path / "precomputed.json"
    assert read_opening(tiny.name, artifacts, path) is None  # missing
    computed = opening(load_engine(tiny.name, artifacts))
    assert [pane.method for pane in computed.panes] == ["prefix", "fine_tune", "top_layers", "prompt"]
    assert {pane.state for pane in computed.panes} == {"finished"}
    save_opening(computed, path)
    assert read_opening(tiny.name, artifacts, path) == computed
    assert read_opening("gpt2", artifacts, path) is None  # another base
    assert read_opening(tiny.name, tmp_path, path) is None  # artifacts gone
    path.write_text(path.read_text()[:-40])
    assert read_opening(tiny.name, artifacts, path) is None  # broken
