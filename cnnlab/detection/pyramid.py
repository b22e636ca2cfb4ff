"""A detector by anchors on maps of several sizes: what each anchor must say, what it costs, and how they become boxes.

T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollar: Focal Loss for Dense Object Detection, 2017, sections 3 and 4,
https://arxiv.org/abs/1708.02002. A network gives each anchor 4 + K numbers: how to move and stretch it (see
:func:`cnnlab.detection.encode`), and the logit of each class. There is no class for "nothing": all are low then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.detection.anchors import anchors
from cnnlab.detection.boxes import clip
from cnnlab.detection.coding import decode, encode
from cnnlab.detection.focal import focal_loss
from cnnlab.detection.matching import BACKGROUND, NEITHER, match
from cnnlab.detection.objects import Objects
from cnnlab.detection.overlap import pairwise
from cnnlab.detection.suppression import nms
from cnnlab.errors import whole_number

__all__ = ["Pyramid", "PyramidTarget", "PyramidLoss"]


class PyramidTarget(NamedTuple):
    """What each anchor must say."""

    labels: Tensor  # (N, A), int64: a class, BACKGROUND, or NEITHER, of which nothing is asked
    deltas: Tensor  # (P, 4), of the P anchors that have a class, picture by picture: how they become their objects


class PyramidLoss(NamedTuple):
    """The loss term by term, each a mean over the pictures of the batch."""

    classes: Tensor
    boxes: Tensor

    @property
    def total(self) -> Tensor:
        return self.classes + self.boxes


@dataclass(frozen=True)
class Pyramid:
    """Where the anchors are, what they must say, and what it costs when they do not.

    Attributes:
        picture: height and width in pixels.
        strides: of the maps in pixels, one for each level. A map has ceil(height / stride) rows.
        num_classes: K.
        size: of a level's smallest anchor, in strides.
        scales, ratios: anchors at each place are so many times that size, and so many times as high as wide.
        low, high: an anchor that overlaps an object by ``high`` or more is taught it, one that overlaps all by less
            than ``low`` is background, and of one between nothing is asked. Each object's best anchor is taught it in
            any case.
        alpha, gamma: of the :func:`focal_loss`; None and 0 is the cross-entropy.
        hardest: None counts all anchors; 3 counts, for each anchor that has an object, the three that see nothing and
            cost most (SSD's hard negative mining: Liu et al., 2016, section 2.2).
        beta: below this difference the cost of a box's number is a parabola (smooth L1); 0 is the absolute difference.
    """

    picture: tuple[int, int] = (512, 512)
    strides: tuple[int, ...] = (8, 16, 32, 64, 128)
    num_classes: int = 80
    size: float = 4.0
    scales: tuple[float, ...] = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    low: float = 0.4
    high: float = 0.5
    alpha: float | None = 0.25
    gamma: float = 2.0
    hardest: int | None = None
    beta: float = 0.0

    def __post_init__(self) -> None:
        whole_number("num_classes", self.num_classes, "COCO has 80.")
        if len(self.picture) != 2 or not min(self.picture) > 0:
            raise ValueError(f"picture={self.picture!r} must be height and width in pixels: pictures.shape[-2:].")
        if self.hardest is not None:
            whole_number("hardest", self.hardest, "3 is SSD's, None counts all anchors.")

    @property
    def at_each_place(self) -> int:
        """Anchors at a place of a map."""
        return len(self.scales) * len(self.ratios)

    @cached_property
    def anchors(self) -> Tensor:
        """All of them, the level of the smallest stride first. Shape: (A, 4), x1, y1, x2, y2 in pixels."""
        height, width = self.picture
        levels = []
        for stride in self.strides:
            sizes = [self.size * stride * scale for scale in self.scales]
            levels.append(anchors((-(-height // stride), -(-width // stride)), stride, sizes, self.ratios))
        return torch.cat(levels)

    def target(self, objects: Sequence[Objects]) -> PyramidTarget:
        """What the anchors must say of these objects, an entry for each picture.

        Raises:
            ValueError: a box that reaches out of the picture, or a class that there is none of.
        """
        objects = [one.to("cpu").check(size=self.picture, num_classes=self.num_classes) for one in objects]
        overlaps = pairwise(torch.cat([one.boxes for one in objects]), self.anchors)  # (objects of all pictures, A)
        labels, boxes = [], []
        for one, table in zip(objects, overlaps.split([len(one) for one in objects]), strict=True):
            number = match(table, self.low, self.high, every_object=True)  # (A,)
            taught = number >= 0
            label = number.clone()
            label[taught] = one.labels[number[taught]]
            labels.append(label)
            boxes.append(one.boxes[number[taught]])
        every = torch.stack(labels)
        return PyramidTarget(every, encode(torch.cat(boxes), self.anchors[(every >= 0).nonzero()[:, 1]]))

    def terms(self, output: Tensor, objects: Sequence[Objects] | PyramidTarget) -> PyramidLoss:
        """The loss of each picture, over the number of its anchors that have an object, term by term.

        Args:
            output: Shape: (N, A, 4 + K).
            objects: an entry for each picture, or their :meth:`target`.
        """
        self._check(output)
        target = objects if isinstance(objects, PyramidTarget) else self.target(objects)
        labels, deltas = (tensor.to(output.device) for tensor in target)
        said, logits = output.split([4, self.num_classes], dim=2)
        taught = labels >= 0
        count = taught.sum(1).clamp(min=1)  # (N,)

        wanted = F.one_hot(labels.clamp(min=0), self.num_classes) * taught[..., None]
        cost = focal_loss(logits, wanted, alpha=self.alpha, gamma=self.gamma).sum(2)  # (N, A)
        counted = labels != NEITHER if self.hardest is None else taught | self._hardest(cost, labels, count)
        classes = (cost * counted).sum(1) / count

        off = F.smooth_l1_loss(said[taught], deltas.to(said.dtype), reduction="none", beta=self.beta).sum(1)  # (P,)
        boxes = (off / count[taught.nonzero()[:, 0]]).sum()
        pictures = max(1, len(output))
        return PyramidLoss(classes.sum() / pictures, boxes / pictures)

    def loss(self, output: Tensor, objects: Sequence[Objects] | PyramidTarget) -> Tensor:
        """The sum of the :meth:`terms`, as ``fit(..., loss=pyramid.loss)`` takes it."""
        return self.terms(output, objects).total

    def decode(self, output: Tensor, *, least: float = 0.05, overlap: float = 0.5, most: int = 1000) -> list[Objects]:
        """What was found in each picture: boxes in pixels, cut off at its border, the surest first.

        Args:
            output: Shape: (N, A, 4 + K).
            least: boxes whose class has a lower probability are left out.
            overlap: the IoU above which the surest of two boxes of a class stays alone; see :func:`nms`.
            most: only so many of a picture's boxes, the surest, are compared with each other.
        """
        self._check(output)
        output = output.detach().float().cpu()
        found = []
        for deltas, scores in zip(output[..., :4], output[..., 4:].sigmoid(), strict=True):
            place, label = (scores >= least).nonzero().unbind(1)
            score, order = scores[place, label].sort(descending=True, stable=True)
            place, label, score = place[order[:most]], label[order[:most]], score[:most]
            boxes = clip(decode(deltas[place], self.anchors[place]), self.picture)
            kept = nms(boxes, score, overlap, labels=label)
            found.append(Objects(boxes[kept], label[kept], score[kept]))
        return found

    def _hardest(self, cost: Tensor, labels: Tensor, count: Tensor) -> Tensor:
        """The background anchors that cost most, so many for each that has an object. Shape: (N, A), bool."""
        nothing = labels == BACKGROUND
        order = cost.detach().masked_fill(~nothing, -1.0).argsort(1, descending=True)
        rank = order.argsort(1)  # of each anchor, 0 for the one that costs most
        return nothing & (rank < self.hardest * count[:, None])

    def _check(self, output: Tensor) -> None:
        wanted = (len(self.anchors), 4 + self.num_classes)
        if output.ndim != 3 or output.shape[1:] != wanted:
            raise ValueError(
                f"output has shape {tuple(output.shape)}, wanted (N, {wanted[0]}, {wanted[1]}): for each anchor of a "
                f"picture of {self.picture[0]} x {self.picture[1]} pixels 4 numbers of its box and {self.num_classes} "
                "logits. Does the network have these levels and this many anchors at a place?"
            )
