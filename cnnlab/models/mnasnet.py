"""MnasNet: an architecture searched for with the latency of a phone in the objective.

M. Tan, B. Chen, R. Pang, V. Vasudevan, M. Sandler, A. Howard, Q. V. Le: MnasNet: Platform-Aware Neural Architecture
Search for Mobile, CVPR 2019 (arXiv 2018). https://arxiv.org/abs/1807.11626

This is MnasNet-B1, found without squeeze-and-excitation in the search space (74.5 % in table 2). Figure 7 draws another
one, A1; the layers are those of ``mnasnet_b1`` in the authors' code:

    input            operator            t      c    n    s
    224 x 224 x 3    conv 3x3            -     32    1    2      t  expansion, of the input's channels
    112 x 112 x 32   SepConv 3x3         -     16    1    1      c  channels of the output
    112 x 112 x 16   MBConv3 3x3         3     24    3    2      n  blocks
    56 x 56 x 24     MBConv3 5x5         3     40    3    2      s  stride of the first of them; the others' is 1
    28 x 28 x 40     MBConv6 5x5         6     80    3    2
    14 x 14 x 80     MBConv6 3x3         6     96    2    1
    14 x 14 x 96     MBConv6 5x5         6    192    4    2
    7 x 7 x 192      MBConv6 3x3         6    320    1    1
    7 x 7 x 320      conv 1x1            -   1280    1    1
    average pool, dense 1000

MBConv is MobileNet V2's inverted residual with ReLU in place of ReLU6. What the search found is the variety: kernels
of 3 and 5, expansions of 3 and 6, one to four blocks, chosen stage by stage, where MobileNet V2 repeats one block.

``small_input=True`` is for pictures of 32 pixels: the first convolution and the first strided block have stride 1, so
that the last ones work on 4 x 4, and the batch norms have torch's momentum of 0.1. Otherwise it is 3e-4, torch's word
for the authors' decay of 0.9997: ten thousand steps until the averages for evaluation have forgotten their start.

Differs from the paper in:
  - The 1x1 convolution before the average, of 1280 channels, is not in figure 7; the authors' code and torchvision
    have it. A depth multiplier (the number in the name) leaves it alone and rounds all others to multiples of 8.
  - Strided convolutions are padded by the same number of pixels on every side; TensorFlow pads some on the right and
    at the bottom only.
  - Convolutions start from He's normal distribution over the fan-out, the dense layer uniform in +-sqrt(3 / classes)
    with zero biases, as in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, he_normal_, make_divisible
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.mobilenet_v2 import InvertedResidual

__all__ = ["MnasNetVariant", "VARIANTS", "PUBLISHED", "PAPER", "SepConv", "MBConv", "MnasNet"]


@dataclass(frozen=True)
class MnasNetVariant:
    depth_multiplier: float  # of the channels, in spite of its name
    small_input: bool = False


VARIANTS = {
    "mnasnet0_5": MnasNetVariant(depth_multiplier=0.5),
    "mnasnet0_75": MnasNetVariant(depth_multiplier=0.75),
    "mnasnet1_0": MnasNetVariant(depth_multiplier=1.0),
    "mnasnet1_3": MnasNetVariant(depth_multiplier=1.3),
}
PUBLISHED = {
    "mnasnet1_0": Published(74.5, None, "table 2, MnasNet-B1"),
}
PAPER = Paper(
    2018,
    "Tan et al., MnasNet: Platform-Aware Neural Architecture Search for Mobile",
    "https://arxiv.org/abs/1807.11626",
)


class SepConv(nn.Module):
    """A depthwise convolution with ReLU, a pointwise one without. Shape: (N, C, H, W) -> (N, K, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(in_channels, in_channels, kernel=3, groups=in_channels, momentum=momentum)
        self.pointwise = ConvNormAct(in_channels, out_channels, kernel=1, momentum=momentum, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class MBConv(InvertedResidual):
    """MobileNet V2's block, its ReLU6 a ReLU. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, expansion: int, kernel: int, momentum: float
    ) -> None:
        more = {"kernel": kernel, "activation": nn.ReLU, "momentum": momentum}
        super().__init__(in_channels, out_channels, stride, expansion, **more)


@register_variants(
    VARIANTS,
    family="MnasNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class MnasNet(Network):
    """Two convolutions, six stages of MBConv, a convolution, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: MnasNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()

        def stage(t: int, kernel: int, before: int, after: int, count: int, stride: int) -> nn.Sequential:
            first = MBConv(before, after, stride, t, kernel, momentum)
            return nn.Sequential(first, *[MBConv(after, after, 1, t, kernel, momentum) for _ in range(count - 1)])

        early, momentum = (1, 0.1) if variant.small_input else (2, 1 - 0.9997)
        c = [make_divisible(width * variant.depth_multiplier) for width in (32, 16, 24, 40, 80, 96, 192, 320)]
        self.conv1 = ConvNormAct(in_channels, c[0], kernel=3, stride=early, momentum=momentum)
        self.sep_conv = SepConv(c[0], c[1], momentum)
        self.stage1 = stage(3, 3, c[1], c[2], count=3, stride=early)
        self.stage2 = stage(3, 5, c[2], c[3], count=3, stride=2)
        self.stage3 = stage(6, 5, c[3], c[4], count=3, stride=2)
        self.stage4 = stage(6, 3, c[4], c[5], count=2, stride=1)
        self.stage5 = stage(6, 5, c[5], c[6], count=4, stride=2)
        self.stage6 = stage(6, 3, c[6], c[7], count=1, stride=1)
        self.conv2 = ConvNormAct(c[7], 1280, kernel=1, momentum=momentum)
        self.dropout = nn.Dropout(p=0.2)
        self.fc = nn.Linear(1280, num_classes)

        he_normal_(self, "fan_out")
        nn.init.kaiming_uniform_(self.fc.weight, mode="fan_out", nonlinearity="sigmoid")
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 32, 112, 112), sizes for 224 px and depth multiplier 1
        x = self.sep_conv(x)  # (N, 16, 112, 112)
        x = self.stage1(x)  # (N, 24, 56, 56)
        x = self.stage2(x)  # (N, 40, 28, 28)
        x = self.stage3(x)  # (N, 80, 14, 14)
        x = self.stage4(x)  # (N, 96, 14, 14)
        x = self.stage5(x)  # (N, 192, 7, 7)
        x = self.stage6(x)  # (N, 320, 7, 7)
        x = self.conv2(x)  # (N, 1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1280): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
