"""The tab "Train" in a real browser, and its endpoints: from rows to a prefix taken home and brought back."""

import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from openpyxl import Workbook
from playwright.sync_api import Browser, Page, expect

from prefix_core.places import ASSETS
from tests.ui.conftest import TEXT, App, listen, run

SAMPLE = ASSETS / "examples" / "training_sample.csv"
PATIENCE = 240_000  # milliseconds: a process has to start, on whatever machine this is
expect.set_options(timeout=60_000)
PLAN = "39 texts to learn from, 1 to start from, 12 inputs held out"


@pytest.fixture
def page(app: App, browser: Browser) -> Iterator[Page]:
    yield from open_tab(app, browser)


def open_tab(app: App, browser: Browser, width: int = 1280, blocked: bool = False) -> Iterator[Page]:
    """A new visitor, looking at the tab."""
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_default_timeout(60_000)
    if blocked:
        context.add_init_script(
            "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
        )
    page = context.new_page()
    faults: list[str] = []
    listen(page, faults)
    show(page, app)
    yield page
    assert faults == []
    context.close()


def show(page: Page, app: App) -> None:
    page.goto(app.url)
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#train")).to_be_enabled()


def bring_rows(page: Page, path: Path) -> None:
    page.locator("#training-file input[type=file]").set_input_files(path)


FOLDED = "Start, length, epochs, learning rate"


def shorten(page: Page, epochs: int = 2) -> None:
    page.get_by_text(FOLDED).click()
    field = page.locator("#training-epochs input")
    field.fill(str(epochs))
    field.press("Tab")


def start(page: Page) -> None:
    page.locator("#train").click()
    expect(page.locator("#train")).to_be_disabled()
    expect(page.locator("#training-stop")).to_be_enabled()


def test_from_a_csv_to_a_prefix_taken_home_and_brought_back(
    app: App, browser: Browser, page: Page, tmp_path: Path
) -> None:
    bring_rows(page, SAMPLE)
    expect(page.locator("#training-plan")).to_contain_text(PLAN)
    expect(page.locator(".preview tbody tr")).to_have_count(5)
    page.get_by_label("Race it against fine-tuning").check()
    shorten(page)
    expect(page.locator("#training-plan")).to_contain_text("10 + 10 steps of 8 texts")
    expect(page.locator("#training-plan")).to_contain_text("on this machine")
    start(page)
    expect(page.locator(".sample")).to_have_count(3, timeout=PATIENCE)
    expect(page.locator("#training-status [data-state=done]")).to_contain_text(
        "saved as “training_sample”", timeout=PATIENCE
    )
    expect(page.locator("#train")).to_be_enabled()
    expect(page.locator("#training-stop")).to_be_disabled()
    expect(page.locator("#training-plot .js-plotly-plot")).to_be_visible()
    rows = page.locator("#training-table tbody th")
    assert [text.split("\n")[0] for text in rows.all_inner_texts()] == [
        "Before training", "Prefix-tuned", "Fine-tuned", "Prompted",
    ]  # fmt: skip
    expect(page.locator("#training-own")).to_contain_text("training_sample")
    with page.expect_download() as downloading:
        page.locator("#training-download").click()
    taken = tmp_path / "mine.zip"
    downloading.value.save_as(taken)
    with zipfile.ZipFile(taken) as packed:
        assert {Path(name).name for name in packed.namelist()} == {
            "README.md", "adapter_config.json", "adapter_model.safetensors", "card.json",
        }  # fmt: skip
    page.locator("#training-use").click()
    expect(page.locator("#tasks input:checked")).to_have_value("own: training_sample")
    look_at_its_card(page)
    page.get_by_role("tab", name="Train", exact=True).click()
    watch_it_move(page)

    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#training-name input, #training-name textarea").first.fill("pirates")
    page.locator("#training-rename").click()
    expect(page.locator("#training-own")).to_contain_text("pirates")
    page.reload()
    expect(page.locator("#tasks label", has_text="pirates")).to_contain_text("yours")
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#training-own")).to_contain_text("pirates")

    later = open_tab(app, browser)
    other = next(later)
    for tab in ("Compare", "Look inside", "One batch"):  # nobody else's, wherever prefixes are chosen
        other.get_by_role("tab", name=tab, exact=True).click()
        expect(other.get_by_text("Restaurants (E2E)").locator("visible=true").first).to_be_visible()
        assert "pirates" not in other.locator("body").inner_text()
    other.get_by_role("tab", name="Train", exact=True).click()
    expect(other.locator("#training-own")).to_be_hidden()
    other.locator("#training-bring input[type=file]").set_input_files(taken)
    expect(other.locator("#training-own")).to_contain_text("mine")
    other.locator("#training-use").click()  # and it is compared there like any other
    expect(other.locator("#tasks input:checked")).to_have_value("own: mine")
    other.locator(TEXT).fill("name : The Wooden Leg | kind : tavern")
    run(other)
    expect(other.locator("#status [data-state=done]")).to_be_visible()
    expect(other.locator(".pane[data-method=own]").first).to_contain_text(re.compile(r"\w"))
    other.get_by_role("tab", name="Train", exact=True).click()
    other.locator("#training-delete").click()
    expect(other.locator("#training-own")).to_be_hidden()
    broken = tmp_path / "broken.zip"
    broken.write_bytes(taken.read_bytes()[:-200])
    other.locator("#training-bring input[type=file]").set_input_files(broken)
    expect(other.locator("#training-brought")).to_contain_text("not a readable zip file")
    assert next(later, None) is None


