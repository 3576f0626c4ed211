"""The precomputed comparisons are shown for the weights they were computed with, and for no others."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from prefix_core.base import Base
from prefix_core.ui.cards import SHIPPED
from prefix_core.ui.engine import load_engine
from prefix_core.ui.opening import read_opening, save_openings
from prefix_core.ui.precompute import opening


def test_fresh_then_stale(tiny: Base, artifacts: Path, tmp_path: Path) -> None:
    path = tmp_path / "precomputed.json"
    assert read_opening(tiny.name, artifacts, "e2e", path) is None  # missing
    engine = load_engine(tiny.name, artifacts)
    assert opening(engine, SHIPPED["webnlg"]) is None  # nothing is trained for it
    computed = opening(engine, SHIPPED["e2e"])
    assert computed is not None
    assert [pane.method for pane in computed.panes] == ["prefix", "fine_tune", "top_layers", "prompt"]
    assert {pane.state for pane in computed.panes} == {"finished"}
    assert all(set(pane.scores) == {"bleu", "rouge_l"} for pane in computed.panes if pane.text)
    save_openings([computed], path)
    assert read_opening(tiny.name, artifacts, "e2e", path) == computed
    assert read_opening(tiny.name, artifacts, "webnlg", path) is None
    assert read_opening("gpt2", artifacts, "e2e", path) is None  # another base
    assert read_opening(tiny.name, tmp_path, "e2e", path) is None  # artifacts gone
    save_openings([replace(computed, text="name[")], path)
    assert read_opening(tiny.name, artifacts, "e2e", path) is None  # an input the task cannot read
    path.write_text(path.read_text()[:-40])
    assert read_opening(tiny.name, artifacts, "e2e", path) is None  # broken


def test_the_page_is_laid_out_without_torch() -> None:
    code = "import sys; import prefix_core.ui.app, prefix_core.ui.opening; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_base_is_packed_before_anyone_asks(tiny_folder: Path, tmp_path: Path) -> None:
    assert "writer" in vars(load_engine(str(tiny_folder), tmp_path).base)
