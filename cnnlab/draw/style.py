"""The one plotting style, and ``show``: a matplotlib figure as SVG that follows the page's mode."""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.draw.embed import Embedded, themed, well_formed
from cnnlab.draw.palette import SERIES, light

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["use_style", "figure_svg", "show", "plain", "image_grid", "as_picture"]

# CSS pixels; on a phone a figure scrolls in its own box rather than shrink until its text cannot be read.
_LEAST_WIDTH = 430
# Inches, and by how much taller. On a phone a chart of the usual width would shrink to half of it, and its words with
# it; one that is laid out at the first of these widths shrinks by a quarter. The others are for those whose words would
# meet there.
_NARROW = ((4.4, 1.0), (4.4, 1.25), (5.2, 1.0), (5.2, 1.25))
# Of all pictures in a figure: those of numbers are a few squares, and photographs would be stored twice.
_MOST_PIXELS = 20_000
_TITLES = (9.0, 11.0)  # points, of a picture in a grid: least and most
_FONTS = re.compile(r"font-family: ([^;\"]*); ")


def use_style() -> None:
    """Set matplotlib's defaults to the book's style. Colors are the light ones; ``show`` themes them."""
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "none",
            "axes.facecolor": "none",
            "axes.prop_cycle": cycler(color=[light(name) for name in SERIES]),
            "axes.edgecolor": light("muted"),
            "axes.labelcolor": light("ink"),
            "axes.titlecolor": light("ink"),
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": light("grid"),
            "grid.linewidth": 0.8,
            "xtick.color": light("muted"),
            "ytick.color": light("muted"),
            "xtick.labelcolor": light("ink"),
            "ytick.labelcolor": light("ink"),
            "text.color": light("ink"),
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "patch.edgecolor": light("paper"),
            "font.size": 10,
            "font.family": "sans-serif",
            "image.interpolation": "none",  # keeps the pixels as they are: small files, crisp squares
            "image.cmap": "gray",
            "svg.fonttype": "none",  # real text: crisp, selectable, small
        }
    )


def figure_svg(figure: Figure, salt: str, *, tight: bool = True) -> str:
    """The figure as one ``<svg>`` element whose colors follow the page; ``salt`` keeps ids apart.

    ``tight=False`` keeps the figure's own size, so that pictures that follow one another do not jump, and lets it
    shrink with the box that it is in.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        box = "tight" if tight else None
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches=box)
    svg = well_formed(buffer.getvalue())
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # matplotlib's own style element says "*{...}", which would reach the whole page from inline SVG.
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    # Its indentation, and paths to a millionth of a point, are half of the file.
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r'\sd="([^"]*)"', lambda path: f' d="{_brief_path(path[1])}"', svg)
    # Each text names the same ten fonts; said once, at the root, they weigh nothing.
    fonts = Counter(_FONTS.findall(svg)).most_common(1)
    family = ""
    if fonts:
        family = f";font-family:{fonts[0][0]}"
        svg = svg.replace(f"font-family: {fonts[0][0]}; ", "")
    svg = _own_ids(svg, "f" + hashlib.sha256(salt.encode()).hexdigest()[:8])
    width = float(re.search(r'width="([\d.]+)pt"', svg).group(1)) * 4 / 3  # points to CSS pixels
    least = min(width, _LEAST_WIDTH if tight else 0)
    svg = re.sub(
        r'<svg[^>]*?viewBox="([^"]*)"[^>]*>',
        rf'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        rf'viewBox="\1" style="width:100%;min-width:{least:.0f}px;max-width:{width:.0f}px;'
        rf'height:auto;stroke-linejoin:round{family}" aria-hidden="true">',
        svg,
        count=1,
        flags=re.DOTALL,
    )
    return themed(svg)


def _brief_path(data: str) -> str:
    """Path data to a hundredth of a point, without the spaces that its commands do not need."""
    data = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), data)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(data.split()))


def _own_ids(svg: str, prefix: str) -> str:
    """The SVG with ids that no other figure has, and with those alone that something in it refers to.

    Element ids such as "axes_1" repeat from figure to figure, and a page holds many figures.
    """
    wanted = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', svg))
    # An image shown twice in one figure has its id twice; the second gets another.
    met: Counter[str] = Counter()

    def own(match: re.Match[str]) -> str:
        if match[1] not in wanted:
            return ""
        met[match[1]] += 1
        again = f"-{met[match[1]]}" if met[match[1]] > 1 else ""
        return f' id="{prefix}-{match[1]}{again}"'

    svg = re.sub(r'\sid="([^"]*)"', own, svg)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)


def show(figure: Figure, alt: str, caption: str | None = None, *, narrow: Figure | None = None) -> None:
    """Display a matplotlib figure: crisp, light and dark, with a text alternative; then close it.

    Args:
        figure: any matplotlib figure.
        alt: what the figure shows, in a sentence or two, for readers who cannot see it.
        caption: a sentence that says what to see in it, which stands below with a number: "Figure 3. ...". Numbers
            count what has been shown since ``cnnlab.setup()``; the same caption keeps its number when its cell runs
            again. None shows the figure without a line below.
        narrow: the same drawn for a phone, some 4.4 inches wide. None lays charts out anew and leaves photographs and
            drawings without axes as they are.

    Raises:
        ValueError: ``alt`` or ``caption`` is empty.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    small = _narrow_svg(figure, alt) if narrow is None else figure_svg(narrow, salt=f"{alt} (narrow)")
    display(Embedded(figure_svg(figure, salt=alt), alt, caption, small, by_hand=narrow is not None))
    for drawn in (figure, narrow):
        if drawn is not None:
            plt.close(drawn)


