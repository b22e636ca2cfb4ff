"""SENet: channels that are weighed anew for every picture, in a ResNet, a ResNeXt, and the winner of 2017.

J. Hu, L. Shen, S. Albanie, G. Sun, E. Wu: Squeeze-and-Excitation Networks, CVPR 2018 (arXiv 2017), tables 1 and 2 and
the appendix on SENet-154. https://arxiv.org/abs/1709.01507

    output       SE-ResNet-50                               SE-ResNeXt-50 (32x4d)
    112 x 112    7x7, 64, stride 2
    56 x 56      3x3 max pool, stride 2, then
                 [1x1 64, 3x3 64, 1x1 256, fc 16, 256] x 3  [1x1 128, 3x3 128 C=32, 1x1 256, fc 16, 256] x 3
    28 x 28      [128, 128, 512, fc 32, 512] x 4            [256, 256, 512, fc 32, 512] x 4
    14 x 14      [256, 256, 1024, fc 64, 1024] x 6          [512, 512, 1024, fc 64, 1024] x 6
    7 x 7        [512, 512, 2048, fc 128, 2048] x 3         [1024, 1024, 2048, fc 128, 2048] x 3
    1 x 1        average pool, 1000-d dense layer
    GFLOPs (MACs)    3.87 (ResNet-50: 3.86)                 4.25 (ResNeXt-50: 4.24)

A squeeze-and-excitation block averages each channel over the image, sends the averages through two dense layers (a
ReLU between them, r = 16 times fewer outputs in the first), and multiplies each channel by a sigmoid of what comes out.
In a residual block it stands on the branch, before the sum: relu(SE(F(x)) + x).

SENet-154 is a ResNeXt-152 (64x4d) with squeeze and excitation and four more changes: the first 1x1 of a block has half
the channels, the 7x7 is three 3x3, a shortcut that halves the image is a 3x3 convolution, and there is dropout of 0.2
before the dense layer.

``small_input=True`` is for pictures of 32 pixels: the first convolution is 3x3 (or the first of three) with stride 1,
and there is no pooling after it.

Differs from the paper in:
  - Nothing in the layers of the published networks, which are the authors' Caffe models: a ResNet's bottleneck has its
    stride on the first 1x1, a ResNeXt's on the 3x3, and the max pooling pads only at the right and the bottom
    (``ceil_mode``). The dense layers are written as 1x1 convolutions.
  - The paper has no SE-ResNet-18 or 34; they are timm's, and have a ReLU before the squeeze.
  - Convolutions and the dense layers of squeeze and excitation start from He's normal distribution over the fan-out, as
    in timm; batch norm at 1 and 0; the last layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, SqueezeExcite, he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.resnet import ResNet

__all__ = ["SENetVariant", "VARIANTS", "PUBLISHED", "PAPER", "SEBasicBlock", "SEBottleneck", "SENet"]


@dataclass(frozen=True)
class SENetVariant:
    blocks: tuple[int, int, int, int]  # in each stage
    bottleneck: bool = True  # blocks of 1x1, 3x3, 1x1 in place of 3x3, 3x3
    stride_on_1x1: bool = True  # of a bottleneck; False: on the 3x3
    cardinality: int = 1  # groups in a bottleneck's 3x3
    base_width: int = 64  # channels of each group in the first stage
    reduction: int = 16  # r: the channels over the outputs of the first dense layer
    halved: bool = False  # half the channels in a bottleneck's first 1x1
    deep_stem: bool = False  # three 3x3, to 128 channels, in place of the 7x7
    shortcut_kernel: int = 1  # where the image is halved
    dropout: float = 0.0  # before the last layer
    small_input: bool = False


_NEXT = {"stride_on_1x1": False, "base_width": 4}
_154 = {"cardinality": 64, "halved": True, "deep_stem": True, "shortcut_kernel": 3, "dropout": 0.2, **_NEXT}
VARIANTS = {
    "legacy_seresnet18": SENetVariant(blocks=(2, 2, 2, 2), bottleneck=False),
    "legacy_seresnet34": SENetVariant(blocks=(3, 4, 6, 3), bottleneck=False),
    "legacy_seresnet50": SENetVariant(blocks=(3, 4, 6, 3)),
    "legacy_seresnet101": SENetVariant(blocks=(3, 4, 23, 3)),
    "legacy_seresnet152": SENetVariant(blocks=(3, 8, 36, 3)),
    "legacy_seresnext50_32x4d": SENetVariant(blocks=(3, 4, 6, 3), cardinality=32, **_NEXT),
    "legacy_seresnext101_32x4d": SENetVariant(blocks=(3, 4, 23, 3), cardinality=32, **_NEXT),
    "legacy_senet154": SENetVariant(blocks=(3, 8, 36, 3), **_154),
}
PUBLISHED = {
    "legacy_seresnet50": Published(76.71, 93.38, "table 2, 1 crop: 23.29 % and 6.62 % errors"),
    "legacy_seresnet101": Published(77.62, 93.93, "table 2, 1 crop: 22.38 % and 6.07 % errors"),
    "legacy_seresnet152": Published(78.43, 94.27, "table 2, 1 crop: 21.57 % and 5.73 % errors"),
    "legacy_seresnext50_32x4d": Published(78.9, 94.51, "table 2, 1 crop: 21.10 % and 5.49 % errors"),
    "legacy_seresnext101_32x4d": Published(79.3, 94.99, "table 2, 1 crop: 20.70 % and 5.01 % errors"),
    "legacy_senet154": Published(81.32, 95.53, "table 8 of the last version, 1 crop of 224: 18.68 % and 4.47 % errors"),
}
PAPER = Paper(2017, "Hu et al., Squeeze-and-Excitation Networks", "https://arxiv.org/abs/1709.01507")


def _shortcut(in_channels: int, out_channels: int, stride: int, variant: SENetVariant) -> nn.Module:
    """The identity, or a projection where the size changes."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    kernel = 1 if stride == 1 else variant.shortcut_kernel
    return ConvNormAct(in_channels, out_channels, kernel, stride, activation=None)


