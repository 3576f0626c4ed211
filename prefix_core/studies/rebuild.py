"""Everything shipped for a base, made again: each method trained and scored on every task; what is up to date is kept.

It may be stopped at any time and started again, and run side by side for different tasks. Nothing is learned from an
input of any development or test set, whatever order its facts stand in. With a GPU everything is learned from; without,
a part of it, in a time budget for each row (see `material`, `sweep.plan`). Fine-tuned weights are kept by the smallest
packing that costs next to nothing in score (see `artifacts.delta`).
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from prefix_core.artifacts import artifacts, delta
from prefix_core.artifacts.artifacts import size_of
from prefix_core.artifacts.delta import Packing
from prefix_core.data.examples import Example, one_text_each
from prefix_core.errors import InputError
from prefix_core.methods import get_trained, prompt
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import Settings, chosen, defaults
from prefix_core.model.base import Base, fastest_precision
from prefix_core.places import evidence_of
from prefix_core.studies import evidence
from prefix_core.studies.evaluate import evaluate, headline_of, score
from prefix_core.studies.material import BEAMS, DATA, Material, drawn, material
from prefix_core.studies.sweep import EPOCHS, MEASURED, plan
from prefix_core.tasks.summarization import lead
from prefix_core.tasks.task import Task
from prefix_core.training.train import Trained, follow, train
from prefix_core.writing.generate import Decoding, Request, write

TRAINED_ROWS = {  # row -> method
    "prefix": "prefix",
    "prefix_long": "prefix",
    "fine_tune": "fine_tune",
    "top_layers": "top_layers",
    "adapter": "adapter",
    "adapter_small": "adapter",
}
SHOTS = {"prompt_0": 0, "prompt_3": 3}  # row -> examples shown to the base that is only asked
USUAL_ROWS = tuple(row for row in evidence.ROWS if row != "prefix_long")
LONG = 40  # tokens of the longer prefix
SMALL_SHARE = 0.001  # of the base's parameters: the paper's 0.1%
CPU_MINUTES = 20.0  # a row without a GPU
PATIENCE = 3  # held-out losses without a new best
HELD_OUT = {"text": 24}  # inputs of the development set, with one text each, whose loss is watched; of articles fewer
USUALLY_HELD_OUT = 60
PACKED_INPUTS = 100  # on which packed weights are compared with plain ones
DECODING = Decoding(too_long="cut")
RUNS = Path("runs") / "rebuild"
PACKINGS = (
    Packing(4, 16), Packing(4, 32), Packing(4, 64), Packing(3, 128), Packing(4, 128), Packing(2), Packing(3),
    Packing(4), Packing(8),
)  # fmt: skip
MOST_BYTES = {"fine_tune": 18_000_000, "top_layers": 5_000_000}
MOST_LOST = 0.3  # BLEU or ROUGE-L


def rebuild(
    base: Base,
    tasks: Sequence[str] = (),
    rows: Sequence[str] = (),
    splits: Sequence[str] = (),
    steps: int | None = None,
    limit: int | None = None,
    folder: Path | None = None,
    precision: str | None = None,
    minutes: float | None = None,
) -> None:
    """Bring the artifacts and the evidence of these tasks and rows up to date with `base`.

    tasks, rows: none for all, but for the longer prefix. splits: what to score on (none for all but the test sets).
    minutes: of every training (None: CPU_MINUTES without a GPU, no limit with one). steps: of every training, whatever
    time they take. limit: score on the first so many inputs. folder: where the evidence goes (None for the base's own).
    precision: of training (None for the fastest here); what was trained in another is up to date all the same.
    """
    precision, folder = precision or fastest_precision(base.device), folder or evidence_of(base.name)
    if minutes is None and base.device.type == "cpu":
        minutes = CPU_MINUTES
    budget = {"steps": steps} if steps is not None else {"minutes": minutes}
    for name in tasks or DATA:
        made_of = material(base, name)
        wanted = splits or [split for split in made_of.sets if not split.startswith("test")]
        measured = {split: made_of.sets[split][:limit] for split in wanted if split in made_of.sets}
        for row in rows or USUAL_ROWS:
            if row in TRAINED_ROWS:
                settings = settings_of(row, made_of.task, steps).replaced(precision=precision)
                place = train_row(base, row, settings, made_of, budget)
                for split, some in measured.items():
                    score_row(base, made_of.task, row, place, split, some, folder)
            elif row in SHOTS or name == "summarization":
                for split, some in measured.items():
                    score_untrained(base, made_of.task, row, split, some, folder)


def settings_of(row: str, task: Task, steps: int | None) -> Settings:
    """The defaults found for the base, at the row's size; until the held-out loss turns, or for so many steps."""
    settings = defaults(TRAINED_ROWS[row], task.initial_words).replaced(epochs=EPOCHS, patience=PATIENCE, steps=steps)
    if row == "prefix_long":
        settings = replace(settings, prefix_length=LONG)
    if row == "adapter_small":
        settings = replace(settings, adapter_share=SMALL_SHARE)
    return settings


def train_row(base: Base, row: str, settings: Settings, made_of: Material, budget: dict[str, Any]) -> Path:
    """Train a row and save it, unless that is done; returns its folder. Raises `InputError` where it diverges."""
    method, task = TRAINED_ROWS[row], made_of.task
    folder = artifacts.folder_of(base, task.name, row)
    made_from = [base.weights_hash, asked_for(asdict(settings)), made_of.known["hash"], budget]
    if (folder / artifacts.CARD).exists():
        card = artifacts.read_card(folder)
        if card.base_hash == base.weights_hash and not card.plan:
            print(f"{folder}: made by `train`, kept as it is; remove it to have it made here", file=sys.stderr)
            return folder
        if [card.base_hash, asked_for(card.settings), card.data.get("hash"), card.plan.get("budget")] == made_from:
            print(f"{folder}: up to date", file=sys.stderr)
            return folder
    run = hashlib.sha256(json.dumps([*made_from, settings.precision]).encode()).hexdigest()[:8]
    decided, checkpoint = RUNS / f"{task.name}-{row}-{run}.json", RUNS / f"{task.name}-{row}-{run}.safetensors"
    watched = one_text_each(drawn(made_of.sets["dev"], HELD_OUT.get(task.kind, USUALLY_HELD_OUT)))
    learned = made_of.learned
    chosen = plan(base, task, method, settings, learned, watched, budget.get("minutes"), decided)
    settings = replace(settings, steps=chosen.steps, learning_rate=chosen.learning_rate)
    every = max(1, chosen.steps // MEASURED)
    events = train(
        base, task, method, learned, settings, watched, held_out_every=every, checkpoint=checkpoint, too_long="cut"
    )
    result = follow(events, f"{task.name} {row}")
    if result.ended == "diverged":
        decided.unlink()
        raise InputError(
            f"{task.name}, {row}: the loss was no number any more at step {result.steps}; nothing was saved. Lower the "
            "method's rate in prefix_core/methods/settings.py"
        )
    save_row(base, task, folder, result, made_of, asdict(chosen) | {"budget": budget})
    decided.unlink(missing_ok=True)
    checkpoint.unlink(missing_ok=True)
    return folder


def asked_for(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings chosen, without what a plan decides, and without the precision, which depends on the machine."""
    decided = ("steps", "learning_rate", "precision")
    return {name: value for name, value in chosen(settings).items() if name not in decided}


def save_row(base: Base, task: Task, folder: Path, result: Trained, made_of: Material, decided: dict[str, Any]) -> None:
    """Save what was trained; whole layers as small as costs next to nothing."""
    card = replace(artifacts.describe(base, task.name, result, made_of.known), plan=decided)
    if result.method in artifacts.WHOLE_LAYERS:
        way, packing = smallest(base, task, result, drawn(made_of.sets["dev"], PACKED_INPUTS))
        artifacts.save(folder, base, result.kept, replace(card, packing=packing), way)
    else:
        artifacts.save(folder, base, result.kept, card)


def decoding_of(split: str) -> Decoding:
    """Greedy, or the paper's 5 beams."""
    return replace(DECODING, beams=5) if split.endswith(BEAMS) else DECODING


def score_row(
    base: Base, task: Task, row: str, place: Path, split: str, examples: Sequence[Example], folder: Path
) -> None:
    """Measure what is in `place`, as it is read back from there; note it on its card and in the evidence."""
    path = evidence.path_of(task.name, split, folder)
    card = artifacts.read_card(place)
    if card.scores.get(split, {}).get("inputs") != len(examples):
        steered, card = artifacts.load(place, base)
        scores, outputs = evaluate(
            base, task, steered, examples, decoding_of(split), with_meteor=split.startswith("test")
        )
        card.scores[split] = scores
        artifacts.write_card(place, card)
        show(f"{place} on {split}", scores, outputs)
    evidence.record(path, header(base, task, split), evidence.trained_row(row, place, card, split))


def score_untrained(base: Base, task: Task, row: str, split: str, examples: Sequence[Example], folder: Path) -> None:
    """Measure what nothing is trained for: the base that is only asked, and an article's first sentence."""
    path = evidence.path_of(task.name, split, folder)
    asked = {"inputs": len(examples)} | ({"words": [prompt.SYSTEM, task.instruction]} if row in SHOTS else {})
    if asked.items() <= evidence.rows_of(path, base.weights_hash).get(row, {}).items():
        print(f"{path.name}, {row}: up to date", file=sys.stderr)
        return
    shown = [example.source for example in prompt.shown(task, SHOTS.get(row, 0))]
    if any(example.source in shown for example in examples):
        print(f"{task.name}, {row} on {split}: left out, the examples shown are among those asked for", file=sys.stderr)
        return
    final = split.startswith("test")
    if row == "lead":
        outputs = [lead(example.source) for example in examples]
        scores = score(task, outputs, examples, final)
    else:
        try:
            steered = prompt.steer(base, task, SHOTS[row])
            scores, outputs = evaluate(base, task, steered, examples, decoding_of(split), with_meteor=final)
        except InputError as error:  # examples of a long kind leave no room for the input
            print(f"{task.name}, {row}: not to be measured on this base: {error}", file=sys.stderr)
            return
    show(f"{task.name}, {row} on {split}", scores, outputs)
    costs = {"trained": 0, "kept": 0, "share": 0.0, "bytes": 0, "full_bytes": 0}
    method = "lead" if row == "lead" else "prompt"
    entry = {"row": row, "method": method, "shipped": False, **scores, **asked, **costs}
    evidence.record(path, header(base, task, split), entry)


def header(base: Base, task: Task, split: str) -> dict[str, Any]:
    """What all rows of a table have in common."""
    data, beams = DATA[task.name], decoding_of(split).beams
    return {
        "task": task.name,
        "base": base.name,
        "base_hash": base.weights_hash,
        "base_parameters": base.parameters,
        "learned_from": data.train,
        "split": split,
        "scored_on": data.splits[split],
        "decoding": "greedy" if beams == 1 else f"{beams} beams",
    }


def show(what: str, scores: dict[str, Any], outputs: Sequence[str]) -> None:
    plain = {name: value for name, value in scores.items() if name != "interval"}
    print(f"{what}: {plain}", *outputs[:3], sep="\n    ", file=sys.stderr)


def smallest(base: Base, task: Task, result: Trained, examples: Sequence[Example]) -> tuple[Packing, dict[str, Any]]:
    """The smallest way that loses at most MOST_LOST, else the best of those within MOST_BYTES; and what a card says.

    That is both scores, the share of tokens that are the same in percent, and every way's bytes and score, if tried.
    """
    module, headline = get_trained(result.method), headline_of(task)
    origin = module.origin(base)
    packed = {way: delta.compress(result.kept, origin, way) for way in PACKINGS}
    sizes = {way: size_of(tensors) for way, tensors in packed.items()}
    by_size = sorted(PACKINGS, key=lambda way: sizes[way])
    fitting = [way for way in by_size if sizes[way] <= MOST_BYTES[result.method]] or by_size[:1]
    plain = outputs_of(base, task, result.steered, examples)
    before = float(task.score(plain, examples)[headline])
    scores: dict[Packing, float] = {}
    outputs: dict[Packing, list[str]] = {}
    for way in fitting:
        steered = steered_by(base, result.method, packed[way])
        outputs[way] = outputs_of(base, task, steered, examples)
        scores[way] = float(task.score(outputs[way], examples)[headline])
        print(f"{way}: {sizes[way]:,} bytes, {headline} {scores[way]:.2f} (plain {before:.2f})", file=sys.stderr)
        if before - scores[way] <= MOST_LOST:
            break
    chosen = way if before - scores[way] <= MOST_LOST else max(scores, key=lambda way: scores[way])
    return chosen, {
        "way": str(chosen),
        "inputs": len(examples),
        f"{headline}_plain": round(before, 2),
        f"{headline}_packed": round(scores[chosen], 2),
        "tokens_same": tokens_same(base, plain, outputs[chosen]),
        "ways": {
            str(way): {"bytes": size, headline: round(scores[way], 2) if way in scores else None}
            for way, size in sizes.items()
        },
    }


def steered_by(base: Base, method: str, packed: dict[str, Tensor]) -> Steered:
    module = get_trained(method)
    steered: Steered = module.steer(base, delta.decompress(packed, module.origin(base)))
    return steered


def outputs_of(base: Base, task: Task, steered: Steered, examples: Sequence[Example]) -> list[str]:
    return write(base, [Request(steered, task, example.source) for example in examples], DECODING)


def tokens_same(base: Base, before: Sequence[str], after: Sequence[str]) -> float:
    """The share of tokens that stand at the same place in both, in percent."""
    pairs = [[base.encode(text) for text in pair] for pair in zip(before, after, strict=True)]
    same = sum(a == b for pair in pairs for a, b in zip(*pair, strict=False))
    tokens = sum(max(map(len, pair)) for pair in pairs)
    return round(100 * same / tokens, 1) if tokens else 100.0
