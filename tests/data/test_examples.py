"""Files of examples: rows of one input come together; every complaint names the file, the row and the column.

Inputs alone are read as their writer meant them, or named with what is wrong. Of a split no input is on both sides; it
has the asked number of texts, and is the same for the same seed.
"""

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefix_core.data.examples import fingerprint, input_columns, inputs_of, load_examples, load_inputs, split
from prefix_core.data.reader import read
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom
from prefix_core.tasks.task import Task

E2E = get_task("e2e")
A, B = (("name", "A"), ("area", "riverside")), (("name", "B"),)
ROWS = [("name[A], area[riverside]", "A is by the river."), ("name[B]", "B."), ("name[A], area[riverside]", "River A.")]


def write_sheet(path, rows, head=("mr", "ref"), delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return path


def write_lines(path, records):
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def pairs(examples):
    return [(example.source, example.references) for example in examples]


GROUPED = [(A, ("A is by the river.", "River A.")), (B, ("B.",))]


@pytest.mark.parametrize(("name", "delimiter"), [("x.csv", ","), ("x.csv", ";"), ("x.TSV", "\t")])
def test_sheets_are_grouped_in_order(tmp_path, name, delimiter):
    assert pairs(load_examples(write_sheet(tmp_path / name, ROWS, delimiter=delimiter), E2E)) == GROUPED


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_json_lines_are_grouped_in_order(tmp_path, name):
    records = [{"mr": mr, "ref": ref} for mr, ref in ROWS]
    assert pairs(load_examples(write_lines(tmp_path / name, records), E2E)) == GROUPED


@pytest.mark.parametrize("column", ["mr", "source", "input", "meaning_representation", "table"])
@pytest.mark.parametrize("reference", ["ref", "target", "reference", "human_reference", "Ref"])
def test_columns_by_any_of_their_names(tmp_path, column, reference):
    rows = [("name : A | area : riverside", "A."), ("name: B", "B.")]
    path = write_sheet(tmp_path / "x.csv", rows, head=(f" {column.upper()}", reference))
    assert pairs(load_examples(path, E2E)) == [(A, ("A.",)), (B, ("B.",))]


def test_tables_as_pairs_with_ids_and_several_references(tmp_path):
    path = write_lines(tmp_path / "x.jsonl", [{"id": "dev-1", "table": A, "references": ["x", "y\r\nz"]}])
    (example,) = load_examples(path, E2E)
    assert (example.id, example.source, example.references) == ("dev-1", A, ("x", "y z"))


def test_the_limit_counts_inputs_and_keeps_their_later_references(tmp_path):
    assert pairs(load_examples(write_sheet(tmp_path / "x.csv", ROWS), E2E, limit=1)) == GROUPED[:1]


def test_blank_lines_and_a_byte_order_mark_do_no_harm(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("\ufeffmr,ref\r\n\r\nname[B],B.\r\n,\r\n".encode())
    assert pairs(load_examples(path, E2E)) == [(B, ("B.",))]


texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
def test_all_formats_say_the_same(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("formats")
    rows = [(json.dumps({"name": name}), text) for name, text in rows]
    sheet = load_examples(write_sheet(folder / "x.csv", rows), E2E)
    lines = load_examples(write_lines(folder / "x.jsonl", [{"mr": mr, "ref": ref} for mr, ref in rows]), E2E)
    tabs = load_examples(write_sheet(folder / "x.tsv", rows, delimiter="\t"), E2E)
    assert pairs(sheet) == pairs(lines) == pairs(tabs)
    assert sorted(ref for example in sheet for ref in example.references) == sorted(ref for _, ref in rows)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"mr,ref\nname[A],\n", "x.csv, row 2: column 'ref' is empty"),
        (b"mr,ref\nname[A],a\n  ,b\n", "x.csv, row 3: column 'mr' is empty"),
        (b"mr,ref\nname[A, area[b],c\n", "x.csv, row 2: 3 cells where the head has 2"),
        (b'mr,ref\n"name[A, area[b]",c\n', "x.csv, row 2: column 'mr': character 5: the [ after"),
        (b"ref\nname[A]\n", "x.csv, row 2: no column with the table: expected one of table, mr,"),
        (b"mr\nname[A]\n", "no column with the reference text: expected one of references, ref,"),
        (b"mr,mr\nname[A],b\n", "x.csv, row 1: the column 'mr' occurs more than once"),
        (b"mr,ref\nname[A],b\xe9\xe8\xe0\n", "x.csv, line 2: byte 10 (0xe9) is not UTF-8"),
        (b'mr,ref\nname[A],"b\nname[B],c\n', "the quotes do not match"),
        (b"mr,ref\n", "x.csv: the file has no rows"),
        (b"", "x.csv: the file has no rows"),
        (b"mr,ref\nname[A]," + b"x" * 1_200_000, "x.csv, after row 1: a cell has more than 1,000,000 characters"),
        ("mr,ref\nname[A],\u200b\u2060\n".encode(), "x.csv, row 2: column 'ref' is empty"),
    ],
)
def test_sheet_errors_say_where(tmp_path, content, says):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_examples(path, E2E)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"mr": "name[A]"', "x.jsonl, row 2, character 17: this is not JSON"),
        ('["name[A]", "b"]', "x.jsonl, row 2: expected a JSON object"),
        ('{"mr": "name[A]", "ref": true}', "x.jsonl, row 2: column 'ref': reference 1 is not a text"),
        ('{"mr": "name[A]", "ref": [["a"]]}', "x.jsonl, row 2: column 'ref': reference 1 is not a text"),
        ('{"mr": "name[A]", "references": []}', "x.jsonl, row 2: column 'references' is empty"),
        ('{"mr": [["name"]], "ref": "a"}', "x.jsonl, row 2: column 'mr': row 1: expected"),
        ('{"mr": true, "ref": "a"}', "x.jsonl, row 2: column 'mr': This JSON holds no table"),
        ('{"mr": "name[A]", "ref": "a", "ref": "b"}', "x.jsonl, row 2: 'ref' occurs more than once"),
        ('{"mr": "name[A]", "ref": "a", "Ref": "b"}', "x.jsonl, row 2: 'ref' and 'Ref' differ only in case"),
        ("[" * 100_000, "x.jsonl, row 2: this is not JSON (it is nested too deeply)"),
        ("9" * 5000, "x.jsonl, row 2: expected a JSON object"),
        ('{"x": "y"' + ', "z": 1' * 300_000 + "}", "x.jsonl, row 2: this is not JSON (it holds too many values)"),
    ],
)
def test_json_line_errors_say_where(tmp_path, line, says):
    path = tmp_path / "x.jsonl"
    path.write_text('{"mr": "name[A]", "ref": "b"}\n' + line + "\n")
    with pytest.raises(InputError) as error:
        load_examples(path, E2E)
    assert says in str(error.value)


