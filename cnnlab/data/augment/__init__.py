"""Augmentation of whole batches: every picture of a batch gets its own draw, and no loop visits pictures.

Each augmentation is a frozen dataclass that is called as ``augment(x, y, generator) -> (x, y)``:

- x: floats in [0, 1], (N, C, H, W), before normalization; what comes back has the same shape, dtype and device;
- y: int64 (N,) or, once mixed, class probabilities (N, K); or what has a place in the picture and moves along: a list
  of :class:`cnnlab.detection.Objects`, one for each picture, a class for each pixel, int64 (N, H, W), or all that a set
  knows, :class:`cnnlab.data.targets.Placed`;
- generator: a torch.Generator. All draws are made on its device (the CPU, in ``batches``) and only then
  moved, so that a GPU and a CPU see the same augmentations.

No input is changed in place. Torchvision's transforms, and any function of one picture, serve as well:
:class:`PerPicture` says what they cost.

`Flip` and `Crop` copy whole pixels, and their method ``move(x, y, generator)`` does so for bytes (uint8) as well: a
quarter of the memory to copy. Where they come first, ``batches`` uses it.

`augment_set` augments an image set with its boxes, masks and key points.
"""

from cnnlab.data.augment.base import Augmentation
from cnnlab.data.augment.color import ColorShift, Cutout, PCAColor
from cnnlab.data.augment.composing import (
    Compose,
    OneOf,
    PerPicture,
    as_augmentation,
    moving_first,
    with_classes,
    with_targets,
)
from cnnlab.data.augment.mixing import CutMix, Mixup
from cnnlab.data.augment.moving import Crop, Flip, LocalWarp, Rotate, Shear
from cnnlab.data.augment.previewing import preview
from cnnlab.data.augment.together import augment_set

__all__ = [
    "Augmentation",
    "ColorShift",
    "Compose",
    "Crop",
    "CutMix",
    "Cutout",
    "Flip",
    "LocalWarp",
    "Mixup",
    "OneOf",
    "PCAColor",
    "PerPicture",
    "Rotate",
    "Shear",
    "as_augmentation",
    "augment_set",
    "moving_first",
    "preview",
    "with_classes",
    "with_targets",
]
