"""A prefix among the model's own tokens: keys or values of one layer, along the directions in which they differ most.

A learned key competes with the keys of words in the same attention, and a learned value is added to theirs, so each is
set against the same layer's keys or values of tokens, never against those of another layer or the bare embeddings.
Where positions are rotary, keys are compared as they were before their positions turned them, a prefix's as well: a
turned key depends on where its token stood, and a token's average would be smeared over all its places.

Which tokens: those of our own sample text (assets/examples), the most frequent first, then the first that the tokenizer
learned, which are the most frequent of its own text. The sample is read as it is, and again with every sixth token
replaced by one that it lacks, until each of those has appeared in three places; every token is averaged over all its
places. (Lists of the missing tokens would do, too, but then the picture would mostly show which ones came from a list.)
The end token that begins each row is context only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import cycle
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.methods.prefix import History
from prefix_core.model.base import AnyNetwork, Base
from prefix_core.model.network import Network, turn
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.places import ASSETS
from prefix_core.studies.view import FITS, PARTS, Fit, Neighbour, Part, Trajectory, Vectors, View
from prefix_core.tasks import TASKS

TOKENS = 2000
NEIGHBOURS = 5
DIRECTIONS = 3
SAMPLE = ASSETS / "examples" / "sample_text.txt"
ROW = 128  # tokens of a row
APART, PLACES = 6, 3  # tokens that our text lacks: how far from one another they are put into it, how often each
TOGETHER = 16  # rows


class Neighbourhood(NamedTuple):
    """Finds the tokens nearest to a vector in one layer. of_tokens: those nearest to each token, without itself."""

    index: NearestNeighbors
    of_tokens: list[list[Neighbour]]
    typical: float


class Space:
    """The tokens of one base. The sample is read once, for all layers, when the first view is asked for."""

    def __init__(self, base: Base, size: int = TOKENS) -> None:
        self.base, self.size = base, size
        self._near: dict[tuple[int, Part, bool], Neighbourhood] = {}

    @cached_property
    def ids(self) -> list[int]:
        """The tokens, those of our text first."""
        return frequent_tokens(self.base, self._text, self.size)

    @cached_property
    def texts(self) -> list[str]:
        """How each token is spelled, its leading space included."""
        return [self.base.decode([token]) for token in self.ids]

    @property
    def from_text(self) -> int:
        """How many of the tokens occur in our text; the others are put into it."""
        return len(self._seen)

    @cached_property
    def averages(self) -> Tensor:
        """Keys and values of every token, averaged over its places: (2, layers, tokens, kv_heads * head_dim)."""
        missing = [token for token in self.ids if token not in self._seen]
        rows = [*self._text, *altered(self._text, missing)]
        return average_keys_values(self.base, [[self.base.end, *row] for row in rows], self.ids)

    def vectors(self, layer: int, part: Part, bare: bool = False) -> Vectors:
        """The tokens' keys or values in one layer (from 0). bare: the embeddings alone, projected by the first layer.

        Raises `InputError` for a layer that there is not, or bare embeddings of a later one.
        """
        if not 0 <= layer < self.base.shape.layers:
            raise InputError(f"There is no layer {layer + 1}; this base has layers 1 to {self.base.shape.layers}.")
        if part not in PARTS:
            raise InputError(f"'{part}' cannot be shown. Choose one of: {', '.join(PARTS)}.")
        if not bare:
            return self.averages[PARTS.index(part), layer].numpy()
        if layer:
            raise InputError("Bare embeddings are what the first layer reads; choose layer 1, or tokens in text.")
        return project(self.base, self.ids)[PARTS.index(part)].numpy()

    def view(
        self,
        prefixes: Mapping[str, Prefix],
        layer: int,
        part: Part = "keys",
        fit: Fit = "tokens",
        bare: bool = False,
        histories: Mapping[str, History] | None = None,
    ) -> View:
        """The tokens and these prefixes of the base, in one layer (from 0).

        histories: by name, of those prefixes whose history is known. Raises `InputError` for a choice that there is
        not, and for a fit on too few vectors.
        """
        if fit not in FITS:
            raise InputError(f"There is no fit on '{fit}'. Choose one of: {', '.join(FITS)}.")
        tokens = self.vectors(layer, part, bare)
        network = self.base.network
        learned = {name: prefix_vectors(network, prefix, layer, part) for name, prefix in prefixes.items()}
        sets = {"tokens": [tokens], "prefixes": [*learned.values()], "both": [tokens, *learned.values()]}
        fitted = np.concatenate([tokens[:0], *sets[fit]])
        if len(fitted) <= DIRECTIONS:
            raise InputError(
                f"The chosen prefixes have {len(fitted)} vectors together; {DIRECTIONS} directions need more than "
                f"{DIRECTIONS}. Choose more prefixes, or fit on the tokens."
            )
        pca = PCA(DIRECTIONS, random_state=0).fit(fitted)
        near = self._neighbours(layer, part, bare, tokens)
        return View(
            layer=layer,
            part=part,
            fit=fit,
            bare=bare,
            dimensions=tokens.shape[1],
            texts=self.texts,
            tokens=pca.transform(tokens),
            prefixes={name: pca.transform(vectors) for name, vectors in learned.items()},
            variance=pca.explained_variance_ratio_,
            nearest={name: nearest(near.index, vectors) for name, vectors in learned.items()},
            near=near.of_tokens,
            typical=near.typical,
            ways={name: self._way(history, layer, part, pca) for name, history in (histories or {}).items()},
        )

    def _way(self, history: History, layer: int, part: Part, pca: PCA) -> Trajectory:
        """How a prefix came where it is, along the directions of a picture."""
        steps = [(step, prefix_vectors(self.base.network, then, layer, part)) for step, then in history.steps]
        moved = np.linalg.norm(steps[-1][1] - steps[0][1], axis=1)
        placed = tuple((step, pca.transform(vectors)) for step, vectors in steps)
        return Trajectory(history.words, tuple(moved.tolist()), placed, history.whole)

    def _neighbours(self, layer: int, part: Part, bare: bool, tokens: Vectors) -> Neighbourhood:
        """Euclidean, not cosine: attention does not change when one vector is added to every key, nor does the
        Euclidean distance, while the cosine between any two keys is mostly that of what all keys share."""
        wanted = (layer, part, bare)
        if wanted not in self._near:
            index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(tokens) - 1), algorithm="brute").fit(tokens)
            own = nearest(index)
            self._near[wanted] = Neighbourhood(index, own, float(np.median([row[0].distance for row in own])))
        return self._near[wanted]

    @cached_property
    def _text(self) -> list[list[int]]:
        """Our own writing as rows of tokens."""
        pieces = SAMPLE.read_text(encoding="utf-8").split("\n\n")
        for task in TASKS.values():
            pieces += [task.prompt(example.source) + example.references[0] for example in task.pool()]
        longest = min(ROW, self.base.shape.positions) - 1
        encoded = [self.base.encode(piece.strip()) for piece in pieces]
        return [row[start : start + longest] for row in encoded for start in range(0, len(row), longest)]

    @cached_property
    def _seen(self) -> set[int]:
        return set(self.ids) & {token for row in self._text for token in row}


def frequent_tokens(base: Base, rows: Sequence[Sequence[int]], size: int) -> list[int]:
    """The tokens of `rows`, the most frequent first, then the tokenizer's from the first; only those one can read."""
    counts = Counter(token for row in rows for token in row)
    ranked = [token for token, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    known = [*ranked, *(token for token in range(base.shape.vocabulary) if token not in counts)]
    return [token for token in known if readable(base.decode([token]))][:size]


def readable(text: str) -> bool:
    """Whether a token is a word, a part of one, a number or a mark, and not half of a character."""
    return bool(text.strip()) and text.isprintable() and "�" not in text


def altered(rows: Sequence[Sequence[int]], missing: Sequence[int]) -> list[list[int]]:
    """As many of the rows, over and over, as it takes to put each missing token in some places among other words."""
    waiting = [token for round_ in range(PLACES) for token in Random(round_).sample(missing, len(missing))]
    long_rows = cycle(row for row in rows if len(row) >= APART)
    changed = []
    while waiting:
        row = list(next(long_rows))
        for place in range(APART - 1, len(row), APART):
            if waiting:
                row[place] = waiting.pop()
        changed.append(row)
    return changed


@torch.no_grad()
def average_keys_values(base: Base, rows: Sequence[Sequence[int]], tokens: Sequence[int]) -> Tensor:
    """Mean keys and values of `tokens` wherever they stand in `rows`: (2, layers, tokens, kv_heads * head_dim).

    Keys as they are before their positions turn them.
    """
    shape, device = base.shape, base.device
    place = torch.full((shape.vocabulary,), len(tokens), device=device)  # all others go to one last place
    place[torch.tensor(tokens, device=device)] = torch.arange(len(tokens), device=device)
    sums = torch.zeros(2, shape.layers, len(tokens) + 1, shape.kv_heads * shape.head_dim, device=device)
    counts = torch.zeros(len(tokens) + 1, device=device)
    for start in range(0, len(rows), TOGETHER):
        batch = rows[start : start + TOGETHER]
        where = place[torch.tensor([token for row in batch for token in row], device=device)]
        positions = torch.cat([torch.arange(len(row), device=device) for row in batch])

        def add(layer: int, keys: Tensor, values: Tensor, where: Tensor = where, at: Tensor = positions) -> None:
            for part, heads in enumerate((turned_back(base.network, keys, at), values)):
                sums[part, layer].index_add_(0, where, heads.flatten(1).float())

        counts.index_add_(0, where, torch.ones_like(where, dtype=counts.dtype))
        forward(base, base.network, batch, [[[]]] * len(batch), [None] * len(batch), watch=add)
    return (sums / counts.clamp(min=1)[:, None])[:, :, :-1].cpu()


@torch.no_grad()
def project(base: Base, tokens: Sequence[int]) -> Tensor:
    """Token embeddings, without a position, through the first layer's norm and its projection to keys and values.

    Returns (2, tokens, kv_heads * head_dim), fp32.
    """
    network = base.layered("the projection of tokens")
    first = network.layers[0]
    embedded = network.embed(torch.tensor(tokens, device=base.device))
    _, keys, values = first.queries_keys_values(embedded, network.heads, network.kv_heads, None)
    return torch.stack([keys.flatten(1), values.flatten(1)]).float().cpu()


def prefix_vectors(network: AnyNetwork, prefix: Prefix, layer: int, part: Part) -> Vectors:
    """One layer's keys or values of a prefix, keys before their positions turn them: (P, kv_heads * head_dim)."""
    chosen = (prefix.keys if part == "keys" else prefix.values)[layer].detach().float()
    if part == "keys":
        chosen = turned_back(network, chosen, torch.arange(prefix.length, device=chosen.device))
    vectors: Vectors = chosen.flatten(1).cpu().numpy()
    return vectors


def turned_back(network: AnyNetwork, keys: Tensor, positions: Tensor) -> Tensor:
    """Keys (N, kv_heads, head_dim) as they were before rotary positions turned them.

    Those of a base that runs by the modules of `transformers` stay as these keep them.
    """
    if not isinstance(network, Network):
        return keys
    turns = network.positions.turns(-positions.to(network.device))
    return keys if turns is None else turn(keys.to(network.device).float(), turns)


def nearest(index: NearestNeighbors, vectors: Vectors | None = None) -> list[list[Neighbour]]:
    """The nearest tokens of each vector, the nearest first; without vectors, those of each token but itself."""
    distances, tokens = index.kneighbors(vectors)
    return [
        [Neighbour(int(token), float(distance)) for token, distance in zip(*row, strict=True)]
        for row in zip(tokens, distances, strict=True)
    ]
