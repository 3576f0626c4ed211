"""The training loop: one run file in, checkpoints and a loss curve out; the same on CPU and CUDA.

The learning rate warms up, stays, and decays to zero (Hu et al. 2024), along the steps of the run file or, given a
time budget, along the clock, so that the decay ends on time whatever else the machine does.
"""

import json
import math
import shutil
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from prefix_core import loss
from prefix_core.base import native_bf16
from prefix_core.errors import InputError
from prefix_core.gpt2 import Attend, read_network
from prefix_core.pretrain.grow import grow
from prefix_core.pretrain.optimizer import optimizers_for
from prefix_core.pretrain.rows import Prepared, prepare
from prefix_core.pretrain.tokenizer import token_bytes

PROMPTS = [  # what a sample continues: facts in two forms, and plain prose
    "name : Tormar House | type : museum | city : Belwyn | opened : 1987\n",
    "title[Iron Lantern], genres[puzzle, adventure], developer[Delkor Works], rating[good]\n",
    "The old harbour of",
]


def read_run_file(path: Path | str) -> dict[str, Any]:
    """The settings of a run. Raises InputError if the file is missing, broken, or lacks a section."""
    try:
        settings = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read the run file {path}: {error}") from error
    if missing := {"seed", "model", "data", "mixture", "training"} - settings.keys():
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}")
    return settings


