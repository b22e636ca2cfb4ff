"""FCN: a classifier whose dense layers are convolutions gives a map of scores, and skips sharpen it.

J. Long, E. Shelhamer, T. Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, figure 3 and
section 4. https://arxiv.org/abs/1411.4038

    layer               kernel, stride, padding     map at 500 px    a step of it is
    conv1, pool1        VGG-16's, first padded 100  64 x 349 x 349   2 px
    conv2, pool2                                    128 x 175 x 175  4 px
    conv3, pool3                                    256 x 88 x 88    8 px
    conv4, pool4                                    512 x 44 x 44    16 px
    conv5, pool5                                    512 x 22 x 22    32 px
    fc6                 7x7                         4096 x 16 x 16   32 px
    fc7                 1x1                         4096 x 16 x 16   32 px
    score_fr            1x1                         21 x 16 x 16     32 px

    FCN_32S   upscore 64x64, stride 32; crop to the picture
    FCN_16S   upscore2 4x4, stride 2; add score_pool4, 1x1 of pool4; upscore16 32x32, stride 16; crop
    FCN_8S    upscore2; add score_pool4; upscore_pool4 4x4, stride 2; add score_pool3; upscore8 16x16, stride 8; crop
    SMALL     8s with an eighth of the channels and fc6 of 3x3 cells: for pictures of 64 pixels
    134,346,581 parameters without the upsampling, the paper's 134 million of table 1

Upsampling is transposed convolution, and starts as bilinear interpolation: each class's map alone, with weights that
fall in a straight line from the middle. Which part of a map belongs to which of another follows from kernels, strides
and paddings, as in the authors' code: :class:`Place` has the arithmetic, and gives the crops of 5, 9 and 31 pixels
that other implementations have as numbers. ``padding=100`` lets 7x7 cells fit in a small picture.

It has a score layer for each map that it uses, where a network of the registry has one head, so that
:func:`cnnlab.create_model` does not build it: ``FCN(FCN_8S)``. :meth:`FCN.from_classifier` takes over a VGG's weights.

Differs from the paper in:
  - Nothing in the layers. All upsampling is learned here; the paper keeps the last one as it starts, and the networks
    that the authors released keep all.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models.vgg import VGG, WIDTHS, ConvReLU, D

__all__ = ["FCNVariant", "FCN_32S", "FCN_16S", "FCN_8S", "SMALL", "Place", "bilinear_", "Upscore", "FCN"]


@dataclass(frozen=True)
class FCNVariant:
    step: int  # of the finest map that is used, in pixels: 32, 16 or 8
    widths: tuple[int, int, int, int, int] = WIDTHS  # of conv1 to conv5
    hidden: int = 4096  # of fc6 and fc7
    cells: int = 7  # side of fc6's kernel
    padding: int = 100  # of the first convolution


FCN_32S = FCNVariant(32)
FCN_16S = FCNVariant(16)
FCN_8S = FCNVariant(8)
SMALL = FCNVariant(8, widths=(8, 16, 32, 64, 64), hidden=128, cells=3, padding=33)


@dataclass(frozen=True)
class Place:
    """Where a map lies over the picture: its cell i has its middle at pixel ``step`` i + ``start``.

    After ``coord_map.py`` of Caffe, with which the authors crop.

    Attributes:
        step: pixels from one cell to the next.
        start: pixel of the first cell's middle; the picture's first pixel is 0.
    """

    step: Fraction = Fraction(1)
    start: Fraction = Fraction(0)

    def after(self, kernel: int, stride: int = 1, padding: int = 0) -> Place:
        """Of a convolution's or a pool's output."""
        return Place(self.step * stride, self.start + self.step * (Fraction(kernel - 1, 2) - padding))

    def upsampled(self, kernel: int, stride: int) -> Place:
        """Of a transposed convolution's output."""
        step = self.step / stride
        return Place(step, self.start - step * Fraction(kernel - 1, 2))

    def crop(self, other: Place) -> int:
        """How many cells of this map come before the first of ``other``.

        Raises:
            ValueError: the steps differ, or the maps do not meet in whole cells.
        """
        offset = (other.start - self.start) / self.step
        if self.step != other.step or offset.denominator != 1 or offset < 0:
            raise ValueError(
                f"a map of step {self.step} from {self.start} cannot be cropped to one of step {other.step} from "
                f"{other.start}: the difference must be whole steps, 0 or more. Choose another padding or kernel."
            )
        return int(offset)


def bilinear_(weight: Tensor) -> Tensor:
    """Make a transposed convolution's weight bilinear interpolation, each channel by itself, in place.

    Shape: (C, C, 2 s, 2 s), s the stride.
    """
    size = weight.shape[2]
    factor = (size + 1) // 2
    middle = factor - 1 if size % 2 else factor - 0.5
    line = 1 - (torch.arange(size) - middle).abs() / factor  # rises and falls in a straight line
    with torch.no_grad():
        weight.zero_()
        channel = torch.arange(weight.shape[0])
        weight[channel, channel] = (line[:, None] * line).to(weight)
    return weight


