"""Facts and prose from the data-to-text sets that are never evaluated: games, laptops, televisions, public transport.

ViGGO (Juraska et al. 2019), RNNLG laptop and tv (Wen et al. 2016), Alex context (Dusek & Jurcicek 2016). Their names
are few, so names and numbers are often swapped, in the facts and in the prose alike: copying then pays, remembering
doesn't. Their official test splits are left alone, for measuring.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence

from prefix_core.pretrain.forms import Fact
from prefix_core.pretrain.text import is_evaluated, read_records

SETS = {
    "viggo": ("train", "dev"),
    "rnnlg_laptop": ("train", "dev"),
    "rnnlg_tv": ("train", "dev"),
    "alex_context": ("all",),
}
HELD_OUT = {"viggo": ("test",), "rnnlg_laptop": ("test",), "rnnlg_tv": ("test",)}
SWAPPED = {"name", "developer", "from_stop", "to_stop", "direction", "family"}
PLAIN_ACTS = {"inform", "recommend", "give_opinion"}  # the others say what they are: a question is not a description
FIELDS = {
    "driverange": "drive range",
    "batteryrating": "battery rating",
    "weightrange": "weight range",
    "pricerange": "price range",
    "screensizerange": "screen size range",
    "screensize": "screen size",
    "hasusbport": "has usb port",
    "ecorating": "eco rating",
    "hdmiport": "hdmi port",
    "powerconsumption": "power consumption",
    "isforbusinesscomputing": "is for business computing",
}
VARIANTS = {  # other words for a field, so that no one name is learned
    "name": ["name", "name", "title", "Name", "product"],
    "type": ["type", "Type", "kind", "category"],
    "price range": ["price range", "price", "prices"],
    "price": ["price", "cost"],
    "rating": ["rating", "review", "rated"],
    "genres": ["genres", "genre", "kind of game"],
    "developer": ["developer", "made by", "studio"],
    "platforms": ["platforms", "plays on"],
    "release year": ["release year", "year", "released"],
    "esrb": ["esrb", "age rating"],
    "battery rating": ["battery rating", "battery"],
    "from stop": ["from stop", "from", "start"],
    "to stop": ["to stop", "to", "destination"],
    "family": ["family", "series", "line"],
    "platform": ["platform", "system", "software"],
    "processor": ["processor", "cpu", "chip"],
    "memory": ["memory", "ram"],
    "drive": ["drive", "disk", "storage"],
    "drive range": ["drive range", "drive", "disk size"],
    "weight range": ["weight range", "weight class", "weight"],
    "weight": ["weight", "heaviness"],
    "dimension": ["dimension", "dimensions", "size"],
    "design": ["design", "finish", "look"],
    "utility": ["utility", "use", "good for"],
    "warranty": ["warranty", "guarantee"],
    "battery": ["battery", "battery life", "runs for"],
    "is for business computing": ["is for business computing", "for business", "business"],
    "screen size": ["screen size", "screen", "display"],
    "screen size range": ["screen size range", "screen class", "display size"],
    "has usb port": ["has usb port", "usb", "usb port"],
    "hdmi port": ["hdmi port", "hdmi", "hdmi ports"],
    "eco rating": ["eco rating", "energy class"],
    "power consumption": ["power consumption", "power", "uses"],
    "audio": ["audio", "sound"],
    "color": ["color", "colour", "colours"],
    "accessories": ["accessories", "comes with", "in the box"],
    "resolution": ["resolution", "picture"],
    "player perspective": ["player perspective", "perspective", "view"],
    "has multiplayer": ["has multiplayer", "multiplayer"],
    "available on steam": ["available on steam", "on steam"],
    "departure time": ["departure time", "leaves", "departs"],
    "arrival time": ["arrival time", "arrives"],
    "vehicle": ["vehicle", "means", "by"],
    "direction": ["direction", "towards"],
    "count": ["count", "found", "how many"],
}
SPOKEN = {  # other words for a value
    "true": ["true", "yes"],
    "false": ["false", "no"],
    "dontcare": ["dontcare", "any", "does not matter"],
}
Pair = tuple[list[Fact], str]


def detokenise(text: str) -> str:
    """RNNLG's lower-case tokens as a person would write them: `it -s big , i think .` -> `It's big, I think.`"""
    text = re.sub(r"(ch|sh|x|s) -s\b", r"\1es", " ".join(text.split()))
    text = re.sub(r" -(s|ly|er|ing|ed)\b", r"\1", text)
    text = re.sub(r" ([.,;:?!)'])", r"\1", text).replace("( ", "(")
    text = re.sub(r"\bi\b", "I", text)
    text = re.sub(r"(^|[.?!] )([a-z])", lambda match: match[1] + match[2].upper(), text)
    return text if text.endswith((".", "?", "!")) else text + "."


def title_case(name: str) -> str:
    """`satellite eurus 65` -> `Satellite Eurus 65`."""
    return re.sub(r"\b[a-z]", lambda match: match.group().upper(), name)


def replace(text: str, old: str, new: str) -> str:
    """Replace whole words, whatever their case."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text, flags=re.IGNORECASE)


def holds(text: str, value: str) -> bool:
    """Whether the words of `value` stand in `text` together, whatever their case."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, flags=re.IGNORECASE) is not None


def other_number(value: str, rng: random.Random) -> str:
    """A number of the same shape: `1.99 kg` -> `3.07 kg`; years stay years, times of day stay as they are."""
    if ":" in value:
        return value
    if re.fullmatch(r"(19|20)\d\d", value):
        return str(rng.randrange(1950, 2026))
    return re.sub(r"\d", lambda match: str(rng.randrange(match.start() == 0, 10)), value)


def read_pairs(sets: Mapping[str, Sequence[str]] = SETS) -> list[tuple[str, dict, str]]:
    """(set, record, reference) for every reference that has facts to say."""
    return [
        (name, record, reference)
        for name, splits in sets.items()
        for split in splits
        for record in read_records("table_to_text", name, split)
        if len([value for _, value in record["table"] if value]) > 1 or (record["table"] and name == "viggo")
        for reference in record["references"]
    ]


def clean_pairs() -> list[tuple[str, dict, str]]:
    """All pairs to train on but those whose reference is, or shares words with, one of an evaluated set.

    Looked at before names are swapped, which would hide them: FewShotWOZ is in part made of RNNLG's lines.
    """
    pairs = read_pairs()
    clean = [pair for pair in pairs if not is_evaluated(pair[2])]
    print(f"dialogue acts: {len(pairs) - len(clean)} of {len(pairs)} references left out, of evaluated sets")
    return clean


def vary(source: tuple[str, dict, str], new_name: Callable[[], str], rng: random.Random) -> Pair:
    """One reference and its facts, with names and numbers swapped now and then, and field names varied.

    new_name: makes a name to put in place of one of the data's own.
    """
    origin, record, prose = source
    table = [(field, value or "?") for field, value in record["table"]]
    if origin.startswith("rnnlg"):
        prose = detokenise(prose)
    if rng.random() < 0.7:
        for index, (field, value) in enumerate(table):
            new = value
            if field in SWAPPED and holds(prose, value):
                new = new_name()
            elif any(map(str.isdigit, value)) and not any(
                holds(v, value) for i, (_, v) in enumerate(table) if i != index
            ):
                new = other_number(value, rng)
            if new != value and holds(prose, value):
                table[index], prose = (field, new), replace(prose, value, new)
    if origin.startswith("rnnlg") and rng.random() < 0.7:
        for index, (field, value) in enumerate(table):
            if field in {"name", "family", "platform"} and value.islower():
                table[index] = (field, title_case(value))
                prose = replace(prose, value, title_case(value))
    facts = []
    for field, value in table:
        field = FIELDS.get(field, field.replace("_", " "))
        facts.append((rng.choice(VARIANTS.get(field, [field])), rng.choice(SPOKEN.get(value, [value]))))
    if record["act"] not in PLAIN_ACTS:
        facts.insert(0, (rng.choice(["act", "intent", "say"]), record["act"].replace("_", " ").replace("+", " and ")))
    return facts, prose
