"""Rows as blocks of lines, a blank line between two: `mr: name[Aromi]`, below it `ref: Aromi is a pub.`"""

import re
from collections.abc import Iterator

from prefix_core.data.report import Report
from prefix_core.errors import InputError

_LINE = re.compile(r"\s*([^\W\d][\w -]{0,40}?)\s*:(?:\s+(.*))?")


def looks_like_blocks(start: str) -> bool:
    """Whether a text that begins so is blocks: the first two have the same names, two at least, and nothing else."""
    found = [_names(block) for block in re.split(r"\n\s*\n", start.strip())[:3]]
    whole = found[: max(2, len(found) - 1)]  # of the last one, perhaps only a part was looked at
    return len(found) > 1 and len(whole[0]) > 1 and all(names == whole[0] for names in whole)


def rows_of(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """(line on which a block begins, name -> value) of every block. Raises `InputError` naming row and reason."""
    report.kind = "blocks of lines"
    block: list[str] = []
    start = 1
    for number, line in enumerate(lines, 1):
        if line.strip():
            start = number if not block else start
            block.append(line)
        elif block:
            yield start, _record(block, start, name, report)
            block = []
    if block:
        yield start, _record(block, start, name, report)


def _names(block: str) -> list[str]:
    found = [_LINE.fullmatch(line) for line in block.splitlines()]
    return [match[1] for match in found if match] if all(found) else []


def _record(block: list[str], start: int, name: str, report: Report) -> dict[str, str]:
    record: dict[str, str] = {}
    for line in block:
        found = _LINE.fullmatch(line.rstrip("\r\n"))
        if found is None or found[1] in record:
            said = "occurs twice" if found else "has no name before a colon"
            raise InputError(f"{name}, row {start}: the line “{line.strip()[:40]}” {said}. Write `name: value`.")
        record[found[1]] = (found[2] or "").strip()
    report.columns = report.columns or tuple(record)
    if tuple(record) != report.columns:
        has, first = ", ".join(record), ", ".join(report.columns)
        raise InputError(f"{name}, row {start}: this block has {has}; the first one has {first}. Give all the same.")
    return record
