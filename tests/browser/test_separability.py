"""The separability explorer moved in a real browser, its decomposition compared with torch's and cnnlab's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cnnlab.chapters.spatial_separable.separability import SEPARABILITY_PRESETS, SEPARABILITY_TURNED, _photo, turned
from cnnlab.convolutions import best_rank1, is_separable
from cnnlab.widgets import separability
from tests.browser.pages import FRAME, PHONE, quickest_change


def numbers(text: str) -> torch.Tensor:
    return torch.tensor([float(part) for part in text.split(",")], dtype=torch.float64)


def check_page(page, kernel, terms: int = 1) -> None:
    """Everything the page says of this kernel is what Python says."""
    kernel = torch.as_tensor(kernel, dtype=torch.float64)
    sigma = torch.linalg.svdvals(kernel)
    energy = sigma.square() / sigma.square().sum()
    shown = page.locator(".sp-term").evaluate_all("all => all.map((one) => ({...one.dataset}))")
    assert torch.allclose(torch.tensor([float(t["sigma"]) for t in shown]).double(), sigma, atol=1e-6 * float(sigma[0]))
    assert torch.allclose(torch.tensor([float(t["share"]) for t in shown]).double(), energy, atol=1e-6)
    products = [torch.outer(numbers(t["column"]), numbers(t["row"])) for t in shown if "column" in t]
    rank = int(torch.linalg.matrix_rank(kernel, rtol=1e-6))
    assert len(products) == rank
    assert torch.allclose(sum(products), kernel, atol=1e-5 * float(sigma[0]))
    best = best_rank1(kernel)
    if rank == 1 or sigma[1] < 0.999 * sigma[0]:  # else the best one is not unique
        assert torch.allclose(products[0], torch.outer(best.column, best.row), atol=1e-5 * float(sigma[0]))
    said = page.get_by_role("status")
    assert said.get_attribute("data-rank") == str(rank)
    text = said.inner_text()
    assert text.startswith("Rank 1: the kernel is one column") == is_separable(kernel)
    assert f"take {2 * len(kernel) * min(terms, rank)} multiplications" in text and f"kernel {kernel.numel()}." in text
    if terms < rank:
        error = energy[terms:].sum().sqrt()
        assert f"relative error of {error:.3f}" in text
        if terms == 1:
            assert error == pytest.approx(float(best.error), abs=1e-9)
    check_photos(page, kernel, sum(products[:terms]))


def check_photos(page, kernel: torch.Tensor, kept: torch.Tensor) -> None:
    """The two photos are those that conv2d gives, as gray levels."""
    x = torch.tensor(_photo(), dtype=torch.float64)[None, None]
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('.sp-photo canvas')].map((one) =>
        [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data].filter((_, i) => i % 4 === 0))"""
    )
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
        for number, (name, kernel) in enumerate(SEPARABILITY_PRESETS.items()):
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            terms = 1 + number % 2
            keep(page, terms)
            check_page(page, kernel, terms)


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
            angle.fill("45")
            check_page(page, turned(name, 45))
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


def test_random_kernels_and_whole_factors(opened):
    torch.manual_seed(0)
    for size in (3, 5):
        kernel = torch.randn(size, size, dtype=torch.float64)
        with opened(separability(kernel.tolist(), terms=3)) as v:
            check_page(v.page, kernel, 3)
    with opened(separability()) as v:
        first = v.page.locator(".sp-term").first
        assert (first.get_attribute("data-column"), first.get_attribute("data-row")) == ("1,2,1", "-1,0,1")
        assert (
            first.get_by_role("img").get_attribute("aria-label") == "Term 1: the column 1, 2, 1 times the row −1, 0, 1"
        )


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
