"""The depthwise separable convolution stepped through in a real browser, its numbers compared with torch and cnnlab."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F

from cnnlab.analysis import summarize
from cnnlab.chapters.depthwise_separable.depthwise_steps import DEPTHWISE_STEPS_PRESETS
from cnnlab.convolutions import (
    DepthwiseSeparableConv2d,
    StandardConv2d,
    compose_depthwise_separable,
    worked_examples,
)
from cnnlab.widgets import depthwise_steps
from tests.browser.pages import FRAME, PHONE, quickest_change, set_slider


def mixed(salt: int, a: int, b: int, c: int, modulus: int) -> int:
    """The explorer's small whole numbers."""
    return ((salt + 73 * a + 179 * b + 283 * c + 31 * a * b + 17 * b * c + 41 * a * c) % 101) % modulus


def tensors(channels: int, filters: int, kernel: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input (1, C, n, n), depthwise (C, 1, k, k) and pointwise weights (K, C, 1, 1), as the explorer makes them."""
    C, K, k, n = range(channels), range(filters), range(kernel), range(size)
    x = [[[mixed(3, c, i, j, 5) for j in n] for i in n] for c in C]
    depthwise = [[[[mixed(11, c, u, v, 3) - 1 for v in k] for u in k]] for c in C]
    pointwise = [[[[mixed(66, f, c, f * f + 5 * c, 3) - 1]] for c in C] for f in K]
    return tuple(torch.tensor(values, dtype=torch.double) for values in ([x], depthwise, pointwise))


def whole_numbers(text: str) -> list[int]:
    return [int(found.replace(",", "").replace("−", "-")) for found in re.findall(r"−?\d[\d,]*", text)]


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


def check_counts(page, channels: int, filters: int, kernel: int, size: int) -> None:
    """What the page says of these sizes is what summarize counts on the layers."""
    shape = (channels, size, size)
    two = summarize(DepthwiseSeparableConv2d(channels, filters, kernel, padding=0, bias=False), shape)
    one = summarize(StandardConv2d(channels, filters, kernel, padding=0, bias=False), shape)
    by_name = {layer.name: layer for layer in two.layers}
    said = page.get_by_role("status").inner_text()
    steps = [by_name[name].macs for name in ("depthwise", "pointwise")]
    assert f"{steps[0]:,} + {steps[1]:,} = {two.macs:,} multiplications" in said
    assert f"standard convolution {one.macs:,}: " in said
    assert ("here two steps cost more" in said) == (two.macs > one.macs)
    facts = page.locator(".cx-facts dd").all_text_contents()
    ratio = 1 / filters + 1 / kernel**2
    assert facts[0] == f"1/{filters} + 1/{kernel**2} = {ratio:.3f}"
    assert ratio == pytest.approx(two.macs / one.macs)
    assert facts[1].endswith(f"= {two.params:,}") and facts[2] == f"{one.params:,}"
    totals = [text.split(" of ")[1] for text in page.locator(".ds-bar b").all_text_contents()]
    assert totals == [f"{two.macs:,}", f"{one.macs:,}"]


def test_presets_end_at_the_worked_examples(opened):
    with opened(depthwise_steps()) as v:
        page = v.page
        finish = page.get_by_role("button", name="Finish the step")
        for name, sizes in DEPTHWISE_STEPS_PRESETS.items():
            button = page.get_by_role("button", name=name, exact=True)
            button.click()
            assert button.get_attribute("aria-pressed") == "true"
            check_counts(page, *sizes)
            finish.click()
            finish.click()
            assert finish.count() == 0 and page.get_by_role("button", name="Start again").is_visible()
            assert page.get_by_role("button", name="Next").is_disabled()
            for text in page.locator(".ds-bar b").all_text_contents():
                now, total = text.split(" of ")
                assert now == total
        examples = worked_examples()
        for name, kernel in (("6 × 6 × 3 to 4 × 4 × 5", "3x3"), ("12 × 12 × 3 to 8 × 8 × 128", "5x5")):
            page.get_by_role("button", name=name).click()
            finish.click()
            finish.click()
            macs = [examples[f"{kind} {kernel}"].macs for kind in ("separable", "standard")]
            assert page.locator(".ds-bar b").all_text_contents() == [f"{n:,} of {n:,}" for n in macs]
            assert (
                f"All done: {macs[0]:,} multiplications against {macs[1]:,}."
                in page.locator(".cx-hint[data-room]").inner_text()
            )


def test_both_ways_show_the_numbers_of_torch(opened):
    x, depthwise, pointwise = tensors(3, 5, 3, 6)
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
        lines = reading.locator("span").all_inner_texts()
        assert lines[0].startswith("Step 1, depthwise, at row 2, column 2: 3 × 9 = 27 multiplications.")
        for c, line in enumerate(lines[1:]):
            numbers = whole_numbers(line.split(":")[1])
            window, taps = x[0, c, 1:4, 1:4].flatten().int().tolist(), depthwise[c].flatten().int().tolist()
            assert numbers == [n for pair in zip(window, taps) for n in pair] + [int(middle[c, 5])]
        page.get_by_role("button", name="Finish the step").click()
        assert maps(page, "middle") == middle.tolist() and maps(page, "whole") == output.tolist()
        for _ in range(6):
            page.get_by_role("button", name="Next").press("Enter")
        assert maps(page, "output") == output[:, :6].tolist()
        lines = reading.locator("span").all_inner_texts()
        assert lines[0].startswith("Step 2, pointwise, at row 2, column 2: 5 × 3 = 15 multiplications")
        for f, line in enumerate(lines[1:]):
            numbers = whole_numbers(line.split(":")[1])
            pairs = zip(pointwise[f].flatten().int().tolist(), middle[:, 5].int().tolist())
            assert numbers == [n for pair in pairs for n in pair] + [int(output[f, 5])]


def test_sliders_clock_and_pointer(opened):
    with opened(depthwise_steps(2, 3, 2, 4)) as v:
        page, reading = v.page, v.page.locator(".cx-hint[data-room]")
        check_counts(page, 2, 3, 2, 4)
        set_slider(page, "channels", 8)
        page.get_by_role("slider", name="filters").fill("100")
        set_slider(page, "kernel", 5)  # larger than the input of 4: the input follows
        check_counts(page, 8, 100, 5, 5)
        assert "and 4 more channels, counted but not drawn" in reading.inner_text()
        page.get_by_role("slider", name="size").fill("3")  # and the kernel follows
        check_counts(page, 8, 100, 3, 3)
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
