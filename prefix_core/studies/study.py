"""The paper's findings, measured on a base: a study trains one task in several ways and scores every run.

Few examples (Li & Liang 2021, section 6.3), topics that were never learned from (6.4), prefix length (7.1), embeddings
alone and an infix (7.2, 7.3), the words a prefix starts from (7.4), and, not in the paper, which layers are trained. A
run is recorded as soon as it is measured, so a study cut short goes on where it was. Without a GPU there are fewer
steps. What the paper says of WebNLG's unseen categories is measured by `rebuild` on the whole test set.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prefix_core.data.examples import Example, draw, load_examples, one_text_each, split
from prefix_core.data.reader import read as read_rows
from prefix_core.errors import InputError
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import LAYERS, VARIANTS, Settings, defaults
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.studies import evidence
from prefix_core.studies.evaluate import evaluate
from prefix_core.studies.material import drawn, drawn_inputs, material, shortened
from prefix_core.studies.rebuild import SMALL_SHARE, TRAINED_ROWS
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.training.train import Trained, follow, train
from prefix_core.writing.generate import Decoding

LENGTHS = (1, 2, 5, 10, 20, 40, 80)
VARIANT_LENGTHS = (1, 10, 20)
FEW = (50, 100, 200, 500)  # texts
FEW_NEWS = (50, 200)
FEW_ROWS = ("prefix", "fine_tune", "adapter_small", "top_layers")
DRAWS = 3  # of the few; the paper draws 5, with 2 seeds each
SEEDS = {"cpu": 1}  # of each draw; elsewhere 2
WORDS = ("", "elephant", "active", "summarize:", "table-to-text:")  # and the task's own
WORDS_TEXTS, WORDS_DRAWS = 100, 2
STEPS = {"cpu": 60}  # elsewhere GPU_STEPS; the same for all methods and numbers of texts
NEWS_STEPS = {"cpu": 40}
GPU_STEPS = 400
FEW_NEWS_TOKENS, NEWS_TOKENS = 200, 320  # of an article
NEWS_TEXTS = 500  # learned from without a GPU
TOPIC_INPUTS = 300
UNLEARNED = "sport"
WITHIN = (("business", "politics"), ("tech", "entertainment"))  # learned from, scored on
TOPICS = "summarization/xsum/topic_derived.jsonl.gz"  # under PREFIX_DATA_DIR
WATCHED = 50  # held-out inputs whose loss decides what a run keeps, at most
WATCHED_NEWS = 20
MEASURED = 6  # held-out losses in a run
SHOWN = 5  # outputs that are recorded
KINDS = ("prefix", "fine_tune")
DECODING = Decoding(too_long="cut")


@dataclass(frozen=True)
class StudyRun:
    """One training of a study, and what it is scored on: a name for each set of examples. row: as in `rebuild`."""

    row: str
    settings: Settings
    learned: Sequence[Example]
    watched: Sequence[Example]
    scored: Mapping[str, Sequence[Example]]
    draw: int = 0

    @property
    def label(self) -> dict[str, Any]:
        """What tells the run from the others of its study."""
        label = {"method": self.row, "texts": sum(len(example.references) for example in self.learned)}
        if self.row == "prefix":
            names = ("prefix_length", "initial_words", "variant", "layers")
            label |= {name: getattr(self.settings, name) for name in names}
        return {**label, "draw": self.draw, "seed": self.settings.seed, "steps": self.settings.steps}


def settings_of(base: Base, task: Task, row: str, seed: int = 0) -> Settings:
    """A row's defaults, for the study's number of steps."""
    steps = (NEWS_STEPS if task.kind == "text" else STEPS).get(base.device.type, GPU_STEPS)
    share = SMALL_SHARE if row == "adapter_small" else None
    return defaults(TRAINED_ROWS[row], task.initial_words).replaced(steps=steps, seed=seed, adapter_share=share)


def lengths(base: Base, task: Task, limit: int | None, chosen: Sequence[int] = ()) -> Iterator[StudyRun]:
    """Prefixes of LENGTHS, or of the chosen ones, on the same texts for the same number of steps."""
    made_of = material(base, task.name)
    dev = made_of.sets["dev"]
    watches = min(WATCHED_NEWS if task.kind == "text" else WATCHED, len(dev) // 2)
    watched, scored = one_text_each(dev[-watches:]), {"dev": dev[:-watches][:limit]}  # none is in both
    settings = settings_of(base, task, "prefix")
    for length in chosen or LENGTHS:
        yield StudyRun("prefix", replace(settings, prefix_length=length), made_of.learned, watched, scored)


def variants(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """A prefix, an infix, and the embedding of a prefix alone, of VARIANT_LENGTHS, trained as in `lengths`."""
    for run in lengths(base, task, limit, VARIANT_LENGTHS):
        for variant in VARIANTS:
            yield replace(run, settings=replace(run.settings, variant=variant))


def layers(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """A prefix trained in all layers or in some, as in `lengths`."""
    (run,) = lengths(base, task, limit, [defaults("prefix", "").prefix_length])
    for some in LAYERS:
        yield replace(run, settings=replace(run.settings, layers=some))


def few_examples(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """The paper's low-data setting: FEW texts of E2E, drawn DRAWS times, every method for the same number of steps."""
    examples, dev = load_examples("e2e:train", task), load_examples("e2e:dev", task, limit)
    yield from few(base, task, examples, dev, FEW, FEW_ROWS)


