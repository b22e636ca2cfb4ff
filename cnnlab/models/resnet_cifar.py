"""The ResNets for CIFAR-10 and their plain counterparts: the degradation experiment.

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR 2016 (arXiv 2015),
section 4.2 and table 6. https://arxiv.org/abs/1512.03385

    stage     output     what (6n + 2 layers with parameters)
    conv1     32 x 32    3x3, 16
    stage1    32 x 32    n blocks of two 3x3, 16
    stage2    16 x 16    n blocks of two 3x3, 32, the first with stride 2
    stage3    8 x 8      n blocks of two 3x3, 64, the first with stride 2
    fc        1 x 1      average pool, 10-d dense layer

    layers            20      32      44      56     110    1202
    n                  3       5       7       9      18     200
    parameters     0.27M   0.46M   0.66M   0.85M    1.7M   19.4M
    test error %    8.75    7.51    7.17    6.97    6.43    7.93     (110: the best of five runs)

Shortcuts have no parameters anywhere (the paper's option A), so that a residual network and its plain counterpart have
exactly the same ones and differ in nothing else.

A new network of 1202 layers answers NaN in evaluation mode: its batch norms know no statistics before the first step of
training, and the sum grows in each block until it overflows.

Differs from the paper in:
  - Nothing in the layers. Where the channels double, the paper does not say on which side it pads with zeros; here
    the new channels come last. Many copies pad half on each side.
  - The dense layer starts uniform in +-1/sqrt(fan-in), torch's default. Convolutions start from He's normal
    distribution over the fan-in, as the paper's reference 13 has it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Published, register_variants
from cnnlab.models.resnet import PAPER

__all__ = ["CIFARResNetVariant", "VARIANTS", "PLAIN_VARIANTS", "PUBLISHED", "PaddedShortcut", "Block", "CIFARResNet"]


@dataclass(frozen=True)
class CIFARResNetVariant:
    n: int  # blocks in each of the three stages: 6n + 2 layers
    shortcuts: bool = True  # False: the plain network
    width: int = 16  # maps of the first stage, of which the others have twice and four times as many


VARIANTS = {
    "resnet20_cifar": CIFARResNetVariant(n=3),
    "resnet32_cifar": CIFARResNetVariant(n=5),
    "resnet44_cifar": CIFARResNetVariant(n=7),
    "resnet56_cifar": CIFARResNetVariant(n=9),
    "resnet110_cifar": CIFARResNetVariant(n=18),
    "resnet1202_cifar": CIFARResNetVariant(n=200),
}
PLAIN_VARIANTS = {
    "plain20_cifar": CIFARResNetVariant(n=3, shortcuts=False),
    "plain32_cifar": CIFARResNetVariant(n=5, shortcuts=False),
    "plain44_cifar": CIFARResNetVariant(n=7, shortcuts=False),
    "plain56_cifar": CIFARResNetVariant(n=9, shortcuts=False),
    "plain110_cifar": CIFARResNetVariant(n=18, shortcuts=False),
}
PUBLISHED = {
    f"resnet{depth}_cifar": Published(round(100 - error, 2), None, f"table 6: {error} % error", "CIFAR-10")
    for depth, error in {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43, 1202: 7.93}.items()
}


class PaddedShortcut(nn.Module):
    """Option A: every ``stride``-th pixel, and zeros for the new channels.

    Shape: (N, C, H, W) -> (N, C + new_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, new_channels: int, stride: int) -> None:
        super().__init__()
        self.new_channels = new_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]  # (N, C, H', W')
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels)) if self.new_channels else x

    def extra_repr(self) -> str:
        return f"new_channels={self.new_channels}, stride={self.stride}"


class Block(nn.Module):
    """Two 3x3 convolutions. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcuts: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = PaddedShortcut(channels - in_channels, stride) if shortcuts else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, K, H', W')
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y)


@register_variants(
    PLAIN_VARIANTS, family="Plain (CIFAR)", paper=PAPER, input_size=(3, 32, 32), num_classes=10, head="fc"
)
@register_variants(
    VARIANTS,
    family="ResNet (CIFAR)",
    paper=PAPER,
    input_size=(3, 32, 32),
    num_classes=10,
    head="fc",
    published=PUBLISHED,
)
class CIFARResNet(Network):
    """Three stages of n blocks. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: CIFARResNetVariant, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        width = variant.width
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stage1 = self._stage(width, width, 1, variant)
        self.stage2 = self._stage(width, 2 * width, 2, variant)
        self.stage3 = self._stage(2 * width, 4 * width, 2, variant)
        self.fc = nn.Linear(4 * width, num_classes)

        he_normal_(self, mode="fan_in")

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int, variant: CIFARResNetVariant) -> nn.Sequential:
        """n blocks, of which the first changes the channels and the size."""
        first = Block(in_channels, channels, stride, variant.shortcuts)
        rest = [Block(channels, channels, 1, variant.shortcuts) for _ in range(variant.n - 1)]
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # (N, 16, 32, 32), sizes for 32 px
        x = self.stage1(x)  # (N, 16, 32, 32)
        x = self.stage2(x)  # (N, 32, 16, 16)
        x = self.stage3(x)  # (N, 64, 8, 8)
        x = x.mean(dim=(2, 3))  # (N, 64): global average pooling
        return self.fc(x)  # (N, num_classes)
