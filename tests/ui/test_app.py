"""The page in a real browser: a person types, pastes, runs, stops."""

import re
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import TEXT, App, paste, run, visit

TABLE = [["name", "Blue Spice"], ["area", "riverside"]]


def rows(page: Page) -> list[list[str]]:
    cells = "row => [...row.querySelectorAll('input')].map(input => input.value)"
    return page.evaluate(f"[...document.querySelectorAll('#grid tbody tr')].map({cells})")


def expect_rows(page: Page, wanted: list[list[str]]) -> None:
    expect(page.locator("#grid tbody tr")).to_have_count(len(wanted))
    for number, (attribute, value) in enumerate(wanted, 1):
        expect(page.get_by_label(f"Attribute {number}", exact=True)).to_have_value(attribute)
        expect(page.get_by_label(f"Value {number}", exact=True)).to_have_value(value)


def tick(page: Page, *titles: str) -> None:
    for box in page.locator("#methods label").all():
        box.locator("input").set_checked(box.inner_text().strip() in titles)


def pane(page: Page, method: str) -> str:
    return page.locator(f".pane[data-method={method}]").inner_text()


def test_the_first_paint_has_a_finished_comparison(page: Page) -> None:
    panes = page.locator(".pane")
    assert [panes.nth(i).get_attribute("data-state") for i in range(panes.count())] == ["finished"] * 4
    assert "Pebble & Reed" in page.locator("#status").inner_text()
    assert len(rows(page)) == 6 and rows(page)[0] == ["name", "Pebble & Reed"]
    assert page.locator(TEXT).input_value().startswith("name[Pebble & Reed], eatType[pub]")
    assert "computed just now" in page.locator("#status").inner_text()  # no precomputed one fits the tiny base
    assert "parameters" in page.locator("#header").inner_text() and "Bad at" in page.locator("#header").inner_text()
    assert page.locator("#methods").inner_text().split("\n") == ["Prefix-tuned", "Fine-tuned", "FT-top2", "Prompted"]
    assert page.locator("#without").inner_text() == "Not trained yet: Adapter."  # what has no artifact is not offered


def test_a_person_types_a_table_and_reads_three_panes(page: Page) -> None:
    for _ in range(len(rows(page)) - 1):
        page.get_by_label("Remove row 1", exact=True).click()
    page.get_by_label("Attribute 1", exact=True).fill("name")
    page.get_by_label("Value 1", exact=True).fill("")
    page.get_by_label("Value 1", exact=True).press_sequentially("Blue Spice")
    page.get_by_text("+ add a row").click()
    page.keyboard.type("area")
    page.keyboard.press("Tab")
    page.keyboard.type("riverside")
    expect(page.locator(TEXT)).to_have_value("name[Blue Spice], area[riverside]")
    tick(page, "Prefix-tuned", "Fine-tuned", "Prompted")
    run(page)
    expect(page.locator(".pane")).to_have_count(3)
    for method in ("prefix", "fine_tune", "prompt"):
        seen = pane(page, method)
        assert re.search(r"first token\s+\d+ ms", seen), seen
        assert re.search(r"total\s+[\d.]+ m?s\s+\d+ tokens", seen), seen
        assert re.search(r"tokens/s\s+\d+", seen), seen
        assert re.search(r"\d of 2 said", seen), seen
        assert page.locator(f".pane[data-method={method}] .output").inner_text().strip()
    assert "shared batch of 2" in pane(page, "prefix") and "shared batch of 2" in pane(page, "prompt")
    assert "shared batch" not in pane(page, "fine_tune")
    assert re.search(r"on disk\s+[\d.]+ kB", pane(page, "prefix"))
    assert "nothing" in pane(page, "prompt")
    assert "3 texts for Blue Spice" in page.locator("#status").inner_text()


PASTED = [
    "name[Blue Spice], area[riverside]",
    "name : Blue Spice | area : riverside",
    "name,area\nBlue Spice,riverside",
    "| attribute | value |\n|---|---|\n| name | Blue Spice |\n| area | riverside |",
    '{"name": "Blue Spice", "area": "riverside"}',
]


