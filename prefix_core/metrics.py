"""Scores of written text by their field's libraries."""

from collections.abc import Sequence

def text_scores(outputs: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    raise NotImplementedError
