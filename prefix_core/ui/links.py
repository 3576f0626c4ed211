"""A link that brings back the same input, task, methods and settings: the address's query, and nothing kept here."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from prefix_core.errors import InputError
from prefix_core.ui.cards import ALL_METHODS
from prefix_core.ui.orders import Settings

LONGEST = 7000  # characters of a query; some servers on the way take no more than 8 kB
_TYPES = {
    "decoding": str, "temperature": float, "top_p": float, "seed": int, "max_new_tokens": int, "cut": int, "shots": int,
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """What an address says. Settings it does not name are None, and stay as the task has them."""

    key: str
    text: str
    methods: list[str]
    settings: dict[str, str | float | int | bool]


def to_query(key: str, text: str, methods: list[str], settings: Settings) -> str:
    """The query of a link, "?..."; settings that only sampling heeds are left out elsewhere. Raises `InputError`."""
    facts = settings._asdict()
    facts["cut"] = int(settings.cut)
    if settings.decoding != "sampling":
        facts = {name: value for name, value in facts.items() if name not in ("temperature", "top_p", "seed")}
    query = "?" + urlencode({"task": key, "text": text, "methods": ",".join(methods)} | facts)
    if len(query) > LONGEST:
        raise InputError(
            f"This input is too long for a link: it would have {len(query):,} characters, and {LONGEST:,} is the most"
            " that travels safely. Send the text itself."
        )
    return query


def from_query(query: Mapping[str, str]) -> Link | None:
    """The link in an address, None where there is none. Raises `InputError` for one that has been damaged."""
    if "task" not in query or "text" not in query:
        return None
    methods = [method for method in query.get("methods", "").split(",") if method]
    if unknown := [method for method in methods if method not in ALL_METHODS]:
        raise InputError(f"The link asks for the method “{unknown[0]}”, which there is not.")
    settings = {}
    for name, kind in _TYPES.items():
        if name in query:
            try:
                settings[name] = bool(int(query[name])) if name == "cut" else kind(query[name])
            except ValueError:
                raise InputError(f"The link is damaged: {name} is “{query[name][:40]}”, which is no number.") from None
    return Link(query["task"], query["text"], methods, settings)
