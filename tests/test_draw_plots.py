"""Bars, lines and dots: what is drawn for what was given, and what is said about what cannot be drawn."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex

from cnnlab.draw import bars, confusion, dots, lines, mask, masks, palette, plots, use_style

LAYERS = ["C1", "C3", "F6"]
SHARES = {"of the parameters": [0.1, 0.2, 0.7], "of the MACs": [0.5, 0.4, 0.1]}


@pytest.fixture(autouse=True)
def _style():
    with matplotlib.rc_context():
        use_style()
        yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch) -> list:
    """What reached ``show``: (figure, alt, caption), left open to be looked at."""
    met: list = []
    monkeypatch.setattr(plots, "show", lambda *given: met.append(given))
    monkeypatch.setattr(masks, "show", lambda *given: met.append(given))
    return met


def drawn(shown):
    ((figure, _, _),) = shown
    return figure.axes[0]


def ticks(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def legend(axis) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


def color(name: str) -> str:
    return palette.light(name)


# --- what is drawn ------------------------------------------------------------------------------------------------


def test_bars_have_these_heights_labels_and_colors_in_this_order(shown):
    bars(LAYERS, SHARES, "alt", "caption", title="T", ylabel="share", ylim=(0, 1), percent=True)
    axis = drawn(shown)
    assert [patch.get_height() for patch in axis.patches] == [*SHARES["of the parameters"], *SHARES["of the MACs"]]
    assert [to_hex(patch.get_facecolor()) for patch in axis.patches[::3]] == [color("blue"), color("orange")]
    lefts = [patch.get_x() for patch in axis.patches]
    assert all(a < b for a, b in zip(lefts[:3], lefts[3:], strict=True)), "the second series stands to the right"
    assert ticks(axis.xaxis) == LAYERS and legend(axis) == list(SHARES)
    assert axis.get_title(loc="left") == "T" and axis.get_ylabel() == "share" and axis.get_ylim() == (0, 1)
    assert [axis.yaxis.get_major_formatter()(share) for share in (0.25, 0.975, 0.3)] == ["25%", "97.5%", "30%"]
    assert shown[0][1:] == ("alt", "caption")


def test_lying_bars_read_from_the_top_and_one_series_has_no_legend(shown):
    bars(LAYERS, torch.tensor([3.0, 2.0, 1.0]), "alt", horizontal=True, percent=True, marks={"half": 0.5})
    axis = drawn(shown)
    assert [patch.get_width() for patch in axis.patches] == [3, 2, 1]
    low, high = axis.get_ylim()
    assert low > high and ticks(axis.yaxis) == LAYERS
    assert axis.get_legend() is None and axis.xaxis.get_major_formatter()(0.5) == "50%"
    assert [line.get_xdata() for line in axis.lines] == [[0.5, 0.5]]
    assert [text.get_text() for text in axis.texts] == ["half"]


def test_a_confusion_colors_rights_and_wrongs_by_their_share_of_the_row(shown):
    confusion([[3, 1], [0, 8]], ["cat", "dog"], "alt", title="T")
    axis = drawn(shown)
    cells = {(patch.get_x(), patch.get_y()): patch for patch in axis.patches}
    assert set(cells) == {(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5)}  # what never happened stays paper
    assert [to_hex(patch.get_facecolor()) for patch in cells.values()] == [
        color("blue"),
        color("orange"),
        color("blue"),
    ]
    assert [round(patch.get_alpha(), 3) for patch in cells.values()] == [0.455, 0.205, 0.58]
    assert [(text.get_position(), text.get_text()) for text in axis.texts] == [
        ((0, 0), "3"),
        ((1, 0), "1"),
        ((1, 1), "8"),
    ]
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title(loc="left")) == ("taken for", "is", "T")
    assert axis.yaxis_inverted() and [label.get_text() for label in axis.get_yticklabels()] == ["cat", "dog"]


def test_groups_color_the_bars_of_one_series_and_numbers_stand_where_there_is_room(shown):
    kinds = ["by hand", "learned", "learned"]
    bars([2011, 2012, 2013], [25.8, 15.3, 0.5], "alt", groups=kinds, colors=["C7", "C0"], numbers="{:.1f}")
    axis = drawn(shown)
    assert [to_hex(patch.get_facecolor()) for patch in axis.patches] == [color("grey"), color("blue"), color("blue")]
    assert legend(axis) == ["by hand", "learned"] and ticks(axis.xaxis) == ["2011", "2012", "2013"]
    said = {text.get_text(): to_hex(text.get_color()) for text in axis.texts if text.get_text()}
    assert said == {"25.8": color("paper"), "15.3": color("paper"), "0.5": color("ink")}


def test_bars_without_names_leave_a_gap_between_kinds(shown):
    bars(None, [1, 2, 3], "alt", groups=["a", "a", "b"], legend="below")
    axis = drawn(shown)
    centers = [patch.get_x() + patch.get_width() / 2 for patch in axis.patches]
    assert centers == pytest.approx([0, 1, 3]) and ticks(axis.xaxis) == []
    assert axis.get_legend() is None and len(axis.figure.legends) == 1


def test_a_legend_below_names_the_lines_of_its_own_panel_only():
    figure, axes = plt.subplots(1, 2)
    for axis, place in zip(axes, (None, "below"), strict=True):
        lines(None, {"one": [1, 2], "two": [2, 3]}, legend=place, axis=axis)
    (below,) = figure.legends
    assert [text.get_text() for text in below.get_texts()] == ["one", "two"]


def test_lines_keep_places_styles_and_the_mean_of_runs(shown):
    runs = torch.tensor([[0.0, 2.0], [1.0, 4.0]])
    lines([1, 8], {"one": [3, 4], "two": runs}, "alt", xticks=[1, 8], log="x", styles=("C1--", "C0o-"), xlabel="k")
    axis = drawn(shown)
    one, two, *thin = axis.lines
    assert one.get_xydata().tolist() == [[1, 3], [8, 4]] and one.get_linestyle() == "--"
    assert two.get_ydata().tolist() == [0.5, 3] and two.get_marker() == "o"
    assert [line.get_ydata().tolist() for line in thin] == runs.tolist()
    assert all(line.get_linewidth() < two.get_linewidth() and line.get_marker() in ("", "None") for line in thin)
    assert [to_hex(one.get_color()), to_hex(two.get_color())] == [color("orange"), color("blue")]
    assert legend(axis) == ["one", "two"] and axis.get_xscale() == "log" and axis.get_yscale() == "linear"
    assert ticks(axis.xaxis) == ["1", "8"] and axis.get_xlabel() == "k"


def test_lines_may_have_places_of_their_own_or_count_from_zero(shown):
    lines({"a": [1, 2], "b": [5, 6, 7]}, {"a": [0, 0], "b": [1, 1, 1]}, "alt")
    assert [line.get_xdata().tolist() for line in drawn(shown).lines] == [[1, 2], [5, 6, 7]]
    shown.clear()
    lines(None, [4, 5, 6], "alt", marks={"best": 4})
    axis = drawn(shown)
    assert axis.lines[0].get_xdata().tolist() == [0, 1, 2] and axis.get_legend() is None
    assert axis.lines[1].get_ydata() == [4, 4]


def test_dots_have_a_row_for_each_case_a_dot_for_each_seed_and_a_stroke_at_the_mean(shown):
    rows = {"tanh": [0.9, 0.7], "sigmoid": np.array([0.2])}
    dots(rows, "alt", xlim=(0, 1), percent=True, colors=["C0", "C1"], marks={"guessing": 0.1})
    axis = drawn(shown)
    tanh, mean, sigmoid, guess = axis.lines
    assert tanh.get_xydata().tolist() == [[0.9, 0], [0.7, 0]] and sigmoid.get_xydata().tolist() == [[0.2, 1]]
    assert mean.get_xdata() == pytest.approx([0.8, 0.8]) and guess.get_xdata() == [0.1, 0.1]
    assert to_hex(sigmoid.get_color()) == color("orange")
    low, high = axis.get_ylim()
    assert low > high and ticks(axis.yaxis) == list(rows) and axis.get_xlim() == (0, 1)


def test_it_is_shown_as_any_figure_with_caption_and_alt_and_closed(monkeypatch):
    met: list = []
    monkeypatch.setattr("IPython.display.display", met.append)
    dots({"a": [1, 2]}, "Two dots.", "Look at them.")
    (picture,) = met
    assert picture.alt == "Two dots." and picture.caption == "Look at them."
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    "draw", [lambda **k: bars(["a"], [1], **k), lambda **k: lines([0], [1], **k), lambda **k: dots({"a": [1]}, **k)]
)
def test_into_a_panel_it_draws_and_shows_nothing(draw, shown):
    _, (left, right) = plt.subplots(1, 2)
    draw(axis=right, title="here")
    assert not shown and right.has_data() and not left.has_data() and right.get_title(loc="left") == "here"
    with pytest.raises(ValueError, match=r"draw\.show\(figure, alt, caption\)"):
        draw(axis=right, alt="words")
    with pytest.raises(ValueError, match="alt=None"):
        draw()
    with pytest.raises(TypeError, match="xlable"):
        draw(alt="words", xlable="k")


# --- what is said -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bars(["a"], [1, 2], "alt"), "values has 2 entries for 1 labels"),
        (lambda: bars(["a", "b"], {"s": [1]}, "alt"), "values of 's' has 1 entries for 2 labels"),
        (lambda: bars([], {}, "alt"), "values={} is empty"),
        (lambda: bars([], [], "alt"), "values is empty"),
        (lambda: bars(["a"], ["one"], "alt"), "values=.*no sequence of numbers"),
        (lambda: confusion([[1, 2]], ["a", "b"], "alt"), r"counts has shape \(1, 2\) for 2 classes; wanted \(2, 2\)"),
        (lambda: confusion([[1, 2], [3, -4]], ["a", "b"], "alt"), "counts has the entry -4; counts are 0 or more"),
        (lambda: confusion(3, ["a"], "alt"), r"counts has shape \(\) for 1 classes"),
        (lambda: bars(["a"], [[1]], "alt"), r"values has shape \(1, 1\); wanted \(n,\)"),
        (lambda: bars(["a"], [1], "alt", groups=["x", "y"]), "groups has 2 entries for 1 bars"),
        (lambda: bars(["a"], {"s": [1], "t": [2]}, "alt", groups=["x"]), "groups=.* is for one series"),
        (lambda: bars(["a"], [1], "alt", colors=["C0", "C1"]), "colors=.* has 2 entries for 1 series"),
        (lambda: lines([1, 2], {"s": [1]}, "alt"), "values of 's' has 1 entries for 2 places in x"),
        (lambda: lines({"t": [1]}, {"s": [1]}, "alt"), r"x has places for \['t'\] and values has lines \['s'\]"),
        (lambda: lines([1], {"s": [[1], [1, 2]]}, "alt"), r"values\['s'\]=.*no sequence of numbers"),
        (lambda: lines([1], [1], "alt", log="z"), "log='z' names no axes"),
        (lambda: lines([1], [1], "alt", styles=[]), "styles=.* has 0 entries for 1 lines"),
        (lambda: dots({}, "alt"), "rows={} is empty"),
        (lambda: dots({"a": []}, "alt"), r"rows\['a'\] is empty"),
        (lambda: dots([1, 2], "alt"), "rows is a list; give a mapping"),
        (lambda: dots({"a": [1]}, "alt", colors=["C0", "C1"]), "colors=.* has 2 entries for 1 rows"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line_and_leaves_no_figure_open(call, said):
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert plt.get_fignums() == []


# --- masks --------------------------------------------------------------------------------------------------------

PIXELS = np.full((3, 4, 6), 128, np.uint8)
CLASS_MAP = torch.tensor([[0, 0, 1, 1, 3, 3], [0, 0, 1, 1, 3, 3], [-100, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])


def test_a_class_map_lies_over_its_picture_and_its_classes_are_named(shown):
    mask(PIXELS, CLASS_MAP, ["nothing", "cat", "dog", "$cow"], "alt", "caption", title="T")
    ((_, *words),), axis = shown, drawn(shown)
    assert (*words, axis.get_title(loc="left")) == ("alt", "caption", "T")
    assert legend(axis) == ["cat", r"\$cow"], "no dog, and no background"
    shades = [to_hex(patch.get_facecolor()) for patch in axis.get_legend().get_patches()]
    assert shades == [color("blue"), color("teal")], "a class keeps its color, whatever else is there"
    over = axis.images[1].get_array()
    assert (over[..., 3] == 0.5 * (CLASS_MAP > 0).numpy()).all() and to_hex(over[0, 2, :3]) == color("blue")
    whole, dotted = axis.collections
    assert whole.get_linestyle()[0][1] is None and dotted.get_linestyle()[0][1] is not None


def test_objects_may_overlap_and_have_an_outline_each(shown):
    _, (left, right) = plt.subplots(1, 2)
    objects = torch.zeros(3, 4, 6, dtype=torch.bool)
    objects[0, :2, :3], objects[1, 1:, 2:] = True, True
    mask(PIXELS[0], objects, ["a", "b", "empty"], axis=left)
    mask(PIXELS, objects[0], ["a"], axis=right, legend=False)
    assert not shown and legend(left) == ["a", "b"] and right.get_legend() is None
    over = left.images[1].get_array()
    assert to_hex(over[0, 0, :3]) == color("blue") and to_hex(over[1, 2, :3]) == color("orange")
    outline = left.collections[1].get_paths()[0].vertices
    assert outline.max(0).tolist() == [5.5, 3.5], "closed at the border"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mask(PIXELS, CLASS_MAP[1:], ["a"] * 4, "alt"), r"mask has the shape \(3, 6\) for a picture of 4 x 6"),
        (lambda: mask(PIXELS, CLASS_MAP, ["a"] * 3, "alt"), r"mask has the class 3 and classes 3 names, for 0 to 2"),
        (lambda: mask(PIXELS, CLASS_MAP > 0, ["a"] * 3, "alt"), r"classes has 3 names for 1 masks"),
        (lambda: mask(PIXELS, CLASS_MAP.float(), ["a"] * 4, "alt"), r"mask is float32 of shape \(4, 6\)"),
        (lambda: mask(PIXELS, CLASS_MAP, ["a"] * 4), "alt"),
        (lambda: mask(PIXELS, CLASS_MAP, ["a"] * 4, "alt", axis=plt.gca()), "alt and caption belong to the whole"),
    ],
)
def test_what_is_wrong_with_a_mask_is_said(call, said):
    with pytest.raises((ValueError, TypeError), match=said):
        call()
