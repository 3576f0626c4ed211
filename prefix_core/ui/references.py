"""What people wrote for an input, and how near to it each text comes."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

from prefix_core.ui.cards import TaskCard
from prefix_core.ui.panes import KINDS, Pane

NAMES = {"bleu": "BLEU", "rouge_l": "ROUGE-L"}
NOTE = (
    "0 to 100, of this one text: BLEU-4, smoothed, and ROUGE-L, each against the nearest reference.  One text proves"
    " little; the measured tables are over whole data sets."
)


def references_of(card: TaskCard, source: Any) -> tuple[str, ...]:
    """The references of an example of ours; none for any other input."""
    return next((example.references for example in card.task.pool() if example.source == source), ())


def scored(panes: Sequence[Pane], references: Sequence[str]) -> list[Pane]:
    """The panes with their scores. What wrote nothing has none."""
    return [replace(pane, scores=scores(pane.text, references)) if pane.text else pane for pane in panes]


def scores(text: str, references: Sequence[str]) -> dict[str, float]:
    """bleu: smoothed, as a single text may share no four words; rouge_l: see `metrics`. Both 0-100."""
    from sacrebleu.metrics import BLEU

    from prefix_core.scores.metrics import rouge_l

    bleu = BLEU(lowercase=True, effective_order=True).sentence_score(text, list(references)).score
    return {"bleu": float(bleu), "rouge_l": float(rouge_l([text], [references]))}


def people_html(panes: Sequence[Pane], references: Sequence[str]) -> str:
    """A fold with the references and a table of scores; nothing where there are no references."""
    if not references:
        return ""
    count = f"{len(references)} reference{'s' * (len(references) != 1)}"
    items = "".join(f"<li>{escape(text)}</li>" for text in references)
    return (
        f"<details><summary>What people wrote <small>{count}, and each text's scores against them</small></summary>"
        f"<ol>{items}</ol>{_table([pane for pane in panes if pane.scores])}</details>"
    )


def _table(panes: Sequence[Pane]) -> str:
    if not panes:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in NAMES.values())
    rows = "".join(
        f'<tr><th scope="row">{KINDS[pane.method].title}</th>'
        + "".join(f"<td>{pane.scores[name]:.1f}</td>" for name in NAMES)
        + "</tr>"
        for pane in panes
    )
    return f'<table><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table><p class="note">{NOTE}</p>'
