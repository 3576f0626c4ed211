"""Everything shipped for a base, made again: each method trained, scored, its card written; what is up to date kept."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from prefix_core import artifacts
from prefix_core.base import ASSETS, Base
from prefix_core.errors import InputError
from prefix_core.evaluate import evaluate
from prefix_core.examples import Example, load_examples
from prefix_core.methods import prompt
from prefix_core.progress import follow
from prefix_core.settings import SMALL_BASE, defaults
from prefix_core.split import facts, one_text_each
from prefix_core.tasks import get_task
from prefix_core.tasks.task import Task
from prefix_core.train import train

# Task -> its training and development file under PREFIX_DATA_DIR, and the terms its data are under.
DATA = {
    "e2e": ("table_to_text/e2e/train.jsonl.gz", "table_to_text/e2e/dev.jsonl.gz", "E2E NLG challenge, CC BY-SA 4.0"),
}
HELD_OUT = 100  # inputs of the development set, with one text each, whose loss is watched
PROMPTS = (0, 3)  # examples shown to the base that is only asked
# Optimizer steps on a base of some millions of parameters: what two CPU cores do in half an hour.
STEPS = {"prefix": 1000, "fine_tune": 500, "top_layers": 500, "adapter": 600}


def data_file(place: str) -> Path:
    """A file of the data folder; raises `InputError` if PREFIX_DATA_DIR is not set or has no such file."""
    folder = os.environ.get("PREFIX_DATA_DIR")
    if not folder:
        raise InputError("PREFIX_DATA_DIR is not set; set it to the folder that holds table_to_text/ and the others")
    path = Path(folder) / place
    if not path.exists():
        raise InputError(f"there is no {path}; PREFIX_DATA_DIR should be the folder that holds {place}")
    return path


def rebuild(base: Base, methods: Sequence[str], steps: int | None = None, limit: int | None = None) -> None:
    """Bring the artifacts of every task and the given methods up to date with `base`."""
    for name, (train_file, dev_file, terms) in DATA.items():
        task = get_task(name)
        examples = load_examples(data_file(train_file), task)
        dev = load_examples(data_file(dev_file), task)
        measured, split = dev[:limit], Path(dev_file).name.split(".")[0]
        data = {"name": Path(train_file).parent.name, "split": "train", **facts(examples), "terms": terms}
        for method in methods:
            settings = defaults(method, base.parameters, task.initial_words)
            if base.parameters < SMALL_BASE or steps:
                settings = replace(settings, steps=steps or STEPS[method])
            folder = artifacts.folder_of(base, name, method)
            wanted = (base.weights_hash, asdict(settings), data["hash"], "complete", len(measured))
            if (folder / artifacts.CARD).exists() and _made_from(artifacts.read_card(folder), split) == wanted:
                print(f"{folder}: up to date", file=sys.stderr)
                continue
            checkpoint = Path("runs") / "rebuild" / base.weights_hash[:12] / name / f"{method}.safetensors"
            events = train(base, task, method, examples, settings, one_text_each(dev[:HELD_OUT]), checkpoint=checkpoint)
            result = follow(events, f"{name} {method}")
            card = artifacts.describe(base, name, result, data)
            artifacts.save(folder, base, result.kept, card)
            score(folder, base, measured, split)
            checkpoint.unlink(missing_ok=True)
        write_evidence(base, task, measured, split)


def write_evidence(base: Base, task: Task, dev: list[Example], split: str) -> None:
    """The table of every method beside prompting, zero-shot and few-shot, in assets/evidence/<task>.json."""
    path = ASSETS / "evidence" / f"{task.name}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    rows = []
    for card in (card for card in artifacts.shipped().values() if card.task == task.name):
        if card.base_hash == base.weights_hash and split in card.scores:
            steps = {"steps": card.steps, "texts_seen": card.steps * card.settings["batch"], "seconds": card.seconds}
            costs = {"trained": card.trained, "kept": card.kept, "bytes": card.bytes}
            rows.append({"method": card.method, **card.scores[split], **costs, "training": steps})
    old = {row["method"]: row for row in known.get("rows", []) if known.get("base_hash") == base.weights_hash}
    for shots in PROMPTS:
        name = f"prompt, {shots} examples"
        if old.get(name, {}).get("inputs") == len(dev):
            rows.append(old[name])
        else:
            scores, _ = evaluate(base, task, prompt.steer(base, task, shots), dev)
            rows.append({"method": name, **scores, "trained": 0, "kept": 0, "bytes": 0})
    header = {"base": base.name, "base_hash": base.weights_hash, "base_parameters": base.parameters, "split": split}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**header, "decoding": "greedy", "rows": rows}, indent=2) + "\n")


def score(folder: Path, base: Base, examples: list[Example], split: str) -> None:
    """Measure what is in `folder`, as it is read back from there, and note it on its card."""
    steered, card = artifacts.load(folder, base)
    scores, outputs = evaluate(base, get_task(card.task), steered, examples)
    card.scores[split] = scores
    artifacts.write_card(folder, card)
    print(f"{folder}: {scores}", file=sys.stderr)
    for output in outputs[:3]:
        print(f"    {output}", file=sys.stderr)


def _made_from(card: artifacts.Card, split: str) -> tuple:
    """All that decides whether an artifact is up to date."""
    scored = card.scores.get(split, {}).get("inputs")
    return (card.base_hash, card.settings, card.data.get("hash"), card.ended, scored)
