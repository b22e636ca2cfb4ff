"""Bodies over pictures: joints, and the bones between them, left and right told apart by their color."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.draw.embed import worded
from cnnlab.draw.palette import light
from cnnlab.draw.style import image_grid, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["joints"]

_WIDE, _ON_A_PHONE = 6.4, 4.4  # inches
_LEFT, _RIGHT, _MIDDLE = "orange", "blue", "green"


def joints(
    pictures: Any,
    points: Any,
    alt: str,
    caption: str | None = None,
    *,
    bones: Sequence[tuple[int, int]] = (),
    pairs: Sequence[tuple[int, int]] = (),
    truths: Any = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> None:
    """Show pictures with a dot at each joint and a line along each bone: orange on the left, blue on the right.

    Args:
        pictures: uint8, or floats in [0, 1]. Shape: (N, C, H, W), or (C, H, W) for one.
        points: x and y in pixels. Shape: (N, P, 2), or (P, 2) for one.
        alt: what the figure shows.
        caption: the numbered line below, as for ``show``.
        bones: pairs of joint numbers that a line joins.
        pairs: (left, right) joint numbers; a bone goes by its second joint, and what is in no pair is green.
        truths: where the joints are, as small crosses below the dots; as ``points``.
        titles: one for each picture.
        columns: pictures in a row at most; on a phone there are two.

    Raises:
        ValueError: there is no picture, not as many sets of points as pictures, or an empty ``alt``.
    """
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    points = points[None] if points.ndim == 2 else points
    truths = truths[None] if truths is not None and truths.ndim == 2 else truths
    for argument, given in (("points", points), ("truths", points if truths is None else truths)):
        if len(pictures) == 0 or len(given) != len(pictures):
            raise ValueError(f"{argument} has {len(given)} bodies for {len(pictures)} pictures: give one for each.")
    alt = worded("alt", alt)
    side = {left: _LEFT for left, _ in pairs} | {right: _RIGHT for _, right in pairs}

    def drawn(columns: int, width: float) -> Figure:
        columns = min(columns, len(pictures))
        figure = image_grid(pictures, titles, columns=columns, size=width / columns / 1.04)
        for number, axis in enumerate(figure.axes[: len(pictures)]):
            own = points[number] - 0.5  # a picture's first pixel is drawn from -0.5 to 0.5
            for one, other in bones:
                _line(axis, own[[one, other]], light(side.get(other, _MIDDLE)))
            for joint, (x, y) in enumerate(own.tolist()):
                color = light(side.get(joint, _MIDDLE))
                axis.plot(x, y, "o", color=color, markersize=4, markeredgecolor=light("paper"), markeredgewidth=0.7)
            for x, y in [] if truths is None else (truths[number] - 0.5).tolist():
                axis.plot(x, y, "x", color=light("paper"), markersize=4, markeredgewidth=1.8)
                axis.plot(x, y, "x", color=light("ink"), markersize=3.4, markeredgewidth=0.9)
        return figure

    show(drawn(columns, _WIDE), alt, caption, narrow=drawn(2, _ON_A_PHONE) if min(columns, len(pictures)) > 2 else None)


def _line(axis: Axes, ends: Any, color: str) -> None:
    x, y = ends[:, 0].tolist(), ends[:, 1].tolist()
    axis.plot(x, y, color=light("paper"), linewidth=3.2, solid_capstyle="round", alpha=0.8)
    axis.plot(x, y, color=color, linewidth=1.8, solid_capstyle="round")
