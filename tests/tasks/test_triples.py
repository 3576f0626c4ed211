"""Triples: every notation is read back; whatever else comes is refused in words; values are found as texts say them."""

import csv
import io
import json
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prefix_core.data.characters import flatten
from prefix_core.data.tables import MAX_ROWS
from prefix_core.errors import InputError, SeveralRecords
from prefix_core.tasks import triples
from prefix_core.tasks.triples import linearize, open_relation, open_value, parse, to_grid, to_text
from prefix_core.tasks.wording import slots

HERON = (
    ("Blue Heron Airport", "cityServed", "Marlow Bay"),
    ("Blue Heron Airport", "runwayLength", "2410.0 (metres)"),
)
quick = settings(max_examples=80, deadline=None)

marked = st.text([*":,;|｜[]{}\\\"'_ ab"], min_size=1, max_size=10)
parts = st.one_of(st.from_regex(r"[A-Z][a-z]{0,8}( [a-z]{1,6})?", fullmatch=True), marked, st.text(max_size=15))
values = parts.map(flatten).map(open_value).filter(lambda part: part and open_value(part) == part)
relations = parts.map(flatten).filter(bool)
sets = st.lists(st.tuples(values, relations, values), min_size=1, max_size=5).map(tuple)


def is_head_or_ruler(rows):
    def ruled(row):
        return all(set(part) <= set("-:") for part in row)

    return [part.lower() for part in rows[0]] == list(triples.COLUMNS) or any(map(ruled, rows))


@quick
@given(sets)
def test_the_notation_the_grid_and_json_are_read_back(source):
    assert parse(to_grid(source)) == source
    assert parse(json.dumps([dict(zip(triples.COLUMNS, row, strict=True)) for row in source])) == source
    assume(not is_head_or_ruler(source) and not any(part.count(" : ") > 1 for row in source for part in row))
    assert parse(to_text(source)) == source


plain = values.filter(lambda part: not set(part) & set('|｜:,;\\"[({<'))


@quick
@given(st.lists(st.tuples(plain, plain, plain), min_size=1, max_size=5).map(tuple), st.sampled_from(",;\t"))
def test_csv_markdown_and_the_papers_line_are_read_back(source, delimiter):
    assume(not is_head_or_ruler(source))
    sheet = io.StringIO()
    csv.writer(sheet, delimiter=delimiter).writerows(source)
    assert parse(sheet.getvalue()) == source
    assert parse("\n".join(f"| {s} | {r} | {o} |" for s, r, o in source)) == source
    assert parse(" | ".join(f"{s} : {r} : {o}" for s, r, o in source)) == source


MESS = st.lists(
    st.sampled_from(
        [*"[]{}|:,;\t\n\"'\\<> \ufeff\ud800", "a", "Name_x", " : ", '"a":', "[[", "<mtriple>", "</mtriple>"]
    ),
    max_size=20,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(st.one_of(MESS, st.text(max_size=40)))
def test_garbage_is_read_or_refused_in_words(text):
    try:
        source = parse(text)
    except InputError as error:
        assert str(error)
    else:
        assert all(part and part == flatten(part) for row in source for part in row)
        assert parse(to_grid(source)) == source


@quick
@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)), st.lists, max_leaves=12))
def test_any_json_is_read_or_refused_in_words(value):
    try:
        assert triples.from_json(value)
    except InputError as error:
        assert str(error)


ENTRY = """<entry category="Airport" eid="Id1" size="2">
 <originaltripleset><otriple>Blue_Heron_Airport | city | Marlow_Bay</otriple></originaltripleset>
 <modifiedtripleset>
  <mtriple>Blue_Heron_Airport | cityServed | Marlow_Bay</mtriple>
  <mtriple>Blue_Heron_Airport | runwayLength | "2410.0"(metres)</mtriple>
 </modifiedtripleset><lex comment="good" lid="Id1">It serves Marlow Bay.</lex></entry>"""


@pytest.mark.parametrize(
    "text",
    [
        "Blue_Heron_Airport | cityServed | Marlow_Bay\n\nBlue_Heron_Airport|runwayLength|2410.0_(metres)",
        "Blue Heron Airport : cityServed : Marlow Bay | Blue Heron Airport : runwayLength : 2410.0 (metres)",
        "\ufeffsubject,relation,object\nBlue Heron Airport,cityServed,Marlow Bay\n"
        'Blue Heron Airport,runwayLength,"2410.0 (metres)",,',
        "Blue Heron Airport\tcityServed\tMarlow Bay\nBlue Heron Airport\trunwayLength\t2410.0 (metres)",
        "| **Subject** | Predicate | Object |\n|:--|---|--:|\n| Blue Heron Airport | cityServed | Marlow Bay |\n"
        "| Blue Heron Airport | runwayLength | 2410.0 (metres) |",
        '[["Blue_Heron_Airport", "cityServed", "Marlow_Bay"],'
        ' ["Blue_Heron_Airport", "runwayLength", "2410.0 (metres)"]]',
        '{"triples": [{"subject": "Blue_Heron_Airport", "property": "cityServed", "object": "Marlow_Bay"},'
        ' {"Object": "2410.0 (metres)", "Subject": "Blue Heron Airport", "predicate": "runwayLength"}]}',
        '{"mtriple_set": [["Blue_Heron_Airport | cityServed | Marlow_Bay", "Blue_Heron_Airport | runwayLength | '
        '2410.0 (metres)"]]}',
        ENTRY,
    ],
)
def test_one_set_in_many_hands(text):
    assert parse(text) == HERON


