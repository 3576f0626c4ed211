"""The README that goes with an artifact: what it is, where it comes from, how it is loaded, how it is trained again."""

from pathlib import Path
from shlex import quote
from typing import Any

from huggingface_hub import ModelCardData

from prefix_core.artifacts.artifacts import WHOLE_LAYERS, Card
from prefix_core.model import smollm2
from prefix_core.places import DEFAULT_BASE
from prefix_core.tasks.custom import NAME as CUSTOM

SCHEME = "hf:"  # before the name of an artifact on the Hub
README = "README.md"


def model_card(card: Card, artifact: str) -> str:
    """The README.md that goes with an artifact, from what its own card says; also the Hub's.

    artifact: a folder's name, or `hf:OWNER/NAME`, by which it is loaded.
    """
    base = base_on_the_hub(card.base)
    called = base or Path(card.base).name
    peft = card.method == "prefix" and card.settings.get("variant") != "infix"
    tags = ["prefix-tuning" if card.method == "prefix" else card.method.replace("_", "-"), card.task]
    data = ModelCardData(
        base_model=base, library_name="peft" if peft else None, pipeline_tag="text-generation", tags=tags
    )
    share = 100 * card.kept / card.base_parameters
    lines = [
        f"---\n{data.to_yaml()}\n---",
        f"# {artifact.removeprefix(SCHEME).split('/')[-1]}",
        f"A {card.method.replace('_', ' ')} for the task `{card.task}` on the frozen base `{called}`: {card.kept:,} "
        f"parameters, {share:.2f}% of the base's, {card.bytes:,} bytes.",
        "## Base\n",
        f"{called}, {card.base_parameters:,} parameters; hash of its weights `{card.base_hash}`. On a base "
        "with other weights it writes something else.",
        "## Learned from\n",
        _facts(card.data),
        f"{card.steps} steps, {card.seconds:.0f} s, {card.created}; held-out loss {card.held_out_loss}. Settings:\n",
        _facts(card.settings),
        "## Scores\n",
        _scores(card.scores),
        "## Load\n",
        _loading(card, artifact, base, peft),
        "## Train it again\n",
        f"```sh\n{train_command(card, artifact)}\n```",
    ]
    return "\n\n".join(line.rstrip("\n") for line in lines) + "\n"


def train_command(card: Card, artifact: str) -> str:
    """The command that repeats the training: the same data, settings and seed."""
    custom = card.task == CUSTOM
    options = {
        "base": card.base,
        "task": card.task,
        "template": card.data.get("template") if custom else None,
        "target": card.data.get("target") if custom else None,
        "method": card.method,
        "data": card.data.get("file") or card.data.get("name") or "ROWS",
        "seed": card.settings.get("seed"),
        "like": artifact,
        "out": "again",
    }
    given = " ".join(f"--{name} {quote(str(value))}" for name, value in options.items() if value is not None)
    return f"python -m prefix_core train {given}"


def base_on_the_hub(base: str) -> str | None:
    """The Hub's name of a base; None of one in a folder."""
    if base == DEFAULT_BASE:
        return smollm2.REPOSITORY
    return None if Path(base).exists() or base.count("/") > 1 or "\\" in base else base


def _facts(facts: dict[str, Any]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items() if value not in (None, "")) or "Not told."


def _scores(scores: dict[str, Any]) -> str:
    """A table a set; intervals beside their scores."""
    tables = []
    for name, found in scores.items():
        if not isinstance(found, dict):
            continue
        interval = found.get("interval") or {}
        rows = [
            f"| {score} | {value} | {' to '.join(map(str, interval[score])) if score in interval else ''} |"
            for score, value in found.items()
            if isinstance(value, (int, float))
        ]
        tables.append("\n".join([f"On `{name}`:\n", "| score | value | 95% |", "|---|---|---|", *rows]))
    return "\n\n".join(tables) or "Not scored."


def _loading(card: Card, artifact: str, base: str | None, peft: bool) -> str:
    command = f"python -m prefix_core generate --task {card.task} --method {card.method} --artifact {quote(artifact)}"
    parts = [f"```sh\n{command} --base {quote(card.base)} --text INPUT\n```"]
    if peft and base:
        file = f', gguf_file="{smollm2.FILE}"' if base == smollm2.REPOSITORY else ""
        parts.append(
            "Or with PEFT alone:\n\n```python\nfrom peft import PeftModel\n"
            "from transformers import AutoModelForCausalLM\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{base}"{file})\n'
            f'model = PeftModel.from_pretrained(model, "{artifact.removeprefix(SCHEME)}")\n```'
        )
    if card.method in WHOLE_LAYERS:
        parts.append("Its matrices are packed differences from the base's.")
    return "\n\n".join(parts)