def look_at_its_card(page: Page) -> None:
    """It says what it was trained for: fields to fill, held-out rows to click, how its input is written."""
    expect(page.locator("#tasks label", has_text="training_sample")).to_contain_text("yours · name, kind, food, area")
    expect(page.locator("#grid tbody tr")).to_have_count(6)
    expect(page.locator("#grid").get_by_label("Column 1", exact=True)).to_have_value("name")
    expect(page.locator("#grid").get_by_label("Column 1", exact=True)).to_have_attribute("readonly", "")
    expect(page.locator("#grid [data-do=add]")).to_be_hidden()
    expect(page.locator("#input")).to_contain_text("As the model reads it: name : {name} | kind : {kind}")
    chips = page.locator("#examples button:visible")
    expect(chips).to_have_count(6)
    chips.first.click()
    chip = chips.first.inner_text()
    expect(page.locator("#grid").get_by_label("Cell 1", exact=True)).to_have_value(chip)
    expect(page.locator("#people")).to_contain_text("What people wrote")  # the text of that row
    page.locator("#grid").get_by_label("Cell 1", exact=True).fill("The Blue Parrot")
    expect(page.locator(TEXT)).to_have_value(re.compile(r"^name : The Blue Parrot \| kind : "))
    page.locator(TEXT).fill("Blue Heron Airport : city served : Marlow | Blue Heron Airport : opened : 1931")
    expect(page.locator("#problem .hint")).to_contain_text("not written like the inputs in the training data")
    expect(page.locator("#problem")).not_to_contain_text("WebNLG")


def watch_it_move(page: Page) -> None:
    """From the trained prefix to its picture, where Play shows the way it went, beside a shipped one's."""
    plot = "document.querySelector('#space .js-plotly-plot')"
    place = f"{plot}.data[{plot}.layout.meta.ways.at(-1).trace].x[0]"
    page.locator("#training-inside").click()
    done = page.locator("#inside .status[data-state=done]", has_text="Keys of layer")
    expect(done).to_contain_text("tokens", timeout=PATIENCE)
    way = page.locator("[data-movement]")
    expect(way.locator("output")).to_have_text("100% of each training")
    there = page.evaluate(place)
    way.locator("input").fill("0")
    expect(way.locator("output")).to_have_text("0% of each training")
    assert page.evaluate(place) != there
    way.get_by_role("button", name="Play").click()
    expect(way.locator("output")).to_have_text("100% of each training")
    expect(way.get_by_role("button", name="Play")).to_be_visible()
    assert abs(page.evaluate(place) - there) < 0.01


