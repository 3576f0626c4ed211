"""Many visitors at once: `python -m tests.load` starts the app on its own base, sends them in, and says how they fared.

Some come in browsers, the others by `gradio_client`: they compare, read articles, follow links, train, upload, break
off and close their tabs. Each writes a name of their own into every input, so that a text of somebody else's is found.
"""

import argparse
import json
import os
import random
import re
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from prefix_core.places import SHIPPED
from tests.ui.conftest import ARGUMENTS, CHROMIUM, ROOT, App, serving

MARK = re.compile(r"Inn of (\d{3})")  # as many digits for all: a name may come digit by digit
FIRST = 100  # the number of the first visitor
ARTICLE = "The council said on Monday that the old bridge at {mark} would close for repairs until the spring. " * 30
SAMPLE = ROOT / "assets" / "examples" / "training_sample.csv"
METHODS = ["prefix", "prompt"]
PATIENT = 60.0  # seconds for an answer: these visitors take two cores themselves
STEP = 1.0  # seconds between two looks at memory and processor
IDLE = 0.1  # of one core: below this nothing is being computed


@dataclass
class Tally:
    """What all visitors have seen. Times in seconds."""

    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    first: dict[str, list[float]] = field(default_factory=dict)
    end: dict[str, list[float]] = field(default_factory=dict)
    places: list[str] = field(default_factory=list)  # where a place in the line became worse
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, number: int, shown: str) -> None:
        """Note the name of another visitor in what this one was shown."""
        if others := {found for found in MARK.findall(shown) if int(found) != number}:
            self.leaks.append(f"visitor {number} was shown {sorted(others)}")

    def took(self, kind: str, first: float | None, end: float) -> None:
        with self.lock:
            self.done[kind] += 1
            self.end.setdefault(kind, []).append(end)
            if first is not None:
                self.first.setdefault(kind, []).append(first)


@dataclass
class Visitor:
    """One who comes by `gradio_client`. trains: whether they train a prefix, once."""

    number: int
    app: App
    tally: Tally
    until: float
    trains: bool = False

    def stay(self) -> None:
        chance = random.Random(self.number)
        client = Client(self.app.url, verbose=False, httpx_kwargs={"timeout": PATIENT})
        actions: list[tuple[Callable[..., None], int]] = [
            (self.compare, 6), (self.article, 1), (self.beams, 1), (self.abort, 2), (self.link, 2), (self.upload, 1),
        ]  # fmt: skip
        while time.monotonic() < self.until:
            action = chance.choices([action for action, _ in actions], [weight for _, weight in actions])[0]
            if self.trains:
                self.trains, action = False, self.train
            try:
                action(client, chance)
            except Exception as error:  # whatever it is, it goes into the table
                self.tally.errors.append(f"visitor {self.number}, {action.__name__}: {type(error).__name__}: {error}")
            time.sleep(chance.uniform(0.2, 2.0))

    @property
    def name(self) -> str:
        return f"Inn of {self.number}"

    def input(self, chance: random.Random) -> str:
        area, near = chance.choice(("riverside", "city centre")), chance.randrange(10_000)
        return f"name[{self.name}], eatType[pub], area[{area}], near[The Bell {near}]"

    def follow(self, kind: str, client: Client, **asked: object) -> None:
        """A comparison to its end: when the first words came, and whether the place in the line only got better."""
        began, first, ahead = time.monotonic(), None, None
        for told in client.submit(methods=METHODS, api_name="/compare", **asked):
            self.tally.check(self.number, json.dumps(told))
            if ahead is not None and told["ahead"] > ahead:
                self.tally.places.append(f"visitor {self.number}: {ahead} ahead, then {told['ahead']}")
            ahead = told["ahead"]
            if first is None and any(output["text"] for output in told["outputs"]):
                first = time.monotonic() - began
        failed = [output["error"] for output in told["outputs"] if output["state"] == "failed"]
        if failed and "not trained" not in failed[0]:
            self.tally.errors.append(f"visitor {self.number}, {kind}: {failed[0]}")
        self.tally.took(kind, first, time.monotonic() - began)

    def compare(self, client: Client, chance: random.Random) -> None:
        self.follow("comparison", client, text=self.input(chance), max_new_tokens=60)

    def beams(self, client: Client, chance: random.Random) -> None:
        self.follow("beam search", client, text=self.input(chance), max_new_tokens=60, decoding="beam")

    def article(self, client: Client, chance: random.Random) -> None:
        text = ARTICLE.format(mark=self.name)
        self.follow("article", client, text=text, task="summarization", max_new_tokens=60)

    def abort(self, client: Client, chance: random.Random) -> None:
        job = client.submit(text=self.input(chance), methods=METHODS, max_new_tokens=200, api_name="/compare")
        time.sleep(chance.uniform(0.0, 3.0))
        job.cancel()
        self.tally.done["broken off"] += 1

    def link(self, client: Client, chance: random.Random) -> None:
        with urlopen(f"{self.app.url}?task=e2e&text={quote(self.input(chance))}", timeout=60) as page:
            self.tally.check(self.number, page.read().decode())
        self.tally.done["link"] += 1

    def upload(self, client: Client, chance: random.Random) -> None:
        """A file that is no prefix is refused, in words."""
        with tempfile.NamedTemporaryFile(suffix=".zip") as file:
            file.write(b"PK" + chance.randbytes(2000))
            file.flush()
            with suppress(AppError):
                client.predict(handle_file(file.name), "", api_name="/upload")
                self.tally.errors.append(f"visitor {self.number}: a broken file was taken")
        self.tally.done["upload"] += 1

    def train(self, client: Client, chance: random.Random) -> None:
        began, told = time.monotonic(), {}
        rows = SAMPLE.read_text(encoding="utf-8").replace("\n", f" {self.name}\n", 3)
        for told in client.submit(rows=rows, epochs=2, api_name="/train"):
            self.tally.check(self.number, json.dumps(told))
        if told.get("state") != "done":
            self.tally.errors.append(f"visitor {self.number}, training: {told}")
        zipped = client.predict(told["visitor"], told["prefix"], api_name="/download")
        client.predict(handle_file(zipped), told["visitor"], api_name="/upload")
        self.tally.took("training", None, time.monotonic() - began)


