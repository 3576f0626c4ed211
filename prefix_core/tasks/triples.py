"""Sets of triples, subject - relation - object: how they are parsed and written for the model.

In any notation: `subject | relation | object` lines, the paper's `subject : relation : object | ...`, CSV, TSV,
Markdown, JSON, WebNLG's XML, and the rows of a grid. Shared by WebNLG and DART. `wording` looks for them in a text.
"""

import csv
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prefix_core.data.characters import flatten, visible
from prefix_core.data.columns import (
    REFERENCE_COLUMNS,
    TEXT_COLUMNS,
    TRIPLE_COLUMNS,
    Columns,
    all_cells,
    is_triples,
    known,
    pick,
)
from prefix_core.data.examples import Example, example_of
from prefix_core.data.literals import listed, loads, not_json
from prefix_core.data.tables import MAX_ATTRIBUTE, MAX_RECORDS, MAX_ROWS, MAX_TEXT, MAX_VALUE
from prefix_core.errors import InputError, SeveralRecords

Triples = tuple[tuple[str, str, str], ...]

COLUMNS = ("subject", "relation", "object")
MOST_LEARNED = 7  # triples of one text, in WebNLG as in E2E's tables in DART's form
INPUT_COLUMNS = (*TRIPLE_COLUMNS, "input", "source")
EXAMPLE = "Blue_Heron_Airport | cityServed | Marlow"
_HEADS = [{"subject", "s", "head"}, {"relation", "predicate", "property", "p", "r"}, {"object", "value", "o", "tail"}]
_DART_MARKER = re.compile(r"\[[A-Z]+\]\s*[|｜]")  # `[TITLE] | ...`: the brackets belong to the value


def parse(raw: str | Sequence[Sequence[Any]]) -> Triples:
    """Pasted text in any notation named above, or grid rows -> triples, written as people write (see `open_value`).

    Raises `InputError` naming the row and what is missing in it.
    """
    if not isinstance(raw, str):
        return _triples((f"row {number}", row) for number, row in enumerate(raw, 1))
    if len(raw) > MAX_TEXT:
        raise InputError(f"The input has {len(raw):,} characters; at most {MAX_TEXT:,} can be read. Paste one set.")
    text = visible(raw).strip()
    if re.search(r"<[mo]triple\b", text):
        return _read_xml(text)
    if re.match(r"(?:array\()?[\[({]\s*[\[({\"']", text) and not re.match(r"[(\[]{2}[^\"'\[(]", text):
        return _read_json_text(text)
    lines = [(number, line) for number, line in enumerate(_unwrapped(text).splitlines(), 1) if line.strip()]
    text = "\n".join(line for _, line in lines)
    if not lines:
        raise InputError(f"There are no triples. Write for example {EXAMPLE}")
    pieces = [piece for piece in _cells(" | ".join(line for _, line in lines)) if piece.strip()]
    if all(piece.count(" : ") >= 2 for piece in pieces):
        return _triples((f"triple {number}", piece.split(" : ", 2)) for number, piece in enumerate(pieces, 1))
    outside = re.sub(r'"[^"\n]*"', "", text)
    if re.search(r"[|｜]", outside) or len(_cells(lines[0][1])) > 2:
        return _read_lines(lines)
    if re.search(r"[,;\t]", outside):
        return _read_csv(text)
    raise InputError(f"No triples found in “{flatten(text)[:40]}”. Write one a line, for example {EXAMPLE}")


def from_json(value: Any) -> Triples:
    """A list of triples, each a list of three, an object, or `subject | relation | object`. Raises `InputError`.

    An object around them is opened: `{"mtriple_set": [[...]]}`, as the Hub has WebNLG, or `{"triples": [...]}`.
    """
    if isinstance(value, list) and len(value) > 1 and all(_is_set(item) for item in value):
        raise SeveralRecords(tuple(from_json(item) for item in value[:MAX_RECORDS]))
    while isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and _holds_triples(value[0]):
        value = value[0]
    if isinstance(value, dict) or (isinstance(value, list) and len(value) == 3 and _all_plain(value)):
        value = [value]
    if not isinstance(value, list):
        raise InputError('This JSON holds no triples. Write [["Blue Heron Airport", "cityServed", "Marlow"]].')
    return _triples((f"triple {number}", _json_triple(item, number)) for number, item in enumerate(value, 1))


