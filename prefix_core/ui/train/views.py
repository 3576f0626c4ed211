"""What the tab "Train" shows: the loss as a plot, the rest as HTML. Pure functions; what people wrote is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from prefix_core.data.report import Report
from prefix_core.ui.labels import METHOD_LABELS, METRICS, about, duration, number, size
from prefix_core.ui.style import COLOURS, figure
from prefix_core.ui.train.sheet import Sheet, shown

if TYPE_CHECKING:
    from prefix_core.ui.kept import OwnPrefix
    from prefix_core.ui.train.runs import MethodProgress, TrainingRun

SHOWN = 5  # rows of the preview
LONGEST_CELL = 160  # characters of a cell in it
ROWS = ("before", "prefix", "fine_tune", "prompt")  # of the table of scores
COSTS = ("trained", "kept", "on disk", "time")
SHORT_METRICS = ("bleu", "rouge_l", "chrf", "slot_coverage", "names_said")  # reliable on a dozen short texts
CLOCKS = 4  # steps after the start at which the plot says how long it took to them
CLOCK_HEIGHT = 16  # pixels of such a line
SMOOTHING = 0.9  # of the smoothed loss
COMING = """<div class="coming"><p>While it trains, you will see here:</p><ul>
<li><b>the loss</b> as it falls, on your rows and on a few that are held out</li>
<li><b>what it writes</b> for three held-out inputs, from the first seconds on</li>
<li><b>before and after</b>, in scores and costs; then the prefix is yours to compare, look inside and take home</li>
</ul></div>"""
NOTES = {
    "before": "the same prefix, as it started",
    "prompt": "nothing trained; asked in words",
}


def loss_plot(methods: Sequence[MethodProgress]) -> go.Figure:
    """One colour for each method. Thin: every step; thick: smoothed; rings: held out, at step 0 before training.

    Under the steps the seconds that each method took to them, its own alone, in its colour.
    """
    traces = []
    for progress, colour in zip(methods, COLOURS, strict=False):
        title, steps = METHOD_LABELS[progress.method].title, list(range(1, progress.step + 1))

        def trace(name: str, x: list[int], y: list[float], title: str = title, **look: object) -> None:
            hover = f"step %{{x}}<br>{title}, {name}: %{{y:.2f}}<extra></extra>"
            traces.append(go.Scatter(x=x, y=y, name=f"{title}, {name}", hovertemplate=hover, **look))

        trace("each step", steps, progress.losses, mode="lines", line={"color": colour, "width": 1}, opacity=0.4)
        trace("smoothed", steps, smoothed(progress.losses), mode="lines", line={"color": colour, "width": 2.5})
        held = {"color": colour, "width": 1.5, "dash": "dot"}
        ring = {"size": 7, "symbol": "circle-open"}
        points = sorted(progress.held_out.items())
        trace(
            "held out", [step for step, _ in points], [loss for _, loss in points], mode="lines+markers", line=held,
            marker=ring,
        )  # fmt: skip
    longest = max((progress.steps for progress in methods), default=1) or 1
    places, clocks = seconds_axis(methods, longest)
    return figure(
        *traces,
        height=320 + CLOCK_HEIGHT * len(methods),
        xaxis={"title": "step, and the time it took", "range": [0, longest], "tickvals": places, "ticktext": clocks},
        yaxis={"title": "loss (nats per token)", "rangemode": "tozero"},
        margin={"l": 48, "r": 44, "t": 12, "b": 52 + CLOCK_HEIGHT * len(methods)},
    )


def seconds_axis(methods: Sequence[MethodProgress], longest: int) -> tuple[list[int], list[str]]:
    """Steps, and under each how long every method took to it: a line for each, in its colour."""
    places = sorted({round(longest * part / CLOCKS) for part in range(CLOCKS + 1)})

    def at(progress: MethodProgress, step: int, colour: str) -> str:
        gone = duration(progress.times[step - 1]) if 0 < step <= len(progress.times) else " "
        return f'<span style="color:{colour}">{gone}</span>'

    clocks = [
        "<br>".join(
            [str(step), *(at(progress, step, colour) for progress, colour in zip(methods, COLOURS, strict=False))]
        )
        for step in places
    ]
    return places, clocks


def smoothed(losses: Sequence[float], memory: float = SMOOTHING) -> list[float]:
    """The exponential moving average, corrected for its start."""
    average, weight, smooth = 0.0, 0.0, []
    for loss in losses:
        average = memory * average + (1 - memory) * loss
        weight = memory * weight + (1 - memory)
        smooth.append(average / weight)
    return smooth


def preview_html(sheet: Sheet, inputs: Sequence[str], target: str) -> str:
    """The first rows, with the chosen columns marked."""
    heads = "".join(
        f'<th scope="col" data-role="{_role(column, inputs, target)}">{escape(column)}'
        f"<small>{_role(column, inputs, target)}</small></th>"
        for column in sheet.columns
    )
    rows = "".join(
        f'<tr><th scope="row">{place}</th>'
        + "".join(
            f'<td data-role="{_role(column, inputs, target)}">{escape(_shorten(shown(cell)))}</td>'
            for column, cell in zip(sheet.columns, row, strict=True)
        )
        + "</tr>"
        for place, row in zip(sheet.numbers[:SHOWN], sheet.rows[:SHOWN], strict=True)
    )
    more = len(sheet.rows) - SHOWN
    note = f"<p>… and {more} more row{'s' * (more != 1)}</p>" if more > 0 else ""
    return (
        f'<div class="preview"><div class="wide" tabindex="0" role="region" aria-label="Preview of the rows"><table>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{note}</div>"
    )


def report_html(report: Report, left_out: Sequence[str] = ()) -> str:
    """How the rows were read: a line that opens; open at once where something was passed over. left_out: texts."""
    first, *rest = [*report.lines(), *left_out]
    noted = bool(report.notes or report.left_out or left_out)
    items = "".join(f"<li>{escape(_shorten(line))}</li>" for line in rest)
    return (
        f'<details class="told"{" open" if noted else ""}><summary>Read as {escape(_shorten(first))}</summary>'
        f"<ul>{items}</ul></details>"
    )


def progress_html(run: TrainingRun) -> str:
    """The status line and the bar under it."""
    text, note, state = _status(run)
    done = sum(progress.step for progress in run.methods)
    total = _all_steps(run)
    percent = 100 * done / total if total else 0
    bar = (
        f'<div class="steps" role="progressbar" aria-label="Steps done" aria-valuemin="0" aria-valuemax="{total}" '
        f'aria-valuenow="{done}"><i style="width:{percent:.1f}%"></i></div>'
        if total
        else ""
    )
    tail = f'<span class="note">{escape(note)}</span>' if note else ""
    return f'<p class="status" data-state="{state}" role="status"><span>{escape(text)}</span>{tail}</p>{bar}'


def samples_html(run: TrainingRun) -> str:
    """The held-out inputs with what is written for them: before training, now, and at the end by every method."""
    if not run.inputs:
        return COMING
    cards = []
    for place, source in enumerate(run.inputs):
        lines = []
        if run.start:
            lines.append(_line("before training", run.start[place], "before"))
        for progress in run.methods:
            if not progress.samples:
                continue
            step, title = max(progress.samples), METHOD_LABELS[progress.method].title
            ended = "" if progress.method in run.outputs else f", step {step}"
            text = run.outputs.get(progress.method, progress.samples[step])[place]
            lines.append(_line(f"{title}{ended}", text, progress.method))
        if "prompt" in run.outputs:
            lines.append(_line("Prompted", run.outputs["prompt"][place], "prompt"))
        lines.append(_line("from your rows", run.plan.held_out[place].references[0], "reference"))
        cards.append(f'<article class="sample"><p class="source">{escape(source)}</p>{"".join(lines)}</article>')
    return f'<h3>What it writes for held-out inputs</h3><div class="samples">{"".join(cards)}</div>'


def scores_html(run: TrainingRun) -> str:
    """What each row scored on the held-out inputs, and what it cost."""
    rows = {name: scores for name in ROWS if (scores := run.scores.get(name))}
    if not rows:
        return ""
    first = next(iter(rows.values()))
    metrics = [name for name, value in first.items() if name in SHORT_METRICS and isinstance(value, int | float)]
    titles = ["held-out loss", *(METRICS[name] for name in metrics), *COSTS]
    heads = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(
        f'<tr data-row="{name}"><th scope="row">{_row_title(name)}<small>{NOTES.get(name, "")}</small></th>'
        f"{_cells([_loss(run, name), *(_score(scores[metric]) for metric in metrics)])}"
        f"{_cells(_costs(run, name))}</tr>"
        for name, scores in rows.items()
    )
    note = f"Greedy decoding on {first['inputs']} held-out inputs: few, so small differences mean little."
    if "fine_tune" in rows:
        note += " The fine-tuned copy of the model was measured here and is not kept."
    return (
        '<h3>Before and after</h3><div class="wide" tabindex="0" role="region" aria-label="Scores and costs">'
        f'<table class="scores"><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="legend">{note}</p>'
    )


def about_html(prefix: OwnPrefix) -> str:
    """What is known of one of the visitor's prefixes."""
    card = prefix.card
    length = prefix.steered.prefix.length if prefix.steered.prefix else 0
    details = [f"{length} vectors per layer", f"{number(prefix.steered.kept)} parameters", size(prefix.steered.bytes)]
    trained = f"{number(card.trained)} of them trained" if 0 < card.trained < card.kept else ""
    shown = len(card.settings.get("demonstrations", ()))
    details += [trained] if trained else []
    details += [f"started from {shown} of your rows"] if shown else []
    details += [f"{card.steps} steps"] if card.steps else []
    details += [f"held-out loss {card.held_out_loss:.2f}"] if card.held_out_loss is not None else []
    return f'<p class="legend">{escape(_shorten(prefix.task.title, 60))} · {" · ".join(details)}</p>'


