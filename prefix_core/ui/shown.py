"""What every figure of measurements is: a plot, the numbers behind it, a note; and what rows and metrics are called."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

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
