"""What "Look inside" shows of a view: the plot, a line about it, and the nearest tokens. Pure functions.

assets/space.js knows the traces by their order: the tokens, those that were searched for, then the prefixes, then
the lines from where they began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from prefix_core.ui.style import COLOURS, GREY, SYMBOLS, figure

if TYPE_CHECKING:
    from prefix_core.studies.view import Neighbour, Points, Trajectory, View

AXES = ("x", "y", "z")
FIRST_PREFIX = 2  # the place of its trace


def plot(view: View, titles: Mapping[str, str], three: bool) -> go.Figure:
    """The tokens as a grey cloud, each prefix in a colour, with lines from where it began. titles: prefix -> its title.

    A dot's `customdata` are the tokens nearest to it; assets/space.js shows them, and plays the ways of the prefixes.
    """
    words = [escape(visible_space(text)) for text in view.texts]
    cloud = _trace(view.tokens, three, words, "tokens", view.near)
    cloud.marker = {"color": GREY, "symbol": "circle", "size": 3 if three else 5, "opacity": 0.45}
    searched = _trace(view.tokens[:0], three, [], "found")
    searched.marker = {"color": COLOURS[1], "symbol": "circle-open", "size": 6 if three else 11, "line": {"width": 2}}
    searched.update(
        mode="markers+text", textposition="top center", showlegend=False, hoverinfo="skip", hovertemplate=None
    )
    learned, lines = [], []
    for place, (name, points) in enumerate(view.prefixes.items()):
        title, colour = escape(titles[name]), COLOURS[place % len(COLOURS)]
        texts = [f"{title}, {said}" for said in _said(view, name)]
        trace = _trace(points, three, texts, title, view.nearest[name])
        symbol = SYMBOLS[place % len(SYMBOLS)]
        trace.marker = {"color": colour, "symbol": symbol, "size": 5 if three else 10, "opacity": 0.95}
        learned.append(trace)
        lines += [_line(view.ways[name], three, colour)] if name in view.ways else []
    margin = {"l": 52, "r": 8, "t": 8, "b": 48}
    drawn = figure(cloud, searched, *learned, *lines, dragmode="orbit" if three else "pan", margin=margin)
    labels = [f"direction {number}, {100 * part:.1f}%" for number, part in enumerate(view.variance, 1)]
    if three:
        axis = {"showbackground": False, "gridcolor": GREY, "gridwidth": 1, "zeroline": False, "color": GREY}
        scene = {f"{name}axis": axis | {"title": label} for name, label in zip(AXES, labels, strict=True)}
        drawn.update_layout(scene=scene | {"aspectmode": "cube"}, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    else:
        drawn.update_layout(xaxis_title=labels[0], yaxis_title=labels[1])
    if view.ways:
        drawn.update_layout(meta=_movement(view), **_room(view, three))
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
        f"Distances are Euclidean, over all {view.dimensions} dimensions of the layer. The token nearest to a token is "
        f"typically <b>{view.typical:.1f}</b> away; tokens <span class='close'><code>as near to a vector</code></span> "
        "are marked, and <span class='own'><code>words it started as</code></span> are underlined."
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
                {
                    "point": point,
                    "nearest": [[view.texts[near.token], round(near.distance, 4)] for near in row],
                    **_began(view.ways.get(name), place),
                }
                for place, (point, row) in enumerate(zip(points.round(4).tolist(), view.nearest[name], strict=True))
            ]
            for name, points in view.prefixes.items()
        },
    }


def _began(way: Trajectory | None, place: int) -> dict[str, Any]:
    return {
        "began_as": way.words[place] if way and way.words else None,
        "moved": round(way.moved[place], 4) if way else None,
    }


def _trace(
    points: Points, three: bool, texts: list[str], name: str, near: Sequence[Sequence[Neighbour]] | None = None
) -> go.Scatter | go.Scatter3d:
    kind = go.Scatter3d if three else go.Scatter
    axes = {axis: points[:, place].round(3).tolist() for place, axis in enumerate(AXES[: 3 if three else 2])}
    flat = [[each for token, distance in row for each in (token, round(distance, 1))] for row in near or ()]
    data = {"customdata": flat} if flat else {}
    return kind(**axes, **data, text=texts, name=name, mode="markers", hovertemplate="%{text}<extra></extra>")


def _line(way: Trajectory, three: bool, colour: str) -> go.Scatter | go.Scatter3d:
    """From where each vector began, over the steps that are known, to where it is."""
    steps = np.stack([points for _, points in way.steps])  # (steps, P, 3)
    gap = np.full((1, *steps.shape[1:]), np.nan, np.float32)
    path = np.concatenate([steps, gap]).transpose(1, 0, 2).reshape(-1, 3)
    trace = _trace(path, three, [], "way")
    trace.update(mode="lines", showlegend=False, hoverinfo="skip", hovertemplate=None, opacity=0.5)
    trace.line = {"color": colour, "width": 2 if three else 1}
    return trace


def _movement(view: View) -> dict[str, Any]:
    """What assets/space.js plays: for each way its trace and its steps' points."""
    names = list(view.prefixes)
    return {
        "whole": all(way.whole for way in view.ways.values()),
        "ways": [
            {
                "trace": FIRST_PREFIX + names.index(name),
                "steps": [{"step": step, "points": points.round(3).T.tolist()} for step, points in way.steps],
            }
            for name, way in view.ways.items()
        ],
    }


