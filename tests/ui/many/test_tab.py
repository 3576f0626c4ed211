"""Many inputs in a real browser: from a file to a table that is sorted, filtered, opened and taken home."""

import re
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from playwright.sync_api import Page, expect

from tests.ui.conftest import TEXT, App, paste

ROWS = ".many-table tbody tr"
DONE = "#many-status [data-state=done]"


def bring(page: Page, path: Path) -> None:
    if not page.locator("#many-file").is_visible():
        page.get_by_text("Many inputs: a file of rows").click()
    page.locator("#many-file input[type=file]").set_input_files(path)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "pubs.xlsx"
    book = Workbook()
    book.active.title = "notes"
    book.active.append(["about", "what"])
    book.active.append(["nothing", "much"])
    sheet = book.create_sheet("pubs")
    sheet.append(["name", "area", "food"])
    sheet.append(["Pomelo", "riverside", None])
    sheet.append(["<b>Anchor</b>", "city centre", "Thai"])
    sheet.append(["Quill", None, "French"])
    book.save(path)
    return path


def test_a_workbook_is_written_sorted_filtered_opened_and_taken_home(page: Page, rows: Path, tmp_path: Path) -> None:
    bring(page, rows)
    page.locator("#many-sheets").get_by_label("pubs").check()
    expect(page.locator("#many-report")).to_contain_text("sheet “pubs”, 3 rows")
    page.locator("#many-run").click()
    expect(page.locator(DONE)).to_contain_text("3 rows, each by 4 methods")
    expect(page.locator(ROWS)).to_have_count(3)
    labels = page.locator(f"{ROWS} td.input b")
    expect(labels).to_have_text(["Pomelo", "<b>Anchor</b>", "Quill"])
    page.locator(".many-table thead").get_by_role("button", name="Input").click()
    expect(labels).to_have_text(["<b>Anchor</b>", "Pomelo", "Quill"])
    page.locator(".many-table thead").get_by_role("button", name="Row").click()
    page.get_by_label("Find in inputs and texts").fill("french")
    expect(page.locator(ROWS)).to_have_count(1)
    page.get_by_label("Find in inputs and texts").fill("")
    page.get_by_label("Rows to show").select_option("right")
    expect(page.locator(".many-tools [data-count]")).to_have_text("0 of 3 rows")  # random weights say little
    page.get_by_label("Rows to show").select_option("all")

    text = page.locator(f"{ROWS} >> nth=2").locator("td").nth(1).locator("p").inner_text()
    page.get_by_role("button", name="Open row 4").click()
    expect(page.locator(TEXT)).to_have_value("name[Quill], food[French]")
    expect(page.locator("#status")).to_contain_text("4 texts for Quill")
    assert page.locator(".pane[data-method=prefix] .output").get_attribute("data-text") == text
    expect(page.locator(f"{ROWS}[aria-current]")).to_contain_text("Quill")

    with page.expect_download() as downloading:
        page.locator("#many-xlsx").click()
    downloading.value.save_as(tmp_path / "written.xlsx")
    sheet = load_workbook(tmp_path / "written.xlsx").active
    head, *lines = sheet.iter_rows(values_only=True)
    assert head[:4] == ("name", "area", "food", "prefix") and len(lines) == 3
    assert lines[2][3] == ILLEGAL_CHARACTERS_RE.sub("", text)  # a workbook cannot hold all that random weights write


def test_several_records_that_were_pasted_are_offered_as_many_inputs(page: Page) -> None:
    paste(page, "name,food\nPomelo,Thai\nQuill,French")
    expect(page.locator("#problem")).to_contain_text("These are 2 records")
    page.get_by_role("button", name="Write a text for each of the 2").click()
    expect(page.locator(DONE)).to_contain_text("2 rows, each by 4 methods")
    paste(page, "name[Pomelo]")
    expect(page.locator("#many-pasted")).to_be_hidden()