def _status(run: TrainingRun) -> tuple[str, str, str]:
    """Text, note and state of the status line."""
    gone = duration(run.seconds)
    if run.state == "waiting":
        ahead = run.ahead
        waiting = f"Waiting: {ahead} training{'s' * (ahead != 1)} before yours"
        expected = f", expected to begin in about {about(run.starts_in)}" if run.starts_in else ""
        return f"{waiting}{expected}", "you can close the page in the meantime", "busy"
    left = f"about {about(run.seconds_left)} left"
    if run.state == "loading":
        return "Starting: loading the model in a separate process …", f"{gone} so far, {left}", "busy"
    if run.state == "training":
        titled = [(METHOD_LABELS[progress.method].title, progress) for progress in run.methods]
        steps = [f"{title}: step {each.step} of {each.steps}" for title, each in titled if not each.ended]
        over = [f"{title}: {each.ended}" for title, each in titled if each.ended]
        return " · ".join(steps) or "Starting …", " · ".join([f"{gone} so far, {left}", *over]), "busy"
    if run.state == "scoring":
        kept = f"Saved as “{run.prefix}” and ready to use. " if run.prefix else ""
        return f"{kept}Now writing the held-out inputs, to score it …", gone, "busy"
    if run.state == "failed":
        return run.error, "", "failed"
    kept = f"; the best version, from step {_best(run)}, is saved as “{run.prefix}”" if run.prefix else ""
    if run.state == "stopped":
        return f"Stopped after {gone}{kept or '; nothing was measured yet, so nothing is saved'}", "", "stopped"
    ended = [f"{METHOD_LABELS[each.method].title}: {each.ended}" for each in run.methods if each.ended != "complete"]
    return f"Trained in {gone}{kept}", "; ".join(ended), "done"


