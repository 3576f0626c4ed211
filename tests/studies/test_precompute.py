"""The precomputed comparisons are shown for the weights they were computed with, and for no others."""

import shutil
from dataclasses import replace
from pathlib import Path

from prefix_core.artifacts.artifacts import folder_of
from prefix_core.model.base import Base
from prefix_core.studies.opening import load_first_look, load_opening, save_first_look, save_openings
from prefix_core.studies.precompute import make_first_look, make_opening, precompute
from prefix_core.tasks import get_task
from prefix_core.writing.engine import load_engine


def test_fresh_then_stale(tiny: Base, artifacts: Path, tmp_path: Path) -> None:
    path = tmp_path / "precomputed.json"
    assert load_opening(tiny.name, artifacts, "e2e", path) is None  # missing
    engine = load_engine(tiny.name, artifacts)
    assert make_opening(engine, get_task("webnlg")) is None  # nothing is trained for it
    computed = make_opening(engine, get_task("e2e"))
    assert computed is not None
    assert [pane.method for pane in computed.panes] == ["prefix", "fine_tune", "top_layers", "prompt"]
    assert {pane.state for pane in computed.panes} == {"finished"}
    assert all(set(pane.scores) == {"bleu", "rouge_l"} for pane in computed.panes if pane.text)
    save_openings([computed], path)
    assert load_opening(tiny.name, artifacts, "e2e", path) == computed
    assert load_opening(tiny.name, artifacts, "webnlg", path) is None
    assert load_opening("gpt2", artifacts, "e2e", path) is None  # another base
    assert load_opening(tiny.name, tmp_path, "e2e", path) is None  # artifacts gone
    save_openings([replace(computed, text="name[")], path)
    assert load_opening(tiny.name, artifacts, "e2e", path) is None  # an input the task cannot read
    path.write_text(path.read_text()[:-40])
    assert load_opening(tiny.name, artifacts, "e2e", path) is None  # broken


def test_only_what_does_not_fit_is_written_anew(tiny: Base, artifacts: Path, tmp_path: Path) -> None:
    root, path, said = Path(shutil.copytree(artifacts, tmp_path / "root")), tmp_path / "precomputed.json", []
    look = tmp_path / "first_look.json"
    for _ in range(2):
        precompute(tiny.name, root, path, said.append, look)
    shutil.rmtree(folder_of(tiny, "e2e", "top_layers", root))  # one method fewer
    precompute(tiny.name, root, path, said.append, look)
    told = [line.partition(": ")[2] for line in said]
    assert told == ["written anew", "written anew", "up to date", "up to date", "written anew", "up to date"]
    opened = load_opening(tiny.name, root, "e2e", path)
    assert opened is not None and [pane.method for pane in opened.panes] == ["prefix", "fine_tune", "prompt"]


def test_the_first_look_is_of_these_weights(tiny: Base, artifacts: Path, tmp_path: Path) -> None:
    root, path = Path(shutil.copytree(artifacts, tmp_path / "root")), tmp_path / "first_look.json"
    look = make_first_look(load_engine(tiny.name, root))
    assert look is not None and (look.task, look.layers) == ("e2e", 2)
    assert look.start == () and len(look.view.prefixes["e2e"]) == len(look.view.ways["e2e"].moved)  # a random start
    assert [len(heads) for heads in look.places[0]["share"]] == [4, 4] and look.places[-1]["token"] is None
    save_first_look(look, path)
    read_back = load_first_look(tiny.name, root, path)
    assert read_back is not None and read_back.places == look.places and read_back.view.texts == look.view.texts
    assert load_first_look("gpt2", root, path) is None
    weights = next((root / look.folder).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert load_first_look(tiny.name, root, path) is None  # other weights
    assert load_first_look(tiny.name, artifacts, tmp_path / "none.json") is None
    assert make_first_look(load_engine(tiny.name, tmp_path)) is None  # nothing is trained


def test_the_base_is_packed_before_anyone_asks(tiny_folder: Path, tmp_path: Path) -> None:
    assert "writer" in vars(load_engine(str(tiny_folder), tmp_path).base)
