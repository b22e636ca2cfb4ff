"""Boxes: three ways of writing one, pixels and fractions of a picture, and what is none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cnnlab.errors import unknown_name

__all__ = ["FORMATS", "convert", "to_fractions", "to_pixels", "area", "clip", "boxes_of", "check_boxes", "as_boxes"]

FORMATS = ("xyxy", "xywh", "cxcywh")  # two corners; the upper left corner and the size; the center and the size


def convert(boxes: Tensor, given: str, wanted: str) -> Tensor:
    """The same boxes, written another way. Shape: (..., 4) -> (..., 4).

    Args:
        boxes: in pixels or in fractions, which stay what they are.
        given, wanted: "xyxy" (two corners), "xywh" (the upper left corner, width and height) or "cxcywh" (the center,
            width and height).

    Raises:
        ValueError: another format, or boxes of another shape.
    """
    for argument, name in (("given", given), ("wanted", wanted)):
        if name not in FORMATS:
            raise unknown_name(argument, name, FORMATS)
    a, b, c, d = _floats("boxes", boxes).unbind(-1)
    if given == wanted:
        return boxes.clone()
    if given == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif given == "cxcywh":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    if wanted == "xywh":
        a, b, c, d = a, b, c - a, d - b
    elif wanted == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return torch.stack([a, b, c, d], dim=-1)


def to_fractions(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels as fractions of a picture's width and height, in any of the formats. Shape: (..., 4) -> (..., 4).

    Args:
        size: height and width of the picture in pixels, in this order, as in ``picture.shape[-2:]``.

    Raises:
        ValueError: a size that is not two positive numbers, or boxes of another shape.
    """
    return _floats("boxes", boxes) / _scale(size, boxes)


def to_pixels(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`to_fractions`. Shape: (..., 4) -> (..., 4)."""
    return _floats("boxes", boxes) * _scale(size, boxes)


def area(boxes: Tensor) -> Tensor:
    """Width times height; 0 for what ends before it begins. Shape: (..., 4) -> (...)."""
    x1, y1, x2, y2 = _floats("boxes", boxes).unbind(-1)
    return (x2 - x1).clamp(min=0) * (y2 - y1).clamp(min=0)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """What of each box lies in a picture of ``size`` (height, width); outside of it an empty box. Shape: (..., 4)."""
    return _floats("boxes", boxes).clamp(min=0).minimum(_scale(size, boxes))


def boxes_of(masks: Tensor) -> Tensor:
    """The smallest box around each mask as x1, y1, x2, y2; zeros around an empty one.

    x2 and y2 lie just outside the object, as in :class:`cnnlab.data.ImageSet`, so that one pixel has a box of area 1;
    ``torchvision.ops.masks_to_boxes`` gives the last pixel itself, one less.

    Args:
        masks: bool. Shape: (..., H, W).

    Returns:
        Shape: (..., 4), float32.

    Raises:
        TypeError: no bool tensor.
        ValueError: of fewer axes.
    """
    if not isinstance(masks, Tensor) or masks.dtype is not torch.bool:
        kind = masks.dtype if isinstance(masks, Tensor) else type(masks).__name__
        raise TypeError(f"masks is {kind}; give a bool tensor, True where the object is: scores > 0, or map == 1.")
    if masks.ndim < 3:
        raise ValueError(f"masks has the shape {tuple(masks.shape)}; wanted (K, H, W), a mask for each object.")
    sides = []
    for axis in (-2, -1):  # columns have pixels or not, then rows
        used = masks.any(axis)
        size = used.shape[-1]
        place = torch.arange(size, device=masks.device)
        first = torch.where(used, place, size).amin(-1) if size else used.sum(-1)
        last = torch.where(used, place + 1, 0).amax(-1) if size else used.sum(-1)
        sides.append((torch.where(used.any(-1), first, 0), last))
    (x1, x2), (y1, y2) = sides
    return torch.stack([x1, y1, x2, y2], dim=-1).float()


def check_boxes(
    boxes: Any, *, size: tuple[int, int] | None = None, empty: bool = False, argument: str = "boxes"
) -> Tensor:
    """``boxes`` as they are, if each is one. Shape: (n, 4), n of 0 or more.

    Args:
        boxes: x1, y1, x2, y2 in pixels.
        size: height and width of the picture that must hold them; None asks nothing.
        empty: whether a box may be without area, as a prediction may.
        argument: what the caller calls them, for the message.

    Raises:
        ValueError: another shape or type, or a box that is not finite, ends before it begins, has no area, or reaches
            out of the picture; the first such box is named.
    """
    as_boxes(argument, boxes)
    number = _first(~boxes.isfinite().all(1))
    if number is not None:
        raise ValueError(
            f"{_said(argument, boxes, number)} is not finite: leave it out, {argument}[{argument}.isfinite().all(1)]."
        )
    number = _first((boxes[:, 2:] < boxes[:, :2]).any(1))
    if number is not None:
        raise ValueError(
            f"{_said(argument, boxes, number)} ends before it begins: x1, y1, x2, y2 are wanted, with x1 <= x2 and "
            f'y1 <= y2. If these are x, y, width and height, convert({argument}, "xywh", "xyxy").'
        )
    number = None if empty else _first(area(boxes) == 0)
    if number is not None:
        raise ValueError(
            f"{_said(argument, boxes, number)} has no area: width and height must be above 0. Leave it out, "
            f"{argument}[area({argument}) > 0]."
        )
    number = None if size is None else _first((boxes != clip(boxes, size)).any(1))
    if number is not None:
        raise ValueError(
            f"{_said(argument, boxes, number)} reaches out of its picture, 0 <= x <= {size[1]}, 0 <= y <= {size[0]}: "
            f"clip({argument}, (height, width)) cuts it off."
        )
    return boxes


def as_boxes(argument: str, boxes: Any) -> Tensor:
    """``boxes`` if they are floats of shape (n, 4).

    Raises:
        ValueError: they are not.
    """
    _floats(argument, boxes)
    if boxes.ndim != 2:
        raise ValueError(
            f"{argument} has shape {tuple(boxes.shape)}, wanted (n, 4): {argument}[None] for one box, "
            "torch.zeros(0, 4) for none."
        )
    return boxes


def _floats(argument: str, boxes: Any) -> Tensor:
    if not isinstance(boxes, Tensor):
        raise ValueError(f"{argument} is a {type(boxes).__name__}, wanted a tensor: torch.tensor({argument}).float().")
    if not boxes.is_floating_point():
        raise ValueError(f"{argument} is {boxes.dtype}, wanted floats: {argument}.float().")
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{argument} has shape {tuple(boxes.shape)}, wanted (n, 4), four numbers for each box: torch.zeros(0, 4) "
            "for none."
        )
    return boxes


def _scale(size: tuple[int, int], like: Tensor) -> Tensor:
    """(width, height, width, height)."""
    if len(size) != 2 or not min(size) > 0:
        raise ValueError(f"size={tuple(size)!r} must be height and width in pixels: picture.shape[-2:].")
    height, width = size
    return like.new_tensor([width, height, width, height])


def _first(wrong: Tensor) -> int | None:
    """The number of the first that is wrong."""
    return int(wrong.int().argmax()) if bool(wrong.any()) else None


def _said(argument: str, boxes: Tensor, number: int) -> str:
    return f"{argument}[{number}] = ({', '.join(f'{value:g}' for value in boxes[number].tolist())})"