def test_a_run_is_found_again_after_a_reload_then_stopped_and_removed(app: App, page: Page) -> None:
    page.locator("#training-sample").click()
    expect(page.locator("#training-plan")).to_contain_text(PLAN)
    shorten(page, epochs=100)  # the run must not end before it is stopped
    start(page)
    expect(page.locator("#training-status")).to_contain_text("step", timeout=PATIENCE)
    show_again = time.monotonic()
    page.get_by_role("tab", name="Compare", exact=True).click()
    page.reload()
    expect(page.get_by_role("tab", name="Train", exact=True)).to_have_attribute("aria-selected", "true")  # it is on
    expect(page.locator("#training-status")).to_contain_text(re.compile(r"step \d+ of 488"))
    expect(page.locator("#train")).to_be_disabled()
    assert time.monotonic() - show_again < 60
    expect(page.locator("#training-rows textarea")).to_have_value(SAMPLE.read_text())  # the rows are found again, too
    expect(page.locator("#training-plan")).to_contain_text(PLAN)
    page.locator("#training-stop").click()  # at once: on a busy machine the run may end before the page has settled
    expect(page.locator("#training-status [data-state=stopped]")).to_contain_text("Stopped after")
    expect(page.locator("#train")).to_be_enabled()
    # At once again: the page may be drawing the end of the training, and must not show it after that.
    page.locator("#training-forget").click()
    expect(page.locator("#training-status")).to_contain_text("Everything of yours was deleted")
    page.wait_for_timeout(1_500)
    expect(page.locator("#training-status")).to_contain_text("Everything of yours was deleted", timeout=1)
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#training-status")).to_contain_text("Nothing is being trained")
    expect(page.locator("#training-own")).to_be_hidden()
    assert page.locator("#training-rows textarea").input_value() == ""


def test_what_is_chosen_outlives_a_reload_until_the_visitor_removes_it(page: Page) -> None:
    def fields() -> list[str]:
        numbers = ("#training-rate input", "#training-epochs input")
        texts = ("#training-template textarea", "#training-words textarea", *numbers)
        ticked = page.locator("#training input:checked").evaluate_all("all => all.map((box) => box.value)")
        return [*(page.locator(text).input_value() for text in texts if page.locator(text).count()), *ticked]

    def open_settings() -> None:
        page.get_by_text(FOLDED).click()
        expect(page.locator("#training-rate input")).to_be_visible()

    open_settings()
    expect(page.locator("#training-epochs input")).to_have_value("")  # nothing was chosen here before
    at_first = fields()
    page.locator("#training-sample").click()
    expect(page.locator("#training-plan")).to_contain_text(PLAN)
    page.get_by_label("food", exact=True).first.uncheck()
    expect(page.locator("#training-template textarea")).not_to_have_value(re.compile("food"))
    page.locator("#training-template textarea").fill("{name}, {area}: ")
    page.get_by_label("Race it against fine-tuning").check()
    page.get_by_label("words, as in the paper").check()
    page.locator("#training-words textarea").fill("my own words")
    page.locator("#training-epochs input").fill("7")
    page.locator("#training-rate input").fill("0.004")
    page.locator("#training-rate input").press("Tab")
    expect(page.locator("#training-plan")).to_contain_text("35 + 35 steps of 8 texts, learning rate 0.004")
    page.wait_for_function("sessionStorage.getItem('prefix-choices/')?.includes('0.004')")
    chosen = fields()
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#training-plan")).to_contain_text("35 + 35 steps of 8 texts, learning rate 0.004")
    open_settings()
    assert fields() == chosen
    page.locator("#training-forget").click()
    expect(page.locator("#training-status")).to_contain_text("Everything of yours was deleted")
    expect(page.locator("#training-words textarea")).to_have_value("table-to-text:")
    page.wait_for_function("sessionStorage.getItem('prefix-choices/') === ''")
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    open_settings()
    assert fields() == at_first
    page.locator("#training-sample").click()
    expect(page.locator("#training-plan")).to_contain_text(PLAN)
    assert "food" in page.locator("#training-template textarea").input_value()


