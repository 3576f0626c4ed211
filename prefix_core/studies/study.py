"""The paper's findings, measured on a base: a study trains one task in several ways and scores every run.

Prefix length (Li & Liang 2021, section 7.1), embeddings alone and an infix (7.2, 7.3), the words a prefix starts from
(7.4), few examples (6.3), and topics that were never learned from (6.4). A run is recorded as soon as it is measured,
so a study cut short goes on where it was.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prefix_core.data.examples import Example, load_examples
from prefix_core.data.split import draw, one_text_each, split
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import VARIANTS, Settings, defaults
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.studies.evaluate import evaluate
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.training.progress import follow
from prefix_core.training.train import Trained, train
from prefix_core.writing.generate import Decoding

LENGTHS = (1, 5, 10, 20, 50, 100, 200)
LENGTH_STEPS = 500
VARIANT_LENGTHS = (1, 10, 20)
FEW = {50: (200, 100), 100: (200, 100), 200: (200, 200), 500: (400, 400)}  # texts -> steps of prefix, of fine-tuning
DRAWS = 3  # of the few; the paper draws 5, with 2 seeds each
WORDS = ("", "elephant", "active", "summarize:", "table-to-text:")
WORDS_TEXTS, WORDS_DRAWS = 100, 2
TOPIC_STEPS = 150
UNLEARNED = "sport"
WATCHED = 50  # held-out inputs whose loss decides what a run keeps, at most
KINDS = ("prefix", "fine_tune")
DECODING = Decoding(too_long="cut")


@dataclass(frozen=True)
class Run:
    """One training of a study, and what it is scored on: a name for each set of examples."""

    method: str
    settings: Settings
    learned: Sequence[Example]
    watched: Sequence[Example]
    scored: dict[str, Sequence[Example]]
    draw: int = 0

    @property
    def label(self) -> dict[str, Any]:
        """What tells the run from the others of its study."""
        told = {"method": self.method, "texts": sum(len(example.references) for example in self.learned)}
        if self.method == "prefix":
            names = ("prefix_length", "initial_words", "variant")
            told |= {name: getattr(self.settings, name) for name in names}
        return {**told, "draw": self.draw, "steps": self.settings.steps}


def lengths(base: Base, task: Task, limit: int | None, chosen: Sequence[int] = ()) -> Iterator[Run]:
    """Prefixes of LENGTHS, or of the chosen ones, each trained on all of E2E for the same number of steps."""
    learned, held_out = split(load_examples("e2e:train", task), None, 0)
    dev = load_examples("e2e:dev", task, limit)
    found = defaults("prefix", task.initial_words).replaced(steps=LENGTH_STEPS)
    for length in chosen or LENGTHS:
        yield Run(
            "prefix", replace(found, prefix_length=length), learned, one_text_each(held_out)[:WATCHED], {"dev": dev}
        )


def variants(base: Base, task: Task, limit: int | None) -> Iterator[Run]:
    """A prefix, an infix, and the embedding of a prefix alone, of VARIANT_LENGTHS, trained as in `lengths`."""
    for run in lengths(base, task, limit, VARIANT_LENGTHS):
        for variant in VARIANTS:
            yield replace(run, settings=replace(run.settings, variant=variant))


def few_examples(base: Base, task: Task, limit: int | None) -> Iterator[Run]:
    """The paper's low-data setting: FEW texts of E2E, drawn DRAWS times, a prefix against full fine-tuning."""
    examples, dev = load_examples("e2e:train", task), load_examples("e2e:dev", task, limit)
    for texts, steps in FEW.items():
        for seed in range(DRAWS):
            learned, held_out = split(examples, texts, seed)
            for method, count in zip(KINDS, steps, strict=True):
                settings = defaults(method, task.initial_words).replaced(steps=count, seed=seed)
                yield Run(method, settings, learned, one_text_each(held_out)[:WATCHED], {"dev": dev}, seed)


