"""One box for each object: of boxes that overlap the surest stays (NMS), or the others become less sure (soft-NMS)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cnnlab.detection.boxes import check_boxes
from cnnlab.detection.objects import check_labels, check_scores
from cnnlab.detection.overlap import pairwise
from cnnlab.errors import unknown_name

__all__ = ["nms", "soft_nms"]

_DECAYS = ("gaussian", "linear")

# Boxes whose overlaps with all others are held at a time: a table of 20,000 boxes with each other would take gigabytes.
_AT_A_TIME = 128


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

    def drops(some: Tensor, others: Tensor) -> Tensor:
        """Which of the others each would drop. Shape: (k,), (n,) -> (k, n), bool."""
        return (pairwise(boxes[some], boxes[others]) > threshold) & (labels[some, None] == labels[others])

    left, kept = scores.argsort(descending=True, stable=True), []
    while len(left):
        block, left = left[:_AT_A_TIME], left[_AT_A_TIME:]
        block = block[_stay(drops(block, block))]
        kept.append(block)
        left = left[~drops(block, left).any(0)]
    return torch.cat(kept) if kept else left


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
    # Step by step as NumPy's arrays, which costs a tenth of torch's steps.
    score = scores.detach().cpu().to(torch.promote_types(scores.dtype, torch.float32)).numpy().copy()
    factors = torch.cat([_factors(rows, boxes, decay, sigma, threshold) for rows in boxes.split(_AT_A_TIME)])
    factors = factors.where(labels[:, None] == labels, 1.0).cpu().numpy()
    kept, left = [], score >= least
    while left.any():
        best = np.where(left, score, -np.inf).argmax()
        kept.append(int(best))
        left[best] = False
        score[left] *= factors[best, left]
        left &= score >= least
    numbers = torch.tensor(kept, dtype=torch.int64)
    return numbers.to(boxes.device), torch.from_numpy(score)[numbers].to(scores)


def _stay(drops: Tensor) -> Tensor:
    """Which of some boxes stay, if entry [i, j] says that i, which is surer, drops j. Shape: (k, k) -> (k,), bool."""
    table = drops.cpu().numpy()
    stay = np.ones(len(table), dtype=bool)
    for number, dropped in enumerate(table):
        if stay[number]:
            stay[number + 1 :] &= ~dropped[number + 1 :]
    return torch.from_numpy(stay).to(drops.device)


def _factors(rows: Tensor, boxes: Tensor, decay: str, sigma: float, threshold: float) -> Tensor:
    """What each of the rows multiplies the score of each box by. Shape: (k, 4), (n, 4) -> (k, n)."""
    overlap = pairwise(rows, boxes)
    if decay == "gaussian":
        return torch.exp(-overlap.square() / sigma)
    return torch.where(overlap >= threshold, 1 - overlap, 1.0)


def _checked(boxes: Tensor, scores: Tensor, threshold: float, labels: Tensor | None) -> Tensor:
    """The labels, or zeros."""
    check_boxes(boxes, empty=True)
    check_scores(scores, len(boxes))
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold!r} must be an IoU, 0 to 1; 0.5 is usual.")
    if labels is None:
        return torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    return check_labels(labels, len(boxes))
