"""How texts write the values of triples: a value -> a pattern that finds it, tolerant only where that is safe."""

import re
from functools import cache

from prefix_core.scores.slots import literal

MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september"]
MONTHS += ["october", "november", "december"]
DATES = frozenset([*MONTHS, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])

# What a value is called besides its own name.
OTHERWISE = {
    "united states": "u ?s(?: ?a)?|americans?",
    "united kingdom": "u ?k|british|britain",
    "deceased": "died|dead|passed away|late",
}


@cache
def wording(value: str) -> str:
    """A regular expression over folded text (`slots.fold`) that finds `value` however texts commonly write it.

    Dates in any order, with the month as a word; numbers without a trailing .0 and with or without their unit; names
    without what stands in brackets, without the region after a comma, with initials run together; a language without
    that word; the countries and states of `OTHERWISE`.
    """
    if date := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", value):
        return _date(*map(int, date.groups()))
    if number := re.fullmatch(r"-?(\d+)(?:\.(\d+))?(?:\s*\((.*)\))?", value):
        whole, part, unit = number.groups()
        thousands = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", " ?", whole)
        exact = rf" ?{part}" if part and part.strip("0") else "(?: 0+)?"
        return rf"{thousands}{exact}(?: ?{literal(unit)})?" if unit else rf"{thousands}{exact}"
    bare = re.sub(r"\s*\([^()]*\)$| language$", "", value) or value
    patterns = [_name(value)] if bare == value else [_name(value), _name(bare)]
    head, comma, region = bare.partition(", ")
    if comma and "," not in region and " and " not in region and head[:1].isupper():
        patterns.append(_name(head))
    return "|".join([*patterns, *filter(None, [OTHERWISE.get(value.lower())])])


def _name(value: str) -> str:
    """As `literal`; initials may stand together (A.F.C., AFC), and a final s may be missing (Americans)."""
    pattern = literal(re.sub(r"(?<=\w{3})s$", "", value))
    return re.sub(r"(?<=\b\w)\[ \.,\]\+(?=\w(?:\b|s\?))", "[ .,]*", pattern)


def _date(year: int, month: int, day: int) -> str:
    if not 1 <= month <= 12:
        return literal(f"{year}-{month:02}-{day:02}")
    name, d, m = MONTHS[month - 1], rf"0?{day}(?:st|nd|rd|th)?", f"0?{month}"
    word = f"(?:{name}|{name[:3]})"
    said = [f"{year} {m} {d}", f"{d}(?: of)? {word}[ .,]+{year}", f"{word}[ .]+(?:the )?{d}[ .,]+{year}"]
    return "|".join([*said, f"{d} {m} {year}", f"{m} {d} {year}"])
