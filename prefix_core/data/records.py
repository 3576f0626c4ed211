"""Lines and cells of a text -> records, column -> cell: under the names in a head, in blocks, or in pairs.

The head names the cells of CSV and its kin, Markdown and workbooks alike. A block is lines of `name: value`, with a
blank one behind it. A pair is a line of an input and its text, as the files of Li & Liang (2021) have them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from prefix_core.data.characters import flatten
from prefix_core.data.report import Report
from prefix_core.errors import InputError

MOST_COLUMNS = 1000
_NO_NAME = re.compile(r"(?:Unnamed: \d+(?:_level_\d+)?|__index_level_\d+__)?(?:\.\d+)?")  # as pandas calls an index
_NO_HEAD = re.compile(r".*\w\s?\[[^\[\]]+\]|.{150}|(?:\S+\s+){3,}\S.*[.!?]$", re.DOTALL)
_NAMED = re.compile(r"\s*([^\W\d][\w -]{0,40}?)\s*:(?:\s+(.*))?")
_PAIR = re.compile(r"[^|:]+ : (?:(?!\|\|).)+\|\|(?:(?!\|\|).)+")

Record = dict[str, str]


def under_head(
    rows: Iterable[tuple[int, Sequence[str]]], name: str, report: Report, separator: str = "", padded: bool = False
) -> Iterator[tuple[int, Record]]:
    """(row number, column -> cell) of every row that is not blank.

    A title alone in its row before the head, columns without a name, and heads that come again are passed over, and the
    report says so. padded: whether rows may be shorter than the head (a workbook's); elsewhere a cell may be missing.
    Raises `InputError` naming the row.
    """
    filled = ((number, list(row)) for number, row in rows if any(map(str.strip, row)))
    number, head, rest = _head(filled, name, report, padded)
    names = [
        flatten(cell).removeprefix("#").strip() if place == 0 else flatten(cell) for place, cell in enumerate(head)
    ]
    names = names[: max((place + 1 for place, cell in enumerate(names) if cell), default=0)]
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{name}, row {number}: {len(names):,} columns. Keep the input and its text.")
    _check(names, number, name)
    kept = {place: column for place, column in enumerate(names) if not _NO_NAME.fullmatch(column)}
    if not kept:
        raise InputError(f"{name}, row {number}: no column has a name. Give them names in the first row.")
    for place in range(len(names)):
        if place not in kept:
            report.note(f"column {place + 1} has no name and is passed over")
    report.columns = tuple(kept.values())
    for number, row in rest if padded else _without_numbers(rest, len(names), report):
        _check_width(row, len(names), number, f"{name}, row {number}", separator, padded)
        if [flatten(cell) for cell in row[: len(names)]] == [flatten(cell) for cell in head[: len(names)]]:
            report.left_out.append((number, "the head again, left out"))
            continue
        yield number, {column: row[place] if place < len(row) else "" for place, column in kept.items()}


def _without_numbers(
    rest: Iterator[tuple[int, list[str]]], width: int, report: Report
) -> Iterator[tuple[int, list[str]]]:
    """The rows; where each begins with its number, which the head has no name for (R writes so), without it."""
    numbered = False
    for place, (number, row) in enumerate(rest, 1):
        counted = len(row) == width + 1 and row[0].strip() == str(place)
        if place == 1 and counted:
            numbered = True
            report.note("each row begins with its number, which has no name and is passed over")
        yield number, row[1:] if numbered and counted else row


def unnamed(column: str) -> bool:
    """Whether a column's name is none, or pandas' own for one that had none."""
    return bool(_NO_NAME.fullmatch(column))


def same_but_for_case(columns: Iterable[str]) -> tuple[str, ...]:
    """Columns whose names differ only in case or blanks; none where all differ."""
    counts = Counter(column.strip().casefold() for column in columns)
    return tuple(column for column in columns if column.strip() and counts[column.strip().casefold()] > 1)


def _head(
    filled: Iterator[tuple[int, list[str]]], name: str, report: Report, padded: bool
) -> tuple[int, list[str], Iterator[tuple[int, list[str]]]]:
    """The head with its row number, and the rows below it."""
    found = next(filled, None)
    while found is not None:
        number, head = found
        following = next(filled, None)
        if (len(head) == 1 and not padded) or _filled(head) > 1 or following is None or _filled(following[1]) < 2:
            return number, head, chain([following] if following else [], filled)
        title = flatten(next(cell for cell in head if cell.strip()))
        report.note(f"row {number}, “{title[:60]}”, stands alone above the head and is passed over")
        found = following
    raise InputError(f"{name}: the file has no rows.")


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _check(names: list[str], number: int, name: str) -> None:
    if twice := same_but_for_case(names):
        if len(set(twice)) == 1:
            raise InputError(f"{name}, row {number}: the column '{twice[0]}' occurs more than once. Rename one.")
        raise InputError(
            f"{name}, row {number}: the columns '{twice[0]}' and '{twice[1]}' differ only in case. Rename one."
        )
    if data := next((cell for cell in names if _NO_HEAD.match(cell)), None):
        raise InputError(
            f"{name}, row {number}: “{data[:40]}” looks like data, not like the name of a column. Put a row with the"
            " names of the columns, such as input and text, before the first."
        )


def _check_width(row: list[str], width: int, number: int, place: str, separator: str, padded: bool) -> None:
    if len(row) == width or (padded and len(row) < width):
        return
    beyond = [cell for cell in row[width:] if cell.strip()]
    if len(row) > width and not beyond:
        return
    if padded:
        raise InputError(
            f"{place}: “{flatten(beyond[0])[:40]}” stands in a column without a name. Name it, or clear it."
        )
    if width == 1:
        raise InputError(
            f"{place}: {len(row)} cells where the head has one: no comma, semicolon, tab or pipe stands in it."
            " Separate its names by one of them, as in the rows."
        )
    raise InputError(
        f"{place}: {len(row)} cell{'s' * (len(row) != 1)} where the head has {width}."
        f" Put double quotes around a cell that holds a {separator or 'comma'}"
    )


# --------------------------------------------------------------------------------------------------------------- blocks


def looks_like_blocks(start: str) -> bool:
    """Whether a text that begins so is blocks: the first two have the same names, two at least, and nothing else."""
    found = [_names(block) for block in re.split(r"\n\s*\n", start.strip())[:3]]
    whole = found[: max(2, len(found) - 1)]  # of the last one, perhaps only a part was looked at
    return len(found) > 1 and len(whole[0]) > 1 and all(names == whole[0] for names in whole)


def rows_of_blocks(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, Record]]:
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
    found = [_NAMED.fullmatch(line) for line in block.splitlines()]
    return [match[1] for match in found if match] if all(found) else []


def _record(block: list[str], start: int, name: str, report: Report) -> Record:
    record: Record = {}
    for line in block:
        found = _NAMED.fullmatch(line.rstrip("\r\n"))
        if found is None or found[1] in record:
            said = "occurs twice" if found else "has no name before a colon"
            raise InputError(f"{name}, row {start}: the line “{line.strip()[:40]}” {said}. Write `name: value`.")
        record[found[1]] = (found[2] or "").strip()
    report.columns = report.columns or tuple(record)
    if tuple(record) != report.columns:
        has, first = ", ".join(record), ", ".join(report.columns)
        raise InputError(f"{name}, row {start}: this block has {has}; the first one has {first}. Give all the same.")
    return record


# ---------------------------------------------------------------------------------------------------------------- pairs


def looks_paired(start: str) -> bool:
    """Whether a text that begins so has an input of `attribute : value`, two pipes and a text in every line."""
    lines = [line for line in start.splitlines() if line.strip()]
    whole = lines[: max(1, len(lines) - 1)]  # of the last one, perhaps only a part was looked at
    return bool(whole) and all(_PAIR.fullmatch(line) for line in whole)


def rows_of_pairs(lines: Iterator[str], name: str, report: Report) -> Iterator[tuple[int, Record]]:
    """(line, {source, target}) of every line. Raises `InputError` naming the line."""
    report.kind, report.columns = "lines of input and text", ("source", "target")
    for number, line in enumerate(lines, 1):
        parts = line.split("||")
        if not line.strip():
            continue
        if len(parts) != 2:
            raise InputError(f"{name}, row {number}: {len(parts) - 1} times ||. Write it once, between input and text.")
        yield number, {"source": parts[0].strip(), "target": parts[1].strip()}
