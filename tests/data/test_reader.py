"""Files as people's tools write them: read as they were meant, on the page and the command line alike, or refused."""

import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest

from prefix_core.data.columns import guess
from prefix_core.data.examples import load_examples
from prefix_core.data.reader import read, read_bytes, read_text
from prefix_core.data.report import Report, SeveralSheets
from prefix_core.errors import EmptyCell, InputError
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom
from prefix_core.tasks.task import Task
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.sheet import default_template, examples, read_file
from tests.data.kinds import HEAD_AND_ROWS, ROWS, THE_TWELVE, lines, table
from tests.data.makers import old_workbook, sheet, workbook, zipped

E2E, WEBNLG, DART = get_task("e2e"), get_task("webnlg"), get_task("dart")
TWELVE = [((("name", f"Inn {n}"), ("area", "quay")), (ref,)) for n, (_, ref) in enumerate(ROWS)]


def both(folder: Path, name: str, content: bytes, task: Task | None) -> list[tuple[object, tuple[str, ...]]]:
    """Inputs and texts, which the page and the command line have to agree on. task: None for the visitor's own."""
    path = folder / name
    path.write_bytes(content)
    shown = read_file(path, Limits())
    inputs, target = shown.guess
    task = task or custom(default_template(inputs), target)
    page = [(example.source, example.references) for example in examples(shown, task, inputs, target)]
    line = [(example.source, example.references) for example in load_examples(path, task)]
    assert page == line
    return line


def records(content: bytes, name: str) -> list[dict[str, object]]:
    return [record for _, record in read_bytes(content, name)]


@pytest.mark.parametrize("name", THE_TWELVE)
def test_the_same_twelve_rows_in_every_hand(tmp_path: Path, name: str) -> None:
    assert both(tmp_path, name, THE_TWELVE[name], E2E) == TWELVE


@pytest.mark.parametrize("name", ["plain.csv", "lines.jsonl", "cr.tsv"])
def test_packed_in_gzip_or_alone_in_a_zip(tmp_path: Path, name: str) -> None:
    assert both(tmp_path, f"{name}.gz", gzip.compress(THE_TWELVE[name]), E2E) == TWELVE
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"folder/{name}", THE_TWELVE[name])
        file.writestr("__MACOSX/._x", b"\0")
    assert both(tmp_path, f"{name}.zip", packed.getvalue(), E2E) == TWELVE
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("other.csv", b"a,b\n")
    with pytest.raises(InputError, match=r"should hold one table; it holds folder/.*, other.csv"):
        read_bytes(packed.getvalue(), "two.zip")


@pytest.mark.parametrize("cell", ['"Inn 3" is on the quay.', '"Best view on the quay.', 'A view of 12"', 'Say "yes"'])
def test_quotes_in_a_tsv_are_ordinary_characters(tmp_path: Path, cell: str) -> None:
    rows = [(mr, cell if n in (3, 7) else ref) for n, (mr, ref) in enumerate(ROWS)]
    text = "mr\tref\n" + "".join(f"{mr}\t{ref}\n" for mr, ref in rows)
    assert [refs for _, refs in both(tmp_path, "x.tsv", text.encode(), E2E)] == [(ref,) for _, ref in rows]


def test_quotes_around_cells_of_a_tsv_are_not_theirs() -> None:
    assert records(table("\t").encode(), "x.tsv")[3] == {"mr": ROWS[3][0], "ref": ROWS[3][1]}
    content = b'a\tb\n1\t"say ""yes"""\n2\t"two\nlines"\n'
    assert [record["b"] for record in records(content, "x.tsv")] == ['say "yes"', "two\nlines"]


def test_quotes_in_a_csv() -> None:
    assert records(b'a,b\n1,"x, ""y""\nz"\n2,5" disk\n', "x.csv") == [
        {"a": "1", "b": 'x, "y"\nz'}, {"a": "2", "b": '5" disk'},
    ]  # fmt: skip
    assert records(b'a,b\n1,"Inn" is here\n2,x\n', "x.csv")[0]["b"] == '"Inn" is here'