def initial_words(base: Base, task: Task, limit: int | None) -> Iterator[Run]:
    """Prefixes on few texts that start at random, from words of no meaning for the task, and from its name."""
    examples, dev = load_examples("e2e:train", task), load_examples("e2e:dev", task, limit)
    for seed in range(WORDS_DRAWS):
        learned, held_out = split(examples, WORDS_TEXTS, seed)
        found = defaults("prefix", "").replaced(steps=FEW[WORDS_TEXTS][0], seed=seed)
        for words in WORDS:
            settings = replace(found, initial_words=words)
            yield Run("prefix", settings, learned, one_text_each(held_out)[:WATCHED], {"dev": dev}, seed)


def topics(base: Base, task: Task, limit: int | None) -> Iterator[Run]:
    """News of all topics but sport, scored on news of the same topics and on sport."""
    examples = load_examples("bbc_news_lead:train", task)
    held = [*load_examples("bbc_news_lead:dev", task), *load_examples("bbc_news_lead:test", task)]
    learned = [example for example in examples if example.category != UNLEARNED]
    known = [example for example in held if example.category != UNLEARNED][:limit]
    unknown = [example for example in [*held, *examples] if example.category == UNLEARNED][:limit]
    watched = draw(learned, WATCHED, 0)
    ids = {example.id for example in watched}
    learned = [example for example in learned if example.id not in ids]
    for method in KINDS:
        settings = defaults(method, task.initial_words).replaced(steps=TOPIC_STEPS)
        yield Run(method, settings, learned, watched, {"learned topics": known, UNLEARNED: unknown})


@dataclass(frozen=True)
class Study:
    """The task that a study is of, and its runs."""

    task: str
    runs: Callable[[Base, Task, int | None], Iterator[Run]]


STUDIES = {
    "lengths": Study("e2e", lengths),
    "variants": Study("e2e", variants),
    "few_examples": Study("e2e", few_examples),
    "initial_words": Study("e2e", initial_words),
    "topics": Study("summarization", topics),
}


def study(base: Base, name: str, limit: int | None = None, folder: Path | None = None) -> list[dict[str, Any]]:
    """Make the runs of a study that are not recorded for `base` yet; returns all rows, which are in `folder`, too.

    limit: score on the first so many inputs of each set. folder: None for the base's own. Raises `InputError` if there
    is no such study.
    """
    if name not in STUDIES:
        raise InputError(f"there is no study {name!r}; choose of: {', '.join(STUDIES)}")
    chosen, path = STUDIES[name], (folder or evidence_of(base.name)) / f"{name}.json"
    task = get_task(chosen.task)
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rows = known.get("rows", []) if known.get("base_hash") == base.weights_hash else []
    head = {"base": base.name, "base_hash": base.weights_hash, "base_parameters": base.parameters, "task": task.name}
    for run in chosen.runs(base, task, limit):
        asked = {"inputs": {where: len(some) for where, some in run.scored.items()}, **run.label}
        if any(asked.items() <= {"variant": "prefix", **row}.items() for row in rows):  # older rows do not say it
            continue
        settings = run.settings.replaced(precision=fastest_precision(base.device))
        events = train(base, task, run.method, run.learned, settings, run.watched, too_long="cut")
        result = follow(events, f"{name}: {', '.join(map(str, run.label.values()))}")
        rows.append({**asked, **costs(result), "scores": scores(base, task, result.steered, run.scored)})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**head, "decoding": "greedy", "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return rows


def scores(base: Base, task: Task, steered: Steered, sets: dict[str, Sequence[Example]]) -> dict[str, dict[str, Any]]:
    return {where: evaluate(base, task, steered, some, DECODING)[0] for where, some in sets.items()}


def costs(result: Trained) -> dict[str, Any]:
    """What a run took, and how it was set."""
    return {
        "held_out_loss": result.held_out_loss,
        "best_step": result.best_step,
        "kept": result.steered.kept,
        "seconds": round(result.seconds, 1),
        "settings": asdict(result.settings),
    }
