"""What a text says of triples: each value is looked for in the ways in which texts write it, and the text is scored.

A value becomes a pattern that finds it, tolerant only where that is safe.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from prefix_core.data.examples import Example
from prefix_core.scores.metrics import mean, ter, text_scores, webnlg_bleu
from prefix_core.scores.slots import Coverage, Vocabulary, coverage, fold, literal, percent_said
from prefix_core.tasks.triples import Triples, open_relation

MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september"]
MONTHS += ["october", "november", "december"]
DATES = frozenset([*MONTHS, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])

# What a value is called besides its own name.
OTHERWISE = {
    "united states": "u ?s(?: ?a)?|americans?",
    "united kingdom": "u ?k|british|britain",
    "deceased": "died|dead|passed away|late",
}


def slots(triples: Triples, text: str, vocabularies: Mapping[str, Vocabulary] | None = None) -> Coverage:
    """Which subjects and objects the text says, which are missing, and which names it says beyond them.

    Each value counts once, a subject under "subject", an object under its relation. vocabularies: of relations whose
    objects have many wordings; the others are looked for as `wording` has it.
    """
    rows: dict[str, str] = {}
    for subject, relation, value in triples:
        if not subject.startswith("["):
            rows.setdefault(subject, "subject")
        if value not in rows:
            rows[value] = relation
    table = tuple((relation, value) for value, relation in rows.items())
    names = {relation for relation, _ in table} - set(vocabularies or ())
    own_words = " ".join(open_relation(part) for triple in triples for part in triple)
    common = DATES.union(fold(own_words)[0].split())
    return coverage(table, text, vocabularies, names, common, wording)


def score(
    outputs: Sequence[str], examples: Sequence[Example], slots: Callable[[Triples, str], Coverage]
) -> dict[str, float]:
    """bleu, nist, rouge_l, cider, chrf and ter; slot_coverage: of all subjects and objects said, in percent.

    invented: how much that is not among its triples a text says, on average.

    bleu is counted as by WebNLG's and DART's own scorers (see `metrics`). slots: what a text says of triples.
    """
    covers = [slots(example.source, output) for output, example in zip(outputs, examples, strict=True)]
    references = [example.references for example in examples]
    said = percent_said([cover.slots for cover in covers])
    own = {"bleu": webnlg_bleu(outputs, references), "ter": ter(outputs, references)}
    own["invented"] = mean([len(cover.unsupported) for cover in covers])
    return {**text_scores(outputs, references), **own, "slot_coverage": said}


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
