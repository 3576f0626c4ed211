"""Intervals: those of the textbook where it has one, the same for the same seed, wide for few inputs."""

import math

import pytest

from prefix_core.scores import metrics
from prefix_core.scores.bootstrap import mean, ratio
from prefix_core.tasks import get_task

POOL = get_task("e2e").pool()


def test_a_mean_has_the_interval_of_the_normal_distribution() -> None:
    values = [float(number % 2) for number in range(400)]
    low, high = mean(values, 100).interval()
    half = 1.96 * 100 * 0.5 / math.sqrt(400)
    assert low == pytest.approx(50 - half, abs=1) and high == pytest.approx(50 + half, abs=1)


def test_a_ratio_weighs_inputs_by_their_size() -> None:
    score = ratio([1, 0], [9, 1], 100)
    assert score == pytest.approx(10)
    low, high = score.interval()
    assert (low, high) == pytest.approx((0, 100 / 9))  # both draws of the one input, or of the other
    assert ratio([0, 0], [0, 0]) == 0


@pytest.mark.parametrize("name", ["bleu", "nist", "rouge_l", "cider", "chrf"])
def test_the_interval_holds_the_score_and_narrows_with_more_inputs(name: str) -> None:
    outputs = [example.references[0] for example in POOL[:64]]
    references = [[example.references[1]] for example in POOL[:64]]
    few, many = (getattr(metrics, name)(outputs[:some], references[:some]) for some in (16, 64))
    for score in (few, many):
        low, high = score.interval()
        assert low < high and low < score < high + 0.05 * abs(score)
        assert score.interval() == (low, high) != score.interval(seed=1)
    widths = [high - low for low, high in (few.interval(), many.interval())]
    assert widths[1] < widths[0]


def test_a_score_without_doubt_has_no_width() -> None:
    texts = [example.references[0] for example in POOL[:10]]
    assert metrics.bleu(texts, [[text] for text in texts]).interval() == pytest.approx((100, 100))
