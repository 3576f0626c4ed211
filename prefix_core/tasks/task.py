"""What a task is: how an input is read, written for the model, prompted, finished and scored. Knows no model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from prefix_core.examples import Example


@dataclass(frozen=True)
class Task:
    """One task. `source` is whatever the task reads an input into (E2E: a `Table`).

    instruction: what a model that has learned nothing is told; it stands on a line before the input.
    initial_words: the words a prefix starts from (section 7.4).
    read: what a person typed, pasted or filled in (text, or grid rows) -> source; raises `InputError`.
    linearize: source -> the text the model sees, as in the paper (section 4, "Table-to-text").
    from_record: one row of a data file (column -> cell) -> `Example`; raises `InputError`.
    finish: the raw text of the model, also while it grows -> what counts as its answer (the stop rule).
    score: outputs and their examples -> metric name -> value.
    pool: examples of our own writing, also used in few-shot prompts.
    """

    name: str
    title: str
    instruction: str
    initial_words: str
    max_new_tokens: int
    read: Callable[[str | Sequence[Sequence[str]]], Any]
    linearize: Callable[[Any], str]
    from_record: Callable[[dict[str, Any]], Example]
    finish: Callable[[str], str]
    score: Callable[[Sequence[str], Sequence[Example]], dict[str, float]]
    pool: Callable[[], list[Example]]
    separator: str = "\n"

    def prompt(self, source: Any) -> str:
        """The model's input for every method that has learned the task: the linearized source and a separator."""
        return self.linearize(source) + self.separator
