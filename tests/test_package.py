"""The core as a library: its public names, their example, and a wheel of it in a fresh environment."""

import doctest
import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import prefix_core

ROOT = Path(__file__).parent.parent
EXAMPLE = """
import doctest, sys, prefix_core
from pathlib import Path
assert "site-packages" in prefix_core.__file__, prefix_core.__file__
failed, tried = doctest.testmod(prefix_core, extraglobs={"name": sys.argv[1], "folder": Path("artifact")})
assert tried > 5 and not failed
"""


def test_the_example_in_the_docstring_is_true(tiny_folder: Path, tmp_path: Path) -> None:
    names = {"name": str(tiny_folder), "folder": tmp_path / "artifact"}
    failed, tried = doctest.testmod(prefix_core, extraglobs=names)
    assert tried > 5 and not failed


def test_every_public_name_is_there() -> None:
    assert sorted(prefix_core.__all__) == prefix_core.__all__ == sorted(prefix_core._PLACES)
    for name in prefix_core.__all__:
        assert getattr(prefix_core, name) is not None
    assert importlib.import_module("prefix_core.training.train").train is prefix_core.train


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = (
        "import sys, prefix_core; print([name for name in ('torch', 'transformers', 'gradio') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", heavy], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_wheel_works_in_a_fresh_environment(tiny_folder: Path, tmp_path: Path) -> None:
    """The packages it needs are those of this environment; the base and what is trained are not in it."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "prefix_core", source / "prefix_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run([*pip, *build], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 1_000_000
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = str(environment / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", str(wheel)], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(environment)})
    (Path(packages) / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-c", EXAMPLE, str(tiny_folder)], cwd=tmp_path, env=clean, check=True)
