"""Random tables, written in every format, are read back; files that are damaged raise nothing but our own error.

`python -m tests.data.test_round_trip 2000` damages as many files as it is told.
"""

import csv
import gzip
import io
import json
import random
import sys
from collections.abc import Callable, Sequence
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefix_core.data.characters import flatten
from prefix_core.data.examples import load_examples
from prefix_core.data.opened import open_bytes
from prefix_core.data.reader import read_bytes, read_text
from prefix_core.errors import InputError
from prefix_core.tasks import get_task
from tests.data.kinds import THE_TWELVE
from tests.data.makers import old_workbook

Table = list[list[str]]
HEADS = st.lists(st.from_regex(r"[A-Za-z][a-z]{0,6}", fullmatch=True), min_size=2, max_size=5, unique_by=str.casefold)
VISIBLE = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"])
CELLS = st.text(VISIBLE | st.sampled_from([*",;|\t\n\"'\\[]{}#=: "]), max_size=20)
PLAIN = st.text(st.characters(codec="ascii", categories=["L", "N"]) | st.sampled_from([*" .,'\"-"]), max_size=20)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str], rows: int = 8) -> Table:
    """A head and rows, none of which is blank."""
    head = draw(HEADS)
    row = st.lists(cells, min_size=len(head), max_size=len(head)).filter(lambda row: any(map(flatten, row)))
    return [head, *draw(st.lists(row, min_size=1, max_size=rows))]


def as_csv(table: Table, separator: str = ",", quoting: int = csv.QUOTE_ALL) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    return text.getvalue().encode()


def records(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def as_lines(table: Table) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records(table)).encode()


def as_parquet(table: Table) -> bytes:
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records(table)), content)
    return content.getvalue()


def as_workbook(table: Table) -> bytes:
    from openpyxl import Workbook

    book, content = Workbook(), io.BytesIO()
    for row in table:
        book.active.append(row)
    for row in book.active.iter_rows():
        for cell in row:
            if cell.value is not None:
                cell.data_type = "s"  # a text, whatever it begins with
    book.save(content)
    return content.getvalue()


def read_back(content: bytes, name: str, table: Table) -> None:
    found = [[flatten(cell) for cell in record.values()] for _, record in read_bytes(content, name)]
    expected = [[flatten(cell) for cell in row] for row in table[1:]]
    heads = [flatten(head) for head in table[0]]
    assert found == [row for row in expected if row != heads]


quick = settings(max_examples=40, deadline=None)
slow = settings(max_examples=6, deadline=None)


@quick
@given(tables(CELLS), st.sampled_from([",", ";", "|", "\t"]), st.sampled_from(["x.csv", "x.tsv", "x.txt", "x"]))
def test_cells_in_quotes_are_read_back(table: Table, separator: str, name: str) -> None:
    read_back(as_csv(table, separator), name, table)


@quick
@given(tables(CELLS))
def test_json_is_read_back_in_every_form(table: Table) -> None:
    read_back(as_lines(table), "x.jsonl", table)
    read_back(gzip.compress(as_lines(table)), "x.jsonl.gz", table)
    read_back(json.dumps(records(table), indent=1).encode(), "x.json", table)
    read_back(json.dumps({"data": records(table)}, ensure_ascii=False).encode(), "x.json", table)


@quick
@given(
    tables(PLAIN.filter(lambda cell: "\n" not in cell and cell == cell.strip())), st.sampled_from(["utf-8", "utf-16"])
)
def test_tab_separated_text_without_quotes_is_read_back(table: Table, codec: str) -> None:
    lines = ["\t".join(row) for row in table]
    read_back("\n".join(lines).encode(codec), "x.tsv", table)
    pasted = [[flatten(cell) for cell in record.values()] for _, record in read_text("\n".join(lines))]
    assert pasted == [[flatten(cell) for cell in row] for row in table[1:] if row != table[0]]


@quick
@given(tables(CELLS.map(flatten).filter(lambda cell: "\\" not in cell)))
def test_markdown_is_read_back(table: Table) -> None:
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    read_back("\n".join(lines).encode(), "x.md", table)


XML = st.text(VISIBLE | st.sampled_from([*",;\"'\n<>&= "]), max_size=20)


@slow
@given(tables(XML, rows=30))
def test_a_workbook_is_read_back(table: Table) -> None:
    read_back(as_workbook(table), "x.xlsx", table)
    read_back(old_workbook(table), "x.xls", table)


@slow
@given(tables(XML.filter(lambda cell: cell == cell.strip()), rows=30))
def test_a_page_and_xml_are_read_back(table: Table) -> None:
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table)
    read_back(f"<table>{rows}</table>".encode(), "x.html", table)
    fields = ["".join(f"<{name}>{escape(cell)}</{name}>" for name, cell in row.items()) for row in records(table)]
    read_back(f"<all>{''.join(f'<one>{row}</one>' for row in fields)}</all>".encode(), "x.xml", table)


@slow
@given(tables(CELLS, rows=30))
def test_parquet_is_read_back(table: Table) -> None:
    read_back(as_parquet(table), "x.parquet", table)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or put in, here and there."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(found):
            found[at] = chance.randrange(256)
        elif kind == 1:
            del found[at : at + chance.randrange(1, 60)]
        elif kind == 2:
            found[at:at] = chance.choice(
                [b'"', b"\0", b"\xff", b"\r", b",", b"[", b"{", b"}", b"\t", b"|", b"\\", b"\xef\xbb\xbf"]
            )
        elif kind == 3:
            found[at:at] = found[max(0, at - 40) : at]
        else:
            del found[at:]
    return bytes(found)


def damage(count: int, names: Sequence[str], seed: int) -> dict[str, int]:
    """How many damaged files were read, and how many refused; any other error is raised."""
    chance, counts = random.Random(seed), {"read": 0, "refused": 0}
    for _ in range(count):
        name = chance.choice(names)
        content = damaged(THE_TWELVE[name], chance)
        try:
            list(read_bytes(content, name))
            counts["read"] += 1
        except InputError as error:
            assert str(error).startswith(name)
            counts["refused"] += 1
    return counts


TEXTS = [name for name in THE_TWELVE if open_bytes(THE_TWELVE[name], name).kind == "text"]
BINARY = [name for name in THE_TWELVE if name not in TEXTS]  # read in a process of their own


@pytest.mark.parametrize("seed", range(4))
def test_damaged_text_is_read_or_refused_in_words(seed: int) -> None:
    assert sum(damage(45, TEXTS, seed).values()) == 45


def test_damaged_workbooks_are_read_or_refused_in_words() -> None:
    assert sum(damage(20, BINARY, 0).values()) == 20


def test_damaged_rows_are_examples_or_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    chance, folder, task = random.Random(1), tmp_path_factory.mktemp("damaged"), get_task("e2e")
    for number in range(60):
        name = chance.choice(TEXTS)
        path = folder / f"{number}_{name}"
        path.write_bytes(damaged(THE_TWELVE[name], chance))
        try:
            load_examples(path, task)
        except InputError as error:
            assert path.name in str(error)


if __name__ == "__main__":
    total = int(sys.argv[1])
    kinds: Callable[[int], list[str]] = lambda share: BINARY if share else TEXTS  # noqa: E731
    print(damage(total * 9 // 10, kinds(0), 7), damage(total - total * 9 // 10, kinds(1), 8))