class Upscore(nn.ConvTranspose2d):
    """Scores ``stride`` times as large; starts as bilinear. Shape: (N, K, H, W) -> (N, K, s (H + 1), s (W + 1))."""

    def __init__(self, num_classes: int, stride: int) -> None:
        super().__init__(num_classes, num_classes, kernel_size=2 * stride, stride=stride, bias=False)
        bilinear_(self.weight)


class FCN(nn.Module):
    """A class's score for each pixel. Shape: (N, C, H, W) -> (N, num_classes, H, W).

    Args:
        variant: ``FCN_32S``, ``FCN_16S``, ``FCN_8S``, or one of yours.
        num_classes: the background among them; 21 are PASCAL VOC's.
        in_channels: of the pictures.
    """

    def __init__(self, variant: FCNVariant, num_classes: int = 21, in_channels: int = 3) -> None:
        super().__init__()
        if variant.step not in (8, 16, 32):
            raise ValueError(f"step={variant.step!r} must be 8, 16 or 32: that of pool3, pool4 or pool5.")
        self.variant = variant
        inputs = (in_channels, *variant.widths[:-1])
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = (
            _stack(inputs[i], variant.widths[i], D[i]) for i in range(5)
        )
        self.conv1[0].conv.padding = (variant.padding, variant.padding)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.fc6 = nn.Conv2d(variant.widths[-1], variant.hidden, kernel_size=variant.cells)
        self.fc7 = nn.Conv2d(variant.hidden, variant.hidden, kernel_size=1)
        self.score_fr = nn.Conv2d(variant.hidden, num_classes, kernel_size=1)
        # From pool4, then from pool3, as far as they are used.
        steps = range(4, {32: 4, 16: 3, 8: 2}[variant.step], -1)
        self.score_pool = nn.ModuleDict({str(i): nn.Conv2d(variant.widths[i - 1], num_classes, 1) for i in steps})
        self.up = nn.ModuleList(Upscore(num_classes, stride=2) for _ in steps)
        self.upscore = Upscore(num_classes, stride=variant.step)
        self.dropout = nn.Dropout(p=0.5)

        he_normal_(self, mode="fan_out")
        for score in (self.score_fr, *self.score_pool.values()):
            nn.init.zeros_(score.weight)  # each pixel starts undecided, and a new skip changes nothing at first
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.bias)
            if isinstance(module, Upscore):
                bilinear_(module.weight)

    @property
    def crops(self) -> list[int]:
        """The cells that come before: of pool4 and pool3, as far as they are used, and of the picture."""
        pools, place = [], Place().after(3, 1, self.variant.padding)
        for _ in range(5):
            place = place.after(2, 2)  # the 3x3 convolutions between, padded by one, move nothing
            pools.append(place)
        place, crops = place.after(self.variant.cells), []
        for name in self.score_pool:
            place = place.upsampled(4, 2)
            crops.append(pools[int(name) - 1].crop(place))
        return [*crops, place.upsampled(2 * self.variant.step, self.variant.step).crop(Place())]

    def forward(self, x: Tensor) -> Tensor:
        size, pools = x.shape[2:], {}
        for i, stack in enumerate((self.conv1, self.conv2, self.conv3, self.conv4, self.conv5), 1):
            x = pools[str(i)] = self.pool(stack(x))  # (N, 64, 349, 349), ..., (N, 512, 22, 22), sizes for 500 px
        x = self.dropout(F.relu(self.fc6(x)))  # (N, 4096, 16, 16)
        x = self.dropout(F.relu(self.fc7(x)))  # (N, 4096, 16, 16)
        x = self.score_fr(x)  # (N, num_classes, 16, 16)
        *crops, last = self.crops
        for up, (name, score), crop in zip(self.up, self.score_pool.items(), crops, strict=True):
            x = up(x)  # (N, num_classes, 34, 34), then 70 x 70
            x = x + _cut(score(pools[name]), crop, x.shape[2:])
        return _cut(self.upscore(x), last, size)  # (N, num_classes, 500, 500)

    def from_classifier(self, model: VGG) -> FCN:
        """Take over the weights of a VGG-16: its dense layers are convolutions over all cells that they see.

        The scores stay as they are: they are of other classes.

        Raises:
            ValueError: the networks differ in layers or widths.
        """
        taken = {name: value for name, value in model.state_dict().items() if not name.startswith("fc8")}
        own = self.state_dict()
        for name, value in taken.items():
            if name not in own or own[name].numel() != value.numel():
                raise ValueError(
                    f"model has {name} of {tuple(value.shape)}, which has no place in this FCN: give vgg16 and a "
                    "variant with its widths, hidden and cells."
                )
            own[name].copy_(value.view_as(own[name]))
        return self


def _stack(in_channels: int, channels: int, count: int) -> nn.Sequential:
    inputs = [in_channels] + [channels] * (count - 1)
    return nn.Sequential(*(ConvReLU(c, channels, 3, batch_norm=False) for c in inputs))


def _cut(x: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
    """Shape: (N, K, H, W) -> (N, K, *size)."""
    return x[:, :, offset : offset + size[0], offset : offset + size[1]]
