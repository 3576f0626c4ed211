"""What every figure of measurements is: a plot, the numbers behind it, a note; and what rows and metrics are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from prefix_core.ui.plots import GREY

TITLES = {
    "prefix": "Prefix",
    "prefix_small": "Prefix, 0.1%",
    "fine_tune": "Fine-tuned",
    "top_layers": "FT-top2",
    "adapter": "Adapter",
    "adapter_small": "Adapter, 0.1%",
    "prompt_0": "Prompted",
    "prompt_3": "Prompted, 3 examples",
    "lead": "First sentences",
}
# In the order they are offered; in each, more is better, but for TER.
METRICS = {
    "bleu": "BLEU",
    "bleu_seen": "BLEU, seen",
    "bleu_unseen": "BLEU, unseen",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "meteor": "METEOR",
    "nist": "NIST",
    "cider": "CIDEr",
    "ter": "TER (less is better)",
    "chrf": "chrF",
    "slot_coverage": "values said, %",
    "names_said": "names said, %",
}


@dataclass(frozen=True)
class Shown:
    """A plot, the numbers behind it (cells as text, the first one names the row), and a word on where they are from."""

    plot: go.Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


def intervals(rows: Sequence[Mapping[str, Any]], metric: str) -> dict[str, Any] | None:
    """Error bars from the rows' 95% intervals; none where a row has none."""
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
