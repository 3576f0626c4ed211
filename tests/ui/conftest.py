"""The app as a visitor meets it: a program of its own, on a tiny base, opened in the system's Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from prefix_core.model.base import Base
from prefix_core.places import evidence_of
from prefix_core.studies import evidence

ROOT = Path(__file__).parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 60_000  # milliseconds; only a test that fails waits so long
TEXT = "#text textarea"


@dataclass(frozen=True)
class App:
    url: str
    process: int


@pytest.fixture(scope="session")
def code(tiny: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, with evidence of the tiny base beside that of the default one; some of it is of older weights."""
    root = tmp_path_factory.mktemp("code")
    (root / "assets").mkdir()
    shutil.copy(ROOT / "app.py", root)  # Python looks for its neighbours where a link leads
    for path in (ROOT / "prefix_core", *(ROOT / "assets").iterdir()):
        (root / path.relative_to(ROOT)).symlink_to(path)
    (root / "assets" / "evidence").unlink()
    shutil.copytree(ROOT / "assets" / "evidence", root / "assets" / "evidence")
    folder = evidence_of(tiny.name, root / "assets" / "evidence")
    head = {"base": "tiny", "base_parameters": tiny.parameters, "split": "dev", "decoding": "greedy"}
    row = {"row": "prefix", "bleu": 12.5, "rouge_l": 34.5}
    evidence.record(folder / "e2e.json", {**head, "base_hash": tiny.weights_hash}, row)
    evidence.record(folder / "webnlg.json", {**head, "base_hash": "older"}, row)
    return root


@pytest.fixture(scope="session")
def app(tiny_folder: Path, artifacts: Path, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with serving(str(tiny_folder), artifacts, tmp_path_factory.mktemp("app") / "log", code) as app:
        yield app


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(
    bases: str, artifacts: Path, log: Path, root: Path = ROOT, environment: Mapping[str, str] = os.environ, **how: Any
) -> Iterator[App]:
    """The program on these bases, as PREFIX_BASE names them, until the end. root: its code; how: `Popen` starts it."""
    port = free_port()
    settings = {
        "PREFIX_BASE": bases,
        "PREFIX_ARTIFACTS": str(artifacts),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(root / "app.py")],
            cwd=root,
            env={**environment, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
            **how,
        )
        url = f"http://127.0.0.1:{port}/"
        try:
            _wait_for(url, process, log)
            yield App(url, process.pid)
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.fail("The browser tests need Chromium. Install it: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    """A new visitor, with the page open and its first comparison finished."""
    yield from visit(app, browser)


@pytest.fixture
def phone(app: App, browser: Browser) -> Iterator[Page]:
    """The same, on a phone."""
    yield from visit(app, browser, width=390, height=844)


def visit(
    app: App, browser: Browser, width: int = 1280, height: int = 800, query: str = "", **context_settings: Any
) -> Iterator[Page]:
    """A visitor's page; at the end nothing was fetched from elsewhere, and no script failed. query: of a link."""
    context = browser.new_context(viewport={"width": width, "height": height}, **context_settings)
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    listen(page, faults)
    page.goto(app.url + query)
    page.wait_for_selector("#status [data-state=done]", timeout=2 * PATIENCE)
    page.wait_for_selector("#run:enabled")
    yield page
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []  # nothing from elsewhere
    assert faults == []
    context.close()


def listen(page: Page, faults: list[str]) -> None:
    """Note what scripts fail with, and what the console is told of errors and of streams closed."""
    page.on("pageerror", lambda error: faults.append(str(error)))
    bad = ("error", "Method not implemented.")
    page.on("console", lambda message: faults.append(message.text) if {message.type, message.text} & {*bad} else None)


def paste(page: Page, text: str) -> None:
    """Replace the text as the clipboard would: no key is pressed."""
    page.locator(TEXT).click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


# A run may be over between two looks at the page.
NOTE_A_RUN = """() => {
  const run = document.querySelector("#run")
  window.hasRun = false
  new MutationObserver(() => { window.hasRun ||= run.disabled }).observe(run, { attributes: true })
}"""


def run(page: Page) -> None:
    page.evaluate(NOTE_A_RUN)
    page.locator("#run").click()
    page.wait_for_function("window.hasRun")
    expect(page.locator("#run")).to_be_enabled(timeout=2 * PATIENCE)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1800):
        try:
            urlopen(url, timeout=2).close()
            return
        except (URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"app.py does not answer:\n{log.read_text()}", pytrace=False)
