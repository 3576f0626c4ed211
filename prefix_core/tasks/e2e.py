"""E2E: restaurant tables to one or two sentences (Novikova et al. 2017; Li & Liang 2021, section 5.1)."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from prefix_core.data.columns import TEXT_COLUMNS
from prefix_core.data.examples import Example, example_of
from prefix_core.data.notations import read_table
from prefix_core.data.tables import Table, attribute_key, from_grid, to_grid, to_mr
from prefix_core.scores.slots import Coverage, Vocabulary, coverage
from prefix_core.tasks import tabular
from prefix_core.tasks.tabular import columns_of, table_of, unlike
from prefix_core.tasks.task import Task, first_line

# E2E's own name -> the name the paper's linearization gives it
PAPER_NAMES = {
    "name": "name",
    "eatType": "Type",
    "food": "food",
    "priceRange": "price",
    "customer rating": "customer rating",
    "area": "area",
    "familyFriendly": "family friendly",
    "near": "near",
}
_OTHER_NAMES = {"rating": "customer rating", "cuisine": "food"}
_KNOWN = {attribute_key(name): own for own, paper in PAPER_NAMES.items() for name in (own, paper)} | _OTHER_NAMES


def parse(raw: str | Sequence[Sequence[Any]]) -> Table:
    """Pasted text in any notation of `tables.read_table`, or grid rows -> table with E2E's own attribute names.

    The paper's names (`Type`, `price`, `family friendly`) and any spelling (`eat_type`, `PRICE RANGE`) are recognised;
    other attributes are kept as they are. Raises `InputError`.
    """
    return _own_names(read_table(raw, _KNOWN) if isinstance(raw, str) else from_grid(raw))


def linearize(table: Table) -> str:
    """`name : Blue Spice | Type : coffee shop | ...`, the paper's form, in the order of the table."""
    return " | ".join(f"{PAPER_NAMES.get(name) or _open(name)} : {value}" for name, value in _own_names(table))


def label(table: Table) -> str:
    """The restaurant's name, or the first value where it has none."""
    return dict(table).get("name") or table[0][1]


def source_of(record: Mapping[str, Any], inputs: Sequence[str] = ()) -> Table:
    """The table of a row, with E2E's own attribute names (see `tabular.table_of`). Raises `InputError`."""
    return _own_names(table_of(record, inputs, parse))


