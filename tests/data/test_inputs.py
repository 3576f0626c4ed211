"""Rows that a text is still to be written for: read as their writer meant them, or named with what is wrong."""

from pathlib import Path

import pytest

from prefix_core.data.inputs import input_columns, inputs_of, load_inputs
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom

E2E = get_task("e2e")


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("e2e", 'mr\n"name[A], food[Thai]"\n', (("name", "A"), ("food", "Thai"))),
        ("e2e", 'what I have\n"name: A | food: Thai"\n', (("name", "A"), ("food", "Thai"))),  # one column, any name
        ("e2e", "id,name,food\n1,A,Thai\n", (("name", "A"), ("food", "Thai"))),  # the last is no text
        ("e2e", "name,food,ref\nA,Thai,A serves Thai food.\n", (("name", "A"), ("food", "Thai"))),
        ("e2e", "name,food,near\nA,Thai,\n", (("name", "A"), ("food", "Thai"))),  # an empty cell says nothing
        ("webnlg", "subject,relation,object\nA,city,B\n", (("A", "city", "B"),)),
        ("webnlg", "facts\nA | city | B\n", (("A", "city", "B"),)),
        ("summarization", "title,article\nRain,It rained all day.\n", "It rained all day."),
        ("innkeeper", "name,kind,rating\nA,inn,good\n", (("name", "A"), ("kind", "inn"), ("rating", "good"))),
    ],
)
def test_an_input_needs_no_text_beside_it(tmp_path: Path, name: str, content: str, first: object) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content)
    assert [one.source for one in load_inputs(path, get_task(name))] == [first]


def test_a_task_of_ones_own_fills_its_template_or_takes_the_one_column_as_it_is() -> None:
    task = custom("{title} -> {body}", "text")
    rows = [(2, {"title": "A", "body": "B"}), (3, {"title": "", "body": ""})]
    good, bad = inputs_of(task, rows)
    assert good.source == "A -> B" and bad.problem is not None
    assert [one.source for one in inputs_of(task, [(2, {"whatever": "C -> D"})])] == ["C -> D"]
    with pytest.raises(InputError, match="no column 'title': the input is made of title, body"):
        list(inputs_of(task, [(2, {"head": "A", "rest": "B"})]))


def test_every_row_is_named_with_what_is_wrong_in_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('mr,ref\n"name[A]",x\n,x\n"name[B",x\n')
    with pytest.raises(InputError, match=r"rows.csv, row 3: column 'mr' is empty"):
        load_inputs(path, E2E)
    with pytest.raises(InputError, match=r"rows.csv, row 4: .*is not closed"):
        load_inputs(path, E2E, leave_out_empty=True)
    path.write_text('mr,ref\n"name[A]",x\n,x\n')
    told: list[str] = []
    assert len(load_inputs(path, E2E, None, True, lambda report: told.extend(report.lines()))) == 1
    assert "row 3: left out: it has no input" in told
    path.write_text("mr,ref\n,x\n")
    with pytest.raises(InputError, match="no row has an input"):
        load_inputs(path, E2E, None, True)


def test_ones_own_columns_are_all_taken() -> None:
    assert input_columns(E2E, [{"name": "A", "area": "x", "near": "y"}]) == ("name", "area", "near")