@dataclass
class Guest(Visitor):
    """One who comes in a browser of their own, and now and then closes the tab in the middle of a text."""

    def stay(self) -> None:
        chance = random.Random(self.number)
        with sync_playwright() as playwright:
            path = next(filter(None, map(shutil.which, CHROMIUM)))
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            while time.monotonic() < self.until:
                try:
                    self.look(browser.new_page(), chance)
                except Exception as error:
                    self.tally.errors.append(f"visitor {self.number}, in a browser: {type(error).__name__}: {error}")
            browser.close()

    def look(self, page: Page, chance: random.Random) -> None:
        page.set_default_timeout(120_000)
        began = time.monotonic()
        page.goto(self.app.url)
        shows(page, "done")
        self.tally.took("page", None, time.monotonic() - began)
        for _ in range(3):
            page.locator("#text textarea").fill(self.input(chance))
            began = time.monotonic()
            page.locator("#run").click()
            shows(page, "busy")
            if chance.random() < 0.25:
                self.tally.done["closed tab"] += 1
                break
            shows(page, "done")
            page.wait_for_selector("#run:enabled")
            self.tally.took("comparison on the page", None, time.monotonic() - began)
            self.tally.check(self.number, page.content())
        page.close()


def shows(page: Page, state: str) -> None:
    """Wait until the page says so. Raises `TimeoutError` with what it says instead."""
    try:
        page.wait_for_selector(f"#status [data-state={state}]")
    except PlaywrightTimeout:
        said = f"{page.locator('#status').inner_text()} {page.locator('#problem').inner_text()}"
        raise TimeoutError(f"not {state} within two minutes, but: {said}") from None


@dataclass
class Watch:
    """The program's memory in MB, its trainings' left out, and the seconds of processor it has taken, over time."""

    process: int
    memory: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(STEP):
            with suppress(OSError):
                status = Path(f"/proc/{self.process}/status").read_text()
                self.memory.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)

    def processor(self) -> float:
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def until_idle(self) -> float:
        """Seconds until it computes nothing any more; 60 if it never stops."""
        began, before = time.monotonic(), self.processor()
        while time.monotonic() - began < 60:
            time.sleep(0.5)
            now = self.processor()
            if now - before < 0.5 * IDLE:
                return max(0.0, time.monotonic() - began - 0.5)
            before = now
        return 60.0


def table(tally: Tally, watch: Watch, idle: float, seconds: float) -> str:
    """The outcome as Markdown."""

    def numbers(times: Sequence[float]) -> str:
        if not times:
            return "– | –"
        high = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        return f"{statistics.median(times):.1f} | {high:.1f}"

    lines = ["| what | times | first words, median s | 95% | end, median s | 95% |", "|---|--:|--:|--:|--:|--:|"]
    for kind, count in sorted(tally.done.items()):
        first, end = tally.first.get(kind, []), tally.end.get(kind, [])
        lines.append(f"| {kind} | {count} | {numbers(first)} | {numbers(end)} |")
    settled = watch.memory[min(len(watch.memory) // 2, round(120 / STEP)) :] or [0.0]
    fifth = max(1, len(settled) // 5)
    early, late = statistics.median(settled[:fifth]), statistics.median(settled[-fifth:])
    lines += [
        "",
        f"{seconds:.0f} seconds: {len(tally.errors)} errors, {len(tally.leaks)} texts of others shown, "
        f"{len(tally.places)} places in the line that became worse. Memory {early:.0f} MB once settled, {late:.0f} MB "
        f"at the end ({100 * (late / max(1.0, early) - 1):+.1f}%). Idle {idle:.1f} s after the last visitor left.",
        *(f"- {what}" for what in [*tally.errors, *tally.leaks, *tally.places][:20]),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--browsers", type=int, default=3, help="of the visitors")
    parser.add_argument("--trainings", type=int, default=3, help="visitors who train")
    parser.add_argument("--short", action="store_true", help="one minute, five visitors, one browser, one training")
    asked = parser.parse_args()
    if asked.short:
        asked.minutes, asked.visitors, asked.browsers, asked.trainings = 1.0, 5, 1, 1
    with tempfile.TemporaryDirectory() as folder, serving("smollm2", SHIPPED, Path(folder) / "log") as app:
        wait_until_well(app)
        tally, watch, began = Tally(), Watch(app.process), time.monotonic()
        until = began + 60 * asked.minutes
        visitors: list[Visitor] = [Guest(FIRST + place, app, tally, until) for place in range(asked.browsers)]
        for place in range(asked.browsers, asked.visitors):
            trains = place - asked.browsers < asked.trainings
            visitors.append(Visitor(FIRST + place, app, tally, until, trains))
        threading.Thread(target=watch.run, daemon=True).start()
        threads = [threading.Thread(target=visitor.stay) for visitor in visitors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        idle = watch.until_idle()
        watch.over.set()
        print(table(tally, watch, idle, time.monotonic() - began))


def wait_until_well(app: App) -> None:
    for _ in range(600):
        with suppress(OSError), urlopen(app.url + "health", timeout=60):
            return
        time.sleep(0.5)
    raise SystemExit("the app never became well")


if __name__ == "__main__":
    main()
