"""ResNet for ImageNet, and the plain networks it was measured against.

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR 2016 (arXiv 2015),
table 1. https://arxiv.org/abs/1512.03385

    stage      output      18         34         50                 101                152
    conv1      112 x 112   7x7, 64, stride 2
    conv2_x    56 x 56     3x3 max pool, stride 2, then
                           2 x basic  3 x basic  3 x bottleneck     3 x bottleneck     3 x bottleneck     64 (256)
    conv3_x    28 x 28     2          4          4                  4                  8                 128 (512)
    conv4_x    14 x 14     2          6          6                  23                 36                256 (1024)
    conv5_x    7 x 7       2          3          3                  3                  3                 512 (2048)
    fc         1 x 1       average pool, 1000-d dense layer
    "FLOPs" (MACs)         1.8e9      3.6e9      3.8e9              7.6e9              11.3e9

A block computes relu(F(x) + shortcut(x)). The shortcut is the identity; where the size changes it is a 1x1
convolution of the same stride (the paper's option B). plain18 and plain34 are the same layers without shortcuts.

``small_input=True`` is for pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no pooling after it, so that
conv5_x ends at 4 x 4. Many CIFAR repositories call that a ResNet-18; the paper's own for CIFAR are in resnet_cifar.py.

Differs from the paper in:
  - The bottleneck halves the image in its 3x3 convolution, as torchvision does ("v1.5"); the paper's halves it in the
    first 1x1, which skips three of four pixels. ``ResNetVariant(..., stride_on_1x1=True)`` is the paper's: fewer MACs
    (3.86e9 for 50 layers, where v1.5 has 4.09e9), about half a percentage point less accurate.
  - Convolutions start from He's normal distribution over the fan-out, as in torchvision (the paper's reference 13 takes
    the fan-in); batch norm at 1 and 0, also at the end of a block; the dense layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "ResNetVariant",
    "VARIANTS",
    "PLAIN_VARIANTS",
    "PUBLISHED",
    "PLAIN_PUBLISHED",
    "PAPER",
    "Shortcut",
    "BasicBlock",
    "Bottleneck",
    "ResNet",
]


@dataclass(frozen=True)
class ResNetVariant:
    blocks: tuple[int, int, int, int]  # in conv2_x, conv3_x, conv4_x, conv5_x
    bottleneck: bool = False  # blocks of 1x1, 3x3, 1x1 in place of 3x3, 3x3
    shortcuts: bool = True  # False: the plain network
    stride_on_1x1: bool = False  # True: the bottleneck of 2015
    cardinality: int = 1  # groups in a bottleneck's 3x3; more than one in resnext.py
    base_width: int = 64  # channels of each group in conv2_x; other numbers in resnext.py and wide_resnet.py
    small_input: bool = False


VARIANTS = {
    "resnet18": ResNetVariant(blocks=(2, 2, 2, 2)),
    "resnet34": ResNetVariant(blocks=(3, 4, 6, 3)),
    "resnet50": ResNetVariant(blocks=(3, 4, 6, 3), bottleneck=True),
    "resnet101": ResNetVariant(blocks=(3, 4, 23, 3), bottleneck=True),
    "resnet152": ResNetVariant(blocks=(3, 8, 36, 3), bottleneck=True),
}
PLAIN_VARIANTS = {
    "plain18": ResNetVariant(blocks=(2, 2, 2, 2), shortcuts=False),
    "plain34": ResNetVariant(blocks=(3, 4, 6, 3), shortcuts=False),
}
PUBLISHED = {
    "resnet34": Published(75.48, 92.54, "table 3, 10 crops, option B: 24.52 % and 7.46 % errors"),
    "resnet50": Published(77.15, 93.29, "table 3, 10 crops: 22.85 % and 6.71 % errors"),
    "resnet101": Published(78.25, 93.95, "table 3, 10 crops: 21.75 % and 6.05 % errors"),
    "resnet152": Published(78.57, 94.29, "table 3, 10 crops: 21.43 % and 5.71 % errors"),
}
PLAIN_PUBLISHED = {
    "plain34": Published(71.46, 89.98, "table 3, 10 crops: 28.54 % and 10.02 % errors"),
}
PAPER = Paper(2015, "He et al., Deep Residual Learning for Image Recognition", "https://arxiv.org/abs/1512.03385")


class Shortcut(nn.Module):
    """What a block adds to its output: x itself, or a projection where the size changes.

    Shape: (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.identity = stride == 1 and in_channels == out_channels
        if not self.identity:
            self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
            self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return x if self.identity else self.bn(self.conv(x))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, figure 5 left. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, variant: ResNetVariant) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = Shortcut(in_channels, channels, stride) if variant.shortcuts else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, K, H', W')
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y)


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, figure 5 right. Shape: (N, C, H, W) -> (N, 4 K, ceil(H / stride), ceil(W / stride))."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, variant: ResNetVariant) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        groups = variant.cardinality
        width = channels * variant.base_width // 64 * groups  # = channels in a ResNet
        stride1, stride2 = (stride, 1) if variant.stride_on_1x1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, stride=stride1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride2, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = Shortcut(in_channels, out_channels, stride) if variant.shortcuts else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, K, H, W)
        y = F.relu(self.bn2(self.conv2(y)))  # (N, K, H', W')
        y = self.bn3(self.conv3(y))  # (N, 4 K, H', W')
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y)


@register_variants(
    PLAIN_VARIANTS,
    family="Plain",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    published=PLAIN_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="ResNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class ResNet(Network):
    """A stem, four stages of blocks, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: ResNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        kernel, stride = (3, 1) if variant.small_input else (7, 2)
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.pool = nn.Identity() if variant.small_input else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        block = Bottleneck if variant.bottleneck else BasicBlock
        width = block.expansion
        self.conv2 = self.stage(block, 64, 64, variant.blocks[0], 1, variant)
        self.conv3 = self.stage(block, 64 * width, 128, variant.blocks[1], 2, variant)
        self.conv4 = self.stage(block, 128 * width, 256, variant.blocks[2], 2, variant)
        self.conv5 = self.stage(block, 256 * width, 512, variant.blocks[3], 2, variant)
        self.fc = nn.Linear(512 * width, num_classes)

        he_normal_(self)

    @staticmethod
    def stage(
        block: type[nn.Module], in_channels: int, channels: int, count: int, stride: int, variant: Any
    ) -> nn.Sequential:
        """``count`` blocks, of which the first changes the channels and the size; the variant is handed on to them."""
        first = block(in_channels, channels, stride, variant)
        rest = [block(channels * block.expansion, channels, 1, variant) for _ in range(count - 1)]
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # (N, 64, 112, 112), sizes for 224 px
        x = self.pool(x)  # (N, 64, 56, 56)
        x = self.conv2(x)  # (N, 64, 56, 56); four times the channels from here on with bottlenecks
        x = self.conv3(x)  # (N, 128, 28, 28)
        x = self.conv4(x)  # (N, 256, 14, 14)
        x = self.conv5(x)  # (N, 512, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 512): global average pooling
        return self.fc(x)  # (N, num_classes)
