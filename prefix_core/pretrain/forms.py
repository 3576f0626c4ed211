"""Surface forms: the many ways in which people write a list of facts, and put prose after it.

The base has to learn the skill (say in prose what a list says, copy names and numbers exactly) and not one format.
So separators, brackets, letter case, field names and the cue before the prose are all drawn at random.
"""

import csv
import io
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

Fact = tuple[str, str]  # (field, value)

JOINS = [" : "] * 6 + [": "] * 6 + [" = ", "=", " - ", " is ", ":", " -> "]
BREAKS = [" | "] * 8 + ["\n"] * 4 + [", "] * 3 + ["; "] * 2 + [" / ", " || ", " ; ", " • "]
CUES = ["\n"] * 14 + ["\n\n"] * 3 + [" => ", " -> ", " ||| ", "\n---\n", "\nDescription: ", "\nText: ", "\nIn words: "]
CUES += ["\nSentence: ", "\nText:\n", "\nA short description: ", "\nSummary: ", "\n# "]
ACTS = ["inform", "inform", "describe", "facts", "data", "info"]


def pairs(facts: list[Fact], join: str, gap: str) -> str:
    """`field : value | field : value`, or one a line."""
    return gap.join(f"{field}{join}{value}" for field, value in facts)


def brackets(facts: list[Fact], act: str, pattern: str, gap: str) -> str:
    """`field[value], field[value]`, bare or as the arguments of a dialogue act."""
    inside = gap.join(pattern.format(field, value) for field, value in facts)
    return f"{act}({inside})" if act else inside


def comma_separated(facts: list[Fact], delimiter: str) -> str:
    """A header line and a line of values, quoted where CSV needs it."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(zip(*facts, strict=True))
    return file.getvalue().rstrip("\n")


def markdown(facts: list[Fact], wide: bool) -> str:
    """A Markdown table: one column a field (wide), or one row a field."""
    rows = [list(row) for row in zip(*facts, strict=True)] if wide else [["field", "value"], *map(list, facts)]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def json_object(facts: list[Fact], indent: int | None) -> str:
    """One JSON object; a field that comes twice gets a list of values."""
    record: dict[str, str | list[str]] = {}
    for field, value in facts:
        before = record.get(field)
        record[field] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return json.dumps(record, ensure_ascii=False, indent=indent)


def triples(facts: list[Fact], join: str, gap: str, wrap: str) -> str:
    """`subject : field : value | ...`: the first fact names the subject, the others say something of it."""
    (_, subject), *rest = facts if len(facts) > 1 else [facts[0], *facts]
    return gap.join(wrap.format(join.join((subject, field, value))) for field, value in rest)


def values_only(facts: list[Fact], gap: str) -> str:
    """The values alone."""
    return gap.join(value for _, value in facts)


CASES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "Capitalised": lambda field: field[:1].upper() + field[1:],
    "UPPER": str.upper,
    "snake_case": lambda field: field.replace(" ", "_"),
    "UPPER_SNAKE": lambda field: field.replace(" ", "_").upper(),
    "camelCase": lambda field: re.sub(r" (\w)", lambda match: match[1].upper(), field),
    "joined": lambda field: field.replace(" ", ""),
}


@dataclass(frozen=True)
class Style:
    """One drawn way of writing facts and prose; used again for each example of a document that shows several."""

    form: str
    join: str
    gap: str
    act: str
    pattern: str
    case: str
    number: int  # decides what only some forms need
    cue: str

    @classmethod
    def draw(cls, rng: random.Random) -> "Style":
        kinds = ["pairs", "brackets", "csv", "markdown", "json", "triples", "values"]
        return cls(
            form=rng.choices(kinds, [42, 15, 5, 7, 7, 21, 3])[0],
            join=rng.choice(JOINS),
            gap=rng.choice(BREAKS),
            act=rng.choice(["", "", *ACTS]),
            pattern=rng.choice(["{}[{}]", "{}[{}]", "{}={}", "{}='{}'", '{}="{}"', "{} [{}]", "{} ({})"]),
            case=rng.choices(list(CASES), [50, 15, 4, 14, 4, 9, 4])[0],
            number=rng.randrange(12),
            cue=rng.choice(CUES),
        )

    def write(self, facts: list[Fact]) -> str:
        """Facts in this style. `triples` takes the first as the subject; every other form keeps every field."""
        facts = [(CASES[self.case](field), value) for field, value in facts]
        match self.form:
            case "pairs":
                return pairs(facts, self.join, self.gap)
            case "brackets":
                return brackets(facts, self.act, self.pattern, ("; " if self.number % 4 == 0 else ", "))
            case "csv":
                return comma_separated(facts, ",\t;"[self.number % 3])
            case "markdown":
                return markdown(facts, wide=self.number % 2 == 0)
            case "json":
                return json_object(facts, indent=2 if self.number % 3 == 0 else None)
            case "triples":
                wrap = "({})" if self.number % 3 == 0 else "{}"
                join = ", " if wrap == "({})" else " | " if self.gap == "\n" else " : "
                return triples(facts, join, "\n" if self.gap == "\n" else " | ", wrap)
            case _:
                return values_only(facts, self.gap if self.gap not in {", ", " - "} else " | ")

    def example(self, facts: list[Fact], prose: str) -> str:
        """Facts, the cue, the prose."""
        return self.write(facts) + self.cue + prose
