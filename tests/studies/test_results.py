"""The tables of results: what is measured is in them, what is not is said, and the paper is never mistaken for ours."""

import json
from pathlib import Path

import pytest

from prefix_core.cli import main
from prefix_core.studies import evidence, results

PAPER = json.loads((evidence.EVIDENCE / results.PAPER).read_text(encoding="utf-8"))
HEADER = {
    "task": "e2e", "base": "smollm2", "base_hash": "a", "base_parameters": 7_000_000, "learned_from": "e2e:train",
    "split": "dev", "scored_on": "e2e:dev", "decoding": "greedy",
}  # fmt: skip


def row(name: str, bleu: float, **more) -> dict:
    training = {"steps": 10, "texts_seen": 160, "tokens": 5000, "seconds": 7.0, "tokens_per_second": 714}
    costs = {"trained": 70_000, "kept": 7_000, "share": 0.1, "bytes": 28_000, "full_bytes": 28_000}
    interval = {"bleu": [bleu - 1, bleu + 1]}
    return {"row": name, "bleu": bleu, "interval": interval, "inputs": 547, **costs, "training": training, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / results.PAPER).write_text(json.dumps(PAPER))
    path = evidence.path_of("e2e", "dev", tmp_path)
    whole = {"bytes": 7_200_000, "full_bytes": 14_000_000, "kept": 7_000_000, "share": 100.0}
    for entry in (row("prefix", 60), row("adapter", 61.5), row("fine_tune", 65.5, **whole)):
        evidence.record(path, HEADER, entry)
    evidence.record(path, HEADER, {"row": "prompt_0", "bleu": 20.0, "inputs": 547})
    return tmp_path


def test_every_row_has_its_scores_interval_and_costs(folder: Path) -> None:
    lines = results.markdown(folder).splitlines()
    assert "| prefix | 60.0 (59.0–61.0) | 70,000 | 7,000 | 0.10% | 28 kB | 7 s | 714 | 160 |" in lines
    (tuned,) = (line for line in lines if line.startswith("| fine-tuned |"))
    assert "65.5 (64.5–66.5)" in tuned and "7.2 MB (14.0 unpacked)" in tuned and "100.00%" in tuned
    (prompted,) = (line for line in lines if line.startswith("| prompted |"))
    assert prompted.split("|")[2].strip() == "20.0"
    assert "NIST" not in "".join(lines)  # no row has it
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_papers_rows_are_marked_as_another_model(folder: Path) -> None:
    text = results.markdown(folder)
    assert "**another model**" in text and "547 inputs of e2e:dev" in text
    theirs = [line for line in text.splitlines() if "GPT-2 medium" in line and line.startswith("|")]
    assert len(theirs) == len(PAPER["tasks"]["e2e"]["rows"])
    assert all(cell.strip().startswith("*") for line in theirs for cell in line.split("|") if cell.strip())


def test_inputs_that_were_cut_are_counted(folder: Path) -> None:
    assert "cut to fit" not in results.markdown(folder)
    evidence.record(evidence.path_of("e2e", "dev", folder), HEADER, row("top_layers", 61, cut=12))
    assert "547 inputs of e2e:dev (at most 12 of them cut to fit the context), greedy" in results.markdown(folder)


def test_differences_inside_the_intervals_are_called_none(folder: Path) -> None:
    assert "Not significantly different from the prefix in BLEU (95% intervals overlap): adapter." in results.markdown(
        folder
    )


def test_what_is_not_measured_is_said(folder: Path) -> None:
    assert results.markdown(folder).count("Not measured on this base yet.") == len(results.SCORES) - 1


def test_other_sets_and_their_parts_have_a_line_each(folder: Path) -> None:
    before = results.markdown(folder)
    header = {**HEADER, "task": "webnlg", "split": "test", "scored_on": "webnlg_2017:test"}
    path = evidence.path_of("webnlg", "test", folder)
    evidence.record(path, header, row("prefix", 58, bleu_seen=60.0, bleu_unseen=50.0))
    evidence.record(path, header, {"row": "prompt_0", "bleu": 12.0, "bleu_seen": 13.0, "inputs": 547})
    text = results.markdown(folder)
    assert [line for line in text.splitlines() if line not in before.splitlines()] == [
        "| BLEU | inputs | prefix | prompted |",
        "|---|--:|--:|--:|",
        "| webnlg_2017:test | 547 | 58.0 (57.0–59.0) | 12.0 |",
        "| webnlg_2017:test, seen |  | 60.0 | 13.0 |",
        "| webnlg_2017:test, unseen |  | 50.0 |  |",
    ]


def test_models_of_full_size_stand_beside_peft_where_it_can_run(folder: Path) -> None:
    speeds = {"training_tokens_per_second": 61.4, "milliseconds_per_token_1": 90.04, "milliseconds_per_token_8": 200.0}
    ours = {"fp32": {**speeds, "peak_megabytes": 2500.0}}
    facts = {"threads": 1, "prefix_length": 10, "kept_at_5": 245_760}
    peft, theirs = {"training_tokens_per_second": 30.0, "peak_megabytes": 4000.0}, {"milliseconds_per_token_1": 180.0}
    measured = {
        "gpt2-medium": {
            **facts, "parameters": 354_823_168,
            "prefix_core": ours, "peft": {"fp32": peft}, "transformers": {"fp32": theirs},
        },
        "bart-large": {**facts, "parameters": 406_291_456, "prefix_core": ours, "not_compared": "no place for it"},
    }  # fmt: skip
    (folder / evidence.FULL_SIZE).write_text(json.dumps(measured))
    text = results.markdown(folder)
    row = "| gpt2-medium | 354,823,168 | 245,760 | fp32 | 61 (30) | 90.0 (180.0) | 200.0 | 2,500 (4,000) MB |"
    assert row in text and "| 61 | 90.0 | 200.0 | 2,500 MB |" in text and "bart-large: no place for it." in text
    table = [line for line in text.split("### Models of full size")[1].splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_readme_and_docs_are_rewritten_between_their_marks(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme, docs = tmp_path / "README.md", tmp_path / "docs" / "results.md"
    docs.parent.mkdir()
    for path in (readme, docs):
        path.write_text(f"before\n{results.MARKS[0]}old\n{results.MARKS[1]}after\n")
    monkeypatch.setattr(results, "PACKAGE", tmp_path / "prefix_core")
    results.write(folder)
    for path, tables in ((readme, results.summary(folder)), (docs, results.markdown(folder))):
        assert path.read_text() == f"before\n{results.MARKS[0]}{tables}{results.MARKS[1]}after\n"


def test_the_summary_has_a_column_for_each_measured_task(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert results.summary(tmp_path / "empty").startswith("Nothing is measured")
    evidence.record(evidence.path_of("webnlg", "dev", folder), {**HEADER, "task": "webnlg"}, row("prefix", 30))
    evidence.record(evidence.path_of("webnlg", "test", folder), {**HEADER, "task": "webnlg"}, row("prefix", 58))
    lines = results.summary(folder).splitlines()
    assert "| prefix | 0.10% | 60.0 (59.0–61.0) | 58.0 (57.0–59.0) |" in lines  # the test set where it is measured
    assert "| prompted |  | 20.0 |  |" in lines
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_the_evidence_is_of_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "--check"]) == 0, capsys.readouterr().err
    assert main(["results"]) == 0 and "### " in capsys.readouterr().out
