"""Every module of the core has a test file of its name in the same room, or one that imports it, or is named here."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Module -> the tests that reach it through another one.
REACHED_BY = {
    "cli/learn": "test_cli.py",
    "cli/measure": "test_docs.py",
    "cli/options": "test_cli.py",
    "cli/share": "artifacts/test_share.py",
    "cli/write": "test_cli.py",
    "data/apart": "data/test_reader.py",
    "data/excel": "data/test_reader.py",
    "data/json_rows": "data/test_reader.py",
    "data/literals": "data/test_reader.py",
    "data/markup": "data/test_reader.py",
    "data/opened": "data/test_reader.py",
    "data/parquet": "data/test_reader.py",
    "data/records": "data/test_reader.py",
    "data/separated": "data/test_reader.py",
    "data/spreadsheet": "data/test_reader.py",
    "methods/adapter": "training/test_train.py",
    "methods/top_layers": "training/test_train.py",
    "model/modules": "model/test_architectures.py",
    "tasks/tabular": "tasks/test_e2e.py",
    "training/checkpoint": "training/test_train.py",
    "writing/comparison": "ui/compare",
}


def imported_by(text: str) -> set[str]:
    """The modules of the core that a test file imports, as room/name."""
    found = {f"{room}/{name}" for room, name in re.findall(r"prefix_core\.(\w+)\.(\w+)", text)}
    for room, names in re.findall(r"^from prefix_core\.(\w+) import ([^(\n]+|\([^)]*\))", text, re.MULTILINE):
        found |= {f"{room}/{name}" for name in re.findall(r"\w+", names)}
    return found


def test_every_module_is_tested_where_one_looks_for_it() -> None:
    imported = {name for path in (ROOT / "tests").rglob("*.py") for name in imported_by(path.read_text("utf-8"))}
    modules = {f"{path.parent.name}/{path.stem}" for path in (ROOT / "prefix_core").glob("*/*.py")}
    own = {name for name in modules if (ROOT / "tests" / name.replace("/", "/test_")).with_suffix(".py").exists()}
    rest = {name for name in modules - own - imported if not name.startswith("ui/") and not name.endswith("__init__")}
    assert rest <= set(REACHED_BY), f"name their tests: {sorted(rest - set(REACHED_BY))}"
    assert set(REACHED_BY) <= modules
    assert all((ROOT / "tests" / tests).exists() for tests in REACHED_BY.values())
