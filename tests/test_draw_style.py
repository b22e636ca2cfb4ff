"""The plotting style: figures are themed, labelled, deterministic SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt

from cnnlab.draw import image_grid, palette, show, use_style
from cnnlab.draw.embed import Embedded, figure_html, themed
from cnnlab.draw.style import figure_svg


@pytest.fixture(autouse=True)
def _style():
    with matplotlib.rc_context():
        use_style()
        yield
    plt.close("all")


def line_figure():
    figure, axis = plt.subplots()
    for index in range(3):
        axis.plot([0, 1, 2], [index, 2, 1], label=f"line {index}")
    axis.set_title("A title")
    axis.legend()
    return figure


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio of two hexadecimal colors."""

    def luminance(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("name", [*palette.SERIES, "ink", "muted"])
@pytest.mark.parametrize("mode", [0, 1])
def test_every_color_that_carries_text_or_lines_has_contrast(name, mode):
    assert contrast(palette.COLORS[name][mode], palette.COLORS["paper"][mode]) >= 4.5


def test_svg_names_palette_variables_and_leaks_no_style():
    svg = figure_svg(line_figure(), "salt")
    ElementTree.fromstring(svg)
    for name in ("blue", "orange", "green", "ink"):
        assert f"var(--cnnlab-{name}, {palette.light(name)})" in svg
    assert "<style" not in svg, "a style element inside inline SVG reaches the whole page"
    assert ">A title</text>" in svg, "text stays text"


def test_svg_is_deterministic_and_ids_differ_between_figures():
    first, again = figure_svg(line_figure(), "one"), figure_svg(line_figure(), "one")
    assert first == again
    other = figure_svg(line_figure(), "two")
    ids = [{e.get("id") for e in ElementTree.fromstring(s).iter() if e.get("id")} for s in (first, other)]
    assert ids[0] and not ids[0] & ids[1]


def test_themed_touches_style_attributes_only():
    blue = palette.light("blue")
    assert (
        themed(f'<text style="fill: {blue}">{blue}</text>')
        == f'<text style="fill: {palette.css("blue")}">{blue}</text>'
    )


def test_alt_text_is_required_and_escaped():
    with pytest.raises(ValueError, match="alt"):
        figure_html("<svg/>", "  ")
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in figure_html("<svg/>", 'a "b" <c>')
    bundle = Embedded("<svg/>", "words")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"} and "words" in bundle["text/plain"]


def test_show_displays_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = line_figure()
    show(figure, "three lines")
    assert shown[0].alt == "three lines"
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(5, 3, 8, 8),
        torch.randint(0, 255, (5, 1, 8, 8), dtype=torch.uint8),
        np.zeros((5, 8, 8)),
        [np.zeros((9, 7, 3))],
    ],
)
def test_image_grid_takes_the_usual_layouts(images):
    figure = image_grid(images, columns=3)
    assert sum(bool(axis.images) for axis in figure.axes) == len(images)


def test_image_grid_says_what_is_wrong():
    with pytest.raises(ValueError, match="titles has 2 entries for 5 images"):
        image_grid(torch.rand(5, 1, 8, 8), titles=["a", "b"])
    with pytest.raises(ValueError, match=r"shape \(8,\)"):
        image_grid(torch.rand(5, 8))