def test_a_file_and_what_was_answered_to_it_outlive_a_reload(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("name,text\n" + "".join(f"a{row},b{row}\n" for row in range(12)) + "c,\n")
    bring_rows(page, path)
    page.get_by_role("button", name="Leave out this row").click()
    expect(page.locator("#training-plan")).to_contain_text("texts to learn from")
    plan = page.locator("#training-plan").inner_text()
    page.reload()
    page.get_by_role("tab", name="Train", exact=True).click()
    expect(page.locator("#training-report")).to_contain_text("mine.csv")
    expect(page.locator("#training-plan")).to_contain_text(plan)
    page.locator("#training-forget").click()
    expect(page.locator("#training-status")).to_contain_text("Everything of yours was deleted")
    expect(page.locator("#training-report details")).to_have_count(0)


def test_hostile_rows_are_answered_and_html_is_text(page: Page, tmp_path: Path) -> None:
    def refuse(name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        bring_rows(page, tmp_path / name)
        expect(page.locator("#training-problem")).to_contain_text(message)
        page.get_by_label("Clear", exact=True).first.click()
        expect(page.locator("#training-problem p")).to_have_count(0)

    refuse("one.csv", b"only\n1\n2\n", "only one column")
    refuse("binary.csv", bytes(range(256)) * 40, "binary file")
    refuse("many.csv", b"input,text\n" + b"a,b\n" * 10_000, "more than 500 rows")
    refuse("empty.csv", b"input,text\n" + b"a,b\n" * 5 + b"c,\n" + b"d,e\n" * 6, "row 7: column 'text'")
    hostile = "<img src=x onerror='window.harmed=1'>"
    lines = [f'"{hostile}{{x}} {n}","{hostile} {n}"' for n in range(12)]
    page.locator("#training-rows textarea").fill(f"{hostile},text\n" + "\n".join(lines))
    expect(page.locator(".preview")).to_contain_text(hostile)
    assert page.locator("#training img").count() == 0 and page.evaluate("window.harmed") is None
    page.locator("#training-rows textarea").fill("")
    page.locator("#train").click()
    expect(page.locator("#training-problem")).to_contain_text("There are no rows yet")
    expect(page.locator("#train")).to_be_enabled()


def test_a_file_of_100_mb_is_refused(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(b"input,text\n" + b"a,b\n" * 25_000_000)
    bring_rows(page, large)
    expect(page.get_by_text("exceed the maximum allowed size of 24.0 Mb").first).to_be_visible()
    expect(page.locator("#train")).to_be_enabled()
    expect(page.locator(".preview")).to_have_count(0)
    page.get_by_label("Clear", exact=True).first.click()
    bring_rows(page, SAMPLE)
    expect(page.locator("#training-plan")).to_contain_text(PLAN)


def test_where_reading_stops_its_visitor_is_asked(page: Page, tmp_path: Path) -> None:
    """Two sheets with rows: which one; too many rows: the first; rows without a text: leave them out."""
    book = Workbook()
    for name, count in (("Inns", 600), ("Pubs", 20)):
        sheet = book.create_sheet(name)
        sheet.append(("mr", "ref"))
        for n in range(count):
            sheet.append((f"name[{name} {n}], area[quay]", "" if n % 10 == 3 else f"{name} {n} is on the quay."))
    del book["Sheet"]
    book.save(tmp_path / "two.xlsx")
    bring_rows(page, tmp_path / "two.xlsx")
    problem = page.locator("#training-problem")
    page.get_by_label("Inns").check()
    expect(problem).to_contain_text("more than 500 rows")
    page.get_by_role("button", name="Use the first 500").click()
    page.get_by_label("Pubs").check()
    page.get_by_role("button", name="Leave out these 2 rows").click()
    expect(page.locator("#training-plan")).to_contain_text("texts to learn from")
    expect(problem).to_be_empty()
    expect(page.locator("#training-report")).to_contain_text("two.xlsx: workbook, sheet “Pubs”, 20 rows")


def test_where_the_browser_stores_nothing_it_works_with_a_word(app: App, browser: Browser) -> None:
    for page in open_tab(app, browser, blocked=True):
        expect(page.locator("#forgetful")).to_contain_text("does not let this page store anything")
        page.locator("#training-sample").click()
        expect(page.locator("#training-plan")).to_contain_text(PLAN)


def test_a_phone_shows_the_tab_without_scrolling_sideways(app: App, browser: Browser) -> None:
    for page in open_tab(app, browser, width=390):
        page.locator("#training-sample").click()
        expect(page.locator(".preview tbody tr")).to_have_count(5)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_programs_are_refused_with_reasons(app: App) -> None:
    client = Client(app.url, verbose=False)
    for call, message in (
        (lambda: client.predict("guessed", api_name="/prefixes"), "was deleted"),
        (lambda: client.predict("guessed", api_name="/stop_training"), "was deleted"),
        (lambda: client.predict("guessed", "x", api_name="/download"), "was deleted"),
        (lambda: client.predict(rows="a,b\n1,2", api_name="/train"), "at least 10"),
        (lambda: client.predict(rows=SAMPLE.read_text(), prefix_length=999, api_name="/train"), "from 1 to 100"),
        (lambda: client.predict(rows=SAMPLE.read_text(), pace="slow", api_name="/train"), "no pace 'slow'"),
        (lambda: client.predict(rows=SAMPLE.read_text(), inputs=["nothing"], api_name="/train"), "no column 'nothing'"),
    ):
        with pytest.raises(AppError, match=re.escape(message)):
            call()
