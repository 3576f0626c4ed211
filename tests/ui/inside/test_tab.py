"""Look inside: what it opens on, the choices, the picture and its table; then the tab in a browser and for programs."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from prefix_core.model.base import Base
from prefix_core.studies.opening import FirstLook
from prefix_core.studies.precompute import make_first_look
from prefix_core.tasks import get_task
from prefix_core.ui.compare.runs import PageState
from prefix_core.ui.inside import plots, tab
from prefix_core.ui.inside.inspector import Inspector
from prefix_core.ui.inside.tab import Shown, coordinates, draw, offer, open_acts, open_picture
from prefix_core.ui.kept import Moment, OwnPrefix
from prefix_core.ui.loading import Loading
from prefix_core.ui.visitors import Visitor, Visitors
from tests.ui.conftest import App

CHOICE: dict[str, Any] = {"layer": 1, "part": "keys", "fit": "tokens", "bare": False}


@pytest.fixture(scope="module")
def inspector(tiny: Base, artifacts: Path) -> Inspector:
    loading = Loading(tiny.name, artifacts).start()
    loading.wait()
    return Inspector(loading, Visitors())


@pytest.fixture(scope="module")
def look(inspector: Inspector) -> FirstLook:
    made = make_first_look(inspector.loading.wait())
    assert made is not None
    return made


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


def opened(inspector: Inspector, names: list[str], had: Shown | None = None, layer: int = 1) -> list[Any]:
    *_, last = open_picture(inspector, had or Shown(), "", names, layer, "keys", "tokens", False, False)
    return list(last)


def test_shipped_and_own_prefixes_are_offered_to_their_visitor_alone(inspector: Inspector, visitor: Visitor) -> None:
    prefixes, layers = offer(inspector, visitor.token, [], 1)
    assert [name for _, name in prefixes.choices] == ["e2e", "own: <mine>"] == prefixes.value
    assert (layers.value, layers.maximum) == (1, 2)
    assert [name for _, name in offer(inspector, "another", [], 1)[0].choices] == ["e2e"]
    assert offer(inspector, visitor.token, ["own: <mine>", "gone"], 1)[0].value == ["own: <mine>"]
    assert "There is no prefix &#x27;own: &lt;mine&gt;" in picture(inspector, "", ["own: <mine>"])[0]


def test_it_opens_on_what_was_precomputed(inspector: Inspector, look: FirstLook, monkeypatch) -> None:
    monkeypatch.setattr(tab, "load_first_look", lambda *_: look)
    had = Shown()
    layer, status, plot, near = opened(inspector, ["e2e"], had)
    assert layer == 2 and f"precomputed on {look.created}" in status
    assert plot.data[2].name == "Restaurants (E2E)" and "<td>" in near
    assert opened(inspector, ["e2e"], had) == [gr.skip()] * 4  # once for each visitor
    (acts,) = open_acts(inspector, had, PageState("e2e"))
    assert "The shipped prefix of Restaurants (E2E)" in acts[0] and "precomputed on" in acts[0]
    assert acts[1] == {"places": look.places, "words": list(look.start)}
    assert list(open_acts(inspector, had, PageState("e2e"))) == [(gr.skip(), gr.skip())]


def test_without_it_the_middle_layer_is_drawn(inspector: Inspector) -> None:
    layer, status, *_ = opened(inspector, ["e2e"])
    assert layer == 2 and "Keys of layer 2 of 2" in status and "precomputed" not in status
    *_, (status, value) = open_acts(inspector, Shown(), PageState("e2e"))
    assert "There is no text written with a prefix in Compare yet" in status and not isinstance(value, list)


def test_an_own_prefix_opens_on_its_own_picture(inspector: Inspector, look: FirstLook, visitor, monkeypatch) -> None:
    monkeypatch.setattr(tab, "load_first_look", lambda *_: look)
    form = (["e2e", "own: <mine>"], 1, "keys", "tokens", False, False)
    *_, (_, status, plot, _) = open_picture(inspector, Shown(), visitor.token, *form)
    assert "precomputed" not in status and len(plot.data) == 6


@pytest.mark.parametrize("three", [False, True])
def test_the_picture_has_tokens_every_prefix_and_their_ways(
    inspector: Inspector, visitor: Visitor, three: bool
) -> None:
    status, plot, near = picture(inspector, visitor.token, ["own: <mine>", "e2e"], three, layer=2, part="values")
    assert f"Values of layer 2 of 2. These {3 if three else 2} directions keep" in status
    cloud, found, own, shipped, *lines = plot.data
    assert cloud.text[0] == plots.visible_space(inspector.space(inspector.loading.wait()).texts[0]) and found.text == ()
    assert (own.name, shipped.name) == ("&lt;mine&gt; (yours)", "Restaurants (E2E)")
    assert len(own.x) == len(own.y) == 11 and (len(own.z) == 11 if three else not hasattr(own, "z"))
    assert [len(line.x) for line in lines] == [11 * 4, 11 * 3]  # of three steps and of two, with a gap behind each
    assert near.count("<tr>") == 2 * 12 and "<mine>" not in near


def test_a_dot_carries_what_is_nearest_to_it(inspector: Inspector) -> None:
    view, _ = inspector.view("", ["e2e"], 1, "keys", "tokens", False)
    cloud, _, learned, _ = plots.plot(view, {"e2e": "E2E"}, False).data
    assert cloud.customdata[3][::2] == [near.token for near in view.near[3]]
    assert learned.customdata[0][::2] == [near.token for near in view.nearest["e2e"][0]]


def test_the_ways_end_where_the_prefixes_are(inspector: Inspector, visitor: Visitor) -> None:
    plot = picture(inspector, visitor.token, ["own: <mine>", "e2e"])[1]
    meta = plot.layout.meta
    assert [way["trace"] for way in meta["ways"]] == [2, 3] and meta["whole"] is False  # the shipped one's ends alone
    own, shipped = (way["steps"] for way in meta["ways"])
    assert [step["step"] for step in own] == [0, 2, 4] and [step["step"] for step in shipped] == [0, 5]
    for steps, trace in ((own, plot.data[2]), (shipped, plot.data[3])):
        assert steps[-1]["points"][0] == pytest.approx(trace.x, abs=2e-3)
        assert steps[0]["points"][0] != pytest.approx(trace.x, abs=2e-3)
    low, high = plot.layout.xaxis.range
    assert all(low < x < high for step in own for x in step["points"][0])
    assert picture(inspector, visitor.token, ["own: <mine>"])[1].layout.meta["whole"] is True


def test_choices_that_cannot_be_drawn_are_said_and_the_picture_stays(inspector: Inspector) -> None:
    status, plot, near = picture(inspector, "", [], fit="prefixes")
    assert "0 vectors" in status and plot == near and not isinstance(plot, str)
    assert "Keys of layer 2 of 2. " in picture(inspector, "", ["e2e"], layer=2, bare=True)[0]  # bare: layer 1 alone
    text, status = coordinates(inspector, "", ["nothing"], *CHOICE.values())
    assert text == "" and "There is no prefix" in status


def test_a_close_token_is_marked_and_so_is_a_word_it_began_as(inspector: Inspector) -> None:
    view, _ = inspector.view("", ["e2e"], 1, "keys", "tokens", False)
    near = view.nearest["e2e"][4]
    view.ways["e2e"] = replace(view.ways["e2e"], words=(view.texts[near[0].token],) * 11)
    html = plots.nearest_html(view, {"e2e": "E2E"}).partition("<table>")[2]
    distances = [each.distance for row in view.nearest["e2e"] for each in row]
    assert len(re.findall(r'class="close\b', html)) == sum(distance <= view.typical for distance in distances)
    assert len(re.findall(r'class="[a-z ]*own"', html)) == sum(
        each.token == near[0].token for row in view.nearest["e2e"] for each in row
    )
    assert f"<td>{view.ways['e2e'].moved[3]:.1f}</td>" in html


def test_a_visitor_looks_inside(page: Page) -> None:
    page.get_by_role("tab", name="Look inside").click()
    status = page.locator("#inside-status")
    expect(status).to_contain_text("Keys of layer 2 of 2", timeout=60_000)  # at once, without a button
    plot = page.locator("#space .js-plotly-plot")
    expect(plot.locator(".scatterlayer .trace").first).to_be_attached()
    page.locator("#inside-layer input[type=number]").fill("1")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Keys of layer 1 of 2", timeout=60_000)
    expect(page.get_by_label("Bare embeddings")).to_be_visible()
    page.get_by_label("Find tokens").fill("restaurant")
    expect(page.locator(".finder [data-count]")).to_have_text(re.compile(r"^\d+ of \d+ tokens$"))
    expect(plot.get_by_text("␣restaurant")).to_be_visible()
    expect(page.locator(".nearest tbody tr")).to_have_count(11)
    with page.expect_download() as download:
        page.locator("#save-coordinates").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert download.value.suggested_filename == "coordinates.csv"
    assert sum(row["kind"] == "prefix" for row in rows) == 11
    page.get_by_label("3-D").check()
    expect(status).to_contain_text("These 3 directions", timeout=60_000)


def test_a_dot_that_is_clicked_tells_its_neighbours(page: Page) -> None:
    page.get_by_role("tab", name="Look inside").click()
    plot = page.locator("#space .js-plotly-plot")
    expect(plot.locator(".scatterlayer .trace").nth(2)).to_be_attached()
    dot = "document.querySelector('#space .js-plotly-plot')"
    clicked = f"{{ customdata: {dot}.data[2].customdata[0], text: 'one' }}"
    page.evaluate(f"{dot}.emit('plotly_click', {{ points: [{clicked}] }})")
    five = re.compile(r"^Nearest to one: (\S+ \d+\.\d, ){4}\S+ \d+\.\d$")
    expect(page.locator("[data-neighbours]")).to_have_text(five)
    assert page.evaluate(f"{dot}.data[1].x.length") == 5


def test_the_way_plays_for_six_seconds_and_is_dragged(page: Page) -> None:
    page.get_by_role("tab", name="Look inside").click()
    movement = page.locator("[data-movement]")
    expect(movement.locator("output")).to_have_text("step 5 of 5")
    expect(movement.locator("[data-kept]")).to_contain_text("The steps in between were not saved")
    first = "document.querySelector('#space .js-plotly-plot').data[2].x[0]"
    end = page.evaluate(first)
    movement.get_by_label("Step of the training").focus()
    page.keyboard.press("Home")
    expect(movement.locator("output")).to_have_text("step 0 of 5")
    assert page.evaluate(first) != end
    began = page.evaluate("performance.now()")
    movement.get_by_role("button", name="Play").click()
    expect(movement.locator("output")).to_have_text("step 5 of 5")
    expect(movement.get_by_role("button", name="Play")).to_be_visible()
    assert 5_900 < page.evaluate("performance.now()") - began < 12_000
    assert page.evaluate(first) == end


def test_programs_get_the_same(app: App) -> None:
    client = Client(app.url, verbose=False)
    seen = client.predict(prefixes=["e2e"], layer=2, part="values", fit="both", api_name="/inside")
    assert (seen["layer"], seen["part"], seen["fit"]) == (2, "values", "both")
    assert len(seen["prefixes"]["e2e"]) == 11 and len(seen["variance"]) == 3 and seen["typical_distance"] > 0
    assert all(len(vector["nearest"]) == 5 and vector["moved"] > 0 for vector in seen["prefixes"]["e2e"])
    assert seen["prefixes"]["e2e"][0]["began_as"] is None  # at random
    rows = list(csv.DictReader(io.StringIO(client.predict(prefixes=["e2e"], api_name="/coordinates"))))
    assert len(rows) == len(seen["tokens"]) + 11
    for wrong, message in (
        ({"prefixes": ["xsum"]}, "There is no prefix 'xsum'"),
        ({"layer": 9}, "There is no layer 9"),
        ({"layer": "first"}, "wrong type"),
        ({"fit": "all"}, "There is no fit on 'all'"),
        ({"visitor": "guessed"}, "What you had here was deleted"),
    ):
        with pytest.raises(AppError, match=re.escape(message)):
            client.predict(**({"prefixes": ["e2e"]} | wrong), api_name="/inside")


def test_programs_ask_where_a_prefix_acts(app: App) -> None:
    client = Client(app.url, verbose=False)
    asked = {"text": "name[Blue Spice], area[riverside]", "output": "Blue Spice is near.", "api_name": "/acts"}
    places = client.predict(**asked)
    assert "".join(place["token"] or "" for place in places) == "Blue Spice is near."
    assert len(places[0]["next"]) == 5 and len(places[0]["share"]) == 2 and places[0]["divergence"] > 0
    assert all(place["divergence"] == 0 for place in client.predict(**asked, strength=0))
    for wrong, message in (
        ({"output": ""}, "the text is empty"),
        ({"task": "webnlg", "text": "a | b | c"}, "webnlg"),
        ({"task": "own: mine"}, "is not here"),
        ({"layers": "top"}, "write them as 5-12"),
    ):
        with pytest.raises(AppError, match=re.escape(message)):
            client.predict(**(asked | wrong))


def test_a_picture_is_small_enough_to_send(inspector: Inspector) -> None:
    assert len(picture(inspector, "", ["e2e"])[1].to_json()) < 300_000
