"""The plotting style: figures are themed, labelled, deterministic SVG."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
import torch

matplotlib.use("agg")
import matplotlib.pyplot as plt

from cnnlab.draw import image_grid, palette, show, use_style
from cnnlab.draw.embed import Embedded, figure_html, inline, restart_numbering, standalone, still_html, themed
from cnnlab.draw.style import figure_svg

SVG = "{http://www.w3.org/2000/svg}"
TINY = '<svg viewBox="0 0 8 4"/>'


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
    for make in (figure_html, still_html, Embedded):
        with pytest.raises(ValueError, match="alt='  ' is empty"):
            make(TINY, "  ")
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in figure_html(TINY, 'a "b" <c>')
    assert 'alt="a &quot;b&quot; &lt;c&gt;"' in still_html(TINY, 'a "b" <c>')
    bundle = Embedded(TINY, "words")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"} and bundle["text/plain"] == "[Figure: words]"
    with pytest.raises(ValueError, match=r"svg='<div>' is not an <svg> element with a viewBox"):
        standalone("<div>")


def test_show_displays_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    figure = line_figure()
    show(figure, "three lines", caption="They cross.")
    assert (shown[0].alt, shown[0].caption) == ("three lines", "They cross.")
    assert not plt.fignum_exists(figure.number)
    with pytest.raises(ValueError, match="caption='' is empty"):
        show(line_figure(), "three lines", caption="")


def bar_figure(count, **size):
    figure, axis = plt.subplots(**size)
    axis.bar([f"{2000 + n}" for n in range(count)], range(count))
    return figure


@pytest.mark.slow
def test_a_chart_is_stored_with_a_layout_for_a_phone(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)

    def narrow(figure):
        size = tuple(figure.get_size_inches())
        show(figure, "words")
        assert tuple(figure.get_size_inches()) == size
        return shown[-1].narrow

    def width(svg):
        return float(re.search(r"max-width:(\d+)px", svg)[1])

    use_style()
    assert width(narrow(bar_figure(4))) == pytest.approx(4.4 * 96, abs=15)
    assert width(narrow(bar_figure(9))) == pytest.approx(5.2 * 96, abs=15)  # nine years meet on 4.4 inches
    assert narrow(bar_figure(4, figsize=(5, 3))) is None
    assert narrow(picture_figure()) is None
    drawing = bar_figure(4)
    drawing.axes[0].axis("off")
    assert narrow(drawing) is None

    figure, _ = plt.subplots(1, 2, figsize=(7, 3))
    figure.legend(figure.axes[0].plot([1, 2]), ["both panels"])
    assert width(narrow(figure)) == pytest.approx(4.4 * 96, abs=15)
    figure, axis = plt.subplots(figsize=(7, 3))  # a colorbar has words, a large picture is not stored twice
    figure.colorbar(axis.imshow(np.zeros((9, 9))), ax=axis)
    assert narrow(figure)
    figure, axis = plt.subplots(figsize=(7, 3))
    figure.colorbar(axis.imshow(np.zeros((200, 200))), ax=axis)
    assert narrow(figure) is None

    show(bar_figure(4), "four bars, and three for a phone", narrow=bar_figure(3, figsize=(4, 3)))
    assert shown[-1].narrow.count("2003") == 0 < shown[-1].svg.count("2003")
    assert "<source data-by-hand media=" in shown[-1]._repr_html_()
    assert not plt.get_fignums()

    show(bar_figure(4), "four bars")
    stored = shown[-1]._repr_html_()
    assert re.search(r'<picture><source media="\(max-width:600px\)" srcset="data:[^"]+"><img alt="four bars"', stored)


def test_captions_are_numbered_by_first_showing():
    def line(caption):
        return re.findall("<figcaption>(.*)</figcaption>", Embedded(TINY, "words", caption)._repr_html_())

    restart_numbering()
    assert line("One < two.") == ["Figure 1. One &lt; two."]
    assert line(None) == []  # a reader's own picture takes no number
    assert line("Two.") == ["Figure 2. Two."]
    assert line("One < two.") == ["Figure 1. One &lt; two."]  # its cell runs again
    assert Embedded(TINY, "words", "Two.")._repr_mimebundle_()["text/plain"] == "[Figure 2. Two. words]"
    restart_numbering()
    assert line("Two.") == ["Figure 1. Two."]


def picture_figure():
    figure, axes = plt.subplots(1, 2)
    gray, color = np.arange(256.0).reshape(16, 16), np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
    axes[0].imshow(gray, cmap="gray")
    axes[1].imshow(color)
    axes[1].add_patch(plt.Rectangle((2, 2), 5, 5, facecolor=palette.light("orange"), alpha=0.5))
    return figure


@pytest.mark.parametrize("make", [line_figure, picture_figure])
def test_a_stored_picture_stands_alone(make):
    """Bytes equal at each run, a size, a paper, plain colors, and for each of them one for the dark."""
    alone = standalone(figure_svg(make(), "salt"))
    assert alone == standalone(figure_svg(make(), "salt"))
    root = ElementTree.fromstring(alone)
    x, y, wide, tall = map(float, root.attrib["viewBox"].split())
    assert float(root.attrib["width"]) / float(root.attrib["height"]) == pytest.approx(wide / tall, rel=0.01)
    assert float(root.attrib["width"]) == pytest.approx(wide * 4 / 3, abs=1)
    paper = root.find(f"{SVG}rect")
    assert [float(paper.attrib[name]) for name in ("x", "y", "width", "height")] == pytest.approx(
        [x, y, wide, tall], abs=0.01
    )
    assert paper.attrib["fill"] == palette.light("paper")
    assert "var(" not in alone and "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", alone)
    style = root.find(f"{SVG}style").text
    for name, (light, dark) in palette.COLORS.items():
        for paint in ("fill", "stroke"):
            if f'{paint}="{light}"' in alone.replace(style, ""):
                assert f'[{paint}="{light}"]{{{paint}:{dark}}}' in style, name
        assert not re.search(rf'style="[^"]*{light}', alone), "an inline style would win over the dark color"


def test_pictures_inside_keep_every_pixel_in_fewer_bytes():
    from PIL import Image

    svg = figure_svg(picture_figure(), "salt")
    before, after = (re.findall(r"image/png;base64,([^\"]+)", text) for text in (svg, standalone(svg)))
    assert len(before) == len(after) == 2
    for one, other in zip(before, after, strict=True):
        old, new = (Image.open(io.BytesIO(base64.b64decode(data))) for data in (one, other))
        assert np.array_equal(np.asarray(old.convert("RGBA")), np.asarray(new.convert("RGBA")))
        assert len(other) < len(one)


@pytest.mark.parametrize("make", [line_figure, picture_figure])
def test_in_line_again_it_has_no_paper_and_a_name(make):
    svg = figure_svg(make(), "salt")
    root = ElementTree.fromstring(inline(standalone(svg), "words"))
    assert root.find(f"{SVG}rect") is None and root.find(f"{SVG}style") is None
    assert (root.attrib["role"], root.attrib["aria-label"]) == ("img", "words")
    assert "width" not in root.attrib
    was = ElementTree.fromstring(svg).attrib["style"].replace(" ", "")
    assert set(root.attrib["style"].replace(" ", "").split(";")) == set(was.split(";"))
    kinds = [[element.tag for element in tree.iter()] for tree in (root, ElementTree.fromstring(svg))]
    assert kinds[0] == kinds[1]


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


def test_titles_are_as_large_as_their_pictures_leave_room_for():
    def size(title, **options):
        return image_grid(torch.rand(2, 8, 8), titles=[title] * 2, **options).axes[0].title.get_fontsize()

    assert size("blur", size=2) == 11 and size("x" * 9, size=0.6) == 9  # points
    assert size("x" * 16, size=1) == size("x" * 40, size=2) == 9
    assert 9 < size("x" * 25, size=2) < 11


def test_image_grid_says_what_is_wrong():
    with pytest.raises(ValueError, match="titles has 2 entries for 5 images"):
        image_grid(torch.rand(5, 1, 8, 8), titles=["a", "b"])
    with pytest.raises(ValueError, match=r"shape \(8,\)"):
        image_grid(torch.rand(5, 8))