def plain(name: Any) -> str:
    """A name as it is read, for matplotlib, which takes what stands between two dollar signs for a formula.

    Control characters, which no font can show, are left out.
    """
    return well_formed(str(name)).replace("$", r"\$")


def _narrow_svg(figure: Figure, alt: str) -> str | None:
    """A chart laid out anew for a phone; None for what is narrow already, for photographs and drawings without axes.

    A photograph loses nothing when it shrinks, and in a drawing without axes words fit what is drawn around them.
    """
    wide, tall = figure.get_size_inches()
    pictures = [picture for axis in figure.axes for picture in axis.images]
    pixels = sum(picture.get_size()[0] * picture.get_size()[1] for picture in pictures)
    charts = any(axis.axison and axis.get_visible() and not axis.images for axis in figure.axes)
    if not charts or pixels > _MOST_PIXELS or wide <= 1.1 * _NARROW[-1][0]:
        return None
    met = _meetings(figure)
    svg = None
    for width, taller in _NARROW:
        figure.set_size_inches(width, tall * taller)
        if _meetings(figure) <= met:
            svg = figure_svg(figure, salt=f"{alt} (narrow)")
            break
    figure.set_size_inches(wide, tall)
    return svg


def _meetings(figure: Figure) -> int:
    """How many pairs of its words touch each other."""
    from itertools import combinations

    from matplotlib.text import Text

    figure.draw_without_rendering()
    # The layout keeps the name of an axis off its numbers; numbers beyond an axis's ends are not drawn.
    apart = {id(name) for axis in figure.axes for name in (axis.xaxis.label, axis.yaxis.label)}
    for axis in figure.axes:
        for side, (low, high) in ((axis.xaxis, sorted(axis.get_xlim())), (axis.yaxis, sorted(axis.get_ylim()))):
            ticks = [*side.get_major_ticks(), *side.get_minor_ticks()]
            beyond = [tick for tick in ticks if not low <= tick.get_loc() <= high]
            apart |= {id(number) for tick in beyond for number in (tick.label1, tick.label2)}
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # A letter's width apart at least, or years along an axis read as one number.
    boxes = [text.get_window_extent().padded(4, 0) for text in words if id(text) not in apart]
    return sum(one.overlaps(other) for one, other in combinations(boxes, 2))


def image_grid(
    images: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    size: float = 1.0,
    colors: Sequence[str] | None = None,
    **imshow_options: Any,
) -> Figure:
    """A grid of pictures.

    Args:
        images: tensor or array, Shape: (N, C, H, W) with C of 1 or 3, or (N, H, W); uint8 or float in [0, 1]
            (values outside are clipped); or a sequence of (H, W) or (H, W, 3) arrays.
        titles: one for each picture, or None.
        columns: pictures in a row.
        size: inches a picture is wide; its height follows from the first picture's shape.
        colors: palette names for the titles ("red" for a wrong prediction), or None.
        imshow_options: handed to ``Axes.imshow`` (``cmap``, ``vmin``, ``vmax``).
    """
    import matplotlib.pyplot as plt
    import numpy as np

    pictures = [as_picture(image) for image in images]
    for argument, given in (("titles", titles), ("colors", colors)):
        if given is not None and len(given) != len(pictures):
            raise ValueError(
                f"{argument} has {len(given)} entries for {len(pictures)} images; give one for each image."
            )
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    tall, wide = pictures[0].shape[:2]
    # Titles are as large as their pictures leave room for, so that they can still be read when a phone shrinks them.
    # None is wider than its picture, or the figure could not be cut between two of them (panels.py in book/ext).
    longest = max((len(line) for title in titles or () for line in str(title).split("\n")), default=1)
    points = min(_TITLES[1], max(_TITLES[0], 72 * size / (0.62 * longest)))
    height = size * tall / wide + (0.26 * points / _TITLES[0] if titles else 0.04)
    figure, axes = plt.subplots(rows, columns, figsize=(columns * size * 1.04, rows * height), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    options = {"vmin": 0, "vmax": 1} | imshow_options
    for index, (axis, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        axis.imshow(np.clip(picture, 0, 1) if picture.ndim == 3 else picture, **options)
        if titles:
            color = light(colors[index]) if colors else light("ink")
            axis.set_title(plain(titles[index]), fontsize=points, fontweight="normal", loc="center", pad=3, color=color)
    return figure


def as_picture(image: Any) -> Any:
    """One picture as (H, W) or (H, W, 3) float array in [0, 1] if it was uint8, else as it was."""
    import numpy as np

    array = image.detach().cpu().numpy() if hasattr(image, "detach") else np.asarray(image)
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[-1] not in (1, 3):
        array = array.transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"an image has shape {array.shape}; wanted (H, W), (H, W, 3), (1, H, W) or (3, H, W).")
    return array / 255.0 if array.dtype == np.uint8 else array.astype(float)
