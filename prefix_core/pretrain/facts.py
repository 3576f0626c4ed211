"""Facts read out of encyclopedic sentences by rule, so that open text itself teaches "list of facts -> prose".

A sentence is used only if every name and every number in it is among its facts: what is copied is then always there
to be copied, and nothing has to be made up.
"""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from prefix_core.pretrain.forms import Fact

Choose = Callable[[list[str]], str]  # picks a field name, as `random.Random.choice` does

MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
DATE = rf"(?:\d{{1,2}} {MONTH}(?: \d{{4}})?|{MONTH} \d{{1,2}}(?:, \d{{4}})?|{MONTH},? \d{{4}})"
YEAR = r"\b[12]\d{3}(?:[–-]\d{2,4})?\b"
CAPITAL = r"(?:[A-Z][\w'&.-]*\w|[A-Z])"
LINK = r"(?:of the|of|the|de|la|du|del|von|van|and the|&|for the|for|in the)"
NAME = rf"(?:\d+(?:st|nd|rd|th) )?{CAPITAL}(?:,? (?:{LINK} )?(?:{CAPITAL}|\d+\b(?! [a-z])))*"
NUMBER = r"(?:US\$|[$£€])?\d[\d,.]*\d|\d"
VALUE = re.compile(rf"(?P<date>{DATE}|{YEAR})|(?P<name>{NAME})|(?P<number>{NUMBER})")
SENTENCE_END = re.compile(r"(?<=[a-z0-9)\"'][.!?])(?<! [a-z]\.)(?<!\bSt\.)(?<!\b[A-Z][rs]\.)(?<!\bvs\.)\s+(?=[A-Z\"])")
IS_A = re.compile(
    r"\b(?:is|was|are|were) (?:an? |the |one of the )(?P<what>[^.;:()]+?)"
    r"(?= (?:in|by|for|from|that|which|who|whose|at|on|of|with|to|under|near|about|between|during|where|when|and was|"
    r"located|based|situated|written|directed|developed|published|released|starring|produced|played|held|currently|"
    r"known|designed|built|created|set)\b|[,.;:(]|$)"
)
QUALITY = re.compile(
    r"\b(?P<cue>with an?|known for|known as|consists of|includes?|features?) (?P<value>[a-z][a-z ,-]{6,50})(?=[,.;])"
)
PREPOSITIONS = "in at near of from by for on to with as under against since between until into through around".split()
FIELDS_FOR_NAMES = {  # the words before a name -> what a person would call the field
    "in": ["location", "place", "in", "where", "area"],
    "at": ["at", "place", "venue"],
    "near": ["near", "close to"],
    "by": ["by", "maker"],
    "from": ["from", "origin"],
    "for": ["for", "team"],
    "with": ["with", "partner"],
    "as": ["as", "also known as", "role"],
    "on": ["on"],
    "to": ["to"],
    "against": ["against", "opponent"],
    "starring": ["star", "cast", "starring"],
    "written by": ["writer", "author", "written by"],
    "directed by": ["director", "directed by"],
    "developed by": ["developer", "developed by"],
    "published by": ["publisher", "published by"],
    "produced by": ["producer", "produced by"],
    "designed by": ["designer", "architect", "designed by"],
    "released by": ["label", "released by"],
    "owned by": ["owner", "owned by"],
    "located in": ["location", "located in", "area", "city"],
    "based in": ["based in", "headquarters", "home"],
    "born in": ["birthplace", "born in", "place of birth"],
    "played for": ["club", "team", "played for"],
    "plays for": ["club", "current team", "plays for"],
    "film stars": ["star", "cast"],
}
FIELDS_FOR_DATES = {
    "born": ["born", "date of birth", "birth date"],
    "died": ["died", "date of death"],
    "built": ["built", "year built"],
    "founded": ["founded", "foundation"],
    "released": ["released", "release date", "release year"],
    "published": ["published", "publication date"],
}
OPENERS = set(
    "The It In He She His Her Its This They A An As On At From After Their During By For There Since Before".split()
)
COMMON = set(
    "also with which that from were been have their they this into where when after during first born known located "
    "based about other both than more most some such between under over through made used being while until".split()
)


class Span(NamedTuple):
    """Where a value stands in the prose, and the field it was given."""

    start: int
    end: int
    field: str


def sentences(paragraph: str) -> list[str]:
    """Split at sentence ends, not after initials and the commonest abbreviations."""
    return SENTENCE_END.split(paragraph.strip())


def subject(title: str, sentence: str) -> str:
    """What the sentence calls its subject: the title where it stands there, else the words before the verb, or ''."""
    bare = re.sub(r" \([^)]*\)$", "", title)
    if bare in sentence:
        return bare
    match = re.match(rf"(?:The |An? )?({NAME})(?= \(| is | was | are | were |, )", sentence)
    return match[1] if match else ""


