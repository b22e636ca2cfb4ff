"""How well outlines fit: of large objects IoU sees the inside alone, and boundary IoU what is near the edge.

B. Cheng, R. Girshick, P. Dollár, A. C. Berg, A. Kirillov: Boundary IoU: Improving Object-Centric Image Segmentation
Evaluation, CVPR 2021. https://arxiv.org/abs/2103.16562
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from cnnlab.segmentation.checks import checked_masks, same_shape

__all__ = ["boundary", "boundary_iou"]


def boundary(mask: Tensor, width: int | None = None) -> Tensor:
    """The pixels of a mask that are near its outline: those from which ``width`` steps lead out of it.

    A step goes to one of the eight neighbors, and what is beyond the picture is outside the mask, as in the authors'
    code: what an erosion by a square of 2 width + 1 pixels takes away.

    Args:
        mask: bool. Shape: (H, W) or (K, H, W).
        width: pixels; None is the paper's 2% of the picture's diagonal, rounded, at least 1.

    Returns:
        bool. Shape: the mask's.

    Raises:
        TypeError: no bool tensor.
        ValueError: of another shape, or a width below 1.
    """
    checked_masks("mask", mask, (2, 3), "(H, W) or (K, H, W)")
    if width is None:
        width = max(1, round(0.02 * math.hypot(*mask.shape[-2:])))
    if isinstance(width, bool) or not isinstance(width, int) or width < 1:
        raise ValueError(f"width={width!r} must be a whole number of pixels, 1 or more; None is 2% of the diagonal.")
    if not mask.numel():
        return mask.clone()
    # A pixel stays if no pixel of the square around it is outside: first along rows, then along columns.
    outside = F.pad((~mask).float().view(-1, 1, *mask.shape[-2:]), [width] * 4, value=1.0)
    near = F.max_pool2d(F.max_pool2d(outside, (1, 2 * width + 1), stride=1), (2 * width + 1, 1), stride=1)
    return mask & (near.view_as(mask) > 0)


def boundary_iou(mask: Tensor, other: Tensor, width: int | None = None) -> Tensor:
    """Intersection over union of the two boundaries alone; nan of two empty masks.

    Args:
        mask, other: bool, of one shape. Shape: (H, W) or (K, H, W).
        width: of :func:`boundary`, in pixels.

    Returns:
        float64. Shape: () or (K,).

    Raises:
        TypeError, ValueError: as :func:`boundary`, or shapes that differ.
    """
    one, two = boundary(mask, width), boundary(other, width)
    same_shape("mask", mask, "other", other)
    return (one & two).sum((-2, -1)).double() / (one | two).sum((-2, -1))
