"""The halves in which a phone shows a figure of several panels."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from cnnlab.draw import image_grid
from cnnlab.draw.embed import inline, standalone
from cnnlab.draw.style import figure_svg, use_style

pytest.importorskip("sphinx")
sys.path.append(str(Path(__file__).resolve().parents[1] / "book" / "ext"))

from cnnlab_book.panels import cut, halves


@pytest.fixture(autouse=True)
def style():
    with plt.rc_context():
        use_style()
        yield


def stored(figure) -> str:
    svg = standalone(figure_svg(figure, salt="panels"))
    plt.close(figure)
    return svg


@pytest.mark.parametrize("count, share", [(2, 1 / 2), (3, 2 / 3), (4, 1 / 2), (8, 1 / 2)])
def test_a_row_of_pictures_is_cut_between_two_of_them(count, share):
    svg = stored(image_grid(np.random.default_rng(0).random((count, 8, 8)), list("abcdefgh")[:count], columns=count))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    place = cut(svg)
    assert place == pytest.approx(share * width, rel=0.03)
    for start, end in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg.split("<clipPath")[1]):
        assert not float(start) < place < float(start) + float(end)


def test_numbers_in_a_panel_without_pixels_stay_together():
    figure, axes = plt.subplots(1, 2, figsize=(6, 2))
    for axis in axes:
        axis.axis("off")
        for x in range(3):
            axis.text((x + 0.5) / 3, 0.5, f"{x}.00", ha="center")
    place = cut(stored(figure))
    assert place == pytest.approx(6 * 72 / 2, rel=0.05)


def test_what_stands_across_the_gap_keeps_a_figure_whole():
    pictures = np.zeros((2, 8, 8))
    figure = image_grid(pictures, columns=2)
    assert cut(stored(figure)) is not None
    figure = image_grid(pictures, columns=2)
    figure.suptitle("A title for both of them")
    assert cut(stored(figure)) is None


def test_one_panel_and_a_square_of_four_stay_whole():
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    assert cut(stored(figure)) is None
    assert cut(stored(image_grid(np.zeros((4, 8, 8)), columns=2))) is None


def test_halves_show_all_of_the_figure_in_the_colors_of_the_page():
    svg = stored(image_grid(np.zeros((3, 8, 8)), ["a", "b", "c"], columns=3))
    shown = inline(svg, "Three pictures")
    page = halves(shown, cut(svg), "one", "Three pictures")
    whole, first, second = (
        [float(n) for n in box.split()] for box in re.findall(r"<svg\b[^>]*viewBox=\"([^\"]*)\"", page)
    )
    assert first[0] == whole[0] and first[2] + second[2] == pytest.approx(whole[2], abs=0.02)
    assert second[0] == pytest.approx(first[0] + first[2], abs=0.02)
    assert page.count('<use href="#one"/>') == 2 and page.count('<g id="one">') == 1
    assert not re.search(r'(?:fill|stroke)="#1d2530"', page) and "var(--cnnlab-ink)" in page
    assert page.count('role="img" aria-label="Three pictures"') == 1
    assert re.search(r'cnnlab-half"[^>]*aria-hidden="true"', page)
    assert "margin-left:auto" not in page, "pictures stand in the middle"


def test_the_second_of_two_panels_with_one_axis_stands_below_the_first():
    figure, axes = plt.subplots(1, 2, sharey=True, figsize=(6, 2))
    for axis in axes:
        axis.plot([0, 1000], [0, 1000])
    svg = stored(figure)
    assert "margin-left:auto;margin-right:0" in halves(inline(svg, "Two lines"), cut(svg), "two", "Two lines")
