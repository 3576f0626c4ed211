"""A person's own task: two columns of a file, the input made from a template such as `{title} -> {body}`."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefix_core.data.characters import flatten
from prefix_core.data.columns import TEXT_COLUMNS, Columns, is_empty, pick, plain_text
from prefix_core.data.examples import Example, example_of
from prefix_core.data.literals import loads
from prefix_core.errors import EmptyCell, InputError
from prefix_core.scores.metrics import rouge, text_scores
from prefix_core.tasks.task import Task, first_line

NAME = "custom"
LABEL_WORDS = 6
_COLUMN = re.compile(r"\{([^{}]*)\}")
_MARK = re.compile(r"\s*(?:\||;|,|->|=>|→|·|/)\s*|[.!?]\s+|\s+")  # between the parts of two columns


def custom(template: str, target: str) -> Task:
    """A task that reads `template` filled from the columns it names, and learns to write the column `target`.

    template: text with column names in braces, or the name of one column alone. Names are taken without regard to
    case. Raises `InputError` for a template that names no column, or the target itself.
    """
    template, target = flatten(template), flatten(target)
    if not target:
        raise InputError("the target column has no name; name the column with the texts to be written")
    if "{" not in template and "}" not in template:
        template = f"{{{template}}}"
    columns = tuple(dict.fromkeys(name.strip() for name in _COLUMN.findall(template)))
    if not all(columns) or re.search("[{}]", _COLUMN.sub("", template)):
        raise InputError(
            f"the template “{template}” cannot be read; write column names in braces, such as {{title}} -> {{body}}"
        )
    if target.lower() in (name.lower() for name in columns):
        raise InputError(f"the template names '{target}', the column to be written; the input must not hold the answer")
    return Task(
        name=NAME,
        title=f"{template} to {target}",
        kind="table" if len(columns) > 1 else "text",
        columns=("column", "cell") if len(columns) > 1 else (),
        terms="your own data",
        instruction=f"Write the {target} for this input.",
        initial_words=f"{target}:",
        max_new_tokens=100,
        parse=partial(_parse, template, columns),
        to_grid=partial(_to_grid, template, columns),
        to_text=str,
        label=partial(_label, template, columns),
        linearize=str,
        columns_of=partial(_columns_of, columns, target),
        source_of=partial(_source_of, template, columns),
        from_record=partial(_from_record, template, target),
        finish=first_line,
        score=_score,
        slots=None,
        unlike=partial(_unlike, template),
    )


def of_data(data: Mapping[str, Any]) -> Task:
    """The task of an artifact whose card has `data`, as `template_card` wrote it there. Raises `InputError`."""
    if not all(isinstance(data.get(part), str) for part in ("template", "target")):
        raise InputError("this card does not say by which template and target its task was made; train it again")
    return custom(data["template"], data["target"])


def template_card(template: str, target: str) -> dict[str, str]:
    """What a card's `data` remembers, so that the same inputs can be read again."""
    return {"template": template, "target": target}


def fill(template: str, record: Mapping[str, Any]) -> str:
    """The template with the record's cells in it, on one line; a column that is empty leaves its part out.

    Its part: the words that name it, and the mark between it and the part before. Raises `InputError` naming a column
    that is not there, or where all are empty.
    """
    columns = [name.strip() for name in _COLUMN.findall(template)]
    cells = [_text(record, name) for name in columns]
    if not any(cells):
        raise EmptyCell(f"column '{columns[0]}' is empty. Give the input, or remove the row.")
    if all(cells):
        filled = iter(cells)
        return flatten(_COLUMN.sub(lambda match: next(filled), template))
    text = ""
    for (mark, before, after), cell in zip(_parts(template), cells, strict=True):
        if cell:
            text += (mark if text else "") + before + cell + after
    return flatten(text)


