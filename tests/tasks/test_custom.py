"""A custom task: the template decides the input; what it asks for and a file lacks is named."""

import json

import pytest

from prefix_core.cli import main
from prefix_core.data.examples import load_examples
from prefix_core.errors import InputError
from prefix_core.tasks.custom import custom, of_data, template_card

ROWS = [{"Title": f"Item {i}", "body": f"text {i},\nmore", "note": f"Item {i} has a text."} for i in range(8)]


def test_a_template_is_filled_from_its_columns(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    task = custom("{title} -> {body}", "NOTE")
    example = load_examples(path, task)[1]
    assert (example.source, example.references) == ("Item 1 -> text 1, more", ("Item 1 has a text.",))
    assert task.prompt(example.source) == "Item 1 -> text 1, more\n"
    assert load_examples(path, custom("body", "note"))[1].source == "text 1, more"


def test_what_is_typed_is_the_input_or_its_columns():
    task = custom("{title} -> {body}", "note")
    for typed in ('{"TITLE": "A", "body": 2}', [["body", "2"], ["Title", "A"], []], " A ->\n2 "):
        assert task.parse(typed) == "A -> 2"
    assert task.parse('{"other": 1}') == '{"other": 1}'
    assert task.parse(task.to_text("A -> 2")) == "A -> 2" and task.label("one two three four five six seven")[-1] == "…"
    assert custom("{name}: {age}", "text").label("Ada: 36") == "Ada"


@pytest.mark.parametrize(
    ("template", "text", "cells"),
    [
        ("{a} -> {b}", "x y -> z", ["x y", "z"]),
        ("name : {a} | area : {b} | food : {c}", "name : X | area : by | the | food : Thai", ["X", "by | the", "Thai"]),
        ("name : {a} | area : {b} | food : {c}", "area : Y | food : Thai", ["", "Y", "Thai"]),
        ("name : {a} | area : {b} | food : {c}", "name : X", ["X", "", ""]),
        ("name : {a} | area : {b}", "something else", ["", ""]),
        ("{a} of {b} and {a}", "x of y and x", ["x", "y"]),
    ],
)
def test_its_columns_are_fields_that_an_input_is_put_back_into(template, text, cells):
    task = custom(template, "note")
    assert [cell for _, cell in task.to_grid(text)] == cells
    if any(cells):
        assert task.parse(task.to_grid(text)) == text
    assert task.columns and not custom("{a}", "note").columns and not custom("{a}", "note").to_grid("x")


@pytest.mark.parametrize(
    ("template", "target", "says"),
    [
        ("{title", "note", "cannot be read; write column names in braces"),
        ("a } b", "note", "cannot be read"),
        ("{} b", "note", "cannot be read"),
        ("", "note", "cannot be read"),
        ("{Note}", "note", "must not hold the answer"),
        ("{title}", " ", "target column has no name"),
    ],
)
def test_templates_that_cannot_be(template, target, says):
    with pytest.raises(InputError, match=says):
        custom(template, target)


def test_missing_and_empty_cells_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("title,body,note\nA,B,C\nA,,C\n")
    with pytest.raises(InputError, match=r"x\.csv: no column 'tilte': .* made of tilte; found title, body, note"):
        load_examples(path, custom("{tilte}", "note"))
    with pytest.raises(InputError, match=r"x\.csv, row 2: no column with the reference text: expected one of notes"):
        load_examples(path, custom("{title}", "notes"))
    assert [example.source for example in load_examples(path, custom("{title} -> {body}", "note"))] == ["A -> B", "A"]
    with pytest.raises(InputError, match=r"x\.csv, row 3: column 'body' is empty"):
        load_examples(path, custom("{body}", "note"))
    with pytest.raises(InputError, match=r"The input is empty. It is made like \{title\}"):
        custom("{title}", "note").parse(" ")


def test_scores_and_a_card_that_remembers():
    task = of_data({"rows": 3, **template_card("{title}", "note")})
    example = task.from_record(ROWS[0])
    scores = task.score([example.references[0]], [example])
    assert scores["rouge_1"] == scores["rouge_l"] == 100
    assert task.pool() == []


def test_from_training_to_writing_on_the_command_line(tmp_path, tiny_folder, capsys):
    path, out = tmp_path / "x.jsonl", tmp_path / "out"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    base = ["--base", str(tiny_folder)]
    own = ["--task", "custom", "--template", "{title} -> {body}", "--target", "note"]
    assert main(["train", *base, *own, "--data", str(path), "--out", str(out), "--steps", "2", "--length", "2"]) == 0
    card = json.loads((out / "card.json").read_text())
    assert card["task"] == "custom" and card["data"]["template"] == "{title} -> {body}"
    again = [*base, "--task", "custom", "--artifact", str(out), "--max-new-tokens", "4", "--json"]
    capsys.readouterr()
    assert main(["generate", *again, "--text", '{"title": "A", "body": "B"}']) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "custom"
    assert main(["evaluate", *again, "--data", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"] == len(ROWS)
    assert main(["train", *base, "--task", "custom", "--data", str(path), "--out", str(out)]) == 2
    assert "a custom task needs --template" in capsys.readouterr().err
