"""What holds for every explorer, whatever its controls: they are moved to their ends, one by one and together."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlab.widgets import convolution_arithmetic
from tests.explorers import MAKERS

COLAB_FRAME = 1000  # pixels of an output that Colab shows without a scroll bar inside
LINE = 24  # a line of text

MOVE = (Path(__file__).parent / "move_all.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [760, 360])
@pytest.mark.parametrize("name", MAKERS)
def test_it_keeps_its_height_and_fits_a_frame_of_colab(opened, name, width):
    with opened(
        MAKERS[name](), attributes='data-theme="light"', viewport={"width": width, "height": 900}, frame=True
    ) as v:
        seen = v.page.evaluate(MOVE)
        lowest, highest = (pick(seen, key=lambda state: state[0]) for pick in (min, max))
        assert len(seen) > 10
        assert highest[0] - lowest[0] <= LINE, f"from {lowest} to {highest}"
        if width == 760:
            assert highest[0] < COLAB_FRAME, highest


def test_colab_is_asked_for_the_whole_height(opened):
    with opened() as v:
        asked = v.page.evaluate(
            """(html) => {
              const asked = [];
              window.google = { colab: { output: { setIframeHeight: (...what) => asked.push(what) } } };
              const host = document.createElement("div");
              host.innerHTML = html;
              const script = document.createElement("script");
              script.textContent = host.querySelector("script").textContent;
              host.querySelector("script").remove();
              document.querySelector("article").append(host, script);
              return asked;
            }""",
            convolution_arithmetic()._repr_html_(),
        )
        assert asked == [[0, True, {"maxHeight": 5000}]]


@pytest.mark.parametrize("name", MAKERS)
def test_every_control_answers_keys_and_the_pointer(opened, name):
    with opened(MAKERS[name](), frame=True, viewport={"width": 760, "height": 1000}) as v:
        root = v.page.locator(".cnnlab-explorer")
        for slider in root.get_by_role("slider").all():
            for key, end in (("Home", "min"), ("End", "max")):
                slider.press(key)
                # A bound may move with the value: the padding of a kernel that grew.
                assert float(slider.input_value()) == float(slider.get_attribute(end)), (key, end)
                assert slider.get_attribute("aria-valuetext")
            if slider.get_attribute("min") != slider.get_attribute("max"):
                box = slider.bounding_box()
                v.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
                assert float(slider.input_value()) < float(slider.get_attribute("max"))
        for button in root.locator("button[aria-pressed]:not(.cx-paper, .cr-name)").all():
            if button.is_visible() and button.is_enabled():
                before = button.get_attribute("aria-pressed")
                button.press("Enter")
                if button.get_attribute("aria-pressed") == "false":  # only one that stays down can be lifted
                    assert before == "true"
        for picture in root.get_by_role("application").all():
            picture.focus()
            assert picture.get_attribute("aria-label")
            for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
                v.page.keyboard.press(key)
                assert picture.evaluate("(node) => node === document.activeElement")
            picture.hover()
            picture.click()
        assert root.get_by_role("status").count() == 1
        # Words are for reading: to press them, as one does to mark them, changes nothing.
        before = root.inner_html()
        for words in root.locator("[data-room]").all():
            words.click(position={"x": 20, "y": 8}, force=True)
        assert root.inner_html() == before
        # To the end by Enter alone: a button that can do nothing more keeps the focus.
        for name in ("Finish the step", "Finish", "Next", "Back", "Add a layer", "Remove the last"):
            button = root.get_by_role("button", name=name, exact=True)
            if button.count():
                button.focus()
                for _ in range(6):
                    v.page.keyboard.press("Enter")
                assert v.page.evaluate("document.activeElement.tagName") == "BUTTON", name
        for preset in reversed(root.get_by_role("group", name="to try").get_by_role("button").all()):
            preset.click()
            assert preset.get_attribute("aria-pressed") == "true"
        if root.get_by_role("button", name="Play").count():
            quiet = root.locator("[aria-live=off]")
            root.get_by_role("button", name="Play").press("Enter")
            assert quiet.count() > 0
            root.get_by_role("button", name="Pause").press("Enter")
            assert quiet.count() == 0
        # The same visit in the dark and on a phone.
        v.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        v.page.wait_for_selector(".cnnlab-explorer[data-mode=dark]")
        v.page.set_viewport_size({"width": 360, "height": 740})
        v.page.wait_for_timeout(100)
        assert v.page.evaluate("document.documentElement.scrollWidth") <= 360
