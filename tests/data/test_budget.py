"""No crafted file takes more than two seconds of the processor, or 64 MiB beyond itself, to be read or refused."""

import gzip
import io
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from prefix_core.errors import InputError
from prefix_core.ui.train.limits import Limits
from prefix_core.ui.train.sheet import read_file
from tests.data.makers import old_workbook, open_document, sheet, workbook

SECONDS = 2.0 + 1.0  # to read, and to start a process that reads
MEMORY = 64 << 20


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.csv", content)
    return packed.getvalue()


def far_cells() -> bytes:
    rows = "".join(f'<row r="{n}"><c r="XFD{n}"/></row>' for n in range(2, 60_000))
    return workbook(sheet([("mr", "ref")]).replace("</sheetData>", rows + "</sheetData>"))


def one_row() -> bytes:
    return workbook(sheet([("mr", "ref")]).replace("</row>", '<c r="C1"/>' * 2_000_000 + "</row>"))


def laughs(content: bytes) -> bytes:
    """XML in which &x9; is a billion laughs."""
    bomb = "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    return f"<!DOCTYPE lolz [{bomb}]>".encode() + content


def entities() -> bytes:
    return workbook(laughs(sheet([("a", "b"), ("1", "2")]).replace(">a<", ">&x9;<").encode()).decode())


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip.csv": lambda: gzip.compress(b"a,b\n" + b"x" * 200_000_000, 1),
    "zip.csv": lambda: zipped(b"a,b\n" + b"1,2\n" * 20_000_000),
    "deep.json": lambda: b"[" * 100_000,
    "deep.jsonl": lambda: b'{"a":' * 100_000,
    "many.json": lambda: b"[" + b"{}," * 1_500_000 + b"{}]",
    "columns.csv": lambda: b"a," * 1_500_000 + b"b\n",
    "columns.json": lambda: b"{" + b",".join(b'"%d":1' % n for n in range(400_000)) + b"}",
    "cells.csv": lambda: b"a,b\n" + b"," * 3_000_000,
    "blank.csv": lambda: b"a,b\n" + b"\n" * 4_500_000,
    "quote.csv": lambda: b'a,b\n1,"' + b"x\n" * 2_000_000,
    "list.csv": lambda: b'mr,references\nname[A],"' + b"[" * 300_000 + b']"\n',
    "far_cells.xlsx": far_cells,
    "one_row.xlsx": one_row,
    "entities.xlsx": entities,
    "laughs.xml": lambda: laughs(b"<a><b><c>1</c><d>&x9;</d></b></a>"),
    "deep.xml": lambda: b"<a>" * 1_000_000,
    "columns.xml": lambda: b"<a><b>" + b"".join(b"<c%d/>" % n for n in range(300_000)) + b"</b></a>",
    "cells.html": lambda: b"<table><tr><td>a<td>b<tr>" + b"<td>" * 1_000_000,
    "spans.html": lambda: b"<table><tr><td>a<td>b" + b"<tr><td rowspan=99999 colspan=99999>" * 100_000,
    "old.xls": lambda: old_workbook([("a", "b"), *((str(n), "x" * 90) for n in range(40_000))]),
    "repeated.ods": lambda: open_document(
        '<table:table-row table:number-rows-repeated="900000000"><table:table-cell'
        ' table:number-columns-repeated="900000000"><text:p>x</text:p></table:table-cell></table:table-row>'
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_crafted_file_takes_long_or_much(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, spent()
    try:
        read_file(path, Limits())
    except InputError as error:
        assert len(str(error)) < 600
    assert spent() - before[1] < SECONDS
    more = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before[0])
    assert more < MEMORY + 2 * path.stat().st_size


def spent() -> float:
    """Seconds of the processor, those of processes that ended included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