def test_a_table_whose_first_cell_is_a_tag_is_no_markup() -> None:
    assert [row for _, row in read_text('<b>,text\n"<b>a, b",<i>c')] == [{"<b>": "<b>a, b", "text": "<i>c"}]


def test_numbers_and_dates_are_as_the_sheet_shows_them() -> None:
    head = ("name", "opened", "zip", "share", "opens", "stay", "free")
    rows = [head, *((f"Inn {n}", 43835, 123, 0.15, 0.3541666666666667, 1.0833333333, True) for n in range(2))]
    read_rows = records(workbook(sheet(rows, styles=(0, 1, 2, 3, 4, 5))), "x.xlsx")
    assert list(read_rows[1].values()) == ["Inn 1", "2020-01-05", "00123", "15%", "08:30", "26:00:00", "TRUE"]

    # and as Excel wrote it until 2003
    formats = ["General", "yyyy-mm-dd", "00000", "0%", "hh:mm", "[hh]:mm:ss", "General"]
    assert records(old_workbook(rows, formats=formats), "x.xls") == read_rows


def test_a_cell_merged_over_rows_says_the_same_in_each(tmp_path: Path) -> None:
    rows = [
        ("area", "name", "text"),
        ("quay", "Inn 0", "a"),
        ("", "Inn 1", "b"),
        ("", "Inn 2", "c"),
        ("hill", "Inn 3", "d"),
    ]
    content = workbook(sheet(rows, after='<mergeCells count="1"><mergeCell ref="A2:A4"/></mergeCells>'))
    reading = read_bytes(content, "x.xlsx")
    assert [record["area"] for _, record in reading] == ["quay", "quay", "quay", "hill"]
    assert "rows 2 to 4 share a merged cell" in reading.report.notes[0]
    old = old_workbook([*rows[:2], *(row for row in rows[2:])], merged=(1, 3, 0, 0))
    assert [record["area"] for record in records(old, "x.xls")] == ["quay", "quay", "quay", "hill"]
    page = "<table><tr><th>area<th>name<tr><td rowspan=2>quay<td>Inn 0<br>&amp; Sons<tr><td>Inn 1<tr><td>hill<td>Inn 2"
    assert records(page.encode(), "x.html") == [
        {"area": "quay", "name": "Inn 0\n& Sons"}, {"area": "quay", "name": "Inn 1"}, {"area": "hill", "name": "Inn 2"},
    ]  # fmt: skip
    across = workbook(
        sheet([("Input", "", "text"), *rows[1:]], after='<mergeCells><mergeCell ref="A1:B1"/></mergeCells>')
    )
    with pytest.raises(InputError, match="row 1: merged cells in the head"):
        records(across, "x.xlsx")


def test_one_of_several_sheets_is_chosen(tmp_path: Path) -> None:
    content = workbook(sheet(HEAD_AND_ROWS), sheet([("a", "b"), ("1", "2")]), names=("Inns", "Pubs"))
    with pytest.raises(SeveralSheets) as error:
        records(content, "x.xlsx")
    assert error.value.sheets == ("Inns", "Pubs")
    (tmp_path / "x.xlsx").write_bytes(content)
    assert [record for _, record in read(tmp_path / "x.xlsx", "Pubs")] == [{"a": "1", "b": "2"}]
    with pytest.raises(InputError, match=r"there is no sheet “Bars”. There are: Inns, Pubs"):
        list(read(tmp_path / "x.xlsx", "Bars"))


def test_a_formula_without_its_value_is_no_empty_cell() -> None:
    formula = '<c r="B2"><f>A2&amp;"!"</f><v/></c>'
    with pytest.raises(InputError, match=r"x.xlsx: B2 holds a formula whose value is not in the file"):
        records(workbook(sheet([("a", "b"), ("x", formula)])), "x.xlsx")
    error = '<c r="B2" t="e"><v>#N/A</v></c>'
    assert records(workbook(sheet([("a", "b"), ("x", error)])), "x.xlsx") == [{"a": "x", "b": ""}]


PAIR = ("Inn is on the quay.", "On the quay is Inn.")
BAD = {"comment": "bad", "lex": "asdf"}


