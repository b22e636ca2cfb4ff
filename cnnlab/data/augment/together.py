"""Pictures augmented with what is known of them: boxes, masks and key points go where the pixels go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.data.augment.base import Augmentation
from cnnlab.data.augment.color import ColorShift, Cutout, PCAColor
from cnnlab.data.augment.composing import Compose, OneOf, as_augmentation
from cnnlab.data.augment.moving import Moving
from cnnlab.data.targets import Placed, check_pairs

if TYPE_CHECKING:
    from cnnlab.data.dataset import ImageSet

__all__ = ["augment_set"]


def augment_set(
    images: ImageSet, augment: Augmentation, *, seed: int = 0, pairs: Sequence[tuple[int, int]] = ()
) -> ImageSet:
    """The same pictures, augmented once, with their boxes, masks and key points moved along.

    Masks go the pixels' way. Boxes are measured anew on the moved masks; where there are none,
    they are the boxes around their moved corners, which is too large after a turn. Both are cut at the picture's
    border, and an object that left it has an empty box and, among several, the label -1. Key points keep their order
    and may lie outside. `Cutout` hides pixels and leaves the truth as it was.

    Args:
        images: with any of the three.
        augment: Flip, Crop, Rotate, Shear, LocalWarp, ColorShift, PCAColor, Cutout, or a Compose or OneOf of them.
        seed: of what is drawn.
        pairs: key points that change places in a mirror, such as left and right eye, by number: ((0, 1),). None given
            are those of the set. Without them a mirrored face has its left eye on the right.

    Raises:
        ValueError: an augmentation that mixes pictures or is a function of one, which says not where a box went; or a
            pair that names no key point.
    """
    augment = as_augmentation(augment)
    _check_steps(augment)
    check_pairs(pairs, 0 if images.keypoints is None else images.keypoints.shape[-2])
    before = replace(Placed.of_set(images, least=0.0), pairs=tuple(pairs) or images.pairs)
    x, after = augment(images.pixels, before, torch.Generator().manual_seed(seed))
    return _as_set(images, x, after)


def _check_steps(augment: Augmentation) -> None:
    if isinstance(augment, Compose | OneOf):
        for step in augment.steps:
            _check_steps(step)
    elif not isinstance(augment, Moving | ColorShift | PCAColor | Cutout):
        raise ValueError(
            f"augment: {augment!r} does not say where boxes, masks and key points go. Use Flip, Crop, Rotate, Shear, "
            "LocalWarp, ColorShift, PCAColor, Cutout, or a Compose or OneOf of them."
        )


def _as_set(images: ImageSet, x: Tensor, after: Placed) -> ImageSet:
    """As ``images`` has them: bytes if they were, and no axis for objects where there was none."""

    def shaped(now: Tensor | None, before: Tensor | None) -> Tensor | None:
        return None if before is None else now.view(before.shape)

    if not images.images.is_floating_point():
        x = (x * 255).round().clamp(0, 255).to(torch.uint8)
    labels = images.object_labels
    return replace(
        images,
        images=x,
        masks=shaped(after.covers if after.maps is None else after.maps, images.masks),
        boxes=shaped(after.boxes, images.boxes),
        keypoints=shaped(after.points, images.keypoints),
        visible=shaped(after.visible, images.visible),
        object_labels=None if labels is None else after.labels,
    )
