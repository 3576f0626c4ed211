"""The tab "Evidence": what has been measured on the base of the page, as plots, with the numbers behind them."""

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any

import gradio as gr

from prefix_core.errors import PrefixError
from prefix_core.places import DEFAULT_BASE, EVIDENCE, evidence_of
from prefix_core.tasks import MEASURED, TASKS
from prefix_core.ui.common import QUICK, problem_html, refusals, table_html
from prefix_core.ui.evidence import plots, studies
from prefix_core.ui.evidence.live import live
from prefix_core.ui.evidence.plots import Measured
from prefix_core.ui.labels import METRICS, set_title
from prefix_core.ui.loading import Loading

# Stem of a file of evidence -> its heading and what draws it. A new kind of measurement is one line here.
FIGURES: dict[str, tuple[str, Callable[[Any], Measured]]] = {
    "lengths": ("How long a prefix should be", studies.lengths),
    "variants": ("Prefix, infix, or embeddings alone", studies.variants),
    "few_examples": ("Training on few examples", studies.few_examples),
    "live": ("Training while you watch", live),
    "initial_words": ("Which words a prefix starts from", studies.initial_words),
    "layers": ("Which layers need a prefix", studies.layers),
    "few_news": ("Training on few news articles", studies.few_examples),
    "lengths_news": ("How long a prefix for news should be", studies.lengths),
    "topics": ("Topics not seen in training", studies.topics),
    "within_news": ("Trained on business and politics, tested on technology and entertainment", studies.topics),
    "prompts": ("How the model is prompted", studies.prompts),
    "sweep": ("How the defaults were chosen", plots.sweep),
    "bench": ("Speed and memory", plots.speed),
}
BEYOND: dict[str, tuple[str, Callable[[Any], Measured]]] = {  # on models that are not run here
    "full_size": ("Models of full size", plots.full_size),
}
DRAWN_BY = FIGURES | BEYOND
AWAITED = '<p class="source">What was measured on this model appears as soon as it is loaded.</p>'
BEYOND_HEADING = '<h2>Other models</h2><p class="source">Measured on models that this page does not run.</p>'


def build(demo: gr.Blocks, loading: Loading, root: Path = EVIDENCE) -> None:
    """Lay out the tab inside `demo`: scores by task and metric, then every other figure that has a file.

    Everything is drawn once; as soon as the base is loaded, a visitor sees what was measured on these very weights.
    """
    folder = evidence_of(loading.name, root)
    tables, paper = score_tables(folder), load_evidence(root, "paper") or {"tasks": {}}
    figures = {stem: content for stem in FIGURES if (content := load_evidence(folder, stem)) is not None}
    general = {stem: content for stem in BEYOND if (content := load_evidence(root, stem)) is not None}
    with gr.Column(elem_id="evidence"):
        gr.HTML(f'<div class="words">{introduction(loading.name)}</div>', apply_default_css=False)
        with gr.Column(visible=False) as scores:
            choices = _scores(tables, paper)
        columns = {stem: _figure(stem, content, visible=False) for stem, content in figures.items()}
        missing = gr.HTML(AWAITED, apply_default_css=False)
        if general:
            gr.HTML(BEYOND_HEADING, apply_default_css=False)
        for stem, content in general.items():
            _figure(stem, content)
    changed = [scores, *choices, *columns.values(), missing]

    def arrive() -> list[Any]:
        try:
            base_hash = loading.wait().base.weights_hash
        except PrefixError:
            return [*(gr.skip() for _ in changed[1:]), ""]  # the header says why
        own = {stem: content for stem, content in tables.items() if belongs(content, base_hash)}
        known = [stem for stem, content in figures.items() if belongs(content, base_hash)]
        return [
            gr.Column(visible=bool(own)),
            *(_picked(own, paper, next(iter(own)), "") if own else [gr.skip() for _ in choices]),
            *(gr.Column(visible=stem in known) for stem in columns),
            missing_html([*own, *known], loading.name),
        ]

    demo.load(arrive, None, changed, **QUICK)
    _endpoint(loading, folder, root)


def introduction(base: str) -> str:
    return (
        "<p>Everything here was measured by this program on the model it runs; <code>"
        f"{command('rebuild', base)}</code> measures it again. Hollow diamonds are the paper's values, where it has "
        "the same metric: they come from <b>another, larger model</b>, so they are no target for this one.</p>"
    )


def command(name: str, base: str) -> str:
    """What to type, as HTML."""
    return escape(f"python -m prefix_core {name}" + ("" if base == DEFAULT_BASE else f" --base {quote(base)}"))


def belongs(content: Any, base_hash: str) -> bool:
    """Whether a file was measured on these weights; one on speed, which the values do not change, names none."""
    rows = content if isinstance(content, list) else [content]
    return any(row.get("base_hash", base_hash) == base_hash for row in rows)


def _scores(tables: dict[str, Any], paper: dict[str, Any]) -> list[Any]:
    """Task, metric, conclusion, plot and table, empty until `_picked` fills them."""
    gr.HTML("<h2>Scores</h2>", apply_default_css=False)
    task, metric = gr.Radio([], label="Measured on"), gr.Radio([], label="Metric")
    conclusion = gr.HTML("", apply_default_css=False)
    shown = [conclusion, gr.Plot(show_label=False, container=False), gr.HTML("", apply_default_css=False)]

    def pick(stem: str, wanted: str) -> list[Any]:
        return _picked(tables, paper, stem, wanted)[1:]

    for choice in (task, metric):
        choice.input(pick, [task, metric], [metric, *shown], **QUICK)
    return [task, metric, *shown]


