"""Training live as a plot and a table: the page's quick training beside what else the same seconds could give."""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from prefix_core.studies.live_findings import SCORES, SETS, SIDES, cells, machine, verdict
from prefix_core.ui.evidence.plots import Measured
from prefix_core.ui.labels import METRICS
from prefix_core.ui.loading import display_name
from prefix_core.ui.style import COLOURS, GREY, figure

TIMES = {"seconds_to_first": "first words, s", "seconds": "trained, s", "steps": "steps"}


def live(record: Mapping[str, Any]) -> Measured:
    """live.json: a bar for each side, over sets and numbers of rows; lines from the lowest to the highest subset."""
    summed = cells(record["runs"])
    names = [f"{cell.rows} rows,<br>{SETS[cell.set]}" for cell in summed]
    colours = dict(zip(SIDES, (*COLOURS[:3], GREY), strict=True))
    traces = []
    for side, title in SIDES.items():
        heights = [cell.means[side][cell.score] for cell in summed]
        spans = [cell.spans[side] if cell.subsets > 1 else (None, None) for cell in summed]
        traces.append(
            go.Bar(
                name=title,
                x=names,
                y=heights,
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [high and high - height for (_, high), height in zip(spans, heights, strict=True)],
                    "arrayminus": [low and height - low for (low, _), height in zip(spans, heights, strict=True)],
                    "color": GREY,
                    "thickness": 1.5,
                },
                marker={"color": colours[side]},
                hovertemplate="%{x}: %{y:.1f}<extra>%{fullData.name}</extra>",
            )
        )
    axis = {"title": "BLEU, for news ROUGE-L", "rangemode": "tozero"}
    drawn = figure(*traces, yaxis=axis, barmode="group", height=400)
    drawn.update_xaxes(automargin=True, type="category")
    rows = [
        [
            f"{cell.rows} of {SETS[cell.set]}", SIDES[side], f"{cell.subsets}", f"{cell.inputs}",
            *(f"{means[name]:.1f}" if name in means else "" for name in (*TIMES, *SCORES)),
        ]
        for cell in summed
        for side, means in cell.means.items()
    ]  # fmt: skip
    note = (
        f"Vertical lines go from the lowest of several subsets to the highest. {display_name(record['base'])}, "
        f"{machine(record)}; every side has the seconds of the first, PEFT at the best of three rates; "
        "python -m prefix_core bench --live."
    )
    columns = ["rows", "side", "subsets", "inputs", *TIMES.values(), *(METRICS[name] for name in SCORES)]
    return Measured(verdict(summed), drawn, columns, rows, note)
