"""Speed and memory against PEFT and `transformers.generate`: the same weights, prefix and inputs, in one run.

Every measurement (see `measurement`) has a process of its own, so that peak memory is its own, too; the sides take
turns, in several rounds, and the median counts, since a machine is not always equally fast. A model of full size is
measured with random weights: what it takes does not depend on them, and nothing has to be fetched.

Requires `peft`. An encoder-decoder is measured alone: neither of them has a place for its three prefixes. bf16 is
measured where the processor multiplies it.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PreTrainedModel

from prefix_core.errors import BaseError
from prefix_core.model.base import native_bf16
from prefix_core.model.loading import DTYPES, load_base
from prefix_core.places import DEFAULT_BASE, EVIDENCE
from prefix_core.studies.evidence import FULL_SIZE
from prefix_core.studies.measurement import CONSTANT, NEW_TOKENS, PREFIX_LENGTH, ROWS

ROUNDS = 3
SIDES = ("prefix_core", "peft", "transformers")
RUNS = (("prefix_core", "train"), ("peft", "train"), ("prefix_core", "write"), ("transformers", "write"))
ALONE = "PEFT and transformers have no place for an encoder-decoder's three prefixes"
# By the names the real ones have on the Hub; what is not said is the architecture's own default.
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2"},
    "gpt2-medium": {"model_type": "gpt2", "n_layer": 24, "n_embd": 1024, "n_head": 16},
    "bart-large": {"model_type": "bart"},
}


def bench(
    base: str = DEFAULT_BASE, seconds: float = 10.0, tokens: int = NEW_TOKENS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """All measurements, each of about `seconds`: side -> dtype -> figures; then the ratios and whether outputs agree.

    Raises `BaseError` if a measurement fails, with its last line.
    """
    if find_spec("peft") is None:
        raise BaseError("bench measures against PEFT, which is not installed: pip install peft")
    result: dict[str, Any] = {"base": base, "threads": torch.get_num_threads(), "prefix_length": PREFIX_LENGTH}
    result["tokens"] = tokens
    dtypes = measured_dtypes()
    for dtype in dtypes:
        rounds_of: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for side, what in RUNS * rounds:
            if side == "prefix_core" or "not_compared" not in result:
                figures = _apart(side, what, dtype, base, seconds / rounds, tokens)
                result |= {name: figures.pop(name) for name in CONSTANT if name in figures}
                if figures.pop("alone", False):
                    result["not_compared"] = ALONE
                rounds_of.setdefault((side, what), []).append(figures)
        for (side, _), each in rounds_of.items():
            result.setdefault(side, {}).setdefault(dtype, {}).update(middle(each))
    result["floor"] = _apart("floor", "", "fp32", base, seconds / rounds, tokens)
    ours, theirs = (
        {dtype: figures.pop("written") for dtype, figures in result.get(side, {}).items()}
        for side in ("prefix_core", "transformers")
    )
    if theirs:
        result["greedy_agreement"] = {dtype: _agreement(ours[dtype], theirs[dtype]) for dtype in dtypes}
        result["times_faster"] = _ratios(result, dtypes)
    return result


def measured_dtypes() -> tuple[str, ...]:
    """fp32, and bf16 where it is multiplied in hardware: emulated it would take minutes a step."""
    return tuple(DTYPES) if native_bf16() else ("fp32",)


def _apart(side: str, what: str, dtype: str, base: str, seconds: float, tokens: int) -> dict[str, Any]:
    """A measurement in a process of its own. Raises `BaseError` with its last line."""
    command = [sys.executable, "-m", "prefix_core.studies.measurement", side, what, dtype, base]
    done = subprocess.run([*command, str(seconds), str(tokens)], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BaseError(f"measuring {side} in {dtype} failed: {last}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of every figure; what is no figure is the same in all rounds."""
    numbers = (int, float)
    return {
        name: statistics.median(figures[name] for figures in rounds) if isinstance(value, numbers) else value
        for name, value in rounds[0].items()
    }


