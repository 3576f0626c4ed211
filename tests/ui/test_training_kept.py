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
    assert chosen(noted(wish), OTHER) == Wish(OTHER, "e2e", ["title"], "summary", "{title}", "both", 7, "", 3, 0.004)
    assert chosen(noted(wish), None) == Wish(None, "e2e", [], "", "", "both", 7, "", 3, 0.004)


@pytest.mark.parametrize("note", ["", "{", "3", "[]", "{}", '{"sheet": [], "colour": "red"}'])
def test_a_note_of_another_form_is_none(note: str) -> None:
    assert chosen(note, SHEET) == Wish(SHEET, "custom", ["name", "area"], "text", "name : {name} | area : {area}")
