"""The cost ranking moved in a real browser. Its numbers are compared in ``tests/test_explorer_charts.py``."""

from __future__ import annotations

import pytest

from cnnlab.chapters.choosing.cost_ranking import CHANNELS, GROUPS, KERNELS, MEASURES
from cnnlab.widgets import cost_ranking
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def check_order(page, fitting: int = 13) -> None:
    """From the least to the most; what does not fit stands last, says so, and is named."""
    shown = page.locator(".cr-list li").evaluate_all("all => all.map((one) => [one.dataset.name, one.dataset.value])")
    numbers = [224 if value == "global" else float(value) for _, value in shown[:fitting]]
    assert len(shown) == 13 and numbers == sorted(numbers)
    said = page.get_by_role("status").inner_text()
    assert all(value is None and name in said for name, value in shown[fitting:])
    classes = page.locator(".cr-list li").evaluate_all("all => all.map((one) => one.className)")
    assert classes == [""] * fitting + ["cr-out"] * (13 - fitting)


def test_every_measure_sorts_the_list(opened):
    with opened(cost_ranking()) as v:
        for label in MEASURES.values():
            v.page.get_by_role("button", name=label, exact=True).click()
            check_order(v.page)


def test_sliders_by_keyboard_and_what_does_not_fit(opened):
    with opened(cost_ranking()) as v:
        page = v.page
        set_slider(page, "C in", CHANNELS.index(96))
        set_slider(page, "groups", GROUPS.index(64))
        assert "Left out: grouped and channel shuffle" in page.get_by_role("status").inner_text()
        set_slider(page, "kernel", KERNELS.index(4))
        assert "an even kernel of 4 has no middle" in page.get_by_role("status").inner_text()


def test_a_name_shows_its_formula(opened):
    with opened(cost_ranking()) as v:
        page, hint = v.page, v.page.locator(".cx-hint").last
        assert "C · k² + K · C = 128 · 3² + 128 · 128 = 17,536 parameters" in hint.inner_text()
        page.get_by_role("button", name="(2+1)D").press("Enter")
        assert hint.inner_text().startswith("(2+1)D: M · C · k² + K · M · k = ")
        assert page.evaluate("document.activeElement.textContent") == "(2+1)D"  # the focus stays where it was


def test_it_answers_within_a_frame_and_fits_a_phone(opened):
    with opened(cost_ranking(), viewport=PHONE) as v:
        assert quickest_change(v.page, "input", range(15)) < FRAME
        v.page.get_by_role("button", name="First layer").click()  # one number of 12.8 million
        for label in MEASURES.values():
            v.page.get_by_role("button", name=label, exact=True).click()
            assert v.page.locator(".cr-list *").evaluate_all(
                "all => all.every((one) => one.scrollWidth <= one.clientWidth + 1)"
            )
            assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_cost_ranking_says_what_is_wrong():
    with pytest.raises(ValueError, match="in_channels=100 is not offered; choose among 3, 8"):
        cost_ranking(100)
    with pytest.raises(ValueError, match="kernel=12 is not offered"):
        cost_ranking(kernel=12)
    with pytest.raises(ValueError, match="Did you mean 'macs'"):
        cost_ranking(by="mac")
    assert "from 96 to 64 channels, kernel 5, 28 × 28" in cost_ranking(96, 64, 5, 28).alt
