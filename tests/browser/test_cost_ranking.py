"""The cost ranking moved in a real browser. Its numbers are compared in ``tests/test_explorer_charts.py``."""

from __future__ import annotations

import pytest

from cnnlab.chapters.choosing.cost_ranking import CHANNELS, COST_RANKING_PRESETS, GROUPS, KERNELS, MEASURES
from cnnlab.convolutions import compare_convolutions
from cnnlab.widgets import cost_ranking
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def check_page(page, setting: tuple[int, ...], by: str) -> None:
    """The list is Python's, from the least to the most; what does not fit stands last and is said."""
    shown = page.locator(".cr-list li").evaluate_all("all => all.map((one) => [one.dataset.name, one.dataset.value])")
    c, k, kernel, size, groups, dilation, frames = setting
    shared = groups if c % groups == k % groups == 0 else 1
    rows = compare_convolutions(c, k, kernel, size, groups=shared, dilation=dilation, frames=frames, measure=False)
    wanted = {row.name: getattr(row, by) for row in rows}
    live = {name: value for name, value in shown if value}
    assert len(shown) == 13 and live.items() <= {name: str(value) for name, value in wanted.items()}.items()
    numbers = [size if value == "global" else float(value) for value in live.values()]
    assert numbers == sorted(numbers)
    said = page.get_by_role("status").inner_text()
    assert all(value or name in said for name, value in shown)


def test_presets_and_measures(opened):
    with opened(cost_ranking()) as v:
        page = v.page
        for by, label in MEASURES.items():
            page.get_by_role("button", name=label, exact=True).click()
            if by != "intensity":  # JavaScript and Python write its last digits apart
                check_page(page, (128, 128, 3, 56, 4, 2, 8), by)
        for name, preset in COST_RANKING_PRESETS.items():
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            if name != "Even kernel":
                page.get_by_role("button", name="Bytes moved").click()
                check_page(page, preset, "bytes_moved")


def test_sliders_by_keyboard_and_what_does_not_fit(opened):
    with opened(cost_ranking()) as v:
        page, said = v.page, v.page.get_by_role("status")
        set_slider(page, "C in", CHANNELS.index(96))
        set_slider(page, "groups", GROUPS.index(64))
        check_page(page, (96, 128, 3, 56, 64, 2, 8), "macs")
        assert (
            "Left out: grouped and channel shuffle, because 64 groups cannot share 96 channels in evenly."
            in said.inner_text()
        )
        with pytest.raises(ValueError, match="groups=64 does not divide in_channels=96"):
            compare_convolutions(96, 128, groups=64, measure=False)
        set_slider(page, "kernel", KERNELS.index(4))
        assert "an even kernel of 4 has no middle" in said.inner_text()
        assert page.locator(".cr-list li").last.get_attribute("class") == "cr-out"


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
