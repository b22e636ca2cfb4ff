"""Mean IoU and mean Dice as measures of a training: of all pixels of a set together, not the mean over its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.errors import whole_number
from cnnlab.segmentation.overlap import Overlap, classes_of, overlap

__all__ = ["MeanDice", "MeanIoU"]


@dataclass(frozen=True)
class _Mean:
    """What both share: see :class:`MeanIoU`."""

    num_classes: int
    background: bool = True
    ignore_index: int = -100

    def __post_init__(self) -> None:
        whole_number("num_classes", self.num_classes, "Give the number of classes, the background among them.")

    def __call__(self, output: Tensor, y: Tensor) -> Tensor:
        """What a batch's pixels were taken for. Shape: (N, K, H, W), (N, H, W) -> (K, K)."""
        counted = overlap(classes_of(output), y, self.num_classes, ignore_index=self.ignore_index)
        return counted.counts.cpu()

    def of_set(self, kept: list[Tensor]) -> float:
        """The measure over all batches; NaN if no pixel counts."""
        each = self._each(Overlap(torch.stack(kept).sum(0)))
        return float((each if self.background else each[1:]).nanmean())

    def _each(self, counted: Overlap) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class MeanIoU(_Mean):
    """Mean IoU as a measure of :func:`cnnlab.fit`: ``metrics={"miou": MeanIoU(num_classes=11)}``.

    Pixels are counted over the whole set, and classes that are nowhere are in no mean: :func:`picture_iou` is another
    number. A network's output has K maps, or one map of logits, which is split at 0 and has two classes.

    Attributes:
        num_classes: K, the background among them.
        background: whether class 0 is in the mean.
        ignore_index: pixels of this number in the targets do not count.

    Raises:
        TypeError, ValueError: as :func:`overlap`.
    """

    def _each(self, counted: Overlap) -> Tensor:
        return counted.iou


@dataclass(frozen=True)
class MeanDice(_Mean):
    """Mean Dice in the same way, with the attributes of :class:`MeanIoU`: ``metrics={"dice": MeanDice(11)}``."""

    def _each(self, counted: Overlap) -> Tensor:
        return counted.dice