def field_before(words: list[str], kind: str, choose: Choose) -> str:
    """A field name guessed from the words before a value: `located in` -> location, `population was` -> population."""
    second, last = ["", "", *(word.lower() for word in words)][-2:]
    if kind == "date":
        verbs = [word.lower() for word in words[-4:] if word.lower().endswith(("ed", "born", "built"))]
        return choose(FIELDS_FOR_DATES.get(verbs[-1], [verbs[-1]]) if verbs else ["year", "date", "when", "time"])
    if f"{second} {last}" in FIELDS_FOR_NAMES:
        return choose(FIELDS_FOR_NAMES[f"{second} {last}"])
    noun_or_verb = len(second) > 2 and second.isalpha() and words[-2].islower()
    if last in PREPOSITIONS and last != "of" and re.fullmatch(r"[a-z]+(?:ed|en|[^aeiou]s|wn|lt)", second):
        return choose([f"{second} {last}", choose(FIELDS_FOR_NAMES.get(last, [last]))])
    if last in {"of", "for", "to"} and noun_or_verb:
        return choose([second, f"{second} {last}"])
    if last in FIELDS_FOR_NAMES:
        return choose(FIELDS_FOR_NAMES[last])
    if last in {"is", "was", "are", "were"} and noun_or_verb:
        return second
    if len(last) > 3 and last.isalpha() and words[-1].islower():
        return last
    return choose(
        ["name", "related", "also", "detail", "mentions"] if kind == "name" else ["number", "count", "amount"]
    )


def values(prose: str, name: str, choose: Choose) -> Iterator[Span]:
    """Every date, name and number of the prose, with a field name guessed from what stands around it."""
    for match in VALUE.finditer(prose):
        (start, end), text = match.span(), match.group()
        opens_sentence = start == 0 or prose[start - 2 : start] in {". ", "! ", "? "}
        if opens_sentence and match["name"] and text.split()[0] in OPENERS:
            start += len(text.split()[0]) + 1
        if start >= end or name.endswith(text) or text == "I":
            continue
        before = re.findall(r"[A-Za-z]+|[,.(]", prose[max(0, start - 60) : start])
        while before and before[-1].lower() in {"the", "a", "an", "its", "his", "her", "(", "about", "over"}:
            before.pop()
        unit = re.match(r" ([a-z]{3,})", prose[end:])
        if match["number"] and unit and unit[1] not in {*PREPOSITIONS, "and", "were", "was"}:
            yield Span(start, end, unit[1])
        else:
            yield Span(start, end, field_before(before, match.lastgroup or "name", choose))


def says_enough(prose: str, name: str, spans: list[Span]) -> bool:
    """Whether no name or number of the prose is missing from the spans, and they hold most of what it says."""
    rest = list(prose)
    for start, end, _ in spans:
        rest[start:end] = " " * (end - start)
    left_over = "".join(rest)
    for word in set(re.findall(r"\w+", name)):
        left_over = re.sub(rf"\b{re.escape(word)}\b", "", left_over)
    missing = re.search(r"(?<![.!?] )(?<!^)\b[A-Z]\w+|\d", left_over)
    loose = [word for word in re.findall(r"[a-z]{4,}", left_over) if word not in COMMON]
    covered = sum(end - start for start, end, _ in spans)
    return not missing and len(spans) > 2 and len(loose) < 10 and covered >= 0.4 * len(prose)


def facts_of(title: str, prose: str, choose: Choose) -> list[Fact]:
    """Facts of one to three sentences about `title`, the name first, then in the order of the text.

    Returns [] where some capitalised word or number of the text would be in no fact, or too little of the text would.
    Every value stands in the prose exactly as it is given.
    """
    name = subject(title, sentences(prose)[0])
    if not 2 <= len(name) <= 60:
        return []
    start = prose.index(name)
    spans = [Span(start, start + len(name), choose(["name"] * 9 + ["title", "subject", "entity"]))]

    def add(span: Span) -> None:
        if all(span.end <= other.start or other.end <= span.start for other in spans):
            spans.append(span)

    what = IS_A.search(prose)
    if what and len(what["what"]) <= 70:
        person = ["occupation", "profession", "type", "role"]
        thing = ["type"] * 4 + ["kind", "category", "what", "description", "is a", "class", "genre"]
        add(Span(*what.span("what"), choose(person if "born" in prose else thing)))
    for span in values(prose, name, choose):
        add(span)
    for match in QUALITY.finditer(prose):
        add(Span(*match.span("value"), "feature" if match["cue"].startswith("with") else match["cue"]))
    if not says_enough(prose, name, spans):
        return []
    facts = [(field, prose[start:end].strip(" ,")) for start, end, field in (spans[0], *sorted(spans[1:]))]
    return [(field, value) for field, value in dict.fromkeys(facts) if value]
