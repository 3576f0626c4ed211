"""The command line: every job of the core in one line. Results go to standard output, all else to standard error."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from prefix_core.cli import document, learn, measure, share, write
from prefix_core.cli.options import Commands
from prefix_core.errors import PrefixError


class Parser(argparse.ArgumentParser):
    """Answers bad use by one line, without the list of all options before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; --help explains\n")


def _write_every_letter() -> None:
    """Letters that standard output cannot show, as on an ASCII terminal, are written as \\xe9 rather than refused."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        sys.stdout.reconfigure(errors="backslashreplace")


def parser() -> tuple[Parser, Commands]:
    """The parser of the command line, and its commands."""
    whole = Parser(
        prog="python -m prefix_core",
        description="Prefix-tuning: steer a frozen language model with a small learned prefix.",
        epilog="'python -m prefix_core COMMAND --help' explains a command.",
    )
    commands = Commands(whole)
    for group in (write, learn, measure, share):
        group.add(commands)
    command = commands.add("document", "write the pages of docs/ that follow from the code")
    command.add_argument("folder", type=Path, help="the docs folder of a checkout")
    command.set_defaults(run=lambda asked: document.write_into(asked.folder, commands.parsers))
    return whole, commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, or 2 with one line on standard error for bad use."""
    asked = parser()[0].parse_args(arguments)
    _write_every_letter()
    try:
        asked.run(asked)
    except PrefixError as error:
        print(f"prefix_core: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"prefix_core: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prefix_core: stopped", file=sys.stderr)
        return 130
    return 0
