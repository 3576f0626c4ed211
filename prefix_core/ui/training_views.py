"""What the tab "Train" shows, as HTML. Pure functions; whatever a visitor or a model wrote is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from prefix_core.ui.panes import KINDS, number, size
from prefix_core.ui.training_sheet import Sheet, shown

if TYPE_CHECKING:
    from prefix_core.ui.training_run import Track, Training
    from prefix_core.ui.visitors import OwnPrefix

SHOWN = 5  # rows of the preview
CUT = 160  # characters of a cell in it
ROWS = {"before": "Before training", "prefix": "Prefix-tuned", "fine_tune": "Fine-tuned", "prompt": "Prompted"}
COSTS = ("trained", "kept", "on disk", "time")
METRICS = {  # those that a dozen short texts bear
    "bleu": "BLEU",
    "rouge_l": "ROUGE-L",
    "chrf": "chrF",
    "slot_coverage": "values said, %",
    "names_said": "names said, %",
}
COMING = """<div class="coming"><p>While it trains, you will see here</p><ul>
<li><b>the loss</b> as it falls, on your rows and on a few that are held out of them</li>
<li><b>what it writes</b> for three inputs it does not learn from, again and again as it gets better</li>
<li><b>before and after</b>, in scores and costs; the prefix is yours then, to compare, look inside, take home</li>
</ul></div>"""
NOTES = {
    "before": "the same prefix, as its initial words left it",
    "prompt": "nothing trained; asked in words",
}


def preview(sheet: Sheet, inputs: Sequence[str], target: str) -> str:
    """The first rows, the chosen columns marked."""
    heads = "".join(
        f'<th scope="col" data-role="{_role(column, inputs, target)}">{escape(column)}'
        f"<small>{_role(column, inputs, target)}</small></th>"
        for column in sheet.columns
    )
    rows = "".join(
        f'<tr><th scope="row">{place}</th>{"".join(f"<td>{escape(_cut(shown(cell)))}</td>" for cell in row)}</tr>'
        for place, row in zip(sheet.numbers[:SHOWN], sheet.rows[:SHOWN], strict=True)
    )
    more = len(sheet.rows) - SHOWN
    note = f"<p>… and {more} more row{'s' * (more != 1)}</p>" if more > 0 else ""
    return (
        f'<div class="preview"><div class="wide" tabindex="0" role="region" aria-label="Preview of the rows"><table>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{note}</div>"
    )


def progress(training: Training, place: int) -> str:
    """The status line and the bar under it. `place`: trainings before this one."""
    text, note, state = _told(training, place)
    done = sum(track.step for track in training.tracks)
    total = _all_steps(training)
    percent = 100 * done / total if total else 0
    bar = (
        f'<div class="steps" role="progressbar" aria-label="Steps done" aria-valuemin="0" aria-valuemax="{total}" '
        f'aria-valuenow="{done}"><i style="width:{percent:.1f}%"></i></div>'
        if total
        else ""
    )
    tail = f'<span class="note">{escape(note)}</span>' if note else ""
    return f'<p class="status" data-state="{state}" role="status"><span>{escape(text)}</span>{tail}</p>{bar}'


def samples(training: Training) -> str:
    """The held-out inputs with what is written for them: before, now, and at the end by every method."""
    if not training.inputs:
        return COMING
    cards = []
    for place, source in enumerate(training.inputs):
        lines = []
        for track in training.tracks:
            steps = sorted(track.samples)
            title = KINDS[track.method].title
            if track.method == "prefix":
                lines.append(_line("before training", track.samples[steps[0]][place], "before"))
            if steps[-1]:
                ended = "" if track.method in training.outputs else f", step {steps[-1]}"
                text = training.outputs.get(track.method, track.samples[steps[-1]])[place]
                lines.append(_line(f"{title}{ended}", text, track.method))
        if "prompt" in training.outputs:
            lines.append(_line("Prompted", training.outputs["prompt"][place], "prompt"))
        lines.append(_line("from your rows", training.order.held_out[place].references[0], "reference"))
        cards.append(f'<article class="sample"><p class="source">{escape(source)}</p>{"".join(lines)}</article>')
    return f'<h3>Inputs it does not learn from, as it writes them</h3><div class="samples">{"".join(cards)}</div>'


def table(training: Training) -> str:
    """What each row scored on the held-out inputs, and what it cost."""
    rows = {name: scores for name in ROWS if (scores := training.scores.get(name))}
    if not rows:
        return ""
    first = next(iter(rows.values()))
    metrics = [name for name, value in first.items() if name in METRICS and isinstance(value, int | float)]
    heads = "".join(f'<th scope="col">{title}</th>' for title in ("held-out loss", *map(METRICS.get, metrics), *COSTS))
    body = "".join(
        f'<tr data-row="{name}"><th scope="row">{ROWS[name]}<small>{NOTES.get(name, "")}</small></th>'
        f"{_cells([_loss(training, name), *(_score(scores[metric]) for metric in metrics)])}"
        f"{_cells(_costs(training, name))}</tr>"
        for name, scores in rows.items()
    )
    note = f"Greedy, on {first['inputs']} held-out inputs: few, so small differences mean little."
    if "fine_tune" in rows:
        note += " The fine-tuned copy of the model was measured here and is not kept."
    return (
        '<h3>Before and after</h3><div class="wide" tabindex="0" role="region" aria-label="Scores and costs">'
        f'<table class="scores"><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="legend">{note}</p>'
    )


def about(prefix: OwnPrefix) -> str:
    """What is known of one of the visitor's own."""
    card = prefix.card
    length = prefix.steered.prefix.length if prefix.steered.prefix else 0
    facts = [f"{length} vectors a layer", f"{number(prefix.steered.kept)} parameters", size(prefix.steered.bytes)]
    facts += [f"{card.steps} steps"] if card.steps else []
    facts += [f"held-out loss {card.held_out_loss:.2f}"] if card.held_out_loss is not None else []
    return f'<p class="legend">{escape(_cut(prefix.task.title, 60))} · {" · ".join(facts)}</p>'