def test_a_set_of_one_triple():
    assert parse('["Sorrel", "areaCode", 417]') == (("Sorrel", "areaCode", "417"),)
    assert parse("Sorrel : area code : 0417") == (("Sorrel", "area code", "0417"),)
    assert parse("<otriple>Sorrel | areaCode | A &amp; B</otriple>") == (("Sorrel", "areaCode", "A & B"),)
    assert parse("[TABLECONTEXT] | [TITLE] | A list") == (("[TABLECONTEXT]", "[TITLE]", "A list"),)


@pytest.mark.parametrize(
    ("raw", "opened"),
    [
        ("Blue_Heron_Airport", "Blue Heron Airport"),
        ('"Marlow, Norland"', "Marlow, Norland"),
        ('"12"^^<http://www.w3.org/2001/XMLSchema#int>', "12"),
        ('"zwölf"@de', "zwölf"),
        ('"52.0"(minutes)', "52.0 (minutes)"),
        ('"Mild" or "strong" cheese', '"Mild" or "strong" cheese'),
    ],
)
def test_values_are_opened_as_people_write_them(raw, opened):
    assert open_value(raw) == open_value(opened) == opened


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ("cityServed", "city served"),
        ("CITY_SERVED", "city served"),
        ("ICAO_Location_Identifier", "icao location identifier"),
        ("UTCOffset", "utc offset"),
        ("elevationAboveTheSeaLevel_(in_metres)", "elevation above the sea level (in metres)"),
        ("1st_runway_LengthFeet", "1st runway length feet"),
        ("PRODUCER(S)", "producer(s)"),
        ("AREA_KM2", "area km2"),
        ("was selected by NASA", "was selected by nasa"),
        ("[TITLE]", "title"),
    ],
)
def test_relations_are_opened(relation, words):
    assert open_relation(relation) == words


def test_the_papers_line():
    line = "Blue Heron Airport : city served : Marlow Bay | Blue Heron Airport : runway length : 2410.0 (metres)"
    assert linearize(HERON) == line
    assert linearize(parse(line)) == line
    assert linearize((("[TABLECONTEXT]", "[TITLE]", "A list"),)) == "table : title : A list"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("", "no triples"),
        ("The airport serves Marlow Bay.", "No triples found in “The airport serves Marlow Bay.”"),
        ("a | b | c\n\na | b", "row 3 has 2 parts"),
        ("a | b | c | d", "row 1 has 4 parts"),
        ("a | | c", "row 1 has no relation"),
        ("a,b,c\na,b,", "row 2 has no object"),
        ('a,b,"c', "the quotes do not match"),
        ('[["a", "b"]]', "triple 1 has 2 parts"),
        ('[["a", "b", ["c"]]]', "triple 1: expected"),
        ('[{"subject": "a", "value": "c"}]', "triple 1: expected"),
        ('{"a": 1,', "line 1, character 9: this is not JSON"),
        ("{'a'", "this is not JSON"),
        ("[[" + "[" * 9000, "nested too deeply"),
        ("<mtriple>a | b | c</mtriple><mtriple>a | b", "triple 2: a <mtriple> without its </mtriple>"),
        (ENTRY + ENTRY, "These are 2 records"),
        ("a | " + "r" * 101 + " | c", "row 1: the relation has 101 characters; at most 100"),
        ("a | r | " + "c" * 501, "row 1: the object has 501 characters; at most 500"),
        ("\n".join(["a | b | c"] * (MAX_ROWS + 1)), "more than 50 triples"),
        ("x" * 50_001, "50,001 characters"),
        ([["a", "b", "c"], ["", None, ""], ["a", "b", float("nan")]], "row 3 has no object"),
        ([["a", "b"]], "row 1 has 2 parts"),
    ],
)
def test_errors_say_what_and_where(raw, says):
    with pytest.raises(InputError) as error:
        parse(raw)
    assert says in str(error.value)


