"""Slot coverage: which values of a table a text says, which it leaves out, and what it says that the table does not.

Values are looked for without regard to case, accents and punctuation. What has many wordings ("cheap", "low-priced") is
looked for by a task's `Vocabulary`: data, kept beside the task.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from prefix_core.data.tables import Table
from prefix_core.scores.metrics import Score, ratio

Span = tuple[int, int]


@dataclass(frozen=True)
class Vocabulary:
    """The wordings of one attribute.

    phrases: what may be said -> a regular expression over folded text (see `fold`). They are tried in order, and a
        stretch of text goes to the first that takes it, so "not family friendly" is no "family friendly".
    values: a value of the table, folded -> the phrases that say it. A value not listed is said by the phrase of its own
        name; where there is none, it is looked for as it stands.
    vague: phrases so general that they never count as unsupported.
    """

    phrases: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]]
    vague: Collection[str] = ()

    def phrases_of(self, value: str) -> tuple[str, ...]:
        folded = fold(value)[0]
        return self.values.get(folded) or tuple(phrase for phrase in self.phrases if fold(phrase)[0] == folded)


@dataclass(frozen=True)
class Slot:
    """One row of the table; `spans`: everywhere the text says it, in order (characters, end exclusive)."""

    attribute: str
    value: str
    spans: tuple[Span, ...]

    @property
    def span(self) -> Span | None:
        """Where the text first says it, None where it does not."""
        return self.spans[0] if self.spans else None


@dataclass(frozen=True)
class Unsupported:
    """Something the text says that is not in the table, and where.

    attribute: of which it is a value; "name" for a proper name, "number" for a number, with its unit.
    """

    attribute: str
    said: str
    span: Span


@dataclass(frozen=True)
class Coverage:
    slots: tuple[Slot, ...]
    unsupported: tuple[Unsupported, ...]

    @property
    def said(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.spans)

    @property
    def missing(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if not slot.spans)


def percent_said(texts: Sequence[Sequence[Slot]]) -> Score:
    """The share of all slots that are said, 0-100, given the slots of every text; 0 where there are none."""
    return ratio([sum(bool(slot.spans) for slot in slots) for slots in texts], [len(slots) for slots in texts], 100)


def coverage(
    table: Table,
    text: str,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    names: Collection[str] = (),
    common: Collection[str] = (),
    wording: Callable[[str], str] | None = None,
) -> Coverage:
    """What `text` says of `table`.

    vocabularies: by attribute; where there is none, the value itself is looked for.
    names: attributes whose values are proper names. They are found first and then covered up, so that the "Café" of a
        name is no coffee shop.
    common: lower-case words that are no names even where they are written with a capital.
    wording: a value -> a regular expression of folded text that says it (default: `literal`).
    """
    wording = wording or literal
    vocabularies = vocabularies or {}
    folded, positions = fold(text)
    spans: dict[int, list[Span]] = {}  # row of the table -> where it is said, in folded text
    rows = list(enumerate(table))
    for index, (attribute, value) in sorted(rows, key=lambda row: -len(row[1][1])):  # "Spice Bar" before "Spice"
        if attribute in names:
            spans[index] = _spans(wording(value), folded)
            folded = _cover(folded, spans[index])
    said = {attribute: _phrases(vocabulary, folded) for attribute, vocabulary in vocabularies.items()}
    supported: list[Span] = [span for places in spans.values() for span in places]
    for index, (attribute, value) in rows:
        if attribute in names:
            continue
        phrases = vocabularies[attribute].phrases_of(value) if attribute in vocabularies else ()
        if phrases:
            spans[index] = sorted(span for phrase in phrases for span in said[attribute][phrase])
        else:
            others = [name for name, _ in table if name != attribute] if value[:1].isdigit() else []
            spans[index] = [span for span in _spans(wording(value), folded) if not _is_anothers(folded, span, others)]
        supported += spans[index]

    def original(span: Span) -> Span:
        start = positions[span[0]]
        return start - (text[start - 1 : start] == "£"), positions[span[1] - 1] + 1  # the sign belongs to its number

    slots = tuple(Slot(*row, tuple(map(original, spans[index]))) for index, row in rows)
    extra = [
        Unsupported(attribute, phrase, original(span))
        for attribute, vocabulary in vocabularies.items()
        for phrase, places in said[attribute].items()
        for span in places
        if phrase not in vocabulary.vague and not _touches(span, supported)
    ]
    taken = [original(span) for span in supported] + [item.span for item in extra]
    beyond = [("name", span) for span in _proper_names(text, common)]
    beyond += [("number", span) for span in _other_numbers(text, table)]
    for kind, span in beyond:
        if not _touches(span, taken):
            extra.append(Unsupported(kind, text[slice(*span)], span))
    return Coverage(slots, tuple(sorted(extra, key=lambda item: item.span)))


def fold(text: str) -> tuple[str, list[int]]:
    """Lower case without accents, apostrophes and other marks, and for each character where it stood in `text`.

    `&` and `+` become words; a mark that ends a clause stands alone (` . ` or ` , `), so that a pattern of words and
    blanks stays within the clause; between words there is one blank.
    """
    characters: list[str] = []
    positions: list[int] = []
    for position, character in enumerate(text):
        for piece in _folded(character, text[position + 1 : position + 2]):
            if piece != " " or (characters and characters[-1] != " "):
                characters.append(piece)
                positions.append(position)
    while characters and characters[-1] == " ":
        characters.pop()
        positions.pop()
    return "".join(characters), positions


def _folded(character: str, following: str) -> str:
    if character in "'’‘`":
        return ""
    if character in "&+":
        return " and " if character == "&" else " plus "
    if character in ".!?;,":
        return " " if following.isalnum() else f" {',' if character == ',' else '.'} "
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return "".join(c if c.isalnum() else "" if unicodedata.combining(c) else " " for c in decomposed)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})\b")


def literal(value: str) -> str:
    """The value's words in order, whatever stands between them; a leading article and a genitive s may differ."""
    words = [word for word in fold(value)[0].split() if word not in ".,"]
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    return "[ .,]+".join(map(re.escape, words)) + "s?" if words else r"(?!)"


