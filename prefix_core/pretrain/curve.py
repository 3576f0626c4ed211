"""A training run's loss as a plot, written out as SVG: readable on light and on dark pages."""

import math
from collections.abc import Sequence
from statistics import fmean

WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 34, 44  # margins that hold the labels
NEIGHBOURS = 3  # on either side, whose mean is the line drawn over the single values

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #4b5563; }
.rule { stroke: #d1d5db; }
.raw { fill: none; stroke: #a5b4fc; }
.line { fill: none; stroke: #4338ca; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #d1d5db; }
  .rule { stroke: #4b5563; }
  .raw { stroke: #6366f1; }
  .line { stroke: #c7d2fe; }
}
"""


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them."""
    for step in (base * 10.0**power for power in range(-6, 12) for base in (1, 2, 5)):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < most:
            return [round(place * step, 6) for place in range(first, last + 1)]
    raise ValueError(f"{low} to {high} is too wide to label")


def smoothed(values: Sequence[float]) -> list[float]:
    """The mean of each value and its neighbours, as many on either side, so that the line lags behind nothing."""
    means = []
    for place in range(len(values)):
        reach = min(NEIGHBOURS, place, len(values) - 1 - place)
        means.append(fmean(values[place - reach : place + reach + 1]))
    return means


def loss_svg(points: Sequence[tuple[float, float]]) -> str:
    """The plot of (million tokens, loss in nats a token), at least one; single values thin, their mean over them."""
    tokens, losses = [x for x, _ in points], [y for _, y in points]
    low, high = min(losses), max(losses)
    pad = 0.05 * (high - low) or 0.5
    low, high, most = low - pad, high + pad, max(tokens)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / most

    def down(y: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - y) / (high - low)

    def path(values: Sequence[float]) -> str:
        return " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(tokens, values, strict=True))

    rules = [
        f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down(y):.1f}" y2="{down(y):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{y:g}</text>'
        for y in ticks(low, high)
    ]
    labels = [
        f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x:g}</text>'
        for x in ticks(0, most, 11)
    ]
    fall = f"from {losses[0]:.2f} to {losses[-1]:.2f} nats a token in {most:.1f} million tokens"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>Training loss {fall}</title>
<style>{STYLE}</style>
{chr(10).join(rules + labels)}
<text x="{LEFT - 36}" y="18">training loss, nats a token</text>
<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">million tokens</text>
<polyline class="raw" points="{path(losses)}"/>
<polyline class="line" points="{path(smoothed(losses))}"/>
</svg>
"""
