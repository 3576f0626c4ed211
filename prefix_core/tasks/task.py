"""What a task is: how an input is parsed, written for the model, prompted, finished and scored. Knows no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from prefix_core.data.columns import Columns
from prefix_core.data.examples import Example, load_examples
from prefix_core.places import ASSETS
from prefix_core.scores.slots import Coverage

Kind = Literal["table", "triples", "text"]
OWN_EXAMPLES = ASSETS / "examples"


@dataclass(frozen=True)
class Task:
    """One task. `source` is whatever the task parses an input into (E2E: a `Table`).

    kind: a grid of attributes and values ("table"), of subjects, relations and objects ("triples"), or none ("text").
    columns: the headings of that grid; none for a text.
    terms: what the data the task is trained on are called, and the terms they are under.
    instruction: what a model that has learned nothing is told; it stands on a line before the input.
    initial_words: the words a prefix starts from (section 7.4).
    parse: what a person typed, pasted or filled in (text, or grid rows) -> source; raises `InputError`.
    to_grid, to_text: source -> the grid's rows (none for a text), and the notation shown as text; `parse` takes both.
    label: source -> a few words that name it, for buttons and status lines.
    linearize: source -> the text the model sees, as in the paper (section 4, "Table-to-text").
    columns_of: the first rows of a data file -> what its columns are; none where the task knows none of them.
    source_of: one row (column -> cell) and its input columns, or none: those the task knows -> source; for rows that
    have no text yet. Raises `InputError`.
    from_record: one row, its input columns and its text's, or none: those the task knows -> `Example`;
    raises `InputError`.
    finish: the raw text of the model, also while it grows -> what counts as its answer (the stop rule).
    score: outputs and their examples -> metric name -> value.
    slots: source, text -> which of its values the text says; None where an input has no values to look for.
    unlike: source -> what about it is unlike everything that was learned from, in a sentence; "" where nothing is.
    cut: whether an input longer than the context is cut (an article) where nothing was said, or refused (a table).
    """

    name: str
    title: str
    kind: Kind
    columns: tuple[str, ...]
    terms: str
    instruction: str
    initial_words: str
    max_new_tokens: int
    parse: Callable[[str | Sequence[Sequence[str]]], Any]
    to_grid: Callable[[Any], list[list[str]]]
    to_text: Callable[[Any], str]
    label: Callable[[Any], str]
    linearize: Callable[[Any], str]
    columns_of: Callable[[Sequence[Mapping[str, Any]]], Columns]
    source_of: Callable[..., Any]
    from_record: Callable[..., Example]
    finish: Callable[[str], str]
    score: Callable[[Sequence[str], Sequence[Example]], dict[str, float]]
    slots: Callable[[Any, str], Coverage] | None
    unlike: Callable[[Any], str]
    cut: bool = False
    separator: str = "\n"

    @property
    def too_long(self) -> Literal["refuse", "cut"]:
        """What becomes of an input longer than the context where nothing was said."""
        return "cut" if self.cut else "refuse"

    def prompt(self, source: Any) -> str:
        """The model's input for every method that has learned the task: the linearized source and a separator."""
        return self.linearize(source) + self.separator

    def pool(self) -> list[Example]:
        """Examples of our own writing, also used in few-shot prompts; no data set has them. None for a custom task."""
        return list(_pool(self))

    def featured(self, most: int = 6) -> list[Example]:
        """Those of the pool that the page shows: the featured ones, or the first where none is."""
        pool = self.pool()
        return ([example for example in pool if example.featured] or pool)[:most]

    def references_of(self, source: Any) -> tuple[str, ...]:
        """What people wrote for `source`, if it is an example of the pool; otherwise nothing."""
        return next((example.references for example in self.pool() if example.source == source), ())


@cache
def _pool(task: Task) -> tuple[Example, ...]:
    path = OWN_EXAMPLES / f"{task.name}.jsonl"
    return tuple(load_examples(path, task)) if path.exists() else ()


def first_line(text: str) -> str:
    """The first line that is not blank: the stop rule of tasks that ask for one line."""
    return text.strip().split("\n")[0].strip()
