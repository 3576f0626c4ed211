"""Task cards: those of a visitor's own prefixes say what they were trained for."""

from prefix_core.artifacts.artifacts import Card
from prefix_core.data.examples import Example, data_card
from prefix_core.methods.method import Steered
from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.tasks.custom import custom, template_card
from prefix_core.ui.choices import OWN, TaskCard
from prefix_core.ui.compare import entry
from prefix_core.ui.kept import OwnPrefix

TEMPLATE = "name : {name} | area : {area}"
ROW = Example("name : The Black Spot | area : by the sea", ("Ahoy!",))


def own_card(tiny: Base, template: str = TEMPLATE) -> TaskCard:
    """As training leaves it, whose card counts inputs under the name that the form lists them by."""
    data = {"inputs": ["name", "area"], **template_card(template, "text"), **data_card([ROW])}
    task = custom(template, "text")
    card = Card(tiny.name, tiny.weights_hash, tiny.parameters, "custom", "prefix", data=data)
    own = OwnPrefix("mine", task, card, Steered("prefix", tiny.writer), examples=(ROW,))
    return TaskCard(OWN + "mine", task, own)


def test_a_card_of_ones_own_names_its_columns_and_shows_its_held_out_rows(tiny: Base) -> None:
    card = own_card(tiny)
    assert card.label == "mine\nyours · name, area → text" and card.form == TEMPLATE
    assert card.examples == [ROW] and card.references_of(ROW.source) == ("Ahoy!",)
    assert entry.example_labels(card)[0] == "The Black Spot"
    assert entry.draft_of(card, ROW.source).grid == [["name", "The Black Spot"], ["area", "by the sea"]]
    rows, said, _ = entry.follow_text(card, "name : A", [["name", "B"], ["area", ""]])
    assert rows == [["name", "A"], ["area", ""]] and said == ""  # each field once


def test_a_prefix_that_was_brought_has_its_fields_to_fill(tiny: Base) -> None:
    assert entry.draft_from(own_card(tiny), "") == entry.Draft("text", [["name", ""], ["area", ""]], "")


def test_its_hint_never_leads_to_another_task(tiny: Base) -> None:
    said = entry.check_html(own_card(tiny), entry.Draft("text", [], "a : b : c | d : e : f"))
    assert "not written like the inputs" in said and "WebNLG" not in said


def test_a_shipped_tasks_card_and_one_of_a_table_task_are_as_ever(tiny: Base) -> None:
    task = get_task("e2e")
    own = OwnPrefix("mine", task, Card("b", "h", 1, "e2e", "prefix"), Steered("prefix", tiny.writer))
    assert TaskCard(OWN + "mine", task, own).label == "mine\nyours · table → text"
    assert TaskCard(OWN + "mine", task, own).examples == task.featured() and not TaskCard("e2e", task).form
