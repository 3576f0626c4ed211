"""What was measured, as plots with the numbers behind them: scores, speed, and the sweep of learning rates.

A pure function for each kind of file in assets/evidence; `studies` has the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from prefix_core.ui.labels import METRICS, ROW_TITLES
from prefix_core.ui.loading import display_name
from prefix_core.ui.style import COLOURS, GREY, figure

COSTS = {"trained": "trained", "kept": "kept", "bytes": "bytes on disk", "inputs": "inputs"}


@dataclass(frozen=True)
class Measured:
    """A plot, the numbers behind it (cells as text; the first names the row), and a note on where they come from."""

    plot: go.Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def intervals(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any] | None:
    """Error bars from the rows' 95% intervals; none if a row has none."""
    spans = [row.get("interval", {}).get(metric) for row in rows]
    if not all(spans):
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [span[1] - row[metric] for span, row in zip(spans, rows, strict=True) if span],
        "arrayminus": [row[metric] - span[0] for span, row in zip(spans, rows, strict=True) if span],
        "color": GREY,
        "thickness": 1.5,
    }


def metrics_of(table: Mapping[str, Any]) -> list[str]:
    """The metrics that a table of scores holds."""
    return [name for name in METRICS if any(name in row for row in table["rows"])]


def scores(table: Mapping[str, Any], paper: Mapping[str, Any] | None, metric: str) -> Measured:
    """A task's table in one metric. Bars are ours, with 95% intervals where measured; diamonds are the paper's."""
    rows = {row["row"]: row for row in table["rows"]}
    papers = {row["row"]: row for row in (paper or {}).get("rows", ())}
    names = [name for name in [*ROW_TITLES, *rows] if name in rows or metric in papers.get(name, ())]
    names = list(dict.fromkeys(names))[::-1]  # plots count from below
    traces: list[Any] = [
        _our_bars(table["base"], rows, [name for name in names if metric in rows.get(name, ())], metric)
    ]
    theirs = [name for name in names if metric in papers.get(name, ())]
    if theirs and paper:
        traces.append(_papers_diamonds(paper["model"], papers, theirs, metric))
    drawn = figure(*traces, xaxis_title=METRICS[metric], margin={"l": 150, "r": 16, "t": 12, "b": 48}, bargap=0.35)
    drawn.update_yaxes(categoryorder="array", categoryarray=[_title(name) for name in names], showgrid=False)
    drawn.update_layout(height=110 + 42 * len(names), xaxis={"rangemode": "tozero"})
    measured, costs = metrics_of(table), [name for name in COSTS if any(name in row for row in table["rows"])]
    cells = []
    for name, row in rows.items():
        cells.append([_title(name), *_cells(row, measured), *(f"{row.get(cost, 0):,}" for cost in costs)])
    for name, row in papers.items():
        cells.append([f"{_title(name)} (the paper, another model)", *_cells(row, measured), *("" for _ in costs)])
    columns = ["", *(METRICS[name] for name in measured), *(COSTS[name] for name in costs)]
    return Measured(drawn, columns, cells, _source(table, paper))


def _our_bars(base: str, rows: Mapping[str, Mapping[str, Any]], names: Sequence[str], metric: str) -> go.Bar:
    return go.Bar(
        name=f"measured here: {display_name(base)}",
        y=[_title(name) for name in names],
        x=[rows[name][metric] for name in names],
        orientation="h",
        marker={"color": [COLOURS[0] if name.startswith("prefix") else GREY for name in names]},
        error_x=intervals([rows[name] for name in names], metric),
        hovertemplate="%{y}: %{x:.4g}<extra></extra>",
    )


def _papers_diamonds(
    model: str, rows: Mapping[str, Mapping[str, Any]], names: Sequence[str], metric: str
) -> go.Scatter:
    return go.Scatter(
        name=f"the paper: {model}, another model",
        y=[_title(name) for name in names],
        x=[rows[name][metric] for name in names],
        mode="markers",
        marker={"symbol": "diamond-open", "size": 11, "color": COLOURS[1], "line": {"width": 2}},
        hovertemplate="the paper's %{y}: %{x}<extra></extra>",
    )


PROGRAMS = ("prefix_core", "peft", "transformers")
KINDS = {
    "training_tokens_per_second": "training, tokens/s",
    "milliseconds_per_token_1": "writing 1 row, ms a token",
    "milliseconds_per_token_8": "writing 8 rows, ms a token",
    "peak_megabytes": "peak memory, MB",
}


def speed(table: Mapping[str, Any]) -> Measured:
    """bench.json: times against PEFT and transformers on the same weights, in the same run."""
    faster = table["times_faster"]
    drawn = figure(
        go.Bar(
            y=_wrapped(faster)[::-1],
            x=list(faster.values())[::-1],
            orientation="h",
            marker={"color": COLOURS[0]},
            hovertemplate="%{y}: %{x} times<extra></extra>",
        ),
        xaxis=_times_axis(faster.values()),
        margin={"l": 10, "r": 16, "t": 12, "b": 48},
        height=110 + 42 * len(faster),
    )
    drawn.update_yaxes(automargin=True, showgrid=False)
    rows = [
        [f"{program}, {dtype}", *(_cell(figures, kind) for kind in KINDS)]
        for program in PROGRAMS
        for dtype, figures in table.get(program, {}).items()
    ]
    note = f"{display_name(table['base'])}, {table['threads']} threads, a prefix of {table['prefix_length']}"
    note += "; against PEFT and transformers on the same weights, in the same run; python -m prefix_core bench."
    return Measured(drawn, ["", *KINDS.values()], rows, note)


