"""Inception v3.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna: Rethinking the Inception Architecture for Computer Vision, CVPR
2016 (arXiv 2015), table 1 and figures 5 to 8 and 10. https://arxiv.org/abs/1512.00567

    the paper's table 1, outputs        as the authors published it, and here
    conv 3x3/2           149x149x32     conv 3x3/2        149x149x32
    conv 3x3             147x147x32     conv 3x3          147x147x32
    conv 3x3, padded     147x147x64     conv 3x3, padded  147x147x64
    max pool 3x3/2       73x73x64       max pool 3x3/2    73x73x64
    conv 3x3             71x71x80       conv 1x1          73x73x80
    conv 3x3/2           35x35x192      conv 3x3          71x71x192
    conv 3x3             35x35x288      max pool 3x3/2    35x35x192
    3 x figure 5                        3 x InceptionA    35x35x256, 35x35x288, 35x35x288
    as in figure 10      17x17x768      ReductionA        17x17x768
    5 x figure 6                        4 x InceptionB    17x17x768, the last with the auxiliary head
    as in figure 10      8x8x1280       ReductionB        8x8x1280
    2 x figure 7         8x8x2048       2 x InceptionC    8x8x2048
    average pool 8x8     2048           average pool      2048, then dropout
    linear               1000           linear            1000
    multiply-adds        4.8e9          5.7e9

The paper calls its layers Inception-v2, and v3 what they become when trained with RMSProp, label smoothing and a head
with batch norm. It factorizes convolutions in three ways: 5x5 into two 3x3 (in one branch of A); 7x7 into 1x7 and 7x1
(B); and on the coarsest maps 1x3 and 3x1 side by side, which makes the module wider and not deeper (C). A reduction
halves the image by strided convolutions and a pooling side by side: pooling first would lose information, pooling
afterwards would cost more. The auxiliary head adds 0.4 of its loss in training; the paper finds that it regularizes.

``small_input=True`` is for pictures of 32 pixels: all of the stem is padded, its first convolution has stride 1 and its
first pooling is left out. The modules then work on 15 x 15, 7 x 7 and 3 x 3.

Differs from the paper in:
  - The column on the right: it is the network that the authors released, and torchvision's, with official weights.
  - From torchvision: average pooling counts the padding as zeros (the authors' code does not count it); dropout of 50 %
    (theirs 20 %). The head's weight of 0.4 is that of the authors' code; the paper does not say.
  - The head averages to 5 x 5 where its map is smaller than 17 x 17, so that pictures from 75 pixels on can be used.
  - Convolutions start from a normal distribution of standard deviation 0.1, in the head's last one 0.01 and its dense
    layer 0.001, as in torchvision; the last dense layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import Branches, ConvNormAct
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "InceptionV3Variant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "Convolution",
    "Stem",
    "pooled",
    "InceptionA",
    "ReductionA",
    "InceptionB",
    "ReductionB",
    "side_by_side",
    "InceptionC",
    "AuxiliaryHead",
    "InceptionV3",
]


@dataclass(frozen=True)
class InceptionV3Variant:
    projections: tuple[int, ...] = (32, 64, 64)  # channels of the pooling branch in the modules at 35x35
    factorized: tuple[int, ...] = (128, 160, 160, 192)  # channels inside the 7x7 branches of the modules at 17x17
    wide_modules: int = 2  # at 8x8
    dropout: float = 0.5
    small_input: bool = False


VARIANTS = {"inception_v3": InceptionV3Variant()}
PUBLISHED = {
    "inception_v3": Published(78.8, 94.4, "table 3, one network, one crop, 48,238 pictures: 21.2 % and 5.6 % errors"),
}
PAPER = Paper(
    2015,
    "Szegedy et al., Rethinking the Inception Architecture for Computer Vision",
    "https://arxiv.org/abs/1512.00567",
)

Convolution = partial(ConvNormAct, eps=1e-3)


class Stem(nn.Module):
    """The first five convolutions. Shape: (N, C, H, W) -> (N, 192, about H / 8, about W / 8)."""

    def __init__(self, in_channels: int, small_input: bool) -> None:
        super().__init__()
        stride, padding = (1, 1) if small_input else (2, 0)
        self.conv1 = Convolution(in_channels, 32, 3, stride=stride, padding=padding)
        self.conv2 = Convolution(32, 32, 3, padding=padding)
        self.conv3 = Convolution(32, 64, 3)
        self.pool1 = nn.Identity() if small_input else nn.MaxPool2d(3, stride=2)
        self.conv4 = Convolution(64, 80, 1)
        self.conv5 = Convolution(80, 192, 3, padding=padding)
        self.pool2 = nn.MaxPool2d(3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 32, 149, 149), sizes for 299 px
        x = self.conv3(self.conv2(x))  # (N, 64, 147, 147)
        x = self.pool1(x)  # (N, 64, 73, 73)
        x = self.conv5(self.conv4(x))  # (N, 192, 71, 71)
        return self.pool2(x)  # (N, 192, 35, 35)


def pooled(in_channels: int, out_channels: int, count_padding: bool = True) -> nn.Module:
    """Average pooling that keeps the size, and a 1x1 convolution. Shape: (N, C, H, W) -> (N, K, H, W)."""
    pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=count_padding)
    return nn.Sequential(pool, Convolution(in_channels, out_channels, 1))


class InceptionA(Branches):
    """Figure 5, with one 5x5 left as it was. Shape: (N, C, H, W) -> (N, 224 + projection, H, W)."""

    def __init__(self, in_channels: int, projection: int) -> None:
        super().__init__(
            conv1x1=Convolution(in_channels, 64, 1),
            conv5x5=nn.Sequential(Convolution(in_channels, 48, 1), Convolution(48, 64, 5)),
            double3x3=nn.Sequential(Convolution(in_channels, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3)),
            pool=pooled(in_channels, projection),
        )


class ReductionA(Branches):
    """Figure 10; k, l, m, n name the widths as in the paper on Inception-v4.

    Shape: (N, C, H, W) -> (N, n + m + C, (H - 1) // 2, (W - 1) // 2).
    """

    def __init__(self, in_channels: int, k: int, l: int, m: int, n: int) -> None:
        super().__init__(
            conv3x3=Convolution(in_channels, n, 3, stride=2, padding=0),
            double3x3=nn.Sequential(
                Convolution(in_channels, k, 1), Convolution(k, l, 3), Convolution(l, m, 3, stride=2, padding=0)
            ),
            pool=nn.MaxPool2d(3, stride=2),
        )


class InceptionB(Branches):
    """Figure 6 with n = 7; ``channels`` inside the branches. Shape: (N, C, H, W) -> (N, 768, H, W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            conv1x1=Convolution(in_channels, 192, 1),
            conv7x7=nn.Sequential(
                Convolution(in_channels, channels, 1),
                Convolution(channels, channels, (1, 7)),
                Convolution(channels, 192, (7, 1)),
            ),
            double7x7=nn.Sequential(
                Convolution(in_channels, channels, 1),
                Convolution(channels, channels, (7, 1)),
                Convolution(channels, channels, (1, 7)),
                Convolution(channels, channels, (7, 1)),
                Convolution(channels, 192, (1, 7)),
            ),
            pool=pooled(in_channels, 192),
        )


class ReductionB(Branches):
    """Shape: (N, C, H, W) -> (N, C + 512, (H - 1) // 2, (W - 1) // 2)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(
            conv3x3=nn.Sequential(Convolution(in_channels, 192, 1), Convolution(192, 320, 3, stride=2, padding=0)),
            conv7x7=nn.Sequential(
                Convolution(in_channels, 192, 1),
                Convolution(192, 192, (1, 7)),
                Convolution(192, 192, (7, 1)),
                Convolution(192, 192, 3, stride=2, padding=0),
            ),
            pool=nn.MaxPool2d(3, stride=2),
        )


def side_by_side(in_channels: int, channels: int) -> Branches:
    """The end of two branches of figure 7. Shape: (N, C, H, W) -> (N, 2 K, H, W)."""
    return Branches(
        conv1x3=Convolution(in_channels, channels, (1, 3)), conv3x1=Convolution(in_channels, channels, (3, 1))
    )


class InceptionC(Branches):
    """Figure 7. Shape: (N, C, H, W) -> (N, 2048, H, W)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(
            conv1x1=Convolution(in_channels, 320, 1),
            conv3x3=nn.Sequential(Convolution(in_channels, 384, 1), side_by_side(384, 384)),
            double3x3=nn.Sequential(Convolution(in_channels, 448, 1), Convolution(448, 384, 3), side_by_side(384, 384)),
            pool=pooled(in_channels, 192),
        )


class AuxiliaryHead(nn.Module):
    """Figure 8: a small classifier on the last 17x17 maps. Shape: (N, C, 17, 17) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = Convolution(in_channels, 128, 1)
        self.conv2 = Convolution(128, 768, 5, padding=0)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        small = min(x.shape[2:]) < 17
        x = F.adaptive_avg_pool2d(x, 5) if small else F.avg_pool2d(x, kernel_size=5, stride=3)  # (N, C, 5, 5)
        x = self.conv2(self.conv1(x))  # (N, 768, 1, 1)
        return self.fc(x.mean(dim=(2, 3)))  # (N, num_classes)


@register_variants(
    VARIANTS,
    family="Inception",
    paper=PAPER,
    input_size=(3, 299, 299),
    num_classes=1000,
    head="fc",
    auxiliary=("auxiliary.fc",),
    smallest=75,
    library="torchvision",
    published=PUBLISHED,
)
class InceptionV3(Network):
    """A stem, nine Inception modules with two reductions between them, an average and a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes); in training mode (that, [one more of that shape]).
    """

    def __init__(self, variant: InceptionV3Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = Stem(in_channels, variant.small_input)
        widths = [192, *(224 + projection for projection in variant.projections)]
        self.grid35 = nn.Sequential(*(InceptionA(width, p) for width, p in zip(widths, variant.projections)))
        self.reduction_a = ReductionA(widths[-1], 64, 96, 96, 384)
        self.grid17 = nn.Sequential(*(InceptionB(768, channels) for channels in variant.factorized))
        self.auxiliary = AuxiliaryHead(768, num_classes)
        self.reduction_b = ReductionB(768)
        self.grid8 = nn.Sequential(*(InceptionC(2048 if i else 1280) for i in range(variant.wide_modules)))
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(2048, num_classes)
        self.auxiliary_weights = (0.4,)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01 if module is self.auxiliary.conv2.conv else 0.1)
        nn.init.normal_(self.auxiliary.fc.weight, std=0.001)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        x = self.stem(x)  # (N, 192, 35, 35), sizes for 299 px
        x = self.grid35(x)  # (N, 288, 35, 35)
        x = self.reduction_a(x)  # (N, 768, 17, 17)
        x = x17 = self.grid17(x)  # (N, 768, 17, 17)
        x = self.reduction_b(x)  # (N, 1280, 8, 8)
        x = self.grid8(x)  # (N, 2048, 8, 8)
        x = x.mean(dim=(2, 3))  # (N, 2048): global average pooling
        x = self.fc(self.dropout(x))  # (N, num_classes)
        return (x, [self.auxiliary(x17)]) if self.training else x
