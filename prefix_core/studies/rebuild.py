"""Everything shipped for a base, made again: each method trained and scored on every task; what is up to date is kept.

It may be stopped at any time and started again, and run side by side for different tasks. Nothing is learned from an
input of any development or test set, whatever order its facts stand in.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from prefix_core.artifacts import artifacts
from prefix_core.artifacts.compact import bytes_per_number
from prefix_core.data.examples import Example, load_examples
from prefix_core.data.split import facts, one_text_each
from prefix_core.errors import InputError
from prefix_core.methods import prompt
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import Settings, defaults
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.studies import evidence
from prefix_core.studies.evaluate import evaluate, score
from prefix_core.tasks import get_task
from prefix_core.tasks.summarization import lead
from prefix_core.tasks.task import Task
from prefix_core.training.progress import follow
from prefix_core.training.train import train
from prefix_core.writing.generate import Decoding, Request, write


@dataclass(frozen=True)
class Data:
    """What a task learns from and is scored on, by the names of `load_examples`.

    cpu_steps: optimizer steps at most without a GPU, where the epochs of the settings would take a day.
    """

    train: str
    splits: dict[str, str]
    cpu_steps: int


DATA = {
    "e2e": Data(
        "e2e:train",
        # ours: tables of our own, about restaurants that no table of E2E names
        {"dev": "e2e:dev", "test": "e2e:test", "test-ours": "assets/examples/e2e.jsonl"},
        3000,
    ),
    "webnlg": Data("webnlg_2017:train", {"dev": "webnlg_2017:dev", "test": "webnlg_2017:test"}, 600),
    # DART's own training split is not to be had
    "dart": Data("webnlg_2017:train+e2e_cleaned:train", {"dev": "dart:dev", "test": "dart:test"}, 600),
    "summarization": Data(
        "xsum:train+bbc_news_lead:train",
        {"dev": "xsum:dev", "bbc": "bbc_news_lead:dev", "test": "xsum:test", "test-bbc": "bbc_news_lead:test"},
        100,
    ),
}
TRAINED_ROWS = {  # row -> method
    "prefix": "prefix",
    "prefix_small": "prefix",
    "fine_tune": "fine_tune",
    "top_layers": "top_layers",
    "adapter": "adapter",
    "adapter_small": "adapter",
}
SHOTS = {"prompt_0": 0, "prompt_3": 3}  # row -> examples shown to the base that is only asked
SMALL_SHARE = 0.001  # of the base's parameters: the paper's 0.1%
HELD_OUT = 100  # inputs of the development set, with one text each, whose loss is watched
PACKED_INPUTS = 100  # on which packed weights are compared with plain ones
ROOM = 100_000_000  # bytes for the full fine-tuned copies of all tasks; 8 bits a number if they fit, else 4
DECODING = Decoding(too_long="cut")
RUNS = Path("runs") / "rebuild"


def rebuild(
    base: Base,
    tasks: Sequence[str] = (),
    rows: Sequence[str] = evidence.ROWS,
    splits: Sequence[str] = (),
    steps: int | None = None,
    limit: int | None = None,
    folder: Path | None = None,
    precision: str | None = None,
) -> None:
    """Bring the artifacts and the evidence of these tasks and rows up to date with `base`.

    tasks: none for all. splits: what to score on (none for all but the test sets). steps: of every training (None for
    the settings'). limit: score on the first so many inputs. folder: where the evidence goes (None for the
    base's own). precision: of training (None for the fastest here); what was trained in another is up to date all the
    same.
    """
    precision, folder = precision or fastest_precision(base.device), folder or evidence_of(base.name)
    for name in tasks or DATA:
        task, data = get_task(name), DATA[name]
        sets = {split: load_examples(place, task) for split, place in data.splits.items()}
        examples = load_examples(data.train, task)
        learned = unseen(task, examples, [example for held in sets.values() for example in held])
        known = {
            "name": data.train,
            "split": "train",
            **facts(learned),
            "left_out": len(examples) - len(learned),  # inputs that a development or test set holds, too
            "terms": task.terms,
        }
        wanted = splits or [split for split in sets if not split.startswith("test")]
        measured = {split: sets[split][:limit] for split in wanted if split in sets}
        for row in rows:
            if row in TRAINED_ROWS:
                settings = settings_of(row, base, task, known["texts"], steps).replaced(precision=precision)
                place = train_row(base, task, row, settings, learned, sets["dev"], known)
                for split, some in measured.items():
                    score_row(base, task, row, place, split, some, folder)
            elif row in SHOTS or task.name == "summarization":
                for split, some in measured.items():
                    score_untrained(base, task, row, split, some, folder)


def unseen(task: Task, examples: Sequence[Example], held: Sequence[Example]) -> list[Example]:
    """The examples whose input is none of the held ones, in whatever order its rows stand."""

    def key(example: Example) -> Any:
        grid = task.to_grid(example.source)
        return frozenset(map(tuple, grid)) if grid else task.linearize(example.source)

    held_keys = {key(example) for example in held}
    return [example for example in examples if key(example) not in held_keys]


def settings_of(row: str, base: Base, task: Task, texts: int, steps: int | None) -> Settings:
    """The defaults found for the base, at the row's size; on a CPU the same capped number of steps for every method."""
    settings = defaults(TRAINED_ROWS[row], task.initial_words)
    if row == "prefix_small":
        length = max(1, round(SMALL_SHARE * base.parameters / base.shape.prefix_parameters(1)))
        settings = replace(settings, prefix_length=length)
    if row == "adapter_small":
        settings = replace(settings, adapter_share=SMALL_SHARE)
    if steps is None and base.device.type == "cpu":
        steps = min(settings.steps_for(texts), DATA[task.name].cpu_steps)
    return settings.replaced(steps=steps)


def train_row(
    base: Base,
    task: Task,
    row: str,
    settings: Settings,
    learned: Sequence[Example],
    dev: Sequence[Example],
    data: dict[str, Any],
) -> Path:
    """Train a row and save it, unless that is done; returns its folder. Raises `InputError` where it diverges."""
    method = TRAINED_ROWS[row]
    folder = artifacts.folder_of(base, task.name, row)
    made_from = [base.weights_hash, _but_precision(asdict(settings)), data["hash"]]
    if (folder / artifacts.CARD).exists():
        card = artifacts.read_card(folder)
        trained_from = [card.base_hash, _but_precision(card.settings), card.data.get("hash")]
        if trained_from == made_from and card.ended == "complete":
            print(f"{folder}: up to date", file=sys.stderr)
            return folder
    digest = hashlib.sha256(json.dumps([*made_from, settings.precision]).encode()).hexdigest()[:8]
    checkpoint = RUNS / base.weights_hash[:12] / task.name / f"{row}-{digest}.safetensors"
    events = train(
        base, task, method, learned, settings, one_text_each(dev[:HELD_OUT]), checkpoint=checkpoint, too_long="cut"
    )
    result = follow(events, f"{task.name} {row}")
    if result.ended == "diverged":
        raise InputError(
            f"{task.name}, {row}: the loss was no number any more at step {result.steps}; nothing was saved. Lower the "
            "method's rate in prefix_core/settings.py"
        )
    bits = 8 if len(DATA) * base.parameters * bytes_per_number(8) <= ROOM else 4
    card = artifacts.save(folder, base, result.kept, artifacts.describe(base, task.name, result, data), bits)
    if method in artifacts.WHOLE_LAYERS:
        steered, _ = artifacts.load(folder, base)
        packing = {"bits": bits, **packing_cost(base, task, result.steered, steered, dev[:PACKED_INPUTS])}
        artifacts.write_card(folder, replace(card, packing=packing))
    checkpoint.unlink(missing_ok=True)
    return folder


def _but_precision(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "precision"}


def packing_cost(
    base: Base, task: Task, plain: Steered, packed: Steered, examples: Sequence[Example]
) -> dict[str, Any]:
    """What packing costs: the headline score both ways, and the share of tokens that are the same, in percent."""
    texts = [
        write(base, [Request(steered, task, example.source) for example in examples], DECODING)
        for steered in (plain, packed)
    ]
    headline = "rouge_l" if task.kind == "text" else "bleu"
    before, after = (round(float(task.score(outputs, examples)[headline]), 2) for outputs in texts)
    pairs = [[base.encode(text) for text in pair] for pair in zip(*texts, strict=True)]
    same = sum(a == b for pair in pairs for a, b in zip(*pair, strict=False))
    tokens = sum(max(map(len, pair)) for pair in pairs)
    share = round(100 * same / tokens, 1) if tokens else 100.0
    return {"inputs": len(examples), f"{headline}_plain": before, f"{headline}_packed": after, "tokens_same": share}


def score_row(
    base: Base, task: Task, row: str, place: Path, split: str, examples: Sequence[Example], folder: Path
) -> None:
    """Measure what is in `place`, as it is read back from there; note it on its card and in the evidence."""
    path = evidence.path_of(task.name, split, folder)
    card = artifacts.read_card(place)
    if card.scores.get(split, {}).get("inputs") != len(examples):
        steered, card = artifacts.load(place, base)
        scores, outputs = evaluate(base, task, steered, examples, DECODING)
        card.scores[split] = scores
        artifacts.write_card(place, card)
        show(f"{place} on {split}", scores, outputs)
    evidence.record(path, header(base, task, split), evidence.trained_row(row, place, card, split))


def score_untrained(base: Base, task: Task, row: str, split: str, examples: Sequence[Example], folder: Path) -> None:
    """Measure what nothing is trained for: the base that is only asked, and an article's first sentence."""
    path = evidence.path_of(task.name, split, folder)
    if evidence.read(path, base.weights_hash).get(row, {}).get("inputs") == len(examples):
        print(f"{path.name}, {row}: up to date", file=sys.stderr)
        return
    shown = [example.source for example in prompt.shown(task, SHOTS.get(row, 0))]
    if any(example.source in shown for example in examples):
        print(f"{task.name}, {row} on {split}: left out, the examples shown are among those asked for", file=sys.stderr)
        return
    if row == "lead":
        outputs = [lead(example.source) for example in examples]
        scores = score(task, outputs, examples)
    else:
        try:
            scores, outputs = evaluate(base, task, prompt.steer(base, task, SHOTS[row]), examples, DECODING)
        except InputError as error:  # examples of a long kind leave no room for the input
            print(f"{task.name}, {row}: not to be measured on this base: {error}", file=sys.stderr)
            return
    show(f"{task.name}, {row} on {split}", scores, outputs)
    costs = {"trained": 0, "kept": 0, "share": 0.0, "bytes": 0, "full_bytes": 0}
    method = "lead" if row == "lead" else "prompt"
    entry = {"row": row, "method": method, "shipped": False, **scores, **costs}
    evidence.record(path, header(base, task, split), entry)


def header(base: Base, task: Task, split: str) -> dict[str, Any]:
    """What all rows of a table have in common."""
    data = DATA[task.name]
    return {
        "task": task.name,
        "base": base.name,
        "base_hash": base.weights_hash,
        "base_parameters": base.parameters,
        "learned_from": data.train,
        "split": split,
        "scored_on": data.splits[split],
        "decoding": "greedy",
    }


def show(what: str, scores: dict[str, Any], outputs: Sequence[str]) -> None:
    plain = {name: value for name, value in scores.items() if name != "interval"}
    print(f"{what}: {plain}", *outputs[:3], sep="\n    ", file=sys.stderr)
