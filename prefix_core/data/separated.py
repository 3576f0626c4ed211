"""CSV and its kin: which character separates the cells, and what a quote means, decided from the whole file.

Every separator that the first line has is tried, with quotes around cells (doubled inside, or behind a backslash;
single ones where every name in the head has them) and with quotes as ordinary characters; what gives every row as many
cells as the head is how it was written. In tab-separated text quotes are ordinary unless they plainly are around cells.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from prefix_core.data.report import Report
from prefix_core.errors import InputError

MAX_CELL = 1_000_000  # characters
SAMPLE = 5_000_000  # characters from which the dialect is decided; in a larger file it is of its start
MOST_CELLS = 100_000  # separators in a line
SEPARATORS = ",;\t|"
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes", " ": "blanks"}
_BLANKS = re.compile(r'"[^"]+"(?: "[^"]+")+\s*')  # a head as R's write.table writes it
MOST_BEFORE = 200  # lines in which a table's head is looked for
_RULER = re.compile(r"(?=.*-|.*=)\+?[|+]?(?:\s*:?(?:-+|=+):?\s*[|+])+(?:\s*:?(?:-+|=+):?)?\s*")
_FORMULA = re.compile(r'="((?:[^"]|"")*)"')  # what keeps Excel from taking 00123 for a number
_TOLD = {"plain": "quotes are ordinary characters", "backslash": "a backslash stands before quotes"}
Lines = Callable[[], Iterator[str]]
Cells = tuple[int, list[str]]

csv.field_size_limit(MAX_CELL)


@dataclass(frozen=True)
class Dialect:
    """quotes: "doubled" (RFC 4180), "backslash" (as MySQL writes them), "single", or "plain" (ordinary characters)."""

    separator: str
    quotes: str = "doubled"

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Raises `csv.Error` where the quotes do not match."""
        escape = "\\" if self.quotes == "backslash" else None
        quoting: Any = csv.QUOTE_NONE if self.quotes == "plain" else csv.QUOTE_MINIMAL
        return csv.reader(
            lines, delimiter=self.separator, strict=True, quoting=quoting, escapechar=escape,
            doublequote=escape is None, skipinitialspace=self.separator not in "\t ",
            quotechar="'" if self.quotes == "single" else '"',
        )  # fmt: skip


@dataclass
class _Fit:
    """How a dialect fits: rows, how many have another number of cells than the head, and what the quotes look like."""

    dialect: Dialect
    width: int = 0
    rows: int = 0
    misfits: int = 0
    broken: bool = False
    cells: int = 0
    opened: int = 0  # cells that begin with a quote, of those below the head
    wrapped: int = 0  # and end with one
    doubled: int = 0  # and have doubled ones inside
    odd: bool = False  # whether one of them holds a quote that no other one closes
    slashed: bool = False  # whether a quote stands behind a backslash somewhere

    @property
    def good(self) -> bool:
        return not self.broken and not self.misfits and self.width > 1 and self.rows > 1


def rows_of(lines: Lines, name: str, report: Report) -> Iterator[Cells]:
    """(row number, cells) of every row, blank ones included; the first line of the file is row 1.

    Raises `InputError` naming the row.
    """
    skipped, separator = _before_the_head(lines())
    if separator is None and (table := _markdown(lines, skipped, name, report)):
        report.kind, report.separator = "Markdown table", "pipes"
        yield from table
        return
    dialect, with_quotes = _decide(lambda: islice(lines(), skipped, None), name, separator)
    report.kind = report.kind or ("TSV" if dialect.separator == "\t" else "CSV")
    report.separator = NAMES.get(dialect.separator, repr(dialect.separator))
    if with_quotes and dialect.quotes in _TOLD:
        report.note(_TOLD[dialect.quotes])
    number = skipped
    try:
        for number, row in enumerate(dialect.reader(_checked(lines, skipped, dialect, name)), skipped + 1):
            yield number, [_as_text(cell) if cell[:2] in ('="', "\\N") else cell for cell in row]
    except csv.Error as error:
        if "field limit" in str(error) or "field larger" in str(error):
            raise InputError(
                f"{name}, after row {number}: a cell has more than {MAX_CELL:,} characters."
                " Shorten it, or close the quote that may be open before it."
            ) from None
        raise InputError(
            f"{name}, after row {number}: the quotes do not match ({error})."
            ' Put double quotes around the whole cell, and write "" for a quote inside it.'
        ) from None


def _as_text(cell: str) -> str:
    if cell == "\\N":  # a missing value, as MySQL and PostgreSQL write it
        return ""
    found = _FORMULA.fullmatch(cell)
    return found[1].replace('""', '"') if found else cell


def _before_the_head(lines: Iterator[str]) -> tuple[int, str | None]:
    """How many lines stand before the head (blank ones, comments, `sep=;`), and the separator they name."""
    first: list[str] = list(islice(lines, 100))
    separator, skipped = None, 0
    for place, line in enumerate(first):
        text = line.strip()
        if named := re.fullmatch(r'"?sep=(.|\\t)"?[;,]*', line.strip("\r\n "), re.IGNORECASE):
            separator = "\t" if named[1] == "\\t" else named[1]
        elif text.startswith("#"):
            after = next((other for other in first[place + 1 :] if other.strip()), "")
            if any(text.count(mark) and text.count(mark) == after.count(mark) for mark in SEPARATORS):
                break  # a head whose first name begins so
        elif text:
            break
        skipped = place + 1
    return skipped, separator


def _checked(lines: Lines, skipped: int, dialect: Dialect, name: str) -> Iterator[str]:
    for number, line in enumerate(islice(lines(), skipped, None), skipped + 1):
        if line.count(dialect.separator) > MOST_CELLS:
            raise InputError(f"{name}, line {number}: more than {MOST_CELLS:,} cells. Keep the columns that matter.")
        yield line


