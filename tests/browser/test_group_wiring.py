"""The wiring of groups moved in a real browser. Its numbers are compared in ``tests/test_explorer_views.py``."""

from __future__ import annotations

import pytest

from cnnlab.chapters.grouped.group_wiring import GROUP_WIRING_PRESETS
from cnnlab.convolutions import connections
from cnnlab.widgets import group_wiring
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider
from tests.test_explorer_views import paths


def check_drawn(page, channels: int, groups: int, layers: int, shuffle: bool, layer: int, channel: int) -> None:
    """As many wires as there are weights, and the paths to the chosen channel."""
    row = paths(channels, groups, layer, shuffle)[channel]
    drawn = page.locator("[data-row='0']").evaluate_all("all => all.map((one) => +one.dataset.ways)")
    assert drawn == row.tolist()
    wires = page.locator("[data-wires]").evaluate_all("all => all.map((one) => +one.dataset.wires)")
    assert sum(wires) == layers * int(connections(channels, channels, groups).sum())
    assert page.locator("p.cx-hint").inner_text().startswith(f"Channel {channel} of layer {layer}:")


def test_sliders_channels_and_shuffle_by_keyboard(opened):
    with opened(group_wiring(8, 2, 1)) as v:
        page = v.page
        page.get_by_role("button", name="Shuffle between layers").press("Enter")
        set_slider(page, "layers", 3)
        set_slider(page, "groups", 2)  # the third divisor of 8
        assert page.get_by_role("slider", name="groups").get_attribute("aria-valuetext") == "4"
        check_drawn(page, 8, 4, 3, True, 3, 0)
        page.get_by_role("button", name="12", exact=True).click()  # 4 groups divide 12 as well
        check_drawn(page, 12, 4, 3, True, 3, 0)
        assert page.locator("dd").all_inner_texts() == ["3 · 12 · 3 = 108", "432", "12 of 12", "27", "1"]


def test_a_channel_is_chosen_by_keys_and_mouse(opened):
    with opened(group_wiring(12, 3, 2, True)) as v:
        page = v.page
        page.get_by_role("application").focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        check_drawn(page, 12, 3, 2, True, 2, 5)
        page.keyboard.press("ArrowUp")
        check_drawn(page, 12, 3, 2, True, 1, 5)
        page.keyboard.press("ArrowUp")  # there is nothing above the first layer to trace
        check_drawn(page, 12, 3, 2, True, 1, 5)
        dot = page.locator('[data-row="3"][data-channel="11"]').bounding_box()
        page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
        check_drawn(page, 12, 3, 2, True, 2, 11)


def test_the_fullest_wiring_answers_quickly(opened):
    with opened(group_wiring(16, 1, 4, True), viewport=PHONE) as v:
        assert quickest_change(v.page, "input", range(5)) < FRAME


def test_group_wiring_says_what_is_wrong():
    with pytest.raises(ValueError, match="channels=10 is not offered; choose among 8, 12, 16"):
        group_wiring(10)
    with pytest.raises(ValueError, match="groups=5 does not divide channels=12; choose among 1, 2, 3, 4, 6, 12"):
        group_wiring(12, 5)
    with pytest.raises(ValueError, match="layers=5 is not allowed; use a whole number from 1 to 4"):
        group_wiring(layers=5)
    for preset in GROUP_WIRING_PRESETS.values():
        seen = int((paths(*preset)[0] > 0).sum())
        assert f"{seen} of the {preset[0]} inputs reach the first output" in group_wiring(*preset).alt
