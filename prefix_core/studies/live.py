"""Training while a visitor watches, measured: what some rows give in the seconds that the page's quick training takes.

Beside it, for the same seconds on the same rows: PEFT's prefix tuning started from the same text
(`initialize_kv_prefix_from_text`), at the best of three rates by held-out loss; full fine-tuning; and, with nothing
trained, the same rows shown in a prompt. Seconds are of the processor, divided by its threads, so that what else runs
on a machine does not count; loading the model is in none of them.

Requires `peft`.
"""

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prefix_core.data.examples import Example, draw, load_examples, one_text_each, split
from prefix_core.errors import BaseError
from prefix_core.methods import fine_tune, prefix, prompt
from prefix_core.methods.method import Adaptation, Steered
from prefix_core.methods.settings import Settings, defaults
from prefix_core.methods.start import start_tokens
from prefix_core.model.base import AnyNetwork, Base, fastest_precision, native_bf16
from prefix_core.model.prefix import Prefix
from prefix_core.places import ASSETS, evidence_of
from prefix_core.studies import evidence
from prefix_core.studies.evaluate import evaluate
from prefix_core.studies.live_findings import RECORD, SCORES
from prefix_core.studies.material import drawn, shortened
from prefix_core.studies.measurement import padded
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom
from prefix_core.tasks.task import Task
from prefix_core.training.adamw import AdamW
from prefix_core.training.batches import Batches, Pair, encode_pairs
from prefix_core.training.few_rows import WATCHED, at_pace, from_rows, measured_every
from prefix_core.training.loss import held_out_mean, learn
from prefix_core.training.train import Loop
from prefix_core.training.workers import ALONE
from prefix_core.writing.generate import Decoding, Request, write

ROWS = (10, 50, 100, 500)
DRAWS = 3  # subsets of the rows
INPUTS = 100  # of a development set
NEWS, TOKENS = "news", 200  # BBC's articles, of so many tokens
OWN = {  # sets of our own, each of one style: their rows are all that there is, and some of them are scored
    "innkeeper": ("training_sample.csv", "name : {name} | {kind} | {food} | {area} | {price} | {rating}"),
    "announcements": ("announcements.csv", "{time} | {from} to {to} | platform {platform} | {minutes late} | {reason}"),
    "museum": ("museum.csv", "{number} | {object} | {material} | {year} | {found in} | {state}"),
}
OWN_SCORED = 12
PEFT_RATES = (3e-3, 1e-2, 3e-2)


def clock() -> float:
    """Seconds of the processor, divided by the threads that work at once."""
    return time.process_time() / torch.get_num_threads()


@dataclass(frozen=True)
class Given:
    """What every side is given: rows as a visitor brings them, some of them held out, and what is shown of them."""

    base: Base
    task: Task
    learned: list[Example]
    held_out: list[Example]
    rest: list[Example]  # of those learned, without those that the prefix starts from
    settings: Settings

    @property
    def shown(self) -> list[Example]:
        return [example for example in self.learned if example not in self.rest]


def live(
    base: Base,
    rows: Sequence[int] = ROWS,
    inputs: int = INPUTS,
    folder: Path | None = None,
    sets: Sequence[str] = ("e2e",),
    draws: int = DRAWS,
) -> dict[str, Any]:
    """A row for every set, number of rows, drawn subset and side, recorded in `folder` as it is measured.

    What is recorded of this base already is not measured again. folder: None for the base's evidence. sets: "e2e",
    "news", or of `OWN`, of which all rows are taken. Raises `BaseError` where PEFT is not installed.
    """
    if find_spec("peft") is None:
        raise BaseError("this measures against PEFT, which is not installed: pip install peft")
    path = (folder or evidence_of(base.name)) / RECORD
    head = {"base": base.name, "base_hash": base.weights_hash, "threads": torch.get_num_threads()}
    head["precision"] = fastest_precision(base.device)
    result = recorded(path, head)
    for name in sets:
        for number in range(draws):
            for count in [0] if name in OWN else rows:
                task, learned, scored = material(base, name, count, inputs, number)
                cell = {"set": name, "rows": len(learned), "draw": number, "inputs": len(scored)}
                if not any(cell.items() <= row.items() for row in result["runs"]):
                    result["runs"] += measured(give(base, task, learned), cell, scored)
                    evidence.save(path, result)
    return result


