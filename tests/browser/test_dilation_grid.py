"""The dilation grid moved in a real browser. Its numbers are compared in ``tests/test_explorer_arithmetic.py``."""

from __future__ import annotations

from collections import Counter

import pytest

from cnnlab.convolutions import grid_coverage
from cnnlab.widgets import dilation_grid
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def check_drawn(page, rates: tuple[int, ...]) -> None:
    """The pixels that are drawn, by their paths, are those of Python."""
    groups = page.locator("[data-ways]").evaluate_all(
        "all => all.map((one) => [+one.dataset.ways, one.getAttribute('d').split('M').length - 1])"
    )
    assert dict(groups) == dict(Counter(grid_coverage(3, rates).flatten().tolist()))


def test_layers_are_added_set_and_removed(opened):
    with opened(dilation_grid((1, 2))) as v:
        page = v.page
        check_drawn(page, (1, 2))
        for _ in range(2):
            page.get_by_role("button", name="Add a layer").press("Enter")
        assert page.get_by_role("button", name="Add a layer").is_disabled()
        for number, rate in enumerate((3, 5, 2, 9), start=1):
            set_slider(page, f"layer {number}", rate)
        check_drawn(page, (3, 5, 2, 9))
        ways = grid_coverage(3, (3, 5, 2, 9))
        read, shared = (int(own.sum()) for own in (ways > 0, (ways[:, 1:] > 0) & (ways[:, :-1] > 0)))
        facts = page.locator(".cx-facts dd").all_text_contents()
        assert facts == ["39 × 39", f"{read:,} of 1,521", "6,561", f"{shared:,}", "4 · 9 = 36"]
        for _ in range(3):
            page.get_by_role("button", name="Remove the last").click()
        assert page.get_by_role("button", name="Remove the last").is_disabled()
        check_drawn(page, (3,))
        assert page.get_by_role("slider").count() == 1


def test_the_neighbor_is_drawn_and_said(opened):
    with opened(dilation_grid((2, 2, 2))) as v:
        page, said = v.page, v.page.get_by_role("status")
        page.get_by_role("button", name="The neighbor's pixels").click()
        assert "reads 49 pixels too; the two share none" in said.inner_text()
        assert page.locator(".dg-other").get_attribute("d").count("M") == 49
        page.get_by_role("button", name="Doubling 1, 2, 4").click()
        assert "reads 225 pixels too; the two share 210" in said.inner_text()


def test_a_pixel_is_chosen_by_keys_and_mouse(opened):
    with opened(dilation_grid()) as v:
        page, reading = v.page, v.page.locator(".cx-side .cx-hint")
        assert reading.inner_text().startswith("Pixel 1 right: a hole.")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert reading.inner_text().startswith("Pixel 2 right and 2 up: ")
        box = page.get_by_role("application").bounding_box()
        cell = box["width"] / 17
        page.mouse.click(box["x"] + cell * (8 - 6 + 0.5), box["y"] + cell * (8 + 6 + 0.5))
        assert reading.inner_text().startswith("Pixel 6 left and 6 down: ")
        for _ in range(20):
            page.keyboard.press("ArrowDown")
        assert "outside the field" in reading.inner_text()


def test_the_largest_grid_answers_quickly_and_fits_a_phone(opened):
    with opened(dilation_grid((9, 9, 9, 9)), viewport=PHONE) as v:
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert quickest_change(v.page, "input", range(1, 10)) < FRAME


def test_dilation_grid_says_what_is_wrong():
    for rates in ((), (1, 2, 3, 4, 5)):
        with pytest.raises(ValueError, match="give one rate for each layer, 1 to 4 of them"):
            dilation_grid(rates)
    with pytest.raises(ValueError, match=r"rates\[1\]=10 is not allowed; use a whole number from 1 to 9"):
        dilation_grid((1, 10))
    assert (
        "rates are 1, 2, 4" in dilation_grid((1, 2, 4)).alt and "reads 225 of its 225" in dilation_grid((1, 2, 4)).alt
    )
