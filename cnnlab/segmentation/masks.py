"""Masks of objects: how far two overlap, and the boxes around them (:func:`cnnlab.detection.boxes_of`)."""

from __future__ import annotations

from torch import Tensor

from cnnlab.segmentation.checks import checked_masks, same_shape

__all__ = ["mask_iou"]


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
