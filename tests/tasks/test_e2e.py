"""The E2E task: both ways of naming, the paper's line, our examples, and what counts as saying a value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefix_core.data.tables import to_grid, to_mr
from prefix_core.errors import InputError
from prefix_core.scores.slots import coverage, fold
from prefix_core.tasks import TASKS, get_task
from prefix_core.tasks.e2e import NAMES, slots

E2E = get_task("e2e")
FULL = (
    ("name", "The Vaults"),
    ("eatType", "pub"),
    ("food", "Italian"),
    ("priceRange", "£20-25"),
    ("customer rating", "5 out of 5"),
    ("area", "riverside"),
    ("familyFriendly", "yes"),
    ("near", "Café Adria"),
)
PAPER = (
    "name : The Vaults | Type : pub | food : Italian | price : £20-25 | customer rating : 5 out of 5 | area : riverside"
    " | family friendly : yes | near : Café Adria"
)


def test_the_papers_line_is_written_and_read():
    assert E2E.linearize(FULL) == PAPER
    assert E2E.prompt(FULL) == PAPER + "\n"
    assert E2E.parse(PAPER) == FULL


@pytest.mark.parametrize(
    "text",
    [
        "Name[X], EATTYPE[pub], price_range[high], Customer Rating[low], FamilyFriendly[no]",
        "name: X\ntype: pub\nPrice: high\ncustomerRating: low\nfamily-friendly: no",
        "name,eat type,price,rating,Family Friendly\nX,pub,high,low,no",
        [["name", "X"], ["Type", "pub"], [], ["PRICE", "high"], ["customer_rating", "low"], ["FAMILY friendly", "no"]],
    ],
)
def test_attributes_in_any_spelling(text):
    own = ("name", "eatType", "priceRange", "customer rating", "familyFriendly")
    assert E2E.parse(text) == tuple(zip(own, ("X", "pub", "high", "low", "no"), strict=True))


def test_known_heads_over_two_values():
    assert E2E.parse("name,Type\nX,pub") == (("name", "X"), ("eatType", "pub"))
    assert E2E.parse("name,X\nType,pub") == (("name", "X"), ("eatType", "pub"))


def test_order_is_kept_and_other_attributes_are_opened():
    table = E2E.parse("near[X], openingHours[9-5], dog_friendly[yes], name[Y]")
    assert table == (("near", "X"), ("openingHours", "9-5"), ("dog_friendly", "yes"), ("name", "Y"))
    assert E2E.linearize(table) == "near : X | opening hours : 9-5 | dog friendly : yes | name : Y"


@settings(max_examples=60, deadline=None)
@given(st.permutations(FULL), st.integers(1, 8))
def test_text_and_grid_follow_each_other(rows, size):
    table = tuple(rows[:size])
    assert E2E.parse(to_mr(table)) == E2E.parse(to_grid(table)) == E2E.parse(E2E.linearize(table)) == table


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("X is a pub.\nname : Y", "X is a pub."),
        ("\n  X is a pub. \n more", "X is a pub."),
        ("X is\r\na pub", "X is"),
        ("", ""),
    ],
)
def test_finish_keeps_the_first_line(text, line):
    assert E2E.finish(text) == line


def test_records_name_their_column():
    example = E2E.from_record({"MR": "name[X]", "ref": "X  is\nhere.", "id": 7})
    assert (example.source, example.references, example.id) == ((("name", "X"),), ("X is here.",), "7")
    with pytest.raises(InputError, match="column 'mr': character 5"):
        E2E.from_record({"mr": "name[X", "ref": "a"})
    with pytest.raises(InputError, match="found text, label"):
        E2E.from_record({"text": "a", "label": "b"})


def test_tasks_by_name():
    assert TASKS["e2e"] is E2E
    with pytest.raises(InputError, match=r"no task 'e3e'\. Choose one of: e2e"):
        get_task("e3e")


# ------------------------------------------------------------------------------------------------------ our examples


def test_the_pool_is_large_varied_and_ours():
    pool = E2E.pool()
    assert len(pool) >= 60 and len({example.source for example in pool}) == len(pool)
    assert all(len(example.references) >= 2 for example in pool)
    assert {len(example.source) for example in pool} == {3, 4, 5, 6, 7, 8}
    assert sum(example.featured for example in pool) == 6
    texts = [text for example in pool for text in example.references]
    assert len(set(texts)) == len(texts) and all(text[-1] == "." and "\n" not in text for text in texts)


@pytest.mark.parametrize("example", E2E.pool(), ids=lambda example: example.source[0][1])
def test_our_references_say_every_value_and_nothing_else(example):
    for text in example.references:
        found = slots(example.source, text)
        assert not found.missing and not found.unsupported, text


def test_scores_of_our_own_references():
    pool = E2E.pool()
    scores = E2E.score([example.references[1] for example in pool], pool)
    assert list(scores) == ["bleu", "nist", "rouge_l", "cider", "chrf", "slot_coverage", "names_said", "invented"]
    assert scores["slot_coverage"] == scores["names_said"] == 100
    swapped = E2E.score([example.references[1] for example in [*pool[1:], pool[0]]], pool)
    assert swapped["names_said"] < 10 and swapped["slot_coverage"] < 60 and swapped["bleu"] < 30
    assert scores["invented"] < 1 < swapped["invented"]


def test_coverage_is_a_share_of_all_rows():
    pool = [E2E.from_record({"mr": "name[Pomelo], food[Indian], area[riverside], near[The Mill]", "ref": "x"})] * 2
    scores = E2E.score(["Pomelo serves Indian food.", "The Mill"], pool)
    assert scores["slot_coverage"] == pytest.approx(100 * 3 / 8)
    assert scores["names_said"] == pytest.approx(100 * 2 / 4)


# ------------------------------------------------------------------------------------------------ what says a value


def said(attribute, value, text):
    (slot,) = slots(((attribute, value),), text).slots
    return text[slice(*slot.span)] if slot.span else None


@pytest.mark.parametrize(
    ("attribute", "value", "text", "words"),
    [
        ("name", "The Vaults", "At the VAULTS you eat.", "VAULTS"),
        ("name", "Café Adria", "Cafe Adria's food", "Cafe Adria's"),
        ("name", "Bramble & Oak", "Try Bramble and Oak", "Bramble and Oak"),
        ("name", "St. Alder's", "near St Alders.", "St Alders"),
        ("name", "Ranch", "a branch", None),
        ("near", "Burger King", "near the Burger-King", "Burger-King"),
        ("familyFriendly", "yes", "It is child friendly.", "child friendly"),
        ("familyFriendly", "yes", "Bring the kids!", "kids"),
        ("familyFriendly", "yes", "It is not family-friendly.", None),
        ("familyFriendly", "yes", "It is not expensive and family-friendly.", "family-friendly"),
        ("familyFriendly", "yes", "It isn't dear. Families like it.", "Families"),
        ("familyFriendly", "no", "It is not family-friendly.", "not family-friendly"),
        ("familyFriendly", "no", "It isn’t a place for children.", "isn’t a place for children"),
        ("familyFriendly", "no", "Non-family-friendly, for adults", "Non-family-friendly"),
        ("familyFriendly", "no", "children are not welcome", "children are not welcome"),
        ("familyFriendly", "no", "It is family-friendly.", None),
        ("priceRange", "cheap", "low-priced food", "low-priced"),
        ("priceRange", "cheap", "Prices are low.", "Prices are low"),
        ("priceRange", "less than £20", "meals under 20 pounds", "under 20"),
        ("priceRange", "less than £20", "cheap meals", "cheap"),
        ("priceRange", "cheap", "less than £20", None),
        ("priceRange", "£20-25", "costs £20 to £25", "£20 to £25"),
        ("priceRange", "more than £30", "over £30", "over £30"),
        ("priceRange", "high", "It is expensive.", "expensive"),
        ("priceRange", "high", "It is inexpensive.", None),
        ("priceRange", "high", "a high customer rating", None),
        ("priceRange", "moderate", "moderately priced", "moderately priced"),
        ("customer rating", "5 out of 5", "a five-star place", "five-star"),
        ("customer rating", "5 out of 5", "highly rated", "highly rated"),
        ("customer rating", "5 out of 5", "1 out of 5 rating", None),
        ("customer rating", "1 out of 5", "rated 1 out of 5", "rated 1 out of 5"),
        ("customer rating", "3 out of 5", "got 3/5 from guests", "3/5"),
        ("customer rating", "low", "customers rate it low", "rate it low"),
        ("customer rating", "low", "low prices", None),
        ("customer rating", "high", "rated average with high prices", None),
        ("area", "city centre", "in the center of the city", "the center of the city"),
        ("area", "riverside", "by the River", "River"),
        ("food", "English", "British cooking", "British"),
        ("food", "Fast food", "fast-food", "fast-food"),
        ("food", "Indian", "20 British Pounds", None),
        ("eatType", "coffee shop", "a café", "café"),
        ("eatType", "restaurant", "an eatery", "eatery"),
        ("eatType", "tea room", "a tea-room", "tea-room"),
        ("openingHours", "9-5", "open 9-5 daily", "9-5"),
    ],
)
def test_what_says_a_value(attribute, value, text, words):
    assert said(attribute, value, text) == words


def test_names_are_covered_before_the_rest_is_read():
    table = (("name", "Raja Indian Cuisine"), ("eatType", "pub"), ("food", "Indian"), ("near", "Café Adria"))
    found = slots(table, "Raja Indian Cuisine is near Café Adria.")
    assert [slot.attribute for slot in found.missing] == ["eatType", "food"]
    assert not found.unsupported


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        ("Pomelo is cheap.", []),
        ("Pomelo is cheap, with affordable food.", []),
        ("Pomelo serves cheap Thai food.", [("food", "another cuisine", "Thai")]),
        ("Pomelo is expensive.", [("priceRange", "high", "expensive")]),
        ("Pomelo is cheap and by the riverside.", [("area", "riverside", "riverside")]),
        ("Pomelo, rated 5 out of 5, is cheap.", [("customer rating", "5 out of 5", "rated 5 out of 5")]),
        ("Pomelo is a cheap pub for kids.", [("eatType", "pub", "pub"), ("familyFriendly", "yes", "kids")]),
        ("Pomelo is a cheap restaurant.", []),
        ("Pomelo is cheap and near the Golden Lion.", [("name", "Golden Lion", "Golden Lion")]),
        ("It is near Pomelo. Cheap Food is sold. They like it.", []),
        ("Pomelo is cheap, 3 miles from the sea.", [("number", "3 miles", "3 miles")]),
        ("Pomelo opened in 1931 and is cheap.", [("number", "1931", "1931")]),
        ("Pomelo is cheap, at £12.50.", [("number", "£12.50", "£12.50")]),
    ],
)
def test_what_the_table_does_not_say(text, unsupported):
    found = slots((("name", "Pomelo"), ("priceRange", "cheap")), text)
    assert [(item.attribute, item.said, text[slice(*item.span)]) for item in found.unsupported] == unsupported


def test_a_value_is_said_only_in_its_own_role():
    table = (("name", "Pomelo"), ("near", "Hobson Court"), ("familyFriendly", "yes"))
    assert [slot.attribute for slot in slots(table, "Pomelo belongs to the Hobson Court family.").missing] == [
        "familyFriendly"
    ]
    assert not slots(table, "Pomelo, near Hobson Court, is for the family.").missing
    table = (("length", "30 cm"), ("rating", "5 out of 5"))
    assert [slot.attribute for slot in coverage(table, "It has a rating of 30 cm.").said] == []
    assert [slot.attribute for slot in coverage(table, "It has a length of 30 cm.").said] == ["length"]


def test_numbers_of_the_table_are_known_however_they_are_written():
    table = (("height", "2104.0"), ("born", "1941-05-03"), ("runway", "08/26"), ("viewers", "1,800,000"))
    text = "Born on 3 May 1941, it is 2,104 metres high, with runway 08/26, seen by 1800000, not by 9 people."
    assert [item.said for item in coverage(table, text).unsupported if item.attribute == "number"] == ["9 people"]


def test_rows_of_one_attribute_are_counted_apart():
    found = slots((("food", "French"), ("food", "Italian")), "French food")
    assert [slot.value for slot in found.said] == ["French"] and [slot.value for slot in found.missing] == ["Italian"]


def test_without_a_vocabulary_values_are_looked_for_as_they_stand():
    found = coverage((("capital", "São Paulo"), ("size", "3 km")), "SAO-PAULO is big")
    assert [slot.span for slot in found.slots] == [(0, 9), None]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_folding_keeps_track_of_where_it_was(text):
    folded, positions = fold(text)
    assert len(folded) == len(positions) and positions == sorted(positions)
    assert all(0 <= position < len(text) for position in positions)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FULL), st.text(max_size=60), st.booleans())
def test_spans_lie_in_the_text(row, text, with_value):
    text = f"{text} {row[1]}" if with_value and row[0] in NAMES else text
    found = slots((row,), text)
    for item in (*found.said, *found.unsupported):
        assert 0 <= item.span[0] < item.span[1] <= len(text)


def test_the_notation_and_the_grid_are_read_back(e2e):
    for example in e2e.pool():
        assert e2e.parse(e2e.to_text(example.source)) == e2e.parse(e2e.to_grid(example.source)) == example.source


def test_a_table_is_named_by_its_name_or_its_first_value(e2e):
    assert e2e.label((("area", "riverside"), ("name", "Pomelo"))) == "Pomelo"
    assert e2e.label((("area", "riverside"), ("food", "Indian"))) == "riverside"