def recorded(path: Path, head: dict[str, Any]) -> dict[str, Any]:
    """What was measured before, of the same base in the same way; else nothing yet."""
    known = evidence.load(path)
    return known if head.items() <= known.items() else {**head, "runs": []}


def measured(given: Given, cell: dict[str, Any], scored: Sequence[Example]) -> list[dict[str, Any]]:
    """A row for each side."""
    found = []
    for side, steered, figures in sides(given):
        scores, _ = evaluate(given.base, given.task, steered, scored, Decoding(too_long="cut"))
        row = {**cell, "side": side, **figures, **{name: scores[name] for name in SCORES if name in scores}}
        print(row, file=sys.stderr)
        found.append(row)
    return found


def material(base: Base, name: str, count: int, inputs: int, number: int) -> tuple[Task, list[Example], list[Example]]:
    """Of a set, its task, what a visitor would bring, and what is scored; number: of the subset drawn."""
    if name in OWN:
        file, template = OWN[name]
        task = custom(template, "text")
        examples = load_examples(ASSETS / "examples" / file, task)
        mixed = random.Random(number).sample(examples, len(examples))
        return task, mixed[:-OWN_SCORED], mixed[-OWN_SCORED:]
    task, data = get_task("summarization" if name == NEWS else name), "bbc_news_lead" if name == NEWS else name
    pool, dev = (shortened(base, task, load_examples(f"{data}:{split}", task), TOKENS) for split in ("train", "dev"))
    return task, draw(one_text_each(pool), count, number), drawn(dev, inputs)


def sides(given: Given) -> Iterator[tuple[str, Steered, dict[str, Any]]]:
    """Name, the base as it is steered then, and what that took; every side has as long as the first."""
    steered, ours = train_here(given)
    yield "prefix", steered, ours
    yield "peft", *train_by_peft(given, ours["seconds"])
    yield "fine_tune", *fine_tune_here(given, ours["seconds"])
    yield "prompt", prompt.showing(given.base, given.task, given.shown), {"seconds": 0.0}


def give(base: Base, task: Task, rows: list[Example]) -> Given:
    learned, held_out = split(rows, None, seed=0)
    rest, settings = from_rows(base, task, learned)
    return Given(base, task, learned, held_out[:WATCHED], rest, at_pace(base, settings, "quick", rest))


def train_here(given: Given) -> tuple[Steered, dict[str, Any]]:
    """As the page does it: the start writes for three held-out inputs, and so does every measurement."""
    base, task, settings = given.base, given.task, given.settings
    began = clock()
    steered = prefix.steer_from_start(base, settings)
    write(base, [Request(steered, task, example.source) for example in given.held_out[:3]], Decoding(too_long="cut"))
    first = clock() - began
    loop = Loop(
        base, task, "prefix", given.rest, settings, given.held_out,
        held_out_every=None, samples=3, checkpoint=None, too_long=None, workers=ALONE,
    )  # fmt: skip
    loop.every = measured_every("quick", loop.steps)
    held_out_mean(base, loop.adaptation, loop.held_out)
    *_, last = loop.events(lambda: False)
    result = last.result
    assert result is not None
    figures = {"seconds_to_first": round(first, 1), "seconds": round(clock() - began, 1), "steps": result.steps}
    return result.steered, figures | {"rate": settings.learning_rate, "length": settings.prefix_length}


