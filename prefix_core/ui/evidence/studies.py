"""The studies of assets/evidence as plots and tables: a pure function for each."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import plotly.graph_objects as go

from prefix_core.studies.findings import verdict
from prefix_core.ui.evidence.plots import Measured, intervals
from prefix_core.ui.labels import METRICS, ROW_TITLES, set_title, task_title
from prefix_core.ui.loading import display_name
from prefix_core.ui.style import COLOURS, GREY, figure

VARIANTS = {"prefix": "Prefix", "infix": "Infix", "embedding": "Embeddings alone"}
INTERVALS = "Vertical lines are 95% intervals over the inputs."
DRAWN = "Each ring is one draw of the training texts; the line goes through the means."
BARS = "Each ring is one draw of the training texts; the bar is their mean."
Table: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]


def lengths(table: Table) -> Measured:
    """lengths.json, lengths_news.json: the score by the prefix's length, with 95% intervals."""
    rows = sorted(table["rows"], key=lambda row: row["prefix_length"])
    measured, metric = [row["scores"]["dev"] for row in rows], main_metric(table)
    drawn = figure(
        go.Scatter(
            x=[row["prefix_length"] for row in rows],
            y=[scores[metric] for scores in measured],
            error_y=intervals(measured, metric),
            mode="lines+markers",
            line={"color": COLOURS[0]},
            hovertemplate="%{x} tokens: %{y:.1f}<extra></extra>",
        ),
        xaxis={"title": "prefix length, tokens", "type": "log", "tickvals": [row["prefix_length"] for row in rows]},
        yaxis_title=METRICS[metric],
        height=360,
    )
    cells = [
        [f"{row['prefix_length']}", f"{row['kept']:,}", *_cells(scores), f"{row['held_out_loss']:.3f}"]
        for row, scores in zip(rows, measured, strict=True)
    ]
    best = max(rows, key=lambda row: _dev(row, metric))
    said = f"{METRICS[metric]} is highest with {best['prefix_length']} tokens: {_dev(best, metric):.1f}"
    said += "".join(f"; {row['prefix_length']}: {_dev(row, metric):.1f}" for row in rows if row is not best) + "."
    columns = ["length", "kept", *_heads(measured), "held-out loss"]
    return Measured(said, drawn, columns, cells, _source(table, INTERVALS))


def variants(table: Table) -> Measured:
    """variants.json: BLEU of a prefix, an infix and of embeddings alone by their length, a line each."""
    rows = sorted(table["rows"], key=lambda row: row["prefix_length"])
    by_variant = {name: [row for row in rows if row["variant"] == name] for name in VARIANTS}
    lines = [
        go.Scatter(
            name=VARIANTS[name],
            x=[row["prefix_length"] for row in some],
            y=[_dev(row, "bleu") for row in some],
            error_y=intervals([row["scores"]["dev"] for row in some], "bleu"),
            mode="lines+markers",
            line={"color": COLOURS[place]},
            hovertemplate="%{x} tokens: %{y:.1f}<extra>%{fullData.name}</extra>",
        )
        for place, (name, some) in enumerate(by_variant.items())
    ]
    axis = {"title": "length, tokens", "type": "log", "tickvals": [row["prefix_length"] for row in rows]}
    drawn = figure(*lines, xaxis=axis, yaxis_title="BLEU", height=360)
    measured = [row["scores"]["dev"] for row in rows]
    cells = [
        [VARIANTS[row["variant"]], f"{row['prefix_length']}", *_cells(scores), f"{row['held_out_loss']:.3f}"]
        for row, scores in zip(rows, measured, strict=True)
    ]
    best = [max(some, key=lambda row: _dev(row, "bleu")) for some in by_variant.values() if some]
    said = "; ".join(
        f"{VARIANTS[row['variant']]} {_dev(row, 'bleu'):.1f} ({row['prefix_length']} tokens)" for row in best
    )
    columns = ["variant", "length", *_heads(measured), "held-out loss"]
    return Measured(f"Highest BLEU of each: {said}.", drawn, columns, cells, _source(table, INTERVALS))


