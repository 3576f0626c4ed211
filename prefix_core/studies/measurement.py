"""One measurement of `bench`: how fast one side trains or writes, and how much memory it takes; or the machine's floor.

Training: a prefix of 10 trained directly, on 8 texts of different inputs a step, and on 16 that come in fours of one
input (E2E has 8.6 texts an input), the same for both sides; tokens are counted as given, an input once for each of its
texts. Writing: milliseconds a token after the first one, for one row and for eight, greedy, all rows to the same
length; `transformers` at the thread count at which it is faster. Four panes: a prefix, a prompt, an adapter and FT-top2
on one input, in one pass.

The floor is what this machine's memory and arithmetic allow: a token cannot be written faster than the weights are
read, nor learned from faster than they are multiplied.

Run as a module, it prints its figures as JSON: the peak of a process's memory is that of one measurement.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prefix_core.data.examples import one_text_each
from prefix_core.methods import get_trained, prompt
from prefix_core.methods.method import Steered
from prefix_core.methods.settings import Settings
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.model.loading import DTYPES, load_base
from prefix_core.model.prefix import Prefix
from prefix_core.model.products import Dense, HalfDense, Product, half_products
from prefix_core.tasks import get_task
from prefix_core.training.adamw import AdamW
from prefix_core.training.batches import Batches, Pair, encode_pairs
from prefix_core.training.loss import mean_loss
from prefix_core.writing.search import Decoding, Row, Search

PREFIX_LENGTH, NEW_TOKENS = 10, 64  # tokens written, where nothing else is asked for
TARGET_SHARE = 0.45  # of the tokens learned from: those whose loss is taken
TEXTS = 8  # of an input, in the examples trained on
SETTINGS = Settings(prefix_length=PREFIX_LENGTH, mlp_width=None, batch=8, learning_rate=1e-3)
IN_FOURS = replace(SETTINGS, batch=16, together=4)
ROWS = (1, 8)
PANES = 4
CONSTANT = ("parameters", "kept", "kept_at_5")  # the same in all measurements: the base's, and of prefixes on it


@dataclass
class Work:
    """What every side is given: a base, the same random prefix, training pairs, inputs to write for."""

    base: Base
    prefix: Prefix
    batches: Batches
    in_fours: Batches
    inputs: list[list[int]]


def work(base: Base) -> Work:
    task = get_task("e2e")
    pool = task.pool()
    prefix = Prefix(*random_start(base.shape, PREFIX_LENGTH, torch.Generator().manual_seed(0)))
    inputs = [base.encode(task.prompt(example.source)) for example in pool[: max(ROWS)]]
    often_described = [example for example in pool if len(example.references) >= TEXTS]
    pairs = encode_pairs(base, task, often_described, PREFIX_LENGTH)
    apart = encode_pairs(base, task, one_text_each(pool), PREFIX_LENGTH)
    return Work(base, prefix, Batches(apart, SETTINGS), Batches(pairs, IN_FOURS), inputs)


def train_here(job: Work, precision: str) -> Callable[[list[Pair]], None]:
    """Our training step."""
    adaptation = get_trained("prefix").start(job.base, replace(SETTINGS, precision=precision))
    optimizer = AdamW(adaptation.parameters())

    def step(batch: list[Pair]) -> None:
        optimizer.zero_grad()
        mean_loss(job.base, adaptation, batch).backward()
        optimizer.step(SETTINGS.learning_rate)

    return step


def train_by_peft(job: Work, autocast: bool) -> Callable[[list[Pair]], None]:
    """PEFT's, padded as its examples do; in bf16 under autocast."""
    from peft import PrefixTuningConfig, TaskType, get_peft_model

    shape = job.base.shape
    config = PrefixTuningConfig(
        task_type=TaskType.CAUSAL_LM, num_virtual_tokens=PREFIX_LENGTH,
        num_attention_heads=shape.kv_heads, token_dim=shape.kv_heads * shape.head_dim,
    )  # fmt: skip
    model = get_peft_model(job.base.model, config)
    model.train()
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=SETTINGS.learning_rate)

    def step(batch: list[Pair]) -> None:
        ids, labels, mask = padded(batch, job.base.end)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()

    return step


