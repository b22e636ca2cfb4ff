"""Boxes over pictures: where they stand, what their names say, and what is said to those who do not see them."""

from __future__ import annotations

import matplotlib
import pytest
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from cnnlab import draw
from cnnlab.detection import Objects
from cnnlab.draw import found, palette

NAMES = ("circle", "$star$")
PICTURES = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
TWO = Objects(torch.tensor([[2.0, 20, 12, 30], [18, 1, 30, 15]]), torch.tensor([0, 1]), torch.tensor([0.9, 0.254]))
SAID = [TWO, Objects.none(predicted=True), TWO[1:]]


@pytest.fixture
def shown(monkeypatch) -> list:
    """What reached ``show``, left open to be looked at."""
    met: list = []
    monkeypatch.setattr(found, "show", lambda figure, alt, caption, narrow: met.append((figure, alt, caption, narrow)))
    yield met
    plt.close("all")


def test_boxes_stand_where_their_pixels_are_and_are_named(shown):
    draw.boxes(PICTURES, SAID, caption="What was found.", classes=NAMES, truths=[TWO, Objects.none(), TWO])
    ((figure, alt, caption, narrow),) = shown
    first, second, third = figure.axes[:3]
    assert first.get_xlim() == (-0.5, 31.5) and caption == "What was found."
    frames = [patch for patch in first.patches if to_hex(patch.get_edgecolor()) != palette.light("paper")]
    assert [frame.get_bbox().bounds for frame in frames[2:]] == [(17.5, 0.5, 12, 14), (1.5, 19.5, 10, 10)]
    assert [frame.get_linestyle() for frame in frames] == ["--", "--", "-", "-"]
    assert [to_hex(frame.get_edgecolor()) for frame in frames[2:]] == [palette.light("orange"), palette.light("blue")]
    names = {text.get_text(): text for text in first.texts}
    assert set(names) == {"circle 90", r"\$star\$ 25"}
    above, inside = names["circle 90"], names[r"\$star\$ 25"]
    assert (above.get_ha(), above.get_va(), above.xy) == ("left", "bottom", (1.5, 19.5))
    assert (inside.get_ha(), inside.get_va(), inside.xy) == ("right", "top", (29.5, 0.5))
    assert not second.texts and not second.patches and len(third.texts) == 1
    assert len(narrow.axes) == 4, "two in a row on a phone"
    assert alt == (
        "Picture 1 with boxes around: circle (90 %), $star$ (25 %). Picture 2 with boxes around: nothing. "
        "Picture 3 with boxes around: $star$ (25 %)."
    )


def test_one_picture_needs_no_list_and_no_names(shown):
    draw.boxes(PICTURES[0], Objects(TWO.boxes, TWO.labels), "A scene.")
    ((figure, alt, _, narrow),) = shown
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1"] and narrow is None and alt == "A scene."


@pytest.mark.parametrize(
    ("given", "ways", "said"),
    [
        (SAID[:2], {}, r"objects has 2 entries for 3 pictures: give one Objects for each picture, Objects.none\(\)"),
        (SAID, {"truths": SAID[:1]}, r"truths has 1 entries for 3 pictures"),
        (SAID, {"classes": ("circle",)}, r"classes has 1 names and there is an object of class 1: name them all"),
        (SAID, {"alt": " "}, r"alt=' ' is empty"),
    ],
)
def test_what_cannot_be_drawn_says_why(shown, given, ways, said):
    with pytest.raises(ValueError, match=said):
        draw.boxes(PICTURES, given, **ways)
    assert not shown


def test_it_is_shown_once_with_its_words_and_closed(monkeypatch):
    met: list = []
    monkeypatch.setattr("IPython.display.display", met.append)
    with matplotlib.rc_context():
        draw.use_style()
        draw.boxes(PICTURES, SAID, caption="Boxes.", classes=NAMES)
    (one,) = met
    assert one.caption == "Boxes." and "circle (90 %)" in one.alt and not plt.get_fignums()