def to_grid(triples: Triples) -> list[list[str]]:
    """The rows of a grid; `parse` reads them back."""
    return [list(triple) for triple in triples]


def to_text(triples: Triples) -> str:
    r"""One `subject | relation | object` a line. `parse` reads it back.

    A pipe inside is written `\|`, and a bracket that begins the first subject `\(`, as it does not enclose the triple.
    """
    text = "\n".join(" | ".join(map(_escape, triple)) for triple in triples)
    return "\\" + text if text[0] in "([{" and not _DART_MARKER.match(text) else text


def label(triples: Triples) -> str:
    """What the triples are about: the title of DART's table, or the first subject."""
    titles = [value for _, relation, value in triples if relation == "[TITLE]"]
    return titles[0] if titles else triples[0][0]


def linearize(triples: Triples) -> str:
    """`Blue Heron Airport : city served : Marlow | ...`: the paper's form, relations in plain words.

    The paper's code keeps relations as the sets write them (DART's in lower case); opened, `cityServed` and
    `CITY_SERVED` are the same words to the model, and words it has read before.
    """
    return " | ".join(f"{_marker(s)} : {open_relation(r)} : {_marker(o)}" for s, r, o in triples)


def open_value(value: str) -> str:
    """A subject or object as people write it: no underscores, and no quotes, types or languages around a literal.

    `Blue_Heron` -> Blue Heron; `"12"^^xsd:int`, `"twelve"@en` -> 12, twelve; `"52.0"(minutes)` -> 52.0 (minutes).
    """
    value = re.sub(r'^"([^"]*)"(?:\^\^\S+|@[\w-]+)?$', r"\1", value)
    return flatten(re.sub(r'^"([^"]*)"\s*(\(.*\))$', r"\1 \2", value).replace("_", " "))


def open_relation(relation: str) -> str:
    """`cityServed`, `CITY_SERVED`, `elevation_(in_metres)` -> city served, city served, elevation (in metres)."""
    relation = re.sub(
        r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", _marker(relation)
    )
    return flatten(relation.replace("_", " ")).lower()


def columns_of(records: Sequence[Mapping[str, Any]]) -> Columns:
    """One of `INPUT_COLUMNS`; else subject, relation and object in their own; else a column of nothing but triples."""
    if columns := known(records, INPUT_COLUMNS, TEXT_COLUMNS):
        return columns
    names = list(dict.fromkeys(str(column) for record in records for column in record))
    parts = [next((name for name in names if name.strip().lower() in heads), "") for heads in _HEADS]
    texts = tuple(name for wanted in TEXT_COLUMNS for name in names if name.strip().lower() == wanted)
    if all(parts):
        return Columns(tuple(parts), texts)
    whole = next((name for name in names if name not in texts and all_cells(records, name, is_triples)), None)
    return Columns((whole,) if whole else (), texts)


def source_of(record: Mapping[str, Any], inputs: Sequence[str] = ()) -> Triples:
    """The triples of a row: in one column, in any notation, or one triple in three columns.

    inputs: those columns; where none are named, `INPUT_COLUMNS`. Raises `InputError`.
    """
    if len(inputs) == 3:
        triples = _triples([("the triple", [record.get(name) for name in inputs])])
    else:
        name, cell = pick(record, inputs or INPUT_COLUMNS, "triples")
        try:
            triples = parse(cell) if isinstance(cell, str) else from_json(cell)
        except InputError as error:
            raise InputError(f"column '{name}': {error}") from None
    return tuple((html.unescape(s), r, html.unescape(o)) for s, r, o in triples)