def test_pasted_tables_are_recognised_and_the_grid_follows(page: Page) -> None:
    for text in PASTED:
        paste(page, text)
        expect_rows(page, TABLE)
        assert page.locator(TEXT).input_value() == text  # as it was pasted
        page.get_by_label("Value 2", exact=True).press("End")
        page.keyboard.type("!")
        expect(page.locator(TEXT)).to_have_value("name[Blue Spice], area[riverside!]")


def test_bad_input_is_explained_and_kept(page: Page) -> None:
    before = rows(page)
    paste(page, "name[Blue Spice], area[river")
    expect(page.locator("#problem")).to_contain_text("the [ after “area” is not closed")
    assert rows(page) == before
    status = page.locator("#status").inner_text()
    page.locator("#run").click()
    page.wait_for_timeout(500)
    expect(page.locator("#problem")).to_contain_text("not closed")
    expect(page.locator("#run")).to_be_enabled()
    assert page.locator(TEXT).input_value() == "name[Blue Spice], area[river"
    assert page.locator("#status").inner_text() == status
    page.locator(TEXT).press("End")
    page.keyboard.type("]")
    expect_rows(page, [["name", "Blue Spice"], ["area", "river"]])
    expect(page.locator("#problem p")).to_have_count(0)
    page.get_by_text("+ add a row").click()
    page.keyboard.type("food")
    expect(page.locator("#problem")).to_contain_text("row 3: “food” has no value")
    assert rows(page)[2] == ["food", ""]


def test_an_example_fills_the_input_and_runs_and_no_method_ticked_is_said(page: Page) -> None:
    page.get_by_role("button", name="Villa Corallo").click()
    expect(page.locator("#status")).to_contain_text("texts for Villa Corallo", timeout=60_000)
    expect_rows(
        page, [["name", "Villa Corallo"], ["eatType", "restaurant"], ["food", "Italian"], ["area", "riverside"]]
    )
    expect(page.locator("#run")).to_be_enabled()
    cell = page.get_by_label("Value 1", exact=True)
    cell.fill("By Keys")
    expect(page.locator(TEXT)).to_have_value(re.compile("By Keys"))
    cell.press("Control+Enter")
    expect(page.locator("#status [data-state=done]")).to_contain_text("texts for By Keys")
    expect(page.locator("#run")).to_be_enabled()
    tick(page)
    page.locator("#run").click()
    expect(page.locator("#problem")).to_contain_text("Tick at least one")


