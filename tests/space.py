"""As a Space runs it: `python -m tests.space` builds the environment that a Space would, and starts the app in it.

The Python of the README's front matter, `requirements.txt` and nothing else; a user without rights or a home, code that
nobody may write; the base in the Hub's cache as `preload_from_hub` leaves it; and no way out but a proxy that lets
nothing through and says who tried.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

from gradio_client import Client

from prefix_core.model import smollm2
from tests.ui.conftest import ROOT, free_port

NOBODY = 65534
SOON = 30.0  # seconds in which the page has to answer


def front_matter() -> dict[str, str]:
    _, head, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return dict(line.split(": ", 1) for line in head.splitlines())


def build(folder: Path, version: str) -> Path:
    """A fresh environment; returns its Python."""
    python = shutil.which(f"python{version}") or sys.exit(f"install Python {version} first")
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-r", ROOT / "requirements.txt"], check=True)
    return folder / "bin" / "python"


def check_out(folder: Path) -> None:
    """The last commit, which nobody may write."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)


def preload(home: Path) -> None:
    """The base's file in a Hub cache."""
    file = smollm2.find(None)
    repository = home / "hub" / f"models--{smollm2.REPOSITORY.replace('/', '--')}"
    snapshot = repository / "snapshots" / smollm2.REVISION
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(smollm2.REVISION)
    blob = repository / "blobs" / smollm2.FILE_SHA256
    shutil.copy(file, blob)
    (snapshot / smollm2.FILE).symlink_to(blob)


@contextmanager
def no_way_out() -> Iterator[tuple[dict[str, str], list[str]]]:
    """Settings that lead every request to a proxy which answers none, and what was asked of it."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def listen() -> None:
            while True:
                try:
                    caller, _ = proxy.accept()
                except OSError:
                    return
                with caller:
                    asked.append(caller.recv(200).decode("latin-1").split("\r\n")[0])

        threading.Thread(target=listen, daemon=True).start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        settings = dict.fromkeys(names, address) | {"NO_PROXY": "127.0.0.1,localhost"}
        yield settings | {name.lower(): value for name, value in settings.items()}, asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="of an environment that is built already")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, no_way_out() as (settings, fetched):
        folder = Path(place)
        folder.chmod(0o755)
        code, home = folder / "code", folder / "hub"
        code.mkdir()
        check_out(code)
        preload(home)
        for path in [home, *home.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        version = front_matter()["python_version"].strip('"')
        python = Path(asked.python) if asked.python else build(folder / "environment", version)
        port, began = free_port(), time.monotonic()
        environment = {
            "PATH": os.environ["PATH"], "HOME": "/nonexistent", "HF_HOME": str(home), "TMPDIR": str(home), **settings,
            "GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "SYSTEM": "spaces",
        }  # fmt: skip
        log = (folder / "log").open("w+")
        app = subprocess.Popen(
            [python, "app.py"], cwd=code, env=environment, stdout=log, stderr=log, user=NOBODY, group=NOBODY
        )
        try:
            url = f"http://127.0.0.1:{port}/"
            while True:
                try:
                    urlopen(url, timeout=5).close()
                    break
                except OSError:
                    if app.poll() is not None or time.monotonic() - began > 10 * SOON:
                        sys.exit((folder / "log").read_text())
                    time.sleep(0.2)
            answered = time.monotonic() - began
            written = Client(url, verbose=False).predict(
                text="name[Blue Spice], area[riverside]", methods=["prefix"], api_name="/compare"
            )
            first = time.monotonic() - began
            print(f"page answers after {answered:.1f} s, the first comparison is there after {first:.1f} s:")
            print(written["outputs"][0]["text"])
            print(f"asked for elsewhere: {fetched or 'nothing'}")
            if answered > SOON or fetched or not written["outputs"][0]["text"]:
                sys.exit((folder / "log").read_text())
        finally:
            app.terminate()
            app.wait(20)
            for path in code.rglob("*"):
                path.chmod(path.stat().st_mode | 0o200)
            code.chmod(0o755)


if __name__ == "__main__":
    main()
