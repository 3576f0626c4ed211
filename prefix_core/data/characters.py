"""Characters of text that came from outside: those nobody sees go, and lines become one."""

import re
import unicodedata
from typing import Any


def flatten(text: Any) -> str:
    """One line: every run of white space (line breaks, full-width blanks) a space, control characters gone."""
    return flat(visible(str(text)))


def visible(text: str) -> str:
    """Drop what no one can see: byte-order marks, zero-width blanks, control characters; half surrogate pairs -> ?"""
    if text.isprintable():
        return text
    text = re.sub("\r\n|[\r\v\f\x85]", "\n", text).encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in text if c in "\n\t" or c in "\u200c\u200d" or unicodedata.category(c) not in ("Cc", "Cf"))


def flat(text: str) -> str:
    """Every run of white space a space; none around it."""
    return " ".join(text.split())  # str.split knows U+3000 and U+00A0 too
