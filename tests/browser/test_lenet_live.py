"""LeNet-5, live, drawn on with a mouse, a finger and keys, and how soon it answers."""

from __future__ import annotations

import pytest

from cnnlab.widgets import lenet_live
from tests.browser.pages import PHONE, axe_violations, quickest_change

# A two, in shares of the pad.
TWO = [(0.3, 0.25), (0.5, 0.15), (0.7, 0.25), (0.6, 0.45), (0.45, 0.6), (0.3, 0.8), (0.5, 0.8), (0.75, 0.8)]
SOON = 50  # milliseconds


def draw(page, points=TWO) -> None:
    pad = page.get_by_role("application", name="Pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def said(page) -> str:
    return page.get_by_role("status").text_content()


def test_a_drawn_two_is_read(opened):
    with opened(lenet_live()) as v:
        draw(v.page)
        assert said(v.page).startswith("Your drawing. LeNet-5 reads 2 (")
        assert v.page.get_by_label("Picture").input_value() == "your drawing"
        draw(v.page, [(0.1, 0.9), (0.2, 0.9)])
        assert v.page.locator(".cx-pad path").count() == 2
        v.page.get_by_role("button", name="Clear").click()
        assert said(v.page).startswith("Nothing is drawn yet") and v.page.locator(".cx-pad path").count() == 0


def test_a_one_is_drawn_by_keys_alone(opened):
    with opened(lenet_live()) as v:
        pad = v.page.get_by_role("application", name="Pad")
        pad.focus()
        for key in (*["ArrowUp"] * 8, "Space", *["ArrowDown"] * 16, "Space", "ArrowRight"):
            v.page.keyboard.press(key)
        assert v.page.locator(".cx-pad path").count() == 1
        assert said(v.page).startswith("Your drawing. LeNet-5 reads 1 (")
        assert pad.evaluate("(node) => node === document.activeElement")


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_on_a_phone_a_finger_draws_and_the_page_stays(opened, mode):
    with opened(lenet_live(None), viewport=PHONE, attributes=f'data-theme="{mode}"', has_touch=True) as v:
        page = v.page
        pad = page.get_by_role("application", name="Pad")
        pad.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        # As a finger's: pointer events of type touch, which the browser would take for scrolling on any other part.
        pad.evaluate(
            """(node, points) => {
              const box = node.getBoundingClientRect();
              const send = (type, [x, y]) => node.dispatchEvent(new PointerEvent(type, { pointerId: 1, bubbles: true,
                pointerType: "touch", clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
              node.setPointerCapture = () => {};
              send("pointerdown", points[0]);
              for (const point of points) send("pointermove", point);
              send("pointerup", points.at(-1));
            }""",
            TWO,
        )
        assert said(page).startswith("Your drawing. LeNet-5 reads 2 (")
        assert pad.evaluate("(node) => getComputedStyle(node).touchAction") == "none"
        assert page.evaluate("scrollY") == before
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert axe_violations(page, ".cnnlab-explorer") == []


def test_a_unit_is_chosen_by_a_click_and_by_keys(opened):
    with opened(lenet_live(layer="C1")) as v:
        page = v.page
        hint = page.locator(".cx-hint[data-room]")
        mark = page.locator(".ll-maps .cx-photo").nth(2).locator("div")  # of C3
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        each = box["width"] / (8 * 9 - 1)
        page.mouse.click(box["x"] + (9 + 2.5) * each, box["y"] + (9 + 3.5) * each)
        assert hint.text_content().startswith("C3, map 10, row 4, column 3: the 150 products")
        assert page.locator(".ll-reads").count() == 1 + 6 and page.locator(".ll-unit").count() == 1
        page.get_by_role("application", name="The chosen unit").press("ArrowRight")
        assert hint.text_content().startswith("C3, map 10, row 4, column 4:")
        page.get_by_role("button", name="output").click()
        assert hint.text_content().startswith("output, unit 0: the 84 products")
        page.get_by_role("application", name="The chosen unit").press("ArrowRight")
        assert hint.text_content().startswith("output, unit 1:")


def test_it_answers_at_once(opened):
    with opened(lenet_live()) as v:
        took = quickest_change(v.page, "input[type=range]", range(-8, 9))
        print(f"{took:.1f} ms for a change of the picture, all maps painted")
        assert took < SOON