def from_record(record: dict[str, Any], inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Example:
    """A row with a table and its text, in the columns named, else `INPUT_COLUMNS` and `TEXT_COLUMNS` -> example."""
    return example_of(source_of(record, inputs), record, targets or TEXT_COLUMNS)


def _own_names(table: Table) -> Table:
    return tuple((_KNOWN.get(attribute_key(name), name), value) for name, value in table)


def _open(name: str) -> str:
    """`openingHours`, `opening_hours` -> `opening hours`."""
    return re.sub(r"(?<=[a-z0-9])[A-Z](?=[a-z])", lambda match: " " + match[0].lower(), name).replace("_", " ").strip()


# ------------------------------------------------------- the ways of saying E2E's values, as patterns of folded text

# Words that may stand between "rating" and "high", or "price" and "low".
_LINK = r"(?: (?:is|are|was|of|a|an|the|very|quite|fairly|really|only|customers?|by|as|its|it|from|in|at|to|be|that))"
_PRICE = r"(?:pric(?:e|es|ed|ing|ey)|costs?|costing)"
_PRICED = rf"{_PRICE}(?: ranges?| ranged| point| bracket| category)?(?: in)?{_LINK}{{0,4}}"
_RATING = r"(?:rat(?:ed?|es|ings?)|review(?:s|ed)?|score(?:s|d)?|rank(?:s|ed|ings?)|regarded|recommended|satisfaction)"
_RATED = rf"{_RATING}{_LINK}{{0,4}}"
_BY = r"(?: customers?| consumers?| users?| guests?| overall| quality| service)*"
_FAMILY = r"(?:famil(?:y|ies)|child(?:ren)?s?|kids?|all ages)"
_NOT = (
    r"(?:not|no|non|none|isnt|arent|doesnt|dont|wouldnt|shouldnt|never|cannot|cant|wont|nor|unsuitable|inappropriate"
    r"|without|lacks?)(?: (?!and\b|but\b|also\b|with\b|far\b|near\b)\w+){0,6}?"
)
_NOT_SECOND = r"(?<!out of )(?<!out )(?<!over )(?<!\d )(?<!\d of )"  # not the last number of "3 out of 5"


def _rated(words: str) -> str:
    return rf"(?:{words})(?: in)?{_BY} {_RATING}|{_RATED} (?:{words})(?! pric)"


def _out_of_five(digit: str, word: str) -> str:
    number = rf"{_NOT_SECOND}(?:{digit}|{word})"
    whole = r" ?(?:stars? )?(?:rating )?(?:(?:out ?)?of|out|over) ?(?:a possible )?(?:5|five)(?: star(?:s|red)?)?"
    return rf"{_RATED} {number}(?:{whole}|(?! ?star))|{number}(?:{whole}| (?:5|five)|{_BY} {_RATING})"


def _stars(digit: str, word: str) -> str:
    return rf"{_NOT_SECOND}(?:{digit}|{word}) ?star(?:s|red)?"


def _priced(words: str) -> str:
    return rf"(?:{words})(?: end| range)?(?: in)? {_PRICE}|{_PRICED} (?:{words})"


VOCABULARIES = {
    "eatType": Vocabulary(
        phrases={
            "coffee shop": r"coffee ?(?:shops?|house|bar|place)|cafes?",
            "pub": r"pubs?|bars?|taverns?|public house|inn",
            "restaurant": r"restaurants?|eater(?:y|ies)|diners?|bistros?",
        },
        values={},
        vague=("restaurant",),
    ),
    "food": Vocabulary(
        phrases={
            "English": r"english|british(?! pounds?)|fish and chips",
            "Fast food": r"fast ?foods?|burgers?|junk food",
            "French": r"french",
            "Italian": r"italian|pasta|pizzas?",
            "Japanese": r"japanese|sushi",
            "Indian": r"indian|curr(?:y|ies)",
            "Chinese": r"chinese",
            "another cuisine": r"thai|american|mexican|spanish|greek|turkish|korean|vietnamese|german|mediterranean",
        },
        values={},
    ),
    "priceRange": Vocabulary(
        phrases={
            "less than £20": r"(?:less|lower|cheaper|under|below|beneath|up to|within|maximum|max)(?: \w+){0,2}? 20"
            r"|20(?: pounds)? (?:or|and) (?:less|under|below)",
            "£20-25": r"20(?: \w+){0,3}? 25",
            "more than £30": r"(?:more|over|above|greater|higher|upwards|excess|at least|exceeds?)(?: \w+){0,2}? 30"
            r"|30(?: pounds)? (?:or|and) (?:more|up|over|above)|30 plus",
            "cheap": r"(?<!not )cheap\w*|inexpensive\w*|affordabl\w*|budget|economical\w*|bargains?"
            rf"|not(?: \w+)? expensive|below average {_PRICE}|{_priced('low|lower|lowly')}",
            "reasonable": _priced("reasonabl[ey]"),
            "moderate": rf"{_priced('moderat[a-z]+|mid|middle|medium|average|averagely|fairl?y?')}|mid(?:dle)? range",
            "high": rf"expensive\w*|pricey|pricy|costly|upscale|{_priced('high|higher|highly')}|high end",
        },
        values={
            "less than 20": ("less than £20", "cheap", "reasonable"),
            "20 25": ("£20-25", "moderate", "reasonable"),
            "more than 30": ("more than £30", "high"),
            "cheap": ("cheap", "reasonable"),
            "moderate": ("moderate", "reasonable"),
        },
    ),
    "customer rating": Vocabulary(
        phrases={
            "5 out of 5": _out_of_five("5", "five"),
            "3 out of 5": _out_of_five("3", "three"),
            "1 out of 5": _out_of_five("1", "one"),
            "five stars": _stars("5", "five"),
            "three stars": _stars("3", "three"),
            "one star": _stars("1", "one"),
            "low": _rated(r"low|lowly|lower|lowest|poor|poorly|bad|badly|terrible|not(?: \w+)? well|not highly"),
            "average": _rated(r"average|averagely|moderate|moderately|mediocre|decent|ok|okay|fair|medium|mid"),
            "high": _rated(r"high|highly|higher|highest|great|good|excellent|top|well|best|positive|outstanding"),
        },
        values={
            "5 out of 5": ("5 out of 5", "five stars", "high"),
            "3 out of 5": ("3 out of 5", "three stars", "average"),
            "1 out of 5": ("1 out of 5", "one star", "low"),
            "high": ("high", "five stars"),
            "average": ("average", "three stars"),
            "low": ("low", "one star"),
        },
    ),
    "area": Vocabulary(
        phrases={
            "city centre": r"(?:city|town)s? ?cent(?:re|er)s?|(?:the )?cent(?:re|er) of (?:the )?(?:city|town)"
            r"|(?:heart|middle) of (?:the )?(?:city|town)|central(?:ly)?|downtown|the cent(?:re|er)",
            "riverside": r"rivers?(?: ?(?:sides?|fronts?|banks?))?|waterfront|waterside",
        },
        values={"city center": ("city centre",)},
    ),
    "familyFriendly": Vocabulary(
        phrases={
            "no": rf"{_NOT} {_FAMILY}(?: friendly)?|adults?(?: only)?"
            rf"|{_FAMILY}(?: friendly)?(?: are| is| should| will)?(?: be)? (?:not allowed|not welcome|unwelcome)"
            rf"|{_FAMILY}(?: friendly)? (?:are|is|should|will) (?:not|never)|{_FAMILY} (?:unfriendly|arent|isnt|no)",
            "yes": rf"{_FAMILY} (?:friendly|oriented)|(?<!# ){_FAMILY}",  # "the Hobson Court family" is only a family
        },
        values={},
    ),
}
NAMES = ("name", "near")
_CAPITALISED = (
    "customer customers rating ratings rated price priced prices range ranges pounds friendly family families kid kids"
    " child children adults area star stars food shop coffee pub bar restaurant place city centre center river"
    " riverside high low average moderate cheap moderately highly located serves one three five out"
)
COMMON = frozenset(_CAPITALISED.split())


def slots(table: Table, text: str) -> Coverage:
    """Which values of the table the text says, which are missing, and what it says beyond the table."""
    return coverage(_own_names(table), text, VOCABULARIES, NAMES, COMMON)


def score(outputs: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """See `tabular.score`; the names are those of the restaurant and of the place nearby."""
    return tabular.score(outputs, examples, slots, NAMES)


E2E = Task(
    name="e2e",
    title="Restaurants (E2E)",
    kind="table",
    columns=("attribute", "value"),
    terms="E2E NLG challenge, CC BY-SA 4.0",
    instruction="Turn this table about a restaurant into a sentence:",
    initial_words="Write one sentence that describes the restaurant with these facts:",
    max_new_tokens=80,
    parse=parse,
    to_grid=to_grid,
    to_text=to_mr,
    label=label,
    linearize=linearize,
    columns_of=columns_of,
    source_of=source_of,
    from_record=from_record,
    finish=first_line,
    score=score,
    slots=slots,
    unlike=partial(unlike, known=tuple(PAPER_NAMES), most=len(PAPER_NAMES)),
)
