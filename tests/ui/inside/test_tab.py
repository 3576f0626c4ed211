"""Look inside: the choices, the picture and its table; then the tab in a browser and for programs."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from prefix_core.model.base import Base
from prefix_core.tasks import get_task
from prefix_core.ui.inside import plots
from prefix_core.ui.inside.tab import Inspector, coordinates, draw, offer
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Moment, OwnPrefix, Visitor, Visitors
from tests.ui.conftest import App

CHOICE: dict[str, Any] = {"layer": "1", "part": "keys", "fit": "tokens", "bare": False}


@pytest.fixture(scope="module")
def inspector(tiny: Base, artifacts: Path) -> Inspector:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return Inspector(loading, Visitors())


@pytest.fixture
def visitor(inspector: Inspector) -> Iterator[Visitor]:
    """One with a prefix of their own, on its way from zero to the shipped one."""
    visitor = inspector.visitors.visit()
    task = get_task("e2e")
    steered = inspector.loading.wait().steer(task, "prefix", 0)
    prefix = steered.prefix
    assert prefix is not None
    moments = tuple(Moment(step, step / 4 * prefix.keys, step / 4 * prefix.values) for step in (0, 2, 4))
    visitor.prefixes["<mine>"] = OwnPrefix("<mine>", task, None, steered, moments)  # type: ignore[arg-type]
    yield visitor
    inspector.visitors.forget(visitor.token)


def picture(
    inspector: Inspector, token: str, names: list[str], three: bool = False, **changes: Any
) -> tuple[Any, Any, Any]:
    *_, last = draw(inspector, token, names, *(CHOICE | changes).values(), three)
    return list(last)


def test_shipped_and_own_prefixes_are_offered_to_their_visitor_alone(inspector: Inspector, visitor: Visitor) -> None:
    prefixes, layers = offer(inspector, visitor.token, [])
    assert [name for _, name in prefixes.choices] == ["e2e", "own: <mine>"] == prefixes.value
    assert [name for _, name in layers.choices] == ["1", "2"]
    assert [name for _, name in offer(inspector, "another", [])[0].choices] == ["e2e"]
    assert offer(inspector, visitor.token, ["own: <mine>", "gone"])[0].value == ["own: <mine>"]
    assert "There is no prefix &#x27;own: &lt;mine&gt;" in picture(inspector, "", ["own: <mine>"])[0]


@pytest.mark.parametrize("three", [False, True])
def test_the_picture_has_tokens_and_every_prefix(inspector: Inspector, visitor: Visitor, three: bool) -> None:
    status, plot, near = picture(inspector, visitor.token, ["own: <mine>", "e2e"], three, layer="2", part="values")
    assert f"Values of layer 2 of 2. These {3 if three else 2} directions keep" in status
    cloud, found, shipped, own = plot.data
    assert cloud.text[0] == plots.visible_space(inspector.space(inspector.loading.wait()).texts[0]) and found.text == ()
    assert (shipped.name, own.name) == ("Restaurants (E2E)", "&lt;mine&gt; (yours)")  # the moving one on top
    assert len(own.x) == len(own.y) == 11 and (len(own.z) == 11 if three else not hasattr(own, "z"))
    assert near.count("<tr>") == 2 * 12 and "<mine>" not in near


def test_the_way_of_an_own_prefix_ends_where_it_is(inspector: Inspector, visitor: Visitor) -> None:
    plot = picture(inspector, visitor.token, ["own: <mine>"])[1]
    assert plot.layout.meta["trace"] == 2
    steps = plot.layout.meta["steps"]
    assert [step["step"] for step in steps] == [0, 2, 4]
    assert steps[-1]["points"][0] == pytest.approx(plot.data[2].x, abs=1e-3)
    assert steps[0]["points"][0] != pytest.approx(plot.data[2].x, abs=1e-3)
    low, high = plot.layout.xaxis.range
    assert all(low < x < high for step in steps for x in step["points"][0])
    assert picture(inspector, visitor.token, ["e2e"])[1].layout.meta is None


def test_choices_that_cannot_be_drawn_are_said_and_the_picture_stays(inspector: Inspector) -> None:
    status, plot, near = picture(inspector, "", [], fit="prefixes")
    assert "0 vectors" in status and plot == near and not isinstance(plot, str)
    assert "Keys of layer 2 of 2. " in picture(inspector, "", ["e2e"], layer="2", bare=True)[0]  # bare: layer 1 alone
    text, status = coordinates(inspector, "", ["nothing"], *CHOICE.values())
    assert text == "" and "There is no prefix" in status


def test_a_close_token_is_marked(inspector: Inspector) -> None:
    view, _ = inspector.view("", ["e2e"], 1, "keys", "tokens", False)
    html = plots.nearest_html(view, {"e2e": "E2E"})
    distances = [near.distance for row in view.nearest["e2e"] for near in row]
    assert html.count('class="close"') == sum(distance <= view.typical for distance in distances)
    assert f"<b>{view.typical:.1f}</b>" in html


def test_a_visitor_looks_inside(page: Page) -> None:
    page.get_by_role("tab", name="Look inside").click()
    expect(page.get_by_role("checkbox", name="Restaurants (E2E)")).to_be_checked(timeout=60_000)
    assert page.locator("#space .js-plotly-plot").count() == 0  # not before it is asked for
    page.locator("#look").click()
    status = page.locator("#inside .status")
    expect(status).to_contain_text("Keys of layer 1 of 2", timeout=60_000)
    plot = page.locator("#space .js-plotly-plot")
    expect(plot.locator(".scatterlayer .trace").first).to_be_attached()
    page.locator("#inside-layer").get_by_label("2", exact=True).check()
    expect(status).to_contain_text("Keys of layer 2 of 2", timeout=60_000)
    page.get_by_label("Find tokens").fill("restaurant")
    expect(page.locator("[data-count]")).to_have_text(re.compile(r"^\d+ of \d+ tokens$"))
    expect(plot.get_by_text("␣restaurant")).to_be_visible()
    expect(page.locator(".nearest tbody tr")).to_have_count(11)
    with page.expect_download() as download:
        page.locator("#save-coordinates").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert download.value.suggested_filename == "coordinates.csv"
    assert sum(row["kind"] == "prefix" for row in rows) == 11
    page.get_by_label("3-D").check()
    expect(status).to_contain_text("These 3 directions", timeout=60_000)


def test_programs_get_the_same(app: App) -> None:
    client = Client(app.url, verbose=False)
    seen = client.predict(prefixes=["e2e"], layer=2, part="values", fit="both", api_name="/inside")
    assert (seen["layer"], seen["part"], seen["fit"]) == (2, "values", "both")
    assert len(seen["prefixes"]["e2e"]) == 11 and len(seen["variance"]) == 3 and seen["typical_distance"] > 0
    assert all(len(vector["nearest"]) == 5 for vector in seen["prefixes"]["e2e"])
    rows = list(csv.DictReader(io.StringIO(client.predict(prefixes=["e2e"], api_name="/coordinates"))))
    assert len(rows) == len(seen["tokens"]) + 11
    for wrong, message in (
        ({"prefixes": ["xsum"]}, "There is no prefix 'xsum'"),
        ({"layer": 9}, "There is no layer 9"),
        ({"layer": "first"}, "wrong type"),
        ({"fit": "all"}, "There is no fit on 'all'"),
        ({"visitor": "guessed"}, "What you had here was removed"),
    ):
        with pytest.raises(AppError, match=re.escape(message)):
            client.predict(**({"prefixes": ["e2e"]} | wrong), api_name="/inside")


def test_a_picture_is_small_enough_to_send(inspector: Inspector) -> None:
    assert len(picture(inspector, "", ["e2e"])[1].to_json()) < 300_000