def layers(table: Table) -> Measured:
    """layers.json: BLEU of a prefix trained in all layers or in some, a bar each, with 95% intervals."""
    rows = table["rows"]
    measured = [row["scores"]["dev"] for row in rows]
    drawn = figure(
        go.Bar(
            x=[row["layers"] for row in rows],
            y=[scores["bleu"] for scores in measured],
            error_y=intervals(measured, "bleu"),
            marker={"color": COLOURS[0]},
            hovertemplate="%{x}: %{y:.1f}<extra></extra>",
        ),
        xaxis={"title": "layers that are trained", "type": "category"},
        yaxis={"title": "BLEU", "rangemode": "tozero"},
        height=340,
        bargap=0.5,
    )
    cells = [
        [row["layers"], *_cells(scores), f"{row['held_out_loss']:.3f}"]
        for row, scores in zip(rows, measured, strict=True)
    ]
    ranked = sorted(rows, key=lambda row: -_dev(row, "bleu"))
    said = "; ".join(f"{row['layers']} {_dev(row, 'bleu'):.1f}" for row in ranked)
    columns = ["layers", *_heads(measured), "held-out loss"]
    return Measured(f"BLEU by the layers that are trained: {said}.", drawn, columns, cells, _source(table, INTERVALS))


def few_examples(table: Table) -> Measured:
    """few_examples.json, few_news.json: the score by the number of texts learned from, each draw and the means."""
    metric = main_metric(table)
    methods = list(dict.fromkeys(row["method"] for row in table["rows"]))
    traces: list[Any] = []
    for place, method in enumerate(methods):
        rows = [row for row in table["rows"] if row["method"] == method]
        sizes = sorted({row["texts"] for row in rows})
        colour = COLOURS[place % len(COLOURS)]
        means = [_mean([_dev(row, metric) for row in rows if row["texts"] == size]) for size in sizes]
        traces += [
            go.Scatter(
                name=ROW_TITLES[method],
                x=sizes,
                y=means,
                mode="lines",
                line={"color": colour},
                hovertemplate="%{x} texts, mean: %{y:.1f}<extra>%{fullData.name}</extra>",
            ),
            go.Scatter(
                name=f"{ROW_TITLES[method]}, each draw",
                x=[row["texts"] for row in rows],
                y=[_dev(row, metric) for row in rows],
                mode="markers",
                marker={"color": colour, "size": 8, "symbol": "circle-open"},
                showlegend=False,
                hovertemplate="%{x} texts: %{y:.1f}<extra>%{fullData.name}</extra>",
            ),
        ]
    axis = {"title": "texts learned from", "type": "log", "tickvals": sorted({row["texts"] for row in table["rows"]})}
    drawn = figure(*traces, xaxis=axis, yaxis_title=METRICS[metric], height=380)
    rows = sorted(table["rows"], key=lambda row: (row["texts"], methods.index(row["method"]), row["draw"]))
    measured = [row["scores"]["dev"] for row in rows]
    cells = [
        [f"{row['texts']}", ROW_TITLES[row["method"]], f"{row['draw'] + 1}", f"{row['steps']}", *_cells(scores)]
        for row, scores in zip(rows, measured, strict=True)
    ]
    return Measured(
        verdict(table["rows"], metric, METRICS[metric]).strip("*") or "Fine-tuning was not measured beside the prefix.",
        drawn,
        ["texts", "method", "draw", "steps", *_heads(measured)],
        cells,
        _source(table, DRAWN),
    )


def initial_words(table: Table) -> Measured:
    """initial_words.json: BLEU by the words a prefix starts from: the mean of the draws a bar, every draw a mark."""
    by_words: dict[str, list[Row]] = {}
    for row in table["rows"]:
        by_words.setdefault(row["initial_words"] or "at random", []).append(row)
    names = sorted(by_words, key=lambda name: _mean([_dev(row, "bleu") for row in by_words[name]]))
    marks = [(name, _dev(row, "bleu")) for name in names for row in by_words[name]]
    drawn = figure(
        go.Bar(
            name="mean",
            y=names,
            x=[_mean([_dev(row, "bleu") for row in by_words[name]]) for name in names],
            orientation="h",
            marker={"color": GREY},
            hovertemplate="%{y}: %{x:.1f}<extra></extra>",
        ),
        go.Scatter(
            name="each draw",
            y=[name for name, _ in marks],
            x=[bleu for _, bleu in marks],
            mode="markers",
            marker={"color": COLOURS[1], "size": 10, "symbol": "circle-open", "line": {"width": 2}},
            hovertemplate="%{y}: %{x:.1f}<extra></extra>",
        ),
        xaxis={"title": "BLEU", "rangemode": "tozero"},
        height=130 + 40 * len(names),
    )
    drawn.update_yaxes(automargin=True, showgrid=False, type="category")
    rows = [row for name in reversed(names) for row in by_words[name]]
    measured = [row["scores"]["dev"] for row in rows]
    cells = [
        [row["initial_words"] or "at random", f"{row['texts']}", f"{row['draw'] + 1}", *_cells(scores)]
        for row, scores in zip(rows, measured, strict=True)
    ]
    means = {name: _mean([_dev(row, "bleu") for row in by_words[name]]) for name in reversed(names)}
    said = "; ".join(f"{name} {value:.1f}" for name, value in means.items())
    return Measured(
        f"Mean BLEU by the words it starts from: {said}.",
        drawn,
        ["words", "texts", "draw", *_heads(measured)],
        cells,
        _source(table, BARS),
    )


