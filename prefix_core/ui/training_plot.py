"""The loss of a training as it falls: every step, raw and smoothed, and on the held-out inputs, in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefix_core.ui.panes import KINDS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from prefix_core.ui.training_run import Track

MEMORY = 0.9  # of the smoothed loss


def loss_plot(tracks: Sequence[Track]) -> Figure:
    """One colour a method; thin: every step; thick: smoothed; rings: held out, the method untrained at step 0."""
    import plotly.graph_objects as go  # takes half a second, which the page need not wait for

    from prefix_core.ui.plots import COLOURS, figure

    traces = []
    for track, colour in zip(tracks, COLOURS, strict=False):
        title, steps = KINDS[track.method].title, list(range(1, track.step + 1))

        def trace(name: str, x: list[int], y: list[float], title: str = title, **look: object) -> None:
            hover = f"step %{{x}}<br>{title}, {name}: %{{y:.2f}}<extra></extra>"
            traces.append(go.Scatter(x=x, y=y, name=f"{title}, {name}", hovertemplate=hover, **look))

        trace("each step", steps, track.losses, mode="lines", line={"color": colour, "width": 1}, opacity=0.4)
        trace("smoothed", steps, smoothed(track.losses), mode="lines", line={"color": colour, "width": 2.5})
        held = {"color": colour, "width": 1.5, "dash": "dot"}
        ring = {"size": 7, "symbol": "circle-open"}
        points = sorted(track.held_out.items())
        trace(
            "held out", [step for step, _ in points], [loss for _, loss in points], mode="lines+markers", line=held,
            marker=ring,
        )  # fmt: skip
    longest = max((track.steps for track in tracks), default=1)
    return figure(
        *traces,
        height=320,
        xaxis={"title": "step", "range": [0, longest]},
        yaxis={"title": "loss, nats a token", "rangemode": "tozero"},
        margin={"l": 48, "r": 12, "t": 12, "b": 44},
    )


def smoothed(losses: Sequence[float], memory: float = MEMORY) -> list[float]:
    """The exponential moving average, corrected for its start."""
    average, weight, smooth = 0.0, 0.0, []
    for loss in losses:
        average = memory * average + (1 - memory) * loss
        weight = memory * weight + (1 - memory)
        smooth.append(average / weight)
    return smooth
