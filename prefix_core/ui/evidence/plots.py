"""What was measured, as plots with the numbers behind them: scores, speed, and the sweep of learning rates.

A pure function for each kind of file in assets/evidence; `studies` has the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go

from prefix_core.ui.labels import METRICS, ROW_TITLES, set_title, task_title
from prefix_core.ui.loading import display_name
from prefix_core.ui.style import COLOURS, GREY, SYMBOLS, figure

COSTS = {"trained": "trained", "kept": "kept", "bytes": "bytes on disk", "inputs": "inputs"}


@dataclass(frozen=True)
class Measured:
    """A sentence, a plot, the numbers behind both (cells as text; the first names the row), and their source."""

    conclusion: str
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
        cells.append([f"{_title(name)} (paper)", *_cells(row, measured), *("" for _ in costs)])
    columns = ["", *(METRICS[name] for name in measured), *(COSTS[name] for name in costs)]
    return Measured(_best(rows, metric), drawn, columns, cells, _source(table, paper))


def _best(rows: Mapping[str, Mapping[str, Any]], metric: str) -> str:
    """Which row is best, and how the prefix compares."""
    scored = {name: row for name, row in rows.items() if metric in row}
    sign = -1 if metric == "ter" else 1
    best = max(scored, key=lambda name: sign * scored[name][metric])
    said = f"{_title(best)} has the best {METRICS[metric]}, {_with_interval(scored[best], metric)}"
    if best == "prefix" or "prefix" not in scored:
        share = scored[best].get("share")
        return f"{said}, keeping {share:.2g}% of the model's parameters for the task." if share else f"{said}."
    spans = [scored[name].get("interval", {}).get(metric) for name in (best, "prefix")]
    same = all(spans) and spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1]
    unsure = ", not significantly different, as the intervals overlap" if same else ""
    return f"{said}; the prefix has {_with_interval(scored['prefix'], metric)}{unsure}."


def _with_interval(row: Mapping[str, Any], metric: str) -> str:
    span = row.get("interval", {}).get(metric)
    return f"{row[metric]:.4g}" + (f" ({span[0]:.4g} to {span[1]:.4g})" if span else "")


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
    faster = _faster(table)
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
    note += _shares(table["times_faster"])
    if theirs := table.get("llama.cpp"):
        rows.append(["llama.cpp, the 4 bits of the base's file", *(_cell(theirs, kind) for kind in KINDS)])
        one, eight = (theirs[f"milliseconds_per_token_{count}"] for count in (1, 8))
        note += f" llama.cpp, reading 4 bits a weight, takes {one:.1f} ms a token for one row, {eight:.1f} for eight."
    return Measured(f"{_times(faster)}.", drawn, ["", *KINDS.values()], rows, note)


def _faster(table: Mapping[str, Any]) -> dict[str, float]:
    """Of a benchmark's ratios those that say how many times as fast it is; the others are shares of something."""
    return {name: times for name, times in table["times_faster"].items() if ", of " not in name}


def _told(measures: Mapping[str, str], ratios: Mapping[str, float]) -> list[str]:
    """The sentences, with their numbers, of those that were measured."""
    return [said.format(ratios[name]) for name, said in measures.items() if name in ratios]


def _shares(ratios: Mapping[str, float]) -> str:
    """What training takes of PEFT's memory, four panes of one's time, and a token of what memory allows; in fp32."""
    measures = {
        "training memory, fp32, of PEFT's": "Training takes {:.0%} of PEFT's memory.",
        "time of four panes, fp32, of one": "Four panes written together take {:g} times as long as one.",
        "decoding 1 row, fp32, of the floor": "A token takes {:g} times what it takes to read the weights from memory.",
    }
    return "".join(f" {told}" for told in _told(measures, ratios))


def _times(faster: Mapping[str, float]) -> str:
    """How many times as fast, in fp32."""
    measures = {
        "training, fp32, against PEFT": "training is {:g} times as fast as PEFT",
        "decoding 1 rows, fp32": "writing one row {:g} times as fast as transformers",
        "decoding 8 rows, fp32": "writing eight rows {:g} times as fast",
    }
    return "In fp32, " + ", ".join(_told(measures, faster))


SHAPES = {"gpt2": "GPT-2", "gpt2-medium": "GPT-2 medium", "gpt2-large": "GPT-2 large", "bart-large": "BART large"}


