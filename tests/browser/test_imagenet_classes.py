"""The thousand squares and the tree above them, in a real browser, against the recorded tree."""

from __future__ import annotations

import pytest

from cnnlab.results import recorded
from cnnlab.widgets import imagenet_classes
from tests.browser.pages import PHONE

TREE = recorded("imagenet_tree")
NAMES, ABOVE, CLASSES = TREE["names"], TREE["above"], TREE["classes"]


def way(place: int) -> list[str]:
    """The names from a class up to the root."""
    steps = []
    node = CLASSES[place]
    while node >= 0:
        steps.append(NAMES[node])
        node = ABOVE[node]
    return steps


def held(word: str) -> list[int]:
    return [place for place in range(1000) if word in way(place)]


def lit(page) -> list[int]:
    squares = page.locator("svg rect:not(.ic-mark)")
    return squares.evaluate_all("all => all.flatMap((one, i) => (one.classList.contains('ic-on') ? [i] : []))")


def test_the_tree_is_walked_by_mouse_and_keyboard(opened):
    with opened(imagenet_classes()) as visit:
        page = visit.page
        said, reading = page.get_by_role("status"), page.locator(".cx-hint")
        up, down = page.locator(".ic-steps").nth(1), page.locator(".ic-steps").nth(0)
        assert lit(page) == held("dog") and len(held("dog")) == 118
        assert "dog: 118 classes of 1000" in said.inner_text()

        up.get_by_role("button", name="carnivore", exact=True).click()
        assert lit(page) == held("carnivore")
        assert said.inner_text().startswith(f"carnivore: {len(held('carnivore'))} classes")
        feline = len(held("feline"))
        button = down.get_by_role("button", name=f"feline {feline}", exact=True)
        button.press("Enter")
        assert lit(page) == held("feline")
        first = held("feline")[0]
        assert reading.inner_text() == f"Class {first}: {way(first)[0]}. Its way up:"

        grid = page.get_by_role("application")
        grid.focus()
        grid.press("ArrowRight")
        grid.press("ArrowDown")
        assert reading.inner_text().startswith(f"Class {first + 51}: {way(first + 51)[0]}.")
        assert up.get_by_role("button").all_text_contents() == way(first + 51)

        box = grid.bounding_box()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
        assert reading.inner_text().startswith(f"Class 999: {way(999)[0]}.")

        page.get_by_role("button", name="People", exact=True).click()
        assert lit(page) == [981, 982, 983]


def test_on_a_phone_the_squares_stand_in_half_as_many_columns(opened):
    with opened(imagenet_classes("artifact"), viewport=PHONE) as visit:
        page = visit.page
        rows = page.locator("svg rect:not(.ic-mark)").evaluate_all(
            "all => new Set(all.map((r) => r.getAttribute('y'))).size"
        )
        assert rows == 40
        assert lit(page) == held("artifact")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_name_that_holds_no_class_is_refused():
    with pytest.raises(ValueError, match="synset='dgo' is not known"):
        imagenet_classes("dgo")
