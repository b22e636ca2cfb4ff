"""The wiring of groups and shuffle moved in a real browser, and its numbers compared with cnnlab.convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cnnlab.chapters.grouped.group_wiring import GROUP_WIRING_PRESETS
from cnnlab.convolutions import connections, shuffled_order
from cnnlab.widgets import group_wiring
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def paths(channels: int, groups: int, layers: int, shuffle: bool) -> Tensor:
    """Ways from every input to every output. Shape: (outputs, inputs)."""
    layer = connections(channels, channels, groups).long()
    ways = layer
    for _ in range(layers - 1):
        ways = layer @ (ways[shuffled_order(channels, groups)] if shuffle else ways)
    return ways


def separate_networks(ways: Tensor) -> int:
    """Sets of channels that share no path, as blocks of the transitive closure."""
    joined = (ways.T @ ways > 0).double()  # two inputs with a common output
    closure = torch.linalg.matrix_power(joined, len(joined)) > 0
    return len({tuple(row) for row in closure.tolist()})


def check_page(page, channels: int, groups: int, layers: int, shuffle: bool, chosen: tuple[int, int]) -> None:
    """Everything the page says of this wiring and of the chosen (layer, channel) is what Python says."""
    layer, channel = chosen
    every = paths(channels, groups, layers, shuffle)
    row = paths(channels, groups, layer, shuffle)[channel]
    drawn = page.locator("[data-row]").evaluate_all(
        "all => all.map((one) => [+one.dataset.row, +one.dataset.channel, +one.dataset.ways])"
    )
    inputs = [(c, ways) for at, c, ways in drawn if at == 0]
    assert inputs == list(enumerate(row.tolist()))
    if shuffle and layers > 1:
        assert [c for at, c, _ in drawn if at == 2] == shuffled_order(channels, groups)
    wires = page.locator("[data-wires]").evaluate_all("all => all.map((one) => +one.dataset.wires)")
    assert sum(wires) == layers * int(connections(channels, channels, groups).sum())
    facts = page.locator(".gw-facts dd").all_text_contents()
    weights = layers * channels * channels // groups
    seen = int((row > 0).sum())
    assert facts[0].endswith(f"= {weights:,}")
    assert facts[1] == f"{layers * channels**2:,}"
    assert facts[2] == f"{seen} of {channels}"
    assert facts[3] == f"{int(row.sum()):,}"
    assert facts[4] == str(separate_networks(every))
    reading = page.locator(".gw-side .cx-hint").inner_text()
    assert f"Channel {channel} of layer {layer}:" in reading and f"along {int(row.sum())} path" in reading
    said = page.get_by_role("status").inner_text()
    assert ("Everything reaches everything" in said) == (bool((every > 0).all()) and groups > 1)
    assert ("separate networks" in said) == (not shuffle and 1 < groups < channels)


def test_every_preset_agrees_with_connections(opened):
    with opened(group_wiring()) as v:
        check_page(v.page, 12, 3, 2, False, (2, 0))
        for name, preset in GROUP_WIRING_PRESETS.items():
            button = v.page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            check_page(v.page, *preset, (preset[2], 0))


def test_sliders_channels_and_shuffle_by_keyboard(opened):
    with opened(group_wiring(8, 2, 1)) as v:
        page, said = v.page, v.page.get_by_role("status")
        check_page(page, 8, 2, 1, False, (1, 0))
        page.get_by_role("button", name="Shuffle between layers").press("Enter")
        check_page(page, 8, 2, 1, True, (1, 0))
        assert "it takes a second one to matter" in said.inner_text()
        set_slider(page, "layers", 3)
        check_page(page, 8, 2, 3, True, (3, 0))
        set_slider(page, "groups", 2)  # the third divisor of 8
        assert page.get_by_role("slider", name="groups").get_attribute("aria-valuetext") == "4"
        check_page(page, 8, 4, 3, True, (3, 0))
        page.get_by_role("button", name="12", exact=True).click()  # 4 groups divide 12 as well
        check_page(page, 12, 4, 3, True, (3, 0))
        page.get_by_role("button", name="16", exact=True).click()
        set_slider(page, "groups", 3)
        set_slider(page, "layers", 2)
        check_page(page, 16, 8, 2, True, (2, 0))
        assert "so it takes 4 layers" in said.inner_text()
        set_slider(page, "groups", 4)
        assert "shuffling groups of one moves nothing" in said.inner_text()
        set_slider(page, "groups", 0)
        assert "an ordinary convolution" in said.inner_text()


def test_the_layers_that_it_asks_for_are_those_that_it_takes():
    for channels in (8, 12, 16):
        for groups in (n for n in range(2, channels) if channels % n == 0):
            members, needed = channels // groups, 1
            while members**needed < channels:
                needed += 1
            assert bool((paths(channels, groups, needed, True) > 0).all())
            assert not (paths(channels, groups, needed - 1, True) > 0).all() if needed > 1 else True
            for layers in range(1, needed + 1):  # every output sees as many
                seen = (paths(channels, groups, layers, True) > 0).sum(1)
                assert seen.unique().tolist() == [min(channels, members**layers)]


def test_a_channel_is_chosen_by_keys_and_mouse(opened):
    with opened(group_wiring(12, 3, 2, True)) as v:
        page = v.page
        page.get_by_role("application").focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        check_page(page, 12, 3, 2, True, (2, 5))
        page.keyboard.press("ArrowUp")
        check_page(page, 12, 3, 2, True, (1, 5))
        page.keyboard.press("ArrowUp")  # there is nothing above the first layer to trace
        check_page(page, 12, 3, 2, True, (1, 5))
        dot = page.locator('[data-row="3"][data-channel="11"]').bounding_box()
        page.mouse.click(dot["x"] + dot["width"] / 2, dot["y"] + dot["height"] / 2)
        check_page(page, 12, 3, 2, True, (2, 11))


def test_the_fullest_wiring_answers_quickly_and_fits_a_phone(opened):
    with opened(group_wiring(16, 1, 4, True), viewport=PHONE) as v:
        check_page(v.page, 16, 1, 4, True, (4, 0))
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
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
