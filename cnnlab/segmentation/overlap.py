"""How well a class map fits the true one: pixels are counted once, and IoU and Dice are read from the counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.errors import whole_number
from cnnlab.segmentation.checks import checked_map, same_shape

__all__ = ["Overlap", "overlap", "picture_iou", "classes_of"]


@dataclass(frozen=True, eq=False)
class Overlap:
    """What became of the pixels of each class. Those of several batches are added: ``a + b``.

    IoU and Dice of a data set are those of all its pixels together. The mean of its pictures' is another number, in
    which small pictures and rare classes weigh more: :func:`picture_iou`.

    Attributes:
        counts: rows are right classes, columns what they were taken for. Shape: (K, K), int64.
    """

    counts: Tensor

    @property
    def iou(self) -> Tensor:
        """Intersection over union of each class; nan of one that is in neither map. Shape: (K,)."""
        both = self.counts.diag()
        return both / (self.counts.sum(0) + self.counts.sum(1) - both).double()

    @property
    def dice(self) -> Tensor:
        """Twice the intersection over the sum of both areas, 2 IoU / (1 + IoU); nan as there. Shape: (K,)."""
        return 2 * self.counts.diag() / (self.counts.sum(0) + self.counts.sum(1)).double()

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that are in one of the maps; nan if no pixel counts."""
        return float(self.iou.nanmean())

    @property
    def mean_dice(self) -> float:
        """Mean over the classes that are in one of the maps; nan if no pixel counts."""
        return float(self.dice.nanmean())

    @property
    def pixel_accuracy(self) -> float:
        """Share of the pixels whose class is right, high already where one class is nearly everywhere."""
        return float(self.counts.diag().sum() / self.counts.sum().double())

    def __add__(self, other: Overlap) -> Overlap:
        same_shape("one overlap's counts", self.counts, "the other's", other.counts)
        return Overlap(self.counts + other.counts)

    def __repr__(self) -> str:
        return (
            f"Overlap(mean IoU {self.mean_iou:.3f}, mean Dice {self.mean_dice:.3f}, {int(self.counts.sum()):,} pixels)"
        )


def overlap(predicted: Tensor, target: Tensor, num_classes: int, *, ignore_index: int = -100) -> Overlap:
    """Count what the pixels of each class were taken for.

    Args:
        predicted: class numbers, such as ``scores.argmax(1)``. Shape: (H, W) or (N, H, W).
        target: the right ones. Shape: the same.
        num_classes: K; classes are 0 to K - 1, the background one of them.
        ignore_index: pixels of this number in ``target`` do not count.

    Raises:
        TypeError: no whole numbers.
        ValueError: shapes that differ, or a class beyond the table.
    """
    k = whole_number("num_classes", num_classes, "Give the number of classes, the background among them.")
    predicted, target = checked_map("predicted", predicted, k), checked_map("target", target, k, ignore_index)
    same_shape("predicted", predicted, "target", target)
    counted = target != ignore_index
    # Each pair of classes has its own number, so that one count of numbers counts all pairs.
    pairs = target[counted] * k + predicted[counted]
    return Overlap(torch.bincount(pairs, minlength=k * k).view(k, k))


def picture_iou(scores: Tensor, target: Tensor, *, ignore_index: int = -100) -> Tensor:
    """The mean IoU of each picture, over the classes that are in it or were found there; 1 if no pixel counts.

    A measure for :func:`cnnlab.fit` and :func:`cnnlab.evaluate`: ``metrics={"iou": segmentation.picture_iou}``.

    Args:
        scores: a network's output; one map of logits is split at 0. Shape: (N, K, H, W).
        target: class numbers. Shape: (N, H, W).
        ignore_index: pixels of this number in ``target`` do not count.

    Returns:
        Shape: (N,).

    Raises:
        TypeError, ValueError: as :func:`overlap`.
    """
    k = max(2, scores.shape[1])
    predicted = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
    each = [overlap(p, t, k, ignore_index=ignore_index).iou.nanmean() for p, t in zip(predicted, target, strict=True)]
    return torch.stack(each).nan_to_num(nan=1.0).to(scores.device)


def classes_of(scores: Tensor) -> Tensor:
    """The class of the highest score of each pixel, of one map of logits whether it is above 0.

    Shape: (N, K, H, W) -> (N, H, W).

    Raises:
        TypeError: no floats.
        ValueError: no four axes, or scores that are not finite, of which the highest means nothing.
    """
    if not isinstance(scores, Tensor) or not scores.is_floating_point():
        kind = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
        raise TypeError(f"scores is {kind}; give the network's output, a float tensor (N, K, H, W).")
    if scores.ndim != 4 or not scores.shape[1]:
        raise ValueError(f"scores has the shape {tuple(scores.shape)}; wanted (N, K, H, W), K the number of classes.")
    if wrong := int((~scores.isfinite()).sum()):
        raise ValueError(
            f"scores has {wrong:,} of {scores.numel():,} numbers that are not finite; give finite ones: look at the "
            "picture's pixels and at the network's weights for the first nan."
        )
    return scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
