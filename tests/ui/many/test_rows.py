"""Many inputs without a browser: how files are read, what the table holds, and that a run can be stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare.runs import DecodingOptions
from prefix_core.ui.loading import Loading
from prefix_core.ui.many import runs
from prefix_core.ui.many.rows import (
    MOST_ROWS,
    ManyState,
    begin,
    pasted_inputs,
    read_inputs,
)
from prefix_core.ui.train.sheet import Answers, Offer
from prefix_core.writing.comparison import compare
from prefix_core.writing.generate import Decoding

E2E = get_task("e2e")
CARD = SHIPPED_CARDS["e2e"]
THREE = b"name,area\nPomelo,riverside\nBlue Spice,city centre\nQuill,riverside\n"


@pytest.fixture(scope="module")
def loading(tiny: Base, artifacts: Path) -> Loading:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return loading


def asked(methods: list[str], content: bytes = THREE) -> ManyState:
    run = begin(CARD, read_inputs(("rows.csv", content), E2E), methods, DecodingOptions(max_new_tokens=12))
    return ManyState(run.inputs, run, run)


def test_a_file_stops_where_its_visitor_may_answer() -> None:
    many = b"name\n" + b"A\n" * (MOST_ROWS + 1)
    with pytest.raises(Offer, match="more than 200 rows") as offer:
        read_inputs(("rows.csv", many.replace(b"name", b"mr").replace(b"A", b"name[A]")), E2E)
    assert offer.value.label == "Use the first 200"
    empty = b'mr,note\n"name[A]",x\n,y\n,z\n'
    with pytest.raises(Offer, match="row 3: column 'mr' is empty") as offer:
        read_inputs(("rows.csv", empty), E2E)
    assert offer.value.label == "Leave out these 2 rows"
    left = read_inputs(("rows.csv", empty), E2E, Answers(leave_out=True))
    assert len(left.rows) == 1 and "row 3: left out: it has no input" in left.report.lines()
    with pytest.raises(InputError, match=r"row 3: .*is not closed") as refused:
        read_inputs(("rows.csv", empty + b'"name[B",w\n'.replace(b"\n", b"\n") + b""), E2E, Answers(leave_out=True))
    assert not isinstance(refused.value, Offer)


def test_records_pasted_where_one_is_expected_become_rows() -> None:
    several = pasted_inputs(E2E, "name,food\nPomelo,Thai\nQuill,French")
    assert several is not None and [one.record["input"] for one in several.rows] == [
        "name[Pomelo], food[Thai]", "name[Quill], food[French]",
    ]  # fmt: skip
    assert pasted_inputs(E2E, "name[Pomelo]") is None and pasted_inputs(E2E, "name[") is None


def test_every_method_writes_every_row_as_it_writes_it_alone(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "USUALLY_TOGETHER", 2)
    monkeypatch.setattr(runs, "REDRAW", 0.0)
    state = asked(["prompt", "prefix", "adapter"])
    *some, (status, value) = runs.write(loading, state)
    assert "3 rows, each by 2 methods" in status  # there is no adapter here
    assert any("0 of 3 rows" in str(line) for line, _ in some) and any("2 of 3 rows" in str(line) for line, _ in some)
    assert [method["key"] for method in value["methods"]] == ["prefix", "prompt"]
    for row, one in zip(value["rows"], state.run.inputs.rows, strict=True):
        *_, panes = compare(loading.wait(), E2E, [one.source], ["prefix", "prompt"], Decoding(12))
        assert [cell["text"] for cell in row["cells"]] == [pane.text for pane in panes]
        assert all(cell["state"] == "finished" and cell["values"] == 2 for cell in row["cells"])
        assert 0 <= row["apart"] <= 100
    assert next(runs.write(loading, state)) != (status, value)  # it was taken up; another press asks for another run


def with_one_row_written(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> tuple[ManyState, Iterator[tuple[Any, Any]]]:
    """A run over three rows, one at a time, and its redraws after the first row."""
    monkeypatch.setattr(runs, "USUALLY_TOGETHER", 1)
    monkeypatch.setattr(runs, "REDRAW", 0.0)
    state = asked(["prefix"])
    redraws = runs.write(loading, state)
    while "1 of 3 rows" not in str(next(redraws)[0]):
        pass
    return state, redraws


def test_stop_keeps_what_is_written(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    state, redraws = with_one_row_written(loading, monkeypatch)
    state.run.stopped = True
    *_, (status, value) = redraws
    assert "Stopped: 1 of 3 rows" in status or "Stopped: 2 of 3 rows" in status
    assert value["rows"][0]["cells"][0]["text"] and value["rows"][2]["cells"][0]["state"] == "waiting"


def test_a_page_that_was_loaded_again_goes_on_where_the_one_before_was_left(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, before = with_one_row_written(loading, monkeypatch)
    first = state.run.panes[0]
    after = runs.write(loading, ManyState(run=state.run, due=state.run))
    assert "Writing" in str(next(after)[0]) and "1 of 3 rows" in str(next(after)[0])  # which the other one writes
    before.close()  # as Gradio does when a page has gone
    *_, (status, value) = after
    assert "3 rows, each by 1 method" in status and state.run.panes[0] is first
    assert all(row["cells"][0]["state"] == "finished" for row in value["rows"])
    *_, (status, _) = runs.write(loading, ManyState(run=state.run, due=state.run))  # and again, when it is over
    assert "3 rows, each by 1 method" in status


def test_what_was_written_is_saved_with_the_columns_that_were_brought(loading: Loading, tmp_path: Path) -> None:
    state = asked(["prefix", "prompt"])
    list(runs.write(loading, state))
    paths = runs.save_run(state.run, tmp_path)
    assert [path.name for path in paths] == ["rows-written.csv", "rows-written.xlsx"]
    head, *lines = paths[0].read_text().splitlines()
    assert head.startswith("name,area,prefix,prefix said,prefix missing,prefix invented,prompt,")
    assert head.endswith(",disagreement") and lines[0].startswith("Pomelo,riverside,")