def padded(batch: Sequence[Pair], end: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, labels and mask of a batch, (B, T), as PEFT's examples have them."""
    longest = max(len(pair.source) + len(pair.target) for pair in batch)
    ids = torch.full((len(batch), longest), end)
    labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
    for row, pair in enumerate(batch):
        length = len(pair.source) + len(pair.target)
        ids[row, :length] = torch.tensor(pair.source + pair.target)
        labels[row, len(pair.source) : length] = torch.tensor(pair.target)
        mask[row, :length] = 1
    return ids, labels, mask


class Endless(Row):
    """A row that no end token ends, so that every side writes the same number of tokens."""

    def take(self, token: int, ends: Set[int]) -> None:
        self.written.append(token)
        self.done = len(self.written) >= self.limit


def write_here(job: Work, rows: int, tokens: int) -> list[list[int]]:
    some = [
        Endless(ids, job.prefix, tokens, frozenset(), job.base.writer, index)
        for index, ids in enumerate(job.inputs[:rows])
    ]
    search = Search(job.base, some, Decoding())
    while search.alive:
        search.advance()
    return [row.written for row in some]


def write_by_transformers(job: Work, rows: int, tokens: int) -> list[list[int]]:
    from transformers import DynamicCache, GenerationConfig

    inputs = job.inputs[:rows]
    longest = max(len(ids) for ids in inputs)
    ids = torch.tensor([[job.base.end] * (longest - len(row)) + row for row in inputs])
    seen = [[1] * PREFIX_LENGTH + [0] * (longest - len(row)) + [1] * len(row) for row in inputs]
    cache = DynamicCache()
    for layer, pair in enumerate(zip(job.prefix.keys, job.prefix.values, strict=True)):
        keys, values = (t.to(job.base.model.dtype).transpose(0, 1)[None].repeat(rows, 1, 1, 1) for t in pair)
        cache.update(keys, values, layer)
    config = GenerationConfig(max_new_tokens=tokens, do_sample=False, pad_token_id=job.base.end, eos_token_id=None)
    job.base.model.generation_config.eos_token_id = None
    model: Any = job.base.model
    out = model.generate(ids, attention_mask=torch.tensor(seen), past_key_values=cache, generation_config=config)
    written: list[list[int]] = out[:, longest:].tolist()
    return written


def panes_here(job: Work, rows: int, tokens: int) -> list[list[int]]:
    """Four methods on the first input, in one pass; the two with weights are as they start."""
    base, task = job.base, get_task("e2e")
    steered = [Steered("prefix", base.writer, job.prefix), prompt.steer(base, task)]
    for method in ("adapter", "top_layers"):
        steered.append(get_trained(method).steer(base, get_trained(method).start(base, SETTINGS).kept()))
    ids = job.inputs[0]
    some = [Endless(ids, one.prefix, tokens, frozenset(), one.network, index) for index, one in enumerate(steered)]
    search = Search(base, some, Decoding())
    while search.alive:
        search.advance()
    return [row.written for row in some]


def training_speed(step: Callable[[list[Pair]], None], batches: Batches, seconds: float) -> tuple[float, float]:
    """Tokens and texts a second, none of them padding; a first step lays out what later ones use, and is left out."""
    step(batches.at(0))
    tokens, texts, began, number = 0, 0, time.perf_counter(), 1
    while True:
        batch = batches.at(number)
        step(batch)
        tokens += sum(len(pair.source) + len(pair.target) for pair in batch)
        texts += len(batch)
        number += 1
        seconds_taken = time.perf_counter() - began
        if seconds_taken >= seconds:
            return tokens / seconds_taken, texts / seconds_taken


def decoding_speed(
    write: Callable[[Work, int, int], list[list[int]]], job: Work, rows: int, seconds: float, most: int
) -> tuple[float, list[list[int]]]:
    """Milliseconds a token, the first one apart: the median of repetitions within `seconds`; and the tokens."""
    write(job, rows, 2)
    repetitions: list[float] = []
    began = time.perf_counter()
    while not repetitions or time.perf_counter() - began < seconds:
        times = []
        for tokens in (1, most):
            start = time.perf_counter()
            written = write(job, rows, tokens)
            times.append(time.perf_counter() - start)
        repetitions.append(1000 * (times[1] - times[0]) / (most - 1))
    return statistics.median(repetitions), written


def measure(side: str, what: str, dtype: str, name: str, seconds: float, tokens: int = NEW_TOKENS) -> dict[str, Any]:
    """The figures of one side's training or writing in one dtype, or of the floor."""
    if side == "floor":
        return floor(load_base(name))
    if what == "train":
        return training_figures(side, dtype, name, seconds)
    if side == "prefix_core":
        job = work(load_base(name, dtype=dtype))
        figures = writing_figures(write_here, job, seconds, tokens)
        if job.base.modules is None:
            panes, _ = decoding_speed(panes_here, job, PANES, seconds, tokens)
            figures["milliseconds_per_token_panes"] = round(panes, 2)
        figures["alone"] = bool(job.base.begin)
        return {**figures, "peak_megabytes": peak_megabytes()}
    job = work(load_base(name))
    job.base.model.set_attn_implementation("sdpa")
    torch.nn.Module.to(job.base.model, DTYPES[dtype])
    counts = {1, torch.get_num_threads()}
    at_each = []
    for threads in counts:
        torch.set_num_threads(threads)
        at_each.append(writing_figures(write_by_transformers, job, seconds / len(counts), tokens))
    best = {key: min(figures[key] for figures in at_each) for key in at_each[0] if key != "written"}
    return {**best, "written": at_each[0]["written"], "peak_megabytes": peak_megabytes()}


def training_figures(side: str, dtype: str, name: str, seconds: float) -> dict[str, Any]:
    base, constant = load_base(name), {}
    job = work(base)
    if side == "peft":
        base.model.set_attn_implementation("sdpa")  # transformers' own again
        step = train_by_peft(job, dtype == "bf16")
    else:
        step = train_here(job, dtype)
        constant = {"parameters": base.parameters, "alone": bool(base.begin)}
        constant |= {"kept": base.shape.prefix_parameters(PREFIX_LENGTH), "kept_at_5": base.shape.prefix_parameters(5)}
    speed, _ = training_speed(step, job.batches, seconds / 2)
    _, texts = training_speed(step, job.in_fours, seconds / 2)
    figures = {"training_tokens_per_second": round(speed, 1), "training_texts_per_second_in_fours": round(texts, 2)}
    return {**constant, **figures, "training_peak_megabytes": peak_megabytes()}


def writing_figures(
    write: Callable[[Work, int, int], list[list[int]]], job: Work, seconds: float, tokens: int
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for rows in ROWS:
        milliseconds, written = decoding_speed(write, job, rows, seconds, tokens)
        figures[f"milliseconds_per_token_{rows}"] = round(milliseconds, 2)
    return {**figures, "written": written}


def floor(base: Base) -> dict[str, float]:
    """What the machine allows: reading in GB/s, arithmetic in GFLOP/s, and what follows for one row and for training.

    A token of one row reads every matrix once. A token learned from multiplies every layer's matrices forward and
    backward, and a target token, about every other one, the output layer's, too.
    """
    bandwidth, multiplied = _bandwidth(), _arithmetic()
    layers = sum(tensor.numel() for name, tensor in base.tensors.items() if tensor.ndim == 2) - base.embedding_size
    each = 4 * layers + 4 * base.embedding_size * TARGET_SHARE
    return {
        "gigabytes_per_second": round(bandwidth, 1),
        "gigaflops": round(multiplied, 1),
        "milliseconds_per_token": round(base.bytes / bandwidth / 1e6, 2),
        "training_tokens_per_second": round(multiplied * 1e9 / each, 1),
    }


def _bandwidth() -> float:
    """GB/s at which memory is read, a large tensor added up by all threads; the best of ten."""
    large, best = torch.ones(100_000_000), 0.0
    for _ in range(10):
        began = time.perf_counter()
        large.sum()
        best = max(best, 0.4 / (time.perf_counter() - began))
    return best


def _arithmetic() -> float:
    """GFLOP/s of a large fp32 product, by the faster of the two ways in which matrices are multiplied here."""
    x, weight = torch.randn(1024, 1024), torch.randn(1024, 1024)
    ways: list[Product] = [Dense(weight)]
    if half_products():
        ways.append(HalfDense([weight.half()]))
    best = 0.0
    for way in ways * 10:
        began = time.perf_counter()
        way(x)
        best = max(best, 2 * 1.024**3 / (time.perf_counter() - began))
    return best


def peak_megabytes() -> float:
    """This process's peak of memory. Linux hands `ru_maxrss` down from the process that started it, but not VmHWM."""
    try:
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1e3
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return round(peak, 1)


if __name__ == "__main__":
    which, job, kind, place, budget, count = sys.argv[1:]
    print(json.dumps(measure(which, job, kind, place, float(budget), int(count))))
