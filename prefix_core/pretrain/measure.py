"""Is a base good enough? One table for one or several: what they predict, copy and tell, and how well they are steered.

The one that counts is the last: E2E after prefix-tuning on few and on all examples, against full fine-tuning.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from prefix_core.base import Base, fastest_precision
from prefix_core.evaluate import evaluate
from prefix_core.examples import load_examples
from prefix_core.places import evidence_of
from prefix_core.pretrain.base_table import table
from prefix_core.pretrain.held_out import by_position, by_source, long_text, sources
from prefix_core.pretrain.skills import copying, tables
from prefix_core.pretrain.text import data_folder
from prefix_core.progress import follow
from prefix_core.settings import defaults, defaults_on_few
from prefix_core.split import one_text_each, split
from prefix_core.tasks import get_task
from prefix_core.train import train

RECORD = "base.json"
SEED = 0
SIZES = (100, 500, None)  # texts to learn from; None: all
WATCHED = 50  # held-out inputs whose loss decides what a run keeps


def measure(bases: Sequence[Base], report: Callable[[str], object] = lambda line: None) -> list[dict[str, Any]]:
    """Loss on held-out text by source and by position, copying, tables told after a few examples: a result a base.

    Nothing is trained, and the same text and prompts are given to all. Raises `InputError` without PREFIX_DATA_DIR.
    """
    report("reading the held-out text")
    texts, long = sources(), long_text()
    results = []
    for base in bases:
        report(f"measuring {base.name}")
        results.append(
            {
                "base": base.name,
                "base_hash": base.weights_hash,
                "parameters": base.parameters,
                "positions": base.shape.positions,
                "vocabulary": base.shape.vocabulary,
                "bits_per_byte": by_source(base, texts),
                "by_position": by_position(base, long),
                "copying": copying(base),
                "tables": tables(base),
            }
        )
        report(table(results[-1:]))  # so that nothing is lost if the rest is cut short
    return results


def tune(base: Base, sizes: Sequence[int | None] = SIZES, steps: int = 1000, limit: int | None = None) -> list[dict]:
    """E2E's dev set after training on so many texts of its training set: prefix-tuning and full fine-tuning.

    steps: at most so many a run; fewer where the method's defaults say so. limit: the first so many dev inputs.
    Training inputs, never dev, decide which step is kept. Fixed seed.
    """
    task, folder = get_task("e2e"), data_folder() / "table_to_text" / "e2e"
    examples = load_examples(folder / "train.jsonl.gz", task)
    dev = load_examples(folder / "dev.jsonl.gz", task, limit)
    rows = []
    for size in sizes:
        learned, held_out = split(examples, size, SEED)
        watched = one_text_each(held_out)[:WATCHED]
        texts = sum(len(example.references) for example in learned)
        for method in ("prefix", "fine_tune"):
            few = size is not None and method == "prefix"
            found = defaults_on_few if few else partial(defaults, method)
            settings = found(base.parameters, task.initial_words)
            settings = settings.replaced(
                seed=SEED,
                steps=min(steps, settings.steps_for(texts)),
                precision=fastest_precision(base.device),
            )
            result = follow(
                train(base, task, method, learned, settings, watched), f"{base.name} {size or 'all'} {method}"
            )
            scores, _ = evaluate(base, task, result.steered, dev)
            told = {"examples": size or "all", "method": method, "texts": texts, "steps": result.steps}
            rows.append({**told, "best_step": result.best_step, **scores})
            print({**told, "bleu": scores["bleu"], "slot_coverage": scores["slot_coverage"]}, file=sys.stderr)
    return rows


def record(results: Sequence[dict[str, Any]]) -> None:
    """Keep the results in the evidence of the first base, the others beside it.

    They take the place of earlier ones of the same weights; what is not measured now stays.
    """
    path = evidence_of(results[0]["base"]) / RECORD
    known = {row["base_hash"]: row for row in json.loads(path.read_text())} if path.exists() else {}
    for result in results:
        known[result["base_hash"]] = {**known.get(result["base_hash"], {}), **result}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(known.values()), indent=1) + "\n", encoding="utf-8")
