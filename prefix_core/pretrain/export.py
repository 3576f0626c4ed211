"""A checkpoint -> a model folder that `AutoModelForCausalLM` and `AutoTokenizer` load, with its model card."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from prefix_core.errors import ArtifactError
from prefix_core.pretrain.card import carried, model_card, steps_of
from prefix_core.pretrain.curve import loss_svg
from prefix_core.pretrain.rows import Prepared, prepare
from prefix_core.pretrain.run import new_model, read_run_file, token_losses

SHARD = "9MB"  # small enough for hosts that want files over 10 MB kept apart
TOLERANCE = 0.005  # nats a token that 16-bit storage may cost


@torch.no_grad()
def held_out_losses(model: GPT2LMHeadModel, prepared: Prepared) -> Tensor:
    """Mean loss at every position over all held-out rows, (positions,), in nats a token."""
    losses = token_losses(model)
    rows = torch.from_numpy(np.concatenate(list(prepared.held_out.values())).astype(np.int64))
    return torch.stack([losses(row[None])[0] for row in rows]).double().mean(0)


def stored_as(model: GPT2LMHeadModel, dtype: torch.dtype) -> GPT2LMHeadModel:
    """A float32 copy of the model whose weights are rounded to `dtype`."""
    return deepcopy(model).to(dtype).float()  # type: ignore[arg-type]


def export(
    run_file: Path | str, run_folder: Path | str, to: Path | str, report: Callable[[str], object] = print
) -> dict[str, float]:
    """Write the run's last checkpoint, finished or not, as a model folder.

    Weights are stored in half the bytes (float16 or bfloat16, whichever loses less) if that costs less than TOLERANCE.
    Returns the held-out losses {"float32", "float16", "bfloat16"}. Raises ArtifactError if there is no checkpoint.
    """
    settings, run_folder, to = read_run_file(run_file), Path(run_folder), Path(to)
    checkpoint = run_folder / "checkpoint.pt"
    if not checkpoint.exists():
        raise ArtifactError(f"{run_folder} has no checkpoint yet: run pretraining first")
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = new_model(settings["model"], settings["seed"])
    model.load_state_dict(saved["model"])
    prepared = prepare(settings, run_folder, report)
    candidates = {
        "float32": model,
        "float16": stored_as(model, torch.float16),
        "bfloat16": stored_as(model, torch.bfloat16),
    }
    by_position = {name: held_out_losses(candidate, prepared) for name, candidate in candidates.items()}
    losses = {name: found.mean().item() for name, found in by_position.items()}
    best = min(("float16", "bfloat16"), key=lambda name: abs(losses[name] - losses["float32"]))
    dtype = best if abs(losses[best] - losses["float32"]) < TOLERANCE else "float32"
    report("held-out loss " + ", ".join(f"{name} {loss:.5f}" for name, loss in losses.items()) + f"; stored as {dtype}")
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("model*.safetensors*"):
        old.unlink()
    model.to(getattr(torch, dtype)).save_pretrained(to, max_shard_size=SHARD)
    prepared.tokenizer.save_pretrained(to)
    # the weights are stored small, but processors compute in float32: what loads the folder widens them
    config = json.loads((to / "config.json").read_text(encoding="utf-8"))
    (to / "config.json").write_text(json.dumps({**config, "dtype": "float32"}, indent=2) + "\n", encoding="utf-8")
    log = [json.loads(line) for line in (run_folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    counts = json.loads((run_folder / "prepared.json").read_text(encoding="utf-8"))
    start = Path(settings["start"]) / "README.md" if "start" in settings else None
    before = None if start is None else carried(start.read_text(encoding="utf-8") if start.exists() else "")
    quarters = [quarter.mean().item() for quarter in by_position[dtype].tensor_split(4)]
    card = model_card(settings, model.num_parameters(), log, counts, losses, quarters, dtype, before)
    (to / "README.md").write_text(card, encoding="utf-8")
    curve = loss_svg([(line["tokens"] / 1e6, line["loss"]) for line in steps_of(log)])
    (to / "loss.svg").write_text(curve, encoding="utf-8")
    return losses
