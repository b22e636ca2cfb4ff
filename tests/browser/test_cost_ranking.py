"""The cost ranking moved in a real browser, and its numbers compared with compare_convolutions, exactly."""

from __future__ import annotations

from functools import cache

import pytest

from cnnlab.analysis import summarize
from cnnlab.chapters.choosing.cost_ranking import CHANNELS, COST_RANKING_PRESETS, GROUPS, KERNELS, MEASURES, SIZES
from cnnlab.convolutions import compare_convolutions
from cnnlab.convolutions.cost import Cost, _cost, variants
from cnnlab.meta import on_meta
from cnnlab.widgets import cost_ranking
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider

START = (128, 128, 3, 56, 4, 2, 8)
SHARE_GROUPS = ("grouped", "channel shuffle")


@cache
def counted(c: int, k: int, kernel: int, size: int, groups: int, dilation: int, frames: int) -> dict[str, Cost]:
    """The rows that fit, by name: those that share groups only if they can, an even kernel only where it may be."""
    shared = groups if c % groups == k % groups == 0 else 1
    setting = {"groups": shared, "dilation": dilation, "frames": frames}
    if kernel % 2:
        rows = {row.name: row for row in compare_convolutions(c, k, kernel, size, measure=False, **setting)}
    else:
        rows = {}
        for name, (make, shape) in variants(c, k, kernel, size, **setting).items():
            try:
                with on_meta():
                    rows[name] = _cost(name, shape, summarize(make(), (1, *shape)), None, None, 1)
            except ValueError as error:
                assert "Use an odd kernel" in str(error)
    return {name: row for name, row in rows.items() if shared == groups or name not in SHARE_GROUPS}


def check_page(page, setting: tuple[int, ...], by: str) -> dict[str, Cost]:
    """Every bar's number is Python's, in Python's order, and what does not fit stands last and is said."""
    wanted = counted(*setting)
    shown = page.locator(".cr-list li").evaluate_all("all => all.map((one) => [one.dataset.name, one.dataset.value])")
    assert len(shown) == 13
    assert {name for name, value in shown if value} == set(wanted)
    for name, value in shown[: len(wanted)]:
        number = getattr(wanted[name], by)
        same = float(value) == number if by == "intensity" else value == str(number)
        assert same, (setting, by, name, value, number)
    size = setting[3]
    numbers = [size if value == "global" else float(value) for _, value in shown[: len(wanted)]]
    assert numbers == sorted(numbers)
    said = page.get_by_role("status").inner_text()
    for name, value in shown:
        assert value or name in said
    return wanted


def test_presets_and_measures_agree_with_compare_convolutions(opened):
    with opened(cost_ranking()) as v:
        page = v.page
        check_page(page, START, "macs")
        for by, label in MEASURES.items():
            page.get_by_role("button", name=label, exact=True).click()
            check_page(page, START, by)
        for name, preset in COST_RANKING_PRESETS.items():
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            check_page(page, preset, "receptive_field")


@pytest.mark.parametrize(
    "setting",
    [(8, 16, 1, 7, 2, 3, 2), (96, 24, 11, 28, 32, 8, 16), (3, 3, 4, 32, 3, 2, 8), (1024, 1024, 11, 224, 64, 8, 32)],
)
def test_other_settings_agree(opened, setting):
    *layer, groups, dilation, frames = setting
    with opened(cost_ranking(*layer, groups=groups, dilation=dilation, frames=frames, by="bytes_moved")) as v:
        for by in ("bytes_moved", "params", "macs"):
            v.page.get_by_role("button", name=MEASURES[by], exact=True).click()
            check_page(v.page, setting, by)


def test_sliders_by_keyboard_and_what_does_not_fit(opened):
    with opened(cost_ranking()) as v:
        page, said = v.page, v.page.get_by_role("status")
        set_slider(page, "C in", CHANNELS.index(96))
        set_slider(page, "picture", SIZES.index(28))
        check_page(page, (96, 128, 3, 28, 4, 2, 8), "macs")
        assert "keep the 96 channels and cannot give 128" in said.inner_text()
        set_slider(page, "groups", GROUPS.index(64))
        check_page(page, (96, 128, 3, 28, 64, 2, 8), "macs")
        assert (
            "Left out: grouped and channel shuffle, because 64 groups cannot share 96 channels in evenly."
            in said.inner_text()
        )
        with pytest.raises(ValueError, match="groups=64 does not divide in_channels=96"):
            compare_convolutions(96, 128, groups=64, measure=False)
        set_slider(page, "kernel", KERNELS.index(4))
        check_page(page, (96, 128, 4, 28, 64, 2, 8), "macs")
        assert "an even kernel of 4 has no middle" in said.inner_text()
        assert page.locator(".cr-list li").last.get_attribute("class") == "cr-out"


def test_ratios_to_the_standard_convolution(opened):
    with opened(cost_ranking()) as v:
        page = v.page
        rows = counted(*START)

        def ratio(name: str) -> str:
            return page.locator(f'[data-name="{name}"] .cr-ratio').inner_text()

        assert ratio("standard") == "× 1" and ratio("dilated") == "same"
        assert ratio("grouped") == "÷ 4.00" and ratio("channel shuffle") == "none"
        assert ratio("depthwise separable") == f"÷ {rows['standard'].macs / rows['depthwise separable'].macs:.2f}"
        assert ratio("3D") == f"× {rows['3D'].macs / rows['standard'].macs:.1f}"
        bars = page.locator(".cr-list li").evaluate_all(
            "all => all.map((one) => parseFloat(one.querySelector('.cr-fill').style.width))"
        )
        assert all(0 <= width <= 100 for width in bars)


def test_a_name_shows_its_formula(opened):
    with opened(cost_ranking()) as v:
        page, hint = v.page, v.page.locator(".cx-hint").last
        assert "C · k² + K · C = 128 · 3² + 128 · 128 = 17,536 parameters" in hint.inner_text()
        name = page.get_by_role("button", name="(2+1)D")
        name.focus()
        page.keyboard.press("Enter")
        row = counted(*START)["(2+1)D"]
        assert (
            f"= {row.params:,} parameters; {row.macs:,} MACs for {row.bytes_moved:,} bytes moved" in hint.inner_text()
        )
        assert page.evaluate("document.activeElement.textContent") == "(2+1)D"  # the focus stays where it was


def test_it_answers_within_a_frame_and_fits_a_phone(opened):
    with opened(cost_ranking(), viewport=PHONE) as v:
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert quickest_change(v.page, "input", range(15)) < FRAME


def test_cost_ranking_says_what_is_wrong():
    with pytest.raises(ValueError, match="in_channels=100 is not offered by the sliders; choose among 3, 8"):
        cost_ranking(100)
    with pytest.raises(ValueError, match="kernel=12 is not offered"):
        cost_ranking(kernel=12)
    with pytest.raises(ValueError, match="Did you mean 'macs'"):
        cost_ranking(by="mac")
    assert "from 96 to 64 channels, kernel 5, 28 × 28" in cost_ranking(96, 64, 5, 28).alt
