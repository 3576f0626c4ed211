"""Every tab in light and dark, as it opens and with everything used on it, checked by axe: no finding."""

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import App, visit

RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_has_a_fault(app: App, browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("name,area\nPomelo,riverside\nQuill,\n")
    faults: list[str] = []
    for page in visit(app, browser, color_scheme=scheme):
        page.emulate_media(reduced_motion="reduce")
        for tab in page.locator("#tabs > .tab-wrapper [role=tab]").all():
            name = tab.inner_text()
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            page.wait_for_timeout(500)
            faults += findings(page, name)
            if use(page, name, rows):
                faults += findings(page, f"{name}, used")
    assert faults == []


def findings(page: Page, where: str) -> list[str]:
    found = Axe().run(page, options=RULES).response["violations"]
    nodes = [(fault, node) for fault in found for node in fault["nodes"]]
    return [f"{where}: {fault['id']} ({fault['help']}): {node['html'][:160]}" for fault, node in nodes]


def use(page: Page, name: str, rows: Path) -> bool:
    """Do what the tab is for; returns whether it shows more now."""
    if name == "Compare":
        page.get_by_text("Many inputs: a file of rows").click()
        page.locator("#many-file input[type=file]").set_input_files(rows)
        page.locator("#many-run").click()
        expect(page.locator("#many-status [data-state=done]")).to_be_visible()
        expect(page.locator("#many-run")).to_be_enabled()
    elif name == "Train":
        page.locator("#training-sample").click()
        expect(page.locator(".preview table")).to_be_visible()
    elif name == "Look inside":
        page.locator("#explain").click()
        expect(page.locator(".acts-text button").last).to_be_visible()
    elif name == "One batch":
        page.locator("#batch-run").click()
        expect(page.locator("#batch .costs")).to_be_visible()
        expect(page.locator("#batch-run")).to_be_enabled()
    elif name == "Evidence":
        for fold in page.locator(".finding:visible button", has_text="Plot and numbers").all():
            fold.click()
    else:
        return False
    page.wait_for_timeout(700)  # a button's colour fades as it comes back
    return True
