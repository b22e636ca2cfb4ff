"""Masks of objects: how far two overlap, and the boxes around them."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.segmentation.checks import checked_masks, same_shape

__all__ = ["mask_iou", "boxes_of"]


def mask_iou(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each mask with each of the others; nan of two empty ones.

    Args:
        masks: bool. Shape: (A, H, W).
        others: bool. Shape: (B, H, W).

    Returns:
        Shape: (A, B), float64.

    Raises:
        TypeError: no bool tensors.
        ValueError: of other shapes.
    """
    checked_masks("masks", masks, (3,), "(A, H, W), a mask for each object")
    checked_masks("others", others, (3,), "(B, H, W), a mask for each object")
    same_shape("masks", masks, "others", others, dims=2)
    a, b = masks.flatten(1).double(), others.flatten(1).double()
    both = a @ b.T
    return both / (a.sum(1)[:, None] + b.sum(1) - both)


def boxes_of(masks: Tensor) -> Tensor:
    """The smallest box around each mask as x1, y1, x2, y2; zeros around an empty one.

    x2 and y2 lie just outside the object, as in :class:`cnnlab.data.ImageSet`, so that one pixel has a box of area 1;
    ``torchvision.ops.masks_to_boxes`` gives the last pixel itself, one less.

    Args:
        masks: bool. Shape: (K, H, W).

    Returns:
        Shape: (K, 4), float32.

    Raises:
        TypeError: no bool tensor.
        ValueError: of another shape.
    """
    checked_masks("masks", masks, (3,), "(K, H, W), a mask for each object")
    sides = []
    for axis in (1, 2):  # columns have pixels or not, then rows
        used = masks.any(axis)
        size = used.shape[1]
        place = torch.arange(size, device=masks.device)
        first = torch.where(used, place, size).amin(1) if size else used.sum(1)
        last = torch.where(used, place + 1, 0).amax(1) if size else used.sum(1)
        sides.append((torch.where(used.any(1), first, 0), last))
    (x1, x2), (y1, y2) = sides
    return torch.stack([x1, y1, x2, y2], dim=1).float()
