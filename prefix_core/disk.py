"""What a disk refuses, in one line: it is full, may not be written, or is not there."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from prefix_core.errors import DiskError

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