def cells(column: str, cell: object) -> bytes:
    """JSON lines with the twelve inputs, each with the same cell."""
    return lines(*({"mr": mr, column: cell} for mr, _ in ROWS))


def quoted(cell: str) -> bytes:
    """CSV with the twelve inputs, each with the same references."""
    escaped = cell.replace('"', '""')
    return ("mr,references\n" + "".join(f'"{mr}","{escaped}"\n' for mr, _ in ROWS)).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.jsonl", cells("references", list(PAIR))),
        ("json.csv", quoted(json.dumps(PAIR))),
        ("repr.csv", quoted(repr(list(PAIR)))),
        ("numpy.csv", quoted(f"['{PAIR[0]}'\n '{PAIR[1]}']")),
        ("array.csv", quoted(f"array(['{PAIR[0]}', '{PAIR[1]}'], dtype=object)")),
        ("hub.jsonl", cells("lex", {"text": [*PAIR, "asdf"], "comment": ["good", "", "bad"]})),
        ("objects.jsonl", cells("annotations", [{"source": "x", "text": text} for text in PAIR])),
        ("lex.jsonl", cells("lexicalisations", [{"lex": PAIR[0]}, BAD, {"comment": "good", "lex": PAIR[1]}])),
    ],
)
def test_lists_in_a_cell_are_several_texts(tmp_path: Path, name: str, content: bytes) -> None:
    assert both(tmp_path, name, content, E2E) == [(source, PAIR) for source, _ in TWELVE]


@pytest.mark.parametrize(
    "cell",
    [
        [["Inn_{n}", "cityServed", "Marlow"]],
        {"mtriple_set": [["Inn_{n} | cityServed | Marlow"]]},
        [{"subject": "Inn_{n}", "property": "cityServed", "object": "Marlow"}],
        ["Inn_{n} | cityServed | Marlow"],
        "[('Inn {n}', 'cityServed', 'Marlow')]",
        "['Inn {n} | cityServed | Marlow']",
        "Inn_{n} | cityServed | Marlow",
        "(Inn {n}, cityServed, Marlow)",
        '<modifiedtripleset><mtriple lang="en">Inn_{n} | cityServed | Marlow</mtriple></modifiedtripleset>',
    ],
)
def test_triples_in_every_hand(tmp_path: Path, cell: object) -> None:
    found = lines(
        *({"triples": json.loads(json.dumps(cell).replace("{n}", str(n))), "ref": f"T {n}."} for n in range(12))
    )
    expected = [(((f"Inn {n}", "cityServed", "Marlow"),), (f"T {n}.",)) for n in range(12)]
    assert both(tmp_path, "x.jsonl", found, WEBNLG) == both(tmp_path, "y.jsonl", found, DART) == expected


def test_a_triple_may_be_three_columns(tmp_path: Path) -> None:
    text = "subject,predicate,object,text\n" + "".join(f"Inn {n},area,quay,Inn {n} it is.\n" for n in range(12))
    (tmp_path / "x.csv").write_text(text)
    assert load_examples(tmp_path / "x.csv", WEBNLG)[2].source == (("Inn 2", "area", "quay"),)


def test_an_optional_column_may_be_empty(tmp_path: Path) -> None:
    text = "instruction,input,output\n" + "".join(
        f"Name inn {n}.,{'' if n % 2 else f'quay {n}'},Inn {n}.\n" for n in range(12)
    )
    found = both(tmp_path, "x.csv", text.encode(), None)
    assert found[2][0] == "instruction : Name inn 2. | input : quay 2" and found[3][0] == "instruction : Name inn 3."
    task = custom("Do {instruction} -> with {input} now", "output")
    assert task.from_record({"instruction": "it", "input": None, "output": "x"}).source == "Do it"
    assert task.from_record({"instruction": "", "input": "x", "output": "x"}).source == "with x now"


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"},
                      {"role": "assistant", "content": "Here."}]},
        {"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "Where?"},
                           {"from": "gpt", "value": "Here."}]},
        {"messages": [{"role": "developer", "content": "Be brief."},
                      {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "Here."}]}]},
        {"contents": [{"role": "system", "parts": [{"text": "Be brief."}]},
                      {"role": "user", "parts": [{"text": "Where?"}]},
                      {"role": "model", "parts": [{"text": "Here."}]}]},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}],
         "completion": [{"role": "assistant", "content": "Here."}]},
        {"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}],
         "chosen": [{"role": "assistant", "content": "Here."}], "rejected": [{"role": "assistant", "content": "No."}]},
    ],
)  # fmt: skip
def test_a_conversation_of_one_turn_is_an_input_and_its_text(record: dict[str, object]) -> None:
    assert records(lines(record), "x.jsonl") == [{"system": "Be brief.", "user": "Where?", "assistant": "Here."}]
    twice = {name: turns + turns[-2:] for name, turns in record.items()}  # type: ignore[operator,index]
    with pytest.raises(InputError, match=r"row 1: column '.*' has several turns"):
        records(lines(twice), "x.jsonl")


