"""Explorers moved by keyboard and mouse in a real browser, and their numbers compared with Python's own."""

from __future__ import annotations

import re
from collections import Counter
from math import comb

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlab.arithmetic import output_size, receptive_field_of
from cnnlab.chapters.seeing.kernel_playground import KERNELS
from cnnlab.chapters.seeing.receptive_field import RECEPTIVE_FIELD_PRESETS
from cnnlab.draw import palette
from cnnlab.widgets import (
    Kernel,
    Window,
    convolution_arithmetic,
    kernel_playground,
    model_chart,
    receptive_field,
    residual_paths,
)
from tests.browser.pages import BOOK, FRAME, PHONE, axe_violations, quickest_change, set_slider
from tests.explorers import MAKERS


def make_rows(count: int = 90) -> list[dict]:
    """Made-up models, enough of them to be as crowded as the real chart."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(count):
        params = int(10 ** random.uniform(6, 8.8))
        accuracy = round(float(np.clip(50 + 12 * (np.log10(params) - 5) + random.normal(0, 4), 45, 89)), 3)
        rows.append(
            {
                "name": f"model_{index}_{'abcdef'[index % 6] * 4}",
                "family": f"family {index % 6}",
                "year": 2012 + index % 11,
                "params": params,
                "macs": int(params * 10 ** random.uniform(1, 2.5)),
                "acc1": accuracy,
                "acc5": round(min(99.0, accuracy + 12), 3),
                "size": 224,
            }
        )
    return rows


ROWS = make_rows()
EXPLORERS = {**MAKERS, "model_chart": lambda: model_chart(ROWS, family="family 2")}
every_explorer = pytest.mark.parametrize("name", EXPLORERS)


# ---------------------------------------------------------------------------------------------------------------------
# Convolution arithmetic
# ---------------------------------------------------------------------------------------------------------------------

SETTINGS = [  # size, kernel, stride, padding, dilation
    (7, 3, 1, 0, 1), (7, 3, 1, 1, 1), (8, 3, 2, 0, 1), (8, 3, 2, 1, 1), (9, 3, 1, 0, 2), (5, 2, 2, 0, 1),
    (12, 5, 3, 2, 1),
    (6, 1, 4, 0, 1), (14, 7, 4, 4, 2), (10, 3, 2, 3, 3), (3, 2, 1, 0, 2), (1, 1, 1, 0, 1), (4, 3, 1, 4, 3),
]  # fmt: skip


def cells_read(size: int, kernel: int, stride: int, padding: int, dilation: int) -> torch.Tensor:
    """How often each cell of the padded input is read, by torch: the gradient of a convolution with ones."""
    padded = size + 2 * padding
    x = torch.zeros(1, 1, padded, padded, requires_grad=True)
    F.conv2d(x, torch.ones(1, 1, kernel, kernel), stride=stride, dilation=dilation).sum().backward()
    return x.grad[0, 0].int()  # (padded, padded)


def test_convolution_arithmetic_agrees_with_python(opened):
    with opened(convolution_arithmetic()) as v:
        page = v.page
        page.get_by_role("button", name="Reads per cell").click()
        for number, (size, kernel, stride, padding, dilation) in enumerate(SETTINGS):
            for label, value in zip(
                ("n input", "k kernel", "s stride", "p padding", "d dilation"),
                (size, kernel, stride, padding, dilation),
            ):
                if number < 3:
                    set_slider(page, label, value)
                else:  # faster than key by key
                    page.get_by_role("slider", name=label).fill(str(value))
            out = output_size(size, kernel, stride, padding, dilation)
            assert page.locator(".cx-out").inner_text() == str(out)
            assert page.locator(".cx-result").count() == out**2
            assert f"{size} × {size} input into a {out} × {out} output" in page.get_by_role("status").inner_text()
            reads = cells_read(size, kernel, stride, padding, dilation)
            assert page.locator(".cx-unread").count() == int((reads == 0).sum())
            assert page.locator(".cx-tap").count() == kernel**2
            if size + 2 * padding > 20:  # too small to hold numbers
                continue
            shown = page.locator(".cx-count").all_text_contents()
            assert shown == [str(count) for count in reads.flatten().tolist()]


def test_convolution_arithmetic_says_what_is_never_read(opened):
    with opened(convolution_arithmetic(8, 3, 2)) as v:
        page, said = v.page, v.page.get_by_role("status")
        assert "The last column and the last row are never read" in said.inner_text()
        set_slider(page, "p padding", 1)
        assert "The last column and row of padding is never read; no pixel is lost." in said.inner_text()
        page.get_by_role("button", name="Valid").click()
        assert "Every pixel is read." in said.inner_text()
        set_slider(page, "s stride", 4)
        assert "1 column and as many rows between the taps are never read" in said.inner_text()


def test_convolution_arithmetic_explains_a_kernel_that_does_not_fit(opened):
    with opened(convolution_arithmetic()) as v:
        page, said = v.page, v.page.get_by_role("status")
        page.get_by_role("button", name="Does not fit").click()
        assert (
            "There is no output: the 7 × 7 kernel does not fit in an input of 5 × 5. Pad by 1 or more"
            in said.inner_text()
        )
        assert page.locator(".cx-out").count() == 0 and page.get_by_role("button", name="Play").is_disabled()
        assert "−2" in page.locator(".cx-formula").inner_text()
        set_slider(page, "p padding", 1)
        assert page.locator(".cx-out").inner_text() == str(output_size(5, 7, padding=1)) == "1"


def test_the_kernel_moves_by_keys_mouse_buttons_and_clock(opened):
    with opened(convolution_arithmetic(8, 3, 2, 1)) as v:
        page = v.page
        reading = page.locator(".cnnlab-explorer > p.cx-hint")
        assert reading.inner_text().startswith(
            "Output row 1, column 1 reads rows 1 and 2 and columns 1 and 2 of the input;"
        )
        assert reading.inner_text().endswith("; 5 of its 9 taps fall on padding.")
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert (
            reading.inner_text() == "Output row 2, column 2 reads rows 2, 3 and 4 and columns 2, 3 and 4 of the input."
        )
        page.locator(".cx-result").nth(7).hover()  # 4 x 4 outputs: row 2, column 4
        assert reading.inner_text().startswith("Output row 2, column 4 reads rows 2, 3 and 4 and columns 6, 7 and 8")
        page.get_by_role("button", name="Next").click()
        assert reading.inner_text().startswith("Output row 3, column 1 ")
        page.get_by_role("button", name="Back").click()
        assert reading.inner_text().startswith("Output row 2, column 4 ")
        page.mouse.move(1, 1)
        play = page.get_by_role("button", name="Play")
        play.click()
        assert reading.get_attribute("aria-live") == "off"
        page.wait_for_function(
            "document.querySelector('.cnnlab-explorer > p.cx-hint').textContent.includes('row 3, column 2')"
        )
        page.get_by_role("button", name="Pause").click()
        stopped = reading.inner_text()
        page.wait_for_timeout(900)
        assert reading.inner_text() == stopped
        window = page.locator(".cx-window")
        assert float(window.get_attribute("width")) > 3 * 20


def test_a_slider_moves_by_mouse_and_the_picture_answers_within_a_frame(opened):
    with opened(convolution_arithmetic(14, 7, 1, 4)) as v:
        page = v.page
        box = page.get_by_role("slider", name="k kernel").bounding_box()
        page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
        assert page.locator(".cx-out").inner_text() == str(output_size(14, 1, padding=4))
        assert quickest_change(page, "input", range(6, 15)) < FRAME


def test_reduced_motion_jumps(opened):
    with opened(convolution_arithmetic(), reduced_motion="reduce") as v:
        moved = v.page.evaluate(
            """() => { const buttons = [...document.querySelectorAll('button')];
            const next = buttons.find((b) => b.textContent === 'Next');

            const at = () => +document.querySelector('.cx-window').getAttribute('x');
            const before = at(); next.click(); return at() - before; }"""
        )
        assert moved == pytest.approx(34, abs=6)  # a whole cell, at once


# ---------------------------------------------------------------------------------------------------------------------
# Receptive field
# ---------------------------------------------------------------------------------------------------------------------


def check_cone(page, layers: list[tuple[int, int, int]], layer: int, unit: int) -> None:
    """The bars under the pixels hold the paths down from the unit, and so many units are lit on the way."""
    counts = [Counter({unit: 1})]
    for kernel, stride, dilation in reversed(layers[:layer]):
        below: Counter = Counter()
        for index, ways in counts[-1].items():
            for tap in range(kernel):
                below[index * stride + tap * dilation] += ways
        counts.append(below)
    shown = [int(bar.get_attribute("data-paths")) for bar in page.locator("[data-paths]").all()]
    assert sorted(shown) == sorted(counts[-1].values())
    for below, reached in zip(range(layer, -1, -1), counts):
        assert page.locator(f'[data-lit="{below}"]').count() == len(reached)
    assert page.get_by_role("status").inner_text().startswith(f"A unit of layer {layer} sees ")


def test_receptive_field_stacks_are_drawn(opened):
    with opened(receptive_field()) as v:
        page = v.page
        for name, windows in RECEPTIVE_FIELD_PRESETS.items():
            page.get_by_role("combobox", name="Stack").select_option(name)
            layers = [(w.kernel, w.stride, w.dilation) for w in windows]
            units = page.locator(f'rect[data-l="{len(layers)}"]').count()
            check_cone(page, layers, len(layers), units // 2)
            numbers = [int(text) for text in page.locator(".cx-sum b").all_text_contents()]
            assert list(zip(numbers[::2], numbers[1::2])) == receptive_field_of(layers)


def test_receptive_field_by_keys_mouse_and_edits(opened):
    with opened(receptive_field()) as v:
        page = v.page
        layers = [(3, 1, 1)] * 3
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowDown")
        chosen = round(float(page.locator('[data-lit="2"].cx-chosen').get_attribute("x")))
        expected = round(float(page.locator('rect[data-l="2"][data-i="4"]').get_attribute("x")))
        assert chosen == expected  # straight below
        check_cone(page, layers, 2, 4)
        page.keyboard.press("ArrowLeft")
        check_cone(page, layers, 2, 3)
        box = page.locator('rect[data-l="3"][data-i="0"]').bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        check_cone(page, layers, 3, 0)
        page.get_by_label("dilation of layer 2").select_option("2")
        page.get_by_label("stride of layer 1").select_option("2")
        page.get_by_label("kernel of layer 3").select_option("5")
        layers = [(3, 2, 1), (3, 1, 2), (5, 1, 1)]
        units = page.locator('rect[data-l="3"]').count()
        check_cone(page, layers, 3, units // 2)
        page.get_by_role("button", name="Paths per pixel").click()
        assert page.locator("[data-paths]").count() == 0
        page.get_by_role("button", name="Paths per pixel").click()
        for _ in range(3):
            page.get_by_role("button", name="Add a layer").click()
        assert page.get_by_role("button", name="Add a layer").get_attribute("aria-disabled") == "true"
        for number in (4, 5, 6):  # far too wide to draw unit by unit: the numbers must hold all the same
            page.get_by_label(f"kernel of layer {number}").select_option("7")
            page.get_by_label(f"stride of layer {number}").select_option("2")
            page.get_by_label(f"dilation of layer {number}").select_option("4")
        layers += [(7, 2, 4)] * 3
        size = receptive_field_of(layers)[-1][0]
        assert f"sees {size} input pixels" in page.get_by_role("status").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= BOOK["width"]
        for _ in range(5):
            page.get_by_role("button", name="Remove the last").click()
        assert page.get_by_role("button", name="Remove the last").get_attribute("aria-disabled") == "true"
        check_cone(page, [(3, 2, 1)], 1, page.locator('rect[data-l="1"]').count() // 2)


# ---------------------------------------------------------------------------------------------------------------------
# Model chart
# ---------------------------------------------------------------------------------------------------------------------


def pareto(rows: list[dict], x: str, y: str) -> set[str]:
    """Models that no other beats in one and equals in the other, by comparing every pair."""
    return {
        row["name"]
        for row in rows
        if not any(
            other[x] <= row[x] and other[y] >= row[y] and (other[x] < row[x] or other[y] > row[y]) for other in rows
        )
    }


def named(locator) -> set[str]:
    return {
        label.split(" (")[0]
        for label in locator.evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    }


def test_model_chart_shows_every_row_and_the_frontier(opened):
    with opened(model_chart(ROWS)) as v:
        page = v.page
        for button, x in (("MACs", "macs"), ("Parameters", "params")):
            page.get_by_role("button", name=button, exact=True).click()
            for up, y in (("Top-5", "acc5"), ("Top-1", "acc1")):
                page.get_by_role("button", name=up, exact=True).click()
                assert named(page.locator("circle")) == {row["name"] for row in ROWS}
                assert named(page.locator("circle.cx-best")) == pareto(ROWS, x, y)
                for low, high in ((0, 1), (3, 40)):  # more means further right, and higher up
                    a, b = (page.locator(f'circle[aria-label^="{ROWS[i]["name"]} "]') for i in (low, high))
                    right = float(b.get_attribute("cx")) > float(a.get_attribute("cx"))
                    higher = float(b.get_attribute("cy")) < float(a.get_attribute("cy"))
                    assert right == (ROWS[high][x] > ROWS[low][x]) and higher == (ROWS[high][y] > ROWS[low][y])
        page.get_by_role("button", name="Frontier").click()
        assert page.locator(".cx-best, .cx-frontier").count() == 0


def test_model_chart_points_by_mouse_and_keys(opened):
    with opened(model_chart(ROWS)) as v:
        page, said, tip = v.page, v.page.get_by_role("status"), v.page.locator(".cx-tip")
        assert "90 models." in said.inner_text() and tip.is_hidden()
        row = max(ROWS, key=lambda one: one["params"])
        point = page.locator(f'circle[aria-label^="{row["name"]} "]')
        box = point.bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 5)
        assert tip.is_visible() and row["name"] in tip.inner_text() and f"{row['acc1']:.1f} %" in tip.inner_text()
        assert said.inner_text().startswith(
            f"{row['name']} ({row['family']}, {row['year']}): {row['acc1']:.1f} % top-1"
        )
        assert page.locator('circle[tabindex="0"]').count() == 1
        page.locator('circle[tabindex="0"]').focus()
        order = sorted(ROWS, key=lambda one: one["params"])
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(order[-2]["name"] + " ")
        assert order[-2]["name"] in tip.inner_text()
        page.keyboard.press("ArrowRight")
        assert row["name"] in tip.inner_text()
        page.mouse.move(2, 2)
        page.get_by_role("combobox", name="Family").select_option("family 3")
        mine = [one for one in ROWS if one["family"] == "family 3"]
        assert named(page.locator("circle.cx-mine")) == {one["name"] for one in mine}
        assert f"family 3 has {len(mine)} models" in said.inner_text()


def test_model_chart_table_sorts(opened):
    with opened(model_chart(ROWS)) as v:
        page = v.page
        page.locator("summary").click()
        names = page.locator("tbody th")
        names.last.wait_for()  # the browser tells the script of an opened fold a moment later
        assert names.count() == len(ROWS)
        assert names.all_text_contents() == [r["name"] for r in sorted(ROWS, key=lambda one: -one["acc1"])]
        page.get_by_role("button", name="MACs").last.click()
        page.get_by_role("button", name="MACs").last.click()
        assert names.all_text_contents() == [r["name"] for r in sorted(ROWS, key=lambda one: one["macs"])]
        assert page.locator('th[aria-sort="ascending"]').inner_text().strip().startswith("MACs")


def test_model_chart_does_without_what_is_not_known(opened):
    rows = [
        {"name": f"m{i}", "family": "f", "params": 10**6 * (i + 1), "macs": 10**8, "acc1": 60.0 + i} for i in range(3)
    ]
    with opened(model_chart(rows), model_chart(rows[:1])) as v:
        page = v.page
        assert page.locator("circle").count() == 4
        page.locator("circle").first.focus()
        assert "m" in page.locator(".cx-tip").first.inner_text()


# ---------------------------------------------------------------------------------------------------------------------
# Kernel playground
# ---------------------------------------------------------------------------------------------------------------------

IMAGE = np.random.default_rng(1).integers(0, 256, (20, 26), dtype=np.uint8)
GRAY = {
    "clipped": lambda v: v,
    "signed": lambda v: 128 + v / 2,
    "magnitude": torch.abs,
}


def filtered(kernel: Kernel) -> torch.Tensor:
    """conv2d of IMAGE. Shape: (18, 24)"""
    x = torch.tensor(IMAGE, dtype=torch.float64)[None, None]
    weight = torch.tensor(kernel.weights, dtype=torch.float64)[None, None]
    return F.conv2d(x, weight)[0, 0] / kernel.divisor


def test_kernel_playground_paints_conv2d(opened):
    with opened(kernel_playground(IMAGE, at=(0, 0))) as v:
        page = v.page
        for kernel in (KERNELS[0], KERNELS[4], KERNELS[6]):  # one of each way to show it
            page.get_by_role("combobox", name="Kernel").select_option(kernel.name)
            shown = page.evaluate(
                """() => { const canvas = document.querySelectorAll('canvas')[1];
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                return [canvas.height, canvas.width, [...data].filter((_, i) => i % 4 === 0)]; }"""
            )
            gray = torch.tensor(shown[2], dtype=torch.float64).reshape(shown[0], shown[1])
            assert gray.shape == (18, 24)
            assert (gray - GRAY[kernel.show](filtered(kernel)).clamp(0, 255)).abs().max() <= 0.5 + 1e-9


def test_kernel_playground_edits_and_shows_the_nine_products(opened):
    with opened(kernel_playground(IMAGE)) as v:
        page = v.page
        page.get_by_role("combobox", name="Kernel").select_option("Identity")
        page.get_by_label("weight, row 1, column 3").fill("-2.5")
        page.get_by_label("divided by").fill("2")
        assert page.get_by_role("combobox", name="Kernel").input_value() == "your own"
        mine = Kernel("mine", ((0, 0, -2.5), (0, 1, 0), (0, 0, 0)), 2)
        expected = filtered(mine)
        canvas = page.get_by_role("application")
        box = canvas.bounding_box()
        y, x = 7, 11  # the frame has a border of one pixel around the result
        canvas.hover(position={"x": (x + 1.5) * box["width"] / 26, "y": (y + 1.5) * box["height"] / 20})
        said = f"{float(expected[y, x]):.2f}".rstrip("0").rstrip(".").replace("-", "−")
        reading = page.locator("p.cx-hint")
        assert reading.inner_text().startswith(f"Result row {y + 1}, column {x + 1}: the nine products")
        assert reading.inner_text().endswith(f"; divided by 2 that is {said}.")
        patch = IMAGE[y : y + 3, x : x + 3].flatten().tolist()
        tables = [t.locator("span").all_text_contents() for t in page.locator(".cx-nine").all()]
        assert [int(text) for text in tables[0]] == patch
        products = [float(text.replace("−", "-")) for text in tables[2]]
        assert products == pytest.approx([p * w for p, w in zip(patch, np.ravel(mine.weights))], abs=0.006)
        page.get_by_label("weight, row 2, column 2").fill("")  # emptied: counts as 0, breaks nothing
        assert "add up to −1.25" in page.get_by_role("status").inner_text()
        page.get_by_label("divided by").fill("0")
        assert "Nothing can be divided by 0" in page.get_by_role("status").inner_text()


# ---------------------------------------------------------------------------------------------------------------------
# Paths through residual blocks
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("blocks", "gain"), [(1, 0.05), (8, 1.0), (54, 0.3), (110, 1.5)])
def test_residual_paths_agree_with_python(opened, blocks, gain):
    with opened(residual_paths(blocks, gain)) as v:
        page = v.page
        for weighted, f in (("Gradient", gain), ("Number of paths", 1.0)):
            page.get_by_role("button", name=weighted).click()
            shares = [float(bar.get_attribute("data-share")) for bar in page.locator("[data-share]").all()]
            wanted = [comb(blocks, k) * f**k / (1 + f) ** blocks for k in range(blocks + 1)]
            assert np.allclose(shares, wanted, atol=1e-6)
            assert f"through {blocks * f / (1 + f):.1f} blocks" in page.get_by_role("status").text_content()


def test_residual_paths_move_by_keyboard(opened):
    with opened(residual_paths(54, 0.3)) as v:
        set_slider(v.page, "n blocks", 3)
        assert v.page.locator("[data-share]").count() == 4
        assert "all 3 blocks" in v.page.get_by_role("status").text_content()
        v.page.get_by_role("button", name="ResNet-152").click()
        assert v.page.locator("[data-share]").count() == 51


# ---------------------------------------------------------------------------------------------------------------------
# All of them: where they live
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, BOOK], ids=["phone", "book"])
def test_all_on_one_page(opened, mode, viewport):
    explorers = [maker() for maker in EXPLORERS.values()]
    with opened(*explorers, attributes=f'data-theme="{mode}"', viewport=viewport, dark=mode == "dark") as v:
        page = v.page
        for explorer in explorers:
            root = page.locator(f"#{explorer.id}")
            assert root.get_attribute("data-mode") == mode and root.get_attribute("role") == "group"
            color = root.evaluate("node => getComputedStyle(node).backgroundColor")
            wanted = getattr(palette, mode)("surface")
            assert tuple(map(int, re.findall(r"\d+", color))) == tuple(bytes.fromhex(wanted[1:]))
            assert root.evaluate("node => node.scrollWidth <= node.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        small = page.evaluate(
            """() => [...document.querySelectorAll('.cnnlab-explorer :is(button, select, input, summary)')]
            .filter((node) => node.offsetParent && node.getBoundingClientRect().height < 32)
            .map((node) => node.outerHTML)"""
        )
        assert not small


@every_explorer
def test_every_control_has_a_name_and_shows_its_focus(opened, name):
    with opened(EXPLORERS[name]()) as v:
        page = v.page
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            now = page.evaluate(
                """() => { const node = document.activeElement; if (!node.closest('.cnnlab-explorer')) return null;
                const style = getComputedStyle(node);
                const label = node.labels && node.labels[0] && node.labels[0].textContent;
                return [node.tagName, node.textContent || node.getAttribute('aria-label') || label,
                  style.outlineStyle !== 'none' || parseFloat(style.strokeWidth) >= 3,
                  !!node.closest('[data-lm-suppress-shortcuts]') || node.className === 'cx-scroll']; }"""
            )
            if now is None:
                break
            seen.append(now)
        there = page.evaluate(
            """() => [...document.querySelectorAll('.cnnlab-explorer :is(button, input, select, summary, [tabindex])')]
            .filter((node) => node.tabIndex >= 0 && !node.disabled && node.getClientRects().length).length"""
        )
        assert len(seen) >= min(there, 6) >= 4
        for tag, label, focused, shielded in seen:
            assert label and focused and shielded, (tag, label, focused, shielded)


@pytest.mark.parametrize(
    ("attributes", "body", "dark_system", "mode"),
    [
        ('data-theme="dark"', "", False, "dark"),  # the book
        ('data-theme="light"', "", True, "light"),
        ("", 'data-jp-theme-light="false"', False, "dark"),  # JupyterLab
        ("", 'data-jp-theme-light="true"', True, "light"),
        ('theme="dark"', "", False, "dark"),  # Colab
        ("", 'data-vscode-theme-kind="vscode-dark"', False, "dark"),
        ("", 'data-vscode-theme-kind="vscode-light"', True, "light"),
        ("", "", True, "dark"),
        ("", "", False, "light"),
    ],
)
def test_theme_of_each_home(opened, attributes, body, dark_system, mode):
    with opened(convolution_arithmetic(), attributes=attributes, body=body, dark=dark_system) as v:
        assert v.page.locator(".cnnlab-explorer").get_attribute("data-mode") == mode


def test_a_live_change_of_theme_is_followed(opened):
    with opened(convolution_arithmetic(), kernel_playground(IMAGE)) as v:
        page = v.page
        for mode in ("dark", "light"):
            page.evaluate(f"document.documentElement.dataset.theme = '{mode}'")
            page.wait_for_function(f"document.querySelectorAll('.cnnlab-explorer[data-mode={mode}]').length === 2")


def test_two_views_of_one_output_both_live(opened):
    """JupyterLab inserts HTML, then runs its scripts one by one; "new view for output" does so twice."""
    with opened() as v:
        page = v.page
        page.evaluate(
            """(html) => { for (const _ of [1, 2]) {
              const host = document.createElement('div'); host.innerHTML = html;
              for (const old of host.querySelectorAll('script')) { const script = document.createElement('script');
                script.textContent = old.textContent; old.replaceWith(script); }
              document.querySelector('article').append(host);
            } }""",
            convolution_arithmetic()._repr_html_(),
        )
        assert page.locator(".cx-out").count() == 2
        page.get_by_role("slider", name="n input").last.press("End")
        assert page.locator(".cx-out").all_text_contents() == ["5", "12"]
        ids = page.evaluate("[...document.querySelectorAll('.cnnlab-explorer [id]')].map((node) => node.id)")
        assert len(ids) == len(set(ids)) == 2  # the two hatches
        assert page.evaluate("Object.keys(window).filter((name) => /explore|slider|svg/.test(name))") == []


def test_without_scripts_the_text_stands(opened):
    explorer = receptive_field([Window(3), Window(3)])
    with opened(explorer, java_script_enabled=False) as v:
        assert explorer.alt in v.page.content()
        assert v.page.locator(".cnnlab-explorer").is_visible() and v.page.locator("svg").count() == 0


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing(opened, mode):
    with opened(*(maker() for maker in EXPLORERS.values()), attributes=f'data-theme="{mode}"') as v:
        page = v.page
        for details in page.locator("summary").all():
            details.click()
        page.locator("circle").first.focus()
        assert axe_violations(page, ".cnnlab-explorer") == []