def test_rows_that_cannot_be_read_are_named_or_left_out(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes('mr,note\n"name[Café]",é\n,y\n'.encode("cp1252"))
    bring(page, path)
    expect(page.locator("#many-problem")).to_contain_text("row 3: column 'mr' is empty")
    expect(page.locator("#many-run")).to_be_hidden()
    page.get_by_role("button", name="Leave out this row").click()
    expect(page.locator("#many-run")).to_have_text("Write the row")
    expect(page.locator("#many-report")).to_contain_text("was read as Windows-1252")
    page.locator("#tasks").get_by_label(re.compile("WebNLG")).check()  # whose inputs these are not
    expect(page.locator("#many-problem")).to_contain_text("no column with the triples")
    expect(page.locator("#many-run")).to_be_hidden()


def test_file_choices_and_what_is_written_outlive_a_reload_in_the_middle(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "pubs.csv"
    path.write_text("name,area\n" + "".join(f"Pomelo {number},riverside\n" for number in range(150)))
    bring(page, path)
    page.locator("#methods").get_by_label("Fine-tuned").uncheck()
    page.locator("#many-run").click()
    expect(page.locator("#many-status")).to_contain_text(re.compile(r"Writing: [1-9]\d* of 150 rows"))
    page.reload()
    expect(page.locator("#many-report")).to_contain_text("pubs.csv")  # unfolded, too
    expect(page.locator("#many-run")).to_have_text("Write all 150 rows")
    expect(page.locator("#methods").get_by_label("Fine-tuned")).not_to_be_checked()
    expect(page.locator(DONE)).to_contain_text("150 rows, each by 3 methods")
    expect(page.locator(ROWS)).to_have_count(150)
    assert page.locator(f"{ROWS} >> nth=0").locator("td.input").inner_text().startswith("Pomelo 0")
    page.reload()  # and once more, when all is over
    expect(page.locator(DONE)).to_contain_text("150 rows, each by 3 methods")
    page.get_by_role("button", name="Open row 3", exact=True).click()
    expect(page.locator("#status")).to_contain_text("3 texts for Pomelo 1")
    with page.expect_download() as downloading:
        page.locator("#many-csv").click()
    downloading.value.save_as(tmp_path / "written.csv")
    assert len((tmp_path / "written.csv").read_text().splitlines()) >= 151


def test_rows_that_were_pasted_do_not_take_the_place_of_the_file(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "pubs.csv"
    path.write_text("name,area\nAnchor,riverside\nHeron,city centre\nLark,riverside\n")
    bring(page, path)
    paste(page, "name,food\nPomelo,Thai\nQuill,French")
    page.get_by_role("button", name="Write a text for each of the 2").click()
    expect(page.locator(DONE)).to_contain_text("2 rows, each by 4 methods")
    page.locator("#many-run").click()
    expect(page.locator(DONE)).to_contain_text("3 rows, each by 4 methods")


def test_the_table_on_a_phone_does_not_widen_the_page(phone: Page, rows: Path) -> None:
    bring(phone, rows)
    phone.locator("#many-sheets").get_by_label("pubs").check()
    phone.locator("#many-run").click()
    expect(phone.locator(DONE)).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_programs_write_many_inputs(app: App) -> None:
    client = Client(app.url, verbose=False)
    rows = ["name[Pomelo], area[riverside]", {"name": "Quill", "food": "French"}]
    found = client.predict(rows=rows, methods=["prefix", "prompt"], max_new_tokens=8, api_name="/many")
    assert found["done"] == 2 and found["rows"][1]["input"] == "name[Quill], food[French]"
    one = found["rows"][0]["outputs"]["prefix"]
    alone = client.predict(text=rows[0], methods=["prefix"], max_new_tokens=8, api_name="/compare")
    assert one["text"] == alone["outputs"][0]["text"] and one["said"] + len(one["missing"]) == 2
    steered = {"methods": ["prefix"], "max_new_tokens": 8, "strength": 4, "layers": "1"}
    many = client.predict(rows=rows, **steered, api_name="/many")
    alone = client.predict(text=rows[0], **steered, api_name="/compare")
    assert many["rows"][0]["outputs"]["prefix"]["text"] == alone["outputs"][0]["text"] != one["text"]
    for wrong, message in (
        ({"rows": []}, "1 to 200 rows"),
        ({"rows": ["name[A]", "name[B"]}, "row 2: "),
        ({"methods": ["magic"]}, "no method 'magic'"),
        ({"task": "own: theirs"}, "is not here"),
        ({"max_new_tokens": 9000}, "Max new tokens"),
        ({"strength": 9}, "The strength is 9"),
        ({"layers": "upper"}, "write them as 5-12"),
    ):
        with pytest.raises(AppError, match=message):
            client.predict(**({"rows": rows} | wrong), api_name="/many")
