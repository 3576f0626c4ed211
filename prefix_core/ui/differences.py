"""Where two texts differ, word by word."""

import re
from difflib import SequenceMatcher
from html import escape

_WORD = re.compile(r"\w+(?:['’.-]\w+)*\s*|[^\w\s]\s*")  # with the blanks that follow


def differences(text: str, other: str, growing: bool = False) -> str:
    """`text` as HTML, escaped: words that only it has in `ins`, words that only `other` has in `del`.

    growing: it is still being written, so that what it lacks at its end is not called missing yet.
    """
    own, theirs = _WORD.findall(text), _WORD.findall(other)
    matcher = SequenceMatcher(None, [word.strip() for word in theirs], [word.strip() for word in own], autojunk=False)
    html = ""
    for kind, first, last, start, end in matcher.get_opcodes():
        here = "".join(own[start:end])
        if kind == "equal":
            html += escape(here)
            continue
        if first < last and not (growing and end == len(own)):
            html += f"<del>{escape(_spaced(''.join(theirs[first:last]).strip(), ''.join(own[:start])))}</del>"
        if here:
            bare = here.rstrip()
            html += f"<ins>{escape(bare)}</ins>{escape(here[len(bare) :])}"
    return html


def _spaced(struck: str, before: str) -> str:
    """The struck words with the one blank that keeps them apart from what stands around them."""
    if not before or before[-1].isspace():
        return struck + " "
    return " " + struck if struck[0].isalnum() else struck
