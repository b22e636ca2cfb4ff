"""Mask R-CNN's mask head: for each box a small mask, one for each class.

K. He, G. Gkioxari, P. Dollár, R. Girshick: Mask R-CNN, ICCV 2017, figure 4 (right) and section 3.
https://arxiv.org/abs/1703.06870

    layers                                        output
    RoI align of the box's feature map            256 x 14 x 14
    four 3x3, 256                                 256 x 14 x 14
    2x2 transposed, stride 2, 256                 256 x 28 x 28
    1x1, one map for each class                   80 x 28 x 28
    2,643,280 parameters

A detector has found boxes and their classes; this head says which pixels of a box are the object's. Each class has a
map of its own and a sigmoid for each pixel, so that classes do not compete: the detector has named the class, and the
mask of that class alone is trained and read. Boxes are cut out by RoI align (:func:`cnnlab.detection.roi_align`), since
a cut-out that is rounded to whole cells moves the mask by half of one. :func:`paste` puts a mask back into its box.

Differs from the paper in:
  - Nothing in the layers. torchvision's ``num_classes`` counts the background, which has a map there that is never
    read; here classes are numbered from 0 and there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_

__all__ = ["MaskHeadVariant", "PUBLISHED", "SMALL", "MaskHead", "of_class", "mask_targets", "mask_loss", "paste"]


@dataclass(frozen=True)
class MaskHeadVariant:
    channels: tuple[int, ...] = (256, 256, 256, 256)  # of the 3x3 convolutions
    up: int = 256  # of the transposed convolution


PUBLISHED = MaskHeadVariant()
SMALL = MaskHeadVariant((32, 32), up=32)


class MaskHead(nn.Module):
    """A mask of logits for each class. Shape: (R, C, 14, 14) -> (R, num_classes, 28, 28), R the number of boxes."""

    def __init__(self, variant: MaskHeadVariant, num_classes: int = 80, in_channels: int = 256) -> None:
        super().__init__()
        inputs = (in_channels, *variant.channels[:-1])
        self.convs = nn.ModuleList(
            nn.Conv2d(c, k, kernel_size=3, padding=1) for c, k in zip(inputs, variant.channels, strict=True)
        )
        self.up = nn.ConvTranspose2d(variant.channels[-1], variant.up, kernel_size=2, stride=2)
        self.last = nn.Conv2d(variant.up, num_classes, kernel_size=1)

        he_normal_(self, mode="fan_out")
        nn.init.kaiming_normal_(self.up.weight, mode="fan_out", nonlinearity="relu")
        for layer in (*self.convs, self.up, self.last):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x))  # (R, 256, 14, 14)
        x = F.relu(self.up(x))  # (R, 256, 28, 28)
        return self.last(x)  # (R, num_classes, 28, 28)


def of_class(logits: Tensor, labels: Tensor) -> Tensor:
    """The map of each box's class. Shape: (R, K, M, M) and (R,) -> (R, M, M).

    Raises:
        ValueError: not a label for each box, or a class beyond the maps.
    """
    if labels.shape != (len(logits),):
        raise ValueError(f"labels has shape {tuple(labels.shape)} for {len(logits)} boxes; give one class for each.")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < logits.shape[1]:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}; allowed are 0 to {logits.shape[1] - 1}. "
            "Classes are numbered without the background: subtract 1 from torchvision's."
        )
    return logits[torch.arange(len(logits), device=logits.device), labels]


def mask_targets(masks: Tensor, boxes: Tensor, size: int = 28) -> Tensor:
    """What the head should say: each object's mask, cut out by its box, 1 where most of a cell is the object.

    Args:
        masks: bool. Shape: (R, H, W).
        boxes: x1, y1, x2, y2 in pixels. Shape: (R, 4).
        size: M, the side of a mask.

    Returns:
        float, 0 or 1. Shape: (R, M, M).
    """
    place = (torch.arange(size, device=boxes.device) + 0.5) / size
    x = boxes[:, :1] + place * (boxes[:, 2:3] - boxes[:, :1])  # (R, M), middles of cells in pixels
    y = boxes[:, 1:2] + place * (boxes[:, 3:] - boxes[:, 1:2])
    read = _read(masks.to(boxes.dtype), x, y)
    return (read >= 0.5).to(boxes.dtype)


def mask_loss(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over the pixels of the masks, of each box's class alone (section 3).

    Shape: (R, K, M, M), (R,) and (R, M, M) -> ().
    """
    return F.binary_cross_entropy_with_logits(of_class(logits, labels), targets)


def paste(masks: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks at the places of their boxes in the picture: each pixel's middle reads the mask between its cells.

    torchvision rounds a box to whole pixels first, which moves a mask by up to half a pixel at each side.

    Args:
        masks: probabilities. Shape: (R, M, M).
        boxes: x1, y1, x2, y2 in pixels. Shape: (R, 4).
        size: height and width of the picture.

    Returns:
        Probabilities, 0 outside the box. Shape: (R, H, W).

    Raises:
        ValueError: not a mask for each box.
    """
    if len(masks) != len(boxes):
        raise ValueError(f"masks has {len(masks)} entries and boxes {len(boxes)}; give a mask for each box.")
    height, width = size
    side = masks.shape[-1]
    low, span = boxes[:, :2, None], (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6)[:, :, None]
    x = (torch.arange(width, device=boxes.device) + 0.5 - low[:, 0]) / span[:, 0] * side  # (R, W), in cells
    y = (torch.arange(height, device=boxes.device) + 0.5 - low[:, 1]) / span[:, 1] * side
    inside = ((y > 0) & (y < side))[:, :, None] & ((x > 0) & (x < side))[:, None]
    return _read(masks, x, y) * inside


def _read(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Maps at a grid of points, between cells bilinearly. Shape: (R, H, W), (R, w) and (R, h) -> (R, h, w)."""
    height, width = maps.shape[1:]
    rows, columns = y.shape[1], x.shape[1]
    grid = torch.stack(
        [
            (2 * x / width - 1)[:, None].expand(-1, rows, -1),
            (2 * y / height - 1)[:, :, None].expand(-1, -1, columns),
        ],
        dim=3,
    )  # (R, h, w, 2)
    return F.grid_sample(maps[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
