"""A trained base -> the start of a larger one that, at first, writes the same (Chen et al. 2016, Net2Net).

On a processor every token costs, so what a smaller base has learned is worth more than a fresh start: its layers are
kept, repeated ones begin as no change at all, new words begin as the mean of the old words they are made of, and
positions beyond the old context begin as copies of earlier ones.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerBase

from prefix_core.errors import InputError


@torch.no_grad()
def grow(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, start: Path | str) -> None:
    """Fill `model`, whose words are `tokenizer`'s, with the weights of the base in the folder `start`.

    Raises InputError if the base is wider or deeper than `model`, or of another width.
    """
    if not (Path(start) / "config.json").exists():
        raise InputError(f"no base to start from in {start}: make it first, or leave `start` out of the run file")
    old: Any = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    have, want = old.config, model.config
    if have.n_embd != want.n_embd or have.n_head != want.n_head or have.n_layer > want.n_layer:
        raise InputError(
            f"{start} has {have.n_layer} layers of {have.n_embd} in {have.n_head} heads; it can only grow into as "
            f"many layers or more of the same width, not {want.n_layer} of {want.n_embd} in {want.n_head}"
        )
    body: Any = model.transformer
    body.wte.weight.copy_(words(old.transformer.wte.weight, AutoTokenizer.from_pretrained(start), tokenizer))
    body.wpe.weight.copy_(positions(old.transformer.wpe.weight, want.n_positions))
    body.ln_f.load_state_dict(old.transformer.ln_f.state_dict())
    seen = set()
    for index, block in enumerate(body.h):
        source = index * have.n_layer // want.n_layer
        block.load_state_dict(old.transformer.h[source].state_dict())
        if source in seen:  # what the block adds is nothing until it has learned something
            for projection in (block.attn.c_proj, block.mlp.c_proj):
                projection.weight.zero_()
                projection.bias.zero_()
        seen.add(source)


def words(old: Tensor, old_tokenizer: PreTrainedTokenizerBase, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """(old words, hidden) -> (words, hidden): the same word's vector, or the mean of those that spell it."""
    known = old_tokenizer.get_vocab()
    rows = []
    for word in tokenizer.convert_ids_to_tokens(list(range(len(tokenizer)))):
        text = tokenizer.convert_tokens_to_string([word])
        spelled = [known[word]] if word in known else old_tokenizer(text)["input_ids"]
        rows.append(old[spelled].mean(0))
    return torch.stack(rows)


def positions(old: Tensor, count: int) -> Tensor:
    """(old positions, hidden) -> (count, hidden): beyond the old context, its second half again and again."""
    half = len(old) // 2
    index = torch.arange(count)
    return old[torch.where(index < len(old), index, half + (index - len(old)) % (len(old) - half))]
