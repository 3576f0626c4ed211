"""A pane: what one method wrote, what of the table it says, how long it took and what it costs. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from prefix_core.scores.slots import Coverage
from prefix_core.ui.differences import differences

State = Literal["waiting", "writing", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Kind:
    """A method as a visitor reads of it."""

    title: str
    how: str


KINDS = {
    "prefix": Kind("Prefix-tuned", "model frozen; a learned prefix before the input"),
    "fine_tune": Kind("Fine-tuned", "every weight moved: a copy for this one task"),
    "top_layers": Kind("FT-top2", "only the two top layers moved"),
    "adapter": Kind("Adapter", "model frozen; small new layers inside"),
    "prompt": Kind("Prompted", "nothing trained; asked in words"),
    "own": Kind("Your prefix", "model frozen; the prefix you trained"),
}


@dataclass(frozen=True)
class Pane:
    """One method's output so far. Seconds are those of its own batch; `shared` is how many rows that batch held.

    trained, kept: parameters; bytes: on disk beside the base; base: parameters of the base; context: tokens of it that
    the method takes before any input; cut: tokens of the input that did not fit; scores: see `references`.
    """

    method: str
    state: State = "waiting"
    text: str = ""
    tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0
    shared: int = 1
    cut: int = 0
    trained: int = 0
    kept: int = 0
    bytes: int = 0
    context: int = 0
    base: int = 0
    error: str = ""
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0


def panes_html(panes: Sequence[Pane], coverages: Sequence[Coverage | None], against: str = "") -> str:
    """All panes; everything a model or a visitor wrote is escaped.

    coverages: what each text says of its input; None where an input has no values to look for. against: the method
    whose text the others' words are held against, instead of marking the values.
    """
    largest = max((pane.bytes for pane in panes), default=0)
    beside = next((pane for pane in panes if pane.method == against and pane.text), None)
    several = sum(bool(pane.text) for pane in panes) > 1
    articles = (pane_html(pane, cover, largest, beside, several) for pane, cover in zip(panes, coverages, strict=True))
    return f'<div class="panes">{"".join(articles)}</div>{_legend(beside, any(coverages))}'


def pane_html(
    pane: Pane, coverage: Coverage | None, largest: int = 0, beside: Pane | None = None, several: bool = True
) -> str:
    """One pane. largest: bytes of the largest one, which a bar shows its own against; beside: whose words count."""
    kind = KINDS[pane.method]
    chosen = beside is not None and beside.method == pane.method
    numbers = f'<div class="numbers"><dl>{_times(pane)}</dl><dl>{_costs(pane)}</dl></div>{_bar(pane.bytes, largest)}'
    return (
        f'<article class="pane" data-method="{pane.method}" data-state="{pane.state}" aria-label="{kind.title}">'
        f"<header><h2>{kind.title}</h2>{_tools(pane, kind.title, chosen, several)}"
        f'<p class="how">{kind.how}</p></header>'
        f'<p class="output" data-text="{escape(pane.text)}">{_output(pane, coverage, beside)}</p>'
        f"{_said(pane, coverage)}{numbers if pane.state != 'failed' else ''}</article>"
    )


def marked(text: str, coverage: Coverage) -> str:
    """The text, escaped, with what the table supports and what it does not each in a `mark` that says which."""
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
        title = KINDS[beside.method].title
        words = f"<ins>only here</ins> · <del>only in {title}</del> · the rest is the same"
    elif values:
        words = (
            '<mark class="said">said</mark> is in the input · <mark class="extra">unsupported</mark> is not · '
            "what is missing is listed under each text"
        )
    else:
        words = ""
    bars = "a bar: size on disk, against the largest"
    return f'<p class="legend">{words}{" · " if words else ""}{bars}</p>'


def _tools(pane: Pane, title: str, chosen: bool, several: bool) -> str:
    """Buttons that assets/panes.js answers."""
    if pane.state not in ("finished", "stopped") or not pane.text:
        return ""
    copy = f'<button type="button" data-do="copy" aria-label="Copy the text of {title}">Copy</button>'
    against = (
        f'<button type="button" data-do="against" aria-pressed="{str(chosen).lower()}"'
        f' aria-label="Differences of the others from {title}">Differences</button>'
    )
    return f'<div class="tools">{copy}{against if several else ""}</div>'


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
    """What is missing is only known at the end."""
    if pane.state in ("waiting", "writing"):
        return '<p class="said-line">&nbsp;</p>' if coverage else ""
    if pane.state == "failed":
        return ""
    line = f'<span class="count">{len(coverage.said)} of {len(coverage.slots)} said</span>' if coverage else ""
    if pane.state == "stopped":
        line += '<span class="note">stopped early</span>'
    if coverage and coverage.missing:
        facts = ", ".join(f"{escape(slot.attribute)} <i>{escape(slot.value)}</i>" for slot in coverage.missing)
        line += f'<span class="missing"><b>missing</b> {facts}</span>'
    if pane.cut:
        line += f'<span class="note">{pane.cut} tokens of the input did not fit</span>'
    return f'<p class="said-line">{line}</p>' if line else ""


def _times(pane: Pane) -> str:
    begun = pane.tokens > 0
    together = f"shared batch of {pane.shared}" if pane.shared > 1 else ""
    return (
        _fact("first token", seconds(pane.first_token) if begun else "–", together)
        + _fact("total", seconds(pane.seconds) if begun else "–", f"{pane.tokens} tokens" if begun else "")
        + _fact("tokens/s", number(pane.tokens_per_second) if begun else "–")
    )


def _costs(pane: Pane) -> str:
    kept = f"{number(pane.kept)} kept, {share(pane.kept, pane.base)}" if pane.kept < pane.trained else ""
    part = f"{share(pane.trained, pane.base)} of the base" if pane.trained else ""
    return (
        _fact("trained", number(pane.trained) if pane.trained else "nothing", part, kept)
        + _fact("on disk", size(pane.bytes))
        + _fact("context taken", f"{pane.context} tokens" if pane.context else "none")
    )


def _fact(name: str, value: str, *notes: str) -> str:
    small = "".join(f"<small>{note}</small>" for note in notes if note)
    return f"<div><dt>{name}</dt><dd>{value}{small}</dd></div>"


def _bar(part: int, whole: int) -> str:
    percent = 100 * part / whole if whole else 0.0
    return f'<div class="bar" aria-hidden="true"><i style="width:{percent:.2f}%"></i></div>'


def seconds(value: float) -> str:
    """0.0123 -> 12 ms; 1.234 -> 1.23 s."""
    return f"{1000 * value:.0f} ms" if value < 0.9995 else f"{value:.2f} s"


def number(value: float) -> str:
    """1234567 -> 1.23 M; 96.4 -> 96."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= 0.9995 * unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.0f}"


def size(count: int) -> str:
    """Bytes in powers of ten, as disks are sold: 614400 -> 614 kB; 0 -> nothing."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 0.9995 * unit:
            return f"{count / unit:.3g} {name}"
    return f"{count} bytes" if count else "nothing"


def share(part: int, whole: int) -> str:
    """A share in percent with two digits that count: 0.071%, 2.2%, 100%."""
    percent = 100 * part / whole if whole else 0.0
    if percent >= 9.95:
        return f"{percent:.0f}%"
    return f"{percent:.2g}%"
