"""A cell's value as the sheet shows it: a value of openpyxl's and its number format -> text."""

import datetime
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

_SECTIONS = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')
_NUMBER = re.compile(
    r"(?P<before>[^#0?.,]*)(?P<whole>[#0,?]+)(?:\.(?P<part>[#0?]+))?(?P<percent>\s?%)?(?P<after>[^#0?.,%]*)"
)


def shown(value: Any, number_format: str) -> str:
    """`0.15` in the format `0%` -> 15%; 123 in `00000` -> 00123; dates and times as ISO 8601 writes them.

    What a format does beyond digits, groups, percent and words around them (fractions, exponents) is left out: the
    number is written in full.
    """
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d} {_clock(value, number_format)}" if _has_time(number_format) else f"{value:%Y-%m-%d}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _clock(value, number_format)
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds or "s" in number_format.lower() else "")
    if isinstance(value, int | float):
        return _number(value, number_format or "General")
    return str(value)


def _has_time(number_format: str) -> bool:
    bare = re.sub(r'"[^"]*"|\[(?!h|m|s)[^\]]*\]|\\.', "", number_format.lower())
    return bool(re.search("[hs]", bare))


def _clock(value: datetime.datetime | datetime.time, number_format: str) -> str:
    return f"{value:%H:%M:%S}" if value.second or "s" in number_format.lower() else f"{value:%H:%M}"


def _number(value: float, number_format: str) -> str:
    sections = _SECTIONS.split(number_format)
    section = (
        sections[1]
        if value < 0 and len(sections) > 1
        else sections[2]
        if value == 0 and len(sections) > 2
        else sections[0]
    )
    signed = value < 0 and len(sections) > 1
    bare = re.sub(r"\[\$([^\]-]*)[^\]]*\]", r"\1", section)  # [$£-809] -> £
    bare = re.sub(r"\[[^\]]*\]|_.|\*.", "", bare)  # colours, conditions, padding
    bare = re.sub(r'"([^"]*)"|\\(.)', lambda match: match[1] or match[2] or "", bare).strip()
    found = _NUMBER.fullmatch(bare)
    if not found or bare.lower() == "general" or found["whole"].endswith(","):  # a last comma: in thousands
        return plain(value)
    part = found["part"] or ""
    number = Decimal(plain(abs(value) if signed else value)) * (100 if found["percent"] else 1)
    if abs(number) > 10**20:
        return plain(value)
    number = number.quantize(Decimal(1).scaleb(-len(part)), ROUND_HALF_UP)
    text = f"{number:,f}" if "," in found["whole"] else f"{number:f}"
    for _ in range(len(part) - len(part.rstrip("#?"))):
        text = text.removesuffix("0")
    text = text.removesuffix(".")
    digits = found["whole"].replace(",", "").count("0") if "," not in found["whole"] else 0
    head, dot, tail = text.removeprefix("-").partition(".")
    minus = "-" if text.startswith("-") else ""
    return f"{found['before']}{minus}{head.zfill(digits)}{dot}{tail}{found['percent'] or ''}{found['after']}".strip()


def plain(value: float) -> str:
    """A number in full, to the fifteen digits that a spreadsheet keeps."""
    if isinstance(value, int) or value != value or abs(value) == float("inf"):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"