def for_seconds(
    step: Callable[[list[Pair]], None],
    parameters: Iterable[nn.Parameter],
    rate: float,
    batches: Batches,
    seconds: float,
) -> int:
    """Take steps for so long, the rate falling to zero in a straight line; returns how many there were."""
    optimizer, began, count = AdamW(parameters), clock(), 0
    while (gone := clock() - began) < seconds:
        optimizer.zero_grad()
        step(batches.at(count))
        optimizer.step(rate * (1 - gone / seconds))
        count += 1
    return count


def fine_tune_here(given: Given, seconds: float) -> tuple[Steered, dict[str, Any]]:
    settings = at_pace(given.base, defaults("fine_tune", ""), "quick", given.learned, "fine_tune")
    adaptation = fine_tune.start(given.base, settings)
    batches = Batches(encode_pairs(given.base, given.task, given.learned, 0), settings)

    def step(batch: list[Pair]) -> None:
        learn(given.base, adaptation, batch)

    steps = for_seconds(step, adaptation.parameters(), settings.learning_rate, batches, seconds)
    figures = {"seconds": seconds, "steps": steps, "rate": settings.learning_rate}
    return fine_tune.steer(given.base, adaptation.kept()), figures


def train_by_peft(given: Given, seconds: float) -> tuple[Steered, dict[str, Any]]:
    """The best of three rates by held-out loss, each with all the seconds."""
    tried = []
    for rate in PEFT_RATES:
        steered, steps = _peft(given, rate, seconds)
        tried.append((_held_out(given, steered), rate, steps, steered))
    _, rate, steps, steered = min(tried, key=lambda one: one[0])
    return steered, {"seconds": seconds, "steps": steps, "rate": rate}


class _Fixed(Adaptation):
    """A prefix that is trained already, to measure its loss."""

    def __init__(self, base: Base, steered: Steered) -> None:
        super().__init__(base, Settings())
        self.base, self.steered = base, steered

    def network(self) -> AnyNetwork:
        return self.base.network

    def prefix(self) -> Prefix | None:
        return self.steered.prefix


def _held_out(given: Given, steered: Steered) -> float:
    length = steered.prefix.length if steered.prefix else 0
    pairs = encode_pairs(given.base, given.task, given.held_out, length)
    return held_out_mean(given.base, _Fixed(given.base, steered), pairs)


def _peft(given: Given, rate: float, seconds: float) -> tuple[Steered, int]:
    """PEFT's prefix tuning, started from the same text, in bf16 under autocast where the processor has it."""
    from peft import PrefixTuningConfig, TaskType, get_peft_model, initialize_kv_prefix_from_text

    base, settings, shape = given.base, given.settings, given.base.shape
    tokens = start_tokens(base, settings.initial_words, settings.demonstrations)
    text = str(base.tokenizer.decode(tokens))
    count = len(base.tokenizer(text)["input_ids"])
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=count,
        num_attention_heads=shape.kv_heads, token_dim=shape.kv_heads * shape.head_dim,
    )  # fmt: skip
    model: Any = get_peft_model(base.to_transformers(), config)
    model.train()
    initialize_kv_prefix_from_text(model, base.tokenizer, text=text, use_chat_template=False)

    def step(batch: list[Pair]) -> None:
        ids, labels, mask = padded(batch, base.end)
        with torch.autocast("cpu", torch.bfloat16, enabled=native_bf16()):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()

    batches = Batches(encode_pairs(base, given.task, given.rest, count), settings)
    trained = (parameter for parameter in model.parameters() if parameter.requires_grad)
    steps = for_seconds(step, trained, rate, batches, seconds)
    rows = model.get_prompt_embedding_to_save("default").detach().float()
    pair = rows.view(count, shape.layers, 2, shape.kv_heads, shape.head_dim).transpose(0, 1)
    return prefix.steer(base, {"keys": pair[:, :, 0].clone(), "values": pair[:, :, 1].clone()}), steps
