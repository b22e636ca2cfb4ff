"""The clip's kernel moved in a real browser, and its numbers compared with cnnlab.convolutions.standard_conv3d."""

from __future__ import annotations

import pytest
import torch

from cnnlab.chapters.conv3d.clip_kernel import CLIP_DIRECTIONS, CLIP_KERNELS, CLIP_SHAPES, clip_pixels
from cnnlab.convolutions import standard_conv3d
from cnnlab.widgets import clip_kernel
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def sums(kernel: str, shape: str, direction: str) -> torch.Tensor:
    """What each place adds up to, before any division. Shape: (4, 4, 7)"""
    clip = torch.tensor(clip_pixels(shape, direction), dtype=torch.float64)[None, None]
    weight = torch.tensor(CLIP_KERNELS[kernel][0], dtype=torch.float64)[None, None]
    return standard_conv3d(clip, weight)[0, 0]


def signed(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "−")


def check_page(page, kernel: str, shape: str, direction: str) -> None:
    """Everything that the page says of this kernel on this clip is what Python says."""
    wanted = sums(kernel, shape, direction)
    cells = page.locator("[data-sum]").evaluate_all("all => all.map((one) => +one.dataset.sum)")
    assert torch.equal(torch.tensor(cells, dtype=torch.float64).reshape(wanted.shape), wanted)
    said = page.get_by_role("status").inner_text()
    assert said.startswith(f"“{kernel}” on the {shape} ")
    if not wanted.any():
        assert "nothing but zeros" in said
        return
    assert f"sums from {signed(wanted.min())} to {signed(wanted.max())}" in said
    assert f"squares add up to {int((wanted**2).sum())}." in said
    mean = float(said.partition("mean is ")[2].partition(";")[0])
    assert mean == pytest.approx(float(wanted.relu().mean()), abs=0.0051)


def test_every_kernel_and_every_clip_agree_with_conv3d(opened):
    with opened(clip_kernel()) as v:
        page = v.page
        check_page(page, "Motion to the right", "bar", "right")
        for number, kernel in enumerate(CLIP_KERNELS):
            page.get_by_role("combobox", name="Kernel").select_option(kernel)
            # Every shape with two kernels or three: each pair of all three kinds would take long and say no more.
            shape = CLIP_SHAPES[number % len(CLIP_SHAPES)]
            page.get_by_role("button", name=shape, exact=True).click()
            for direction in CLIP_DIRECTIONS:
                page.get_by_role("button", name=direction, exact=True).click()
                check_page(page, kernel, shape, direction)


def test_the_place_moves_by_sliders_keys_and_mouse(opened):
    with opened(clip_kernel("Average", "block", "left")) as v:
        page, reading = v.page, v.page.locator(".ck-read")
        wanted = sums("Average", "block", "left") / 27

        def is_at(t: int, y: int, x: int) -> None:
            assert reading.inner_text().startswith(f"Output {t + 1}, row {y + 1}, column {x + 1}.")
            assert float(reading.get_attribute("data-value")) == pytest.approx(float(wanted[t, y, x]))

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
        box = page.locator("[data-sum]").nth((2 * 4 + 1) * 7 + 3).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        is_at(2, 1, 3)
        cube = page.locator(".ck-clip .ck-0").bounding_box()  # its middle, in the first of its three frames
        page.mouse.click(cube["x"] + cube["width"] / 2, cube["y"] + cube["height"] / 2)
        is_at(1, 1, 3)


def test_the_sum_is_written_out(opened):
    with opened(clip_kernel()) as v:
        page, reading = v.page, v.page.locator(".ck-read")
        assert reading.inner_text().endswith("Frame 2: 3 · 2 = 6; Frame 3: 3 · 2 = 6; Frame 4: 3 · 2 = 6. Sum 18.")
        weights = page.locator(".ck-kernel .ck-number").all_text_contents()
        flat = torch.tensor(CLIP_KERNELS["Motion to the right"][0]).flatten().tolist()
        assert [int(w.replace("−", "-")) for w in weights] == flat
        page.get_by_role("button", name="still", exact=True).click()
        assert "Frame 2: 3 · (−1) = −3;" in reading.inner_text()
        page.get_by_role("combobox", name="Kernel").select_option("Change in time")
        assert "nothing but zeros" in page.get_by_role("status").inner_text()
        page.get_by_role("combobox", name="Kernel").select_option("Blur in time")
        set_slider(page, "column", 4)
        assert reading.inner_text().endswith("Sum 3, divided by 3: 1.")


def test_it_plays_and_pauses(opened):
    with opened(clip_kernel()) as v:
        page, reading = v.page, v.page.locator(".ck-read")
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("document.querySelector('.ck-read').textContent.includes('column 5')")
        assert reading.get_attribute("aria-live") == "off"
        page.get_by_role("button", name="Pause").click()
        assert reading.get_attribute("aria-live") == "polite"


def test_it_answers_within_a_frame_and_fits_a_phone(opened):
    with opened(clip_kernel(shape="edge"), viewport=PHONE) as v:
        check_page(v.page, "Motion to the right", "edge", "right")
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
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
