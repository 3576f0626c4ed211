"""`/compare` as a program calls it: every task, streamed, refused with reasons, and ended when it is cancelled."""

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import pytest
from gradio.utils import diff
from gradio_client import Client
from gradio_client.exceptions import AppError
from gradio_client.utils import apply_diff

from prefix_core.model.base import Base
from prefix_core.ui.choices import SHIPPED_CARDS
from prefix_core.ui.compare import api
from prefix_core.ui.compare.api import pane_json
from prefix_core.ui.loading import Loading
from prefix_core.ui.room import SHORT_LINE
from prefix_core.writing.written import Pane
from tests.ui.conftest import ROOT, App

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
TABLE = [["name", "Blue Spice"], ["area", "riverside"]]


def test_compares_and_explains(app: App) -> None:
    client = Client(app.url, verbose=False)
    answer = client.predict(
        text="name[Blue Spice], area[riverside]", methods=["prefix", "prompt"], max_new_tokens=12, api_name="/compare"
    )
    assert answer["table"] == TABLE
    assert [output["method"] for output in answer["outputs"]] == ["prefix", "prompt"]
    for output in answer["outputs"]:
        assert output["state"] == "finished" and output["tokens"] <= 12 and output["seconds"] > 0
        assert sorted(output["said"] + output["missing"]) == ["area", "name"]
    for wrong, message in (
        ({"text": "name[Blue"}, "not closed"),
        ({"methods": ["lora"]}, "There is no method 'lora'"),
        ({"max_new_tokens": 100_000}, "from 1 to 200"),
        ({"max_new_tokens": "many"}, "wrong type"),
        ({"decoding": "sampling", "temperature": -1.0}, "temperature"),
        ({"task": "chess"}, "There is no task “chess”"),
        ({"task": "webnlg"}, "a triple has a subject"),
    ):
        with pytest.raises(AppError, match=re.escape(message)):
            client.predict(**({"text": "name[Blue Spice], area[riverside]"} | wrong), api_name="/compare")
    triples = client.predict(text="Blue Heron | opened | 1931", task="webnlg", methods=["prompt"], api_name="/compare")
    assert triples["task"] == "webnlg" and triples["table"] == [["Blue Heron", "opened", "1931"]]


def test_a_stream_arrives_as_it_was_sent() -> None:
    """What texts say grows, and what they miss shrinks, in several panes at once; no picture may arrive damaged."""
    card = SHIPPED_CARDS["e2e"]
    source = card.task.parse("name[Harbour & Hops], eatType[pub], food[English], area[riverside], near[Pomelo]")
    text = "Harbour & Hops is an Italian pub near Pomelo in the riverside area that serves English food."
    pictures = [
        [
            pane_json(card.task, source, Pane(method, state, text[: length + ahead]))
            for method, ahead in (("prefix", 0), ("fine_tune", 8), ("prompt", 16))
        ]
        for length, state in [*((length, "writing") for length in range(0, len(text), 8)), (len(text), "finished")]
    ]
    seen: list[dict[str, Any]] = []
    for picture in pictures:
        seen = apply_diff(seen, diff(seen, picture))
        assert seen == picture
    assert seen[0]["said"] == ["name", "eatType", "food", "area", "near"] and seen[0]["missing"] == []
    assert seen[0]["unsupported"] and pictures[0][0]["missing"] is None


def test_an_input_too_long_is_refused_or_cut_as_asked(app: App) -> None:
    client = Client(app.url, verbose=False)
    long = " | ".join(f"field{number} : value number {number}" for number in range(50))
    refused, cut = (
        client.predict(text=long, methods=["prefix"], cut=cut, api_name="/compare")["outputs"][0]
        for cut in (False, True)
    )
    assert refused["state"] == "failed" and "shorten it by" in refused["error"]
    assert cut["state"] == "finished" and cut["cut"] > 0
    article = client.predict(text="News. " * 600, task="summarization", methods=["prompt"], api_name="/compare")
    assert article["outputs"][0]["cut"] > 0  # an article is cut where nothing was said


def test_a_cancelled_call_ends_its_work(tiny: Base, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going, ended = threading.Event(), threading.Event()

    def for_ever(*_: Any, **options: Any) -> Iterator[list[Any]]:
        try:
            while True:
                going.set()
                time.sleep(0.01)
                yield []
        finally:
            ended.set()

    monkeypatch.setattr("prefix_core.writing.comparison.compare", for_ever)
    with gr.Blocks() as demo:
        api.add(Loading(tiny.name, artifacts).start())
    demo.queue()
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        job = Client(url, verbose=False).submit(text="name[A]", api_name="/compare")
        assert going.wait(60)
        while not job.outputs():  # before the first one the client may not know what it would cancel
            time.sleep(0.05)
        job.cancel()
        assert ended.wait(10)
        deadline = time.monotonic() + 10
        while SHORT_LINE.standing and time.monotonic() < deadline:
            time.sleep(0.05)
        assert SHORT_LINE.standing == []  # its place is free
    finally:
        demo.close()


def test_every_endpoint_works_as_the_docs_show(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code.replace("http://127.0.0.1:7860", app.url), "api.md", "exec"), names)
    shown = capsys.readouterr().out
    told, visitor, client = names["told"], names["again"]["visitor"], names["client"]
    assert told["state"] == "done" and 0 < told["step"] <= told["steps"] == 22, told
    assert set(told["scores"]) == {"before", "prefix", "prompt"} and told["prefix"] == "pasted rows"
    assert names["again"]["task"] == "custom" and visitor != told["visitor"] and "pasted-rows" in shown
    assert Path("coordinates.csv").read_text().startswith("kind,name,number,token,x,y,z,nearest,distance")
    assert "seconds_one_at_a_time" in shown and "'prefix_parameters': 245760" in shown and "'measured': {" in shown
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == set(re.findall(r'api_name="(.+?)"', code))
    with pytest.raises(AppError, match="was deleted"):
        client.predict(visitor=told["visitor"], api_name="/prefixes")
    assert client.predict(visitor=visitor, api_name="/forget_me") == "removed"


def test_every_shipped_task_can_be_asked_for() -> None:
    assert set(get_args(api.TaskName)) == set(SHIPPED_CARDS)
