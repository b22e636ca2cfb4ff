"""The thousand squares and the tree above them under the hands, against the recorded tree."""

from __future__ import annotations

import re

from cnnlab.results import recorded
from cnnlab.widgets import imagenet_classes
from tests.browser.pages import PHONE

TREE = recorded("imagenet_tree")


def way(place: int) -> list[str]:
    """The names from a class up to the root."""
    steps = []
    node = TREE["classes"][place]
    while node >= 0:
        steps.append(TREE["names"][node])
        node = TREE["above"][node]
    return steps


def held(word: str) -> list[int]:
    return [place for place in range(1000) if word in way(place)]


def lit(page, columns: int) -> list[int]:
    """The classes whose squares are lit, by where these stand."""
    squares = page.locator("path.ic-on").get_attribute("d")
    places = [[float(number) for number in pair] for pair in re.findall(r"M(\S+) ([\d.]+)", squares)]
    side = page.locator(".ic-mark").evaluate("(mark) => mark.width.baseVal.value")
    return [round((y - 0.5) / side) * columns + round((x - 0.5) / side) for x, y in places]


def test_the_tree_is_walked_by_mouse_and_keyboard(opened):
    with opened(imagenet_classes()) as visit:
        page = visit.page
        said, reading = page.get_by_role("status"), page.locator("[aria-live]")
        up, down = (page.get_by_role("group", name=name) for name in ("The way up", "What it divides"))
        assert lit(page, 50) == held("dog") and len(held("dog")) == 118
        assert "dog: 118 classes of 1000" in said.inner_text()

        button = up.get_by_role("button", name="carnivore", exact=True)
        button.click()
        assert lit(page, 50) == held("carnivore")
        # A step up keeps the focus; a step down gives it to what comes next, and at the end to the picture.
        assert button.evaluate("(node) => node === document.activeElement")
        down.get_by_role("button", name=f"feline {len(held('feline'))}", exact=True).press("Enter")
        assert lit(page, 50) == held("feline")
        assert down.get_by_role("button").first.evaluate("(node) => node === document.activeElement")
        first = held("feline")[0]
        assert reading.inner_text() == f"Class {first}: {way(first)[0]}. Its way up:"
        while down.get_by_role("button").count():
            page.keyboard.press("Enter")
        grid = page.get_by_role("application")
        assert grid.evaluate("(node) => node === document.activeElement")

        at = int(re.match(r"Class (\d+)", reading.inner_text())[1])
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        assert reading.inner_text().startswith(f"Class {at + 51}: {way(at + 51)[0]}.")
        assert up.get_by_role("button").all_text_contents() == way(at + 51)

        box = grid.bounding_box()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
        assert reading.inner_text().startswith(f"Class 999: {way(999)[0]}.")


def test_on_a_phone_the_squares_stand_in_half_as_many_columns(opened):
    with opened(imagenet_classes("artifact"), viewport=PHONE) as visit:
        page = visit.page
        assert lit(page, 25) == held("artifact")
        grid = page.get_by_role("application")
        grid.press("ArrowDown")
        assert page.locator("[aria-live]").inner_text().startswith(f"Class {held('artifact')[0] + 25}: ")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
