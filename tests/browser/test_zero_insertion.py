"""The explorer of the transposed convolution, moved in a real browser and compared with torch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cnnlab.arithmetic import transposed_output_size
from cnnlab.chapters.transposed.zero_insertion import (
    ZERO_INSERTION_INPUT,
    ZERO_INSERTION_KERNEL,
    ZERO_INSERTION_LIMITS,
    ZERO_INSERTION_PRESETS,
)
from cnnlab.convolutions import overlap_counts
from cnnlab.widgets import zero_insertion
from tests.browser.pages import set_slider

LABELS = ("n input", "k kernel", "s stride", "p padding", "o output padding")
SETTINGS = [  # size, kernel, stride, padding, output padding
    (4, 3, 2, 1, 1), (5, 4, 2, 1, 0), (3, 2, 2, 0, 0), (3, 2, 3, 0, 2), (6, 5, 3, 4, 2),
    (1, 1, 1, 0, 0), (2, 5, 1, 2, 0), (4, 1, 3, 0, 1), (6, 5, 2, 0, 1),
]  # fmt: skip


def weights_of(name: str, kernel: int, stride: int) -> torch.Tensor:
    if name == "Ones":
        return torch.ones(kernel, kernel, dtype=torch.float64)
    if name == "Numbers":
        return torch.tensor(ZERO_INSERTION_KERNEL, dtype=torch.float64)[:kernel, :kernel]
    hat = (1 - (torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2).abs() / stride).clamp(min=0)
    return hat[:, None] * hat[None, :]


def choose(page, label: str, option: str) -> None:
    page.get_by_role("group", name=label, exact=True).get_by_role("button", name=option, exact=True).click()


def outputs(page) -> tuple[torch.Tensor, torch.Tensor]:
    """The values and the stamp counts that are drawn, each as a square."""
    cells = page.locator(".cx-result").evaluate_all("all => all.map((one) => [one.dataset.v, one.dataset.n])")
    side = round(len(cells) ** 0.5)
    numbers = [[float(part.replace("−", "-")) for part in cell] for cell in cells]
    return torch.tensor(numbers, dtype=torch.float64).T.reshape(2, side, side)


def test_it_agrees_with_torch(opened):
    with opened(zero_insertion()) as v:
        page = v.page
        for number, values in enumerate(SETTINGS):
            size, kernel, stride, padding, extra = values
            for label, to in zip(LABELS, values):
                if number < 2:
                    set_slider(page, label, to)
                else:  # faster than key by key
                    page.get_by_role("slider", name=label, exact=True).fill(str(to))
            out = transposed_output_size(size, kernel, stride, padding, extra)
            assert page.locator(".cx-out").inner_text() == str(out)
            assert f"{size} × {size} pixels become {out} × {out}." in page.get_by_role("status").inner_text()
            for name in ("Ones", "Triangle", "Numbers"):
                choose(page, "Kernel", name)
                for pixels in ("All ones", "Numbers"):
                    choose(page, "Input", pixels)
                    x = torch.tensor(ZERO_INSERTION_INPUT, dtype=torch.float64)[:size, :size]
                    x = torch.ones_like(x) if pixels == "All ones" else x
                    weight = weights_of(name, kernel, stride)[None, None]
                    expected = F.conv_transpose2d(x[None, None], weight, None, stride, padding, extra)[0, 0]
                    drawn, counts = outputs(page)
                    assert torch.allclose(drawn, expected, rtol=0, atol=1e-4)
                    if extra == 0:
                        assert torch.equal(counts.long(), overlap_counts(kernel, stride, size, padding))


@pytest.mark.parametrize("name", ZERO_INSERTION_PRESETS)
def test_it_says_what_a_flat_input_becomes(opened, name):
    *values, weights = ZERO_INSERTION_PRESETS[name]
    kernel, stride = values[1:3]
    with opened(zero_insertion()) as v:
        page = v.page
        page.get_by_role("button", name=name, exact=True).click()
        w = weights_of(weights.capitalize(), kernel, stride)
        sums = sorted({float(w[i::stride, j::stride].sum()) for i in range(stride) for j in range(stride)})
        said = page.get_by_role("status").inner_text()
        if len(sums) == 1:
            assert f"comes out flat, {sums[0]:g} everywhere inside" in said
        else:
            words = ", ".join(f"{s:g}" for s in sums[:-1]) + f" and {sums[-1]:g}"
            assert f"comes out as {words}, by turns" in said
        assert ("checkerboard" in said) == (kernel % stride != 0 and kernel > stride)
        assert ("leaves gaps" in said) == (kernel < stride)


def test_both_ways_move_by_keys_mouse_and_clock(opened):
    with opened(zero_insertion()) as v:
        page = v.page
        reading = page.locator(".cnnlab-explorer > p.cx-hint")
        assert reading.inner_text().startswith("Output row 1, column 1: 1 of the 9 taps meets a pixel")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert reading.inner_text() == (
            "Output row 2, column 2: 4 of the 9 taps meet pixels, the rest zeros. 3·1 + 0·1 + 1·1 + 2·1 = 6"
        )
        assert page.locator(".cx-hit").count() == 4
        page.locator(".cx-result").nth(2).hover()
        assert reading.inner_text().startswith("Output row 1, column 3:")
        page.mouse.move(1, 1)
        choose(page, "See it as", "Stamps")
        assert reading.inner_text().startswith(
            "Input row 1, column 1 holds 2: it adds 2 times the kernel to rows 1 to 2"
        )
        page.get_by_role("button", name="Next").click()
        assert "columns 2 to 4 of the output" in reading.inner_text()
        page.get_by_role("button", name="Back").click()
        page.get_by_role("button", name="Play").click()
        page.wait_for_function(
            "document.querySelector('.cnnlab-explorer > p.cx-hint').textContent.includes('column 3 holds 3')"
        )
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Count stamps").click()
        assert page.get_by_role("button", name="Count stamps").get_attribute("aria-pressed") == "true"


def test_sliders_keep_each_other_possible(opened):
    with opened(zero_insertion()) as v:
        page = v.page
        set_slider(page, "k kernel", 1)  # a padding of 1 would cut away pixels
        assert page.get_by_role("slider", name="p padding").input_value() == "0"
        set_slider(page, "s stride", 1)
        assert page.get_by_role("slider", name="o output padding").input_value() == "0"
        assert page.locator(".cx-out").inner_text() == "4"


def test_it_says_what_cannot_be_drawn():
    for name, (_, most) in ZERO_INSERTION_LIMITS.items():
        with pytest.raises(ValueError, match=f"{name}={most + 1}"):
            zero_insertion(**{name: most + 1})
    with pytest.raises(ValueError, match="cut away pixels"):
        zero_insertion(kernel=2, padding=2)
    with pytest.raises(ValueError, match="not below stride"):
        zero_insertion(stride=1, output_padding=1)
