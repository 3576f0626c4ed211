"""What a person pastes -> a table.

Read: MR notation, `field : value | ...`, `field: value` or `field = value` lines, CSV, TSV, Markdown, JSON.
"""

import csv
import io
import re
from collections.abc import Callable, Collection

from prefix_core.data.characters import flat, visible
from prefix_core.data.literals import listed, loads, not_json
from prefix_core.data.tables import (
    ATTRIBUTE_HEADS,
    EXAMPLE,
    MARKS,
    MAX_RECORDS,
    MAX_TEXT,
    VALUE_HEADS,
    Table,
    attribute_key,
    checked,
    from_json,
)
from prefix_core.errors import InputError, SeveralRecords

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’"}
# An act around the fields, as dialogue data has them: inform(name='Blue Spice';area=riverside)
_ACT = re.compile(r"\??(?P<act>[A-Za-z_]+)\s*\((?P<fields>[^()]*[=\[:].*)\)", re.DOTALL)
_LINE_BREAK = re.compile(r"(?<!\\)\\n(?=\s*(?:[-*•]|\d{1,2}[.)])?\s*[^\W\d][\w ]*\s*[:=\[|])")  # typed as \n


def read_table(text: str, attributes: Collection[str] = ()) -> Table:
    """Recognise the notation of `text` by its first structural character, and read it.

    attributes: names the task knows; they tell `name,area / Blue Spice,riverside` from `name,Blue Spice / ...`.
    Raises `InputError` naming the row, column or character; an attribute without a value is an error.
    """
    if len(text) > MAX_TEXT:
        raise InputError(f"The table has {len(text):,} characters; at most {MAX_TEXT:,} can be read. Paste one table.")
    text = visible(text).strip().lstrip(",;").strip()
    if "\n" not in text and text[:1] not in ("{", "["):
        text = _LINE_BREAK.sub("\n", text)
    text = _without_act(text)
    if not text:
        raise InputError(f"The table is empty. Write for example {EXAMPLE}")
    if text[0] in "{[":
        return _read_json_text(text)
    mark = _first_mark(text)
    if mark in ("[", "]"):
        return _one_of(text, _read_mr)
    if mark and mark in ":：=":
        return _one_of(text, lambda part: _read_fields(part, mark))
    if mark in ("|", "｜"):
        return _read_markdown(text, attributes)
    if mark:
        return _read_csv(text, mark, attributes)
    start = text if len(text) <= 40 else text[:40] + "…"
    raise InputError(f"No table found in “{flat(start)}”. Write for example {EXAMPLE}, or one `field: value` a line.")


def _without_act(text: str) -> str:
    """What an `inform(...)` holds. Other acts say more than their fields do, and are refused."""
    found = _ACT.fullmatch(text) if text.endswith(")") else None
    if not found:
        return text
    if found["act"].lower() not in ("inform", "recommend"):
        raise InputError(f"“{found['act']}(…)” is not a table alone. Give its fields, such as {EXAMPLE}")
    return found["fields"].strip()


def _one_of(text: str, read: Callable[[str], Table]) -> Table:
    """The table. Raises `SeveralRecords` where every line, or every paragraph, is one with the same first name."""
    for parts in (re.split(r"\n\s*\n", text), text.split("\n")):
        parts = [part for part in parts if part.strip()]
        if not 2 <= len(parts) <= MAX_RECORDS:
            continue
        try:
            records = tuple(read(part) for part in parts)
        except InputError:
            continue
        first = {attribute_key(record[0][0]) for record in records}
        if len(first) == 1 and sum(map(len, records)) > len(records):
            raise SeveralRecords(records)
    return read(text)


# ----------------------------------------------------------------------------------------------------- the notations


