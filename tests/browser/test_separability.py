"""The separability explorer moved in a real browser. Its numbers are compared in ``tests/test_explorer_charts.py``."""

from __future__ import annotations

import pytest

from cnnlab.chapters.spatial_separable.separability import SEPARABILITY_PRESETS, SEPARABILITY_TURNED, turned
from cnnlab.widgets import separability
from tests.browser.pages import FRAME, PHONE, quickest_change


def fields(page) -> list[float]:
    return page.get_by_role("spinbutton").evaluate_all("all => all.map((one) => +one.value)")


def painted(page) -> list[list[int]]:
    """The gray of both photos."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.sp-photo canvas')].map((one) =>
        [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data].filter((_, i) => i % 4 === 0))"""
    )


def keep(page, terms: int) -> None:
    page.get_by_role("slider", name="r terms kept").fill(str(terms))


def test_a_preset_is_drawn_and_its_terms_are_kept(opened):
    with opened(separability()) as v:
        page = v.page
        whole, part = painted(page)
        assert whole == part and len(set(whole)) > 100  # Sobel is one term
        page.get_by_role("button", name="Cross 5 × 5").click()
        assert fields(page) == [value for row in SEPARABILITY_PRESETS["Cross 5 × 5"] for value in row]
        assert page.locator(".sp-term").count() == 5 and page.locator(".sp-term svg").count() == 2
        whole, part = painted(page)
        assert whole != part and len(whole) == 60 * 60
        keep(page, 2)  # both terms of the cross: the same photo again
        assert max(abs(a - b) for a, b in zip(*painted(page))) <= 1
        assert page.locator(".sp-off").count() == 3


def test_kernels_turned_by_keyboard(opened):
    with opened(separability()) as v:
        page = v.page
        angle = page.get_by_role("slider", name="angle")
        assert angle.is_hidden()
        for name in SEPARABILITY_TURNED:
            page.get_by_role("button", name=name, exact=True).press("Enter")
            angle.focus()
            page.keyboard.press("Home")
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            shown = [value for row in turned(name, 10) for value in row]
            assert fields(page) == pytest.approx(shown, abs=0.0051)


def test_a_kernel_is_typed_and_cleared(opened):
    with opened(separability(), viewport=PHONE) as v:
        page = v.page
        page.get_by_role("button", name="Cross 5 × 5").click()
        assert page.get_by_role("spinbutton").count() == 25
        page.get_by_role("button", name="Clear").click()
        assert "rank 0, nothing to take apart" in page.get_by_role("status").inner_text()
        for i, j, value in ((0, 1, 2.5), (4, 4, -3), (2, 1, 1), (2, 4, 7)):
            page.get_by_label(f"weight, row {i + 1}, column {j + 1}").fill(str(value))
        page.get_by_label("weight, row 1, column 2").press("ArrowUp")
        page.get_by_label("weight, row 5, column 5").fill("")  # emptied: counts as 0, breaks nothing
        assert page.get_by_role("status").inner_text().startswith("Rank 2")
        assert [(place, value) for place, value in enumerate(fields(page)) if value] == [(1, 3.5), (11, 1), (14, 7)]
        assert page.locator('button[aria-pressed="true"]').count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        first = page.locator(".sp-term").first.get_by_role("img").get_attribute("aria-label")
        assert first.startswith("Term 1: the column ")


def test_an_update_is_quick(opened):
    with opened(separability()) as v:
        v.page.get_by_role("button", name="Gabor").click()
        assert quickest_change(v.page, "input[type=range]", range(0, 90, 10), index=-1) < FRAME


def test_separability_says_what_is_wrong():
    with pytest.raises(ValueError, match="shape 4 × 4; the explorer draws 3 × 3 and 5 × 5"):
        separability([[0] * 4] * 4)
    with pytest.raises(ValueError, match="the shape 3 × 2"):
        separability([[0, 1]] * 3)
    with pytest.raises(ValueError, match=r"kernel holds 100.0; use weights from -99 to 99"):
        separability([[100, 0, 0]] * 3)
    with pytest.raises(ValueError, match="terms=4 is not allowed; use a whole number from 1 to 3"):
        separability(terms=4)
