"""Choices on the tab "Train" come back with the columns they were made for, whatever a browser hands in."""

import pytest

from prefix_core.ui.train.plan import TrainingForm, form_for
from prefix_core.ui.train.sheet import Sheet

SHEET = Sheet("a.csv", ("name", "area", "text"), (2,), (("Blue Spice", "riverside", "It is there."),))
OTHER = Sheet("b.csv", ("title", "summary"), (2,), (("A", "B"),))


def test_choices_go_with_their_columns_and_settings_with_any() -> None:
    settings = ("thorough", True, "words", 7, "", 3, 0.004)
    form = TrainingForm(SHEET, "e2e", ["area"], "name", "{area}!", *settings)
    assert form_for(SHEET, form.to_note()) == form
    likely = TrainingForm(OTHER, "custom", ["title"], "summary", "{title}", *settings)
    assert form_for(OTHER, form.to_note()) == likely
    assert form_for(None, form.to_note()) == TrainingForm(None, "custom", [], "", "", *settings)
    meanings = Sheet("c.csv", ("mr", "ref"), (2,), (("name[Blue Spice], area[riverside]", "It is there."),))
    assert form_for(meanings, "").task == "e2e" and form_for(SHEET, "").task == form_for(OTHER, "").task == "custom"


@pytest.mark.parametrize("note", ["", "{", "3", "[]", "{}", '{"sheet": [], "colour": "red"}'])
def test_a_note_of_another_form_is_none(note: str) -> None:
    assert form_for(SHEET, note) == TrainingForm(
        SHEET, "custom", ["name", "area"], "text", "name : {name} | area : {area}"
    )
