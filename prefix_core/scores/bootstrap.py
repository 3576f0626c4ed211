"""How sure a score is: bootstrap intervals over the inputs it was measured on (Koehn 2004).

Every metric here is a function of sums over inputs (n-gram matches and lengths, or a score an input and a one). So an
input is scored once, and a resampled set of inputs is a weighted sum. What a metric learns from all references, the
weights of words in NIST and CIDEr, is learned once, from the full set.
"""

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 1000
COVERS = 0.95


class Score(float):
    """A metric's value, which remembers what it was made of.

    rows: statistics of every input, (inputs, k). combine: their sum, (k,) -> the value.
    """

    rows: np.ndarray
    combine: Callable[[np.ndarray], float]

    def __new__(cls, rows: Sequence[Sequence[float]] | np.ndarray, combine: Callable[[np.ndarray], float]) -> "Score":
        table = np.asarray(rows, dtype=float)
        score = super().__new__(cls, combine(table.sum(0)))
        score.rows, score.combine = table, combine
        return score

    def interval(self, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
        """The middle 95% of the values over `draws` sets of as many inputs, drawn with replacement."""
        inputs = len(self.rows)
        counts = np.random.default_rng(seed).multinomial(inputs, np.full(inputs, 1 / inputs), size=draws)
        values = [self.combine(total) for total in counts @ self.rows]
        low, high = np.quantile(values, [(1 - COVERS) / 2, (1 + COVERS) / 2])
        return float(low), float(high)


def mean(values: Sequence[float], scale: float = 1.0) -> Score:
    """The mean of one value an input."""
    return ratio(values, [1.0] * len(values), scale)


def ratio(parts: Sequence[float], wholes: Sequence[float], scale: float = 1.0) -> Score:
    """The sum of `parts` over the sum of `wholes`, one of each an input; 0 where there is no whole."""
    return Score(np.stack([parts, wholes], 1), lambda total: scale * total[0] / total[1] if total[1] else 0.0)