class SEBasicBlock(nn.Module):
    """Two 3x3, squeeze and excitation. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, variant: SENetVariant) -> None:
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, channels, 3, stride)
        self.conv2 = ConvNormAct(channels, channels, 3)
        self.se = SqueezeExcite(channels, channels // variant.reduction)
        self.shortcut = _shortcut(in_channels, channels, stride, variant)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.conv1(x))  # (N, K, H', W')
        return F.relu(self.se(y) + self.shortcut(x))


class SEBottleneck(nn.Module):
    """1x1, 3x3, 1x1, squeeze and excitation, figure 3 of the paper.

    Shape: (N, C, H, W) -> (N, 4 K, ceil(H / stride), ceil(W / stride)).
    """

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, variant: SENetVariant) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        width = channels * variant.base_width // 64 * variant.cardinality  # K in a ResNet, 2 K for 32x4d
        first = width // 2 if variant.halved else width
        stride1, stride2 = (stride, 1) if variant.stride_on_1x1 else (1, stride)
        self.conv1 = ConvNormAct(in_channels, first, 1, stride1)
        self.conv2 = ConvNormAct(first, width, 3, stride2, groups=variant.cardinality)
        self.conv3 = ConvNormAct(width, out_channels, 1, activation=None)
        self.se = SqueezeExcite(out_channels, out_channels // variant.reduction)
        self.shortcut = _shortcut(in_channels, out_channels, stride, variant)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x)))  # (N, 4 K, H', W')
        return F.relu(self.se(y) + self.shortcut(x))


@register_variants(
    VARIANTS,
    family="SENet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=3,
    library="timm",
    published=PUBLISHED,
)
class SENet(Network):
    """A stem, four stages of blocks, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: SENetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        stride = 1 if variant.small_input else 2
        if variant.deep_stem:
            channels = 128
            convolutions = [ConvNormAct(in_channels, 64, 3, stride), ConvNormAct(64, 64, 3), ConvNormAct(64, 128, 3)]
            self.conv1 = nn.Sequential(*convolutions)
        else:
            channels = 64
            self.conv1 = ConvNormAct(in_channels, 64, 3 if variant.small_input else 7, stride)
        self.pool = nn.Identity() if variant.small_input else nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        block = SEBottleneck if variant.bottleneck else SEBasicBlock
        width = block.expansion
        self.conv2 = ResNet.stage(block, channels, 64, variant.blocks[0], 1, variant)
        self.conv3 = ResNet.stage(block, 64 * width, 128, variant.blocks[1], 2, variant)
        self.conv4 = ResNet.stage(block, 128 * width, 256, variant.blocks[2], 2, variant)
        self.conv5 = ResNet.stage(block, 256 * width, 512, variant.blocks[3], 2, variant)
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(512 * width, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 64, 112, 112), sizes for 224 px; 128 channels in SENet-154
        x = self.pool(x)  # (N, 64, 56, 56)
        x = self.conv2(x)  # (N, 64, 56, 56); four times the channels from here on with bottlenecks
        x = self.conv3(x)  # (N, 128, 28, 28)
        x = self.conv4(x)  # (N, 256, 14, 14)
        x = self.conv5(x)  # (N, 512, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 512): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
