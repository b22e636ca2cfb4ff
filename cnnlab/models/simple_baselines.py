"""Simple Baselines: a ResNet and three transposed convolutions, a heat map for each joint.

B. Xiao, H. Wu, Y. Wei: Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, figure 1 (c) and section 2.
https://arxiv.org/abs/1804.06208

    layers                                           output (256 x 192)
    ResNet-50 without its average and dense layer    2048 x 8 x 6
    three times 4x4 transposed convolution, 256,
    stride 2, batch norm, ReLU                       256 x 16 x 12; 256 x 32 x 24; 256 x 64 x 48
    1x1, a map for each joint                        17 x 64 x 48
    33,999,697 parameters; "8.9 GFLOPs"

The paper asks how good the simplest network can be, against stacked hourglasses and cascaded pyramids with joins
between resolutions: it has none, and was ahead of both.

The GFLOPs are those of a later paper's table (K. Sun et al., HRNet, CVPR 2019, table 1) and of its program. It counts
multiply-accumulates in units of 2^30, and each transposed convolution at the size of its output. At stride 2 that is
four times what is computed: 9.65e9, which are 8.99 x 2^30, in place of 5.43e9.

    SMALL    for pictures of about 64 pixels: four 3x3 convolutions of stride 2, then two transposed convolutions

It is no classifier: its maps stand for joints, so that it is not in the registry of :func:`cnnlab.create_model`. Build
it by ``SimpleBaseline(VARIANTS["resnet50"])``, and train it with ``loss=cnnlab.pose.HeatMapLoss(stride=4)``.

Differs from the paper in:
  - Nothing in the layers. The paper starts from ResNet's weights for ImageNet; here all start anew, the new layers from
    a normal distribution with deviation 0.001, as in the authors' code.
  - The bottleneck halves the picture in its 3x3 convolution, as in the authors' code and in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models.resnet import VARIANTS as RESNETS
from cnnlab.models.resnet import BasicBlock, Bottleneck, ResNet, ResNetVariant

__all__ = ["SimpleBaselineVariant", "VARIANTS", "SMALL", "ConvTrunk", "ResNetTrunk", "Up", "SimpleBaseline"]


@dataclass(frozen=True)
class SimpleBaselineVariant:
    trunk: ResNetVariant | tuple[int, ...]  # or the channels of 3x3 convolutions, each of stride 2
    up: tuple[int, ...] = (256, 256, 256)  # channels of the transposed convolutions
    deviation: float = 0.001  # of the new layers' first weights

    @property
    def stride(self) -> int:
        """Pixels to a side of a cell of the heat maps."""
        halvings = 5 if isinstance(self.trunk, ResNetVariant) else len(self.trunk)
        return 2 ** (halvings - len(self.up))


VARIANTS = {name: SimpleBaselineVariant(RESNETS[name]) for name in ("resnet50", "resnet101", "resnet152")}
SMALL = SimpleBaselineVariant(trunk=(16, 32, 48, 64), up=(48, 32), deviation=0.02)


class ResNetTrunk(nn.Module):
    """A ResNet up to its last block. Shape: (N, C, H, W) -> (N, 2048, H / 32, W / 32), or 512 channels.

    Attributes:
        channels: of its output.
    """

    def __init__(self, variant: ResNetVariant, in_channels: int) -> None:
        super().__init__()
        whole = ResNet(variant, num_classes=1, in_channels=in_channels)
        self.conv1, self.bn1, self.pool = whole.conv1, whole.bn1, whole.pool
        self.conv2, self.conv3, self.conv4, self.conv5 = whole.conv2, whole.conv3, whole.conv4, whole.conv5
        self.channels = 512 * (Bottleneck if variant.bottleneck else BasicBlock).expansion

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.bn1(self.conv1(x))))  # (N, 64, 64, 48), sizes for 256 x 192 pixels
        x = self.conv2(x)  # (N, 256, 64, 48)
        x = self.conv3(x)  # (N, 512, 32, 24)
        x = self.conv4(x)  # (N, 1024, 16, 12)
        return self.conv5(x)  # (N, 2048, 8, 6)


class ConvTrunk(nn.Sequential):
    """3x3 convolutions of stride 2, each with batch norm and ReLU. Shape: (N, C, H, W) -> (N, K, H / 16, W / 16).

    Attributes:
        channels: of its output.
    """

    def __init__(self, widths: tuple[int, ...], in_channels: int) -> None:
        layers: list[nn.Module] = []
        for before, width in zip((in_channels, *widths), widths):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        super().__init__(*layers)
        self.channels = widths[-1]


class Up(nn.Module):
    """Twice the size, by a 4x4 transposed convolution. Shape: (N, C, H, W) -> (N, K, 2 H, 2 W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, channels, kernel_size=4, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class SimpleBaseline(nn.Module):
    """A trunk, transposed convolutions, a map for each joint. Shape: (N, C, H, W) -> (N, num_joints, H / 4, W / 4).

    Attributes:
        stride: pixels to a side of a cell of the maps.
    """

    def __init__(self, variant: SimpleBaselineVariant = SMALL, num_joints: int = 17, in_channels: int = 3) -> None:
        super().__init__()
        self.stride = variant.stride
        make = ResNetTrunk if isinstance(variant.trunk, ResNetVariant) else ConvTrunk
        self.trunk = make(variant.trunk, in_channels)
        channels = (self.trunk.channels, *variant.up)
        self.up = nn.Sequential(*(Up(before, after) for before, after in zip(channels, variant.up)))
        self.last = nn.Conv2d(channels[-1], num_joints, kernel_size=1)

        for module in (*self.up.modules(), self.last):
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(module.weight, std=variant.deviation)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk(x)  # (N, 2048, 8, 6)
        x = self.up(x)  # (N, 256, 64, 48)
        return self.last(x)  # (N, num_joints, 64, 48)
