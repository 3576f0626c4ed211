"""What "Look inside" shows of a view: the plot, a line about it, and the nearest tokens. Pure functions.

assets/space.js knows the traces by their order: the tokens, those that were searched for, then the prefixes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from prefix_core.ui.style import COLOURS, GREY, SYMBOLS, figure

if TYPE_CHECKING:  # at run time it would import torch
    from prefix_core.studies.token_space import Neighbour, Points, View

AXES = ("x", "y", "z")


def plot(view: View, titles: Mapping[str, str], three: bool, path: Sequence[tuple[int, Points]] = ()) -> go.Figure:
    """The tokens as a grey cloud, each prefix in a colour. titles: prefix -> its title.

    path: (step, points) of the last prefix as it was trained; assets/space.js plays it.
    """
    words = [escape(visible_space(text)) for text in view.texts]
    cloud = _trace(view.tokens, three, words, "tokens")
    cloud.marker = {"color": GREY, "symbol": "circle", "size": 3 if three else 5, "opacity": 0.45}
    searched = _trace(view.tokens[:0], three, [], "found")
    searched.marker = {"color": COLOURS[1], "symbol": "circle-open", "size": 6 if three else 11, "line": {"width": 2}}
    searched.update(
        mode="markers+text", textposition="top center", showlegend=False, hoverinfo="skip", hovertemplate=None
    )
    learned = []
    for place, (name, points) in enumerate(view.prefixes.items()):
        title = escape(titles[name])
        texts = [f"{title}, vector {number}<br>nearest: {near}" for number, near in enumerate(_nearest(view, name), 1)]
        trace = _trace(points, three, texts, title)
        symbol, colour = SYMBOLS[place % len(SYMBOLS)], COLOURS[place % len(COLOURS)]
        trace.marker = {"color": colour, "symbol": symbol, "size": 5 if three else 10, "opacity": 0.95}
        learned.append(trace)
    margin = {"l": 52, "r": 8, "t": 8, "b": 48}
    drawn = figure(cloud, searched, *learned, dragmode="orbit" if three else "pan", margin=margin)
    labels = [f"direction {number}, {100 * part:.1f}%" for number, part in enumerate(view.variance, 1)]
    if three:
        axis = {"showbackground": False, "gridcolor": GREY, "gridwidth": 1, "zeroline": False, "color": GREY}
        scene = {f"{name}axis": axis | {"title": label} for name, label in zip(AXES, labels, strict=True)}
        drawn.update_layout(scene=scene | {"aspectmode": "cube"}, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    else:
        drawn.update_layout(xaxis_title=labels[0], yaxis_title=labels[1])
    if path:
        steps = [{"step": step, "points": points.round(4).T.tolist()} for step, points in path]
        drawn.update_layout(meta={"trace": len(drawn.data) - 1, "steps": steps}, **_room(view, path, three))
    return drawn


def summary(view: View, of: int, three: bool) -> str:
    """A sentence or two on what the picture keeps. of: layers of the base."""
    directions = 3 if three else 2
    kept = 100 * view.variance[:directions].sum()
    sets = {"tokens": "the tokens'", "prefixes": "the prefixes'", "both": "tokens' and prefixes'"}
    what = f"{view.part} of layer {view.layer + 1} of {of}" + (", bare embeddings" if view.bare else "")
    return f"{what[0].upper() + what[1:]}. These {directions} directions keep {kept:.0f}% of {sets[view.fit]} variance."


def nearest_html(view: View, titles: Mapping[str, str]) -> str:
    """A table for each prefix: every vector with the tokens nearest to it and their distances."""
    tables = "".join(_table(view, name, titles[name]) for name in view.prefixes)
    word = (
        f"Euclidean distance in all {view.pca.n_features_in_} dimensions of the layer, not in the picture. From a "
        f"token to the one nearest to it, it is typically <b>{view.typical:.1f}</b>."
    )
    return f'<div class="nearest"><p>{word}</p><div class="tables">{tables}</div></div>' if tables else ""


def visible_space(text: str) -> str:
    """A token with its leading space made visible."""
    return f"␣{text[1:]}" if text.startswith(" ") else text


def view_json(view: View) -> dict[str, Any]:
    """A view as JSON; layers are counted from 1, as on the page."""
    return {
        "layer": view.layer + 1,
        "part": view.part,
        "fit": view.fit,
        "bare": view.bare,
        "variance": np.round(view.variance, 5).tolist(),
        "typical_distance": round(view.typical, 4),
        "tokens": [
            {"token": text, "point": point}
            for text, point in zip(view.texts, view.tokens.round(4).tolist(), strict=True)
        ],
        "prefixes": {
            name: [
                {"point": point, "nearest": [[view.texts[near.token], round(near.distance, 4)] for near in row]}
                for point, row in zip(points.round(4).tolist(), view.nearest[name], strict=True)
            ]
            for name, points in view.prefixes.items()
        },
    }


def _trace(points: Points, three: bool, texts: list[str], name: str) -> go.Scatter | go.Scatter3d:
    kind = go.Scatter3d if three else go.Scatter
    axes = {axis: points[:, place].round(4).tolist() for place, axis in enumerate(AXES[: 3 if three else 2])}
    return kind(**axes, text=texts, name=name, mode="markers", hovertemplate="%{text}<extra></extra>")


def _nearest(view: View, name: str) -> list[str]:
    return [f"{escape(visible_space(view.texts[row[0].token]))} {row[0].distance:.1f}" for row in view.nearest[name]]


def _table(view: View, name: str, title: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{number}</th><td>{"".join(_chip(view, near) for near in row)}</td></tr>'
        for number, row in enumerate(view.nearest[name], 1)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Nearest tokens: {escape(title)}"><table>'
        f"<caption>{escape(title)}</caption>"
        f'<thead><tr><th scope="col">vector</th><th scope="col">nearest tokens</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _chip(view: View, near: Neighbour) -> str:
    close = ' class="close"' if near.distance <= view.typical else ""
    return f"<span{close}><code>{escape(visible_space(view.texts[near.token]))}</code>{near.distance:.1f}</span>"


def _room(view: View, path: Sequence[tuple[int, Points]], three: bool) -> dict[str, Any]:
    """Axes wide enough for every step, so that they stand still while the prefix moves."""
    everything = np.concatenate([view.tokens, *view.prefixes.values(), *(points for _, points in path)])
    low, high = everything.min(0), everything.max(0)
    margin = 0.05 * (high - low)
    spans = [[float(a), float(b)] for a, b in zip(low - margin, high + margin, strict=True)]
    if three:
        return {f"scene_{axis}axis_range": span for axis, span in zip(AXES, spans, strict=True)}
    return {"xaxis_range": spans[0], "yaxis_range": spans[1]}
