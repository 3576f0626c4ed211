"""What is measured of a base: on a tiny random one, and on documents of our own."""

import gzip
import json
import lzma
import math
from pathlib import Path

import pytest
import torch

from prefix_core.base import Base
from prefix_core.cli import main
from prefix_core.pretrain import held_out, measure, skills, structured, text
from prefix_core.tables import to_mr
from prefix_core.tasks.task import Task

copied, told = skills.copying_prompts, skills.table_prompts
TALE = " ".join(f"In year {n} the mill of Belwyn had {n % 7} wheels and a bell." for n in range(200))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, e2e: Task) -> Path:
    """A data folder with two open sources, the held-out tables and E2E's files, all of our own invention."""
    monkeypatch.setenv("PREFIX_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(text, "HELD_OUT", 1)  # every document is held out
    monkeypatch.setattr(held_out, "SOURCES", dict.fromkeys(["wikipedia_featured", "wikinews", "news_headlines"]))
    text.held_out_documents.cache_clear()
    (tmp_path / "pretraining/open").mkdir(parents=True)
    for name in ("wikipedia_featured", "wikinews"):
        with lzma.open(tmp_path / f"pretraining/open/{name}.txt.xz", "wt", encoding="utf-8") as file:
            file.write("".join(f"Café {name} {n}\n{TALE}\n{text.END}\n" for n in range(3)))
    for name in skills.HELD_OUT:
        table = [["name", "Iron Bell"], ["type", "museum"], ["opened", "1987"], ["has_garden", "yes"]]
        prose = "Iron Bell is a museum that opened in 1987 ."
        rows = [{"act": "inform", "table": table, "references": [prose]}] * 8
        write(tmp_path / f"table_to_text/{name}/test.jsonl.gz", rows)
    own = [{"mr": to_mr(example.source), "references": list(example.references)} for example in e2e.pool()]
    write(tmp_path / "table_to_text/e2e/train.jsonl.gz", own)
    write(tmp_path / "table_to_text/e2e/dev.jsonl.gz", own[:5])
    yield tmp_path
    text.held_out_documents.cache_clear()


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))


def test_losses_are_those_of_transformers_row_by_row(tiny: Base) -> None:
    rows = [[0, 5, 9, 30, 2], [0, 7], [0, *range(1, 40)]]
    for row, losses in zip(rows, held_out.token_losses(tiny, rows), strict=True):
        ids = torch.tensor([row])
        expected = -tiny.model(ids[:, :-1]).logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[0, :, 0]
        torch.testing.assert_close(losses, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 2, 8, 9, 10, 13, 30])
def test_windows_count_every_token_once_with_half_a_context_before_it(length: int) -> None:
    tokens, context = list(range(length)), 8
    counted = []
    for number, (row, fresh) in enumerate(held_out.windows(tokens, context)):
        assert len(row) <= context + 1 and row == tokens[row[0] : row[-1] + 1]
        assert number == 0 or len(row) - fresh >= context // 2
        counted += row[len(row) - fresh :]
    assert counted == tokens[1:]