def _picked(tables: dict[str, Any], paper: dict[str, Any], stem: str, wanted: str) -> list[Any]:
    """Task, metric, conclusion, plot and table; another metric if the task does not have the one wanted."""
    offered = plots.metrics_of(tables[stem])
    metric = wanted if wanted in offered else offered[0]
    return [
        gr.Radio([(_heading(name), name) for name in tables], value=stem),
        gr.Radio([(METRICS[name], name) for name in offered], value=metric),
        *_parts(scored(tables, paper, stem, metric), "", "Scores"),
    ]


def _figure(stem: str, content: Any, visible: bool = True) -> gr.Column:
    """What a figure says under its heading, or why it cannot be drawn; the plot and its numbers are folded."""
    heading, _ = DRAWN_BY[stem]
    shown, problem = drawn(stem, content)
    conclusion, plot, html = _parts(shown, problem, heading)
    column: gr.Column
    with gr.Column(visible=visible, elem_classes="finding") as column:
        gr.HTML(f"<h2>{heading}</h2>{conclusion}", apply_default_css=False)
        with gr.Accordion("Plot and numbers", open=False, visible=shown is not None):
            gr.Plot(plot, show_label=False, container=False)
            gr.HTML(html, apply_default_css=False)
    return column


def _parts(shown: Measured | None, problem: str, heading: str) -> tuple[str, Any, str]:
    """The conclusion as HTML, the plot, and its note and numbers as HTML."""
    if shown is None:
        return problem_html(problem), None, ""
    numbers = f'<p class="source">{escape(shown.note)}</p>' + table_html(shown.columns, shown.rows, heading)
    return f'<p class="conclusion">{escape(shown.conclusion)}</p>', shown.plot, numbers


def scored(tables: dict[str, Any], paper: dict[str, Any], stem: str, metric: str) -> Measured:
    return plots.scores(tables[stem], paper["tasks"].get(stem.split("-")[0]), metric)


def drawn(stem: str, content: Any) -> tuple[Measured | None, str]:
    """A figure, or the reason that its file cannot be drawn."""
    try:
        return DRAWN_BY[stem][1](content), ""
    except (KeyError, TypeError, IndexError) as error:
        return None, f"{stem}.json has a form that this page does not know ({error!r}); measure it again."


def score_tables(folder: Path) -> dict[str, Any]:
    """Every table of scores by its file's stem: the tasks in their order, the dev set's before the test sets'."""
    tables = {}
    for task in TASKS:
        for path in [*folder.glob(f"{task}.json"), *sorted(folder.glob(f"{task}-*.json"))]:
            content = load_evidence(folder, path.stem)
            if isinstance(content, dict) and content.get("rows") and plots.metrics_of(content):
                tables[path.stem] = content
    return tables


def load_evidence(folder: Path, stem: str) -> Any:
    """A file of evidence; None if it is missing or not JSON."""
    try:
        return json.loads((folder / f"{stem}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def missing_html(measured: Sequence[str], base: str) -> str:
    """What has not been measured on a base yet, and the command that measures it. measured: stems of files."""
    others = {"sweep": "sweep --data e2e:train", "bench": "bench --json", "live": "bench --live"}
    by_command = {
        "rebuild": {name: TASKS[name].title for name in MEASURED},
        "study": {stem: heading for stem, (heading, _) in FIGURES.items() if stem not in others},
        **{name: {stem: FIGURES[stem][0]} for stem, name in others.items()},
    }
    lines = ""
    for name, offered in by_command.items():
        if absent := " · ".join(title for stem, title in offered.items() if stem not in measured):
            lines += f"<li>{escape(absent)} <code>{command(name, base)}</code></li>"
    title = "Not measured on this model yet" if measured else "Nothing was measured on this model yet"
    return f'<h2>{title}</h2><ul class="source missing-measures">{lines}</ul>' if lines else ""


def _heading(stem: str) -> str:
    name, _, split = stem.partition("-")
    return f"{TASKS[name].title}, {set_title(split)}" if split else TASKS[name].title


def _endpoint(loading: Loading, folder: Path, root: Path) -> None:
    """Add `/evidence` to the Blocks being built."""

    def evidence(name: str = "") -> dict[str, Any]:
        """What was measured on this base, and beyond it.

        Parameters:
            name: of a file of evidence, such as e2e; "" for the names there are
        Returns:
            {"names": [..]}, or {"name", "measured": what the file holds}
        """
        with refusals():
            base_hash = loading.wait().base.weights_hash
        general = {stem: load_evidence(root, stem) for stem in ("paper", *BEYOND)}
        own = {
            path.stem: load_evidence(folder, path.stem) for path in folder.glob("*.json") if path.stem not in general
        }
        known = general | {stem: content for stem, content in own.items() if belongs(content, base_hash)}
        names = sorted(stem for stem, content in known.items() if content is not None)
        if not name:
            return {"names": names}
        if name not in names:
            raise gr.Error(f"There is no evidence '{name}'. Choose one of: {', '.join(names)}.", print_exception=False)
        return {"name": name, "measured": known[name]}

    gr.api(evidence, api_name="evidence")
