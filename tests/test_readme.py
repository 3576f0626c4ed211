"""The README names every file of the core, and its commands are the ones that run."""

import re
from pathlib import Path

from prefix_core.studies import results

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_of_the_core_has_its_line() -> None:
    tree = README.split("## What is where")[1]
    listed = set(re.findall(r"[\w/]+\.(?:py|toml)", tree))
    for path in (ROOT / "prefix_core").rglob("*"):
        if path.suffix in (".py", ".toml") and path.name != "__init__.py":
            assert path.name in {Path(name).name for name in listed}, path


def test_nothing_is_listed_that_is_not_there() -> None:
    tree = README.split("## What is where")[1].split("## Terms")[0]
    names = {Path(name).name for name in re.findall(r"[\w/]+\.(?:py|toml|css|js)", tree)}
    there = {path.name for path in ROOT.rglob("*") if ".venv" not in path.parts}
    assert names <= there


def test_two_commands_do_all_the_setting_up() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [command.split()[-1] for command in commands] == ["app.py", "pytest"]
    for command in commands:
        requirements = ROOT / re.findall(r"-r (\S+)", command)[0]
        assert requirements.is_file()


def test_the_results_are_those_measured() -> None:
    """`python -m prefix_core results --write README.md` makes it so."""
    start, end = (README.index(mark) for mark in results.MARKS)
    assert README[start + len(results.MARKS[0]) : end] == results.markdown()
