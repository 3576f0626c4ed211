"""A comparison as HTML: the panes, with what each text says of its input, and what people wrote. Pure functions.

Whatever a model or a visitor wrote is escaped.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any

from prefix_core.scores.slots import Coverage
from prefix_core.tasks import Task
from prefix_core.ui.labels import METHOD_LABELS, METRICS, PREFIXES, number, seconds, share, size
from prefix_core.writing.written import Pane

SCORES = ("bleu", "rouge_l")  # those of a single text
WORTH_SAYING = 0.1  # seconds of loading
SCORES_NOTE = (
    "From 0 to 100, for this one text: smoothed BLEU-4 and ROUGE-L, each against the closest reference. One text proves"
    " little; the tab “Evidence” has scores over whole data sets."
)
WORD = re.compile(r"\w+(?:['’.-]\w+)*\s*|[^\w\s]\s*")  # with the blanks that follow
MOST_NAMED = 6  # missing values that a pane names; of a long table the rest is counted


def draw_panes(task: Task, source: Any, panes: Sequence[Pane], against: str = "") -> str:
    """The panes with the values of `source` marked, or with the words that differ from the pane of `against`."""
    return panes_html(panes, [task.slots(source, pane.text) if task.slots else None for pane in panes], against)


def written(panes: Sequence[Pane]) -> str:
    """How many texts were written, for the status line."""
    failed = sum(pane.state == "failed" for pane in panes)
    count = len(panes) - failed
    if not count:
        return "Nothing could be written"
    return f"{count} text{'s' * (count != 1)}" + (f" ({failed} could not be written)" if failed else "")


def outcome(panes: Sequence[Pane]) -> str:
    """The state that finished panes add up to, for the status line."""
    states = {pane.state for pane in panes}
    return "stopped" if "stopped" in states else "failed" if states == {"failed"} else "done"


def panes_html(panes: Sequence[Pane], coverages: Sequence[Coverage | None], against: str = "") -> str:
    """All panes.

    coverages: which values of the input each text says; None where an input has no values to look for.
    against: the method whose text the others are compared with, word by word, instead of marking the values.
    """
    largest = max((pane.bytes for pane in panes), default=0)
    beside = next((pane for pane in panes if pane.method == against and pane.text), None)
    several = sum(bool(pane.text) for pane in panes) > 1
    articles = (pane_html(pane, cover, largest, beside, several) for pane, cover in zip(panes, coverages, strict=True))
    return f'<div class="panes">{"".join(articles)}</div>{_legend(beside, any(coverages))}'


def pane_html(
    pane: Pane, coverage: Coverage | None, largest: int = 0, beside: Pane | None = None, several: bool = True
) -> str:
    """One pane. largest: bytes of the largest one, the full length of a bar; beside: the pane to compare words with."""
    kind = METHOD_LABELS[pane.method]
    chosen = beside is not None and beside.method == pane.method
    numbers = f'<div class="numbers"><dl>{_times(pane)}</dl><dl>{_costs(pane)}</dl></div>{_bar(pane.bytes, largest)}'
    return (
        f'<article class="pane" data-method="{pane.method}" data-state="{pane.state}" aria-label="{kind.title}">'
        f"<header><h2>{kind.title}</h2>{_tools(pane, kind.title, chosen, several)}"
        f'<p class="how">{kind.how}{_steered(pane)}</p></header>'
        f'<p class="output" data-text="{escape(pane.text)}">{_output(pane, coverage, beside)}</p>'
        f"{_said(pane, coverage)}{numbers if pane.state != 'failed' else ''}</article>"
    )


def marked(text: str, coverage: Coverage) -> str:
    """The text with the values it says, and the claims that the input does not support, each in a `mark`."""
    spans = [(span, "said", f"{slot.attribute}: {slot.value}") for slot in coverage.said for span in slot.spans]
    spans += [(item.span, "extra", "not in the input") for item in coverage.unsupported]
    pieces, position = [], 0
    for (start, end), kind, title in sorted(spans):
        if start < position:  # two values said by the same words: one mark is enough
            continue
        pieces.append(escape(text[position:start]))
        pieces.append(f'<mark class="{kind}" title="{escape(title)}">{escape(text[start:end])}</mark>')
        position = end
    return "".join(pieces) + escape(text[position:])


def _legend(beside: Pane | None, values: bool) -> str:
    if beside is not None:
        title = METHOD_LABELS[beside.method].title
        words = f"<ins>only here</ins> · <del>only in {title}</del> · the rest is the same"
    elif values:
        words = (
            '<mark class="said">said</mark>: from the input · <mark class="extra">unsupported</mark>: not in the input'
            " · what is missing is listed below the text"
        )
    else:
        words = ""
    bars = "bar: size on disk, relative to the largest"
    return f'<p class="legend">{words}{" · " if words else ""}{bars}</p>'


def _steered(pane: Pane) -> str:
    """How the prefix was steered, where it does not act as it was trained."""
    strength = f"strength {pane.strength:g}" if pane.strength != 1 else ""
    first, _, last = pane.layers.partition("-")
    layers = f"in layers {first} to {last} only" if first != last else f"in layer {first} only" if first else ""
    words = " ".join(filter(None, (strength, layers)))
    return f" · <b>{words}</b>" if words else ""


def _tools(pane: Pane, title: str, chosen: bool, several: bool) -> str:
    """Buttons that assets/panes.js answers."""
    if pane.state not in ("finished", "stopped") or not pane.text:
        return ""
    copy = f'<button type="button" data-do="copy" aria-label="Copy the text of {title}">Copy</button>'
    against = (
        f'<button type="button" data-do="against" aria-pressed="{str(chosen).lower()}"'
        f' aria-label="Differences of the others from {title}">Differences</button>'
    )
    acts = f'<button type="button" data-do="acts" aria-label="Where {title} acts in this text">Where it acts</button>'
    shown = f"{acts if pane.method in PREFIXES else ''}{copy}{against if several else ''}"
    return f'<div class="tools">{shown}</div>'


def _output(pane: Pane, coverage: Coverage | None, beside: Pane | None) -> str:
    if pane.state == "failed":
        return f'<span class="failure">{escape(pane.error)}</span>'
    growing = pane.state in ("waiting", "writing")
    if not pane.text and not growing:
        return '<span class="nothing">(it wrote nothing)</span>'
    if beside is not None:
        html = differences(pane.text, beside.text, growing)  # of the chosen one from itself: none
    else:
        html = marked(pane.text, coverage) if coverage else escape(pane.text)
    return html + ('<span class="caret"></span>' if growing else "")


def _said(pane: Pane, coverage: Coverage | None) -> str:
    """Which values were said and which are missing; what is missing is known only at the end."""
    if pane.state in ("waiting", "writing"):
        return '<p class="said-line">&nbsp;</p>' if coverage else ""
    if pane.state == "failed":
        return ""
    line = f'<span class="count">{len(coverage.said)} of {len(coverage.slots)} said</span>' if coverage else ""
    if pane.state == "stopped":
        line += '<span class="note">stopped early</span>'
    if coverage and coverage.missing:
        named = [f"{escape(slot.attribute)} <i>{escape(slot.value)}</i>" for slot in coverage.missing[:MOST_NAMED]]
        more = len(coverage.missing) - len(named)
        missing = ", ".join(named) + (f" and {more} more" if more else "")
        line += f'<span class="missing"><b>missing</b> {missing}</span>'
    if pane.cut:
        line += f'<span class="note">{pane.cut} tokens of the input did not fit and were left out</span>'
    return f'<p class="said-line">{line}</p>' if line else ""


def _times(pane: Pane) -> str:
    begun = pane.tokens > 0
    together = f"shared batch of {pane.shared}" if pane.shared > 1 else ""
    loaded = f"after {seconds(pane.loading)} of loading" if begun and pane.loading >= WORTH_SAYING else ""
    return (
        _number("first token", seconds(pane.first_token) if begun else "–", together, loaded)
        + _number("total", seconds(pane.seconds) if begun else "–", f"{pane.tokens} tokens" if begun else "")
        + _number("tokens/s", number(pane.tokens_per_second) if begun else "–")
    )


def _costs(pane: Pane) -> str:
    kept = f"{number(pane.kept)} kept, {share(pane.kept, pane.base)}" if pane.kept < pane.trained else ""
    part = f"{share(pane.trained, pane.base)} of the base" if pane.trained else ""
    return (
        _number("trained", number(pane.trained) if pane.trained else "nothing", part, kept)
        + _number("on disk", size(pane.bytes), f"as stored here; {size(pane.copy)} as a full copy" if pane.copy else "")
        + _number("context used", f"{pane.context} tokens" if pane.context else "none")
    )


def _number(name: str, value: str, *notes: str) -> str:
    small = "".join(f"<small>{note}</small>" for note in notes if note)
    return f"<div><dt>{name}</dt><dd>{value}{small}</dd></div>"


def _bar(part: int, whole: int) -> str:
    percent = 100 * part / whole if whole else 0.0
    return f'<div class="bar" aria-hidden="true"><i style="width:{percent:.2f}%"></i></div>'


def differences(text: str, other: str, growing: bool = False) -> str:
    """`text` as HTML: words that only it has in `ins`, words that only `other` has in `del`.

    growing: it is still being written, so words that `other` has after its end are not called missing yet.
    """
    own, theirs = WORD.findall(text), WORD.findall(other)
    matcher = SequenceMatcher(None, [word.strip() for word in theirs], [word.strip() for word in own], autojunk=False)
    html = ""
    for kind, first, last, start, end in matcher.get_opcodes():
        here = "".join(own[start:end])
        if kind == "equal":
            html += escape(here)
            continue
        if first < last and not (growing and end == len(own)):
            html += f"<del>{escape(_spaced(''.join(theirs[first:last]).strip(), ''.join(own[:start])))}</del>"
        if here:
            bare = here.rstrip()
            html += f"<ins>{escape(bare)}</ins>{escape(here[len(bare) :])}"
    return html


def _spaced(struck: str, before: str) -> str:
    """The struck words with the blank that separates them from their neighbours."""
    if not before or before[-1].isspace():
        return struck + " "
    return " " + struck if struck[0].isalnum() else struck


def references_html(panes: Sequence[Pane], references: Sequence[str]) -> str:
    """The references, folded away, with a table of scores; nothing if there are no references."""
    if not references:
        return ""
    count = f"{len(references)} reference{'s' * (len(references) != 1)}"
    items = "".join(f"<li>{escape(text)}</li>" for text in references)
    return (
        f"<details><summary>What people wrote <small>{count}, and how each text scores against them</small></summary>"
        f"<ol>{items}</ol>{_score_table([pane for pane in panes if pane.scores])}</details>"
    )


def _score_table(panes: Sequence[Pane]) -> str:
    if not panes:
        return ""
    heads = "".join(f'<th scope="col">{METRICS[name]}</th>' for name in SCORES)
    rows = "".join(
        f'<tr><th scope="row">{METHOD_LABELS[pane.method].title}</th>'
        + "".join(f"<td>{pane.scores[name]:.1f}</td>" for name in SCORES)
        + "</tr>"
        for pane in panes
    )
    return (
        f'<table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table><p class="note">{SCORES_NOTE}</p>'
    )
