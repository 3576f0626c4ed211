"""WebNLG: rows as the sets and the Hub have them, one example an entry, scores for seen and unseen categories."""

import json

import pytest

from prefix_core.data.examples import load_examples
from prefix_core.errors import InputError
from prefix_core.tasks import get_task

WEBNLG = get_task("webnlg")
SORREL = (("Sorrel", "areaCode", "0417"),)


@pytest.mark.parametrize(
    "record",
    [
        {"triples": [["Sorrel", "areaCode", '"0417"']], "references": ["A.", "B."]},
        {"tripleset": "Sorrel | areaCode | 0417", "lex": {"comment": ["good", ""], "text": ["A.", "B."]}},
        {
            "modified_triple_sets": {"mtriple_set": [["Sorrel | areaCode | 0417"]]},
            "annotations": {"text": ["A.", "B."]},
        },
    ],
)
def test_rows_in_every_form(record):
    example = WEBNLG.from_record({**record, "category": "City", "id": 7})
    assert (example.source, example.references, example.category, example.id) == (SORREL, ("A.", "B."), "City", "7")


def test_errors_name_the_column():
    with pytest.raises(InputError, match=r"column 'triples': triple 2 has no object"):
        WEBNLG.from_record({"triples": [["a", "b", "c"], ["a", "b", ""]], "ref": "x"})
    with pytest.raises(InputError, match=r"no column with the triples: .* found mr, ref"):
        WEBNLG.from_record({"mr": "name[A]", "ref": "x"})
    with pytest.raises(InputError, match=r"column 'lex' holds no text: it is empty"):
        WEBNLG.from_record({"triples": [["a", "b", "c"]], "lex": {"text": []}})


def test_entries_of_one_input_stay_apart_and_rows_without_id_come_together(tmp_path):
    rows = [{"triples": SORREL, "references": [text], "id": name} for text, name in [("A.", "1"), ("B.", "2")]]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [example.references for example in load_examples(path, WEBNLG)] == [("A.",), ("B.",)]
    path.write_text("".join(json.dumps({**row, "id": None}) + "\n" for row in rows))
    assert [example.references for example in load_examples(path, WEBNLG)] == [("A.", "B.")]


def test_seen_and_unseen_are_told_apart():
    pool = WEBNLG.pool()
    wrong = [example.category in ("Artist", "Athlete", "CelestialBody", "MeanOfTransportation", "Politician")
             for example in pool]  # fmt: skip
    outputs = ["Nothing." if bad else example.references[0] for bad, example in zip(wrong, pool, strict=True)]
    scores = WEBNLG.score(outputs, pool)
    assert scores["bleu_seen"] == pytest.approx(100) and scores["bleu_unseen"] == 0 < scores["bleu"] < 100
    assert scores["ter_seen"] == 0 < scores["ter"] < scores["ter_unseen"]
    assert scores["inputs_unseen"] == sum(wrong) and scores["inputs_seen"] == len(pool) - sum(wrong)
    seen = [example for example in pool if example.category == "Airport"]
    assert "bleu_seen" not in WEBNLG.score([example.references[0] for example in seen], seen)
