"""Every notation is read back as it was written; whatever else comes in is refused in words, never by accident."""

import csv
import io
import json
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prefix_core.data import tables
from prefix_core.data.characters import flatten
from prefix_core.data.notations import read_table
from prefix_core.data.tables import from_grid, to_grid, to_mr
from prefix_core.errors import InputError, SeveralRecords

BLUE = (("name", "Blue Spice"), ("eatType", "coffee shop"), ("area", "city centre"))
quick = settings(max_examples=150, deadline=None)

attributes = st.from_regex(r"[a-zA-Z][a-zA-Z_]{0,8}( [a-z]{1,6})?", fullmatch=True)
values = st.text(min_size=1, max_size=30).map(flatten).filter(bool)


marked = st.text([*":,;|=：｜[]{}\\\"'“ ab"], min_size=1, max_size=12).map(flatten).filter(bool)
any_attribute = st.one_of(attributes, marked, st.text(min_size=1, max_size=20).map(flatten).filter(bool))


def rows(value=values, attribute=attributes):
    return st.lists(st.tuples(attribute, value), min_size=1, max_size=6).map(tuple)


def is_head(table):
    """`attribute | value`, `name | value` over the rows is a head, which a table of two columns may well have."""
    return table[0][1].lower() in ("value", "values")


@quick
@given(rows(st.one_of(values, marked), any_attribute))
def test_mr_is_read_back(table):
    assert read_table(to_mr(table)) == table


@quick
@given(rows(attribute=any_attribute))
def test_a_grid_is_read_back(table):
    assert from_grid(to_grid(table)) == table


@quick
@given(rows())
def test_json_is_read_back(table):
    assert read_table(json.dumps(table)) == table
    assert read_table(json.dumps([{"attribute": a, "value": v} for a, v in table], indent=1)) == table
    if len(dict(table)) == len(table):
        assert read_table(json.dumps(dict(table), ensure_ascii=False)) == table


@quick
@given(rows(), st.sampled_from([",", ";", "\t"]))
def test_csv_and_tsv_are_read_back(table, delimiter):
    assume(not is_head(table))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(table)
    assert read_table(text.getvalue()) == table
    if len(table) > 2:
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows(zip(*table, strict=True))
        assert read_table(text.getvalue()) == table


@quick
@given(rows(values.filter(lambda v: not set(v) & set("*_`｜\\"))))
def test_markdown_is_read_back(table):
    def line(cells):
        return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"

    two_columns = [line(("attribute", "value")), "|---|:-:|", *map(line, table)]
    assert read_table("\n".join(two_columns)) == table
    if len(table) > 2 and not all(set(v) <= set("-:") for _, v in table):
        heads, cells = zip(*table, strict=True)
        assert read_table("\n".join([line(heads), line(["---"] * len(table)), line(cells)])) == table


plain = values.filter(lambda v: not set(v) & set(":：|｜,;\\\"'“‘"))


@quick
@given(rows(plain), st.sampled_from([" | ", "\n", "\r\n", "|\n"]))
def test_fields_are_read_back(table, between):
    assert read_table(between.join(f"{a} : {v}" for a, v in table)) == table


MESS = st.lists(
    st.sampled_from([*"[]{}|:,;\t\n\"'\\-`* \ufeff\u3000\ud800\x00", "name", "area", "£20", '"a":', "[[", "---"]),
    max_size=25,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(MESS, st.text(max_size=60)))
def test_garbage_is_read_or_refused_in_words(text):
    try:
        table = read_table(text)
    except InputError as error:
        assert str(error)
    else:
        for cell in (cell for row in table for cell in row):
            assert cell and cell == flatten(cell) and "\n" not in cell
            cell.encode("utf-8")
        assert from_grid(to_grid(table)) == table


