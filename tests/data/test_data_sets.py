"""Published sets by name: local files where PREFIX_DATA_DIR is set, else parquet of the Hub's shape."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefix_core.data import data_sets
from prefix_core.data.examples import load_examples
from prefix_core.errors import InputError
from prefix_core.tasks import get_task

SORREL = (("Sorrel", "areaCode", "0417"),)
ENTRY = {"category": "City", "eid": "Id1", "modified_triple_sets": {"mtriple_set": [["Sorrel | areaCode | 0417"]]}}
TEXTS = {"comment": ["good", "good"], "lid": ["Id1", "Id2"], "text": ["A.", "B."], "lang": ["", ""]}
# The columns of each set on the Hub, with rows of our own.
HUB_ROWS = {
    "e2e": [
        {"meaning_representation": "name[Pomelo], food[French]", "human_reference": "A."},
        {"meaning_representation": "name[Pomelo], food[French]", "human_reference": "B."},
    ],
    "webnlg_2017": [
        {**ENTRY, "lex": TEXTS, "test_category": "testdata_with_lex"},
        {**ENTRY, "lex": {**TEXTS, "text": ["Again.", "B."]}, "test_category": "testdata_unseen_with_lex"},
    ],
    "dart": [
        {
            "tripleset": [["Sorrel", "AREA_CODE", "0417"]],
            "subtree_was_extended": False,
            "annotations": {"source": ["webnlg", "webnlg"], "text": ["A.", "B."]},
        }
    ],
    "xsum": [{"document": "It rained.\nAll day.", "summary": "Rain.", "id": "1"}],
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The Hub's parquet copies, on this disk."""
    monkeypatch.delenv("PREFIX_DATA_DIR", raising=False)
    monkeypatch.setattr(data_sets, "HUB", str(tmp_path / "{repository}/{config}/{split}/*.parquet"))

    def put(name, rows, split="test"):
        folder = tmp_path / data_sets.DATA_SETS[name].hub / split
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "0000.parquet")
        return folder / "0000.parquet"

    return put


@pytest.mark.parametrize(
    ("name", "task", "source", "references"),
    [
        ("e2e", "e2e", (("name", "Pomelo"), ("food", "French")), ("A.", "B.")),
        ("webnlg_2017", "webnlg", SORREL, ("A.", "B.")),
        ("dart", "dart", (("Sorrel", "AREA_CODE", "0417"),), ("A.", "B.")),
        ("xsum", "summarization", "It rained. All day.", ("Rain.",)),
    ],
)
def test_every_set_is_read_as_the_hub_has_it(hub, name, task, source, references):
    hub(name, HUB_ROWS[name])
    (example,) = load_examples(f"{name}:test", get_task(task))
    assert (example.source, example.references) == (source, references)


def test_development_splits_by_their_names_there(hub):
    hub("webnlg_2017", [{**ENTRY, "lex": TEXTS, "test_category": ""}], "dev")
    hub("e2e", HUB_ROWS["e2e"], "validation")
    assert len(load_examples("webnlg_2017:dev", get_task("webnlg"))) == 1
    assert len(load_examples("e2e:dev", get_task("e2e"))) == 1


def test_other_columns_than_expected_are_told(hub):
    hub("e2e", [{"mr": "name[A]", "human_reference": "A."}])
    with pytest.raises(
        InputError, match=r"e2e:test: tuetschek/e2e_nlg has no column 'meaning_representation' any more"
    ):
        load_examples("e2e:test", get_task("e2e"))


def test_errors_in_rows_name_set_and_row(hub):
    hub("e2e", [*HUB_ROWS["e2e"], {"meaning_representation": "name[A", "human_reference": "A."}])
    with pytest.raises(InputError, match=r"e2e:test, row 3: column 'meaning_representation': character 5"):
        load_examples("e2e:test", get_task("e2e"))


def test_what_cannot_be_had_is_told(hub):
    with pytest.raises(InputError, match=r"e2e:train \(tuetschek/e2e_nlg on the Hugging Face Hub\) cannot be read"):
        load_examples("e2e:train", get_task("e2e"))
    with pytest.raises(InputError, match="bbc_news_lead:dev is not on the Hugging Face Hub; set PREFIX_DATA_DIR"):
        load_examples("bbc_news_lead:dev", get_task("summarization"))
    with pytest.raises(InputError, match=r"there is no split 'valid'. Choose one of: train, dev, test"):
        load_examples("e2e:valid", get_task("e2e"))
    with pytest.raises(InputError, match=r"no such data set. By name there are: e2e, e2e_cleaned"):
        load_examples("e3e:dev", get_task("e2e"))


def test_parquet_files_of_ones_own(hub):
    path = hub("xsum", HUB_ROWS["xsum"])
    assert load_examples(path, get_task("summarization"))[0].references == ("Rain.",)
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=r"0000\.parquet: this Parquet or Arrow file is broken"):
        load_examples(path, get_task("summarization"))


def test_local_files_come_first_and_sets_are_joined(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFIX_DATA_DIR", str(tmp_path))
    for name, row in {
        "webnlg_2017": {"id": "w1", "triples": [["Sorrel", "areaCode", '"0417"']], "references": ["A."]},
        "e2e_cleaned": {"id": "e1", "table": [["name", "Pomelo"], ["food", "French"]], "references": ["B."]},
    }.items():
        folder = tmp_path / "table_to_text" / name
        folder.mkdir(parents=True)
        (folder / "train.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    examples = load_examples("webnlg_2017:train+e2e_cleaned:train", get_task("dart"))
    assert [(example.id, example.source) for example in examples] == [
        ("w1", SORREL), ("e1", (("Pomelo", "food", "French"),)),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"dart/train\.jsonl\.gz; PREFIX_DATA_DIR should be the folder that holds"):
        load_examples("dart:train", get_task("dart"))
