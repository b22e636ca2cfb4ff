"""The dilation grid moved in a real browser, and its numbers compared with cnnlab.convolutions.grid_coverage."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from cnnlab.arithmetic import receptive_field_of
from cnnlab.chapters.dilated.dilation_grid import DILATION_GRID_PRESETS
from cnnlab.convolutions import grid_coverage
from cnnlab.widgets import dilation_grid
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def shared_with_the_neighbor(ways: torch.Tensor) -> int:
    """Pixels that an output and the next one to its right both read."""
    wide = torch.zeros(ways.shape[0], ways.shape[1] + 1, dtype=torch.bool)
    wide[:, :-1] = ways > 0
    return int((wide & wide.roll(1, 1)).sum())


def check_page(page, rates: tuple[int, ...]) -> None:
    """Everything the page says of these rates is what Python says."""
    ways = grid_coverage(3, rates)
    field = receptive_field_of((3, 1, rate) for rate in rates)[-1][0]
    read = int((ways > 0).sum())
    groups = page.locator("[data-ways]").evaluate_all(
        "all => all.map((one) => [+one.dataset.ways, +one.dataset.cells, one.getAttribute('d').split('M').length - 1])"
    )
    assert {w: n for w, n, _ in groups} == dict(Counter(ways.flatten().tolist()))
    assert all(n == drawn for _, n, drawn in groups)
    facts = page.locator(".cx-facts dd").all_text_contents()
    assert facts[0] == f"{field} × {field}" and tuple(ways.shape) == (field, field)
    assert facts[1] == f"{read:,} of {field**2:,}"
    assert facts[2] == f"{int(ways.sum()):,}"
    assert facts[3] == f"{shared_with_the_neighbor(ways):,}"
    assert facts[4] == f"{len(rates)} · 9 = {9 * len(rates)}"
    said = page.get_by_role("status").inner_text()
    if read == field**2:
        assert f"every pixel of its {field} × {field} field" in said
        assert ("exactly one path" in said) == (int(ways.max()) == 1)
    else:
        assert f"reads {read:,} of the {field**2:,} pixels" in said and f"{round(100 * read / field**2)} %" in said


def test_every_preset_agrees_with_grid_coverage(opened):
    with opened(dilation_grid()) as v:
        check_page(v.page, (2, 2, 2))
        for name, rates in DILATION_GRID_PRESETS.items():
            button = v.page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            check_page(v.page, rates)


def test_sliders_and_layers_by_keyboard(opened):
    with opened(dilation_grid((1, 2))) as v:
        page, said = v.page, v.page.get_by_role("status")
        check_page(page, (1, 2))
        for _ in range(2):
            page.get_by_role("button", name="Add a layer").press("Enter")
        assert page.get_by_role("button", name="Add a layer").is_disabled()
        check_page(page, (1, 2, 1, 1))
        for number, rate in enumerate((3, 5, 2, 9), start=1):
            set_slider(page, f"layer {number}", rate)
        check_page(page, (3, 5, 2, 9))
        assert "No rate is 1" in said.inner_text()
        for number in (1, 2, 3, 4):
            set_slider(page, f"layer {number}", 9)
        check_page(page, (9, 9, 9, 9))
        assert "multiple of 9, so the outputs form 81 grids" in said.inner_text()
        for _ in range(3):
            page.get_by_role("button", name="Remove the last").click()
        assert page.get_by_role("button", name="Remove the last").is_disabled()
        check_page(page, (9,))
        assert page.get_by_role("slider").count() == 1


def test_it_says_why_there_are_holes_and_what_neighbors_share(opened):
    with opened(dilation_grid((1, 4, 4))) as v:
        page, said = v.page, v.page.get_by_role("status")
        assert "Rate 4 steps farther than the 3 pixels that the smaller rates span" in said.inner_text()
        page.get_by_role("button", name="Same 2, 2, 2").click()
        page.get_by_role("button", name="The neighbor's pixels").click()
        assert "reads 49 pixels too; the two share none" in said.inner_text()
        assert page.locator(".dg-other").get_attribute("d").count("M") == 49
        page.get_by_role("button", name="Doubling 1, 2, 4").click()
        assert "reads 225 pixels too; the two share 210" in said.inner_text()


def test_a_pixel_is_chosen_by_keys_and_mouse(opened):
    with opened(dilation_grid()) as v:
        page, reading = v.page, v.page.locator(".dg-side .cx-hint")
        assert reading.inner_text() == (
            "Pixel 1 right: a hole. Whichever tap each layer takes, no choice of taps adds up to 1 across."
        )
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        ways = grid_coverage(3, (2, 2, 2))
        assert f"Pixel 2 right and 2 up: {int(ways[4, 8])} paths (6 × 6)." in reading.inner_text()
        box = page.get_by_role("application").bounding_box()
        cell = box["width"] / 17
        page.mouse.click(box["x"] + cell * (8 - 6 + 0.5), box["y"] + cell * (8 + 6 + 0.5))
        assert "Pixel 6 left and 6 down: 1 path (1 × 1)." in reading.inner_text()
        assert "across −6 is −2 − 2 − 2; down 6 is 2 + 2 + 2." in reading.inner_text()
        for _ in range(20):
            page.keyboard.press("ArrowDown")
        assert "outside the field" in reading.inner_text()


def test_the_largest_grid_answers_quickly_and_fits_a_phone(opened):
    with opened(dilation_grid((9, 9, 9, 9)), viewport=PHONE) as v:
        check_page(v.page, (9, 9, 9, 9))
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
