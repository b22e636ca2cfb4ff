"""The separability explorer moved in a real browser. Its numbers are compared in ``tests/test_explorer_charts.py``."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cnnlab.chapters.spatial_separable.separability import SEPARABILITY_PRESETS, SEPARABILITY_TURNED, _photo, turned
from cnnlab.convolutions import is_separable
from cnnlab.widgets import separability
from tests.browser.pages import FRAME, PHONE, quickest_change


def check_page(page, kernel, terms: int = 1) -> None:
    """What the page says of this kernel, the weights in its fields and its two photos are what Python gives."""
    kernel = torch.as_tensor(kernel, dtype=torch.float64)
    u, sigma, v = torch.linalg.svd(kernel)
    rank = int(torch.linalg.matrix_rank(kernel, rtol=1e-6))
    fields = page.get_by_role("spinbutton").evaluate_all("all => all.map((one) => +one.value)")
    assert torch.allclose(torch.tensor(fields).double(), kernel.flatten(), atol=0.0051)
    text = page.get_by_role("status").inner_text()
    assert text.startswith("Rank 1: the kernel is one column") == is_separable(kernel)
    assert f"take {2 * len(kernel) * min(terms, rank)} multiplications" in text
    assert page.locator(".sp-term").count() == len(kernel) and page.locator(".sp-term svg").count() == rank
    x = torch.tensor(_photo(), dtype=torch.float64)[None, None]
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('.sp-photo canvas')].map((one) =>
        [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data].filter((_, i) => i % 4 === 0))"""
    )
    kept = (u[:, :terms] * sigma[:terms]) @ v[:terms]
    if terms < rank and sigma[terms] > 0.999 * sigma[terms - 1]:  # the best terms are not unique
        drawn = drawn[:1]
    for weights, gray in zip((kernel, kept), drawn):
        y = F.conv2d(x, weights[None, None])[0, 0] / kernel.abs().sum()
        y = (128 + 2 * y if (kernel < 0).any() else y).clamp(0, 255)
        assert (torch.tensor(gray).reshape(y.shape) - y).abs().max() <= 0.5 + 1e-4


def keep(page, terms: int) -> None:
    page.get_by_role("slider", name="r terms kept").fill(str(terms))


def test_every_preset_agrees_with_the_svd(opened):
    with opened(separability()) as v:
        page = v.page
        check_page(page, SEPARABILITY_PRESETS["Sobel"])
        for name, kernel in SEPARABILITY_PRESETS.items():
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            check_page(page, kernel)
        keep(page, 2)
        check_page(page, kernel, 2)
        assert page.locator(".sp-off").count() == 3


def test_kernels_turned_by_keyboard(opened):
    with opened(separability()) as v:
        page = v.page
        angle = page.get_by_role("slider", name="angle")
        assert angle.is_hidden()
        for name in SEPARABILITY_TURNED:
            page.get_by_role("button", name=name, exact=True).press("Enter")
            angle.focus()
            page.keyboard.press("Home")
            check_page(page, turned(name, 0))
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            check_page(page, turned(name, 10))
        assert [is_separable(torch.tensor(turned(name, 45))) for name in SEPARABILITY_TURNED] == [True, False, False]
        assert all(is_separable(torch.tensor(turned(name, 0))) for name in SEPARABILITY_TURNED)


def test_a_kernel_is_typed_and_cleared(opened):
    with opened(separability(), viewport=PHONE) as v:
        page = v.page
        page.get_by_role("button", name="Cross 5 × 5").click()
        assert page.get_by_role("spinbutton").count() == 25
        page.get_by_role("button", name="Clear").click()
        assert "rank 0, nothing to take apart" in page.get_by_role("status").inner_text()
        kernel = torch.zeros(5, 5, dtype=torch.float64)
        for i, j, value in ((0, 1, 2.5), (4, 4, -3), (2, 1, 1), (2, 4, 7)):
            page.get_by_label(f"weight, row {i + 1}, column {j + 1}").fill(str(value))
            kernel[i, j] = value
        check_page(page, kernel)
        page.get_by_label("weight, row 1, column 2").press("ArrowUp")
        kernel[0, 1] += 1
        keep(page, 2)
        check_page(page, kernel, 2)
        page.get_by_label("weight, row 5, column 5").fill("")  # emptied: counts as 0, breaks nothing
        kernel[4, 4] = 0
        check_page(page, kernel, 2)
        assert page.locator('button[aria-pressed="true"]').count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        first = page.locator(".sp-term").first.get_by_role("img").get_attribute("aria-label")
        assert first.startswith("Term 1: the column ")


def test_an_update_is_quick(opened):
    with opened(separability()) as v:
        v.page.get_by_role("button", name="Gabor").click()
        assert quickest_change(v.page, "input[type=range]", range(0, 90, 10), index=-1) < FRAME


def test_separability_says_what_is_wrong():
    with pytest.raises(ValueError, match="shape 4 × 4; the explorer draws 3 × 3 and 5 × 5"):
        separability([[0] * 4] * 4)
    with pytest.raises(ValueError, match="the shape 3 × 2"):
        separability([[0, 1]] * 3)
    with pytest.raises(ValueError, match=r"kernel holds 100.0; use weights from -99 to 99"):
        separability([[100, 0, 0]] * 3)
    with pytest.raises(ValueError, match="terms=4 is not allowed; use a whole number from 1 to 3"):
        separability(terms=4)
