"""The clip's kernel moved in a real browser: it draws what cnnlab.convolutions.standard_conv3d says."""

from __future__ import annotations

import pytest
import torch

from cnnlab.chapters.conv3d.clip_kernel import CLIP_KERNELS, clip_pixels
from cnnlab.convolutions import standard_conv3d
from cnnlab.widgets import clip_kernel
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def check_page(page, kernel: str, shape: str, direction: str) -> None:
    """The output frames hold what Python says, with the chosen place in its frame."""
    clip = torch.tensor(clip_pixels(shape, direction), dtype=torch.float64)[None, None]
    weight = torch.tensor(CLIP_KERNELS[kernel][0], dtype=torch.float64)
    wanted = standard_conv3d(clip, weight[None, None])[0, 0]  # (4, 4, 7)
    cells = (
        page.get_by_role("application")
        .locator("rect[data-value]")
        .evaluate_all("all => all.map((one) => +one.dataset.value)")
    )
    assert cells == wanted.flatten().tolist()
    weights = page.locator(".ck-kernel .ck-number").all_text_contents()
    assert [int(w.replace("−", "-")) for w in weights] == weight.flatten().tolist()
    assert page.get_by_role("status").inner_text().startswith(f"“{kernel}” on the {shape} ")


def test_a_kernel_and_a_clip_are_chosen(opened):
    with opened(clip_kernel()) as v:
        v.page.get_by_role("combobox", name="Kernel").select_option("Blur in time")
        v.page.get_by_role("button", name="edge", exact=True).click()
        v.page.get_by_role("button", name="left", exact=True).click()
        check_page(v.page, "Blur in time", "edge", "left")


def test_the_place_moves_by_sliders_keys_and_mouse(opened):
    with opened(clip_kernel("Average", "block", "left")) as v:
        page, reading = v.page, v.page.locator("p.cx-hint")

        def is_at(t: int, y: int, x: int) -> None:
            assert reading.inner_text().startswith(f"Output {t + 1}, row {y + 1}, column {x + 1}.")

        is_at(1, 1, 2)
        for name, value in (("time", 3), ("row", 2), ("column", 5)):
            set_slider(page, name, value)
        is_at(2, 1, 4)
        page.get_by_role("application").focus()
        for key in ("ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
            page.keyboard.press(key)
        is_at(1, 2, 5)
        for _ in range(9):
            page.keyboard.press("ArrowRight")
            page.keyboard.press("Shift+ArrowRight")
        is_at(3, 2, 6)
        box = page.get_by_role("application").locator("rect[data-value]").nth((2 * 4 + 1) * 7 + 3).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        is_at(2, 1, 3)
        cube = page.locator(".ck-cube").first.bounding_box()  # its middle, in the first of its three frames
        page.mouse.click(cube["x"] + cube["width"] / 2, cube["y"] + cube["height"] / 2)
        is_at(1, 1, 3)


def test_it_plays_and_pauses(opened):
    with opened(clip_kernel()) as v:
        page, reading = v.page, v.page.locator("p.cx-hint")
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("document.querySelector('p.cx-hint').textContent.includes('column 5')")
        assert reading.get_attribute("aria-live") == "off"
        page.get_by_role("button", name="Pause").click()
        assert reading.get_attribute("aria-live") == "polite"


def test_it_answers_within_a_frame(opened):
    with opened(clip_kernel(shape="edge"), viewport=PHONE) as v:
        assert quickest_change(v.page, "select", range(7)) < FRAME


def test_clip_kernel_says_what_is_wrong():
    with pytest.raises(ValueError, match="Did you mean 'Motion to the right'"):
        clip_kernel("Motion to right")
    with pytest.raises(ValueError, match="shape='star'"):
        clip_kernel(shape="star")
    with pytest.raises(ValueError, match="direction='up'"):
        clip_kernel(direction="up")
    assert (
        "moves to the left" in clip_kernel(direction="left").alt
        and "stands still" in clip_kernel(direction="still").alt
    )