def _decide(lines: Lines, name: str, separator: str | None) -> tuple[Dialect, bool]:
    """The dialect that every row fits, and whether cells begin with quotes.

    Where there is none that all fit, the one that most do: the first that does not is named then.
    """
    head = next(lines(), "")
    if head.count(separator or ",") > MOST_CELLS:
        raise InputError(f"{name}: more than {MOST_CELLS:,} columns. Keep the input and its text.")
    tried = [separator] if separator else [mark for mark in "\t,;|" if mark in head]
    tried += [" "] if not separator and _BLANKS.fullmatch(head) else []
    if not tried:
        return Dialect("\t" if name.lower().endswith((".tsv", ".tab")) else ","), False
    best = [_best(mark, lines) for mark in tried]
    good = [fit for fit in best if fit.good]
    if len(good) > 1 and good[0].dialect.separator != "\t":
        both = " or by ".join(NAMES[fit.dialect.separator] for fit in good)
        raise InputError(
            f"{name}: the cells may be separated by {both}; every row fits both. Say which in a first line, such as"
            f" sep={good[0].dialect.separator}"
        )
    fit = (
        good[0] if good else max(best, key=lambda fit: (fit.width > 1, not fit.broken, -fit.misfits / max(1, fit.rows)))
    )
    return fit.dialect, bool(fit.opened)


def _best(separator: str, lines: Lines) -> _Fit:
    if re.fullmatch(rf"'[^']*'(?:{re.escape(separator)} ?'[^']*')+\s*", next(lines(), "")):
        single = _fit(Dialect(separator, "single"), lines)
        if single.good:
            return single
    quoted, plain = _fit(Dialect(separator), lines), _fit(Dialect(separator, "plain"), lines)
    if separator == "\t" and quoted.good and plain.good:
        around = plain.opened == plain.wrapped and (plain.doubled or plain.wrapped == plain.cells)
        return quoted if quoted.rows == plain.rows and around else plain
    if quoted.good or not plain.opened:
        return quoted
    slashed = _fit(Dialect(separator, "backslash"), lines) if plain.slashed else quoted
    return slashed if slashed.good else plain if plain.good and (separator == "\t" or not plain.odd) else quoted


def _fit(dialect: Dialect, lines: Lines) -> _Fit:
    fit = _Fit(dialect)
    try:
        for row in dialect.reader(_sample(lines())):
            if not any(map(str.strip, row)):
                continue
            fit.rows += 1
            if not fit.width:
                fit.width = len(row)
            elif len(row) == fit.width + 1 and dialect.separator == " ":
                pass  # R begins a row with its number
            elif len(row) != fit.width and (len(row) < fit.width or any(map(str.strip, row[fit.width :]))):
                fit.misfits += 1
            if fit.rows > 1 and dialect.quotes == "plain":
                fit.cells += len(row)
                fit.slashed = fit.slashed or any('\\"' in cell for cell in row)
                for cell in row:
                    if cell.startswith('"'):
                        fit.opened += 1
                        fit.odd = fit.odd or cell.count('"') % 2 == 1
                        inside = cell.rstrip()[1:-1] if len(cell) > 1 and cell.rstrip().endswith('"') else None
                        fit.wrapped += inside is not None
                        fit.doubled += inside is not None and '""' in inside
    except csv.Error:
        fit.broken = True
    return fit


def _sample(lines: Iterator[str]) -> Iterator[str]:
    seen = 0
    for line in lines:
        seen += len(line)
        if seen > SAMPLE + len(line):
            return
        yield line


def _markdown(lines: Lines, skipped: int, name: str, report: Report) -> Iterator[Cells] | None:
    """The rows of the one pipe table of a text, or None where there is none.

    A ruler stands under its head; databases draw one around the table, too, and count its rows below it. What stands
    before and after is passed over. Raises `InputError` where there are several.
    """
    first = [line.strip() for line in islice(lines(), MOST_BEFORE)]
    inside = [bool("|" in line or _RULER.fullmatch(line)) for line in first]
    heads = [
        place
        for place, line in enumerate(first[1:])
        if _RULER.fullmatch(line) and "|" in first[place] and not (place and "|" in first[place - 1])
        and not (place > 1 and inside[place - 1] and inside[place - 2])
    ]  # fmt: skip
    written_so = name.lower().endswith(".md")  # else it may be a cell that holds a table
    if not heads or (not written_so and heads[0] > skipped and any(mark in first[skipped] for mark in ",;\t")):
        return None
    if len(heads) > 1:
        raise InputError(f"{name}, line {heads[1] + 1}: a second table begins here. Bring one.")
    for place, line in enumerate(first[skipped : heads[0]], skipped + 1):
        if line and not _RULER.fullmatch(line):
            report.note(f"line {place}, “{line[:60]}”, stands before the table and is passed over")
    return _pipe_table(lines, heads[0], report)


def _pipe_table(lines: Lines, head: int, report: Report) -> Iterator[Cells]:
    for number, line in enumerate(islice(lines(), head, None), head + 1):
        text = line.strip()
        if "|" not in text and not _RULER.fullmatch(text):
            if text:
                report.note(f"line {number}, “{text[:60]}”, stands after the table and is passed over")
            continue
        if not _RULER.fullmatch(text):
            yield number, _piped(line)


def _piped(line: str) -> list[str]:
    line = re.sub(r"^\||(?<!\\)\|$", "", line.strip())
    return [cell.strip().replace("\\|", "|").replace("<br>", "\n") for cell in re.split(r"(?<!\\)\|", line)]
