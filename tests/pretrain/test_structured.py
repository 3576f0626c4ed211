"""Facts mined from prose, and the forms they are written in."""

import json
import random

import pytest

from prefix_core.pretrain import dialogue_acts
from prefix_core.pretrain.facts import facts_of, sentences
from prefix_core.pretrain.forms import Style
from prefix_core.pretrain.structured import copying, entity_facts, headlines, subject_first, told

FACTS = [("name", "Tormar House"), ("type", "museum, and archive"), ("opened", "1987"), ("near", 'the "Old" Mill')]
PROSE = "Tormar House is a small museum in Belwyn, Ostland. It was designed by Ana Ruiz and opened in 1987."


@pytest.mark.parametrize("seed", range(200))
def test_every_form_keeps_every_value(seed: int) -> None:
    style = Style.draw(random.Random(seed))
    written = style.write(FACTS)
    if style.form == "json":
        assert {value for _, value in FACTS} == set(json.loads(written).values())
    else:
        plain = written.replace('""', '"')  # CSV doubles quotation marks
        assert all(value in plain for _, value in FACTS)
    assert style.example(FACTS, PROSE).endswith(PROSE)


def test_forms_differ() -> None:
    assert len({Style.draw(random.Random(seed)).write(FACTS) for seed in range(200)}) > 80


def test_facts_stand_in_the_prose_and_leave_no_name_or_number_out() -> None:
    facts = dict(facts_of("Tormar House", PROSE, lambda names: names[0]))
    assert facts == {
        "name": "Tormar House",
        "type": "small museum",
        "location": "Belwyn, Ostland",
        "designer": "Ana Ruiz",
        "opened": "1987",
    }


def test_prose_without_a_subject_or_with_too_little_to_say_gives_no_facts() -> None:
    assert facts_of("Tormar House", "It was raining that day in Belwyn in 1987.", lambda names: names[0]) == []
    assert facts_of("Tormar House", "Tormar House is nice.", lambda names: names[0]) == []


def test_sentences_do_not_end_at_initials_or_titles() -> None:
    assert sentences("It honours St. Anne. She met Mr. J. Poe in 1987. He left.") == [
        "It honours St. Anne.",
        "She met Mr. J. Poe in 1987.",
        "He left.",
    ]


def test_detokenise() -> None:
    text = "the eros 94 is great . 20 inch -s , 2 hdmi port -s , i think"
    assert dialogue_acts.detokenise(text) == "The eros 94 is great. 20 inches, 2 hdmi ports, I think."


def test_names_and_numbers_are_swapped_in_facts_and_prose_alike() -> None:
    record = {"act": "inform", "table": [["name", "eros 94"], ["price", "310 dollars"], ["hasusbport", "true"]]}
    prose = "the eros 94 costs 310 dollars and has a usb port ."
    for seed in range(50):
        facts, told_prose = dialogue_acts.vary(("rnnlg_tv", record, prose), lambda: "Iron Bell", random.Random(seed))
        (_, name), (_, price), (field, port) = facts
        assert name in told_prose and price in told_prose
        assert field in dialogue_acts.VARIANTS["has usb port"] and port in {"true", "yes"}


def test_other_numbers_keep_their_shape() -> None:
    rng = random.Random(0)
    assert len(dialogue_acts.other_number("1.99 kg", rng)) == len("1.99 kg")
    assert dialogue_acts.other_number("11:15pm", rng) == "11:15pm"
    assert 1950 <= int(dialogue_acts.other_number("1998", rng)) < 2026


def test_streams_are_repeatable_and_endless() -> None:
    body = "House is a museum in Belwyn, Ostland, opened in"
    documents = [f"Tormar{n} House\nTormar{n} {body} 19{n}." for n in range(10, 30)]
    article = "A headline here\n" + "The council of Belwyn met again on Monday to speak of it. " * 12
    for make, texts in [(entity_facts, documents), (copying, documents), (headlines, [article])]:
        one, two = make(texts, random.Random(1)), make(texts, random.Random(1))
        assert [next(one) for _ in range(60)] == [next(two) for _ in range(60)]


def test_triples_say_something_of_what_has_the_name() -> None:
    facts = [("act", "inform"), ("town", "Belwyn"), ("kind", "mill"), ("name", "Iron Bell"), ("opened", "1987")]
    orders = {tuple(field for field, _ in subject_first(facts, random.Random(seed))) for seed in range(30)}
    assert {order[0] for order in orders} == {"name"} and len(orders) > 5
    assert all(sorted(order) == sorted(field for field, _ in facts) for order in orders)
    assert subject_first(facts[:3], random.Random(0)) == []  # nothing has a name: other styles say it
    assert told([(facts[:3], "A mill in Belwyn.")], random.Random(0))


def test_told_holds_all_values_once_more_than_the_prose() -> None:
    pairs = [([("name", "Iron Bell"), ("town", "Belwyn")], "Iron Bell is in Belwyn.")] * 2
    for seed in range(30):
        assert told(pairs, random.Random(seed)).count("Belwyn") >= 4
