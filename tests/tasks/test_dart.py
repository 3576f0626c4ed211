"""DART: its own rows, and those of WebNLG and E2E in its form."""

import pytest

from prefix_core.errors import InputError
from prefix_core.tasks import get_task

DART, WEBNLG = get_task("dart"), get_task("webnlg")


def test_e2es_tables_become_triples_of_the_name():
    example = DART.from_record({"mr": "name[Pomelo], eatType[pub], customer rating[low]", "ref": "x", "id": "e-1"})
    assert example.source == (("Pomelo", "eatType", "pub"), ("Pomelo", "customer rating", "low"))
    assert example.id == "e-1"
    assert DART.linearize(example.source) == "Pomelo : eat type : pub | Pomelo : customer rating : low"
    nameless = DART.from_record({"table": [["area", "riverside"]], "references": ["x"]})
    assert nameless.source == (("[TABLECONTEXT]", "area", "riverside"),)
    with pytest.raises(InputError, match="“Pomelo” has a name and nothing else"):
        DART.from_record({"mr": "name[Pomelo]", "ref": "x"})


def test_webnlgs_relations_read_as_darts_to_the_model():
    ours = WEBNLG.from_record({"triples": [["Tern_Island", "cityServed", '"A, B"']], "ref": "x"})
    theirs = DART.from_record({"tripleset": [["Tern Island", "CITY_SERVED", '"A, B"']], "ref": "x"})
    assert WEBNLG.linearize(ours.source) == DART.linearize(theirs.source) == "Tern Island : city served : A, B"


def test_entities_are_characters():
    example = DART.from_record({"triples": [["A &amp; B", "R", "C"]], "annotations": {"text": ["", "x"]}})
    assert example.source == (("A & B", "R", "C"),) and example.references == ("x",)


def test_e2es_values_are_found_by_e2es_wordings():
    restaurant = (("Pomelo", "familyFriendly", "yes"), ("Pomelo", "priceRange", "cheap"))
    assert not DART.slots(restaurant, "Children are welcome at low-priced Pomelo.").missing
    found = DART.slots(restaurant, "Pomelo is a cheap Italian place for kids.")
    assert [item.attribute for item in found.unsupported] == ["food"]
    others = (("Pomelo", "LANGUAGE", "Italian"), ("Pomelo", "priceRange", "cheap"))
    assert not DART.slots(others, "Pomelo is cheap and Italian.").missing


def test_a_table_is_named_by_its_title():
    assert DART.label((("[TABLECONTEXT]", "YEAR", "2014"), ("[TABLECONTEXT]", "[TITLE]", "Seasons"))) == "Seasons"
