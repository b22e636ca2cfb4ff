"""The channel mixer moved in a real browser, and its numbers compared with cnnlab.convolutions.pointwise_conv2d."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cnnlab.chapters.pointwise.channel_mixer import CHANNEL_MIXES, _photo, rounded_to_64_levels
from cnnlab.convolutions import pointwise_conv2d
from cnnlab.widgets import Mix, channel_mixer
from tests.browser.pages import FRAME, PHONE, quickest_change

PHOTO = torch.from_numpy(rounded_to_64_levels(_photo())).permute(2, 0, 1)[None].double()  # (1, 3, 72, 72)
OUTPUTS = (1, 2, 3)


def mixed(weights, bias, relu: bool) -> torch.Tensor:
    """What the outputs have to be. Shape: (3, 72, 72)."""
    weight = torch.tensor(weights, dtype=torch.float64)[:, :, None, None]
    y = pointwise_conv2d(PHOTO, weight, torch.tensor(bias, dtype=torch.float64))[0]
    return y.relu() if relu else y


def shown(page) -> tuple[torch.Tensor, torch.Tensor]:
    """The pixels of the photo and of the three gray maps, as the canvases hold them: (3, H, W) each."""
    flat = page.evaluate(
        """() => [...document.querySelectorAll('canvas')].map((canvas) =>
        [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data])"""
    )
    boards = torch.tensor(flat).reshape(5, *PHOTO.shape[2:], 4)[..., :3]
    assert torch.equal(boards[2:].amin(-1), boards[2:].amax(-1))  # gray
    assert torch.equal(boards[1].permute(2, 0, 1), boards[2:, :, :, 0])  # the color picture holds the three maps
    return boards[0].permute(2, 0, 1), boards[2:, :, :, 0]


def check_page(page, weights, bias, relu: bool, show: str) -> None:
    """Every pixel, the sums of the chosen one and the sentence are what Python says."""
    y = mixed(weights, bias, relu)
    photo, maps = shown(page)
    assert torch.equal(photo.double(), PHOTO[0])
    gray = (y if show == "clipped" else 128 + y / 2).clamp(0, 255)
    assert (maps - gray).abs().max() <= 0.5 + 1e-9
    reading = page.locator("p[data-value]")
    pixel, values = json.loads(reading.get_attribute("data-value"))
    x, row = (round(float(page.locator(".cm-pick rect").get_attribute(name))) + 1 for name in "xy")
    assert f"row {row + 1}, column {x + 1}: red {pixel[0]}, green {pixel[1]}, blue {pixel[2]}" in reading.inner_text()
    assert pixel == PHOTO[0, :, row, x].tolist()
    assert values == pytest.approx(y[:, row, x].tolist(), abs=1e-9)
    said = page.get_by_role("status")
    assert int(said.get_attribute("data-rank")) == torch.linalg.matrix_rank(torch.tensor(weights).double())
    below = (mixed(weights, bias, relu=False) < 0).double().mean().item()
    assert f"{round(100 * below)} % of the outputs are below 0" in said.inner_text()
    sums = page.locator(".cm-sums > div").all_inner_texts()
    for line, total in zip(sums, mixed(weights, bias, relu=False)[:, row, x].tolist()):
        assert f"= {total:.2f}".rstrip("0").rstrip(".").replace("-", "−") in line
        assert ("→ 0" in line) == (relu and total < 0)


def test_every_mix_agrees_with_pointwise_conv2d(opened):
    with opened(channel_mixer()) as v:
        for mix in CHANNEL_MIXES:
            v.page.get_by_role("combobox", name="Mix").select_option(mix.name)
            pressed = v.page.get_by_role("button", name="ReLU").get_attribute("aria-pressed")
            assert pressed == str(mix.relu).lower()
            check_page(v.page, mix.weights, mix.bias, mix.relu, mix.show)


def test_numbers_are_edited_by_keyboard_and_slider(opened):
    with opened(channel_mixer(mixes=[Mix("Identity", ((1, 0, 0), (0, 1, 0), (0, 0, 1)))])) as v:
        page = v.page
        page.get_by_label("weight of output 1 for blue").fill("-0.75")
        weights, bias = [[1, 0, -0.75], [0, 1, 0], [0, 0, 1]], [0, 0, 0]
        check_page(page, weights, bias, False, "clipped")
        assert page.get_by_role("combobox", name="Mix").input_value() == "your own"
        drag = page.get_by_role("slider", name="the weight in the frame")
        assert drag.input_value() == "-0.75"
        drag.press("ArrowRight")
        drag.press("ArrowRight")
        assert page.get_by_label("weight of output 1 for blue").input_value() == "-0.65"
        page.get_by_label("bias of output 2").press("ArrowDown")  # by 5
        page.get_by_role("button", name="ReLU").press("Enter")
        page.get_by_role("combobox", name="Gray shows").select_option("zero as mid-gray")
        weights[0][2], bias[1] = -0.65, -5
        check_page(page, weights, bias, True, "signed")
        page.get_by_role("slider", name="the bias in the frame").press("Home")
        assert page.get_by_label("bias of output 2").input_value() == "-512"
        page.get_by_label("weight of output 3 for blue").fill("99")
        page.keyboard.press("Tab")
        assert page.get_by_label("weight of output 3 for blue").input_value() == "4"
        weights[2][2], bias[1] = 4, -512
        check_page(page, weights, bias, True, "signed")
        page.get_by_label("weight of output 3 for blue").fill("")  # nothing counts as 0
        weights[2][2] = 0
        check_page(page, weights, bias, True, "signed")


def test_a_pixel_is_chosen_by_keys_and_mouse(opened):
    mix = CHANNEL_MIXES[0]
    with opened(channel_mixer()) as v:
        page, reading = v.page, v.page.locator("p[data-value]")
        page.get_by_role("application").focus()
        before = reading.inner_text()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert reading.inner_text() != before
        check_page(page, mix.weights, mix.bias, mix.relu, mix.show)
        box = page.get_by_role("application").bounding_box()
        page.mouse.click(box["x"] + box["width"] * 10.5 / 72, box["y"] + box["height"] * 30.5 / 72)
        assert "row 31, column 11:" in reading.inner_text()
        check_page(page, mix.weights, mix.bias, mix.relu, mix.show)
        for _ in range(12):
            page.get_by_role("application").press("ArrowLeft")
        assert "row 31, column 1:" in reading.inner_text()


def test_it_says_what_a_low_rank_loses(opened):
    with opened(channel_mixer()) as v:
        page, said = v.page, v.page.get_by_role("status")
        assert "Rank 3: no color is lost; another 1 × 1 convolution could undo the mixing." in said.inner_text()
        page.get_by_role("button", name="ReLU").click()
        assert "were it not for the ReLU" in said.inner_text()
        page.get_by_role("combobox", name="Mix").select_option("Three differences")
        assert "Rank 2" in said.inner_text() and "one follows from the other two" in said.inner_text()
        page.get_by_role("combobox", name="Mix").select_option("Gray by luma")
        assert "one and the same mixture" in said.inner_text()
        for label in ("red", "green", "blue"):
            for output in OUTPUTS:
                page.get_by_label(f"weight of output {output} for {label}").fill("0")
        assert "nothing of the photo is left" in said.inner_text()


def test_it_answers_within_a_frame_and_fits_a_phone(opened):
    with opened(channel_mixer(), viewport=PHONE) as v:
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert quickest_change(v.page, "input[type=range]", [i / 4 for i in range(9)]) < FRAME


def test_other_photos_are_carried_exactly():
    pixels = np.arange(8 * 9 * 3).reshape(8, 9, 3).astype(np.uint8)
    levels = rounded_to_64_levels(pixels)
    assert len(np.unique(rounded_to_64_levels(np.arange(256, dtype=np.uint8)))) == 64
    assert levels.min() == 0 and rounded_to_64_levels(np.uint8(255)) == 255
    assert np.abs(levels.astype(int) - pixels).max() <= 3
    assert channel_mixer(pixels).params["width"] == 9


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