@quick
@given(st.lists(st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.booleans(), st.text()), max_size=4)))
def test_any_grid_is_read_or_refused_in_words(grid):
    try:
        assert from_grid(grid)
    except InputError as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        "name[Blue Spice], eatType[coffee shop], area[city centre]",
        "\ufeff name [ Blue\u3000Spice ],,eatType[coffee  shop]\r\narea['city centre'], ",
        "name : Blue Spice | eatType : coffee shop | area : city centre |",
        "- name: Blue Spice\n- eatType: “coffee shop”,\n\n- area: city centre",
        "name: Blue Spice, eatType: coffee shop, area: city centre",
        "attribute,value\nname,Blue Spice\neatType , coffee shop,\narea,city centre,,",
        'name,eatType,area\n"Blue Spice",coffee shop,"city\ncentre"\n',
        "name\teatType\tarea\r\nBlue Spice\tcoffee shop\tcity centre",
        "Field;Value\nname;Blue Spice\neatType;coffee shop\narea;city centre",
        "| name | eatType | area |\n|:--|:-:|--:|\n| Blue Spice | coffee shop | city centre |",
        "| **name** | Blue Spice |\n| `eatType` | coffee shop |\n| area | city centre |",
        "name | Blue Spice\neatType | coffee shop\narea | city centre",
        '{"name": "Blue Spice", "eatType": "coffee shop", "area": "city centre"}',
        '[{"name": "Blue Spice", "eatType": "coffee shop", "area": "city centre"}]',
        '[{"Key": "name", "Value": "Blue Spice"}, ["eatType", "coffee shop"], ["area", "city\\ncentre"]]',
        '"name": "Blue Spice", "eatType": "coffee shop", "area": "city centre",',
    ],
)
def test_one_table_in_many_hands(text):
    assert read_table(text) == BLUE


@pytest.mark.parametrize("attribute", ["hours: weekdays", "a, b", "a; b", "a | b", "a = b", "{a", 'say "a', "｜a："])
def test_marks_in_an_attribute_are_read_back_from_mr(attribute):
    table = ((attribute, '9-5"'), ("area", "riverside"), (attribute, "x:y"))
    assert read_table(to_mr(table)) == table


@pytest.mark.parametrize("text", ["name,area\nBlue Spice,riverside", "| name | area |\n| Blue Spice | riverside |"])
def test_known_attributes_tell_heads_from_rows(text):
    assert read_table(text, {"name", "area"}) == (("name", "Blue Spice"), ("area", "riverside"))
    assert read_table(text) == (("name", "area"), ("Blue Spice", "riverside"))


def test_a_ruler_makes_heads_of_the_first_row():
    assert read_table("| a | b |\n|---|---|\n| x | y |") == (("a", "x"), ("b", "y"))


def test_repeated_attributes_are_kept():
    assert read_table('{"food": "Italian", "food": "French"}') == (("food", "Italian"), ("food", "French"))
    assert read_table("food[Italian], food[French]") == (("food", "Italian"), ("food", "French"))


def test_a_comma_in_a_value_does_not_end_it():
    line = "name: Blue Spice, eatType: coffee shop, near: St. John's, Cambridge; open: 9:30, 14:30"
    assert read_table(line) == (
        ("name", "Blue Spice"),
        ("eatType", "coffee shop"),
        ("near", "St. John's, Cambridge"),
        ("open", "9:30, 14:30"),
    )
    assert read_table("name: Bread, Salt and Wine") == (("name", "Bread, Salt and Wine"),)


def test_numbers_and_booleans_are_written_as_they_stand():
    table = read_table('{"rating": 4.50, "phone": "01223", "familyFriendly": true}')
    assert table == (("rating", "4.50"), ("phone", "01223"), ("familyFriendly", "yes"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\ufeff,", "empty"),
        ("A pub by the river", "No table found in “A pub by the river”"),
        ("name[Blue Spice, area[x]", "character 5: the [ after “name” is not closed before another [ opens at"),
        ("name[Blue Spice", "character 5: the [ after “name” is not closed. Close it"),
        ("name[A], area x]", "character 16: a ] without its ["),
        ("name[A], riverside", "character 8: “riverside” has no [value]"),
        ("name[A], area[ ]", "row 2 (character 14): “area” has no value"),
        ("name : A | area", "row 2: “area” has no colon"),
        ("name: A\narea:\nfood: B", "row 2: “area” has no value"),
        ("name: A\n: B", "row 2: the value “B” has no attribute"),
        ("name,A\n\narea,", "row 3: “area” has no value"),
        ("name,area,food\nA,,C", "column 2: “area” has no value"),
        ("name,A, B\narea,C", "row 1 has 3 cells"),
        ("a,b,c\n1,2,3\n4,5,6", "row 1 has 3 cells"),
        ('name,"A\narea,B', "the quotes do not match"),
        ("{'name': A}", "line 1, character 2: this is not JSON"),
        ('{"name": [["A"]]}', "row 1: “name” holds an object, or lists in a list"),
        ('{"name": []}', "row 1: “name” holds an object"),
        ('["name", "A"]', "row 1: expected"),
        ('{"name": null}', "row 1: “name” has no value"),
        ("[" * 9000, "nested too deeply"),
        ("name[" + "x" * 501 + "]", "“name” is 501 characters long; at most 500"),
        ("x" * 101 + "[y]", "the attribute has 101 characters; at most 100"),
        (", ".join(["a[b]"] * 51), "more than 50 rows"),
        ("x" * 50_001, "50,001 characters; at most 50,000"),
    ],
)
def test_errors_say_what_and_where(text, says):
    with pytest.raises(InputError) as error:
        read_table(text)
    assert says in str(error.value)