def topics(table: Table) -> Measured:
    """topics.json, within_news.json: ROUGE-L on each set of topics, a bar for each method, with 95% intervals."""
    rows, places = table["rows"], list(table["rows"][0]["scores"])
    traces = []
    for place, row in enumerate(rows):
        measured = [row["scores"][where] for where in places]
        traces.append(
            go.Bar(
                name=ROW_TITLES[row["method"]],
                x=places,
                y=[scores["rouge_l"] for scores in measured],
                error_y=intervals(measured, "rouge_l"),
                marker={"color": COLOURS[place % len(COLOURS)]},
                hovertemplate="%{x}: %{y:.1f}<extra>%{fullData.name}</extra>",
            )
        )
    drawn = figure(*traces, yaxis={"title": "ROUGE-L", "rangemode": "tozero"}, barmode="group", height=360)
    scored = [(row, where, row["scores"][where]) for row in rows for where in places]
    measured = [scores for *_, scores in scored]
    cells = [
        [ROW_TITLES[row["method"]], where, f"{scores['inputs']:,}", f"{row['texts']:,}", *_cells(scores)]
        for row, where, scores in scored
    ]
    said = "; ".join(
        f"{where}: " + ", ".join(f"{ROW_TITLES[row['method']]} {row['scores'][where]['rouge_l']:.1f}" for row in rows)
        for where in places
    )
    return Measured(
        f"ROUGE-L on {said}.",
        drawn,
        ["method", "scored on", "inputs", "texts learned from", *_heads(measured)],
        cells,
        _source(table, INTERVALS),
    )


def prompts(table: Table) -> Measured:
    """prompts.json: the score of every wording by which the base was asked, by task; the best of each is filled."""
    rows = [{**row, "metric": "bleu" if "bleu" in row else "rouge_l"} for row in table["rows"]]
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    best = {task: max(some, key=lambda row: float(row[row["metric"]])) for task, some in by_task.items()}
    drawn = figure(
        go.Scatter(
            y=[task_title(row["task"]) for row in rows],
            x=[row[row["metric"]] for row in rows],
            text=[f"{row['instruction']}<br>{row['system']}" for row in rows],
            mode="markers",
            marker={
                "color": COLOURS[0],
                "size": 10,
                "symbol": ["circle" if row is best[row["task"]] else "circle-open" for row in rows],
            },
            hovertemplate="%{x:.1f}: %{text}<extra></extra>",
        ),
        xaxis={"title": "BLEU, for news ROUGE-L", "rangemode": "tozero"},
        height=110 + 50 * len(by_task),
    )
    drawn.update_yaxes(automargin=True, type="category")
    cells = [[task_title(row["task"]), row["instruction"], row["system"], f"{row[row['metric']]:.1f}"] for row in rows]
    said = "; ".join(
        f"{task_title(task)} {row[row['metric']]:.1f} {METRICS[row['metric']]} with “{row['instruction']}”"
        for task, row in best.items()
    )
    columns = ["task", "instruction", "system line", "score"]
    note = "Each mark is one instruction with one system line; a filled one is the best. "
    note += f"{display_name(table['base'])}; python -m prefix_core study prompts."
    return Measured(f"The best instructions, without examples: {said}.", drawn, columns, cells, note)


def main_metric(table: Table) -> str:
    """BLEU, or ROUGE-L where a study is of summaries."""
    scores: Row = next(iter(table["rows"][0]["scores"].values()))
    return "bleu" if "bleu" in scores else "rouge_l"


def _dev(row: Row, metric: str) -> float:
    return float(row["scores"]["dev"][metric])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _heads(measured: Sequence[Row]) -> list[str]:
    return [METRICS[name] for name in METRICS if name in measured[0]]


def _cells(scores: Row) -> list[str]:
    return [f"{scores[name]:.4g}" for name in METRICS if name in scores]


def _source(table: Table, reading: str) -> str:
    """How the plot is read, and what it is of."""
    inputs = ", ".join(f"{count:,} of {set_title(where)}" for where, count in table["rows"][0]["inputs"].items())
    made, planned = len(table["rows"]), table.get("planned", 0)
    unfinished = f" {made} of {planned} runs so far." if made < planned else ""
    return (
        f"{reading}{unfinished} {display_name(table['base'])}, {table['base_parameters']:,} parameters; "
        f"{task_title(table['task'])}, scored on {inputs}, {table['decoding']}; python -m prefix_core study."
    )
