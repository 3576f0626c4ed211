"""What bytes and characters from outside are: the encoding of a file, decided from the whole of it, and its lines.

Characters that nobody sees go, and lines become one.
"""

import codecs
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from prefix_core.data.opened import Opened
from prefix_core.errors import InputError

MAX_LINE = 4_000_000  # characters; a longer line is no row of a table
CHECKED = 4096  # lines between two looks at the clock

# (mark, codec, what it is called); UTF-32 begins as UTF-16 does, and comes first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# What Western text in Windows-1252 does not hold: letters of another alphabet read as if they were of this one, UTF-8
# read as if it were it, capitals inside words (the Mac's é is Ž here), letters that central Europe's code page has.
_NOT_WESTERN = re.compile(
    r"[À-ÿŒœŸ]{3}|[ÃÂ][\x80-\xffŒœŸ€‚ƒ„…†‡ˆ‰‹›‘’“”•–—˜™]|â€|[a-zß-ÿ][À-ÖØ-ÞŒŸ]|\w[‚„¹³¿¼¾¡]\w|[ŠšŽžƒ†‡ˆ˜¤¦¬¯¸]"
)


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


def encoding_of(opened: Opened) -> tuple[str, str]:
    """The codec of a text file and what it is called, from all its bytes.

    UTF-8, UTF-16 and UTF-32 (by their marks, or by the zeros of UTF-16), else Windows-1252 where it reads as Western
    text. Raises `InputError` naming the byte that is not UTF-8, or for what is no text.
    """
    start = next(opened.chunks(), b"")[:4096]
    marked = next(((codec, name) for mark, codec, name in _MARKS if start.startswith(mark)), None)
    codec, name = marked or _unmarked(start) or ("utf-8", "UTF-8")
    decoder = codecs.getincrementaldecoder(codec)()
    before = lines = pending = 0
    try:
        for chunk in opened.chunks():
            if codec == "utf-8" and b"\0" in chunk:
                line = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                raise InputError(
                    f"{opened.name}, line {line}: a NUL byte; this is a binary file, or a damaged one, not text."
                    " Save the table as CSV (UTF-8)."
                )
            pending = len(decoder.getstate()[0])
            decoder.decode(chunk)
            before, lines = before + len(chunk), lines + chunk.count(b"\n")
        pending = len(decoder.getstate()[0])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return _western(opened, codec, name, before - pending + error.start)
    return codec, name


def lines_of(opened: Opened, codec: str, longest: int = MAX_LINE) -> Iterator[str]:
    """The lines with their ends (LF, CR or CRLF), no more than one in memory; marks at the start are passed over.

    Raises `InputError` for a line that is too long, or where reading takes too long.
    """
    with opened.reading() as file:
        text = io.TextIOWrapper(file, codec, newline="")
        number = 0
        while line := text.readline(longest + 1):
            number += 1
            if number % CHECKED == 0:
                opened.check_time()
            if len(line) > longest:
                raise InputError(f"{opened.name}, line {number}: longer than {longest:,} bytes. Put one row on a line.")
            if number == 1:
                line = line.lstrip("\ufeff")
            if line.endswith("\x1a"):  # DOS ended files so
                line = line[:-1]
            if line:
                yield line


def _unmarked(start: bytes) -> tuple[str, str] | None:
    """UTF-16 without its mark: every other byte of Western text is zero."""
    half = len(start) // 2
    for first, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and start[first::2].count(0) > 0.9 * half and not start[1 - first :: 2].count(0):
            return codec, "UTF-16 without its mark"
    return None


def _western(opened: Opened, codec: str, name: str, at: int) -> tuple[str, str]:
    line, byte, place = _at(opened, at)
    if codec == "utf-8":
        try:
            rest = ""
            for chunk in opened.chunks():
                text = rest + chunk.decode("cp1252")
                if _NOT_WESTERN.search(text):
                    break
                rest = text[-4:]
            else:
                return "cp1252", "Windows-1252"
        except UnicodeDecodeError:
            pass
    raise InputError(
        f"{opened.name}, line {line}: byte {place} (0x{byte:02x}) is not {name.split()[0]}. Save the file as UTF-8."
    )


def _at(opened: Opened, at: int) -> tuple[int, int, int]:
    """Line, value and place in its line of the byte at `at`."""
    seen, line, start = 0, 1, 0
    for chunk in opened.chunks():
        part = chunk[: max(0, at - seen)]
        line += part.count(b"\n")
        if b"\n" in part:
            start = seen + part.rindex(b"\n") + 1
        if seen + len(chunk) > at:
            return line, chunk[at - seen], at - start + 1
        seen += len(chunk)
    return line, 0, at - start + 1