def _to_grid(template: str, columns: Sequence[str], text: str) -> list[list[str]]:
    """The columns with the cells of an input that the template was filled with; empty ones for any other text.

    None for a template of one column: its input is the text itself.
    """
    if len(columns) < 2:
        return []
    words = [re.escape(part) for part in _COLUMN.split(template)[::2]]
    whole = "(.*?)".join(words)
    parts = [(re.escape(mark), re.escape(before), re.escape(after)) for mark, before, after in _parts(template)]
    some = "".join(f"(?:(?:{mark})?{before}(.*?){after})?" for mark, before, after in parts)
    match = re.fullmatch(whole, text) or (all(before for _, before, _ in parts) and re.fullmatch(some, text)) or None
    cells = dict.fromkeys(columns, "")
    if match:
        for name, cell in zip(_COLUMN.findall(template), match.groups(), strict=True):
            cells[name.strip()] = (cell or "").strip()
    return [[name, cell] for name, cell in cells.items()]


def _unlike(template: str, text: str) -> str:
    """Whether none of the words that the template puts around its columns is in the text."""
    words = [word for word in _COLUMN.sub(" ", template).casefold().split() if word.isalpha()]
    if words and not set(words) & set(text.casefold().split()):
        return f"This is not written like the inputs in the training data: {template}"
    return ""


def _parts(template: str) -> list[tuple[str, str, str]]:
    """Of each column: the mark before its part, and the words of its part before and after the cell."""
    words = _COLUMN.split(template)[::2]
    parts, mark, before = [], "", words[0]
    for place, between in enumerate(words[1:], 1):
        cut = _MARK.search(between) if place < len(words) - 1 else None
        after = between[: cut.start()] if cut else between
        parts.append((mark, before, after))
        mark, before = (cut[0], between[cut.end() :]) if cut else ("", "")
    return parts


def _text(record: Mapping[str, Any], column: str) -> str:
    cell = next((cell for name, cell in record.items() if str(name).strip().lower() == column.lower()), None)
    return "" if is_empty(cell) else plain_text(cell, column)


def _columns_of(columns: Sequence[str], target: str, records: Sequence[Mapping[str, Any]]) -> Columns:
    """Raises `InputError` for a column that the rows do not have."""
    names = dict.fromkeys(str(name) for record in records for name in record)
    for column in columns:
        if records and column.lower() not in (name.strip().lower() for name in names):
            there = ", ".join(name for name in names if name not in TEXT_COLUMNS)  # of texts, not of inputs
            raise InputError(f"no column '{column}': the input is made of {', '.join(columns)}; found {there}.")
    return Columns(tuple(columns), (target,))


def _parse(template: str, columns: Sequence[str], raw: str | Sequence[Sequence[Any]]) -> str:
    """What is typed is the input as it is; a JSON object or rows of (column, value) are put into the template."""
    if not isinstance(raw, str):
        return fill(template, {str(row[0]): row[1] for row in raw if len(row) > 1})
    if raw.lstrip().startswith("{"):
        try:
            record = loads(raw)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict) and {name.lower() for name in columns} & {name.lower() for name in record}:
            return fill(template, record)
    text = flatten(raw)
    if not text:
        raise InputError(f"The input is empty. It is made like {template}")
    return text


def _source_of(template: str, columns: Sequence[str], record: Mapping[str, Any], inputs: Sequence[str] = ()) -> str:
    """The template filled; a single column that it does not name holds the input as it is to be read."""
    if len(record) == 1 and not {name.lower() for name in columns} & {str(name).strip().lower() for name in record}:
        name, cell = pick(record, list(record), "input")
        return _parse(template, columns, plain_text(cell, name))
    return fill(template, record)


def _from_record(
    template: str, target: str, record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()
) -> Example:
    return example_of(fill(template, record), record, targets or [target])


def _label(template: str, columns: Sequence[str], text: str) -> str:
    """What the first filled column holds; of a text that is none of the template's, its first words."""
    text = next((cell for _, cell in _to_grid(template, columns, text) if cell), text)
    words = text.split(" ")
    return " ".join(words[:LABEL_WORDS]) + "…" * (len(words) > LABEL_WORDS)


def _score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    references = [example.references for example in examples]
    return {**text_scores(outputs, references), **rouge(outputs, references)}
