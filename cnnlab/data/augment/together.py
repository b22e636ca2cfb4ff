"""Pictures augmented with what is known of them: boxes, masks and key points go where the pixels go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.data.augment.base import Augmentation
from cnnlab.data.augment.color import ColorShift, Cutout, PCAColor
from cnnlab.data.augment.composing import Compose, as_augmentation
from cnnlab.data.augment.moving import Crop, Flip, LocalWarp, Motion, Rotate, Shear

if TYPE_CHECKING:
    from cnnlab.data.dataset import ImageSet

__all__ = ["augment_set"]

_MOVING = (Flip, Crop, Rotate, Shear, LocalWarp)
_STAYING = (ColorShift, PCAColor, Cutout)


def augment_set(
    images: ImageSet, augment: Augmentation, *, seed: int = 0, pairs: Sequence[tuple[int, int]] = ()
) -> ImageSet:
    """The same pictures, augmented once, with their boxes, masks and key points moved along.

    Masks go the pixels' way, as further channels. Boxes are measured anew on the moved masks; where there are none,
    they are the boxes around their moved corners, which is too large after a turn. Both are cut at the picture's
    border, and an object that left it has an empty box and, among several, the label -1. Key points keep their order
    and may lie outside. `Cutout` hides pixels and leaves the truth as it was.

    Args:
        images: with any of the three.
        augment: Flip, Crop, Rotate, Shear, LocalWarp, ColorShift, PCAColor, Cutout, or a Compose of them.
        seed: of what is drawn.
        pairs: key points that change places in a mirror, such as left and right eye, by number: ((0, 1),). Without it a
            mirrored face has its left eye on the right.

    Raises:
        ValueError: an augmentation that mixes pictures or is a function of one, which says not where a box went; or a
            pair that names no key point.
    """
    steps = augment.steps if isinstance(augment, Compose) else (as_augmentation(augment),)
    for step in steps:
        if not isinstance(step, _MOVING + _STAYING):
            raise ValueError(
                f"augment: {step!r} does not say where boxes, masks and key points go. Use Flip, Crop, Rotate, Shear, "
                "LocalWarp, ColorShift, PCAColor, Cutout, or a Compose of them."
            )
    _check_pairs(images, pairs)
    generator = torch.Generator().manual_seed(seed)
    x, channels = images.pixels, images.shape[0]
    masks = None if images.masks is None else images.masks.reshape(len(x), -1, *x.shape[2:]).to(x.dtype)
    boxes = None if images.boxes is None else _corners(images.boxes)
    points = images.keypoints
    for step in steps:
        if isinstance(step, _STAYING):
            x, _ = step(x, images.labels, generator)
            continue
        state = generator.get_state()
        motion = step.motion(x, generator)
        generator.set_state(state)  # the call draws the same again
        both = x if masks is None else torch.cat([x, masks], 1)
        both, _ = step(both, images.labels, generator)
        x = both[:, :channels]
        masks = None if masks is None else both[:, channels:]
        boxes = None if boxes is None else _moved(motion, boxes)
        points = None if points is None else _swapped(_moved(motion, points), motion.mirrors, pairs)
    return _as_set(images, x, masks, boxes, points)


def _check_pairs(images: ImageSet, pairs: Sequence[tuple[int, int]]) -> None:
    count = 0 if images.keypoints is None else images.keypoints.shape[-2]
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(one, int) and 0 <= one < count for one in pair):
            raise ValueError(
                f"pairs: {pair!r} must be two numbers of key points, of which these pictures have {count}."
            )


def _corners(boxes: Tensor) -> Tensor:
    """(..., 4) as x1, y1, x2, y2 -> (..., 4, 2)."""
    return boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].unflatten(-1, (4, 2))


def _around(corners: Tensor) -> Tensor:
    """(..., P, 2) -> (..., 4)."""
    return torch.cat([corners.amin(-2), corners.amax(-2)], -1)


def _moved(motion: Motion, points: Tensor) -> Tensor:
    """Shape: (N, ..., 2), kept."""
    return motion.forward(points.flatten(1, -2)).view(points.shape)


def _swapped(points: Tensor, mirrored: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    order = list(range(points.shape[-2]))
    for one, other in pairs:
        order[one], order[other] = order[other], order[one]
    return torch.where(mirrored.view(-1, *[1] * (points.ndim - 1)), points[..., order, :], points)


def _as_set(images: ImageSet, x: Tensor, masks: Tensor | None, boxes: Tensor | None, points: Tensor | None) -> ImageSet:
    """As ``images`` has them: bytes if they were, boxes cut at the border, objects that are gone marked."""
    height, width = x.shape[2:]
    if not images.images.is_floating_point():
        x = (x * 255).round().clamp(0, 255).to(torch.uint8)
    gone = None
    if images.masks is not None:
        masks = (masks > 0.5).view(images.masks.shape)
    if boxes is not None:
        limit = boxes.new_tensor([width, height, width, height])
        cut = torch.minimum(_around(boxes).clamp(min=0), limit)
        # A box that stood for no object moved as a point; it is none still.
        none = (images.boxes[..., 2:] <= images.boxes[..., :2]).any(-1)
        if masks is not None and masks.ndim == cut.ndim + 1:
            cut = _measured(masks)
        gone = none | (cut[..., 2:] <= cut[..., :2]).any(-1)
        boxes = cut * ~gone.unsqueeze(-1)
    elif masks is not None:
        gone = ~masks.flatten(-2).any(-1)
    labels = images.object_labels
    if labels is not None and gone is not None:
        labels = torch.where(gone, -1, labels)
    return replace(images, images=x, masks=masks, boxes=boxes, keypoints=points, object_labels=labels)


def _measured(masks: Tensor) -> Tensor:
    """Boxes (..., 4) of masks (..., H, W); what an empty mask has is no box."""
    height, width = masks.shape[-2:]
    rows, columns = masks.any(-1), masks.any(-2)
    top, left = rows.float().argmax(-1), columns.float().argmax(-1)
    bottom = height - rows.flip(-1).float().argmax(-1)
    right = width - columns.flip(-1).float().argmax(-1)
    boxes = torch.stack([left, top, right, bottom], -1).float()
    return boxes * masks.flatten(-2).any(-1, keepdim=True)
