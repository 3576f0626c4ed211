"""Every tab in light and dark, checked by axe: no finding."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.ui.conftest import App, visit

RULES = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_has_a_fault(app: App, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    faults = []
    for page in visit(app, browser, color_scheme=scheme):
        page.emulate_media(reduced_motion="reduce")
        for tab in page.locator("#tabs > .tab-wrapper [role=tab]").all():
            name = tab.inner_text()
            tab.click()
            expect(tab).to_have_attribute("aria-selected", "true")
            page.wait_for_timeout(500)
            found = Axe().run(page, options=RULES).response["violations"]
            faults += [
                f"{name}: {fault['id']} ({fault['help']}): {node['html'][:160]}"
                for fault in found
                for node in fault["nodes"]
            ]
    assert faults == []
