"""Joints over pictures: where dots and lines are drawn, in which color, and what is refused."""

from __future__ import annotations

import matplotlib
import pytest
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from cnnlab import draw
from cnnlab.draw import bodies, palette

PICTURES = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
POINTS = torch.tensor([[[4.0, 4], [10, 20], [20, 20]]] * 3)


@pytest.fixture
def shown(monkeypatch) -> list:
    """What reached ``show``, left open to be looked at."""
    met: list = []
    monkeypatch.setattr(bodies, "show", lambda figure, alt, caption, narrow: met.append((figure, alt, caption, narrow)))
    yield met
    plt.close("all")


def test_dots_stand_where_their_pixels_are_and_sides_have_colors(shown):
    draw.joints(
        PICTURES, POINTS, "Three.", "A caption.", bones=((0, 1), (0, 2)), pairs=((1, 2),), truths=POINTS + 1, columns=3
    )
    ((figure, alt, caption, narrow),) = shown
    lines = figure.axes[0].lines
    dots = [line for line in lines if line.get_marker() == "o"]
    # The first pixel's middle is (0.5, 0.5), and matplotlib draws it at 0.
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(3.5, 3.5), (9.5, 19.5), (19.5, 19.5)]
    assert [to_hex(line.get_color()) for line in dots] == [palette.light(name) for name in ("green", "orange", "blue")]
    bones = [line for line in lines if len(line.get_xdata()) == 2]
    assert [to_hex(line.get_color()) for line in bones[1::2]] == [palette.light("orange"), palette.light("blue")]
    crosses = [line for line in lines if line.get_marker() == "x"]
    assert (crosses[0].get_xdata()[0], len(crosses)) == (4.5, 6)
    assert (alt, caption) == ("Three.", "A caption.") and len(narrow.axes) == 4


def test_one_picture_and_refusals(shown):
    draw.joints(PICTURES[0], POINTS[0], "One.")
    assert shown[0][3] is None and len(shown[0][0].axes[0].lines) == 3
    with pytest.raises(ValueError, match="points has 2 bodies for 3 pictures"):
        draw.joints(PICTURES, POINTS[:2], "Two.")
    with pytest.raises(ValueError, match="truths has 1 bodies"):
        draw.joints(PICTURES, POINTS, "Two.", truths=POINTS[0])
    with pytest.raises(ValueError, match="alt"):
        draw.joints(PICTURES, POINTS, " ")
