"""The precomputed comparison is shown for the weights it was computed with, and for no others."""

import subprocess
import sys
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


def test_the_page_is_laid_out_without_torch() -> None:
    code = "import sys; import prefix_core.ui.app, prefix_core.ui.opening; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_base_is_packed_before_anyone_asks(tiny_folder: Path, tmp_path: Path) -> None:
    assert "writer" in vars(load_engine(str(tiny_folder), tmp_path).base)
