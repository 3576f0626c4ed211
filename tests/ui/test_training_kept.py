"""Choices on the tab "Train" come back with the columns they were made for, whatever a browser hands in."""

import pytest

from prefix_core.ui.training_kept import chosen, noted
from prefix_core.ui.training_plan import Wish
from prefix_core.ui.training_sheet import Sheet

SHEET = Sheet("a.csv", ("name", "area", "text"), (2,), (("Blue Spice", "riverside", "It is there."),))
OTHER = Sheet("b.csv", ("title", "summary"), (2,), (("A", "B"),))


def test_choices_go_with_their_columns_and_settings_with_any() -> None:
    wish = Wish(SHEET, "e2e", ["area"], "name", "{area}!", "both", 7, "", 3, 0.004)
    assert chosen(noted(wish), SHEET) == wish
    assert chosen(noted(wish), OTHER) == Wish(OTHER, "custom", ["title"], "summary", "{title}", "both", 7, "", 3, 0.004)
    assert chosen(noted(wish), None) == Wish(None, "custom", [], "", "", "both", 7, "", 3, 0.004)
    meanings = Sheet("c.csv", ("mr", "ref"), (2,), (("name[Blue Spice], area[riverside]", "It is there."),))
    assert chosen("", meanings).task == "e2e" and chosen("", SHEET).task == chosen("", OTHER).task == "custom"


@pytest.mark.parametrize("note", ["", "{", "3", "[]", "{}", '{"sheet": [], "colour": "red"}'])
def test_a_note_of_another_form_is_none(note: str) -> None:
    assert chosen(note, SHEET) == Wish(SHEET, "custom", ["name", "area"], "text", "name : {name} | area : {area}")
