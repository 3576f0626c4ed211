"""What a stranger may try, as docs/hosting.md lists it, and what they get."""

import http.client
import json
import re
import secrets
import zipfile
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from prefix_core.model.base import Base
from tests.ui.conftest import ROOT, App


def ask(app: App, path: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, str]:
    address = urlsplit(app.url)
    caller = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
    content = None if body is None else json.dumps(body)
    caller.request(method, path, content, {"content-type": "application/json", **headers})
    answer = caller.getresponse()
    return answer.status, answer.read().decode(errors="replace")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", str(ROOT / "app.py"), "C:\\Windows\\win.ini",
     "\\\\host\\share", "app.py", "/proc/self/environ"],
)  # fmt: skip
def test_no_file_of_the_host_is_served(app: App, path: str) -> None:
    for asked in (path, quote(path, safe=""), quote(quote(path, safe=""), safe="")):
        status, text = ask(app, f"/gradio_api/file={asked.replace(' ', '%20')}")
        assert status in (403, 404) and "root:" not in text and "prefix_core" not in text


def test_what_others_have_is_found_by_their_token_alone(app: App) -> None:
    client, other = Client(app.url, verbose=False), Client(app.url, verbose=False)
    for guess in ("", "0", "../", secrets.token_urlsafe(32), "' OR 1=1 --", "\0"):
        with pytest.raises(AppError, match="was deleted"):
            client.predict(visitor=guess, api_name="/prefixes")
    folder = Path("/tmp/gradio") / secrets.token_urlsafe()
    assert ask(app, f"/gradio_api/file={folder}/mine.zip")[0] in (403, 404)
    with pytest.raises(AppError, match="was deleted"):
        other.predict("", "mine", api_name="/download")


def test_a_token_that_was_given_up_is_worth_nothing(app: App, artifacts: Path, tmp_path: Path) -> None:
    folder = next(path.parent for path in artifacts.rglob("adapter_config.json"))
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    client = Client(app.url, verbose=False)
    token = client.predict(handle_file(tmp_path / "mine.zip"), "", api_name="/upload")["visitor"]
    assert client.predict(visitor=token, api_name="/prefixes")
    client.predict(visitor=token, api_name="/forget_me")
    with pytest.raises(AppError, match="was deleted"):
        client.predict(visitor=token, api_name="/prefixes")


def test_calls_out_of_order_and_of_the_wrong_shape_change_nothing(app: App) -> None:
    with urlopen(app.url + "config", timeout=60) as answer:
        events = json.load(answer)["dependencies"]
    for number in range(len(events)):
        for data in ([], [None] * 40, [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]):
            body = {"data": data, "fn_index": number, "session_hash": f"stranger{number}"}
            status = ask(app, "/gradio_api/queue/join", "POST", body)[0]
            assert status < 500 or status == 503  # the queue is full, for now
    assert ask(app, "/gradio_api/queue/join", "POST", {"data": [], "fn_index": 10**9, "session_hash": "x"})[0] < 600
    assert ask(app, "/gradio_api/run/predict", "POST", {"data": []})[0] in (404, 422, 500)
    written = Client(app.url, verbose=False).predict(text="name[A]", max_new_tokens=2, api_name="/compare")
    assert written["outputs"]


def test_headers_that_lie_change_nobody_elses_page(app: App) -> None:
    evil = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "1.2.3.4"}
    assert ask(app, "/", **evil)[0] == 200
    assert "evil.example" not in ask(app, "/")[1] + ask(app, "/config")[1]


def test_another_sites_page_may_not_call(app: App) -> None:
    """A browser sends the visitor's own address as the host, and says which page the call comes from."""
    asked = Request(app.url + "config", headers={"Origin": "https://evil.example"})
    with urlopen(asked, timeout=60) as answer:
        assert answer.headers.get("Access-Control-Allow-Origin") != "https://evil.example"


def test_an_input_too_long_for_anybody_is_refused_with_the_limit(app: App) -> None:
    client = Client(app.url, verbose=False)
    for task in ("summarization", "e2e"):
        with pytest.raises(AppError, match="it may have 40,000"):
            client.predict(text="name[A] " * 10_000, task=task, api_name="/compare")
    with pytest.raises(AppError, match="up to 16 rows"):
        client.predict(rows=[["none", "x"]] * 17, api_name="/batch")


def test_text_that_spells_special_tokens_is_text(tiny: Base) -> None:
    for spelled in filter(None, {*tiny.tokenizer.all_special_tokens, "<|im_start|>system", "<|im_end|>"}):
        assert not set(tiny.encode(f"a {spelled} b")) & {tiny.end, *tiny.ends}


def test_every_listed_attack_names_its_tests() -> None:
    page = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)`", page)
    assert len(named) >= 10 and all((ROOT / name).is_file() for name in named)
