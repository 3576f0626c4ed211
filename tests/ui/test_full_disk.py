"""The disk full, a folder that may not be written, no temporary folder: one clear line, and what needs none goes on."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError

from prefix_core.artifacts.artifacts import Card
from prefix_core.artifacts.share import write_zip
from prefix_core.data.reader import read_bytes
from prefix_core.errors import DiskError, InputError, saving
from prefix_core.model.base import Base
from prefix_core.model.prefix import Prefix
from tests.data.kinds import THE_TWELVE
from tests.ui.conftest import ROOT, serving

ROWS = (ROOT / "assets" / "examples" / "training_sample.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "the folder may not be written"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found"), "there is no folder to write into"),
        (RuntimeError("I/O error: No space left (os error 28)"), "the disk is full"),  # as safetensors says it
    ],
)
def test_what_the_disk_refuses_is_said_in_one_line(error: Exception, why: str) -> None:
    with pytest.raises(DiskError, match=f"^It cannot be written: {why}. Try again"), saving("It"):
        raise error
    with pytest.raises(ZeroDivisionError), saving("It"):
        print(1 / 0)


def test_a_prefix_that_finds_no_room_and_a_workbook_that_cannot_be_unpacked(
    tmp_path: Path, tiny: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    shape = tiny.shape
    keys, values = torch.randn(2, shape.layers, 4, shape.kv_heads, shape.head_dim)
    card = Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    with pytest.raises(DiskError, match="The prefix's file cannot be written: the disk is full"):
        write_zip(tmp_path / "x.zip", tiny, Prefix(keys, values), card)
    with pytest.raises(InputError, match=r"x.xlsx: what is in it .*: the disk is full.* CSV and JSON lines need no"):
        list(read_bytes(THE_TWELVE["plain.xlsx"], "x.xlsx"))
    assert len(list(read_bytes(THE_TWELVE["plain.csv"], "x.csv"))) == 12


def test_without_a_temporary_folder_it_says_so_and_ends(tmp_path: Path) -> None:
    """As where there is no /tmp: none of the places in which Python looks can be written."""
    program = (
        "import tempfile; tempfile._candidate_tempdir_list = lambda: ['/nonexistent']\n"
        "from prefix_core.ui.app import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.strip().splitlines()
    assert line == "Visitors' files need a temporary folder, and none can be written. Name one that can be, as TMPDIR."


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the system's")
def test_a_disk_that_fills_up_while_it_serves(tiny_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    """No file may become longer than 40 kB, which is how a full disk looks to a program; then there is room again."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def room(process: int, most: int) -> None:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, hard))

    environment = os.environ | {"PREFIX_VISITORS": str(tmp_path / "visitors")}
    with serving(str(tiny_folder), artifacts, tmp_path / "log", ROOT, environment) as app:
        client = Client(app.url, verbose=False, download_files=tmp_path)

        def train() -> dict[str, Any]:
            *_, told = client.submit(rows=ROWS, epochs=1, prefix_length=2, api_name="/train")
            return told

        def compare() -> list[str]:
            written = client.predict(text="name[A]", methods=["prefix"], max_new_tokens=5, api_name="/compare")
            return [output["state"] for output in written["outputs"]]

        own = train()
        assert own["state"] == "done"
        room(app.process, len((tmp_path / "log").read_bytes()) + 40_000)
        assert compare() == ["finished"]
        told = train()
        assert told["state"] == "failed"
        assert told["error"].startswith("What is learned cannot be written: the disk is full.")
        with pytest.raises(AppError, match="The prefix's file cannot be written: the disk is full"):
            client.predict(own["visitor"], own["prefix"], api_name="/download")
        assert upload(app.url, 2_000_000) == (507, "This cannot be received: the disk is full. Try again later.")
        assert compare() == ["finished"]
        assert json.loads(urlopen(app.url + "health").read())["well"]
        room(app.process, hard)
        assert Path(client.predict(own["visitor"], own["prefix"], api_name="/download")).stat().st_size > 0
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log and '"fault"' not in log


def upload(url: str, size: int) -> tuple[int, str]:
    """Send a file of so many bytes as the page does; the answer's status and words."""
    head = b'--x\r\ncontent-disposition: form-data; name="files"; filename="x.csv"\r\n\r\n'
    body = head + b"a" * size + b"\r\n--x--\r\n"
    request = Request(url + "gradio_api/upload", body, {"content-type": "multipart/form-data; boundary=x"})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, ""
    except HTTPError as error:
        return error.code, json.loads(error.read())["error"]