def duration(seconds: float) -> str:
    """7 s; 1 min 23 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _told(training: Training, place: int) -> tuple[str, str, str]:
    """Text, note and state of the status line."""
    gone = duration(training.seconds)
    if training.state == "waiting":
        return f"Waiting: {place} training{'s' * (place != 1)} before yours", "you may close the page meanwhile", "busy"
    if training.state == "loading":
        return "Starting: a process of its own loads the model …", gone, "busy"
    if training.state in ("training", "scoring"):
        track = training.tracks[-1]
        title = KINDS[track.method].title
        if training.state == "scoring":
            return f"{title}: writing for the held-out inputs, to score them …", gone, "busy"
        left = f"about {duration(track.seconds_left)} left" if track.step else "…"
        return f"{title}: step {track.step} of {track.steps}", f"{gone} gone, {left}", "busy"
    if training.state == "failed":
        return training.error, "", "failed"
    kept = f"; the best, of step {_best(training)}, is kept as “{training.prefix}”" if training.prefix else ""
    if training.state == "stopped":
        return f"Stopped after {gone}{kept or '; nothing was measured yet, so nothing is kept'}", "", "stopped"
    ended = {track.ended for track in training.tracks} - {"complete", ""}
    return f"Trained in {gone}{kept}", "; ".join(sorted(ended)), "done"


def _best(training: Training) -> int:
    return next(track.best_step for track in training.tracks if track.method == "prefix")


def _all_steps(training: Training) -> int:
    """Steps of all methods, as far as they are known: those to come are taken to be as many as the first's."""
    if not training.tracks:
        return 0
    if training.over:
        return sum(track.step for track in training.tracks) or 1
    coming = len(training.order.methods) - len(training.tracks)
    return sum(track.steps for track in training.tracks) + coming * training.tracks[0].steps


def _track(training: Training, name: str) -> Track | None:
    return next((track for track in training.tracks if track.method == name), None)


def _loss(training: Training, name: str) -> str:
    track = _track(training, "prefix" if name == "before" else name)
    if track is None:
        return "–"
    return f"{track.held_out[0 if name == 'before' else track.best_step]:.2f}"


def _costs(training: Training, name: str) -> list[str]:
    track = _track(training, name)
    if track is None:
        return ["nothing", "–", "–", "–"]
    return [number(track.trained), number(track.kept), size(track.bytes), duration(track.seconds)]


def _cells(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _score(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(name: str, text: str, kind: str) -> str:
    shown = escape(text) if text.strip() else '<span class="nothing">(nothing)</span>'
    return f'<p class="line" data-kind="{kind}"><b>{escape(name)}</b> {shown}</p>'


def _role(column: str, inputs: Sequence[str], target: str) -> str:
    return "input" if column in inputs else "text" if column == target else "not used"


def _cut(cell: str, most: int = CUT) -> str:
    return cell if len(cell) <= most else cell[: most - 1] + "…"