def bench_shape(shape: str, seconds: float = 10.0, tokens: int = NEW_TOKENS, rounds: int = ROUNDS) -> dict[str, Any]:
    """The same on a model of full size with random weights, which lies in a temporary folder meanwhile."""
    with TemporaryDirectory() as folder:
        result = bench(str(write_random(shape, Path(folder) / shape)), seconds, tokens, rounds)
    return result | {"base": f"{shape}, random weights"}


def record(shape: str, result: dict[str, Any], path: Path = EVIDENCE / FULL_SIZE) -> None:
    """Keep the result under its shape's name."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[shape] = result
    ordered = {name: known[name] for name in SHAPES if name in known}
    path.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def table(result: dict[str, Any]) -> str:
    """The result for reading."""
    lines = [
        f"base {result['base']}, {result['parameters']:,} parameters, {result['threads']} threads",
        f"prefix of {result['prefix_length']}, {result['kept']:,} parameters ({result['kept_at_5']:,} of one of 5)",
    ]
    for side in SIDES:
        for dtype, figures in result.get(side, {}).items():
            numbers = "  ".join(f"{name} {value:,.1f}" for name, value in figures.items())
            lines.append(f"{side:<13} {dtype}  {numbers}")
    if "not_compared" in result:
        return "\n".join([*lines, f"not compared: {result['not_compared']}"])
    floor = "  ".join(f"{name} {value:,.1f}" for name, value in result["floor"].items())
    lines += [f"floor         fp32  {floor}"]
    lines += [f"{name}: {value}x" for name, value in result["times_faster"].items()]
    lines += [f"greedy tokens equal to transformers', {d}: {s:.1%}" for d, s in result["greedy_agreement"].items()]
    return "\n".join(lines)


def _ratios(result: dict[str, Any], dtypes: Sequence[str]) -> dict[str, float]:
    ours, peft, theirs = (result[side] for side in SIDES)
    ratios: dict[str, float] = {}
    for dtype in dtypes:
        for what, figure in (("", "training_tokens_per_second"), (" in fours", "training_texts_per_second_in_fours")):
            ratios[f"training{what}, {dtype}, against PEFT"] = ours[dtype][figure] / peft[dtype][figure]
        memory = "training_peak_megabytes"
        ratios[f"training memory, {dtype}, of PEFT's"] = ours[dtype][memory] / peft[dtype][memory]
        for rows in ROWS:
            name = f"milliseconds_per_token_{rows}"
            ratios[f"decoding {rows} rows, {dtype}"] = theirs[dtype][name] / ours[dtype][name]
        one, panes = (ours[dtype].get(f"milliseconds_per_token_{rows}") for rows in (1, "panes"))
        if panes:
            ratios[f"time of four panes, {dtype}, of one"] = panes / one
    one = ours["fp32"]["milliseconds_per_token_1"]
    ratios["decoding 1 row, fp32, of the floor"] = one / result["floor"]["milliseconds_per_token"]
    ratios["training, fp32, of the floor"] = (
        result["floor"]["training_tokens_per_second"] / ours["fp32"]["training_tokens_per_second"]
    )
    return {name: round(value, 2) for name, value in ratios.items()}


def _agreement(ours: list[list[int]], theirs: list[list[int]]) -> float:
    pairs = [pair for left, right in zip(ours, theirs, strict=True) for pair in zip(left, right, strict=True)]
    return sum(left == right for left, right in pairs) / len(pairs)


def write_random(name: str, folder: Path) -> Path:
    """A model of that shape, fp32, with the default base's tokenizer, whose tokens are the first of its vocabulary."""
    options = dict(SHAPES[name])
    config = AutoConfig.for_model(options.pop("model_type"), **options)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    torch.manual_seed(0)
    model: PreTrainedModel = auto.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    load_base().tokenizer.save_pretrained(folder)
    return folder