def from_record(record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Example:
    """A row with triples and their text(s), in the columns named, else `INPUT_COLUMNS` and `REFERENCE_COLUMNS`."""
    return example_of(source_of(record, inputs), record, targets or REFERENCE_COLUMNS)


def unlike(triples: Triples) -> str:
    """What about triples is unlike those learned from."""
    if len(triples) > MOST_LEARNED:
        return f"These are {len(triples)} triples; the sets in the training data have {MOST_LEARNED} at most."
    return ""


# ------------------------------------------------------------------------------------------------------ the notations


def _read_lines(lines: list[tuple[int, str]]) -> Triples:
    """`subject | relation | object`, with or without pipes at both ends (Markdown); head and ruler are passed over."""
    rows = []
    for number, line in lines:
        cells = _cells(line.strip())
        if len(cells) > 3 and not cells[0].strip() and not cells[-1].strip():
            cells = cells[1:-1]
        if not all(re.fullmatch(r"\s*:?-{2,}:?\s*", cell) for cell in cells):
            rows.append((f"row {number}", [_unescape(cell.strip()) for cell in cells]))
    return _triples(_without_head(rows))


def _read_csv(text: str) -> Triples:
    first = text.split("\n", 1)[0]
    delimiter = "\t" if "\t" in first else ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True)
    try:
        rows: list[tuple[str, Sequence[Any]]] = [(f"row {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise InputError(
            f"row {reader.line_num}: the quotes do not match ({error})."
            ' Put double quotes around the whole cell, and write "" for a quote inside it.'
        ) from None
    return _triples(_without_head(rows))


def _read_xml(text: str) -> Triples:
    """WebNLG's `<mtriple>s | p | o</mtriple>`; where an entry has both kinds, the modified ones, which texts follow."""
    entries = re.findall(r"<modifiedtripleset\b.*?</modifiedtripleset>", text, re.DOTALL)
    if len(entries) > 1:
        raise SeveralRecords(tuple(_read_xml(entry) for entry in entries[:MAX_RECORDS]))
    for kind in ("mtriple", "otriple"):
        parts = re.findall(rf"<{kind}(?:\s[^<>]*)?>([^<]*)</{kind}>", text)
        if len(parts) != len(re.findall(rf"<{kind}\b", text)):
            raise InputError(f"triple {len(parts) + 1}: a <{kind}> without its </{kind}>.")
        if parts:
            break
    return _triples((f"triple {number}", _cells(html.unescape(line))) for number, line in enumerate(parts, 1))


def _read_json_text(text: str) -> Triples:
    """JSON, or lists as Python and NumPy show them."""
    try:
        return from_json(loads(text))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        problem = error
    try:
        one_after_another = text[0] == "(" and re.search(r"\)\s*,?\s*\(", text)
        return from_json(listed(f"[{text}]" if one_after_another else text))
    except InputError:
        raise
    except ValueError:
        raise not_json(problem, '[["subject", "relation", "object"]]') from None


def _unwrapped(text: str) -> str:
    """Triples in brackets, `(A B, cityServed, C)`, `[A | cityServed | C]`, one a line or one after another -> lines."""
    if text[0:1] not in ("(", "[") or _DART_MARKER.match(text):
        return text
    lines = []
    for line in re.sub(r"([)\]])\s*[,;]?\s*(?=[(\[])", r"\1\n", text).splitlines():
        line = line.strip().rstrip(",;").strip()
        wrapped = re.fullmatch(r"\((.*)\)|\[(.*)\]", line)
        inside = (wrapped[1] or wrapped[2] or "") if wrapped else ""
        if not wrapped or inside.count("(") != inside.count(")") or inside.count("[") != inside.count("]"):
            raise InputError(f"“{flatten(line)[:40]}”: the brackets around a triple do not match. Write {EXAMPLE}")
        lines.append(inside)
    return "\n".join(lines)


def _json_triple(item: Any, number: int) -> Sequence[Any]:
    if isinstance(item, str):
        return _cells(item)
    if isinstance(item, dict):
        keys = {str(key).lower(): key for key in item}
        triple = [next((item[keys[name]] for name in keys if name in heads), None) for heads in _HEADS]
        if len(item) == 3 and all(part is not None for part in triple):
            item = triple
    if not isinstance(item, list) or any(isinstance(part, list | dict) for part in item):
        raise InputError(f'triple {number}: expected ["subject", "relation", "object"] or an object with those keys.')
    return item


def _is_set(item: Any) -> bool:
    """Whether an object holds a set of triples under one of the names for them."""
    return isinstance(item, dict) and len(item) == 1 and next(iter(item)).lower() in TRIPLE_COLUMNS


def _all_plain(items: list[Any]) -> bool:
    """Whether no item is a list, an object, or itself a triple in pipes."""
    return all(not isinstance(item, list | dict) and str(item).count("|") < 2 for item in items)


def _holds_triples(items: list[Any]) -> bool:
    return bool(items) and not any(_all_plain([item]) for item in items)


def _without_head(rows: Iterable[tuple[str, Sequence[Any]]]) -> list[tuple[str, Sequence[Any]]]:
    rows = list(rows)
    first = [str(cell).strip(" *_`").lower() for cell in rows[0][1]] if rows else []
    return rows[len(first) == 3 and all(cell in heads for cell, heads in zip(first, _HEADS, strict=True)) :]


def _triples(rows: Iterable[tuple[str, Sequence[Any]]]) -> Triples:
    """(place, cells) -> checked triples. Blank rows are passed over."""
    triples: list[tuple[str, str, str]] = []
    for place, row in rows:
        cells = [_cell(cell) for cell in ([row] if isinstance(row, str) else row)]
        while len(cells) > 3 and not cells[-1]:
            cells.pop()
        if not any(cells):
            continue
        if len(cells) != 3:
            raise InputError(
                f"{place} has {len(cells)} part{'s' * (len(cells) > 1)}; a triple has a subject, a relation and an"
                r" object. Write \| for a pipe, and double quotes around a CSV cell with a comma in it."
            )
        subject, relation, value = open_value(cells[0]), cells[1], open_value(cells[2])
        for name, part in zip(COLUMNS, (subject, relation, value), strict=True):
            if not part:
                raise InputError(f"{place} has no {name}. Give it one, or remove the row.")
            longest = MAX_ATTRIBUTE if name == "relation" else MAX_VALUE
            if len(part) > longest:
                raise InputError(f"{place}: the {name} has {len(part)} characters; at most {longest} fit.")
        triples.append((subject, relation, value))
        if len(triples) > MAX_ROWS:
            raise InputError(f"There are more than {MAX_ROWS} triples. Keep the {MAX_ROWS} that matter.")
    if not triples:
        raise InputError(f"There are no triples. Write for example {EXAMPLE}")
    return tuple(triples)


def _cell(raw: Any) -> str:
    """None and NaN (an empty cell of a data frame) -> ''; True -> yes; anything else as one line of text."""
    if raw is None or raw != raw:
        return ""
    return {True: "yes", False: "no"}[raw] if isinstance(raw, bool) else flatten(raw)


def _cells(line: str) -> list[str]:
    """The pieces between pipes, still escaped; a pipe written `\\|` does not count."""
    cells = []
    for match in re.finditer(r"((?:\\.|[^|｜\\]|\\$)*)([|｜]|$)", line):
        cells.append(match[1])
        if not match[2]:
            break
    return cells


def _escape(part: str) -> str:
    return re.sub(r"[|｜\\]", r"\\\g<0>", part)


def _unescape(part: str) -> str:
    return re.sub(r"\\([|｜\\(\[{])", r"\1", part)


def _marker(part: str) -> str:
    """DART's markers in words: `[TABLECONTEXT]` -> table, `[TITLE]` -> title."""
    return {"[TABLECONTEXT]": "table", "[TITLE]": "title"}.get(part, part)