@pytest.mark.parametrize("piece", [*'"\\|:,[{<_ ', "a|", " : ", "[[", "<mtriple>", '"a'])
@pytest.mark.parametrize("start", ["", "x | ", "[[", "<mtriple>"])
def test_long_nonsense_takes_no_time(start, piece):
    began = time.process_time()
    for text in (start + piece * 5_000, start + piece * 2_000 + "x" * 20_000):
        try:
            parse(text)
        except InputError as error:
            assert len(str(error)) < 400
    assert time.process_time() - began < 2


# ------------------------------------------------------------------------------------------------ what says a value


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        ("1941-05-03", "born on 3 May 1941.", "3 May 1941"),
        ("1941-05-03", "born on May 3rd, 1941.", "May 3rd, 1941"),
        ("1941-05-03", "born on the 3rd of May, 1941", "3rd of May, 1941"),
        ("1941-05-03", "(1941-05-03)", "1941-05-03"),
        ("1941-05-03", "born on 03/05/1941", "03/05/1941"),
        ("1941-05-03", "born on 13 May 1941", None),
        ("1941-13-45", "code 1941-13-45", "1941-13-45"),
        ("2410.0", "a runway of 2,410 metres", "2,410"),
        ("2410.0", "a runway of 12410 metres", None),
        ("58.3 (square kilometres)", "58.3 square kilometres", "58.3 square kilometres"),
        ("58.3 (square kilometres)", "an area of 58.3", "58.3"),
        ("58.3", "an area of 58", None),
        ("Storm in a Cup (film)", "the film Storm in a Cup", "Storm in a Cup"),
        ("Marlow Bay, Norland", "in Marlow Bay", "Marlow Bay"),
        ("Pears, flour and butter", "made of pears", None),
        ("Tern Island F.C.", "Tern Island FC", "Tern Island FC"),
        ("Norlanders", "a Norlander", "Norlander"),
        ("Norlandic language", "written in Norlandic", "Norlandic"),
        ("United States", "a US citizen", "US"),
        ("Deceased", "She has died.", "died"),
        ("Emil Rask", "Rask", None),
    ],
)
def test_what_says_a_value(value, text, words):
    (slot,) = slots((("[TABLECONTEXT]", "value", value),), text).slots
    assert (text[slice(*slot.span)] if slot.span else None) == words


def test_subjects_count_once_and_names_from_nowhere_are_told():
    text = "Blue Heron Airport serves Port Linden in May. The Airport is near Oslo."
    found = slots(HERON, text)
    assert [(slot.attribute, slot.value) for slot in found.slots] == [
        ("subject", "Blue Heron Airport"), ("cityServed", "Marlow Bay"), ("runwayLength", "2410.0 (metres)"),
    ]  # fmt: skip
    assert [slot.value for slot in found.missing] == ["Marlow Bay", "2410.0 (metres)"]
    assert [item.said for item in found.unsupported] == ["Port Linden", "Oslo"]


def test_a_value_inside_a_longer_one_is_not_said_by_it():
    source = (("Marlow Bay Theatre", "city", "Marlow Bay"),)
    assert [slot.value for slot in slots(source, "Marlow Bay Theatre is large.").missing] == ["Marlow Bay"]
    assert not slots(source, "Marlow Bay Theatre is in Marlow Bay.").missing


@quick
@given(sets, st.text(max_size=60))
def test_spans_lie_in_the_text(source, text):
    found = slots(source, f"{text} {source[0][0]}")
    for item in (*found.said, *found.unsupported):
        assert 0 <= item.span[0] < item.span[1] <= len(text) + 1 + len(source[0][0])


@pytest.mark.parametrize(
    "text",
    [
        "('A B', 'r', 'C')\n('A B', 'q', 'D')".replace("\n", ", "),
        "[('A B', 'r', 'C'), ('A B', 'q', 'D')]",
        "['A B | r | C'\n 'A B | q | D']",
        "(A B, r, C)\n(A B, q, D)",
        "(A B, r, C), (A B, q, D)",
        "[A B | r | C]\n[A B | q | D]",
        '<modifiedtripleset><mtriple lang="en">A_B | r | C</mtriple><mtriple>A_B | q | D</mtriple></modifiedtripleset>',
    ],
)
def test_brackets_around_triples_are_no_part_of_them(text):
    assert parse(text) == (("A B", "r", "C"), ("A B", "q", "D"))


def test_several_sets_are_told_from_one():
    for text in ('[{"triples": [["a", "b", "c"]]}, {"triples": [["d", "e", "f"]]}]', ENTRY + ENTRY):
        with pytest.raises(SeveralRecords) as error:
            parse(text)
        assert len(error.value.records) == 2
    assert parse("(A, height, 25 (metres))") == (("A", "height", "25 (metres)"),)
