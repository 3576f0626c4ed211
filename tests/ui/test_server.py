"""The server around the app: its health, its limits, what it logs, and how it stops."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from gradio_client import Client

from prefix_core.ui import server
from prefix_core.ui.server import MOST_SENT, route
from tests.ui.conftest import ROOT, App, serving


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host") / "log"


@pytest.fixture(scope="module")
def host(tiny_folder: Path, artifacts: Path, log: Path) -> Iterator[App]:
    with serving(str(tiny_folder), artifacts, log) as app:
        yield app


def connection(app: App) -> http.client.HTTPConnection:
    address = urlsplit(app.url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)


def health(app: App) -> tuple[int, dict]:
    try:
        with urlopen(app.url + "health", timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def well(app: App) -> dict:
    """What it says of itself once it is well; until then that it is loading."""
    deadline = time.monotonic() + 180
    while (told := health(app))[0] != 200 and time.monotonic() < deadline:
        assert set(told[1]["bases"].values()) == {"loading"}
        time.sleep(0.1)
    return told[1]


def test_it_says_whether_it_is_well(host: App) -> None:
    told = well(host)
    assert told["well"] and told["waiting"] == 0


def test_what_is_too_large_is_refused_with_the_limit_whatever_the_headers_say(host: App) -> None:
    told = connection(host)
    told.putrequest("POST", "/gradio_api/queue/join")
    told.putheader("Content-Length", str(MOST_SENT + 1))
    told.endheaders()
    answer = told.getresponse()
    assert answer.status == 413 and f"{MOST_SENT:,} bytes" in json.load(answer)["error"]
    lied = connection(host)
    lied.putrequest("POST", "/gradio_api/queue/join")
    lied.putheader("Transfer-Encoding", "chunked")
    lied.endheaders()
    block = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    try:
        for _ in range(MOST_SENT // 0x100000 + 2):
            lied.send(block)
        lied.send(b"0\r\n\r\n")
        assert lied.getresponse().status >= 400
    except OSError:
        pass  # hung up on
    well(host)


def test_many_open_streams_leave_it_well(host: App) -> None:
    well(host)
    with ExitStack() as open_ones:
        for number in range(200):
            stream = connection(host)
            stream.request("GET", f"/gradio_api/heartbeat/stranger{number}")
            open_ones.callback(stream.close)
        assert health(host)[0] == 200
        written = Client(host.url, verbose=False).predict(text="name[A]", max_new_tokens=2, api_name="/compare")
        assert written["outputs"]


def test_a_log_tells_no_text_of_a_visitor(host: App, log: Path) -> None:
    secret = "Zanzibar Teahouse"
    well(host)
    Client(host.url, verbose=False).predict(text=f"name[{secret}]", max_new_tokens=2, api_name="/compare")
    called = connection(host)
    body, kind = json.dumps({"data": [f"name[{secret}]"]}), {"Content-Type": "application/json"}
    called.request("POST", "/gradio_api/call/compare", body, kind)
    event = json.load(called.getresponse())["event_id"]
    called.request("GET", f"/gradio_api/call/compare/{event}")
    assert b"error" in called.getresponse().read()  # too few parameters, which Gradio would print
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines(True) if line.startswith("{") and line.endswith("}\n")]
    assert {"request", "fault"} <= {line["event"] for line in lines} and all("time" in line for line in lines)
    assert any(line.get("path", "").startswith("/gradio_api/") and line["status"] == 200 for line in lines)
    assert "Zanzibar" not in text and "Teahouse" not in text


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/gradio_api/queue/join", "/gradio_api/queue/join"),
        ("/gradio_api/call/compare/0f3a9c0f3a9c0f3a9c", "/gradio_api/call/compare"),
        ("/gradio_api/file=/tmp/gradio/secret.zip", "/gradio_api/file"),
        ("/gradio_api/heartbeat/abcdefghij", "/gradio_api/heartbeat"),
        ("/My name is", "/"),
    ],
)
def test_an_address_is_logged_without_what_is_secret_in_it(path: str, logged: str) -> None:
    assert route(path) == logged


def test_one_who_sends_too_slowly_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(server, "SLOWEST", 0.05)
    seen: list[str] = []

    async def app(scope, receive, send) -> None:
        seen.append((await receive())["type"])

    async def never() -> dict:
        await asyncio.sleep(30)
        return {}

    scope = {"type": "http", "path": "/gradio_api/upload", "method": "POST", "headers": []}
    waiting = threading.Thread(target=lambda: asyncio.run(server.Gatekeeper(app)(scope, never, None)))
    waiting.start()  # a thread of its own: in this one a browser's loop may be running
    waiting.join(10)
    assert seen == ["http.disconnect"]


def test_it_stops_within_ten_seconds_whatever_is_on(tiny_folder: Path, artifacts: Path, tmp_path: Path) -> None:
    with serving(str(tiny_folder), artifacts, tmp_path / "log", ROOT) as app:
        well(app)
        client = Client(app.url, verbose=False)
        rows = (ROOT / "assets" / "examples" / "training_sample.csv").read_text()
        training = client.submit(rows=rows, epochs=100, api_name="/train")
        client.submit(text="name[A]", max_new_tokens=200, api_name="/compare")
        with socket.create_connection((urlsplit(app.url).hostname, urlsplit(app.url).port)) as idle:
            idle.send(b"GET / HTTP/1.1\r\n")
            deadline = time.monotonic() + 180
            while not any(told["step"] for told in training.outputs()) and time.monotonic() < deadline:
                time.sleep(0.1)
            began = time.monotonic()
            os.kill(app.process, signal.SIGTERM)
            while _runs(app.process) and time.monotonic() - began < 15:
                time.sleep(0.05)
            assert time.monotonic() - began < 10


def _runs(process: int) -> bool:
    """Whether it is there, and not only waiting to be asked how it ended."""
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