def _spans(pattern: str, folded: str) -> list[Span]:
    return [match.span() for match in _compiled(pattern).finditer(folded)]


def _phrases(vocabulary: Vocabulary, folded: str) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = {}
    for phrase, pattern in vocabulary.phrases.items():
        spans[phrase] = _spans(pattern, folded)
        folded = _cover(folded, spans[phrase])
    return spans


def _cover(folded: str, spans: list[Span]) -> str:
    """The spans crossed out: same length, no letters, and no blanks for a pattern to reach across."""
    for start, end in spans:
        folded = folded[:start] + "#" * (end - start) + folded[end:]
    return folded


def _touches(span: Span, others: list[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _is_anothers(folded: str, span: Span, others: Sequence[str]) -> bool:
    """Whether a number stands right behind the name of another attribute: "a rating of 30 cm" says no length."""
    before = folded[: span[0]].rstrip()
    for name in others:
        words = re.escape(fold(name)[0].split(" ")[-1]) if fold(name)[0] else r"(?!)"
        if re.search(rf"\b{words}(?: (?:of|is|was|are|at))?$", before):
            return True
    return False


_NUMBER = re.compile(r"(?<![\w.,])[£$€]?(\d[\d,]*(?:\.\d+)?)(?:st|nd|rd|th|s)?\b")
_UNITS = (
    r"%|percent|per cent|(?:square |cubic )?(?:milli|centi|kilo)?met(?:re|er)s?|[mck]m|m|miles?|feet|foot|inch(?:es)?"
    r"|(?:kilo|milli)?grams?|k?g|tonnes?|tons?|lit(?:re|er)s?|seconds?|minutes?|hours?|days?|weeks?|months?|years?"
    r"|people|inhabitants|students|million|billion|pounds?|dollars?|euros?|degrees?|stars?|goals?|points?"
)
_UNIT = re.compile(rf"[ -]?(?:{_UNITS})\b")


def _other_numbers(text: str, table: Table) -> list[Span]:
    """Numbers, each with its unit, that stand nowhere in the table."""
    known = {_plain(number) for row in table for part in row for number in re.findall(r"\d[\d,]*(?:\.\d+)?", part)}
    spans = []
    for match in _NUMBER.finditer(text):
        if _plain(match[1]) not in known:
            unit = _UNIT.match(text, match.end())
            spans.append((match.start(), unit.end() if unit else match.end()))
    return spans


def _plain(number: str) -> str:
    """1,840.0 -> 1840; 05 -> 5."""
    whole, _, part = number.replace(",", "").partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")


_NAME = re.compile(r"[^\W\d_a-z][\w'’-]*(?: (?:(?:of|the|and|by|de|la|&) )*[^\W\d_a-z][\w'’-]*)*")
_EVERYDAY = (
    "i it its he she they we you this that there these the a an and but or if in at on of by near with for as to from"
    " is are was has have not no yes de la"
)
_SMALL = frozenset(_EVERYDAY.split())


def _proper_names(text: str, common: Collection[str]) -> list[Span]:
    """Runs of capitalised words that are no everyday words. A sentence's first word proves nothing: it is left off."""
    names = []
    for match in _NAME.finditer(text):
        start, end = match.span()
        before = text[:start].rstrip(" \"“'(")
        if not before or before[-1] in ".!?:":
            start += len(match[0].split(" ", 1)[0]) + 1
        words = [word for word in fold(text[start:end])[0].split() if word not in _SMALL and word not in common]
        if any(len(word) > 1 for word in words):
            names.append((start, end))
    return names
