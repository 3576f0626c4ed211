"""Workbooks, Parquet files, XML and HTML are read in a process of its own, which may take only so much.

A file of a few kilobytes can be made to unpack to gigabytes, to keep a parser busy for minutes, or to crash it. There,
the time is counted by the processor's clock and the memory by the system; here, lines of JSON arrive: rows of cells, or
records (Parquet, XML).
"""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from prefix_core.data.opened import MEBI, Opened
from prefix_core.data.report import Report, SeveralSheets
from prefix_core.errors import DiskError, InputError, saving

SECONDS = 2.0  # of the processor, to read
MEMORY = 64 * MEBI  # beyond the file
MOST_IN_A_ROW = 8 * MEBI  # characters
ROOT = Path(__file__).resolve().parents[2]


def messages(opened: Opened, report: Report, sheet: str | None, seconds: float = SECONDS) -> Iterator[list[Any]]:
    """`["row", number, cells]` of a workbook or an HTML table, `["record", number, {...}]` of Parquet or XML, in order.

    sheet: of a workbook, by its name. Raises `SeveralSheets` where one has to be chosen, and `InputError` where the
    file is broken, or takes more time or memory than it may.
    """
    with _on_disk(opened) as path:
        command = [sys.executable, "-P", "-m", "prefix_core.data.apart", opened.kind, str(path), sheet or ""]
        command += [str(seconds), str(MEMORY + 2 * opened.size)]
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONUTF8": "1",
        }  # fmt: skip
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        assert child.stdout is not None
        # Where the system has no clock for a process's own time, the one on the wall, generously.
        watch = threading.Timer(60 * seconds, child.kill)
        watch.daemon = True
        watch.start()
        try:
            for line in child.stdout:
                message = json.loads(line)
                if message[0] in ("row", "record"):
                    yield message
                elif message[0] == "end":
                    return
                else:
                    _told(message, opened.name, report)
            raise InputError(_why(child.wait(), opened, seconds))
        finally:
            watch.cancel()
            child.kill()
            child.stdout.close()
            child.wait()


@contextmanager
def _on_disk(opened: Opened) -> Iterator[Path]:
    """The content as a file of its own where it was unpacked: libraries go back and forth in it."""
    if opened.path is not None and opened.plain:
        yield opened.path
        return
    with ExitStack() as until_read:
        try:
            with saving(f"{opened.name}: what is in it"):
                path = Path(until_read.enter_context(tempfile.TemporaryDirectory())) / "unpacked"
                with path.open("wb") as file:
                    for chunk in opened.chunks():
                        file.write(chunk)
        except DiskError as error:
            raise InputError(f"{error} CSV and JSON lines need no room.") from None
        yield path


def _told(message: list[Any], name: str, report: Report) -> None:
    kind, *rest = message
    if kind == "choose":
        raise SeveralSheets(name, tuple(rest[0]))
    if kind == "error":
        raise InputError(f"{name}{rest[0]}")
    if kind == "sheet":
        report.sheet, passed_over = rest
        if passed_over:
            report.note(f"other sheets: {', '.join(passed_over)}")
    if kind == "note":
        report.note(rest[0])


def _why(code: int, opened: Opened, seconds: float) -> str:
    if code in (-getattr(signal, "SIGPROF", 0), -getattr(signal, "SIGXCPU", 0), -signal.SIGTERM) and code:
        return f"{opened.name}: it takes more than {seconds:g} s to read. Save the one table as CSV (UTF-8)."
    if code == OUT_OF_MEMORY:
        return f"{opened.name}: unpacked it has more than {MEMORY // MEBI} MB. Save the one table as CSV (UTF-8)."
    return BROKEN[opened.kind].format(opened.name)


BROKEN = {
    "workbook": "{}: this is not a readable workbook; it is broken. Save it again, or as CSV (UTF-8).",
    "parquet": "{}: this Parquet or Arrow file is broken. Write it again, or as CSV or JSON lines.",
    "markup": "{}: this HTML or XML is broken. Save the table as CSV (UTF-8).",
}

# ------------------------------------------------------------------------------------------------- the other process

OUT_OF_MEMORY = 70
READERS = {"workbook": "spreadsheet", "parquet": "parquet", "markup": "markup"}  # modules by kinds of file


class Refused(Exception):
    """What the file is refused for, as it stands after the file's name."""


def tell(*message: Any) -> None:
    line = json.dumps(message, ensure_ascii=True)
    if len(line) > MOST_IN_A_ROW:
        raise Refused(f", row {message[1]}: it has more than {MOST_IN_A_ROW:,} characters. Shorten it.")
    sys.stdout.write(line + "\n")


class Below(dict[int, tuple[int, str]]):
    """Cells merged over several rows, whose text stands in each: column -> how many rows are to come, and the text."""

    def take(self, column: int) -> str:
        """The text in this column of the next row."""
        left, text = self.pop(column)
        if left > 1:
            self[column] = (left - 1, text)
        return text

    def fill(self, cells: list[str]) -> None:
        """Put the texts into the next row, which has blanks in their places, or ends before them."""
        for column in list(self):
            cells += [""] * (column + 1 - len(cells))
            cells[column] = self.take(column)


def _limit(seconds: float, memory: int) -> None:
    """From here on, so much time and memory, where the system can be asked to count them."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        spent = resource.getrusage(resource.RUSAGE_SELF)
        most = math.ceil(spent.ru_utime + spent.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    except (ImportError, OSError, ValueError):  # not Linux
        pass


def _main(kind: str, path: str, sheet: str, seconds: str, memory: str) -> int:
    # Neither library needs these two, which take longer to import than most files to be read.
    sys.modules["numpy"] = sys.modules["lxml"] = None  # type: ignore[assignment]
    from prefix_core.data import apart

    try:
        try:
            module = importlib.import_module(f"prefix_core.data.{READERS[kind]}")
            module.prepare()
        except ImportError as error:
            raise apart.Refused(f": reading it needs {error.name}. Run: pip install {error.name}") from None
        _limit(float(seconds), int(memory))
        module.tell_rows(path, sheet)
        tell("end")
        sys.stdout.flush()
    except apart.Refused as error:
        tell("error", str(error))
        sys.stdout.flush()
    except MemoryError:
        return OUT_OF_MEMORY
    except BrokenPipeError:  # enough was read
        pass
    except Exception as error:  # whatever a library raises on a file that is broken on purpose
        return OUT_OF_MEMORY if "memory" in type(error).__name__.lower() or "malloc" in str(error) else 1
    return 0


if __name__ == "__main__":
    code = _main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
