"""A person's own task: two columns of a file, the input made from a template such as `{title} -> {body}`."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefix_core.data.examples import Example, example_of, pick
from prefix_core.data.tables import flatten
from prefix_core.errors import InputError
from prefix_core.scores.metrics import rouge, text_scores
from prefix_core.tasks.task import Task, first_line

NAME = "custom"
LABEL_WORDS = 6
_COLUMN = re.compile(r"\{([^{}]*)\}")


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
        kind="text",
        columns=(),
        terms="your own data",
        instruction=f"Write the {target} for this input.",
        initial_words=f"{target}:",
        max_new_tokens=100,
        read=partial(_read, template, columns),
        to_grid=lambda text: [],
        to_text=str,
        label=_label,
        linearize=str,
        from_record=partial(_from_record, template, columns, target),
        finish=first_line,
        score=_score,
        slots=None,
    )


def of_data(data: Mapping[str, Any]) -> Task:
    """The task of an artifact whose card has `data`, as `facts_of` wrote it there. Raises `InputError`."""
    if not all(isinstance(data.get(part), str) for part in ("template", "target")):
        raise InputError("this card does not say by which template and target its task was made; train it again")
    return custom(data["template"], data["target"])


def facts_of(template: str, target: str) -> dict[str, str]:
    """What a card's `data` remembers, so that the same inputs can be read again."""
    return {"template": template, "target": target}


def fill(template: str, record: Mapping[str, Any]) -> str:
    """The template with the record's cells in it, on one line. Raises `InputError` naming the column it lacks."""
    return flatten(_COLUMN.sub(lambda match: _text(record, match[1].strip()), template))


def _text(record: Mapping[str, Any], column: str) -> str:
    _, cell = pick(dict(record), [column.lower()], "input")
    if isinstance(cell, list | dict):
        raise InputError(f"column '{column}' holds a list or an object. Give it one text or number.")
    return flatten(cell)


def _read(template: str, columns: Sequence[str], raw: str | Sequence[Sequence[Any]]) -> str:
    """What is typed is the input as it is; a JSON object or rows of (column, value) are put into the template."""
    if not isinstance(raw, str):
        return fill(template, {str(row[0]): row[1] for row in raw if len(row) > 1})
    if raw.lstrip().startswith("{"):
        try:
            record = json.loads(raw)
        except ValueError:
            record = None
        if isinstance(record, dict) and {name.lower() for name in columns} & {name.lower() for name in record}:
            return fill(template, record)
    text = flatten(raw)
    if not text:
        raise InputError(f"The input is empty. It is made like {template}")
    return text


def _from_record(template: str, columns: Sequence[str], target: str, record: dict[str, Any]) -> Example:
    return example_of(fill(template, record), record, [target.lower()])


def _label(text: str) -> str:
    words = text.split(" ")
    return " ".join(words[:LABEL_WORDS]) + "…" * (len(words) > LABEL_WORDS)


def _score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    references = [example.references for example in examples]
    return {**text_scores(outputs, references), **rouge(outputs, references)}