def test_stop_stops_the_work(app: App, page: Page) -> None:
    page.get_by_text("Decoding and prompt settings").click()
    page.get_by_label("number input for Max new tokens").fill("200")
    page.keyboard.press("Tab")
    page.get_by_label("Beam search").check()  # the slowest there is: the tiny base is quick
    page.evaluate(STOP_AT_ONCE)
    page.locator("#run").click()
    expect(page.locator("#status [data-state=stopped]")).to_have_count(1)
    expect(page.locator("#run")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    stopped = page.locator(".pane[data-state=stopped]").first
    expect(stopped).to_contain_text("stopped early")
    assert 0 < int(re.findall(r"(\d+) tokens", stopped.inner_text())[0]) < 200
    time.sleep(0.5)
    before = _processor_seconds(app.process)
    time.sleep(1.0)
    assert _processor_seconds(app.process) - before < 0.2  # the processor is free


# Presses Stop as soon as a pane is being written: the tiny base is done before a test could.
STOP_AT_ONCE = """
new MutationObserver((_, watcher) => {
  const stop = document.querySelector("#stop");
  if (stop.disabled || !document.querySelector(".pane[data-state=writing]")) return;
  watcher.disconnect();
  stop.click();
}).observe(document.querySelector("#output"), { subtree: true, childList: true, attributes: true });
"""


def test_a_submit_during_a_run_takes_over_with_the_text_as_it_stands(page: Page) -> None:
    page.get_by_text("Decoding and prompt settings").click()
    page.get_by_label("number input for Max new tokens").fill("200")
    page.keyboard.press("Tab")
    page.get_by_label("Value 1", exact=True).fill("First")
    expect(page.locator(TEXT)).to_have_value(re.compile("First"))  # the grid was edited last
    page.evaluate(SUBMIT_AT_ONCE)
    page.locator("#run").click()
    expect(page.locator("#status [data-state=done]")).to_contain_text("texts for Second", timeout=60_000)
    expect(page.locator("#run")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()
    assert page.evaluate("window.stopWasLive")
    assert "Second" in page.locator("#status").inner_text() and page.locator(".pane[data-state=stopped]").count() == 0


# Pastes another table and presses Shift+Enter as soon as a pane is being written.
SUBMIT_AT_ONCE = """
let submitted = false;
new MutationObserver(() => {
  if (!document.querySelector(".pane[data-state=writing]")) return;
  if (submitted) { window.stopWasLive = !document.querySelector("#stop").disabled; return; }
  submitted = true;
  const text = document.querySelector("#text textarea");
  text.value = "name[Second], area[riverside]";
  text.dispatchEvent(new Event("input", { bubbles: true }));
  text.dispatchEvent(new KeyboardEvent("keypress", { key: "Enter", shiftKey: true, bubbles: true }));
}).observe(document.querySelector("#output"), { subtree: true, childList: true, attributes: true });
"""


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_html_in_a_value_is_text(page: Page) -> None:
    hostile = "<img src=x onerror='window.harmed=1'><script>window.harmed=1</script>${window.harmed=1}{{harmed}}"
    page.get_by_label("Value 1", exact=True).fill(hostile)
    expect(page.locator(TEXT)).to_have_value(re.compile("onerror"))
    run(page)
    expect(page.locator("#status")).to_contain_text("<img src=x")
    expect(page.locator(".pane").first).to_contain_text("<img src=x onerror='window.harmed=1'>")
    assert page.locator(".pane img, .pane script, #status img").count() == 0
    assert page.evaluate("window.harmed") is None


def test_sampling_shows_its_settings_and_obeys_the_seed(page: Page) -> None:
    page.get_by_text("Decoding and prompt settings").click()
    seed = page.locator("#settings").get_by_label("Seed")
    expect(seed).to_be_hidden()
    expect(page.locator("#again")).to_have_text("Run again (same text)")
    page.get_by_label("Sampling").check()
    expect(page.locator("#again")).to_have_text("Regenerate")
    outputs = []
    for number in ("7", "7", "8"):
        seed.fill(number)
        page.keyboard.press("Tab")
        run(page)
        outputs.append(page.locator(".pane[data-method=fine_tune] .output").inner_text())
    assert outputs[0] == outputs[1] != outputs[2]
    page.locator("#again").click()
    expect(page.locator("#run")).to_be_disabled()
    expect(page.locator("#run")).to_be_enabled()
    assert seed.input_value() != "8"  # another text has a seed of its own, to come back to it
    seed.fill("-1")
    page.keyboard.press("Tab")
    page.locator("#run").click()
    expect(page.locator("#status")).to_contain_text("The seed is -1")
    expect(page.locator("#run")).to_be_enabled()  # buttons come back after an error


def test_a_phone_shows_the_page_without_scrolling_sideways(phone: Page) -> None:
    phone.get_by_text("Decoding and prompt settings").click()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    paste(phone, "name[" + "W" * 200 + "], area[riverside]")
    expect(phone.locator("#grid tbody tr")).to_have_count(2)
    run(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    box = phone.locator(".pane").first.bounding_box()
    assert box is not None and box["width"] > 300


def test_two_visitors_see_only_their_own(app: App, browser: Browser, page: Page) -> None:
    paste(page, "name[Only Mine], area[riverside]")
    run(page)
    other = visit(app, browser)
    seen = next(other).inner_text("body")
    assert "Only Mine" not in seen and "Pebble & Reed" in seen
    assert next(other, None) is None
    expect(page.locator("#status")).to_contain_text("Only Mine")


def test_the_page_is_laid_out_without_torch() -> None:
    code = "import sys; import prefix_core.ui.app, prefix_core.studies.opening; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