def _said(view: View, name: str) -> list[str]:
    """A few words on each vector."""
    way = view.ways.get(name)
    lines = []
    for number, row in enumerate(view.nearest[name], 1):
        began = f", started as {escape(visible_space(way.words[number - 1]))}" if way and way.words else ""
        moved = f"<br>moved by {way.moved[number - 1]:.1f}" if way else ""
        nearest = f"{escape(visible_space(view.texts[row[0].token]))} {row[0].distance:.1f}"
        lines.append(f"vector {number}{began}{moved}<br>nearest: {nearest}")
    return lines


def _table(view: View, name: str, title: str) -> str:
    way = view.ways.get(name)
    own = set(way.words) if way else set()
    rows = ""
    for number, row in enumerate(view.nearest[name], 1):
        began = f"<code>{escape(visible_space(way.words[number - 1]))}</code>" if way and way.words else "–"
        moved = f"{way.moved[number - 1]:.1f}" if way else "–"
        chips = "".join(_chip(view, near, own) for near in row)
        rows += f'<tr><th scope="row">{number}</th><td>{began}</td><td>{moved}</td><td class="chips">{chips}</td></tr>'
    named = ("vector", "started as", "moved by", "nearest tokens now")
    heads = "".join(f'<th scope="col">{head}</th>' for head in named)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Nearest tokens: {escape(title)}"><table>'
        f"<caption>{escape(title)}</caption>"
        f"<thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _chip(view: View, near: Neighbour, own: set[str]) -> str:
    text = view.texts[near.token]
    kinds = " ".join(["close"] * (near.distance <= view.typical) + ["own"] * (text in own))
    title = ' title="one of the words it started as"' if text in own else ""
    return f'<span class="{kinds}"{title}><code>{escape(visible_space(text))}</code>{near.distance:.1f}</span>'


def _room(view: View, three: bool) -> dict[str, Any]:
    """Axes wide enough for every step, so that they stand still while the prefix moves."""
    steps = [points for way in view.ways.values() for _, points in way.steps]
    everything = np.concatenate([view.tokens, *view.prefixes.values(), *steps])
    low, high = everything.min(0), everything.max(0)
    margin = 0.05 * (high - low)
    spans = [[float(a), float(b)] for a, b in zip(low - margin, high + margin, strict=True)]
    if three:
        return {f"scene_{axis}axis_range": span for axis, span in zip(AXES, spans, strict=True)}
    return {"xaxis_range": spans[0], "yaxis_range": spans[1]}
