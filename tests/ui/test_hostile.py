"""HTML, SVG and Markdown in a visitor's rows, names and files: text, in every place where they are shown."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.ui.conftest import PATIENCE, TEXT, run
from tests.ui.many.test_tab import DONE, ROWS, bring
from tests.ui.train.test_tab import bring_rows, shorten, start

NAME = "<img src=x onerror='window.harmed=1'>*b*"
SVG = "<svg onload='window.harmed=1'>"
CELL = f"{NAME} {SVG} [l](javascript:window.harmed=1) ${{window.harmed=1}}"


def calm(page: Page) -> None:
    """Nothing of it has become a part of the page, and none of it ran."""
    made = "img[src='x'], svg[onload], [href^='javascript:']"
    assert page.locator(made).count() == 0, page.locator(made).first.evaluate("found => found.parentNode.outerHTML")
    assert page.evaluate("window.harmed") is None


def test_what_looks_like_html_is_text_wherever_it_is_shown(page: Page, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"  # Gradio leaves such letters out of a file's name
    rows.write_text(f'"{SVG}",text\n' + "".join(f'"{CELL} {n}","{CELL} {n}"\n' for n in range(24)), encoding="utf-8")
    page.get_by_role("tab", name="Train", exact=True).click()
    bring_rows(page, rows)
    expect(page.locator(".preview")).to_contain_text(CELL)
    expect(page.locator("#training-report")).to_contain_text(SVG)
    shorten(page)
    start(page)
    expect(page.locator(".sample")).to_have_count(3, timeout=PATIENCE)
    expect(page.locator(".sample").first).to_contain_text(CELL)
    expect(page.locator("#training-status [data-state=done]")).to_be_visible(timeout=PATIENCE)
    page.locator("#training-name input, #training-name textarea").first.fill(NAME)
    page.locator("#training-rename").click()
    expect(page.locator("#training-own")).to_contain_text(NAME)
    calm(page)

    page.locator("#training-use").click()
    card = page.locator("#tasks label", has_text=NAME)
    expect(card).to_contain_text(SVG)  # the column's name
    chips = page.locator("#examples button:visible")
    expect(chips.first).to_contain_text("<img src=x")
    chips.first.click()
    expect(page.locator("#people")).to_contain_text(CELL)
    page.locator(TEXT).fill(CELL)
    run(page)
    expect(page.locator("#status [data-state=done]")).to_contain_text("<img src=x")
    calm(page)

    path = tmp_path / "many.csv"
    path.write_text(f'"{SVG}",note\n' + f'"{CELL}",x\n' * 3, encoding="utf-8")
    bring(page, path)
    expect(page.locator("#many-report")).to_contain_text(SVG)
    page.locator("#many-run").click()
    expect(page.locator(DONE)).to_contain_text("3 rows")
    expect(page.locator(f"{ROWS} td.input").first).to_contain_text("<img src=x")
    page.get_by_role("button", name="Open row 2").click()
    expect(page.locator(TEXT)).to_have_value(re.compile("onerror"))
    calm(page)
    page.locator("#many-file").get_by_label("Clear", exact=True).first.click()
    path.write_text(f'"{CELL} looks like data."\n"{CELL}"\n', encoding="utf-8")
    bring(page, path)
    expect(page.locator("#many-problem")).to_contain_text(f"“{CELL[:20]}")
    calm(page)

    page.get_by_role("tab", name="Train", exact=True).click()
    page.locator("#training-inside").click()
    expect(page.locator("#inside .status[data-state=done]").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#inside")).to_contain_text(NAME)
    page.get_by_role("tab", name="One batch", exact=True).click()
    expect(page.get_by_text(NAME).locator("visible=true").first).to_be_visible()
    calm(page)
