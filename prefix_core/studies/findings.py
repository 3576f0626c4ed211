"""The low-data studies as Markdown, and how far every study is: what `results` says beside the tables of the tasks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from prefix_core.studies import live_findings

LABELS = {"prefix": "prefix", "fine_tune": "fine-tuning", "adapter_small": "adapter, 0.1%", "top_layers": "FT-top2"}
FEW = {"few_examples": ("Few examples of E2E", "bleu", "BLEU"), "few_news": ("Few articles", "rouge_l", "ROUGE-L")}
COVERS = 0.95

Rows = Sequence[Mapping[str, Any]]


def markdown(folder: Path) -> str:
    """A section for each low-data study that was begun, for training live, and for what was not run."""
    from prefix_core.studies.study import standing  # it loads torch, which the page does without when it is laid out

    sections = []
    for name, (title, metric, heading) in FEW.items():
        if (path := folder / f"{name}.json").exists():
            study = json.loads(path.read_text(encoding="utf-8"))
            sections.append(f"### {title}\n\n" + few(study, metric, heading))
    if (path := folder / live_findings.RECORD).exists():
        sections.append(live_findings.markdown(json.loads(path.read_text(encoding="utf-8"))))
    left = [
        f"- {name}: {f'{made} of {planned} runs' if planned else 'not run'}; `python -m prefix_core study {name}`"
        for name, (made, planned) in standing(folder).items()
        if made != planned
    ]
    if left:
        sections.append("### Not run, or not to the end\n\n" + "\n".join(left) + "\n")
    return "\n".join(sections)


def few(study: Mapping[str, Any], metric: str, heading: str) -> str:
    """Who is ahead in a sentence, then a row a number of texts: each method's mean, and the prefix against the rest."""
    rows = study["rows"]
    methods = [method for method in LABELS if any(row["method"] == method for row in rows)]
    others = [method for method in methods if method != "prefix"]
    sizes = sorted({row["texts"] for row in rows})
    head = ["texts", *(LABELS[name] for name in methods), *(f"prefix − {LABELS[name]}" for name in others)]
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for size in sizes:
        some = [row for row in rows if row["texts"] == size]
        means = [by_draw(some, method, metric) for method in methods]
        cells = [f"{mean(scores.values()):.1f}" if scores else "" for scores in means]
        lines.append([f"{size}", *cells, *(with_interval(differences(some, other, metric)) for other in others)])
    inputs = ", ".join(f"{count:,} inputs of {where}" for where, count in rows[0]["inputs"].items())
    draws = len({row["draw"] for row in rows})
    said = (
        f"{verdict(rows, metric, heading)} {heading} on {inputs}, {study['decoding']}, means over {draws} subsets of "
        f"the texts, {rows[0]['steps']} steps for every method; in brackets 95% intervals over the subsets."
    )
    return said + "\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def verdict(rows: Rows, metric: str, heading: str) -> str:
    """Whether the prefix or fine-tuning is ahead, averaged over all numbers of texts."""
    ahead_by = differences(rows, "fine_tune", metric)
    if not ahead_by:
        return ""
    sizes = sorted({row["texts"] for row in rows})
    ahead, behind = ("Prefix", "fine-tuning") if mean(ahead_by) >= 0 else ("Fine-tuning", "the prefix")
    low_high = interval(ahead_by)
    sure = "" if low_high and (low_high[0] > 0 or low_high[1] < 0) else ", which may be chance"
    return (
        f"**{ahead} is ahead of {behind} by {abs(mean(ahead_by)):.1f} {heading}, averaged over {sizes[0]} to "
        f"{sizes[-1]} texts{sure}.**"
    )


def by_draw(rows: Rows, method: str, metric: str) -> dict[tuple[int, int], float]:
    """(texts, draw) -> the mean score of a method's seeds."""
    scores_at: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        if row["method"] == method:
            (scores,) = row["scores"].values()
            scores_at.setdefault((row["texts"], row["draw"]), []).append(scores[metric])
    return {place: mean(values) for place, values in scores_at.items()}


def differences(rows: Rows, other: str, metric: str) -> list[float]:
    """By how much the prefix is ahead of another method on each draw, on average over the numbers of texts."""
    ours, theirs = by_draw(rows, "prefix", metric), by_draw(rows, other, metric)
    draws: dict[int, list[float]] = {}
    for texts, number in ours.keys() & theirs.keys():
        draws.setdefault(number, []).append(ours[texts, number] - theirs[texts, number])
    return [mean(values) for _, values in sorted(draws.items())]


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95% interval of the mean; None of fewer than two values."""
    if len(values) < 2:
        return None
    from scipy.stats import t

    wide = float(t.ppf((1 + COVERS) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return mean(values) - wide, mean(values) + wide


def with_interval(values: Sequence[float]) -> str:
    """Their mean, with its interval in brackets."""
    if not values:
        return ""
    bounds = interval(values)
    return f"{mean(values):+.1f}" + (f" ({bounds[0]:+.1f} to {bounds[1]:+.1f})" if bounds else "")
