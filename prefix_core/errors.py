"""Errors a person can act on: each message says what is wrong, where, and what to do. The rest are bugs.

What a disk refuses, whoever says it, becomes one of them here.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager


class PrefixError(Exception):
    """Anything below; the command line prints it as one line and exits with 2, the app shows it as it is."""


class InputError(PrefixError, ValueError):
    """What was typed, pasted, uploaded or asked for cannot be used."""


class BaseError(PrefixError):
    """A language model cannot be found, loaded, or given a prefix."""


class ArtifactError(PrefixError):
    """A saved prefix or saved weights cannot be read, or belong to another base."""


class DiskError(PrefixError):
    """The disk is full, or may not be written."""


class EmptyCell(InputError):
    """A row has nothing where its input or its text should be; it can be left out."""


class SeveralRecords(InputError):
    """Where one input was expected, several came. records: what the task reads each of them into."""

    def __init__(self, records: "tuple[object, ...]") -> None:
        self.records = records
        super().__init__(
            f"These are {len(records)} records, and only one can be written here at a time. Give one of them, or put "
            "them all into a file."
        )


# ------------------------------------------------------------------------------------------------------------- the disk

_FULL, _CLOSED = "the disk is full", "the folder may not be written"
_WHY = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _CLOSED,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.ENOENT: "there is no folder to write into",
    errno.ENOTDIR: "there is no folder to write into",
    errno.EIO: "the disk is broken",
}


@contextmanager
def saving(what: str) -> Iterator[None]:
    """Around what writes files. Raises `DiskError` in place of what the system, or a library, says of the disk."""
    try:
        yield
    except Exception as error:
        if (why := why_not(error)) is None:
            raise
        raise DiskError(f"{what} cannot be written: {why}. Try again once whoever runs this has seen to it.") from error


def why_not(error: Exception) -> str | None:
    """Why the disk refused, in words; None for any other error."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (said := re.search(r"\(os error (\d+)\)", str(error))):  # as safetensors has it
        number = int(said[1])
    return _WHY.get(number) if number is not None else None