def test_bits_are_those_of_the_bytes_whatever_the_tokens(tiny: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["The old mill – 10 €.", TALE]

    def one_bit_a_token(base: Base, rows: list[list[int]]) -> list[torch.Tensor]:
        return [torch.full((len(row) - 1,), math.log(2)) for row in rows]

    monkeypatch.setattr(held_out, "token_losses", one_bit_a_token)
    tokens = sum(len(tiny.encode(text)) for text in texts)
    assert tokens > tiny.shape.positions  # one is read in several windows
    assert held_out.bits_per_byte(tiny, texts) == pytest.approx(tokens / sum(len(text.encode()) for text in texts))


def test_held_out_text_is_the_same_every_time_and_not_of_one_document(data: Path) -> None:
    texts = held_out.sources()
    assert texts == held_out.sources()
    assert len(texts["wikinews"]) == 3 and all(len(text) == held_out.LONGEST for text in texts["wikinews"])
    assert texts["news_headlines"] and texts["news_headlines"] != texts["wikinews"]
    assert all(len(text) >= held_out.LONG for text in held_out.long_text())


def test_position_by_position(tiny: Base, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = held_out.long_text()
    assert len(long) == 3 and held_out.by_position(tiny, long)["later"] is None  # its context ends at 512

    def rising(base: Base, rows: list[list[int]]) -> list[torch.Tensor]:
        return [torch.arange(len(row) - 1.0) for row in rows]

    monkeypatch.setattr(held_out, "token_losses", rising)
    found = held_out.by_position(tiny, long)
    assert found["quarters"] == pytest.approx([63.5, 191.5, 319.5, 447.5])
    assert found["middle"] == pytest.approx(383.5) and found["texts"] == 3
    monkeypatch.setattr(held_out, "PIECE", 128)  # as 256 is of 1024
    found = held_out.by_position(tiny, long)
    assert found["later"] == pytest.approx(256) and found["error"] == pytest.approx(0)


def test_the_same_tokens_are_compared_early_and_late(tiny: Base, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_token(base: Base, rows: list[list[int]]) -> list[torch.Tensor]:
        return [torch.tensor(row[1:]) * 1.0 for row in rows]  # whatever stands before it

    monkeypatch.setattr(held_out, "token_losses", by_token)
    monkeypatch.setattr(held_out, "PIECE", 128)
    found = held_out.by_position(tiny, held_out.long_text())
    assert found["later"] == found["error"] == 0 and found["quarters"][3] != found["middle"]


def test_names_are_made_of_other_syllables_than_those_trained_on() -> None:
    assert not {*skills.SYLLABLES} & {*structured.SYLLABLES} and not {*skills.KINDS} & {*structured.ENDS}
    assert not {*skills.FIELDS, *skills.NUMBERS} & {*structured.ORDINARY} - {"code", "year"}


def test_a_copying_prompt_stops_before_a_value_of_its_list() -> None:
    for make, fields in ((skills.fresh_name, skills.FIELDS), (skills.number, skills.NUMBERS)):
        prompts = skills.copying_prompts(fields, make)
        assert prompts == skills.copying_prompts(fields, make)
        for prompt, (value,) in prompts:
            listed, copied = prompt.split("\n")
            field = copied.split(", ")[-1].removesuffix(" =")
            assert f"{field} : {value}" in listed.split(" | ") and copied.endswith(f"{field} =")


@pytest.mark.parametrize(("said", "exact", "characters"), [("", 0, 0), (" {}, guest = x", 100, 100), ("{}x", 0, 100)])
def test_copying_counts_exact_values_and_characters(
    tiny: Base, monkeypatch: pytest.MonkeyPatch, said: str, exact: float, characters: float
) -> None:
    def write(base: Base, requests: list) -> list[str]:
        prompts = [request.source for request in requests]
        values = [next(v for p, (v,) in every if p == prompt) for prompt in prompts]
        return [requests[0].task.finish(said.format(value)) for value in values]

    every = [
        *skills.copying_prompts(skills.FIELDS, skills.fresh_name),
        *skills.copying_prompts(skills.NUMBERS, skills.number),
    ]
    monkeypatch.setattr(skills, "write", write)
    found = skills.copying(tiny)
    assert found["names"] == found["numbers"] == exact
    assert found["names, characters"] == found["numbers, characters"] == characters


def test_tables_ask_for_what_their_text_says_in_so_many_words(data: Path) -> None:
    for prompt, values in skills.table_prompts("viggo"):
        assert len(values) == 3 and "yes" not in values
        assert prompt.count("\n\n") == skills.SHOTS and all(value in prompt.split("\n\n")[-1] for value in values)


def test_one_table_for_several_bases_and_a_record(
    tiny_folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "evidence_of", lambda name: tmp_path)
    monkeypatch.setattr(skills, "copying_prompts", lambda *given: copied(*given, count=4))
    monkeypatch.setattr(skills, "table_prompts", lambda name: told(name, count=2))
    options = ["measure", "--bases", str(tiny_folder), "--record"]
    assert main([*options, "--tune", "20", "--steps", "2", "--limit", "3"]) == 0
    printed = capsys.readouterr().out
    for label in (
        "wikinews",
        "copied: names",
        "said after 3 examples: viggo",
        "E2E BLEU (values said), 20 examples, prefix",
    ):
        assert label in printed
    lines = printed.splitlines()
    assert len({len(line) for line in lines}) == 1 and len({line.count("|") for line in lines}) == 1
    (row,) = json.loads((tmp_path / "base.json").read_text())
    assert [(one["method"], one["texts"], one["steps"], one["inputs"]) for one in row["e2e"]] == [
        ("prefix", 20, 2, 3),
        ("fine_tune", 20, 2, 3),
    ]
    measure.record([{"base": row["base"], "base_hash": row["base_hash"], "copying": {"names": 1.0}}])
    (again,) = json.loads((tmp_path / "base.json").read_text())
    assert again == {**row, "copying": {"names": 1.0}}  # what was not measured anew stays


def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["measure", "--tune", "some"])
    assert "neither a number of texts nor 'all'" in capsys.readouterr().err
