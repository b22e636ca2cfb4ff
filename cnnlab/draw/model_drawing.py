"""Drawings of a model, made from the model itself: every label is a shape that came out of it.

`draw_model(model, style="volumes")` is the drawing of LeNet's paper: stacks of feature maps that shrink and deepen.
`draw_model(model, style="blocks")` reads like lines of text, one residual block a line, its shortcut arching over it;
with skips and branches in the model's own ``forward`` it goes from top to bottom, or down and up where that is a U.
`draw_block(module, input_shape)` shows one block from top to bottom in every detail; `block_gallery`, several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from cnnlab.analysis import summarize
from cnnlab.draw.embed import Embedded, save
from cnnlab.draw.model.blocks import draw_blocks
from cnnlab.draw.model.detail import Titled, draw_detail, draw_gallery
from cnnlab.draw.model.graph import series_of
from cnnlab.draw.model.items import hidden
from cnnlab.draw.model.opened import draw_opened
from cnnlab.draw.model.volumes import draw_volumes
from cnnlab.errors import unknown_name

__all__ = ["STYLES", "Drawing", "draw_model", "draw_block", "block_gallery"]

STYLES = ("volumes", "blocks")
_PHONE = 360.0  # pixels: a row of blocks as wide as this is read on a phone without shrinking much


class Drawing(Embedded):
    """A picture of a model: shown by the notebook, or saved: ``.save("lenet.svg")``, ``.png`` or ``.pdf``.

    Attributes:
        svg: The picture for a page, one ``<svg>`` element whose colors follow it; ``save`` writes one for a file.
        alt: What it shows, in words, made from the same numbers.
    """

    def __init__(self, svg: str, alt: str, title: str) -> None:
        super().__init__(svg, alt)
        self.title = title

    def save(
        self, path: str | Path, *, dark: bool = False, transparent: bool = False, scale: float | None = None
    ) -> Path:
        """Write the picture to a file that stands alone: ``.save("lenet.pdf")``.

        Args:
            path: ends in .svg, .png or .pdf; folders are created, "~" is the home folder.
            dark: whether with the dark mode's colors instead of the light one's.
            transparent: whether without the paper behind it.
            scale: for .png, pixels of the file per pixel drawn; None is 2, which print takes at 192 dots per inch.

        Returns:
            The path.

        Raises:
            ValueError: another ending, or a scale that does not go with it.
            ImportError: .png and .pdf need CairoSVG (``pip install "cnnlab[draw]"``), and it is missing.
        """
        return save(self.svg, path, dark=dark, transparent=transparent, scale=scale)


def draw_model(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    style: str = "volumes",
    *,
    expand: bool = False,
    caption: str | None = None,
) -> Drawing:
    """Draw a whole model.

    Modules with branches of their own are one box each, which `draw_block` opens. The skips and branches of the model's
    own ``forward`` are drawn; where they cross, so that no branches can be told apart, a line below says so.

    Args:
        model: Any module, or a name for `cnnlab.create_model`.
        input_size: (C, H, W); None takes the model's own.
        style: "volumes" for stacks of feature maps (on a phone, boxes: they can be read there), "blocks" for boxes with
            shortcuts.
        expand: Whether "blocks" draws every repeated block instead of one of them with "×3".
        caption: A sentence that says what to see in it, numbered below the drawing as `show` does.

    Raises:
        ValueError: if the style or the model is unknown, the input does not fit, or the caption is empty.
    """
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    summary = summarize(model, input_size)
    items = series_of(summary.trace)
    branched = any(hidden(x) for x in items)
    if style == "volumes":
        drawing = Drawing(*draw_volumes(summary, items))
        if not branched and _width(drawing.svg) > 1.2 * _PHONE:
            # A row of volumes would shrink on a phone until its words cannot be read; lines of boxes need not.
            drawing.narrow = draw_blocks(summary, items, expand)[0]
    elif branched:
        drawing = Drawing(*draw_opened(summary, items, expand))
    else:
        drawing = Drawing(*draw_blocks(summary, items, expand))
    return drawing.captioned(caption)


def draw_block(
    module: nn.Module, input_shape: Sequence[int], *, title: str | None = None, caption: str | None = None
) -> Drawing:
    """Draw one block from top to bottom with everything in it: normalization, activations, branches, shortcut.

    Args:
        module: A block, such as a ResNet's ``model.conv3[0]``.
        input_shape: (C, H, W) of what goes in.
        title: Heading; None is the module's class.
        caption: A sentence that says what to see in it, numbered below the drawing as `show` does.

    Raises:
        ValueError: if the input does not fit, or the caption is empty.
    """
    summary = summarize(module, input_shape)
    return Drawing(*draw_detail(summary, series_of(summary.trace), title or type(module).__name__)).captioned(caption)


def block_gallery(blocks: Mapping[str, tuple[nn.Module, Sequence[int]]], *, caption: str | None = None) -> Drawing:
    """Draw several blocks side by side, each as `draw_block` does, in as many rows as they need.

    Args:
        blocks: Heading -> (module, the (C, H, W) of what goes in).
        caption: A sentence that says what to see in it, numbered below the drawing as `show` does.

    Raises:
        ValueError: if there is no block, an input does not fit, or the caption is empty.
    """
    if not blocks:
        raise ValueError(f"blocks={blocks!r} is empty; give one block or more: heading -> (module, (C, H, W)).")
    traced = []
    for title, (module, input_shape) in blocks.items():
        summary = summarize(module, input_shape)
        traced.append(Titled(title, summary, series_of(summary.trace)))
    drawing = Drawing(*draw_gallery(traced))
    drawing.narrow = draw_gallery(traced, _PHONE)[0]
    return drawing.captioned(caption)


def _width(svg: str) -> float:
    """In pixels, as drawn."""
    return float(svg.split('viewBox="', 1)[1].split('"', 1)[0].split()[2])
