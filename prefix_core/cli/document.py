"""The pages of docs/ that follow from the code: every command's help, every module in one line."""

import argparse
import ast
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from prefix_core.errors import InputError
from prefix_core.places import PACKAGE

MARKS = ("<!-- tree -->\n", "<!-- /tree -->\n")  # around the tree in architecture.md
WIDTH = 100  # characters of a line of help


def command_line(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """docs/command-line.md: of each command by its name what `--help` prints."""
    parts = [
        "# The command line\n\n"
        "Written by `python -m prefix_core document docs`: what `python -m prefix_core COMMAND --help` prints.\n\n"
        "Results go to standard output, everything else to standard error. The exit code is 0, or 2 with one line that"
        " says what is wrong.\n\n"
        "Environment variables set defaults: `PREFIX_BASE` (a base, or several with commas between them),"
        " `PREFIX_ARTIFACTS` (a folder like `trained_prefixes/`), `PREFIX_DATA_DIR` (a folder with the published data"
        " sets; without it they come from the Hugging Face Hub), `PREFIX_CACHE` (where prepared weights are kept).\n"
    ]
    for name, command in commands.items():
        command.formatter_class = partial(argparse.HelpFormatter, width=WIDTH)  # on whatever terminal this runs
        parts.append(f"## {name}\n\n```text\n{command.format_help()}```\n")
    return "\n".join(parts)


def tree(package: Path = PACKAGE) -> str:
    """The package as a tree, each room and module with the first sentence of its docstring."""
    lines = [(f"{package.name}/", _first_sentence(package / "__init__.py")), *_entries(package, 1)]
    width = max(len(entry) for entry, _ in lines) + 2
    return "```text\n" + "\n".join(f"{entry:{width}}{said}".rstrip() for entry, said in lines) + "\n```\n"


def write_into(folder: Path, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Write both pages into `folder`, a checkout's docs/. Raises `InputError` if it is not."""
    architecture = folder / "architecture.md"
    if not architecture.is_file():
        raise InputError(f"there is no {architecture}; name the docs folder of a checkout")
    text = architecture.read_text(encoding="utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    architecture.write_text(text[:start] + tree() + text[end:], encoding="utf-8")
    (folder / "command-line.md").write_text(command_line(commands), encoding="utf-8")


def _entries(folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    rooms = sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file())
    modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    for room in rooms:
        yield f"{'  ' * depth}{room.name}/", _first_sentence(room / "__init__.py")
        yield from _entries(room, depth + 1)
    for module in modules:
        yield f"{'  ' * depth}{module.name}", _first_sentence(module)


def _first_sentence(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<! al)\. ", paragraph)[0].rstrip(".")
