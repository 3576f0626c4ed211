"""What is trained: the prefix itself, or the paper's reparameterization of it (section 4.3), dropped afterwards.

A prefix starts as the keys and values that the base computes for real words (section 7.4: it decides the results
when examples are few). What is trained is what to add to them, zero at step 0, with or without the MLP.

Without it, the paper found training unstable. The keys and values of different layers are of very different size (in
SmolLM2 from 0.1 to 8), which one learning rate fits badly. Here each layer's learn in units of their own size, their
standard deviation; so trained, a prefix learns faster than through the MLP (assets/evidence/sweep.json).
"""

import torch
from torch import Tensor, nn

from prefix_core.methods.settings import LAYERS
from prefix_core.methods.start import said
from prefix_core.model.base import Base, Shape
from prefix_core.model.packed_batch import Rows
from prefix_core.model.prefix import Prefix, stack
from prefix_core.model.reading import like_keys, watched


class PrefixEncoder(nn.Module):
    """Makes a `Prefix` when called. `start` is (2, layers, P, kv_heads, head_dim): keys, values at step 0.

    units: (2, layers, 1, 1, 1), what a step of 1 adds to each layer's keys and values. width: units of the MLP (the
    paper's 512 or 800), None to train keys and values directly. learns: (layers,), those that are trained, None
    for all; the others stay as they start, and none of theirs is a parameter but of the MLP. An encoder-decoder's
    three sites have an embedding and an MLP each, as in the paper's code.
    """

    start: Tensor
    units: Tensor
    learning: Tensor

    def __init__(
        self,
        start: Tensor,
        shape: Shape,
        width: int | None,
        generator: torch.Generator,
        units: Tensor,
        learns: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.width = width
        learns = torch.ones(start.shape[1], dtype=torch.bool) if learns is None else learns
        sites = [len(layers) for layers in shape.sites.values()]
        self.sites: nn.ModuleList | None = None
        if width is not None and len(sites) > 1 and start.shape[1] == sum(sites):
            parts = zip(start.split(sites, 1), units.split(sites, 1), learns.split(sites), strict=True)
            self.sites = nn.ModuleList(PrefixEncoder(part, shape, width, generator, *of) for part, *of in parts)
            return
        self.register_buffer("start", start.clone())
        self.register_buffer("units", units.clone())
        self.register_buffer("learning", learns.nonzero().squeeze(1))
        if width is None:
            self.added = nn.Parameter(torch.zeros_like(start[:, learns]))
            return
        layers, length = start.shape[1:3]
        self.embedding = nn.Parameter(torch.randn(length, shape.hidden, generator=generator))
        self.inner = nn.Linear(shape.hidden, width)
        self.outer = nn.Linear(width, 2 * layers * shape.kv_heads * shape.head_dim)
        with torch.no_grad():
            self.inner.weight.copy_(torch.randn(self.inner.weight.shape, generator=generator) / shape.hidden**0.5)
            self.inner.bias.zero_()
            self.outer.weight.zero_()
            self.outer.bias.zero_()

    def forward(self) -> Prefix:
        if self.sites is not None:
            parts = [site() for site in self.sites]
            return Prefix(torch.cat([part.keys for part in parts]), torch.cat([part.values for part in parts]))
        added = self.added if self.width is None else self.through_mlp()[:, self.learning]
        if len(self.learning) == self.start.shape[1]:
            return Prefix(*(self.start + self.units * added))
        return Prefix(*self.start.index_add(1, self.learning, self.units[:, self.learning] * added))

    def through_mlp(self) -> Tensor:
        """What to add, as `start`."""
        rows = self.outer(torch.tanh(self.inner(self.embedding)))  # (P, 2 * layers * kv_heads * head_dim)
        two, layers, length, heads, size = self.start.shape
        added: Tensor = rows.view(length, two, layers, heads, size).permute(1, 2, 0, 3, 4)
        return added


def units_of(start: Tensor) -> Tensor:
    """The size of each layer's keys and values, their standard deviation: (2, layers, 1, 1, 1)."""
    return start.std((2, 3, 4), keepdim=True, correction=0)


def learning_layers(shape: Shape, layers: str) -> Tensor:
    """True for the layers in which a prefix is trained (see `settings.LAYERS`): (layers,)."""
    first, last = LAYERS[layers]
    sites = [[first <= place / len(site) < last for place in range(len(site))] for site in shape.sites.values()]
    return torch.tensor([learns for site in sites for learns in site])


def parameters_trained(shape: Shape, length: int, width: int | None, layers: str = "all") -> int:
    """How many parameters training will move, known before it starts: with the MLP far more than are kept."""
    if width is None:
        return shape.prefix_parameters(length) * int(learning_layers(shape, layers).sum()) // shape.prefix_layers
    out = 2 * shape.prefix_layers * shape.kv_heads * shape.head_dim
    return len(shape.sites) * (length * shape.hidden + (shape.hidden + 1) * width) + (width + 1) * out


class EmbeddingEncoder(nn.Module):
    """Makes a `Prefix` of input embeddings, which alone are trained (P, width): prompt tuning, the paper's section 7.2.

    Its keys and values are what the frozen base computes from them, as if they were the embeddings of P words. In an
    encoder-decoder they would depend on the input, which they see: it is refused with an `InputError`.
    """

    start: Tensor
    unit: Tensor

    def __init__(self, base: Base, words: str, length: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape, self.network = base.shape, base.network
        vocabulary = len(base.network.tokens)
        drawn = torch.randint(vocabulary, (length,), generator=generator).tolist()
        tokens = [*base.before, *said(base, words, length)][:length] if words else drawn
        start = base.network.embed(torch.tensor(tokens, device=base.device))
        self.register_buffer("start", start.detach().float().clone())
        self.register_buffer("unit", self.start.std(correction=0))
        self.added = nn.Parameter(torch.zeros_like(self.start))

    @property
    def embeddings(self) -> Tensor:
        return self.start + self.unit * self.added  # (P, width)

    def forward(self) -> Prefix:
        network, embeddings = self.network, self.embeddings
        rows = Rows([len(embeddings)], stack([None], self.shape, like_keys(network)))
        seen: list[tuple[Tensor, Tensor]] = []  # layer after layer: keys, values (P, kv_heads, head_dim)
        attend = watched(rows, lambda layer, keys, values: seen.append((keys, values)))
        network.hidden(embeddings.to(network.dtype), rows.positions, attend)
        keys, values = zip(*seen, strict=True)
        return Prefix(torch.stack(keys), torch.stack(values))
