"""Many texts as a table: how far they agree, what they say of their inputs, and files that are read back."""

from pathlib import Path

import pytest
from openpyxl import load_workbook

from prefix_core.data.examples import Input
from prefix_core.data.reader import read
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from prefix_core.writing.written import disagreement, save, table

E2E = get_task("e2e")
PUB = (("name", "Blue Spice"), ("eatType", "pub"), ("area", "riverside"))
INPUT = Input(2, {"id": 7, "mr": "name[Blue Spice], ...", "tags": ["a"]}, PUB)


def test_texts_disagree_from_not_at_all_to_wholly() -> None:
    assert disagreement(["a b c d", "a b c d"]) == pytest.approx(0)
    assert disagreement(["a b c d", "e f g h"]) == pytest.approx(100)
    near, far = disagreement(["a b c d", "a b c x"]), disagreement(["a b c d", "a x y z"])
    assert 0 < near < far < 100
    assert disagreement(["a b c", "a b c d e f"]) == disagreement(["a b c d e f", "a b c"])
    assert disagreement(["", ""]) == 0 and disagreement(["", "a"]) == 100 and disagreement(["a"]) == 0


def test_a_text_stands_beside_what_it_says_and_what_it_does_not() -> None:
    written = [{"prefix": "Blue Spice is a pub.", "prompt": "Blue Spice is an Italian pub by the riverside."}]
    head, (row,) = table(E2E, [INPUT], written)
    cells = dict(zip(head, row, strict=True))
    assert cells["id"] == 7 and cells["tags"] == '["a"]'
    assert cells["prefix said"] == "2 of 3" and cells["prefix missing"] == "area: riverside"
    assert cells["prompt said"] == "3 of 3" and cells["prompt invented"] == "Italian"
    assert 0 < cells["disagreement"] < 100
    head, _ = table(get_task("summarization"), [Input(2, {"prefix": "x"}, "x")], [{"prefix": "y"}])
    assert head == ["prefix", "written prefix"]  # no values to look for, and no column is lost


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".jsonl"])
def test_what_is_saved_is_read_back_and_no_text_is_a_formula(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"written{suffix}"
    text = '=1+1, "so", Café'
    save(path, ["mr", "prefix"], [["name[A]", text], ["name[B]", "two"]])
    assert [record["prefix"] for _, record in read(path)] == [text, "two"]
    if suffix == ".xlsx":
        assert load_workbook(path).active["B2"].data_type == "s"


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in one of \.csv"):
        save(tmp_path / "x.doc", ["a"], [])
