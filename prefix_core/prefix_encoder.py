"""What is trained: the prefix itself, or the paper's reparameterization of it (section 4.3), dropped afterwards.

A prefix starts as the keys and values that the base computes for real words (section 7.4: it decides the results
when examples are few). The MLP learns what to add to them: its last layer starts at zero, so that with or without it
step 0 is exactly the activations of those words.
"""

import torch
from torch import Tensor, nn

from prefix_core.base import Base, Shape
from prefix_core.errors import InputError
from prefix_core.inject import Rows
from prefix_core.prefix import Prefix, stack


class PrefixEncoder(nn.Module):
    """Makes a `Prefix` when called. `start` is (2, layers, P, kv_heads, head_dim): keys, values at step 0.

    width: units of the MLP (the paper's 512 or 800); None trains keys and values directly.
    """

    start: Tensor

    def __init__(self, start: Tensor, shape: Shape, width: int | None, generator: torch.Generator) -> None:
        super().__init__()
        self.width = width
        if width is None:
            self.prefix = nn.Parameter(start.clone())
            return
        self.register_buffer("start", start.clone())
        length = start.shape[2]
        self.embedding = nn.Parameter(torch.randn(length, shape.hidden, generator=generator))
        self.inner = nn.Linear(shape.hidden, width)
        self.outer = nn.Linear(width, 2 * shape.layers * shape.kv_heads * shape.head_dim)
        with torch.no_grad():
            self.inner.weight.copy_(torch.randn(self.inner.weight.shape, generator=generator) / shape.hidden**0.5)
            self.inner.bias.zero_()
            self.outer.weight.zero_()
            self.outer.bias.zero_()

    def forward(self) -> Prefix:
        if self.width is None:
            keys, values = self.prefix
        else:
            rows = self.outer(torch.tanh(self.inner(self.embedding)))  # (P, 2 * layers * kv_heads * head_dim)
            two, layers, length, heads, size = self.start.shape
            keys, values = self.start + rows.view(length, two, layers, heads, size).permute(1, 2, 0, 3, 4)
        return Prefix(keys, values)


def parameters_trained(shape: Shape, length: int, width: int | None) -> int:
    """How many parameters training will move, known before it starts: with the MLP far more than are kept."""
    if width is None:
        return shape.prefix_parameters(length)
    out = 2 * shape.layers * shape.kv_heads * shape.head_dim
    return length * shape.hidden + (shape.hidden + 1) * width + (width + 1) * out


@torch.no_grad()
def word_start(base: Base, words: str, length: int) -> Tensor:
    """Keys and values of the end token, which begins every text, and of `words`, said until they make `length`.

    Returns (2, layers, length, kv_heads, head_dim) in fp32. Raises `InputError` if `words` holds no token.
    """
    tokens = base.encode(words)
    if not tokens:
        raise InputError("the initial words are empty; give a word or two that name the task, such as 'summarize:'")
    tokens = ([base.end] + tokens * (length // len(tokens) + 1))[:length]
    rows = Rows([length], stack([None], base.shape, base.network.tokens), room=1)
    base.network.hidden(torch.tensor(tokens, device=base.device), rows.positions, rows)
    caches = torch.stack(rows.keys + rows.values)  # (2 * layers, 1, kv_heads, slots, head_dim)
    return caches[:, 0, :, :length].transpose(1, 2).unflatten(0, (2, base.shape.layers)).float()


def random_start(shape: Shape, length: int, generator: torch.Generator) -> Tensor:
    """Random keys and values (standard deviation 0.02, as the networks' own weights): the paper's weaker choice."""
    return 0.02 * torch.randn(2, shape.layers, length, shape.kv_heads, shape.head_dim, generator=generator)
