"""The model card: what it carries over, counts once, and draws."""

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from prefix_core.pretrain.card import Carried, carried, model_card, steps_of
from prefix_core.pretrain.curve import loss_svg, smoothed, ticks

SETTINGS: dict[str, Any] = {
    "model": {"layers": 2, "hidden": 16, "heads": 2, "vocabulary": 300, "positions": 128},
    "training": {"rows": 2, "muon": 0.02, "adamw": 0.003, "warm_up": 0.1, "decay": 0.3},
}
COUNTS = {"bytes": {"wikinews": 75, "copying": 25}, "removed": {"dart": 3}}


def line(step: int, loss: float = 4.0, rate: float = 0.0) -> dict[str, Any]:
    return {"step": step, "seconds": 60.0 * step, "loss": loss, "tokens": step * 1_000_000, "rate": rate}


def card(before: Carried | None = None, counts: dict = COUNTS, rate: float = 0.0) -> str:
    log = [line(1, 6.0), line(2, 5.0), {"step": 2, "seconds": 120.0, "held_out": {"wikinews": 2.0}}, line(3, 4.0, rate)]
    losses = {"float32": 4.0, "float16": 4.0}
    return model_card(SETTINGS, 5_000_000, log, counts, losses, [4.4, 4.3, 4.2, 4.1], "float16", before)


def test_a_card_names_sources_losses_positions_and_what_was_removed() -> None:
    text = card()
    for part in ("| wikinews | 75.0% |", "CC BY 2.5", "3 dart", "| wikinews | 2.000 |", "| 96 to 127 | 4.100 |"):
        assert part in text
    assert "3.0M tokens in 3 minutes" in text and "(loss.svg)" in text and "Grown" not in text
    assert "middle of a run" not in text and "middle of a run" in card(rate=0.7)


def test_tokens_and_sources_carry_over_from_run_to_run() -> None:
    first = card(counts={"bytes": {"gum": 1}, "removed": {}})
    second = card(carried(first))
    assert "With what that one had seen: 6.0M tokens in all, 6 minutes." in second
    assert "2 layers, width 16, 2 heads, 128 positions" in second
    assert "| gum | earlier | GUM corpus" in second and "| gum | 100.0% |" not in second
    third = card(carried(second))
    assert "9.0M tokens in all, 9 minutes" in third and "| gum | earlier |" in third


def test_what_an_earlier_card_does_not_say_is_not_made_up() -> None:
    assert carried("") == Carried()
    assert "not recorded" in card(carried("")) and "in all" not in card(carried(""))


def test_steps_done_again_after_a_kill_count_once() -> None:
    log = [line(10, 5.0), line(20, 4.0), {"step": 20, "device": "x"}, line(20, 4.1), line(30, 3.9)]
    assert [(one["step"], one["loss"]) for one in steps_of(log)] == [(10, 5.0), (20, 4.1), (30, 3.9)]


@pytest.mark.parametrize("points", [[(1.0, 4.0)], [(0.1 * n, 8 / (1 + n)) for n in range(1, 200)]])
def test_the_plot_is_svg_that_stays_within_its_edges(points: list[tuple[float, float]]) -> None:
    root = ElementTree.fromstring(loss_svg(points))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2
    for place in (pair for drawn in lines for pair in drawn.attrib["points"].split()):
        x, y = map(float, place.split(","))
        assert 0 < x < width and 0 < y < height
    assert "prefers-color-scheme: dark" in loss_svg(points)


def test_ticks_are_round_and_few() -> None:
    assert ticks(3.1, 8.3) == [4, 5, 6, 7, 8]
    assert ticks(0, 4.4, 11) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
    assert ticks(3.75, 4.2) == [3.8, 3.9, 4.0, 4.1, 4.2]


def test_a_straight_line_stays_where_it_is_when_smoothed() -> None:
    line = [9.0 - n / 2 for n in range(12)]
    assert smoothed(line) == pytest.approx(line)