def new_model(sizes: dict[str, int], seed: int) -> GPT2LMHeadModel:
    """A GPT-2 of the given shape with GPT-2's initialisation, without dropout; `<|endoftext|>` is token 0."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=sizes["vocabulary"],
        n_positions=sizes["positions"],
        n_embd=sizes["hidden"],
        n_layer=sizes["layers"],
        n_head=sizes["heads"],
        activation_function="gelu_new",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def hidden_states(model: GPT2LMHeadModel, window: int | None = None) -> Callable[[Tensor], Tensor]:
    """A function from tokens (B, T) to the final hidden states (B * T, hidden).

    window: attention spans only so many tokens, T being a multiple of it, and starts afresh after them: most documents
    are shorter, and a processor pays for attention by the square of what it spans.
    """
    network = read_network(model)

    def states(tokens: Tensor) -> Tensor:
        count, length = tokens.shape

        def causal(_: int, *projected: Tensor) -> Tensor:
            q, k, v = (x.view(-1, window or length, network.heads, x.shape[-1]).transpose(1, 2) for x in projected)
            return F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(count * length, -1)

        attend: Attend = causal
        positions = torch.arange(length, device=tokens.device).repeat(count)
        return network.hidden(tokens.reshape(-1), positions, attend)

    return states


def token_losses(model: GPT2LMHeadModel) -> Callable[[Tensor], Tensor]:
    """A function from rows (B, T + 1) to the loss of every target, (B, T), in nats."""
    states, head = hidden_states(model), model.lm_head.weight

    def losses(rows: Tensor) -> Tensor:
        found = loss.token_losses(states(rows[:, :-1]), head.detach(), rows[:, 1:].reshape(-1))
        return found.view(len(rows), -1)

    return losses


def rate(progress: float, warm_up: float, decay: float) -> float:
    """Share of the full learning rate at `progress` (0 to 1): up over `warm_up`, level, down to 0 over `decay`."""
    return max(0.0, min(1.0, progress / warm_up if warm_up else 1.0, (1 - progress) / decay if decay else 1.0))


@torch.no_grad()
def bits_per_byte(model: GPT2LMHeadModel, prepared: Prepared) -> dict[str, float]:
    """Held-out loss by source, comparable between tokenizers."""
    losses = token_losses(model)
    sizes = torch.tensor(token_bytes(prepared.tokenizer))
    measured = {}
    for source, rows in prepared.held_out.items():
        tokens = torch.from_numpy(rows.astype(np.int64))
        nats = sum(losses(row[None].to(model.device)).sum().item() for row in tokens)
        measured[source] = nats / math.log(2) / sizes[tokens[:, 1:]].sum().item()
    return measured


@torch.no_grad()
def samples(model: GPT2LMHeadModel, prepared: Prepared, new_tokens: int = 40) -> list[str]:
    """Greedy continuations of PROMPTS, each after `<|endoftext|>` as in training."""
    end, written = prepared.tokenizer.eos_token_id, []
    for prompt in PROMPTS:
        ids = torch.tensor([[end, *prepared.tokenizer(prompt)["input_ids"]]], device=model.device)
        output = model.generate(  # type: ignore[misc]
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens, do_sample=False, pad_token_id=end
        )
        written.append(str(prepared.tokenizer.decode(output[0, 1:], skip_special_tokens=True)))
    return written


def save_checkpoint(path: Path, model: GPT2LMHeadModel, optimizers: list[torch.optim.Optimizer], state: dict) -> None:
    """Everything a run goes on from; written beside the old one first, so that a kill never leaves half a file."""
    saved = {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers], **state}
    torch.save(saved, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def pretrain(
    run_file: Path | str,
    out: Path | str,
    minutes: float | None = None,
    resume: bool = True,
    report: Callable[[str], object] = print,
) -> Path:
    """Train what `run_file` describes in the folder `out`, and return the path of the last checkpoint.

    The state before the rate decays is kept as `before_decay.pt`: put in the checkpoint's place, a run of more steps or
    minutes goes on from it and is annealed later.

    minutes: if given, train that long (checkpoints, measuring and time before a resume included) instead of the run
    file's number of steps. resume: go on from `out`'s checkpoint if there is one. Nothing is drawn at random after the
    model's initialisation, so a resumed run of a given number of steps gives the same weights as an uninterrupted one.
    Raises InputError for a run file or data that cannot be used.
    """
    settings, out = read_run_file(run_file), Path(out)
    plan = settings["training"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    prepared = prepare(settings, out, report)
    model = new_model(settings["model"], settings["seed"])
    if "start" in settings:
        grow(model, prepared.tokenizer, settings["start"])
    model.to(device)  # type: ignore[arg-type]
    optimizers = optimizers_for(model, plan["muon"], plan["adamw"], plan["weight_decay"])
    full_rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    checkpoint, state, steady = out / "checkpoint.pt", {"step": 0, "seconds": 0.0}, False
    if resume and checkpoint.exists():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        state = {"step": saved["step"], "seconds": saved["seconds"]}
        report(f"resuming at step {state['step']}")
    half = device.type == "cuda" or native_bf16()
    compiled = torch.compile if shutil.which("g++") or shutil.which("clang++") else lambda states: states
    narrow, wide = (compiled(hidden_states(model, window)) for window in (plan.get("window"), None))
    head = model.lm_head.weight
    tokens_a_step = plan["rows"] * settings["model"]["positions"]
    began = time.monotonic() - state["seconds"]
    measured_at = saved_at = shown_at = state["seconds"]
    shown_step, recent = state["step"], torch.zeros((), device=device)

    def progress() -> float:
        return state["seconds"] / (60 * minutes) if minutes else state["step"] / plan["steps"]

    def left_after(seconds: float) -> float:
        return max(0.0, seconds * (1 / progress() - 1))

    with (out / "log.jsonl").open("a", encoding="utf-8") as log:

        def note(**values: object) -> None:
            log.write(json.dumps({"step": state["step"], "seconds": round(state["seconds"], 1), **values}) + "\n")
            log.flush()

        def measure() -> None:
            held_out, texts = bits_per_byte(model, prepared), samples(model, prepared)
            note(held_out=held_out, samples=texts)
            report("held out, bits per byte: " + "  ".join(f"{name} {bits:.3f}" for name, bits in held_out.items()))
            report("\n".join(map(repr, texts)))

        cores = f"{torch.get_num_threads()} CPU core{'s' * (torch.get_num_threads() > 1)}"
        note(device=torch.cuda.get_device_name() if device.type == "cuda" else cores)
        while progress() < 1:
            first = state["step"] * plan["rows"]
            indices = np.arange(first, first + plan["rows"]) % len(prepared.rows)
            rows = torch.from_numpy(prepared.rows[indices].astype(np.int64)).to(device)
            states = wide if progress() >= plan.get("whole", 0.0) else narrow
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                hidden = states(rows[:, :-1])
            dtype = torch.bfloat16 if half else hidden.dtype
            step_loss = loss.mean_loss(hidden.to(dtype), head.to(dtype), rows[:, 1:].reshape(-1))
            step_loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan["clip"])
            share = rate(progress() or 1 / plan["steps"], plan["warm_up"], plan["decay"])
            if steady and share < 1:
                save_checkpoint(out / "before_decay.pt", model, optimizers, state)
            steady = share == 1
            for optimizer, full in zip(optimizers, full_rates, strict=True):
                optimizer.param_groups[0]["lr"] = full * share
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            recent += step_loss.detach()
            state = {"step": state["step"] + 1, "seconds": time.monotonic() - began}
            if state["step"] % 10 == 0 or progress() >= 1:
                mean, steps = recent.item() / (state["step"] - shown_step), state["step"] - shown_step
                speed = steps * tokens_a_step / (state["seconds"] - shown_at)
                left = left_after(state["seconds"])
                seen = state["step"] * tokens_a_step
                note(loss=round(mean, 4), tokens=seen, rate=round(share, 4), tokens_per_second=round(speed))
                rest = f"{speed:,.0f} tokens/s  {left / 60:.1f} min left"
                report(f"step {state['step']}  {seen / 1e6:.2f}M tokens  loss {mean:.3f}  {rest}")
                recent.zero_()
                shown_at, shown_step = state["seconds"], state["step"]
            if state["seconds"] - saved_at > 60 * plan["checkpoint_minutes"]:
                save_checkpoint(checkpoint, model, optimizers, state)
                saved_at = state["seconds"]
            # not shortly before the end: the time it takes would be missing from the decay
            if state["seconds"] - measured_at > 60 * plan["measure_minutes"] < left_after(state["seconds"]):
                measure()
                measured_at = time.monotonic() - began
                shown_at += measured_at - state["seconds"]  # the steps since then took no longer for it
                state["seconds"] = measured_at
        save_checkpoint(checkpoint, model, optimizers, state)
        measure()
    return checkpoint