def test_rows_that_stand_in_one_object(tmp_path: Path) -> None:
    german = lines(*({"translation": {"en": f"Inn {n}", "de": f"Gasthaus {n}"}} for n in range(12)))
    assert both(tmp_path, "x.jsonl", german, None)[3] == ("Inn 3", ("Gasthaus 3",))
    splits = {"train": [{"a": "1", "b": "2"}], "validation": [{"a": "3", "b": "4"}]}
    reading = read_bytes(json.dumps(splits).encode(), "x.json")
    assert [record for _, record in reading] == splits["train"]
    assert reading.report.notes == ["only the rows of “train” are read; beside it there are “validation”"]


def test_of_two_answers_the_one_that_people_chose_is_the_text(tmp_path: Path) -> None:
    content = lines(*({"prompt": f"Q {n}", "chosen": f"A {n}", "rejected": f"B {n}"} for n in range(12)))
    assert both(tmp_path, "x.jsonl", content, None)[2] == ("Q 2", ("A 2",))


def test_the_files_of_the_paper(tmp_path: Path) -> None:
    text = "".join(f"name : Inn {n} | area : quay||{ref} \n" for n, (_, ref) in enumerate(ROWS))
    assert both(tmp_path, "src1_train.txt", text.encode(), E2E) == TWELVE
    entry = (
        '<entry category="Food" eid="Id{0}"><originaltripleset><otriple>Inn_{0} | a | b</otriple></originaltripleset>'
        "<modifiedtripleset><mtriple>Inn_{0} | cityServed | Marlow</mtriple></modifiedtripleset>"
        '<lex comment="good" lid="Id1">T {0}.</lex><lex comment="bad" lid="Id2">asdf</lex></entry>'
    )
    page = "<benchmark><entries>" + "".join(map(entry.format, range(12))) + "</entries></benchmark>"
    expected = [(((f"Inn {n}", "cityServed", "Marlow"),), (f"T {n}.",)) for n in range(12)]
    assert both(tmp_path, "webnlg.xml", page.encode(), WEBNLG) == expected


