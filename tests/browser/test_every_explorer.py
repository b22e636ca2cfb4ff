"""What holds for every explorer, whatever its controls: they are moved to their ends, one by one and together."""

from __future__ import annotations

import pytest

from cnnlab.widgets import convolution_arithmetic
from tests.explorers import MAKERS

COLAB_FRAME = 1000  # pixels of an output that Colab shows without a scroll bar inside
LINE = 24  # a line of text

# Every control to its ends, then all sliders together; after each step the height of the whole.
MOVE = r"""() => {
  const root = document.querySelector(".cnnlab-explorer");
  const seen = [];
  const note = (what) => seen.push([Math.round(root.getBoundingClientRect().height), what]);
  const shown = (selector) => [...root.querySelectorAll(selector)].filter((node) => node.offsetParent && !node.disabled);
  const put = (node, value) => { node.value = value; node.dispatchEvent(new Event("input")); };
  const sliders = () => {
    const all = shown("input[type=range]");
    for (const node of all) for (const end of [node.min, node.max]) { put(node, end); note(`slider to ${end}`); }
    for (const corner of [0b00000, 0b11111, 0b10111, 0b01010, 0b10101, 0b00011]) {
      all.forEach((node, i) => put(node, (corner >> (i % 5)) & 1 ? node.max : node.min));
      note(`sliders ${corner.toString(2)}`);
    }
  };
  const buttons = () => shown("button").filter((node) => !/^(Play|Pause)$/.test(node.textContent));
  note("first");
  sliders();
  const step = Math.ceil(buttons().length / 16);
  for (let i = 0; i < buttons().length; i += step) {
    buttons()[i].click();
    note(`button ${i}`);
    if (step === 1 && i % 5 === 1) sliders();
  }
  for (let s = 0; s < shown("select").length; s++) for (let o = 0; o < (shown("select")[s]?.options.length ?? 0); o++) {
    const node = shown("select")[s];
    node.selectedIndex = o;
    node.dispatchEvent(new Event("change"));
    note(node.value);
  }
  for (const node of shown("input[type=number]")) for (const value of [-99, 0, 1.23]) { put(node, value); note(`number ${value}`); }
  for (let i = 0; i < 6; i++) buttons().filter((node) => /^Add/.test(node.textContent)).forEach((node) => { node.click(); note("added"); });
  for (const node of shown("[role=application]")) for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"]) {
    node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    note(key);
  }
  return seen;
}"""


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
