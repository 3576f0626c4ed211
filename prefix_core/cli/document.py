"""The pages of docs/ that follow from the code: every command with its options, every module in one line."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

from prefix_core.errors import InputError
from prefix_core.places import PACKAGE

MARKS = ("<!-- tree -->\n", "<!-- /tree -->\n")  # around the tree in architecture.md


def command_line(parser: argparse.ArgumentParser) -> str:
    """docs/command-line.md: a section for each command, from its parser."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    parts = [
        "# The command line\n\n"
        "Written by `python -m prefix_core document docs` from the parsers; `python -m prefix_core COMMAND --help`"
        " prints the same.\n\n"
        "Results go to standard output, everything else to standard error. The exit code is 0, or 2 with one line that"
        " says what is wrong.\n\n"
        "Environment variables set defaults: `PREFIX_BASE` (a base, or several with commas between them),"
        " `PREFIX_ARTIFACTS` (a folder like `trained_prefixes/`), `PREFIX_DATA_DIR` (a folder with the published data"
        " sets; without it they come from the Hugging Face Hub), `PREFIX_CACHE` (where prepared weights are kept).\n"
    ]
    for name, command in commands.choices.items():
        parts.append(f"## {name}\n\n{_sentence(helps[name])}\n\n{_usage(command)}\n\n{_table(command)}")
    return "\n".join(parts)


def tree(package: Path = PACKAGE) -> str:
    """The package as a tree, each room and module with the first sentence of its docstring."""
    lines = [(f"{package.name}/", _first_sentence(package / "__init__.py")), *_entries(package, 1)]
    width = max(len(entry) for entry, _ in lines) + 2
    return "```text\n" + "\n".join(f"{entry:{width}}{said}".rstrip() for entry, said in lines) + "\n```\n"


def write_into(folder: Path, parser: argparse.ArgumentParser) -> None:
    """Write both pages into `folder`, a checkout's docs/. Raises `InputError` if it is not."""
    architecture = folder / "architecture.md"
    if not architecture.is_file():
        raise InputError(f"there is no {architecture}; name the docs folder of a checkout")
    text = architecture.read_text(encoding="utf-8")
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    architecture.write_text(text[:start] + tree() + text[end:], encoding="utf-8")
    (folder / "command-line.md").write_text(command_line(parser), encoding="utf-8")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _usage(command: argparse.ArgumentParser) -> str:
    required = [f"{action.option_strings[0]} {_value(action)}" for action in _options(command) if action.required]
    positional = [
        f"[{_value(action)} ...]" if action.nargs == "*" else _value(action)
        for action in command._actions
        if not action.option_strings
    ]
    optional = "[OPTIONS]" if any(not action.required for action in _options(command)) else ""
    words = ["python -m prefix_core", command.prog.split()[-1], *required, optional, *positional]
    return f"`{' '.join(filter(None, words))}`"


def _table(command: argparse.ArgumentParser) -> str:
    rows = ["| | |", "|---|---|"]
    for action in command._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        values = {**vars(action), "prog": command.prog}
        said = (action.help or "") % values
        if action.choices is not None:
            said += f"{'; ' if said else ''}one of {', '.join(f'`{choice}`' for choice in action.choices)}"
        takes = "" if action.nargs == 0 or not action.option_strings else f" {_value(action)}"
        names = ", ".join(f"`{name}{takes}`" for name in action.option_strings or [_value(action)])
        rows.append(f"| {names} | {said.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def _options(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in command._actions if action.option_strings and action.dest != "help"]


def _value(action: argparse.Action) -> str:
    metavar = action.metavar or action.dest.upper()
    if isinstance(metavar, tuple):
        return " ".join(metavar)
    return f"{metavar} ..." if action.nargs == "+" else metavar


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