def few_news(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """The same on news: BBC leads, short articles."""
    examples, dev = load_examples("bbc_news_lead:train", task), load_examples("bbc_news_lead:dev", task, limit)
    examples, dev = (shortened(base, task, some, FEW_NEWS_TOKENS) for some in (examples, dev))
    yield from few(base, task, examples, dev, FEW_NEWS, KINDS)


def few(
    base: Base,
    task: Task,
    examples: Sequence[Example],
    dev: Sequence[Example],
    sizes: Sequence[int],
    rows: Sequence[str],
) -> Iterator[StudyRun]:
    most = WATCHED_NEWS if task.kind == "text" else WATCHED
    for number in range(DRAWS):  # draw by draw, so that a study cut short has runs for every number of texts
        for texts in sizes:
            learned, held_out = split(examples, texts, number)
            for seed in range(SEEDS.get(base.device.type, 2)):
                for row in rows:
                    settings = settings_of(base, task, row, seed)
                    yield StudyRun(row, settings, learned, one_text_each(held_out)[:most], {"dev": dev}, number)


def initial_words(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """Prefixes on few texts that start at random, from words of no meaning for the task, and from its own."""
    examples, dev = load_examples("e2e:train", task), load_examples("e2e:dev", task, limit)
    for number in range(WORDS_DRAWS):
        learned, held_out = split(examples, WORDS_TEXTS, number)
        start = settings_of(base, task, "prefix", number)
        for words in (*WORDS, task.initial_words):
            settings = replace(start, initial_words=words)
            yield StudyRun("prefix", settings, learned, one_text_each(held_out)[:WATCHED], {"dev": dev}, number)


def topics(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """News to sports: learned from news of all topics but sport, scored on XSUM's articles of sport and on the rest."""
    topic = xsum_topics()
    xsum, test = load_examples("xsum:train", task), load_examples("xsum:test", task)
    leads = [example for example in load_examples("bbc_news_lead:train", task) if example.category != UNLEARNED]
    learned = [example for example in xsum if topic.get(example.id) != UNLEARNED] + leads
    by_topic = {
        "news": [example for example in test if topic.get(example.id, UNLEARNED) != UNLEARNED],
        UNLEARNED: [example for example in test if topic.get(example.id) == UNLEARNED],
    }
    scored = {name: drawn(some, TOPIC_INPUTS)[:limit] for name, some in by_topic.items()}
    yield from extrapolating(base, task, learned, scored)


def within_news(base: Base, task: Task, limit: int | None) -> Iterator[StudyRun]:
    """Learned from business and politics, scored on all articles of technology and entertainment."""
    examples = load_examples("bbc_news_lead:train+bbc_news_lead:dev+bbc_news_lead:test", task)
    learned, unlearned = ([example for example in examples if example.category in some] for some in WITHIN)
    yield from extrapolating(base, task, learned, {" and ".join(WITHIN[1]): unlearned[:limit]})


def extrapolating(
    base: Base, task: Task, learned: Sequence[Example], scored: dict[str, list[Example]]
) -> Iterator[StudyRun]:
    watched = draw(learned, WATCHED_NEWS, 0)
    ids = {example.id for example in watched}
    rest = [example for example in learned if example.id not in ids]
    if base.device.type == "cpu":
        rest = drawn_inputs(rest, NEWS_TEXTS)
    rest, watched = (shortened(base, task, some, NEWS_TOKENS) for some in (rest, watched))
    cut = {name: shortened(base, task, some, NEWS_TOKENS) for name, some in scored.items()}
    for row in KINDS:
        yield StudyRun(row, settings_of(base, task, row), rest, watched, cut)


def xsum_topics() -> dict[str, str]:
    """XSUM's ids -> "sport" or "news". Raises `InputError` where there is no such file."""
    path = Path(os.environ.get("PREFIX_DATA_DIR", "")) / TOPICS
    return {str(record["id"]): str(record["topic"]) for _, record in read_rows(path)}


@dataclass(frozen=True)
class Study:
    """The task that a study is of, and its runs."""

    task: str
    runs: Callable[[Base, Task, int | None], Iterator[StudyRun]]


STUDIES = {  # the ones most worth their time first
    "few_examples": Study("e2e", few_examples),
    "lengths": Study("e2e", lengths),
    "initial_words": Study("e2e", initial_words),
    "layers": Study("e2e", layers),
    "few_news": Study("summarization", few_news),
    "variants": Study("e2e", variants),
    "topics": Study("summarization", topics),
    "within_news": Study("summarization", within_news),
    "lengths_news": Study("summarization", lengths),
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
    runs = list(chosen.runs(base, task, limit))
    head = {"base": base.name, "base_hash": base.weights_hash, "base_parameters": base.parameters, "task": task.name}
    head |= {"decoding": "greedy", "planned": len(runs)}
    rows = recorded(path, base.weights_hash)
    for run in runs:
        asked = {"inputs": {where: len(some) for where, some in run.scored.items()}, **run.label}
        if any(asked.items() <= row.items() for row in rows):
            continue
        settings = run.settings.replaced(precision=fastest_precision(base.device))
        every = max(1, settings.steps_for(1) // MEASURED)
        events = train(
            base, task, TRAINED_ROWS[run.row], run.learned, settings, run.watched, held_out_every=every, too_long="cut"
        )
        result = follow(events, f"{name}: {', '.join(map(str, run.label.values()))}")
        results, outputs = scores(base, task, result.steered, run.scored)
        rows.append({**asked, **costs(result), "scores": results, "outputs": outputs})
        evidence.save(path, {**head, "rows": rows})
    return rows


def recorded(path: Path, base_hash: str) -> list[dict[str, Any]]:
    """The runs that are recorded of this base."""
    known = evidence.load(path)
    rows: list[dict[str, Any]] = known.get("rows", []) if known.get("base_hash") == base_hash else []
    return rows


def standing(folder: Path) -> dict[str, tuple[int, int | None]]:
    """Of every study the runs recorded in `folder`, and how many it has (None where none was begun)."""
    begun: dict[str, tuple[int, int | None]] = {}
    for name in STUDIES:
        known = evidence.load(folder / f"{name}.json")
        begun[name] = len(known.get("rows", [])), known.get("planned")
    return begun


def scores(
    base: Base, task: Task, steered: Steered, sets: Mapping[str, Sequence[Example]]
) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """By set: its scores, and its first outputs."""
    results = {where: evaluate(base, task, steered, some, DECODING) for where, some in sets.items()}
    return (
        {where: scored for where, (scored, _) in results.items()},
        {where: outputs[:SHOWN] for where, (_, outputs) in results.items()},
    )


def costs(result: Trained) -> dict[str, Any]:
    """What a run took, and how it was set."""
    return {
        "held_out_loss": result.held_out_loss,
        "best_step": result.best_step,
        "kept": result.steered.kept,
        "seconds": round(result.seconds, 1),
        "settings": asdict(result.settings),
    }
