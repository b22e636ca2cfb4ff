"""How far two boxes agree: IoU, and three measures that still say something where they do not touch.

Each takes boxes of shapes that broadcast, so ``iou(a, b)`` compares the first with the first, as a loss does, and
:func:`pairwise` each with each, as matching and suppression do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.detection.boxes import area, as_boxes

__all__ = ["iou", "giou", "diou", "ciou", "pairwise", "intersection", "share"]


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union: what both cover as a share of what either covers, 0 to 1. Shape: (..., 4) -> (...).

    Boxes x1, y1, x2, y2 in one unit. It is 0 where neither box has an area.
    """
    both = area(intersection(one, other))
    return share(both, area(one) + area(other) - both)


def giou(one: Tensor, other: Tensor) -> Tensor:
    """IoU less the share of the hull that neither covers, above -1 to 1. Shape: (..., 4) -> (...).

    The hull is the smallest box around both. Boxes far apart are near -1, so that a loss of 1 - giou moves them
    together.
    Rezatofighi et al., Generalized Intersection over Union, 2019, https://arxiv.org/abs/1902.09630
    """
    both = area(intersection(one, other))
    either = area(one) + area(other) - both
    hull = area(_hull(one, other))
    return share(both, either) - share(hull - either, hull)


def diou(one: Tensor, other: Tensor) -> Tensor:
    """IoU less the squared distance of the centers, in units of the hull's diagonal. Shape: (..., 4) -> (...).

    Zheng et al., Distance-IoU Loss, 2019, equation 7, https://arxiv.org/abs/1911.08287
    """
    return iou(one, other) - _distance(one, other)


def ciou(one: Tensor, other: Tensor) -> Tensor:
    """DIoU less a price for another aspect ratio, whose weight no gradient changes. Shape: (..., 4) -> (...).

    ``one`` is the prediction. Zheng et al., 2019, equations 8 to 11; the weight's gradient is held back, as in their
    code.
    """
    overlap = iou(one, other)
    aspect = 4 / math.pi**2 * (_angle(other) - _angle(one)) ** 2
    with torch.no_grad():
        weight = share(aspect, 1 - overlap + aspect)
    return overlap - _distance(one, other) - weight * aspect


def pairwise(one: Tensor, other: Tensor, measure: Callable[[Tensor, Tensor], Tensor] = iou) -> Tensor:
    """Each box with each: entry [i, j] is ``measure(one[i], other[j])``. Shape: (N, 4), (M, 4) -> (N, M).

    Raises:
        ValueError: boxes of another shape or type.
    """
    return measure(as_boxes("one", one)[:, None], as_boxes("other", other)[None])


def intersection(one: Tensor, other: Tensor) -> Tensor:
    """What both cover; where they do not meet, a box that ends before it begins."""
    starts, ends = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    return torch.cat([starts, ends], dim=-1)


def _hull(one: Tensor, other: Tensor) -> Tensor:
    """The smallest box around both."""
    return torch.cat([torch.minimum(one, other)[..., :2], torch.maximum(one, other)[..., 2:]], dim=-1)


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """The squared distance of the centers over the squared diagonal of the hull."""
    between = (one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2
    hull = _hull(one, other)
    return share(between.square().sum(-1), (hull[..., 2:] - hull[..., :2]).square().sum(-1))


def _angle(boxes: Tensor) -> Tensor:
    """Of the diagonal against the vertical, which is the arc tangent of width over height."""
    width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    return torch.atan2(width, height)


def share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole, and 0 where there is nothing to share; its gradient is finite there too."""
    some = whole > 0
    return torch.where(some, part, 0.0) / torch.where(some, whole, 1.0)
