"""Parts left out of trained networks in the page: buttons, the contact sheet, and the count that goes on behind."""

from __future__ import annotations

import re

import pytest

from cnnlab import widgets
from cnnlab.results import recorded
from tests.browser.pages import PHONE, axe_violations, quickest_change

SOON = 150  # milliseconds until a change is painted; two networks answer and their maps are sorted


def counted(page, name: str) -> int:
    """How many of the 60 pictures the network has right, once they are counted."""
    text = page.get_by_text(re.compile("^Of 60 test pictures"))
    text.wait_for(timeout=30_000)
    return int(re.search(rf"{name} reads (\d+)", text.text_content())[1])


def press(page, label: str, group: str | None = None) -> None:
    within = page.get_by_role("group", name=group) if group else page
    within.get_by_role("button", name=label, exact=True).click()


def test_a_block_is_switched_off_and_all_pictures_are_counted_anew(opened):
    with opened(widgets.left_out()) as v:
        whole = {name: counted(v.page, name) for name in ("ResNet", "plain")}
        assert min(whole.values()) > 40  # of 60; 85 % of 1,000 in the record
        press(v.page, "3.3", "switch off")
        v.page.get_by_text("The others are being counted.").wait_for()
        assert v.page.get_by_role("status").text_content().startswith("Without block 3.3: ")
        without = {name: counted(v.page, name) for name in ("ResNet", "plain")}
        assert without["ResNet"] > whole["ResNet"] - 6 and without["plain"] < whole["plain"] - 25


def test_a_picture_is_chosen_on_the_sheet_and_by_name(opened):
    with opened(widgets.left_out()) as v:
        sheet = v.page.locator(".cx-photo svg").first
        picture = v.page.get_by_label("Picture")
        before = v.page.get_by_role("status").text_content()
        picture.select_option(label="Sandal 2")
        assert "labeled Sandal" in v.page.get_by_role("status").text_content() != before
        box = sheet.bounding_box()
        v.page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.9)
        assert picture.locator("option:checked").text_content() == "Ankle boot 6"


def test_without_a_kind_of_branch_anywhere_googlenet_guesses(opened):
    with opened(widgets.branch_off()) as v:
        whole = counted(v.page, "GoogLeNet")
        press(v.page, "5 × 5", "switch off")
        one = counted(v.page, "GoogLeNet")
        press(v.page, "No 5 × 5 anywhere")
        assert whole > 40 and one > 30 and counted(v.page, "GoogLeNet") < 20


def test_bits_are_taken_away_with_the_keyboard(opened):
    with opened(widgets.last_bits()) as v:
        whole = counted(v.page, "MobileNet")
        bits = v.page.get_by_role("slider", name="bits of a weight")
        bits.focus()
        for _ in range(5):
            v.page.keyboard.press("ArrowLeft")
        assert bits.input_value() == "3"
        few = counted(v.page, "MobileNet")
        press(v.page, "each output channel")
        assert few < 20 < counted(v.page, "MobileNet") < whole


@pytest.mark.parametrize("name", ["left_out", "branch_off", "last_bits"])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_on_a_phone(opened, name, mode):
    with opened(getattr(widgets, name)(), viewport=PHONE, attributes=f'data-theme="{mode}"', has_touch=True) as v:
        v.page.get_by_text(re.compile("^Of 60 test pictures")).wait_for(timeout=30_000)
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert axe_violations(v.page, ".cnnlab-explorer") == []


def test_how_soon_a_change_is_painted(opened):
    with opened(widgets.left_out()) as v:
        counted(v.page, "ResNet")
        assert quickest_change(v.page, "select", (3, 20, 41)) < SOON


def test_the_sheet_is_that_of_the_record():
    own = next(run for run in recorded("look_inside")["results"] if "pictures" in run)
    assert len(own["pictures"]["labels"]) == 60
