"""Objects that were found, and those that are there: each may be paired once.

A. Kirillov, K. He, R. Girshick, C. Rother, P. Dollár: Panoptic Segmentation, CVPR 2019, section 4.
https://arxiv.org/abs/1801.00868
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cnnlab.segmentation.masks import mask_iou

__all__ = ["Matches", "match"]


@dataclass(frozen=True)
class Matches:
    """What of the objects found is there, and what of those there was found.

    Attributes:
        pairs: (number among the found, number among the true), the best overlap first.
        ious: of each pair.
        invented: numbers of those found that are no true object.
        missed: numbers of the true objects that were not found.
    """

    pairs: tuple[tuple[int, int], ...]
    ious: tuple[float, ...]
    invented: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def precision(self) -> float:
        """The share of those found that are there; nan if none was found."""
        return _share(len(self.pairs), len(self.pairs) + len(self.invented))

    @property
    def recall(self) -> float:
        """The share of those there that were found; nan if none is there."""
        return _share(len(self.pairs), len(self.pairs) + len(self.missed))

    @property
    def recognition_quality(self) -> float:
        """2 pairs / (found + true), the F1 score; nan if there is none of either."""
        return _share(2 * len(self.pairs), 2 * len(self.pairs) + len(self.invented) + len(self.missed))

    @property
    def segmentation_quality(self) -> float:
        """Mean IoU of the pairs; nan without any."""
        return _share(sum(self.ious), len(self.ious))

    @property
    def panoptic_quality(self) -> float:
        """The product of the two: the IoUs of all pairs over (found + true) / 2; nan if there is none of either."""
        return _share(2 * sum(self.ious), 2 * len(self.pairs) + len(self.invented) + len(self.missed))


def _share(part: float, whole: int) -> float:
    return part / whole if whole else float("nan")


def match(found: Tensor, true: Tensor, *, threshold: float = 0.5) -> Matches:
    """Pair objects that overlap by an IoU above ``threshold``, the best first, and each once.

    Where masks of one side do not overlap each other, at most one of them has an IoU above 0.5 with any object (section
    4.1 of the paper), and the order is of no matter.

    Args:
        found: bool; of one class. Shape: (A, H, W).
        true: bool; of the same class. Shape: (B, H, W).
        threshold: 0 to below 1.

    Raises:
        TypeError: no bool tensors.
        ValueError: of other shapes, or a threshold outside these limits.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold!r} is not allowed: give an IoU from 0 to below 1; 0.5 is usual.")
    ious = mask_iou(found, true).tolist()
    likely = [(iou, i, j) for i, row in enumerate(ious) for j, iou in enumerate(row) if iou > threshold]
    left, right = list(range(len(found))), list(range(len(true)))
    pairs = []
    for iou, i, j in sorted(likely, key=lambda each: (-each[0], *each[1:])):
        if i in left and j in right:
            pairs.append((iou, i, j))
            left.remove(i)
            right.remove(j)
    return Matches(tuple((i, j) for _, i, j in pairs), tuple(iou for iou, _, _ in pairs), tuple(left), tuple(right))
