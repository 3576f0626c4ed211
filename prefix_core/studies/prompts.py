"""Which words ask the base best: a task's instruction and the system line, chosen on inputs of its development set.

What is found here stands in the tasks (`instruction`) and in `methods/prompt.py` (`SYSTEM`). Asked without examples:
with them an instruction matters less.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefix_core.data.examples import Example
from prefix_core.methods import prompt
from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.studies import evidence
from prefix_core.studies.evaluate import evaluate, headline_of
from prefix_core.studies.material import drawn, material
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.writing.generate import Decoding

NAME = "prompts"
DECODING = Decoding(too_long="cut")
SYSTEMS = (
    "You write exactly what you are asked for, and nothing else.",
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face",  # the one it was tuned with
    "You turn data into one plain, correct English text.",
)
INSTRUCTIONS = {
    "e2e": (
        "Write one or two fluent English sentences that state every fact of this restaurant and nothing else.",
        "Write one sentence that describes the restaurant with these facts:",
        "Describe this restaurant in one or two sentences. Mention every fact below, and do not add any.",
        "Turn this table about a restaurant into a sentence:",
    ),
    "webnlg": (
        "Write fluent English sentences that state every one of these facts and nothing else.",
        "Write one or two sentences that state all these facts:",
        "Each line below is a subject, a relation and an object. Say all of it in plain English.",
        "Turn these facts into a sentence:",
    ),
    "summarization": (
        "Sum up this news article in one sentence.",
        "Write one sentence that sums up the news article below:",
        "What is this news article about? Answer in one short sentence.",
        "Summarize the following article in a single sentence of at most 25 words.",
    ),
}


def wordings(base: Base, task: Task, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """A row for every instruction under every system line: its scores on these examples."""
    rows = []
    for instruction in INSTRUCTIONS[task.name]:
        for system in SYSTEMS:
            steered = prompt.steer(base, replace(task, instruction=instruction), system=system)
            scores, outputs = evaluate(base, task, steered, examples, DECODING)
            rows.append({"task": task.name, "instruction": instruction, "system": system, **scores})
            print(f"{instruction!r}, {system!r}: {scores[headline_of(task)]}; {outputs[0]!r}", file=sys.stderr)
    return rows


def best(rows: Sequence[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    """The system line under which the tasks' best instructions score most together, and those instructions by task.

    A score counts as its share of the best that the task reached.
    """

    def score(row: dict[str, Any]) -> float:
        return float(row[headline_of(get_task(row["task"]))])

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    most = {task: max(score(row) for row in rows if row["task"] == task) for task in tasks}
    under = {
        system: {
            task: max((row for row in rows if (row["task"], row["system"]) == (task, system)), key=score)
            for task in tasks
        }
        for system in dict.fromkeys(row["system"] for row in rows)
    }
    system = max(under, key=lambda one: sum(score(row) / most[task] for task, row in under[one].items()))
    return system, {task: row["instruction"] for task, row in under[system].items()}


def record(base: Base, limit: int | None = None, folder: Path | None = None) -> None:
    """Try all wordings on so many inputs of each development set, drawn; write prompts.json in `folder`."""
    rows = []
    for name in INSTRUCTIONS:
        rows += wordings(base, get_task(name), drawn(material(base, name).sets["dev"], limit))
    system, instructions = best(rows)
    path = (folder or evidence_of(base.name)) / f"{NAME}.json"
    head = {"base": base.name, "base_hash": base.weights_hash, "system": system, "instructions": instructions}
    evidence.save(path, {**head, "rows": rows})
