"""Box coding: what a detector is asked for is not a box, but how to move and stretch an anchor into it.

Girshick et al., Rich Feature Hierarchies (R-CNN), 2014, appendix C: the move in units of the anchor's size, and the
logarithm of the stretch, so that an error of one unit means the same for a small box and for a large one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.detection.boxes import check_boxes, convert

__all__ = ["encode", "decode"]

_ONE = (1.0, 1.0, 1.0, 1.0)


def encode(boxes: Tensor, anchors: Tensor, weights: Sequence[float] = _ONE) -> Tensor:
    """How each anchor becomes its box. Shape: (n, 4), (n, 4) -> (n, 4): dx, dy, dw, dh.

    Args:
        boxes: with area.
        anchors: with area, one for each box.
        weights: what dx, dy, dw and dh are multiplied by, so that each varies by about 1: Fast R-CNN's head has
            (10, 10, 5, 5).

    Raises:
        ValueError: boxes or anchors without area, not finite or of different number; weights that are not four positive
            numbers.
    """
    check_boxes(boxes)
    check_boxes(anchors, argument="anchors")
    if len(boxes) != len(anchors):
        raise ValueError(f"anchors has {len(anchors)} entries for {len(boxes)} boxes: give one for each.")
    box, anchor = convert(boxes, "xyxy", "cxcywh"), convert(anchors, "xyxy", "cxcywh")
    move = (box[:, :2] - anchor[:, :2]) / anchor[:, 2:]
    stretch = (box[:, 2:] / anchor[:, 2:]).log()
    return torch.cat([move, stretch], dim=1) * _weights(weights, boxes)


def decode(
    deltas: Tensor, anchors: Tensor, weights: Sequence[float] = _ONE, *, largest: float = math.log(1000 / 16)
) -> Tensor:
    """The boxes that ``deltas`` make of the anchors, the inverse of :func:`encode`. Shape: (n, 4), (n, 4) -> (n, 4).

    Args:
        deltas: dx, dy, dw, dh.
        anchors, weights: as for :func:`encode`.
        largest: what the logarithms dw and dh are cut off at, so that an untrained network's exp overflows nowhere. The
            usual value lets an anchor of 16 pixels grow to 1000.

    Raises:
        ValueError: another shape, or weights that are not four positive numbers.
    """
    if not isinstance(deltas, Tensor) or deltas.shape != anchors.shape:
        given = tuple(deltas.shape) if isinstance(deltas, Tensor) else type(deltas).__name__
        raise ValueError(f"deltas has shape {given} for anchors of {tuple(anchors.shape)}: give four for each anchor.")
    anchor = convert(anchors, "xyxy", "cxcywh")
    move, stretch = (deltas / _weights(weights, deltas)).split(2, dim=1)
    center = anchor[:, :2] + move * anchor[:, 2:]
    size = anchor[:, 2:] * stretch.clamp(max=largest).exp()
    return convert(torch.cat([center, size], dim=1), "cxcywh", "xyxy")


def _weights(weights: Sequence[float], like: Tensor) -> Tensor:
    if len(weights) != 4 or not min(weights) > 0:
        raise ValueError(f"weights={tuple(weights)!r} must be four positive numbers, for dx, dy, dw and dh.")
    return like.new_tensor(weights)