def test_bytes_are_the_text_they_spell_and_line_breaks_of_every_kind_are_blanks(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    write_table(Table.from_pylist([{"mr": mr, "ref": ref.encode()} for mr, ref in ROWS]), tmp_path / "x.parquet")
    assert [(example.source, example.references) for example in load_examples(tmp_path / "x.parquet", E2E)] == TWELVE
    write_table(Table.from_pylist([{"mr": "name[A]", "ref": b"\xff\xfe"}]), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="row 1: column 'ref' holds bytes that are no text"):
        load_examples(tmp_path / "x.parquet", E2E)
    broken = table().replace("Inn 3 is", "Inn 3\vis").replace("Inn 4 is", "Inn 4\x85is")
    assert both(tmp_path, "x.csv", broken.encode(), E2E) == TWELVE


def test_hidden_rows_are_read_and_that_is_said() -> None:
    hidden = sheet(HEAD_AND_ROWS).replace('<row r="3">', '<row r="3" hidden="1">')
    reading = read_bytes(workbook(hidden), "x.xlsx")
    assert len(list(reading)) == 12
    assert reading.report.notes == ["some rows are hidden in the sheet; they are read, too"]


def test_what_json_says_is_kept_as_it_is_written() -> None:
    content = (
        b'{"table": {"name": "A", "price": 4.50, "big": 12345678901234567890123, "exp": 1e3}, "ref": NaN, "free": true}'
    )
    (record,) = records(content, "x.jsonl")
    assert record["table"] == {"name": "A", "price": "4.50", "big": "12345678901234567890123", "exp": "1e3"}
    assert record["ref"] is None and record["free"] is True


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (lines(*({"mr": mr, "ref": float("nan") if n == 3 else ref} for n, (mr, ref) in enumerate(ROWS))), "'ref'"),
        (table().replace('"Inn 3 is on the quay."', "").encode(), "'ref'"),
        (lines(*({"mr": None if n == 3 else mr, "ref": ref} for n, (mr, ref) in enumerate(ROWS))), "'mr'"),
    ],
)
def test_a_missing_value_is_no_word_and_its_row_can_be_left_out(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(EmptyCell, match=f"x, row [45]: column {what} is empty"):
        load_examples(tmp_path / "x", E2E)
    reports: list[Report] = []
    found = load_examples(tmp_path / "x", E2E, leave_out_empty=True, report=reports.append)
    assert [example.references for example in found] == [refs for n, (_, refs) in enumerate(TWELVE) if n != 3]
    assert len(reports[0].left_out) == 1 and "left out: column" in reports[0].left_out[0][1]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", b"mr,MR,ref\na,b,c\n", "row 1: the columns 'mr' and 'MR' differ only in case"),
        ("x.csv", ROWS[0][0].replace(",", "").encode() + b",Inn it is.\nname[B],c\n", "row 1: .* looks like data"),
        ("x.csv", b"name,text\nInn,It is, well, here.\n", "row 2: 4 cells where the head has 2"),
        ("x.csv", b"a,b,c\n1,2\n", "row 2: 2 cells where the head has 3"),
        ("x.csv", "a,b\nПривет,мир\n".encode("cp1251"), r"line 2: byte 1 \(0xcf\) is not UTF-8"),
        ("x.csv", "a,b\nDvořák,Šárka\n".encode("cp1250"), "is not UTF-8"),
        ("x.csv", "a,b\ncafé,x\n".encode("mac-roman"), "is not UTF-8"),
        ("x.csv", "a,b\n日本語,テスト\n".encode("shift-jis"), "is not UTF-8"),
        ("x.csv", "a,b\ncafé,x\n".encode() + b"caf\xe9,y\n", r"line 3: byte 4 \(0xe9\) is not UTF-8"),
        ("x.csv", b"a,b\n1,x\0y\n", "line 2: a NUL byte"),
        ("x.csv", b"a,b\n1,x,y\n2,v,w\n4,s,t\n", "row 4: 3 cells where the head has 2"),
        ("x.csv", b"a,b\nc,x,y\n", "row 2: 3 cells where the head has 2"),
        ("x.txt", b"mr: a\nref: b\n\nmr: c\nref: d\n\nmr: e\nnote: f\n", "row 7: this block has mr, note"),
        ("x.txt", b"mr: a\nref: b\n\nmr: c\nref: d\nand more\n", "x.txt"),
        ("x.jsonl", b"{'mr': 'a', 'ref': 'b'\n", "row 1.*this is not JSON"),
        ("x.csv", b'a;b,c\n1;2,3\n', "separated by commas or by semicolons|separated by semicolons or by commas"),
        ("x.csv", b"- mr: a\n  ref: b\n", "looks like YAML"),
        ("x.yaml", b"a,b\n1,2\n", "this kind of file cannot be read"),
        ("x.csv", b"a~b\nc, d~e\n", "row 2: 2 cells where the head has one: no comma, semicolon, tab or pipe"),
        ("x.md", b"| a | b |\n|--|--|\n| 1 | 2 |\n\n| a | b |\n|--|--|\n| 3 | 4 |\n", "line 5: a second table"),
        ("x.txt", b"a : b||c\na : b || c || d\n", "row 2: 2 times ||"),
        ("x.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "this is not a readable workbook; it is broken"),
        ("x.xls", b"<html><table><tr><td>a</td></tr></table></html>", "the page holds no tables"),
        ("x.html", b"<table><tr><td>a<td>b<tr><td>1<td>2</table>" * 2, "the page holds 2 tables"),
        ("x.html", b"<table><tr><th colspan=2>a<th>b<tr><td>1<td>2<td>3</table>", "row 1: merged cells in the head"),
        ("x.xml", b"<a><b><c>1</c><d>2</d></b><e><c>1</c><d>2</d></e></a>", "the XML holds “b” and “e”"),
        ("x.xml", b"<a><b>1</b></a>", "no rows were found in this XML"),
        ("x.xml", b"<a><b><c>1</c>", "line 1: this is no XML"),
        ("x.numbers", zipped(x_iwa=b"x"), "a sheet of Apple Numbers"),
        ("x.tar", b"x.csv".ljust(257, b"\0") + b"ustar", "a tar archive"),
        ("x.zip", zipped(x_zip=zipped(x_csv=b"a,b\n")), "another packed file is in it"),
        ("x.parquet", b"PAR1 nope", "x.parquet: this Parquet or Arrow file is broken"),
        ("x.arrow", b"ARROW1\0\0", "x.arrow: this Parquet or Arrow file is broken"),
        ("x.pkl", b"\x80\x04\x95", "a Python pickle, which is never read"),
        ("x.csv.gz", b"a,b\n1,2\n", "the file is damaged: it is not gzip"),
        ("x.json", b'{"a": 1', "this is not JSON"),
        ("x.json", b"[1, 2]", "row 1: expected a JSON object"),
        ("x.csv", b"mr,references\nname[A],\"['a, 'b']\"\n", "the list in this cell cannot be read"),
        ("x.csv", b"mr,references\nname[A],\"['a' ... 'b']\"\n", "the list in this cell cannot be read"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        load_examples(tmp_path / name, E2E)
    assert str(error.value).startswith(name) and "network" not in str(error.value)


def test_western_text_in_windows_1252_is_read_and_that_is_said() -> None:
    text = "name,text\nCafé Sicilia,“Près de l’église” – 20 €\nMüller,Ñandú für Ålesund\n"
    reading = read_bytes(text.encode("cp1252"), "x.csv")
    assert [record["name"] for _, record in reading] == ["Café Sicilia", "Müller"]
    assert "Windows-1252" in reading.report.lines()[0] and "look whether its accents" in reading.report.notes[0]


def test_the_report_says_how_a_file_was_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("# ours\n,mr,references,note\n0,name[A],\"['a', '']\",z\n1,name[B],b,z\n")
    reports: list[Report] = []
    load_examples(tmp_path / "x.csv", E2E, report=reports.append)
    assert reports[0].lines() == [
        "x.csv: CSV, UTF-8, separated by commas, 2 rows",
        "columns: mr, references, note",
        "input: mr; text: references",
        "row 3: text 2 is empty, left out",
        "column 1 has no name and is passed over",
    ]


@pytest.mark.parametrize(
    ("columns", "row", "inputs", "target"),
    [
        (["mr", "ref", "fixed", "orig_mr"], ["name[A]", "x", "1", "name[A], b[c]"], ("mr",), "ref"),
        (["instruction", "input", "output"], ["a", "b", "c"], ("instruction", "input"), "output"),
        (["text", "summary"], ["a long text", "b"], ("text",), "summary"),
        (["id", "pregunta", "respuesta"], ["1", "a", "b"], ("pregunta",), "respuesta"),
        (["article", "highlights", "id"], ["a", "b", "c"], ("article",), "highlights"),
        (["prompt", "completion"], ["a", "b"], ("prompt",), "completion"),
    ],
)
def test_columns_are_guessed(columns: list[str], row: list[str], inputs: tuple[str, ...], target: str) -> None:
    found = guess(columns, [dict(zip(columns, row, strict=True))])
    assert (found.inputs, found.targets[0]) == (inputs, target)


def test_pasted_text_is_read_as_a_file_is() -> None:
    assert next(iter(read_text(THE_TWELVE["semicolon.csv"].decode())))[1] == dict(
        zip(("mr", "ref"), ROWS[0], strict=True)
    )
    with pytest.raises(InputError, match="character 3 is broken"):
        read_text("a,\ud800\n")
