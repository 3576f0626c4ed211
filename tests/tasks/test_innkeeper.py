"""The pirate innkeeper: his set says what it should, and what the page shows of him is none of what he learned."""

from prefix_core.data.examples import load_examples
from prefix_core.places import ASSETS
from prefix_core.tasks import get_task

INNKEEPER = get_task("innkeeper")
ROWS = load_examples(ASSETS / "examples" / "training_sample.csv", INNKEEPER)


def test_every_text_of_the_set_says_its_table_and_nothing_else():
    assert len(ROWS) >= 50
    for row in ROWS:
        found = INNKEEPER.slots(row.source, row.references[0])
        assert not found.missing and not found.unsupported, row


def test_the_ending_says_the_rating_and_another_kind_or_dish_is_invented():
    table = INNKEEPER.parse("name[The Black Spot], kind[inn], food[fish stew], rating[poor]")
    found = INNKEEPER.slots(table, "Ahoy! The Black Spot is a pub. It serves fish stew. Drop anchor here!")
    assert [slot.attribute for slot in found.missing] == ["kind", "rating"]
    assert [item.said for item in found.unsupported] == ["pub", "good"]
    assert not INNKEEPER.slots(table, "The Black Spot, an inn with fish stew, is poorly rated.").missing


def test_nothing_that_is_shown_was_learned():
    assert not {example.source for example in INNKEEPER.pool()} & {row.source for row in ROWS}
    names = {dict(row.source)["name"] for row in ROWS}
    assert not names & {dict(example.source)["name"] for example in INNKEEPER.pool()}
