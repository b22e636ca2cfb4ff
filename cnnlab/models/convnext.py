"""ConvNeXt: a ResNet brought up to date, step by step, until it does what a vision transformer does.

Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie: A ConvNet for the 2020s, CVPR 2022, section 3 and
table 9. https://arxiv.org/abs/2201.03545

    stage    output     ConvNeXt-T: a block is 7x7 depthwise, 1x1 to four times the channels, 1x1 back
    stem     56 x 56    4x4, 96, stride 4
    res2     56 x 56    3 blocks of 96
    res3     28 x 28    2x2, stride 2; 3 blocks of 192
    res4     14 x 14    2x2, stride 2; 9 blocks of 384
    res5     7 x 7      2x2, stride 2; 3 blocks of 768
    head     1 x 1      average, layer norm, 1000-d dense layer

                T                     S                     B                      L
    channels    96, 192, 384, 768     96, 192, 384, 768     128, 256, 512, 1024    192, 384, 768, 1536
    blocks      3, 3, 9, 3            3, 3, 27, 3           3, 3, 27, 3            3, 3, 27, 3
    parameters  29M                   50M                   89M                    198M
    "FLOPs"     4.5e9 (MACs)          8.7e9                 15.4e9                 34.4e9

A block computes x + s * F(x): one depthwise 7x7 convolution that looks around within each channel, layer norm, and two
dense layers with one GELU between them that mix the channels of each pixel. s is the layer scale: one trained factor
per channel, 1e-6 at first, so that every block starts as (almost) the identity. There is one norm and one activation
in a block, where a ResNet's bottleneck has three of each.

``small_input=True`` is for pictures of 32 pixels: the stem's patches are 2x2, stride 2, so that res5 ends at 2 x 2.

Differs from the paper in:
  - Nothing in the layers. The 1x1 convolutions are dense layers over the last axis of (N, H, W, C), as in the authors'
    code; torchvision keeps the same arrangement.
  - The truncated normal distribution of deviation 0.02 is a plain one here: the authors' code and torchvision truncate
    it at +-2, a hundred deviations out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import DropPath, drop_path_rates
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = ["ConvNeXtVariant", "VARIANTS", "PUBLISHED", "PAPER", "EPS", "LayerNorm2d", "Block", "Stage", "ConvNeXt"]


@dataclass(frozen=True)
class ConvNeXtVariant:
    channels: tuple[int, int, int, int]  # in res2, res3, res4, res5
    blocks: tuple[int, int, int, int]
    drop_path: float  # stochastic depth of the last block, table 5
    small_input: bool = False


VARIANTS = {
    "convnext_tiny": ConvNeXtVariant(channels=(96, 192, 384, 768), blocks=(3, 3, 9, 3), drop_path=0.1),
    "convnext_small": ConvNeXtVariant(channels=(96, 192, 384, 768), blocks=(3, 3, 27, 3), drop_path=0.4),
    "convnext_base": ConvNeXtVariant(channels=(128, 256, 512, 1024), blocks=(3, 3, 27, 3), drop_path=0.5),
    "convnext_large": ConvNeXtVariant(channels=(192, 384, 768, 1536), blocks=(3, 3, 27, 3), drop_path=0.5),
}
PUBLISHED = {
    "convnext_tiny": Published(82.1, None, "table 1, trained on ImageNet-1K at 224 px, one crop"),
    "convnext_small": Published(83.1, None, "table 1, trained on ImageNet-1K at 224 px, one crop"),
    "convnext_base": Published(83.8, None, "table 1, trained on ImageNet-1K at 224 px, one crop"),
    "convnext_large": Published(84.3, None, "table 1, trained on ImageNet-1K at 224 px, one crop"),
}
PAPER = Paper(2022, "Liu et al., A ConvNet for the 2020s", "https://arxiv.org/abs/2201.03545")
EPS = 1e-6  # of every layer norm


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of each pixel. Shape: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """x + layer_scale * F(x), figure 4 right. Shape: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((channels, 1, 1), 1e-6))
        self.dwconv = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dwconv(x)  # (N, C, H, W)
        y = self.norm(y.permute(0, 2, 3, 1))  # (N, H, W, C): norm and dense layers work on the last axis
        y = F.gelu(self.pwconv1(y))  # (N, H, W, 4 C)
        y = self.pwconv2(y).permute(0, 3, 1, 2)  # (N, C, H, W)
        return x + self.drop_path(self.layer_scale * y)


class Stage(nn.Module):
    """Halves the image, except in res2, and goes through blocks that keep the size.

    Shape: (N, C, H, W) -> (N, K, H // 2, W // 2), in res2 (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, in_channels: int, blocks: list[Block], channels: int) -> None:
        super().__init__()
        self.halves = in_channels != channels
        if self.halves:
            self.norm = LayerNorm2d(in_channels)
            self.downsample = nn.Conv2d(in_channels, channels, kernel_size=2, stride=2)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            x = self.downsample(self.norm(x))
        return self.blocks(x)


@register_variants(
    VARIANTS,
    family="ConvNeXt",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=32,
    library="torchvision",
    published=PUBLISHED,
)
class ConvNeXt(Network):
    """A stem of patches, four stages, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    block: ClassVar[type[nn.Module]] = Block  # of (channels, drop_path)

    def __init__(self, variant: ConvNeXtVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        c2, c3, c4, c5 = variant.channels
        patch = 2 if variant.small_input else 4
        rates = iter(drop_path_rates(variant.drop_path, sum(variant.blocks)))

        def blocks(channels: int, count: int) -> list[nn.Module]:
            return [self.block(channels, next(rates)) for _ in range(count)]

        self.stem = nn.Conv2d(in_channels, c2, kernel_size=patch, stride=patch)
        self.stem_norm = LayerNorm2d(c2)
        self.res2 = Stage(c2, blocks(c2, variant.blocks[0]), c2)
        self.res3 = Stage(c2, blocks(c3, variant.blocks[1]), c3)
        self.res4 = Stage(c3, blocks(c4, variant.blocks[2]), c4)
        self.res5 = Stage(c4, blocks(c5, variant.blocks[3]), c5)
        self.norm = nn.LayerNorm(c5, eps=EPS)
        self.fc = nn.Linear(c5, num_classes)

        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x))  # (N, 96, 56, 56), sizes for ConvNeXt-T and 224 px
        x = self.res2(x)  # (N, 96, 56, 56)
        x = self.res3(x)  # (N, 192, 28, 28)
        x = self.res4(x)  # (N, 384, 14, 14)
        x = self.res5(x)  # (N, 768, 7, 7)
        x = self.norm(x.mean(dim=(2, 3)))  # (N, 768): global average pooling
        return self.fc(x)  # (N, num_classes)
