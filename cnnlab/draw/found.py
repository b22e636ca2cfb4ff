"""Boxes over pictures: what is there, or what a detector found and how sure it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnlab.draw.embed import worded
from cnnlab.draw.palette import SERIES, light
from cnnlab.draw.style import image_grid, plain, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cnnlab.detection import Objects

__all__ = ["boxes", "boxes_on"]

_WIDE, _ON_A_PHONE = 6.4, 4.4  # inches
_HIGH = 0.14  # of a picture: the room that a name needs above its box


def boxes(
    pictures: Any,
    objects: Objects | Sequence[Objects],
    alt: str | None = None,
    caption: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    truths: Objects | Sequence[Objects] | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
) -> None:
    """Show pictures with a box around each object, its class's name and, where it was predicted, its score in percent.

    Each class has its color, with a rim of the paper's, so that a box is seen on light and on dark pictures.

    Args:
        pictures: uint8, or floats in [0, 1]. Shape: (N, C, H, W), or (C, H, W) for one.
        objects: those of each picture, or of the one.
        alt: what the figure shows; None for a sentence made from the classes and scores.
        caption: the numbered line below, as for ``show``.
        classes: their names; None shows their numbers.
        truths: what is there, drawn dashed and without names below ``objects``.
        titles: one for each picture.
        columns: pictures in a row at most; on a phone there are two.

    Raises:
        ValueError: there is no picture, not as many objects as pictures, a class without a name, or an empty ``alt``.
    """
    pictures = pictures[None] if pictures.ndim == 3 else pictures
    every = _for_each("objects", objects, pictures)
    shown = None if truths is None else _for_each("truths", truths, pictures)
    named = [[_named(label, classes) for label in one.labels.tolist()] for one in every]
    alt = _said(named, every) if alt is None else worded("alt", alt)

    def drawn(columns: int, width: float) -> Figure:
        columns = min(columns, len(pictures))
        figure = image_grid(pictures, titles, columns=columns, size=width / columns / 1.04)
        for number, (axis, one) in enumerate(zip(figure.axes, every, strict=False)):
            boxes_on(axis, one, classes=classes, truth=None if shown is None else shown[number])
        return figure

    show(drawn(columns, _WIDE), alt, caption, narrow=drawn(2, _ON_A_PHONE) if min(columns, len(pictures)) > 2 else None)


def boxes_on(
    axis: Axes, objects: Objects, *, classes: Sequence[str] | None = None, truth: Objects | None = None
) -> None:
    """The boxes of one picture on the axis that shows it, as :func:`boxes` draws them."""
    for box in [] if truth is None else truth.boxes.tolist():
        _frame(axis, box, light("ink"), dashed=True)
    scores = [None] * len(objects) if objects.scores is None else objects.scores.tolist()
    # The surest last, on top of the others.
    for index in sorted(range(len(objects)), key=lambda index: scores[index] or 0):
        label, box = int(objects.labels[index]), objects.boxes[index].tolist()
        color = light(SERIES[label % len(SERIES)])
        _frame(axis, box, color)
        score = "" if scores[index] is None else f" {100 * scores[index]:.0f}"
        _name(axis, box, _named(label, classes) + score, color)


def _for_each(argument: str, given: Objects | Sequence[Objects], pictures: Any) -> list[Objects]:
    every = [given] if hasattr(given, "boxes") else list(given)
    if len(pictures) == 0 or len(every) != len(pictures):
        raise ValueError(
            f"{argument} has {len(every)} entries for {len(pictures)} pictures: give one Objects for each picture, "
            "Objects.none() where there is nothing."
        )
    return every


def _named(label: int, classes: Sequence[str] | None) -> str:
    if classes is None:
        return str(label)
    if label >= len(classes):
        raise ValueError(f"classes has {len(classes)} names and there is an object of class {label}: name them all.")
    return str(classes[label])


def _said(named: list[list[str]], every: list[Objects]) -> str:
    """Such as "Picture 1 with boxes around: star (93 %). Picture 2 with boxes around: nothing."."""
    parts = []
    for number, (names, one) in enumerate(zip(named, every, strict=True), 1):
        scores = [""] * len(one) if one.scores is None else [f" ({100 * s:.0f} %)" for s in one.scores.tolist()]
        inside = ", ".join(name + score for name, score in zip(names, scores, strict=True)) or "nothing"
        parts.append(f"{'Picture' if len(every) == 1 else f'Picture {number}'} with boxes around: {inside}.")
    return " ".join(parts)


def _frame(axis: Axes, box: list[float], color: str, *, dashed: bool = False) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = (value - 0.5 for value in box)  # a picture's first pixel is drawn from -0.5 to 0.5
    for shade, width in ((light("paper"), 3.4), (color, 1.6)):
        style = "--" if dashed and shade == color else "-"
        place = {"fill": False, "edgecolor": shade, "linewidth": width, "linestyle": style, "joinstyle": "miter"}
        axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **place))


def _name(axis: Axes, box: list[float], text: str, color: str) -> None:
    """Above the box, inside where there is no room above; a box at the right has it at its right end."""
    right, bottom, top = axis.get_xlim()[1], *axis.get_ylim()
    x1, y1, x2, _ = (value - 0.5 for value in box)
    above = y1 - top > _HIGH * (bottom - top)
    at_right = (x1 + x2) / 2 > 0.55 * right
    axis.annotate(
        plain(text),
        (x2 if at_right else x1, y1),
        xytext=(0, 1 if above else -1),
        textcoords="offset points",
        ha="right" if at_right else "left",
        va="bottom" if above else "top",
        fontsize=8,
        color=light("paper"),
        bbox={"boxstyle": "square,pad=0.15", "facecolor": color, "edgecolor": "none"},
        annotation_clip=False,
    )
