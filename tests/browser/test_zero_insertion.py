"""The transposed convolution moved in a real browser. ``tests/test_explorer_arithmetic.py`` compares it with torch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from cnnlab.chapters.transposed.zero_insertion import ZERO_INSERTION_INPUT, ZERO_INSERTION_LIMITS
from cnnlab.convolutions import overlap_counts
from cnnlab.widgets import zero_insertion
from tests.browser.pages import set_slider

LABELS = ("n input", "k kernel", "s stride", "p padding", "o output padding")


def choose(page, label: str, option: str) -> None:
    page.get_by_role("group", name=label, exact=True).get_by_role("button", name=option, exact=True).click()


def outputs(page) -> tuple[torch.Tensor, torch.Tensor]:
    """The values and the stamp counts that are drawn, each as a square."""
    cells = page.locator(".cx-result").evaluate_all("all => all.map((one) => [one.dataset.v, one.dataset.n])")
    side = round(len(cells) ** 0.5)
    numbers = [[float(part.replace("−", "-")) for part in cell] for cell in cells]
    return torch.tensor(numbers, dtype=torch.float64).T.reshape(2, side, side)


def test_sliders_draw_what_torch_says(opened):
    with opened(zero_insertion()) as v:
        page = v.page
        for label, to in zip(LABELS, (5, 4, 2, 1, 0)):
            set_slider(page, label, to)
        assert page.locator(".cx-out").inner_text() == "10"
        choose(page, "Kernel", "Ones")
        choose(page, "Input", "Numbers")
        x = torch.tensor(ZERO_INSERTION_INPUT, dtype=torch.float64)[:5, :5]
        expected = F.conv_transpose2d(x[None, None], torch.ones(1, 1, 4, 4, dtype=torch.float64), None, 2, 1)[0, 0]
        drawn, counts = outputs(page)
        assert torch.equal(drawn, expected)
        assert torch.equal(counts.long(), overlap_counts(4, 2, 5, 1))


def test_both_ways_move_by_keys_mouse_and_clock(opened):
    with opened(zero_insertion()) as v:
        page = v.page
        reading = page.locator(".cnnlab-explorer > p.cx-hint")
        assert reading.inner_text().startswith("Output row 1, column 1: 1 of the 9 taps meets a pixel")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert reading.inner_text().startswith("Output row 2, column 2: 4 of the 9 taps meet pixels")
        assert page.locator(".cx-hit").count() == 4
        page.locator(".cx-result").nth(2).hover()
        assert reading.inner_text().startswith("Output row 1, column 3:")
        page.mouse.move(1, 1)
        choose(page, "See it as", "Stamps")
        assert reading.inner_text().startswith("Input row 1, column 1 holds 2: ")
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