def full_size(table: Mapping[str, Mapping[str, Any]]) -> Measured:
    """full_size.json: what models of full size take, ours beside PEFT and transformers where they run."""
    compared = {shape: _faster(result) for shape, result in table.items() if "times_faster" in result}
    measures = list(dict.fromkeys(name for faster in compared.values() for name in faster))[::-1]
    traces = [
        go.Scatter(
            name=SHAPES.get(shape, shape),
            y=_wrapped(faster),
            x=list(faster.values()),
            mode="markers",
            marker={"color": COLOURS[place % len(COLOURS)], "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 11},
            hovertemplate="%{y}: %{x} times<extra>%{fullData.name}</extra>",
        )
        for place, (shape, faster) in enumerate(compared.items())
    ]
    axis = _times_axis(times for faster in compared.values() for times in faster.values())
    drawn = figure(*traces, xaxis=axis, height=130 + 44 * len(measures))
    drawn.update_yaxes(automargin=True, categoryorder="array", categoryarray=_wrapped(measures))
    rows = [
        [f"{name}: {program}, {dtype}", f"{result['parameters']:,}", *(_cell(figures, kind) for kind in KINDS)]
        for name, result in ((SHAPES.get(shape, shape), result) for shape, result in table.items())
        for program in PROGRAMS
        for dtype, figures in result.get(program, {}).items()
    ]
    one = next(iter(table.values()))
    note = f"Random weights, {one['threads']} threads, a prefix of {one['prefix_length']}"
    said = " ".join(f"{SHAPES.get(shape, shape)}: {_times(faster)}." for shape, faster in compared.items())
    columns = ["", "parameters", *KINDS.values()]
    return Measured(said, drawn, columns, rows, f"{note}; python -m prefix_core bench --shape.")


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
    """sweep.json: the held-out loss of every setting, a row each, with a mark for every learning rate."""
    settings: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        settings.setdefault(_setting(entry), []).append(entry)
    best = {name: min(some, key=lambda entry: entry["held_out_loss"]) for name, some in settings.items()}
    marks = [
        (name, entry)
        for name, some in settings.items()
        for entry in sorted(some, key=lambda entry: entry["held_out_loss"])
    ]
    sides = [("top center", "bottom center")[place % 2] for some in settings.values() for place in range(len(some))]
    losses = sorted(entry["held_out_loss"] for entry in entries)
    shown = [loss for loss in losses if loss <= FAILED * losses[0]]
    room = 0.05 * (shown[-1] - shown[0]) or 0.1
    drawn = figure(
        go.Scatter(
            y=["<br>".join(wrap(name, 24)) for name, _ in marks],
            x=[entry["held_out_loss"] for _, entry in marks],
            text=[f"{entry['learning_rate']:g}" for _, entry in marks],
            mode="markers+text",
            textposition=sides,  # by turns, so that near ones do not overlap
            cliponaxis=False,
            marker={
                "color": COLOURS[0],
                "size": 10,
                "symbol": ["circle" if entry is best[name] else "circle-open" for name, entry in marks],
            },
            hovertemplate="%{y}, learning rate %{text}: %{x:.3f}<extra></extra>",
        ),
        xaxis={"title": "held-out loss (nats per token)", "range": [shown[0] - room, shown[-1] + room]},
        height=90 + 46 * len(settings),
    )
    drawn.update_yaxes(automargin=True, autorange="reversed")
    rows = [
        [_setting(entry), f"{entry['learning_rate']:g}", f"{entry['steps']}", f"{entry['held_out_loss']:.3f}"]
        for entry in entries
    ]
    note = "Beside each mark its learning rate; the lowest loss of a row is filled. "
    note += f"{display_name(entries[0]['base'])}; {entries[0]['held_out_inputs']} held-out inputs of "
    note += task_title(entries[0]["task"])
    if beyond := len(losses) - len(shown):
        note += f"; not in the plot but in the table: {beyond} over {FAILED} times the lowest loss"
    lowest: dict[str, Mapping[str, Any]] = {}
    for entry in sorted(entries, key=lambda entry: entry["held_out_loss"]):
        lowest.setdefault(entry["method"], entry)
    said = "; ".join(
        f"{_setting(entry)} {entry['held_out_loss']:.3f} ({entry['learning_rate']:g})" for entry in lowest.values()
    )
    columns = ["setting", "learning rate", "steps", "held-out loss"]
    return Measured(f"Lowest held-out loss of each method, and its learning rate: {said}.", drawn, columns, rows, note)


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
    on = set_title(table["split"])
    cut = max((row.get("cut", 0) for row in table["rows"]), default=0)
    on += f" (at most {cut:,} inputs cut to fit the context)" if cut else ""
    ours = f"{display_name(table['base'])}, {table['base_parameters']:,} parameters; {on}, {table['decoding']}."
    ours += " In brackets and as lines: 95% intervals."
    if not paper:
        return ours
    return f"{ours} The paper's values: another model, {paper['model']}, on the test set, {paper['decoding']}."
