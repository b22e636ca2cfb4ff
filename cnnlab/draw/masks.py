"""A picture with masks laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.draw.embed import worded
from cnnlab.draw.palette import dark, light
from cnnlab.draw.style import as_picture, plain, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["mask"]

# In this order neighbors differ in lightness too; beyond them the strokes of the outline do.
_SHADES = ("blue", "orange", "teal", "violet", "green", "gold", "red")
_STROKES = ("-", "--", ":", "-.")


def mask(
    picture: Any,
    mask: Any,
    classes: Sequence[str],
    alt: str | None = None,
    caption: str | None = None,
    *,
    title: str | None = None,
    legend: bool = True,
    size: float = 3.6,
    axis: Axes | None = None,
) -> None:
    """Show a picture with its classes or objects in color, each with an outline and a name below.

    Whoever cannot tell the colors apart has the strokes of the outlines: the first class's is whole, the second's
    dashed, then dotted, then both in turn.

    Args:
        picture: uint8 or floats in [0, 1]. Shape: (H, W), (H, W, 3), (1, H, W) or (3, H, W).
        mask: a class map of whole numbers, in which 0 is the background and a number below 0 does not count; or, of
            bools, a mask for each of several objects, of which the later ones are on top. Shape: (H, W), or (K, H, W)
            of bools.
        classes: names; of a class map the first is the background's, of K objects there are K.
        alt: what the figure shows, as for ``show``; required unless ``axis`` is given.
        caption: the numbered line below, as for ``show``.
        title: above the picture.
        legend: the names below, of what is in the mask.
        size: width of the picture in inches.
        axis: draw into this matplotlib axis, one panel of a larger figure, and show nothing.

    Raises:
        ValueError: the mask is of another size than the picture or has a class beyond the names, or ``alt`` is missing.
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    pixels = as_picture(picture)
    named = _named(mask, classes, pixels.shape[:2])
    if axis is None:
        worded("alt", alt)
        figure, drawn = plt.subplots(figsize=(size, size * pixels.shape[0] / pixels.shape[1]))
    elif alt is not None or caption is not None:
        raise ValueError(
            "alt and caption belong to the whole figure and axis is one panel of it; give them to "
            "draw.show(figure, alt, caption)."
        )
    else:
        figure, drawn = axis.figure, axis
    drawn.imshow(np.clip(pixels, 0, 1), vmin=0, vmax=1)
    handles = []
    over = np.zeros((*pixels.shape[:2], 4))  # of all, since each layer would be another picture in the page
    for place, name, there in named:
        shade, stroke = _SHADES[place % len(_SHADES)], _STROKES[place % len(_STROKES)]
        color = [int(light(shade)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        over[there] = [*color, 0.5]
        # Half a pixel of nothing around it closes the outline at the picture's border.
        rows, columns = (np.arange(-1, side + 1) for side in there.shape)
        around = np.pad(there.astype(float), 1)
        lines = {"colors": [dark(shade)], "linestyles": [stroke], "linewidths": 1.8}
        drawn.contour(columns, rows, around, levels=[0.5], **lines)
        handles.append(Patch(facecolor=light(shade), edgecolor=dark(shade), linestyle=stroke, label=plain(name)))
    drawn.imshow(over)
    drawn.set(xlim=(-0.5, pixels.shape[1] - 0.5), ylim=(pixels.shape[0] - 0.5, -0.5))
    drawn.axis("off")
    if title is not None:
        drawn.set_title(plain(title))
    if legend and handles:
        columns = min(len(handles), 3)
        drawn.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=columns, handlelength=2)
    if axis is None:
        show(figure, alt, caption)


def _named(mask: Any, classes: Sequence[str], size: tuple[int, ...]) -> list[tuple[int, str, np.ndarray]]:
    """(place among the colors, name, where) of each class or object that has a pixel."""
    given = np.asarray(mask.detach().cpu() if hasattr(mask, "detach") else mask)
    if given.ndim not in (2, 3) or given.shape[-2:] != size:
        raise ValueError(
            f"mask has the shape {given.shape} for a picture of {size[0]} x {size[1]}; give (H, W), or (K, H, W) of "
            "bools, at the picture's size."
        )
    if given.dtype == bool:
        objects = given.reshape(-1, *size)
        if len(objects) != len(classes):
            raise ValueError(f"classes has {len(classes)} names for {len(objects)} masks; give one each.")
        return [(i, name, one) for i, (name, one) in enumerate(zip(classes, objects, strict=True)) if one.any()]
    if given.ndim != 2 or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"mask is {given.dtype} of shape {given.shape}; give whole numbers (H, W), or bools.")
    if given.size and given.max() >= len(classes):
        raise ValueError(
            f"mask has the class {given.max()} and classes {len(classes)} names, for 0 to {len(classes) - 1}; give a "
            "name for each, the background's first."
        )
    return [(i - 1, classes[i], given == i) for i in range(1, len(classes)) if (given == i).any()]
