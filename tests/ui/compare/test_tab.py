"""The tab "Compare" in a real browser: its cards, hints, differences, references, links."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import PATIENCE, TEXT, App, paste, run, visit

STATUS = "#status"
TRIPLES = "Blue Heron Airport : city served : Marlow | Blue Heron Airport : opened : 1931"


def choose(page: Page, title: str) -> None:
    page.locator("#tasks").get_by_label(re.compile(re.escape(title))).check()


def test_a_card_brings_its_own_examples_headings_and_methods(page: Page) -> None:
    paste(page, "name[Only Mine], area[riverside]")
    expect(page.locator("#grid tbody tr")).to_have_count(2)
    choose(page, "WebNLG")
    expect(page.locator("#grid th")).to_have_text(["subject", "relation", "object"])
    expect(page.locator("#methods label")).to_have_text(["Prompted"])
    expect(page.locator("#without")).to_contain_text("Not trained yet: Prefix-tuned, ")
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for")
    expect(page.get_by_label("Relation 1", exact=True)).not_to_have_value("")
    expect(page.get_by_role("button", name="Villa Corallo")).to_have_count(0)
    choose(page, "XSUM")
    expect(page.locator("#grid")).to_be_hidden()
    expect(page.get_by_label("The article")).to_be_visible()
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for")
    choose(page, "E2E")
    expect(page.locator(TEXT)).to_have_value("name[Only Mine], area[riverside]")  # as it was left
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("Only Mine")


def test_the_other_kind_of_input_is_named_and_comes_along(page: Page) -> None:
    paste(page, TRIPLES)
    expect(page.locator("#problem .hint")).to_contain_text("This looks like triples")
    choose(page, "WebNLG")
    expect(page.get_by_label("Object 2", exact=True)).to_have_value("1931")
    assert page.locator(TEXT).input_value() == TRIPLES
    expect(page.locator("#problem .hint")).to_have_count(0)


def test_the_keyboard_alone_chooses_types_and_runs(page: Page) -> None:
    page.locator("#tasks input:checked").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid th").first).to_have_text("subject")
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for")
    page.get_by_label("Subject 1", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("By Keys")
    expect(page.locator(TEXT)).to_have_value(re.compile("By Keys"))
    page.locator("#run").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("By Keys")
    page.get_by_role("tab", name="How it works").click()  # and so in every group of radio buttons, not the cards alone
    models = page.get_by_role("radiogroup", name="Model")
    models.get_by_label("GPT-2 medium").focus()
    page.keyboard.press("ArrowDown")
    expect(models.get_by_label("GPT-2 large")).to_be_checked()
    expect(page.locator("#calculator .costs").first).to_contain_text("774,030,080")


def test_differences_from_a_chosen_pane_and_back(page: Page) -> None:
    page.get_by_role("button", name="Harbour & Hops").click()  # a long table, so that the texts differ
    expect(page.locator("#status")).to_contain_text("texts for Harbour & Hops in")
    button = page.locator(".pane[data-method=fine_tune] [data-do=against]")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()  # though the panes were drawn anew
    expect(page.locator(".pane[data-method=prefix] ins").first).to_be_visible()
    assert page.locator(".pane[data-method=fine_tune] :is(ins, del, mark)").count() == 0
    expect(page.locator(".legend")).to_contain_text("only in Fine-tuned")
    page.keyboard.press("Enter")
    expect(page.locator(".panes ins")).to_have_count(0)


def test_a_pane_is_copied_as_it_was_written(app: App, browser: Browser) -> None:
    for page in visit(app, browser, permissions=["clipboard-read", "clipboard-write"]):
        wanted = page.locator(".pane[data-method=prompt] .output").inner_text()
        page.locator(".pane[data-method=prefix] [data-do=against]").click()
        expect(page.locator(".pane[data-method=prompt] :is(ins, del)").first).to_be_visible()
        page.get_by_label("Copy the text of Prompted").click()
        expect(page.get_by_label("Copy the text of Prompted")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == wanted


def test_what_people_wrote_is_shown_for_an_example_alone(page: Page) -> None:
    page.locator("#people summary").click()
    expect(page.locator("#people li").first).to_be_visible()
    assert page.locator("#people tbody tr").count() == 4
    paste(page, "name[Blue Spice]")
    run(page)
    expect(page.locator("#people details")).to_have_count(0)


def test_a_link_brings_back_input_task_methods_and_settings(app: App, browser: Browser, page: Page) -> None:
    choose(page, "WebNLG")
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for")
    paste(page, "Blue & Heron | city served | <b>Marlow</b>")
    page.get_by_text("Decoding and prompt settings").click()
    page.get_by_label("Sampling").check()
    page.locator("#settings").get_by_label("Seed").fill("41")
    page.keyboard.press("Tab")
    page.locator("#link").click()
    page.wait_for_url(re.compile(r"\?task=webnlg"))
    query = page.url.split("/")[-1]
    for other in visit(app, browser, query=query):
        expect(other.locator(TEXT)).to_have_value("Blue & Heron | city served | <b>Marlow</b>")
        expect(other.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for Blue & Heron")
        expect(other.locator("#tasks input:checked")).to_have_value("webnlg")
        assert other.locator("#methods input:checked").count() == 1
        other.get_by_text("Decoding and prompt settings").click()
        assert other.locator("#settings").get_by_label("Seed").input_value() == "41"


def test_a_damaged_link_is_explained(app: App, browser: Browser) -> None:
    for query, message in (
        ("?task=e2e&text=name%5BA%5D&seed=many", "The link is damaged: seed is “many”"),
        ("?task=own%3A+mine&text=a", "another visitor's, or was removed"),
    ):
        for page in visit(app, browser, query=query):
            expect(page.locator("#problem")).to_contain_text(message)


WATCH_RUN = """window.offered = [];
setInterval(() => { const run = document.querySelector("#run"); if (run) window.offered.push(!run.disabled); }, 5);"""


def test_run_is_offered_from_the_first_moment_where_nothing_is_written_yet(app: App, browser: Browser) -> None:
    """A press on a disabled button is lost, and a busy server takes seconds to let an arrival pass."""
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(WATCH_RUN)
    page.goto(app.url + "?task=e2e&text=")
    expect(page.locator("#status")).to_contain_text("Nothing is written yet", timeout=PATIENCE)
    page.wait_for_timeout(2000)  # what follows an arrival is behind it
    offered = page.evaluate("window.offered")
    assert offered and all(offered)
    context.close()


def test_three_steps_lead_to_their_tabs(page: Page) -> None:
    for name in page.locator("#steps button").all_inner_texts():
        page.locator("#steps").get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")


def test_thirty_rows_stay_in_their_box(phone: Page) -> None:
    paste(phone, ", ".join(f"attribute{n}[a value of some words, number {n}]" for n in range(30)))
    expect(phone.locator("#grid tbody tr")).to_have_count(30)
    box = phone.locator("#grid").bounding_box()
    assert box is not None and box["height"] < 450
    run(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_typed_and_chosen_outlives_a_reload(page: Page) -> None:
    paste(page, "name[Only Mine], area[riverside]")
    page.get_by_role("checkbox", name="Prompted").uncheck()
    page.get_by_text("Decoding and prompt settings").click()
    page.get_by_label("number input for Max new tokens").fill("17")
    page.keyboard.press("Tab")
    choose(page, "WebNLG")
    expect(page.locator(f"{STATUS} [data-state=done]")).to_contain_text("1 text for")
    paste(page, "A half typed")
    expect(page.locator("#problem")).to_contain_text("No triples found in")
    page.wait_for_function("sessionStorage.getItem('prefix-compare/')?.includes('A half typed')")
    page.reload()
    expect(page.locator("#tasks input:checked")).to_have_value("webnlg")
    expect(page.locator(TEXT)).to_have_value("A half typed")
    choose(page, "E2E")
    expect(page.locator(TEXT)).to_have_value("name[Only Mine], area[riverside]")
    page.get_by_role("checkbox", name="Prompted").uncheck()
    page.locator("#grid").get_by_label("Value 2").fill("")  # a row that no text can say
    page.wait_for_function("JSON.parse(sessionStorage.getItem('prefix-compare/')).drafts.e2e.edited === 'grid'")
    page.reload()
    expect(page.locator(TEXT)).to_have_value("name[Only Mine], area[riverside]")
    expect(page.locator("#grid").get_by_label("Attribute 2")).to_have_value("area")
    expect(page.locator("#grid").get_by_label("Value 2")).to_have_value("")
    expect(page.get_by_role("checkbox", name="Prompted")).not_to_be_checked()


def test_the_tab_that_was_open_opens_again(page: Page) -> None:
    page.get_by_role("tab", name="How it works").click()
    page.reload()
    expect(page.get_by_role("tab", name="How it works")).to_have_attribute("aria-selected", "true")