def _best(run: TrainingRun) -> int:
    progress = run.method("prefix")
    return progress.best_step if progress else 0


def _all_steps(run: TrainingRun) -> int:
    """Steps of all methods; of one that is over, those it took."""
    return sum(progress.step if progress.ended or run.over else progress.steps for progress in run.methods)


def _loss(run: TrainingRun, name: str) -> str:
    progress = run.method("prefix" if name == "before" else name)
    loss = progress.held_out.get(0 if name == "before" else progress.best_step) if progress else None
    return "–" if loss is None else f"{loss:.2f}"


def _costs(run: TrainingRun, name: str) -> list[str]:
    progress = run.method(name)
    if progress is None:
        return ["nothing", "–", "–", "–"]
    return [number(progress.trained), number(progress.kept), size(progress.bytes), duration(progress.seconds)]


def _row_title(name: str) -> str:
    return "Before training" if name == "before" else METHOD_LABELS[name].title


def _cells(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _score(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(name: str, text: str, kind: str) -> str:
    shown = escape(text) if text.strip() else '<span class="nothing">(nothing)</span>'
    return f'<p class="line" data-kind="{kind}"><b>{escape(name)}</b> {shown}</p>'


def _role(column: str, inputs: Sequence[str], target: str) -> str:
    return "input" if column in inputs else "text" if column == target else "not used"


def _shorten(cell: str, most: int = LONGEST_CELL) -> str:
    return cell if len(cell) <= most else cell[: most - 1] + "…"
