"""From heat maps back to points: a map of a quarter of the size, and errors of less than a cell.

argmax   the middle of the highest cell
quarter  a quarter of a cell towards the higher neighbor, along x and along y
         A. Newell, K. Yang, J. Deng: Stacked Hourglass Networks, ECCV 2016. https://arxiv.org/abs/1603.06937
taylor   the top of the parabola through the logarithm of the highest cell and its neighbors; a Gaussian's logarithm
         is one, so that nothing is lost
         F. Zhang et al.: Distribution-Aware Coordinate Representation (DARK), CVPR 2020.
         https://arxiv.org/abs/1910.06278
soft     the mean place under the softmax of the map, which has a gradient
         X. Sun et al.: Integral Human Pose Regression, ECCV 2018. https://arxiv.org/abs/1711.08229
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.errors import unknown_name, whole_number
from cnnlab.pose.targets import checked_maps, checked_sigma

__all__ = ["METHODS", "Found", "decode", "peaks"]

METHODS = ("argmax", "quarter", "taylor", "soft")
_LOWEST = 1e-6  # what a cell counts at least before its logarithm is taken; networks also say a little less than 0


class Found(NamedTuple):
    """What was read off heat maps."""

    points: Tensor  # (N, P, 2), x and y in pixels
    scores: Tensor  # (N, P), the height of each map


def decode(
    maps: Tensor, *, stride: int = 4, method: str = "taylor", smooth: float = 0.0, sharpness: float = 1.0
) -> Found:
    """The place of each map's peak, in pixels.

    Differs from DARK's code in the neighbors that the second derivative is taken from: one cell away, not two.

    Args:
        maps: Shape: (N, P, H, W).
        stride: pixels to a side of a cell.
        method: "argmax", "quarter", "taylor" or "soft".
        smooth: standard deviation in cells of a Gaussian that the maps are blurred by before they are read, as DARK
            does with maps of a network, which have more than one top; 0 leaves them as they are.
        sharpness: for "soft", a factor before the softmax.

    Returns:
        Points, and the height of the maps as they came, a score of how sure they are.

    Raises:
        TypeError, ValueError: maps of another kind, or not finite; an unknown method, a stride below 1.
    """
    maps = checked_maps(maps)
    stride = whole_number("stride", stride, "Simple Baselines' is 4.")
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    scores = maps.flatten(2).amax(2)
    if checked_sigma("smooth", smooth, zero=True):
        maps = _blurred(maps, smooth)
    if method == "soft":
        return Found(_mean_place(maps, sharpness) * stride, scores)
    width = maps.shape[3]
    top = maps.flatten(2).argmax(2)  # (N, P)
    x, y = top % width, top // width
    place = torch.stack([x, y], -1) + 0.5
    if method == "quarter":
        place = place + 0.25 * _slope(maps, x, y).sign()
    elif method == "taylor":
        place = place + _to_the_top(maps.clamp_min(_LOWEST).log(), x, y)
    return Found(place.to(maps.dtype) * stride, scores)


def peaks(maps: Tensor, *, stride: int = 4, least: float = 0.3, window: int = 5) -> list[Found]:
    """All peaks of the one map of each kind of point, for pictures with several bodies: what bottom-up methods join.

    Args:
        maps: of one picture. Shape: (1, P, H, W).
        stride: pixels to a side of a cell.
        least: a peak is at least so high.
        window: and the highest of so many cells around it, an odd number.

    Returns:
        For each of the P kinds points (1, n, 2), the highest first, and scores (1, n); n may be 0.

    Raises:
        TypeError, ValueError: as for :func:`decode`, maps of several pictures, or an even window.
    """
    maps = checked_maps(maps)
    if len(maps) != 1 or whole_number("window", window, "5 is usual.") % 2 == 0:
        raise ValueError(f"maps of {len(maps)} pictures and window={window}: give those of one, and an odd window.")
    highest = F.max_pool2d(maps, window, stride=1, padding=window // 2, return_indices=True)[1]
    own = torch.arange(maps[0, 0].numel(), device=maps.device).view(maps.shape[2:])
    every = []
    for one, top in zip(maps[0], highest[0], strict=True):
        y, x = ((own == top) & (one >= least)).nonzero().unbind(1)  # of equal cells, the first
        order = one[y, x].argsort(descending=True, stable=True)
        y, x = y[order], x[order]
        offset = _to_the_top(one.clamp_min(_LOWEST).log()[None, None].expand(1, len(x), -1, -1), x[None], y[None])
        every.append(Found((torch.stack([x, y], -1)[None] + 0.5 + offset).to(one.dtype) * stride, one[y, x][None]))
    return every


def _at(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """What each map says at one cell; at the border, what the nearest cell says. Shape: (N, P)."""
    height, width = maps.shape[2:]
    place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(2).gather(2, place[..., None])[..., 0]


def _slope(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Half the difference of the neighbors along x and y, 0 along an axis at whose end the cell lies. (N, P, 2)."""
    along_x = (_at(maps, x + 1, y) - _at(maps, x - 1, y)) / 2
    along_y = (_at(maps, x, y + 1) - _at(maps, x, y - 1)) / 2
    return torch.stack([along_x, along_y], -1).where(_inside(maps, x, y), 0)


def _inside(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    height, width = maps.shape[2:]
    return torch.stack([(x > 0) & (x < width - 1), (y > 0) & (y < height - 1)], -1)


def _to_the_top(logs: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Newton's step -H^-1 g from the highest cell, at most half a cell along x and y. Shape: (N, P, 2)."""
    inside = _inside(logs, x, y)
    gx, gy = _slope(logs, x, y).unbind(-1)
    middle = _at(logs, x, y)
    hxx = _at(logs, x + 1, y) - 2 * middle + _at(logs, x - 1, y)
    hyy = _at(logs, x, y + 1) - 2 * middle + _at(logs, x, y - 1)
    hxy = (_at(logs, x + 1, y + 1) - _at(logs, x - 1, y + 1) - _at(logs, x + 1, y - 1) + _at(logs, x - 1, y - 1)) / 4
    hxy = hxy.where(inside.all(-1), 0)  # at the border each axis goes by itself
    determinant = hxx * hyy - hxy**2
    tops = (hxx < 0) & (hyy < 0) & (determinant > 1e-12)
    safe = determinant.where(tops, 1.0)
    step = torch.stack([-(hyy * gx - hxy * gy) / safe, -(hxx * gy - hxy * gx) / safe], -1)
    return step.clamp(-0.5, 0.5).where(tops[..., None] & inside, 0)


def _mean_place(maps: Tensor, sharpness: float) -> Tensor:
    height, width = maps.shape[2:]
    p = (sharpness * maps).flatten(2).softmax(2).unflatten(2, (height, width))
    x = torch.arange(width, device=maps.device, dtype=maps.dtype) + 0.5
    y = torch.arange(height, device=maps.device, dtype=maps.dtype) + 0.5
    return torch.stack([(p.sum(2) * x).sum(2), (p.sum(3) * y).sum(2)], -1)


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    steps = torch.arange(-reach, reach + 1, device=maps.device, dtype=maps.dtype)
    kernel = (-(steps**2) / (2 * sigma**2)).exp()
    kernel = kernel / kernel.sum()
    flat = maps.flatten(0, 1)[:, None]
    flat = F.conv2d(flat, kernel.view(1, 1, 1, -1), padding=(0, reach))
    return F.conv2d(flat, kernel.view(1, 1, -1, 1), padding=(reach, 0)).view_as(maps)
