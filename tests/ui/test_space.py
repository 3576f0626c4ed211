"""The program as a host runs it, such as a Space: the README's front matter; code that nobody may write, no home."""

import ctypes
import os
import re
import shutil
import sys
from pathlib import Path

from gradio_client import Client, handle_file

from tests.ui.conftest import ROOT, serving

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
LONGEST_DESCRIPTION = 60  # characters, or the Hub refuses it
LARGEST_FILE = 10_000_000  # bytes that a repository on the Hub takes without LFS


def test_the_front_matter_is_what_a_space_needs() -> None:
    _, head, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    told = dict(line.split(": ", 1) for line in head.splitlines())
    assert {"title", "emoji", "colorFrom", "colorTo", "license"} <= set(told)
    assert told["sdk"] == "gradio" and (ROOT / told["app_file"]).is_file()
    assert f"gradio=={told['sdk_version']}\n" in (ROOT / "requirements.txt").read_text()
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert lowest and int(told["python_version"].strip('"').split(".")[1]) >= int(lowest[1])
    assert len(told["short_description"]) <= LONGEST_DESCRIPTION
    for folder in ("assets", "trained_prefixes"):
        for path in (ROOT / folder).rglob("*"):
            assert path.stat().st_size < LARGEST_FILE, path


def test_it_runs_where_it_may_write_nothing(tiny_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    """A whole round in a folder without write permission, by a user without a home: even root is held to that here."""
    root, temporary = tmp_path / "code", tmp_path / "temporary"
    temporary.mkdir()
    root.mkdir()
    shutil.copy(ROOT / "app.py", root)
    for name in ("prefix_core", "assets"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("base", "__pycache__"))
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    before = sorted(root.rglob("*"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment = kept | {"HOME": "/nonexistent", "TMPDIR": str(temporary)}
    how = {"preexec_fn": _obey_permissions} if sys.platform == "linux" else {}
    try:
        with serving(str(tiny_folder), artifacts, tmp_path / "log", root, environment, **how) as app:
            client = Client(app.url, verbose=False, download_files=tmp_path)
            written = client.predict(text="name[Blue Spice]", max_new_tokens=5, api_name="/compare")
            assert {output["state"] for output in written["outputs"]} == {"finished", "failed"}  # no adapter here
            rows = (ROOT / "assets" / "examples" / "training_sample.csv").read_text()
            *_, told = client.submit(rows=rows, epochs=1, prefix_length=2, api_name="/train")
            assert told["state"] == "done", told["error"]
            zipped = client.predict(told["visitor"], told["prefix"], api_name="/download")
            assert client.predict(handle_file(zipped), "", api_name="/upload")["task"] == "custom"
            assert any(path.suffix == ".zip" for path in temporary.rglob("*"))
        assert sorted(root.rglob("*")) == before
        assert not [path for path in temporary.rglob("*") if path.is_file()]  # nothing of a visitor's is left, either
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)


def _obey_permissions() -> None:
    """Of root, who may write everywhere; refused to anyone else, who need not."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