def _read_mr(text: str) -> Table:
    """`name[Blue Spice], eatType[coffee shop]`; commas may be missing, doubled, or semicolons."""
    cells: list[tuple[str, str, str]] = []
    position = 0
    for number, match in enumerate(re.finditer(r"((?:\\.|[^\[\]\\]|\\$)*)([\[\]]|$)", text, re.DOTALL), 1):
        piece, bracket, at = match[1], match[2], match.start(2) + 1
        inside = number % 2 == 0  # pieces alternate: a name up to '[', a value up to ']'
        if not inside and not bracket:
            if rest := piece.strip(" ,;|.\n\t"):
                raise InputError(f"character {position + 1}: “{flat(rest)[:40]}” has no [value]. Write {EXAMPLE}")
            break
        if not inside and bracket == "]":
            raise InputError(f"character {at}: a ] without its [. Write {EXAMPLE}")
        if inside and bracket != "]":
            name, value = cells[-1][1], flat(piece)
            before = f" before another [ opens at character {at}" if bracket else ""
            raise InputError(
                f"character {position}: the [ after “{name[:40]}” is not closed{before}."
                f" Close it: {name[:40]}[{value.split(',')[0][:40]}]"
            )
        if inside:
            cells[-1] = (cells[-1][0], cells[-1][1], _unescape(_unquote(piece)))
        else:
            name = _unescape(_unquote(piece.strip().lstrip(",;| \n\t")), MARKS)
            cells.append((f"row {len(cells) + 1} (character {at})", name, ""))
        position = match.end()
    return checked(cells)


def _read_fields(text: str, mark: str) -> Table:
    """`field : value | field : value`, or one `field: value` a line; a line may start with a bullet or a number.

    mark: the colon or the equals sign that stands between the two.
    """
    between = ":：" if mark in ":：" else "="
    other = "=" if between != "=" else ":"
    pieces = []
    for line in text.splitlines():
        piped = [piece for piece in _split_pipes(line) if piece.strip()]
        pieces += _split_commas(piped[0], between) if len(piped) == 1 else piped
    cells = []
    for number, piece in enumerate(pieces, 1):
        piece = re.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(?=\S)", "", piece)
        match = re.fullmatch(rf"([^{between}]*)[{between}](.*)", piece.strip().rstrip(",; "), re.DOTALL)
        if not match:
            raise InputError(f"row {number}: “{flat(piece)[:40]}” has no colon. Write field : value")
        name, value = map(_unquote, _without_emphasis(match[1].strip(), match[2].strip()))
        if re.search(rf"[,;|]\s*[^\W\d]\w*(?: \w+)?\s*{other}\s*[^/\s]", value):
            raise InputError(f"row {number}: “{flat(piece)[:60]}” mixes : and =. Write one of them throughout.")
        cells.append((f"row {number}", name, value))
    return checked(cells)


def _split_commas(line: str, between: str) -> list[str]:
    """`name: A, area: B` in its fields; a part without a field's name belongs to the value before: `near: A, B`."""
    parts: list[str] = []
    for part in re.split("(?<=[,;])", line):
        name = re.split(rf"[{between}]", part)
        named = len(name) > 1 and re.search(r"[^\W\d]", "".join(name[:-1]))
        if parts and not named:
            parts[-1] += part
        elif part.strip(" ,;"):
            parts.append(part)
    return [part.rstrip(",; ") for part in parts]


def _read_markdown(text: str, attributes: Collection[str]) -> Table:
    """A pipe table, with or without its outer pipes and the ruler under its head."""
    rows, ruled = [], False
    for line in text.splitlines():
        line = re.sub(r"^\s*[|｜]|(?<!\\)[|｜]\s*$", "", line)
        row = [cell.strip() for cell in _split_pipes(line)] if line.strip() else []
        if row and all(re.fullmatch(r":?-+:?", cell) for cell in row):
            ruled = True
            continue
        rows.append([re.sub(r"^(\*\*|__|`)(.+)\1$", r"\2", cell) for cell in row])
    return _from_sheet(rows, attributes, head_likely=ruled)


def _read_csv(text: str, delimiter: str, attributes: Collection[str]) -> Table:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise InputError(
            f"row {reader.line_num}: the quotes do not match ({error})."
            ' Put double quotes around the whole cell, and write "" for a quote inside it.'
        ) from None
    return _from_sheet(rows, attributes, head_likely=False)


