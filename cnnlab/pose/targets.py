"""What is asked of points before anything is computed with them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Target", "check_points", "checked_maps", "checked_sigma", "split_target"]


class Target(NamedTuple):
    """Points, and which of them count."""

    points: Tensor  # (..., P, 2), zeros where nothing counts
    counted: Tensor  # (..., P), bool


def split_target(target: Tensor) -> Target:
    """Points as they are taught, parted into where they are and whether they count.

    Args:
        target: Shape: (..., P, 2), all of which count, or (..., P, 3), with a third column as in COCO: 0 where nobody
            has said where the point is. What stands beside that 0 is not looked at, and may be nan.

    Raises:
        TypeError: no floats.
        ValueError: of another shape, or a point that counts and is not finite.
    """
    if not isinstance(target, Tensor) or not target.is_floating_point():
        kind = target.dtype if isinstance(target, Tensor) else type(target).__name__
        raise TypeError(f"points are {kind}; give a float tensor (N, P, 2), x and y in pixels: points.float().")
    if target.ndim < 2 or target.shape[-1] not in (2, 3):
        raise ValueError(
            f"points have the shape {tuple(target.shape)}; wanted (N, P, 2), x and y, or (N, P, 3) with COCO's third "
            "number, 0 where a point is not labeled."
        )
    points = target[..., :2]
    counted = target[..., 2] > 0 if target.shape[-1] == 3 else torch.ones_like(points[..., 0], dtype=torch.bool)
    wrong = counted & ~points.isfinite().all(-1)
    if bool(wrong.any()):
        place = tuple(wrong.nonzero()[0].tolist())
        raise ValueError(
            f"points{list(place)} = {[round(value, 2) for value in points[place].tolist()]} is not finite: give "
            "(x, y, 0) in a third column for a point that nobody knows, and it counts nowhere."
        )
    return Target(points.where(counted[..., None], 0.0), counted)


def check_points(target: Tensor, size: tuple[int, int]) -> Tensor:
    """Itself, if all points that count lie in a picture of ``size`` (height, width).

    Nothing here demands it: what left the picture while it was augmented counts in no loss. A set of data in which many
    points lie outside has x and y exchanged, though, or is in the pixels of another size.

    Raises:
        TypeError, ValueError: as :func:`split_target`; or points lie outside.
    """
    points, counted = split_target(target)
    limit = points.new_tensor([size[1], size[0]])
    outside = counted & ((points < 0) | (points > limit)).any(-1)
    if bool(outside.any()):
        place = tuple(outside.nonzero()[0].tolist())
        raise ValueError(
            f"points{list(place)} = {[round(value, 2) for value in points[place].tolist()]} lies outside a picture of "
            f"{size[0]} x {size[1]} (height x width), as do {int(outside.sum())} of {outside.numel()}: points are "
            "(x, y) in the picture's own pixels; mark what left it with a third number, 0."
        )
    return target


def checked_maps(maps: Tensor) -> Tensor:
    """Heat maps, if they are finite floats (N, P, H, W).

    Raises:
        TypeError: no floats.
        ValueError: of another shape, without a cell, or not finite.
    """
    if not isinstance(maps, Tensor) or not maps.is_floating_point():
        kind = maps.dtype if isinstance(maps, Tensor) else type(maps).__name__
        raise TypeError(f"maps are {kind}; give a float tensor (N, P, H, W), a map for each point.")
    if maps.ndim != 4 or 0 in maps.shape[1:]:
        raise ValueError(f"maps have the shape {tuple(maps.shape)}; wanted (N, P, H, W), a map for each point.")
    if not bool(maps.isfinite().all()):
        place = tuple((~maps.isfinite()).nonzero()[0].tolist())
        raise ValueError(
            f"maps{list(place)} = {float(maps[place])} is not finite, so that no place in it is the highest: lower the "
            "learning rate, or look for nan in the pictures."
        )
    return maps


def checked_sigma(argument: str, given: float, *, zero: bool = False) -> float:
    """A standard deviation above 0, or from 0.

    Raises:
        ValueError: it is none.
    """
    right = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if not right or given < 0 or (given == 0 and not zero):
        raise ValueError(f"{argument}={given!r} must be a finite number {'from' if zero else 'above'} 0, in cells.")
    return float(given)
