"""The program's memory, with which GNU's libc can be asked to be sparing; where there is another, nothing happens."""

import ctypes
import os
from typing import Any

_ARENA_MAX = -8  # of mallopt, in malloc.h


def few_arenas() -> None:
    """Let all threads take memory from two pools, before they take any.

    Each would get one of its own, up to eight a processor, and keep there what one long input has needed.
    """
    if set_option := _of_libc("mallopt"):
        set_option(_ARENA_MAX, 2)


def give_back() -> None:
    """To the system, the memory that laying out a model has left unused: half a gigabyte."""
    if trim := _of_libc("malloc_trim"):
        trim(0)


def _of_libc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
