"""Wide ResNet: few layers of many channels in place of many layers of few.

S. Zagoruyko, N. Komodakis: Wide Residual Networks, BMVC 2016, tables 1, 4, 5, 6 and 8.
https://arxiv.org/abs/1605.07146

    group     output     WRN-d-k for CIFAR, N = (d - 4) / 6
    conv1     32 x 32    3x3, 16
    conv2     32 x 32    N blocks of two 3x3, 16 k
    conv3     16 x 16    N blocks of two 3x3, 32 k, the first with stride 2
    conv4     8 x 8      N blocks of two 3x3, 64 k, the first with stride 2
    avg-pool  1 x 1      batch norm, ReLU, average pool, dense layer

                    40-1   40-2   40-4   40-8   28-10  28-12  22-8   22-10  16-8   16-10
    parameters      0.6M   2.2M   8.9M   35.7M  36.5M  52.5M  17.2M  26.8M  11.0M  17.1M

    for ImageNet    WRN-50-2-bottleneck: a ResNet-50 with twice the channels in each 3x3, 68.9M parameters

The networks for CIFAR are pre-activation ResNets (preact_resnet.py) of basic blocks: batch norm, ReLU, 3x3, twice,
with nothing on the shortcut. Where the channels change, the shortcut is a 1x1 convolution of the activated input.
Dropout, if any, stands between the two convolutions of a block, "B(3,3)" with dropout in the residual part (figure 1d).
The networks for ImageNet are ResNets of 2015 whose bottlenecks are wider inside: 128, 128, 256 for 64, 64, 256.

``small_input=True`` is for the ImageNet networks on pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no
pooling after it, as in resnet.py.

Differs from the paper in:
  - Nothing in the layers. WRN-101-2 is torchvision's: the paper has none.
  - Convolutions start from He's normal distribution over the fan-out, as in the authors' code (the later one of theirs
    for PyTorch takes the fan-in); the dense layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.resnet import ResNet, ResNetVariant

__all__ = [
    "WideResNetVariant",
    "CIFAR_VARIANTS",
    "VARIANTS",
    "PUBLISHED",
    "CIFAR_PUBLISHED",
    "PAPER",
    "WideBlock",
    "WideResNet",
    "CIFARWideResNet",
]


@dataclass(frozen=True)
class WideResNetVariant:
    depth: int  # d: 6 N + 4 with N blocks in each of the three groups
    widen_factor: int  # k
    dropout: float = 0.0  # between the convolutions of a block; the paper has 0.3 on CIFAR


CIFAR_VARIANTS = {
    "wrn16_8_cifar": WideResNetVariant(depth=16, widen_factor=8),
    "wrn28_10_cifar": WideResNetVariant(depth=28, widen_factor=10),
    "wrn28_10_dropout_cifar": WideResNetVariant(depth=28, widen_factor=10, dropout=0.3),
    "wrn40_2_cifar": WideResNetVariant(depth=40, widen_factor=2),
    "wrn40_4_cifar": WideResNetVariant(depth=40, widen_factor=4),
}
VARIANTS = {
    "wide_resnet50_2": ResNetVariant(blocks=(3, 4, 6, 3), bottleneck=True, base_width=128),
    "wide_resnet101_2": ResNetVariant(blocks=(3, 4, 23, 3), bottleneck=True, base_width=128),
}
PUBLISHED = {
    # Table 9 prints a top-5 error of 5.79 % for the same network, which in table 8 is that of ResNet-200.
    "wide_resnet50_2": Published(78.1, 93.97, "table 8, 1 crop: 21.9 % and 6.03 % errors"),
}
CIFAR_PUBLISHED = {
    "wrn16_8_cifar": Published(95.73, None, "table 5: 4.27 % error", "CIFAR-10"),
    "wrn28_10_cifar": Published(96.0, None, "table 5: 4.00 % error", "CIFAR-10"),
    "wrn28_10_dropout_cifar": Published(96.11, None, "table 6: 3.89 % error", "CIFAR-10"),
    "wrn40_4_cifar": Published(95.47, None, "table 5: 4.53 % error", "CIFAR-10"),
}
PAPER = Paper(2016, "Zagoruyko and Komodakis, Wide Residual Networks", "https://arxiv.org/abs/1605.07146")


class WideBlock(nn.Module):
    """Batch norm, ReLU, 3x3, twice. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, in_channels: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.projection = None
        if in_channels != channels:
            self.projection = nn.Conv2d(in_channels, channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.bn1(x))
        y = self.conv1(activated)  # (N, K, H', W')
        y = self.conv2(self.dropout(F.relu(self.bn2(y))))
        return y + (x if self.projection is None else self.projection(activated))


@register_variants(
    VARIANTS,
    family="Wide ResNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class WideResNet(ResNet):
    """A ResNet whose bottlenecks are twice as wide inside. Shape: (N, C, H, W) -> (N, num_classes)."""


@register_variants(
    CIFAR_VARIANTS,
    family="Wide ResNet (CIFAR)",
    paper=PAPER,
    input_size=(3, 32, 32),
    num_classes=10,
    head="fc",
    published=CIFAR_PUBLISHED,
)
class CIFARWideResNet(Network):
    """WRN-d-k: three groups of (d - 4) / 6 blocks. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: WideResNetVariant, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        k = variant.widen_factor
        self.conv1 = nn.Conv2d(in_channels, 16, kernel_size=3, padding=1, bias=False)
        self.conv2 = self._group(16, 16 * k, 1, variant)
        self.conv3 = self._group(16 * k, 32 * k, 2, variant)
        self.conv4 = self._group(32 * k, 64 * k, 2, variant)
        self.bn = nn.BatchNorm2d(64 * k)
        self.fc = nn.Linear(64 * k, num_classes)
        he_normal_(self)

    @staticmethod
    def _group(in_channels: int, channels: int, stride: int, variant: WideResNetVariant) -> nn.Sequential:
        """N blocks, of which the first changes the channels and the size."""
        first = WideBlock(in_channels, channels, stride, variant.dropout)
        rest = [WideBlock(channels, channels, 1, variant.dropout) for _ in range((variant.depth - 4) // 6 - 1)]
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 16, 32, 32), sizes for 32 px
        x = self.conv2(x)  # (N, 16 k, 32, 32)
        x = self.conv3(x)  # (N, 32 k, 16, 16)
        x = self.conv4(x)  # (N, 64 k, 8, 8)
        x = F.relu(self.bn(x))  # the sum of the last block has had no activation yet
        x = x.mean(dim=(2, 3))  # (N, 64 k): global average pooling
        return self.fc(x)  # (N, num_classes)
