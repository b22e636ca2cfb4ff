"""The channel mixer moved in a real browser: its canvases hold what cnnlab.convolutions.pointwise_conv2d says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnlab.chapters.pointwise.channel_mixer import CHANNEL_MIXES, _photo, rounded_to_64_levels
from cnnlab.convolutions import pointwise_conv2d
from cnnlab.widgets import Mix, channel_mixer
from tests.browser.pages import FRAME, PHONE, quickest_change

PHOTO = torch.from_numpy(rounded_to_64_levels(_photo())).permute(2, 0, 1)[None].double()  # (1, 3, 72, 72)


def check_page(page, weights, bias, relu: bool, show: str) -> None:
    """Every pixel of the five canvases, and the mark over each, are what Python says."""
    flat = page.evaluate(
        """() => [...document.querySelectorAll('canvas')].map((canvas) =>
        [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data])"""
    )
    photo, color, *maps = torch.tensor(flat).reshape(5, *PHOTO.shape[2:], 4)[..., :3]
    assert torch.equal(photo.permute(2, 0, 1).double(), PHOTO[0])
    assert all(torch.equal(own.amin(-1), own.amax(-1)) for own in maps)  # gray
    assert torch.equal(color, torch.stack([own[..., 0] for own in maps], -1))  # the color picture holds the three maps
    weight = torch.tensor(weights, dtype=torch.float64)[:, :, None, None]
    y = pointwise_conv2d(PHOTO, weight, torch.tensor(bias, dtype=torch.float64))[0]
    y = y.relu() if relu else y
    gray = (y if show == "clipped" else 128 + y / 2).clamp(0, 255)
    assert (color.permute(2, 0, 1) - gray).abs().max() <= 0.5 + 1e-9
    marks = page.locator("rect").evaluate_all(
        "all => all.map((one) => [+one.getAttribute('x'), +one.getAttribute('y')])"
    )
    assert len(marks) == 5 and all(mark == marks[0] for mark in marks)
    x, row = (int(place) + 1 for place in marks[0])
    assert f"row {row + 1}, column {x + 1}: red {int(PHOTO[0, 0, row, x])}," in page.locator("p.cx-hint").inner_text()
    for line, total in zip(page.locator(".cm-sums > div").all_inner_texts(), y[:, row, x].tolist()):
        assert f"= {total:.2f}".rstrip("0").rstrip(".").replace("-", "−") in line or (relu and line.endswith("→ 0"))


def test_a_mix_from_the_list_is_drawn(opened):
    with opened(channel_mixer()) as v:
        for mix in (CHANNEL_MIXES[-1], CHANNEL_MIXES[4]):
            v.page.get_by_role("combobox", name="Mix").select_option(mix.name)
            pressed = v.page.get_by_role("button", name="ReLU").get_attribute("aria-pressed")
            assert pressed == str(mix.relu).lower()
            check_page(v.page, mix.weights, mix.bias, mix.relu, mix.show)


def test_numbers_are_edited_by_keyboard_and_slider(opened):
    with opened(channel_mixer(mixes=[Mix("Identity", ((1, 0, 0), (0, 1, 0), (0, 0, 1)))])) as v:
        page = v.page
        page.get_by_label("weight of output 1 for blue").fill("-0.75")
        assert page.get_by_role("combobox", name="Mix").input_value() == "your own"
        drag = page.get_by_role("slider", name="the weight in the frame")
        assert drag.input_value() == "-0.75"
        drag.press("ArrowRight")
        drag.press("ArrowRight")
        assert page.get_by_label("weight of output 1 for blue").input_value() == "-0.65"
        page.get_by_label("bias of output 2").press("ArrowDown")  # by 5
        assert page.get_by_label("bias of output 2").input_value() == "-5"
        page.get_by_role("button", name="ReLU").press("Enter")
        page.get_by_role("combobox", name="Gray shows").select_option("zero as mid-gray")
        page.get_by_role("slider", name="the bias in the frame").press("Home")
        assert page.get_by_label("bias of output 2").input_value() == "-512"
        page.get_by_label("weight of output 3 for blue").fill("99")
        page.keyboard.press("Tab")
        assert page.get_by_label("weight of output 3 for blue").input_value() == "4"
        page.get_by_label("weight of output 3 for blue").fill("")  # nothing counts as 0
        check_page(page, [[1, 0, -0.65], [0, 1, 0], [0, 0, 0]], [0, -512, 0], True, "signed")


def test_a_pixel_is_chosen_by_keys_and_mouse(opened):
    with opened(channel_mixer()) as v:
        page, reading = v.page, v.page.locator("p.cx-hint")
        page.get_by_role("application").focus()
        before = reading.inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert reading.inner_text() != before
        for picture in (page.get_by_role("application"), page.locator(".cx-photo").last):
            picture.scroll_into_view_if_needed()
            box = picture.bounding_box()
            page.mouse.click(box["x"] + box["width"] * 10.5 / 72, box["y"] + box["height"] * 30.5 / 72)
            assert "row 31, column 11:" in reading.inner_text()
            for _ in range(12):
                page.get_by_role("application").press("ArrowLeft")
            assert "row 31, column 1:" in reading.inner_text()


def test_it_answers_within_a_frame(opened):
    with opened(channel_mixer(), viewport=PHONE) as v:
        assert quickest_change(v.page, "input[type=range]", [i / 4 for i in range(9)]) < FRAME


def test_other_photos_are_carried_exactly():
    pixels = np.arange(8 * 9 * 3).reshape(8, 9, 3).astype(np.uint8)
    levels = rounded_to_64_levels(pixels)
    assert len(np.unique(rounded_to_64_levels(np.arange(256, dtype=np.uint8)))) == 64
    assert levels.min() == 0 and rounded_to_64_levels(np.uint8(255)) == 255
    assert np.abs(levels.astype(int) - pixels).max() <= 3
    assert channel_mixer(pixels).params["data"]["width"] == 9


def test_channel_mixer_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"shape \(8, 8\) and type uint8; give uint8 pixels of shape \(H, W, 3\)"):
        channel_mixer(np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="Resize a large photo first"):
        channel_mixer(np.zeros((512, 512, 3), np.uint8))
    with pytest.raises(ValueError, match="mixes is empty"):
        channel_mixer(mixes=[])
    eye = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    with pytest.raises(ValueError, match="'flat' needs 3 × 3 weights and 3 biases"):
        channel_mixer(mixes=[Mix("flat", (1, 2, 3))])
    with pytest.raises(ValueError, match="weights of mix 'strong' reach 5; the sliders end at -4 and 4"):
        channel_mixer(mixes=[Mix("strong", ((5, 0, 0), *eye[1:]))])
    with pytest.raises(ValueError, match="Did you mean 'signed'"):
        channel_mixer(mixes=[Mix("odd", eye, show="sign")])
    with pytest.raises(ValueError, match="two fractions"):
        channel_mixer(at=(2, 0))
