"""One box for each object: of boxes that overlap the surest stays (NMS), or the others become less sure (soft-NMS)."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.detection.boxes import check_boxes
from cnnlab.detection.objects import check_labels, check_scores
from cnnlab.detection.overlap import iou
from cnnlab.errors import unknown_name

__all__ = ["nms", "soft_nms"]

_DECAYS = ("gaussian", "linear")


def nms(boxes: Tensor, scores: Tensor, threshold: float = 0.5, *, labels: Tensor | None = None) -> Tensor:
    """Non-maximum suppression: take the surest box, drop those that overlap it, and go on with the next.

    Args:
        boxes: Shape: (n, 4).
        scores: of equal ones the first goes first. Shape: (n,).
        threshold: the IoU above which a box is dropped, 0 to 1.
        labels: class numbers; boxes of different classes do not drop each other. None: all are of one. Shape: (n,).

    Returns:
        The numbers of the boxes that are kept, the surest first. Shape: (k,), int64.

    Raises:
        ValueError: shapes that do not agree, what is no box or no finite score, or a threshold outside 0..1.
    """
    labels = _checked(boxes, scores, threshold, labels)
    left = scores.argsort(descending=True, stable=True)
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        stays = (iou(boxes[best], boxes[left]) <= threshold) | (labels[left] != labels[best])
        left = left[stays]
    return torch.stack(kept) if kept else left


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    *,
    decay: str = "gaussian",
    sigma: float = 0.5,
    threshold: float = 0.3,
    least: float = 0.001,
    labels: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Soft-NMS: what overlaps the surest box loses score instead of being dropped, so two neighbors may both stay.

    Bodla et al., Soft-NMS: Improving Object Detection With One Line of Code, 2017, https://arxiv.org/abs/1704.04503

    Args:
        boxes: Shape: (n, 4).
        scores: positive. Shape: (n,).
        decay: "gaussian" multiplies a score by exp(-IoU^2 / sigma); "linear" by 1 - IoU where IoU is ``threshold`` or
            more.
        sigma: of the Gaussian, above 0.
        threshold: of the linear decay, 0 to 1.
        least: boxes whose score falls below it are dropped.
        labels: class numbers; boxes of different classes leave each other alone. Shape: (n,).

    Returns:
        The numbers of the boxes that are kept and their new scores, the surest first. Shape: (k,) and (k,).

    Raises:
        ValueError: as for :func:`nms`, another ``decay``, or a ``sigma`` that is not positive.
    """
    labels = _checked(boxes, scores, threshold, labels)
    if decay not in _DECAYS:
        raise unknown_name("decay", decay, _DECAYS)
    if not sigma > 0:
        raise ValueError(f"sigma={sigma!r} must be above 0; 0.5 is the paper's.")
    left, score = torch.arange(len(boxes), device=boxes.device), scores.clone()
    kept = []
    while len(left := left[score[left] >= least]):
        place = score[left].argmax()
        best, left = left[place], torch.cat([left[:place], left[place + 1 :]])
        kept.append(best)
        overlap = iou(boxes[best], boxes[left]) * (labels[left] == labels[best])
        if decay == "gaussian":
            score[left] *= torch.exp(-overlap.square() / sigma)
        else:
            score[left] *= torch.where(overlap >= threshold, 1 - overlap, 1.0)
    numbers = torch.stack(kept) if kept else left
    return numbers, score[numbers]


def _checked(boxes: Tensor, scores: Tensor, threshold: float, labels: Tensor | None) -> Tensor:
    """The labels, or zeros."""
    check_boxes(boxes, empty=True)
    check_scores(scores, len(boxes))
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold!r} must be an IoU, 0 to 1; 0.5 is usual.")
    if labels is None:
        return torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    return check_labels(labels, len(boxes))
