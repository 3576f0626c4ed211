"""Rows in every form a visitor may bring them, and what is said of those that cannot be used."""

import json
from pathlib import Path

import pytest
from openpyxl import Workbook

from prefix_core.errors import InputError
from prefix_core.places import ASSETS
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom
from prefix_core.ui.train.limits import Limits, limits
from prefix_core.ui.train.sheet import check_columns, default_template, examples, read_file, read_pasted

LIMITS = Limits()
ROWS = [(f"name[Inn {n}], area[quay]", f"Inn {n} is on the quay.") for n in range(12)]
HOSTILE = "<img src=x onerror=alert(1)>"


def csv_text(rows: list[tuple[str, str]], head: str = "mr,ref") -> str:
    return head + "\n" + "".join(f'"{source}","{text}"\n' for source, text in rows)


def workbook(path: Path, rows: list[tuple[object, ...]]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_every_kind_of_file_gives_the_same_sheet(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text(ROWS))
    (tmp_path / "a.tsv").write_text("mr\tref\n" + "".join(f"{source}\t{text}\n" for source, text in ROWS))
    lines = (json.dumps({"mr": source, "ref": text}) + "\n" for source, text in ROWS)
    (tmp_path / "a.jsonl").write_text("".join(lines))
    workbook(tmp_path / "a.xlsx", [("mr", "ref"), *ROWS])
    for kind in ("csv", "tsv", "jsonl", "xlsx"):
        sheet = read_file(tmp_path / f"a.{kind}", LIMITS)
        assert sheet.columns == ("mr", "ref") and sheet.rows == tuple(ROWS), kind
        assert sheet.guess == (["mr"], "ref")


@pytest.mark.parametrize(
    "text",
    [csv_text(ROWS), "mr\tref\n" + "\n".join(map("\t".join, ROWS)), json.dumps({"mr": "a", "ref": "b"})],
    ids=["csv", "tab", "jsonl"],
)
def test_pasted_rows_are_recognised(text: str) -> None:
    assert read_pasted("\n" + text, LIMITS).columns == ("mr", "ref")


def test_cells_of_a_workbook_are_text(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [("input", "text"), ("1+1", HOSTILE), (3, None)])
    assert read_file(path, LIMITS).rows == (("1+1", HOSTILE), ("3", ""))


def test_rows_of_one_input_are_together() -> None:
    sheet = read_pasted(
        csv_text([*ROWS, ("area[quay], name[Inn 3]", "x"), (ROWS[3][0], "On the quay: Inn 3.")]), LIMITS
    )
    found = examples(sheet, get_task("e2e"), ["mr"], "ref")
    assert len(found) == 13 and found[3].references == ("Inn 3 is on the quay.", "On the quay: Inn 3.")
    assert found[3].id == "row 5"


def test_columns_are_a_table_or_fill_a_template() -> None:
    text = "name,area,text\n" + "".join(f"Inn {n},quay,Inn {n} it is.\n" for n in range(10))
    sheet = read_pasted(text, LIMITS)
    inputs, target = sheet.guess
    assert examples(sheet, get_task("e2e"), inputs, target)[0].source == (("name", "Inn 0"), ("area", "quay"))
    task = custom(default_template(inputs), target)
    assert examples(sheet, task, inputs, target)[0].source == "name : Inn 0 | area : quay"


def test_a_column_of_sentences_beside_a_table_is_no_input_but_an_article_is() -> None:
    told = "a long remark that somebody made about this very row"
    rows = "".join(f"Inn {n},quay,{told} {n},Inn {n} it is.\n" for n in range(10))
    assert read_pasted("name,area,remark,text\n" + rows, LIMITS).guess == (["name", "area"], "text")
    articles = "".join(f"Title {n},{told} {n},It is {n}.\n" for n in range(10))
    assert read_pasted("title,article,summary\n" + articles, LIMITS).guess == (["title", "article"], "summary")


def test_the_sample_set_of_ours_can_be_trained_on_at_once() -> None:
    sheet = read_file(ASSETS / "examples" / "training_sample.csv", LIMITS)
    inputs, target = sheet.guess
    assert target == "text" and len(sheet.rows) >= 50
    assert len(examples(sheet, custom(default_template(inputs), target), inputs, target)) == len(sheet.rows)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"%PDF", "this kind of file cannot be read"),
        ("a.csv", b"\x00\x01\x02" * 900, "binary file"),
        ("a.csv", "naïve,Привет".encode("cp1251", "replace"), "not UTF-8"),
        ("a.csv", b"", "no rows"),
        ("a.csv", b"only\n1\n2\n", "only one column"),
        ("a.csv", b"a,b\nx,2,3\n", "row 2: 3 cells where the head has 2"),
        ("a.csv", b"a,b\n" + b"1,2\n" * 10_000, "more than 500 rows"),
        ("a.csv", b"a,b\n" + b"x" * 5_100_000 + b",1\n", "larger than 5 MB"),
        ("a.csv", b"a,b\n1," + b"x" * 30_000 + b"\n", "row 2, column 'b': 30,000 characters"),
        ("a.jsonl", b"{a: 1}\n", "row 1, character 2: this is not JSON"),
        ("a.xlsx", b"PK\x03\x04 broken", "not a readable .xlsx file"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_file(path, LIMITS)


def test_errors_name_row_and_column() -> None:
    rows = list(ROWS)
    rows[2] = (rows[2][0], "")
    rows[5] = ("", "text")
    sheet = read_pasted(csv_text(rows), LIMITS)
    with pytest.raises(InputError, match=r"row 4: column 'ref' is empty.* row 7: column 'mr'"):
        examples(sheet, get_task("e2e"), ["mr"], "ref")
    with pytest.raises(InputError, match=r"row 4: .*'ref'.* row 7: .*'mr'"):
        examples(sheet, custom("{mr}", "ref"), ["mr"], "ref")
    bad = read_pasted(csv_text([*ROWS, ("name[Inn", "x")]), LIMITS)
    with pytest.raises(InputError, match=r"row 14: column 'mr': .*not closed"):
        examples(bad, get_task("e2e"), ["mr"], "ref")
    with pytest.raises(InputError, match="3 rows; at least 10"):
        examples(read_pasted(csv_text(ROWS[:3]), LIMITS), get_task("e2e"), ["mr"], "ref")
    many = read_pasted(csv_text([(source, "") for source, _ in ROWS]), LIMITS)
    with pytest.raises(InputError, match="and 8 more rows"):
        examples(many, get_task("e2e"), ["mr"], "ref")


def test_columns_must_be_there_and_different() -> None:
    sheet = read_pasted(csv_text(ROWS), LIMITS)
    for inputs, target, message in (
        ([], "ref", "No column is chosen"),
        (["mr"], "mr", "chosen as input and as text"),
        (["table"], "ref", "no column 'table'"),
    ):
        with pytest.raises(InputError, match=message):
            check_columns(sheet, inputs, target)


def test_the_environment_lowers_limits_and_raises_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFIX_TRAIN_ROWS", "50")
    monkeypatch.setenv("PREFIX_TRAIN_MINUTES", "999")
    assert limits().rows == 50 and limits().minutes == Limits().minutes
    assert "10 to 50 rows" in limits().in_words()
    monkeypatch.setenv("PREFIX_TRAIN_STEPS", "many")
    with pytest.raises(ValueError, match="PREFIX_TRAIN_STEPS"):
        limits()
