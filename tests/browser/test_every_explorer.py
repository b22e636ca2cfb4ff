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
