"""The tab "Evidence": what has been measured so far, as plots, with the numbers behind them."""

import json
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from prefix_core.places import ASSETS
from prefix_core.tasks import TASKS
from prefix_core.ui import evidence_plots as plots
from prefix_core.ui.evidence_plots import FIGURES, Shown, table_html
from prefix_core.ui.status import problem_html

INTRODUCTION = (
    "<p>Everything here was measured by this program, on the base it runs, and can be made anew with <code>python -m"
    " prefix_core rebuild</code>. Where the paper reports the same, its values stand beside ours as hollow diamonds:"
    " they are of <b>another model</b>, far larger, and no mark for this one to reach.</p>"
)


def build(folder: Path = ASSETS / "evidence") -> None:
    """Lay out the tab: scores by task and metric, then every other figure whose file there is."""
    tables, paper = score_tables(folder), read(folder, "paper") or {"tasks": {}}
    with gr.Column(elem_id="evidence"):
        gr.HTML(f'<div class="words">{INTRODUCTION}</div>', apply_default_css=False)
        if tables:
            _scores(tables, paper)
        for stem, (heading, _) in FIGURES.items():
            if (facts := read(folder, stem)) is not None:
                gr.HTML(f"<h2>{heading}</h2>", apply_default_css=False)
                _show(*drawn(stem, facts), heading)
        gr.HTML(missing_html(folder), apply_default_css=False)
    _endpoint(folder)


def _scores(tables: dict[str, Any], paper: dict[str, Any]) -> None:
    first = next(iter(tables))
    metrics = plots.metrics_of(tables[first])
    gr.HTML("<h2>Scores</h2>", apply_default_css=False)
    task = gr.Radio([(_heading(stem), stem) for stem in tables], value=first, label="Measured on")
    metric = gr.Radio([(plots.METRICS[name], name) for name in metrics], value=metrics[0], label="Metric")
    shown = _show(scored(tables, paper, first, metrics[0]), "", "Scores")
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    def pick(stem: str, wanted: str) -> tuple[Any, ...]:
        offered = plots.metrics_of(tables[stem])
        wanted = wanted if wanted in offered else offered[0]
        choices = [(plots.METRICS[name], name) for name in offered]
        return gr.Radio(choices, value=wanted), *_parts(scored(tables, paper, stem, wanted), "", "Scores")

    for choice in (task, metric):
        choice.input(pick, [task, metric], [metric, *shown], **quick)


def _show(shown: Shown | None, problem: str, heading: str) -> list[Any]:
    """Plot and table of one figure, or why it cannot be drawn."""
    plot, html = _parts(shown, problem, heading)
    return [
        gr.Plot(plot, show_label=False, container=False, visible=shown is not None),
        gr.HTML(html, apply_default_css=False),
    ]


def _parts(shown: Shown | None, problem: str, heading: str) -> tuple[Any, str]:
    if shown is None:
        return None, problem_html(problem)
    return shown.plot, f'<p class="source">{escape(shown.note)}</p>' + table_html(shown.columns, shown.rows, heading)


def scored(tables: dict[str, Any], paper: dict[str, Any], stem: str, metric: str) -> Shown:
    return plots.scores(tables[stem], paper["tasks"].get(stem.split("-")[0]), metric)


def drawn(stem: str, facts: Any) -> tuple[Shown | None, str]:
    """A figure, or the reason that its file cannot be drawn."""
    try:
        return FIGURES[stem][1](facts), ""
    except (KeyError, TypeError, IndexError) as error:
        return None, f"assets/evidence/{stem}.json has another form than this page knows ({error!r}); measure it anew."


def score_tables(folder: Path) -> dict[str, Any]:
    """Every table of scores by its file's stem: the tasks in their order, the dev set's before the test sets'."""
    found = {}
    for task in TASKS:
        for path in [*folder.glob(f"{task}.json"), *sorted(folder.glob(f"{task}-*.json"))]:
            facts = read(folder, path.stem)
            if isinstance(facts, dict) and facts.get("rows") and plots.metrics_of(facts):
                found[path.stem] = facts
    return found


def read(folder: Path, stem: str) -> Any:
    """A file of evidence, or None where it is missing or no JSON."""
    try:
        return json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def missing_html(folder: Path) -> str:
    """What has not been measured yet, said plainly."""
    known = score_tables(folder)
    absent = [task.title for task in TASKS.values() if task.name not in known and task.name != "custom"]
    absent += [heading for stem, (heading, _) in FIGURES.items() if read(folder, stem) is None]
    return f'<p class="source">Not measured on this base yet: {escape(", ".join(absent))}.</p>' if absent else ""


def _heading(stem: str) -> str:
    name, _, split = stem.partition("-")
    return f"{TASKS[name].title}, {split} set" if split else TASKS[name].title


def _endpoint(folder: Path) -> None:
    """Add `/evidence` to the Blocks being built."""

    def evidence(name: str = "") -> dict[str, Any]:
        """What was measured.

        Parameters:
            name: of a file in assets/evidence, such as e2e; "" for the names there are
        Returns:
            {"names": [..]}, or {"name", "measured": what the file holds}
        """
        names = sorted(path.stem for path in folder.glob("*.json"))
        if not name:
            return {"names": names}
        if name not in names:
            raise gr.Error(f"There is no evidence '{name}'. Choose one of: {', '.join(names)}.", print_exception=False)
        return {"name": name, "measured": read(folder, name)}

    gr.api(evidence, api_name="evidence")
