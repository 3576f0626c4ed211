"""Reading, holding out, decontaminating, mixing, packing."""

import gzip
import json
import lzma
import random
from itertools import islice
from pathlib import Path

import pytest

from prefix_core.errors import InputError
from prefix_core.pretrain import text
from prefix_core.pretrain.rows import pack


def test_documents_and_records_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pretraining/open").mkdir(parents=True)
    (tmp_path / "table_to_text/toy").mkdir(parents=True)
    with lzma.open(tmp_path / "pretraining/open/toy.txt.xz", "wt") as file:
        file.write(f"One\nfirst line\n{text.END}\nTwo\n{text.END}\n")
    with gzip.open(tmp_path / "table_to_text/toy/test.jsonl.gz", "wt") as file:
        file.write(json.dumps({"references": ["x"]}) + "\n")
    monkeypatch.setenv("PREFIX_DATA_DIR", str(tmp_path))
    assert text.read_documents("toy") == ["One\nfirst line", "Two"]
    assert list(text.read_records("table_to_text", "toy", "test")) == [{"references": ["x"]}]
    with pytest.raises(InputError, match="no text named 'other'"):
        text.read_documents("other")


def test_a_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFIX_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="PREFIX_DATA_DIR"):
        text.data_folder()


def test_a_planted_overlap_is_found_and_reported() -> None:
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike".split()  # noqa: SIM905
    runs = dict.fromkeys(text.word_runs(" ".join(words)), "toy")
    planted = "Before it. " + ", ".join(words).upper() + "! And after."
    nearly = " ".join([*words[:6], "other", *words[6:]])
    said: list[str] = []
    assert list(text.decontaminate(["nothing here", planted, nearly], runs, said.append)) == ["nothing here", nearly]
    assert len(said) == 1 and "toy" in said[0]


def test_a_reference_of_an_evaluated_set_is_known_whole_or_by_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    learned = {("fewshotwoz", "train"): "A bus at ten."}
    monkeypatch.setattr(text, "_references", lambda _, *of: [learned[of]] if of in learned else [long, "It is cheap."])
    for known in (text.evaluation_runs, text._evaluated_lines):
        known.cache_clear()
    try:
        assert text.is_evaluated("it is cheap") and text.is_evaluated("A bus, at ten!")
        assert text.is_evaluated(f"So: {long}, fifteen.")
        assert not text.is_evaluated("It is cheap, too.") and not text.is_evaluated(long.replace("seven", "other"))
    finally:
        for known in (text.evaluation_runs, text._evaluated_lines):
            known.cache_clear()


def test_held_out_is_a_small_fixed_share() -> None:
    chosen = [text.is_held_out(f"document {n}") for n in range(20_000)]
    assert 60 < sum(chosen) < 140
    assert chosen == [text.is_held_out(f"document {n}") for n in range(20_000)]


def test_mixture_keeps_the_shares_of_bytes() -> None:
    rng = random.Random(0)
    streams = {"long": text.forever(["x" * 300], rng), "short": text.forever(["y" * 20, "z" * 50], rng)}
    sizes = {"long": 0, "short": 0}
    for name, document in islice(text.mix(streams, {"long": 30, "short": 70}), 3000):
        sizes[name] += len(document)
    assert sizes["long"] / sum(sizes.values()) == pytest.approx(0.3, abs=0.02)


def test_rows_begin_with_a_document_or_its_next_piece() -> None:
    documents = [[1] * 3, [2] * 4, [3] * 25, [4] * 2]
    rows = list(pack([*documents, *documents], context=7, end=0))
    assert all(len(row) == 8 for row in rows)
    assert rows[0] == [0, 1, 1, 1, 0, 2, 2, 2]
    assert rows[1] == [0, 3, 3, 3, 3, 3, 3, 3] and rows[2] == [3] * 8
    assert not any(row[0] == 4 for row in rows)  # a short document's tail opens no row