def _from_sheet(rows: list[list[str]], attributes: Collection[str], head_likely: bool) -> Table:
    """Cells -> table, for both shapes: two columns (attribute, value), or a head row over one row of values."""
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    width = max((i + 1 for _, row in numbered for i, cell in enumerate(row) if cell.strip()), default=0)
    sheet = [[cell.strip() for cell in (*row, *[""] * width)[:width]] for _, row in numbered]
    if not sheet:
        return checked(())
    known = {attribute_key(attribute) for attribute in attributes}
    heads = sheet[0]
    named = sum(attribute_key(head) in known for head in heads)
    if width == 2 and heads[0].lower() in ATTRIBUTE_HEADS and heads[1].lower() in VALUE_HEADS:
        numbered, sheet = numbered[1:], sheet[1:]
    elif known and width == 3 and not named and not head_likely:
        raise InputError("These look like triples: subject, relation, object. Give two columns: an attribute, a value.")
    elif len(sheet) == 2 and _heads_over_values(sheet, len(numbered[1][1]), known, head_likely):
        return _across(heads, sheet[1])
    elif len(sheet) > 2 and all(heads) and (named == width if width == 2 else named or width > 3 or head_likely):
        if any(len(row) < width for _, row in numbered):
            number = next(number for number, row in numbered if len(row) < width)
            raise InputError(f"row {number} has fewer cells than the head. Give one for each column.")
        raise SeveralRecords(tuple(_across(heads, row, empty=False) for row in sheet[1 : MAX_RECORDS + 1]))
    if width != 2:
        number = next((number for number, row in numbered if len(row) > 2), numbered[0][0])
        raise InputError(
            f"row {number} has {width} cell{'s' * (width > 1)}. Give two columns (attribute, value), or a head row over"
            " one row of values; put double quotes around a value with a comma in it."
        )
    return checked((f"row {number}", row[0], row[1]) for (number, _), row in zip(numbered, sheet, strict=True))


def _across(heads: list[str], values: list[str], empty: bool = True) -> Table:
    """Heads over their values; empty: whether a value may not be missing."""
    pairs = zip(heads, values, strict=True)
    return checked((f"column {place}", *pair) for place, pair in enumerate(pairs, 1) if empty or pair[1])


def _heads_over_values(sheet: list[list[str]], second: int, known: set[str], head_likely: bool) -> bool:
    """Whether two rows are heads and their values. `second`: the cells of the second row, empty ones at its end too."""
    width = len(sheet[0])
    if width != 2:
        return second >= width  # a shorter second row: the first has a comma too many
    across, down = attribute_key(sheet[0][1]) in known, attribute_key(sheet[1][0]) in known
    return across if across != down else head_likely  # two by two can be read both ways; known names decide


def _read_json_text(text: str) -> Table:
    """JSON, JSON lines, or an object as Python shows it."""
    try:
        return from_json(loads(text.rstrip(",;")))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        problem = error
    try:
        return from_json([loads(line.rstrip(",; ")) for line in text.splitlines() if line.strip()])
    except InputError:
        raise
    except (ValueError, RecursionError):
        pass
    try:
        return from_json(listed(text))
    except InputError:
        raise
    except ValueError:
        raise not_json(problem, '{"name": "Blue Spice", "area": "riverside"}') from None


# -------------------------------------------------------------------------------------------------------- characters


def _first_mark(text: str) -> str:
    """The first character, not escaped nor in double quotes, that tells the notations apart; '' where there is none."""
    for match in re.finditer(r'\\.|"[^"]*"|([\[\]:：=|｜,;\t])', text, re.DOTALL):
        if match[1]:
            return match[1]
    return ""


def _without_emphasis(name: str, value: str) -> tuple[str, str]:
    """Markdown's marks around a field's name go, `**name**: value` or `**name:** value`; others are part of it."""
    for mark in ("**", "__", "`"):
        inside = name.removeprefix(mark)
        if inside == name or not inside:
            continue
        if len(inside) > len(mark) and inside.endswith(mark):
            return inside.removesuffix(mark), value
        if value.startswith(mark):
            return inside, value.removeprefix(mark)
    return name, value


def _split_pipes(line: str) -> list[str]:
    return [piece.replace("\\|", "|") for piece in re.split(r"(?<!\\)[|｜]", line)]


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] else text


def _unescape(text: str, marks: str = "") -> str:
    return re.sub(rf"\\([\[\]\\\"'“‘{marks}])", r"\1", text)