def full_size(table: Mapping[str, Mapping[str, Any]]) -> Measured:
    """full_size.json: what models of full size take, ours beside PEFT and transformers where they run."""
    traces = [
        go.Bar(
            name=shape,
            y=_wrapped(result["times_faster"])[::-1],
            x=list(result["times_faster"].values())[::-1],
            orientation="h",
            marker={"color": COLOURS[place]},
            hovertemplate="%{y}: %{x} times<extra>%{fullData.name}</extra>",
        )
        for place, (shape, result) in enumerate(table.items())
        if "times_faster" in result
    ]
    axis = _times_axis(times for trace in traces for times in trace.x)
    drawn = figure(*traces, xaxis=axis, barmode="group", height=130 + 50 * len(traces[0].y) if traces else 130)
    drawn.update_yaxes(automargin=True, showgrid=False)
    rows = [
        [f"{shape}: {program}, {dtype}", f"{result['parameters']:,}", *(_cell(figures, kind) for kind in KINDS)]
        for shape, result in table.items()
        for program in PROGRAMS
        for dtype, figures in result.get(program, {}).items()
    ]
    one = next(iter(table.values()))
    note = f"Random weights, {one['threads']} threads, a prefix of {one['prefix_length']}"
    return Measured(drawn, ["", "parameters", *KINDS.values()], rows, f"{note}; python -m prefix_core bench --shape.")


def _wrapped(names: Iterable[str]) -> list[str]:
    """Names of bars in lines that leave room for the bars on a phone."""
    return ["<br>".join(wrap(name, 24)) for name in names]


def _times_axis(times: Iterable[float]) -> dict[str, Any]:
    """Times faster, from as fast as or slower to the fastest."""
    shown = [1.0, *times]
    ends = [log10(0.95 * min(shown)), log10(1.1 * max(shown))]
    return {"title": "times faster", "type": "log", "range": ends, "tickvals": [0.5, 1, 2, 5, 10, 20, 50, 100]}


def _cell(figures: Mapping[str, float], kind: str) -> str:
    return f"{figures[kind]:,}" if kind in figures else ""


FAILED = 2  # times the lowest loss of a sweep; a rate that failed would flatten all the others into a line


def sweep(entries: Sequence[Mapping[str, Any]]) -> Measured:
    """sweep.json: held-out loss by learning rate, a line for each method and size."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        lines.setdefault(_setting(entry), []).append(entry)
    traces = []
    for place, (name, points) in enumerate(lines.items()):
        points = sorted(points, key=lambda entry: entry["learning_rate"])
        traces.append(
            go.Scatter(
                name=name,
                x=[entry["learning_rate"] for entry in points],
                y=[entry["held_out_loss"] for entry in points],
                mode="lines+markers",
                line={"color": COLOURS[place % len(COLOURS)], "dash": "solid" if place < len(COLOURS) else "dot"},
                marker={"size": 8},
                hovertemplate="%{x}: %{y:.3f}<extra>%{fullData.name}</extra>",
            )
        )
    rates = sorted({entry["learning_rate"] for entry in entries})
    axis = {"title": "learning rate", "type": "log", "tickvals": rates}
    losses = sorted(entry["held_out_loss"] for entry in entries)
    shown = [loss for loss in losses if loss <= FAILED * losses[0]]
    room = 0.05 * (shown[-1] - shown[0]) or 0.1
    loss_axis = {"title": "held-out loss, nats a token", "range": [shown[0] - room, shown[-1] + room]}
    drawn = figure(*traces, xaxis=axis, yaxis=loss_axis, height=420)
    rows = [
        [_setting(entry), f"{entry['learning_rate']:g}", f"{entry['steps']}", f"{entry['held_out_loss']:.3f}"]
        for entry in entries
    ]
    note = f"{entries[0]['base']}; {entries[0]['held_out_inputs']} held-out inputs of {entries[0]['task']}"
    if beyond := len(losses) - len(shown):
        note += f"; above the plot, in the table: {beyond} over {FAILED} times the lowest loss"
    return Measured(drawn, ["setting", "learning rate", "steps", "held-out loss"], rows, note)


def _title(name: str) -> str:
    return ROW_TITLES.get(name, name)


def _cells(row: Mapping[str, Any], metrics: Sequence[str]) -> list[str]:
    return [f"{row[name]:.4g}" if name in row else "" for name in metrics]


def _setting(entry: Mapping[str, Any]) -> str:
    if entry["method"] != "prefix":
        share = f", {100 * entry['adapter_share']:g}%" if entry.get("adapter_share") else ""
        return _title(entry["method"]) + share
    made = f"MLP {entry['mlp_width']}" if entry.get("mlp_width") else "no MLP"
    start = ", random start" if entry.get("initial_words") == "" else ""
    return f"Prefix of {entry['prefix_length']}, {made}{start}"


def _source(table: Mapping[str, Any], paper: Mapping[str, Any] | None) -> str:
    on = table.get("scored_on") or f"the {table['split']} set"
    cut = max((row.get("cut", 0) for row in table["rows"]), default=0)
    on += f" (at most {cut:,} inputs cut to fit the context)" if cut else ""
    ours = f"{display_name(table['base'])}, {table['base_parameters']:,} parameters; {on}, {table['decoding']}"
    if not paper:
        return f"{ours}."
    return f"{ours}. The paper's: another model, {paper['model']}, on the test set, {paper['decoding']}."
