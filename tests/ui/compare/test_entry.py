"""Grid and text follow each other, and nothing typed in either is lost by it."""

from playwright.sync_api import Page, expect

from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare.entry import follow_grid, follow_text
from tests.ui.conftest import TEXT, paste

CARD = SHIPPED_CARDS["e2e"]
ROWS = [["name", "Iron Bell"], ["food", ""], ["", ""]]


def test_the_grid_keeps_rows_that_no_text_can_say() -> None:
    rows, said, typed = follow_text(CARD, "name[Iron Bell], area[riverside]", ROWS)
    assert rows == [["name", "Iron Bell"], ["area", "riverside"], ["food", ""]]
    assert (said, typed) == ("", "text")
    skipped, said, _ = follow_text(CARD, "name[Iron Bell", ROWS)
    assert skipped["__type__"] == "update" and "value" not in skipped and "not closed" in said


def test_a_text_that_cannot_be_read_is_never_written_over() -> None:
    rows = [["name", "Iron Bell"], ["area", "riverside"]]
    assert follow_grid(CARD, rows, "name[Old]") == ("name[Iron Bell], area[riverside]", "", "grid")
    assert follow_grid(CARD, rows, "  ")[0] == "name[Iron Bell], area[riverside]"
    skipped, said, typed = follow_grid(CARD, rows, "name[My long new table], area[river")
    assert skipped["__type__"] == "update" and "value" not in skipped
    assert "left as you typed it" in said and typed == "grid"


def test_a_half_typed_text_outlives_a_key_in_the_grid(page: Page) -> None:
    half = "name[My long new table], area[river"
    paste(page, half)
    expect(page.locator("#problem")).to_contain_text("is not closed")
    page.get_by_label("Value 1", exact=True).fill("Another")
    expect(page.locator("#problem")).to_contain_text("left as you typed it")
    expect(page.locator(TEXT)).to_have_value(half)
    paste(page, half + "side]")
    expect(page.get_by_label("Value 1", exact=True)).to_have_value("My long new table")


def test_a_refused_input_greys_the_old_texts_and_says_so_beside_run(page: Page) -> None:
    panes, said = page.locator(".panes"), page.locator("#refused")
    expect(said).to_be_hidden()
    paste(page, "name[My table], area[river")
    expect(said).to_be_visible()
    expect(said).to_contain_text("This input cannot be read")
    assert float(panes.evaluate("panes => getComputedStyle(panes).opacity")) < 0.6
    paste(page, "name[My table], area[riverside]")
    expect(said).to_be_hidden()
    assert panes.evaluate("panes => getComputedStyle(panes).opacity") == "1"
    page.get_by_label("Value 1", exact=True).fill("")
    expect(said).to_be_visible()  # from the grid, too


def test_an_input_far_from_what_was_learned_gets_a_line(page: Page) -> None:
    paste(page, "maker[Volvo], wheels[4]")
    expect(page.locator("#problem .hint")).to_contain_text("None of these attributes was in the training data")
    expect(page.locator("#refused")).to_be_hidden()
    paste(page, "name[My table], area[riverside]")
    expect(page.locator("#problem .hint")).to_have_count(0)