def test_blank_grid_rows_are_passed_over_but_counted():
    grid = [["name", "A"], ["", None], [" ", float("nan")], ["stars", 5, ""]]
    assert from_grid(grid) == (("name", "A"), ("stars", "5"))
    with pytest.raises(InputError, match="row 3: “area” has no value"):
        from_grid([["name", "A"], [], ["area", None]])
    with pytest.raises(InputError, match="row 1 has 3 cells"):
        from_grid([["a", "b", "c"]])


@pytest.mark.parametrize("piece", [*'"\\|:*[],{ \u3000', "a:", "a,", "| ", "**|", "[["])
@pytest.mark.parametrize("start", ["", "x: ", "x,", "| ", "x[", '"', "{"])
def test_long_nonsense_takes_no_time(start, piece):
    began = time.process_time()
    for text in (start + piece * 10_000, start + piece * 5_000 + "x" * 20_000, (start + piece) * 5_000 + "\n]:|,"):
        try:
            read_table(text)
        except InputError as error:
            assert len(str(error)) < 400
    assert time.process_time() - began < 2


def test_limits_hold_for_every_way_in():
    with pytest.raises(InputError, match="more than 50 rows"):
        from_grid([["a", "b"]] * (tables.MAX_ROWS + 1))
    assert len(from_grid([["a", "b"]] * tables.MAX_ROWS)) == tables.MAX_ROWS


KNOWN = {"name", "food", "area"}
TWO = ((("name", "Foo"), ("food", "Thai")), (("name", "Bar"), ("food", "Indian")))


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("name=Blue, area=river", (("name", "Blue"), ("area", "river"))),
        ("name = Foo; food = Thai", (("name", "Foo"), ("food", "Thai"))),
        ("inform(name='Blue Spice';area=riverside)", (("name", "Blue Spice"), ("area", "riverside"))),
        ("1. name: Blue\n2. area: river", (("name", "Blue"), ("area", "river"))),
        (r"1. name: Blue\n2. area: river", (("name", "Blue"), ("area", "river"))),
        ("- **Name:** Blue\n- **Area:** river", (("Name", "Blue"), ("Area", "river"))),
        ("name: A, area: river\nfood: Thai", (("name", "A"), ("area", "river"), ("food", "Thai"))),
        ('{"name": "A", "food": ["Thai", "Indian"]}', (("name", "A"), ("food", "Thai"), ("food", "Indian"))),
        ("{'name': 'A', 'area': \"B's\"}", (("name", "A"), ("area", "B's"))),
    ],
)
def test_no_field_swallows_the_others(text, table):
    assert read_table(text, KNOWN) == table


@pytest.mark.parametrize(
    "text",
    [
        "name,food\nFoo,Thai\nBar,Indian",
        "| name | food |\n|---|---|\n| Foo | Thai |\n| Bar | Indian |",
        "name[Foo], food[Thai]\nname[Bar], food[Indian]",
        "name: Foo\nfood: Thai\n\nname: Bar\nfood: Indian",
        "name : Foo | food : Thai\nname : Bar | food : Indian",
        '[{"name": "Foo", "food": "Thai"}, {"name": "Bar", "food": "Indian"}]',
        '{"name": "Foo", "food": "Thai"}\n{"name": "Bar", "food": "Indian"}',
    ],
)
def test_several_records_are_told_from_one(text):
    with pytest.raises(SeveralRecords) as error:
        read_table(text, KNOWN)
    assert error.value.records == TWO and "2 records" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A | cityServed | B\nA | country | C", "These look like triples"),
        ("request(name='X')", "is not a table alone"),
        ("name: Foo; food = Thai", "mixes : and ="),
    ],
)
def test_what_is_no_table_is_not_read_as_one(text, says):
    with pytest.raises(InputError, match=says):
        read_table(text, KNOWN)
