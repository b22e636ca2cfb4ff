"""The depthwise separable convolution stepped through in a real browser.

Its numbers and words are compared in ``tests/test_explorer_arithmetic.py``.
"""

from __future__ import annotations

import pytest
import torch.nn.functional as F

from cnnlab.convolutions import compose_depthwise_separable, worked_examples
from cnnlab.widgets import depthwise_steps
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider
from tests.test_explorer_arithmetic import step_tensors


def maps(page, kind: str) -> list[list[int]]:
    """The numbers shown in the maps of this kind, one list for each map; unseen ones are left out."""
    return page.evaluate(
        """(kind) => [...document.querySelectorAll(`[data-spot="${kind}"]`)].map((spot) => {
        const found = []; let node = spot.previousElementSibling;
        while (node && node.tagName === 'text') {
          if (!node.hasAttribute('hidden')) found.unshift(+node.textContent.replace('−', '-'));
          node = node.previousElementSibling; }
        return found; })""",
        kind,
    )


def test_both_bills_are_paid_at_the_end(opened):
    with opened(depthwise_steps()) as v:
        page = v.page
        facts = page.locator(".cx-facts dd").all_text_contents()
        assert facts == ["1/5 + 1/9 = 0.311", "27 + 15 = 42", "135"]
        finish = page.get_by_role("button", name="Finish the step")
        page.get_by_role("button", name="12 × 12 × 3 to 8 × 8 × 128").click()
        finish.click()
        finish.click()
        assert finish.count() == 0 and page.get_by_role("button", name="Start again").is_visible()
        assert page.get_by_role("button", name="Next").is_disabled()
        macs = [worked_examples()[f"{kind} 5x5"].macs for kind in ("separable", "standard")]
        assert page.locator(".ds-bar b").all_text_contents() == [f"{n:,} of {n:,}" for n in macs]


def test_both_ways_fill_their_maps(opened):
    x, depthwise, pointwise = step_tensors(3, 5, 3, 6)
    middle = F.conv2d(x, depthwise, groups=3)[0].flatten(1)
    output = F.conv2d(x, compose_depthwise_separable(depthwise, pointwise))[0].flatten(1)
    with opened(depthwise_steps()) as v:
        page, reading = v.page, v.page.locator(".cx-hint[data-room]")
        assert maps(page, "middle") == middle[:, :1].tolist() and maps(page, "whole") == output[:, :1].tolist()
        assert maps(page, "output") == [[]] * 5
        page.get_by_role("application").focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):  # step 6: row 2, column 2
            page.keyboard.press(key)
        assert page.locator(".ds-bar b").all_text_contents() == [f"{6 * 27} of 672", f"{6 * 135} of 2,160"]
        assert reading.locator("span").first.inner_text().startswith("Step 1, depthwise, at row 2, column 2: ")
        page.get_by_role("button", name="Finish the step").click()
        assert maps(page, "middle") == middle.tolist() and maps(page, "whole") == output.tolist()
        for _ in range(6):
            page.get_by_role("button", name="Next").press("Enter")
        assert maps(page, "output") == output[:, :6].tolist()
        assert reading.locator("span").first.inner_text().startswith("Step 2, pointwise, at row 2, column 2: ")


def test_sliders_clock_and_pointer(opened):
    with opened(depthwise_steps(2, 3, 2, 4)) as v:
        page, reading = v.page, v.page.locator(".cx-hint[data-room]")
        set_slider(page, "kernel", 5)  # larger than the input of 4: the input follows
        assert page.get_by_role("slider", name="size").input_value() == "5"
        page.get_by_role("slider", name="size").fill("3")  # and the kernel follows
        assert page.get_by_role("slider", name="kernel").input_value() == "3"
        page.get_by_role("slider", name="size").fill("6")
        page.get_by_role("button", name="Play").click()
        assert reading.get_attribute("aria-live") == "off"
        page.wait_for_function("document.querySelector('.cx-hint[data-room]').textContent.includes('row 1, column 3')")
        page.get_by_role("button", name="Pause").click()
        assert page.get_by_role("button", name="Play").is_visible()
        page.get_by_role("button", name="Back").click()
        page.get_by_role("button", name="6 × 6 × 3").click()
        box = page.locator("svg [data-spot=output]").first.evaluate(
            """(spot) => { const frame = spot.parentNode.getBoundingClientRect();
            const [x, y, size] = ['x', 'y', 'width'].map((name) => +spot.getAttribute(name));
            return [frame.left + x, frame.top + y, size]; }"""
        )
        page.mouse.click(box[0] + 2.5 * box[2], box[1] + 1.5 * box[2])
        assert "Step 2, pointwise, at row 2, column 3" in reading.inner_text()


def test_it_fits_a_phone_and_answers_quickly(opened):
    with opened(depthwise_steps(4, 128, 3, 9), viewport=PHONE) as v:
        assert v.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert quickest_change(v.page, "input", range(4, 13), index=3) < FRAME
        spent = v.page.evaluate(
            """() => { const next = [...document.querySelectorAll('button')].find((one) => one.textContent === 'Next');
            return Math.min(...[...Array(9)].map(() => {
              const start = performance.now(); next.click(); return performance.now() - start; })); }"""
        )
        assert spent < FRAME


def test_depthwise_steps_says_what_is_wrong():
    with pytest.raises(ValueError, match="channels=9 is not allowed; use a whole number from 1 to 8"):
        depthwise_steps(9)
    with pytest.raises(ValueError, match="filters=0 is not allowed"):
        depthwise_steps(filters=0)
    with pytest.raises(ValueError, match="kernel=5 does not fit into size=4; use a kernel of 4 or less"):
        depthwise_steps(kernel=5, size=4)
    assert "4,800 and 24,576 multiplications against 614,400" in depthwise_steps(3, 128, 5, 12).alt