def test_files_that_are_none(tmp_path):
    cut = write_lines(tmp_path / "x.jsonl.gz", [{"mr": f"name[A{i}]", "ref": "b"} for i in range(500)])
    whole = cut.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"not gzip", whole[:40] + b"????" + whole[44:]):
        cut.write_bytes(damaged)
        with pytest.raises(InputError, match="file is damaged"):
            load_examples(cut, E2E)
    with pytest.raises(InputError, match="no such file"):
        load_examples(tmp_path / "none.csv", E2E)
    (tmp_path / "x.yaml").write_text("- mr: name[A]\n  ref: A.\n")
    with pytest.raises(InputError, match="this kind of file cannot be read"):
        load_examples(tmp_path / "x.yaml", E2E)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        load_examples(tmp_path / "folder.csv", E2E)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["x.csv", "x.tsv", "x.jsonl", "x.jsonl.gz"]), st.booleans())
def test_random_bytes_are_read_or_refused_in_words(tmp_path_factory, content, name, packed):
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(gzip.compress(content) if packed and name.endswith(".gz") else content)
    try:
        list(read(path))
    except InputError as error:
        assert name in str(error)


def test_files_are_streamed(tmp_path):
    """The first row is handed on before a later row is looked at."""
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\nnot json\n')
    records = iter(read(path))
    assert next(records) == (1, {"a": "1"})
    with pytest.raises(InputError, match="row 2"):
        next(records)


# --------------------------------------------------------------------------------------------------------------- inputs


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


# ----------------------------------------------------------------------------------------------- learned from, held out


@pytest.mark.parametrize("count", [None, 1, 50, 90])
def test_inputs_are_on_one_side_only(e2e: Task, count: int | None) -> None:
    pool = e2e.pool()
    learned, held_out = split(pool, count, seed=3)
    assert not {example.source for example in learned} & {example.source for example in held_out}
    held = {example.source for example in held_out}
    rest = sum(len(example.references) for example in pool if example.source not in held)
    assert sum(len(example.references) for example in learned) == (rest if count is None else count)
    assert 1 <= len(held_out) <= len(pool) // 4


def test_the_seed_decides(e2e: Task) -> None:
    first, same, other = (split(e2e.pool(), 20, seed)[0] for seed in (1, 1, 2))
    assert fingerprint(first) == fingerprint(same) != fingerprint(other)


def test_more_than_there_is_cannot_be_had(e2e: Task) -> None:
    pairs = [example for example in e2e.pool() if len(example.references) == 2]
    texts = 2 * len(pairs)
    with pytest.raises(InputError, match=f"this file has {texts}"):
        split(pairs, 500, 0)
    with pytest.raises(InputError, match="there are 100 to learn from"):
        split(pairs, texts - 1, 0)
    with pytest.raises(InputError, match="at least 2"):
        split(e2e.pool()[:1], None, 0)
