"""Tokens and prefixes of one layer as a picture: points, distances, and the way a prefix took. Imports no torch."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Part = Literal["keys", "values"]
Fit = Literal["tokens", "prefixes", "both"]
Vectors = NDArray[np.float32]  # (vectors, kv_heads * head_dim)
Points = NDArray[np.float32]  # (vectors, 3)

PARTS: tuple[Part, ...] = get_args(Part)
FITS: tuple[Fit, ...] = get_args(Fit)


class Neighbour(NamedTuple):
    """A token (its place among the tokens) and its Euclidean distance."""

    token: int
    distance: float


@dataclass(frozen=True)
class Trajectory:
    """How a prefix came to be where it is.

    words: the token that each vector began as, P of them; none for a random start. moved: (P,), how far each vector is
    from its start, in the layer's own space. steps: points (P, 3) at some steps of the training, from step 0 to the
    one that is kept; whole: whether the training noted them, or only its two ends are known.
    """

    words: tuple[str, ...]
    moved: tuple[float, ...]
    steps: tuple[tuple[int, Points], ...]
    whole: bool


@dataclass(frozen=True)
class View:
    """Tokens and prefixes of one layer (from 0) along the directions of a PCA.

    fit: what the PCA was fitted on; variance: share of that set's variance along each direction (3,). dimensions: of
    the layer's own space. texts: the tokens as spelled. tokens, prefixes: points, (tokens, 3) and, by name, (P, 3).
    nearest: by name, P times the nearest tokens; near: for each token those nearest to it; both in the layer's own
    space. typical: the median distance from a token to the token nearest to it, a yardstick for those distances.
    ways: by name, how a prefix came here, where its start is known.
    """

    layer: int
    part: Part
    fit: Fit
    bare: bool
    dimensions: int
    texts: list[str]
    tokens: Points
    prefixes: dict[str, Points]
    variance: NDArray[np.float32]
    nearest: dict[str, list[list[Neighbour]]]
    near: list[list[Neighbour]]
    typical: float
    ways: dict[str, Trajectory] = field(default_factory=dict)


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


def to_fields(view: View) -> dict[str, Any]:
    """A view as JSON's own types; `from_fields` reads it. Numbers keep four decimals at most."""
    return {field.name: _plain(getattr(view, field.name)) for field in fields(View)}


def from_fields(stored: Mapping[str, Any]) -> View:
    """What `to_fields` gave. Raises `TypeError`, `KeyError` or `ValueError` for anything else."""
    points = {name: np.array(stored[name], np.float32) for name in ("tokens", "variance")}
    near = [[Neighbour(*each) for each in row] for row in stored["near"]]
    nearest = {name: [[Neighbour(*each) for each in row] for row in rows] for name, rows in stored["nearest"].items()}
    prefixes = {name: np.array(rows, np.float32) for name, rows in stored["prefixes"].items()}
    return View(**{**stored, **points, "near": near, "nearest": nearest, "prefixes": prefixes, "ways": _ways(stored)})


def _ways(stored: Mapping[str, Any]) -> dict[str, Trajectory]:
    ways = {}
    for name, way in stored["ways"].items():
        steps = tuple((step, np.array(points, np.float32)) for step, points in way["steps"])
        ways[name] = Trajectory(tuple(way["words"]), tuple(way["moved"]), steps, way["whole"])
    return ways


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, Trajectory):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(Trajectory)}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
