"""Lines of an input and its text, as the files of Li & Liang (2021) have them: `name : Aromi | area : quay||A pub.`"""

import re
from collections.abc import Iterator

from prefix_core.data.report import Report
from prefix_core.errors import InputError

_LINE = re.compile(r"[^|:]+ : (?:(?!\|\|).)+\|\|(?:(?!\|\|).)+")


def looks_paired(start: str) -> bool:
    """Whether a text that begins so has an input of `attribute : value`, two pipes and a text in every line."""
    lines = [line for line in start.splitlines() if line.strip()]
    whole = lines[: max(1, len(lines) - 1)]  # of the last one, perhaps only a part was looked at
    return bool(whole) and all(_LINE.fullmatch(line) for line in whole)


def rows_of(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, {source, target}) of every line. Raises `InputError` naming the line."""
    report.kind, report.columns = "lines of input and text", ("source", "target")
    for number, line in enumerate(lines, 1):
        parts = line.split("||")
        if not line.strip():
            continue
        if len(parts) != 2:
            raise InputError(f"{name}, row {number}: {len(parts) - 1} times ||. Write it once, between input and text.")
        yield number, {"source": parts[0].strip(), "target": parts[1].strip()}
