"""What a pane shows, without a browser."""

import re
from dataclasses import replace
from html import unescape

import pytest

from prefix_core.methods import METHODS
from prefix_core.tasks.e2e import slots
from prefix_core.ui import labels
from prefix_core.ui.compare.panes import marked, pane_html, panes_html
from prefix_core.ui.labels import METHOD_LABELS, number, seconds, share, size
from prefix_core.writing.written import Pane

TABLE = (("name", "Blue Spice"), ("eatType", "coffee shop"), ("area", "riverside"))
TEXT = "Blue Spice is a coffee shop in the city centre."
DONE = Pane("prefix", "finished", TEXT, 12, 0.02, 0.25, shared=2, trained=1_180_000, kept=153_600, bytes=614_400,
            context=50, base=12_000_000)  # fmt: skip


def words(html: str) -> str:
    """What a reader sees of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_every_method_has_a_pane_of_its_kind() -> None:
    assert tuple(METHODS) == labels.METHODS and set(METHOD_LABELS) == {*METHODS, "own"}
    assert all(label.title and label.how for label in METHOD_LABELS.values())


def test_marks_lie_where_the_values_are_said() -> None:
    html = marked(TEXT, slots(TABLE, TEXT))
    assert '<mark class="said" title="name: Blue Spice">Blue Spice</mark> is a' in html
    assert '<mark class="said" title="eatType: coffee shop">coffee shop</mark>' in html
    assert '<mark class="extra" title="not in the input">city centre</mark>' in html
    assert words(html) == "Blue Spice is a coffee shop in the city centre ."


def test_every_mention_is_marked() -> None:
    twice = "Blue Spice is a coffee shop. The cafe Blue Spice is no pub."
    marks = re.findall(r'class="(\w+)" title="(.+?)">(.+?)<', marked(twice, slots(TABLE, twice)))
    assert marks == [
        ("said", "name: Blue Spice", "Blue Spice"), ("said", "eatType: coffee shop", "coffee shop"),
        ("said", "eatType: coffee shop", "cafe"), ("said", "name: Blue Spice", "Blue Spice"),
        ("extra", "not in the input", "pub"),
    ]  # fmt: skip


def test_a_finished_pane_says_everything() -> None:
    seen = words(pane_html(DONE, slots(TABLE, TEXT), 24_000_000))
    for fact in (
        "Prefix-tuned", "2 of 3 said", "missing area riverside", "first token 20 ms", "shared batch of 2",
        "total 250 ms", "12 tokens", "tokens/s 48", "trained 1.18 M", "9.8% of the base", "154 K kept, 1.3%",
        "on disk 614 kB", "context used 50 tokens",
    ):  # fmt: skip
        assert fact in seen, fact


def test_a_copy_of_the_base_says_what_it_would_take_unpacked_and_how_long_it_was_loaded() -> None:
    pane = replace(DONE, method="fine_tune", copy=269_000_000, loading=1.21, bytes=17_500_000)
    seen = words(pane_html(pane, slots(TABLE, TEXT)))
    assert "on disk 17.5 MB as stored here; 269 MB as a full copy" in seen and "after 1.21 s of loading" in seen
    assert "loading" not in words(pane_html(replace(pane, loading=0.02), slots(TABLE, TEXT)))


def test_nothing_is_called_missing_before_the_end() -> None:
    waiting = words(pane_html(Pane("prompt"), slots(TABLE, "")))
    assert "missing" not in waiting
    assert "first token –" in waiting and "trained nothing" in waiting
    assert "missing" in words(pane_html(Pane("prompt", "stopped", "Blue"), slots(TABLE, "Blue")))


def test_of_many_missing_values_the_first_are_named_and_the_rest_counted() -> None:
    table = tuple((f"field {number}", f"value {number}") for number in range(1, 26))
    seen = words(pane_html(DONE, slots(table, TEXT)))
    assert "value 6" in seen and "value 7" not in seen and "and 19 more" in seen


def test_what_was_written_or_typed_is_never_html() -> None:
    hostile = '<img src=x onerror="alert(1)">'
    table = (("name", hostile), (hostile, "riverside"))
    for state in ("writing", "finished", "stopped"):
        html = pane_html(Pane("prefix", state, f"{hostile} & <b>bold</b>"), slots(table, hostile))  # type: ignore[arg-type]
        assert "<img" not in html and "<b>bold" not in html
        assert hostile in unescape(re.sub(r"<[^>]+>", "", html))
    assert "<img" not in pane_html(Pane("adapter", "failed", error=hostile), slots(table, ""))


def test_an_empty_output_and_an_error_are_said() -> None:
    assert "(it wrote nothing)" in words(pane_html(Pane("adapter", "finished"), slots(TABLE, "")))
    failed = words(pane_html(Pane("adapter", "failed", error="trained on another base"), slots(TABLE, "")))
    assert "trained on another base" in failed and "missing" not in failed


def test_bars_compare_with_the_largest() -> None:
    large, none = Pane("fine_tune", "finished", bytes=24_576_000), Pane("prompt", "finished")
    html = panes_html([DONE, large, none], [slots(TABLE, pane.text) for pane in (DONE, large, none)])
    assert re.findall(r"width:([\d.]+)%", html) == ["2.50", "100.00", "0.00"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (96.4, "96"), (999.4, "999"), (999.9, "1 K"), (153_600, "154 K"), (1.2e7, "12 M")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_units() -> None:
    assert [seconds(value) for value in (0.0123, 0.9999, 1.234)] == ["12 ms", "1.00 s", "1.23 s"]
    assert [size(value) for value in (0, 900, 614_400, 24_100_000)] == ["nothing", "900 bytes", "614 kB", "24.1 MB"]
    assert [share(part, 1_000_000) for part in (0, 712, 21_600, 996_000, 1_540_000)] == [
        "0%", "0.071%", "2.2%", "100%", "154%"
    ]  # fmt: skip
