"""3D U-Net: the same U over a volume.

Ö. Çiçek, A. Abdulkadir, S. S. Lienkamp, T. Brox, O. Ronneberger: 3D U-Net: Learning Dense Volumetric Segmentation from
Sparse Annotation, MICCAI 2016, figure 2 and section 2. https://arxiv.org/abs/1606.06650

    analysis path        output (116 x 132 x 132)    synthesis path                         output
    3x3x3: 32, 64        64 x 112 x 128 x 128        up, 128; join; 64, 64                  64 x 28 x 44 x 44
    pool; 64, 128        128 x 52 x 60 x 60          up, 256; join; 128, 128                128 x 32 x 40 x 40
    pool; 128, 256       256 x 22 x 26 x 26          up, 512; join; 256, 256                256 x 14 x 18 x 18
    pool; 256, 512       512 x 7 x 9 x 9             (read from below)
                                                     last: 1x1x1, one map per class         3 x 28 x 44 x 44
    19,069,955 parameters, as the paper counts: those of batch norm, 4,672, come on top

What is new beside U-Net: every kernel and every pool has a depth, batch norm stands before each ReLU, channels double
before a pool and not behind it ("avoid bottlenecks", section 2), and there are three pools in place of four.

    PUBLISHED   the paper's, not padded
    SMALL       an eighth of the channels, two pools, padded: what the chapter trains on a brain
    SLICES      the same with kernels and pools of depth 1, which sees each slice alone: a 2D network, for comparison

A volume is (N, C, D, H, W), where the networks of the registry take pictures: build it by ``UNet3d(PUBLISHED)``.

Differs from the paper in:
  - Nothing in the layers. The order of the axes is torch's, depth first; the paper has it last.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Steps", "UNet3dVariant", "PUBLISHED", "SMALL", "SLICES", "ConvPair3d", "Join3d", "UNet3d"]

Steps = tuple[int, int, int]


@dataclass(frozen=True)
class UNet3dVariant:
    channels: tuple[tuple[int, int], ...] = ((32, 64), (64, 128), (128, 256), (256, 512))  # of each pair, down
    kernel: Steps = (3, 3, 3)
    pool: Steps = (2, 2, 2)
    padded: bool = False  # True: the output is as large as the input


PUBLISHED = UNet3dVariant()
SMALL = UNet3dVariant(((4, 8), (8, 16), (16, 32)), padded=True)
SLICES = UNet3dVariant(((4, 8), (8, 16), (16, 32)), kernel=(1, 3, 3), pool=(1, 2, 2), padded=True)


class ConvPair3d(nn.Module):
    """Two convolutions, each with batch norm and ReLU.

    Shape: (N, C, D, H, W) -> (N, K, D - 4, H - 4, W - 4); if padded (N, K, D, H, W).
    """

    def __init__(self, in_channels: int, channels: tuple[int, int], variant: UNet3dVariant) -> None:
        super().__init__()
        padding = tuple(side // 2 if variant.padded else 0 for side in variant.kernel)
        self.conv1 = nn.Conv3d(in_channels, channels[0], variant.kernel, padding=padding)
        self.norm1 = nn.BatchNorm3d(channels[0])
        self.conv2 = nn.Conv3d(channels[0], channels[1], variant.kernel, padding=padding)
        self.norm2 = nn.BatchNorm3d(channels[1])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class Join3d(nn.Module):
    """Upsample, put the cropped maps of the way down before it, two convolutions.

    Shape: (N, C, D, H, W) and (N, K, D', H', W') -> (N, K, 2 D - 4, 2 H - 4, 2 W - 4); if padded (N, K, 2 D, ...).
    """

    def __init__(self, below: int, channels: int, variant: UNet3dVariant) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(below, below, kernel_size=variant.pool, stride=variant.pool, bias=False)
        self.pair = ConvPair3d(below + channels, (channels, channels), variant)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)  # (N, C, 2 D, 2 H, 2 W)
        starts = [(have - want) // 2 for have, want in zip(skip.shape[2:], x.shape[2:], strict=True)]
        for axis, (start, want) in enumerate(zip(starts, x.shape[2:], strict=True), 2):
            skip = skip.narrow(axis, start, want)
        return self.pair(torch.cat([skip, x], dim=1))


class UNet3d(nn.Module):
    """A score per voxel and class. Shape: (N, C, D, H, W) -> (N, num_classes, D - 88, H - 88, W - 88).

    If padded: (N, C, D, H, W) -> (N, num_classes, D, H, W), sides a multiple of the pools' product.
    """

    def __init__(self, variant: UNet3dVariant, num_classes: int = 3, in_channels: int = 3) -> None:
        super().__init__()
        self.variant = variant
        inputs = (in_channels, *(pair[1] for pair in variant.channels))
        self.down = nn.ModuleList(
            ConvPair3d(c, pair, variant) for c, pair in zip(inputs, variant.channels, strict=False)
        )
        ends = [pair[1] for pair in variant.channels]
        self.up = nn.ModuleList(Join3d(ends[i], ends[i - 1], variant) for i in range(len(ends) - 1, 0, -1))
        self.last = nn.Conv3d(ends[0], num_classes, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for pair in self.down[:-1]:
            skips.append(pair(x))  # (N, 64, 112, 128, 128), ..., sizes for 116 x 132 x 132
            x = F.max_pool3d(skips[-1], self.variant.pool)  # (N, 64, 56, 64, 64), ...
        x = self.down[-1](x)  # (N, 512, 7, 9, 9)
        for join in self.up:
            x = join(x, skips.pop())  # (N, 256, 10, 14, 14), ..., (N, 64, 28, 44, 44)
        return self.last(x)  # (N, num_classes, 28, 44, 44)
