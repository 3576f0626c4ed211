"""A prefix among the model's own tokens: keys or values of one layer, along the directions in which they differ most.

A learned key competes with the keys of words in the same attention, and a learned value is added to theirs, so each is
set against the same layer's keys or values of tokens, never against those of another layer or the bare embeddings.

Which tokens: those of our own sample text (assets/examples), the most frequent first, then the first that the tokenizer
learned, which are the most frequent of its own text. The sample is read as it is, and again with every sixth token
replaced by one that it lacks, until each of those has appeared in three places; every token is averaged over all its
places. (Lists of the missing tokens would do, too, but then the picture would mostly show which ones came from a list.)
The end token that begins each row is context only.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from random import Random
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from prefix_core.errors import InputError
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from prefix_core.model.reading import forward
from prefix_core.places import ASSETS
from prefix_core.tasks import TASKS

Part = Literal["keys", "values"]
Fit = Literal["tokens", "prefixes", "both"]
Vectors = NDArray[np.float32]  # (vectors, kv_heads * head_dim)
Points = NDArray[np.float32]  # (vectors, 3)

PARTS: tuple[Part, ...] = get_args(Part)
FITS: tuple[Fit, ...] = get_args(Fit)
TOKENS = 2000
NEIGHBOURS = 5
DIRECTIONS = 3
SAMPLE = ASSETS / "examples" / "sample_text.txt"
ROW = 128  # tokens of a row
APART, PLACES = 6, 3  # tokens that our text lacks: how far from one another they are put into it, how often each
TOGETHER = 16  # rows


class Neighbour(NamedTuple):
    """A token (its place among the tokens) and its Euclidean distance."""

    token: int
    distance: float


@dataclass(frozen=True)
class View:
    """Tokens and prefixes of one layer (from 0) along the directions of a PCA.

    fit: what the PCA was fitted on; variance: share of that set's variance along each direction (3,).
    texts: the tokens as spelled. tokens, prefixes: points, (tokens, 3) and, by name, (P, 3).
    nearest: by name, P times the nearest tokens, measured in the layer's own space.
    typical: the median distance from a token to the token nearest to it, a yardstick for those distances.
    """

    layer: int
    part: Part
    fit: Fit
    bare: bool
    texts: list[str]
    tokens: Points
    prefixes: dict[str, Points]
    variance: NDArray[np.float32]
    nearest: dict[str, list[list[Neighbour]]]
    typical: float
    pca: PCA

    def place(self, prefix: Prefix) -> Points:
        """Another prefix, such as an earlier step of the same training, along the same directions: (P, 3)."""
        points: Points = self.pca.transform(prefix_vectors(prefix, self.layer, self.part))
        return points


class Space:
    """The tokens of one base. The sample is read once, for all layers, when the first view is asked for."""

    def __init__(self, base: Base, size: int = TOKENS) -> None:
        self.base, self.size = base, size
        self._near: dict[tuple[int, Part, bool], tuple[NearestNeighbors, float]] = {}

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
        self, prefixes: Mapping[str, Prefix], layer: int, part: Part = "keys", fit: Fit = "tokens", bare: bool = False
    ) -> View:
        """The tokens and these prefixes of the base, in one layer (from 0).

        Raises `InputError` for a choice that there is not, and for a fit on too few vectors.
        """
        if fit not in FITS:
            raise InputError(f"There is no fit on '{fit}'. Choose one of: {', '.join(FITS)}.")
        tokens = self.vectors(layer, part, bare)
        learned = {name: prefix_vectors(prefix, layer, part) for name, prefix in prefixes.items()}
        sets = {"tokens": [tokens], "prefixes": [*learned.values()], "both": [tokens, *learned.values()]}
        fitted = np.concatenate([tokens[:0], *sets[fit]])
        if len(fitted) <= DIRECTIONS:
            raise InputError(
                f"The chosen prefixes have {len(fitted)} vectors together; {DIRECTIONS} directions need more than "
                f"{DIRECTIONS}. Choose more prefixes, or fit on the tokens."
            )
        pca = PCA(DIRECTIONS, random_state=0).fit(fitted)
        neighbours, typical = self._neighbours(layer, part, bare, tokens)
        return View(
            layer=layer,
            part=part,
            fit=fit,
            bare=bare,
            texts=self.texts,
            tokens=pca.transform(tokens),
            prefixes={name: pca.transform(vectors) for name, vectors in learned.items()},
            variance=pca.explained_variance_ratio_,
            nearest={name: nearest(neighbours, vectors) for name, vectors in learned.items()},
            typical=typical,
            pca=pca,
        )

    def _neighbours(self, layer: int, part: Part, bare: bool, tokens: Vectors) -> tuple[NearestNeighbors, float]:
        """Euclidean, not cosine: attention does not change when one vector is added to every key, nor does the
        Euclidean distance, while the cosine between any two keys is mostly that of what all keys share."""
        wanted = (layer, part, bare)
        if wanted not in self._near:
            index = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(tokens) - 1), algorithm="brute").fit(tokens)
            own, _ = index.kneighbors(n_neighbors=1)  # of the tokens themselves, each without itself
            self._near[wanted] = index, float(np.median(own))
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
    waiting = [token for turn in range(PLACES) for token in Random(turn).sample(missing, len(missing))]
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
    """Mean keys and values of `tokens` wherever they stand in `rows`: (2, layers, tokens, kv_heads * head_dim)."""
    shape, device = base.shape, base.device
    place = torch.full((shape.vocabulary,), len(tokens), device=device)  # all others go to one last place
    place[torch.tensor(tokens, device=device)] = torch.arange(len(tokens), device=device)
    sums = torch.zeros(2, shape.layers, len(tokens) + 1, shape.kv_heads * shape.head_dim, device=device)
    counts = torch.zeros(len(tokens) + 1, device=device)
    for start in range(0, len(rows), TOGETHER):
        batch = rows[start : start + TOGETHER]
        where = place[torch.tensor([token for row in batch for token in row], device=device)]

        def add(layer: int, keys: Tensor, values: Tensor, where: Tensor = where) -> None:
            for part, heads in enumerate((keys, values)):
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


def prefix_vectors(prefix: Prefix, layer: int, part: Part) -> Vectors:
    """One layer's keys or values of a prefix: (P, kv_heads * head_dim)."""
    vectors: Tensor = (prefix.keys if part == "keys" else prefix.values)[layer]
    return vectors.flatten(1).detach().float().cpu().numpy()


def nearest(index: NearestNeighbors, vectors: Vectors) -> list[list[Neighbour]]:
    """The nearest tokens of each vector, the nearest first."""
    distances, tokens = index.kneighbors(vectors)
    return [
        [Neighbour(int(token), float(distance)) for token, distance in zip(*row, strict=True)]
        for row in zip(tokens, distances, strict=True)
    ]


def to_csv(view: View) -> str:
    """Every point of a view: kind, name (of the prefix), number (from 1), token, x, y, z; for a prefix's vector the
    nearest token and its distance, too."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["kind", "name", "number", "token", "x", "y", "z", "nearest", "distance"])
    for number, (text, point) in enumerate(zip(view.texts, view.tokens, strict=True), 1):
        table.writerow(["token", "", number, text, *_rounded(point), "", ""])
    for name, points in view.prefixes.items():
        for number, (point, near) in enumerate(zip(points, view.nearest[name], strict=True), 1):
            closest = near[0]
            table.writerow(
                ["prefix", name, number, "", *_rounded(point), view.texts[closest.token], f"{closest.distance:.5g}"]
            )
    return out.getvalue()


def _rounded(point: NDArray[np.float32]) -> list[str]:
    return [f"{value:.5g}" for value in point]
