"""The README that goes with an artifact: its command trains the very same again."""

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from prefix_core.artifacts.artifacts import Card, read_card, write_card
from prefix_core.artifacts.model_card import model_card, train_command
from prefix_core.cli import main
from prefix_core.cli.learn import as_before
from prefix_core.data.examples import load_examples
from prefix_core.data.split import split
from prefix_core.tasks.custom import custom


@pytest.mark.parametrize("method", ["prefix", "adapter"])
def test_the_command_in_it_trains_the_same_again(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"A {row},B {row},it is {row}\n" for row in range(12))
    Path("my rows.csv").write_text("a,b,text\n" + rows)
    asked = ["--base", str(tiny_folder), "--task", "custom", "--template", "{a} and 'b': {b}", "--target", "text"]
    asked += ["--method", method, "--data", "my rows.csv", "--steps", "3", "--seed", "5", "--batch", "4"]
    more = ["--length", "3", "--words", "so it's", "--learning-rate", "0.01"] if method == "prefix" else []
    assert main(["train", *asked, *more, "--out", "first"]) == 0
    command = train_command(read_card(Path("first")), "first")
    assert command in model_card(read_card(Path("first")), "first")
    assert main(shlex.split(command)[3:]) == 0
    (first,), (again,) = (list(Path(folder).glob("*.safetensors")) for folder in ("first", "again"))
    one, other = load_file(first), load_file(again)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_prefix_says_how_peft_loads_it(tiny_folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,text\n" + "".join(f"A {row},it is {row}\n" for row in range(12)))
    asked = ["--base", str(tiny_folder), "--task", "custom", "--template", "{a}", "--target", "text", "--steps", "1"]
    assert main(["train", *asked, "--data", str(rows), "--out", str(tmp_path / "out")]) == 0
    text = model_card(replace(read_card(tmp_path / "out"), base="smollm2"), "mine")
    assert 'PeftModel.from_pretrained(model, "mine")' in text and "gguf_file=" in text


def test_what_a_prefix_starts_from_is_not_learned_from_again(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page trains: some rows are read by the start, a part of the others is held out."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,text\n" + "".join(f"A {row},it is {row}\n" for row in range(12)))
    task = custom("{a}", "text")
    card = Card("x", "h", 1, "custom", "prefix", {"demonstrations": ["A 3\nit is 3"]}, {"held_out": 2})
    write_card(Path.cwd(), card)
    asked = argparse.Namespace(like=".", method="prefix")
    learned, held_out = split(load_examples("rows.csv", task), None, 0)
    settings, learns, held = as_before(asked, task, learned, held_out)
    assert settings.demonstrations == ("A 3\nit is 3",) and len(held) == 2
    sources = {example.source for example in learns}
    assert "A 3" not in sources and len(sources) == 12 - 2 - ("A 3" not in {example.source for example in held})
