"""MobileNet V3: an architecture that was searched for, with squeeze-and-excitation and hard swish.

A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, V. Vasudevan, Q. V. Le, H. Adam:
Searching for MobileNetV3, ICCV 2019, tables 1 to 3 of the last version (arXiv). https://arxiv.org/abs/1905.02244

    Large, input       operator                Small, input       operator
    224 x 224 x 3      conv 3x3, 16, HS, /2    224 x 224 x 3      conv 3x3, 16, HS, /2
    112 x 112 x 16     15 blocks: LARGE below  112 x 112 x 16     11 blocks: SMALL below
    7 x 7 x 160        conv 1x1, 960, HS       7 x 7 x 96         conv 1x1, 576, HS
    7 x 7 x 960        average pool            7 x 7 x 576        average pool
    1 x 1 x 960        dense 1280, HS          1 x 1 x 576        dense 1024, HS
    1 x 1 x 1280       dense k                 1 x 1 x 1024       dense k
    5.4 million parameters, 219 million MACs   2.5 million parameters, 56 million MACs

A block is MobileNet V2's inverted residual with squeeze-and-excitation after the depthwise convolution in some places.
Hard swish (HS), x min(max(x + 3, 0), 6) / 6, replaces ReLU (RE) in the second half, where maps are small and it is
cheap. The widest layer of MobileNet V2, at the end, is moved behind the average pool, where it costs almost nothing.

``small_input=True`` is for pictures of 32 pixels: the first convolution and the first strided block have stride 1, so
that the last ones work on 4 x 4.

Differs from the paper in:
  - Small: no squeeze-and-excitation at the last convolution, where table 2 prints it; torchvision and the authors' code
    have none. The hidden dense layer has 1024 outputs as in the paper's last version; earlier ones print 2.9 million
    parameters for the same accuracy, which 1280 outputs make.
  - Squeeze-and-excitation: a quarter of the expanded channels, as in section 5.3, rounded to a multiple of 8.
  - Batch norm: epsilon 1e-3 and momentum 0.01, torchvision's for these networks (timm's epsilon is 1e-5).
  - Strided convolutions are padded by the same number of pixels on every side; TensorFlow pads some on the right and
    at the bottom only.
  - Convolutions start from He's normal distribution over the fan-out with zero biases, dense layers from a normal
    distribution of 0.01 with zero biases, as in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, SqueezeExcite, he_normal_, make_divisible
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "RE",
    "HS",
    "NORM",
    "Row",
    "LARGE",
    "SMALL",
    "MobileNetV3Variant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "InvertedResidual",
    "MobileNetV3",
]

RE, HS = nn.ReLU, nn.Hardswish
NORM = {"eps": 1e-3, "momentum": 0.01}


class Row(NamedTuple):
    """One row "bneck" of table 1 or 2."""

    kernel: int
    expanded: int  # "exp size"
    channels: int  # "#out"
    se: bool
    activation: type[nn.Module]  # "NL"
    stride: int


LARGE = (
    Row(3, 16, 16, False, RE, 1),  # 112 x 112
    Row(3, 64, 24, False, RE, 2),  # 56 x 56
    Row(3, 72, 24, False, RE, 1),
    Row(5, 72, 40, True, RE, 2),  # 28 x 28
    Row(5, 120, 40, True, RE, 1),
    Row(5, 120, 40, True, RE, 1),
    Row(3, 240, 80, False, HS, 2),  # 14 x 14
    Row(3, 200, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 184, 80, False, HS, 1),
    Row(3, 480, 112, True, HS, 1),
    Row(3, 672, 112, True, HS, 1),
    Row(5, 672, 160, True, HS, 2),  # 7 x 7
    Row(5, 960, 160, True, HS, 1),
    Row(5, 960, 160, True, HS, 1),
)
SMALL = (
    Row(3, 16, 16, True, RE, 2),  # 56 x 56
    Row(3, 72, 24, False, RE, 2),  # 28 x 28
    Row(3, 88, 24, False, RE, 1),
    Row(5, 96, 40, True, HS, 2),  # 14 x 14
    Row(5, 240, 40, True, HS, 1),
    Row(5, 240, 40, True, HS, 1),
    Row(5, 120, 48, True, HS, 1),
    Row(5, 144, 48, True, HS, 1),
    Row(5, 288, 96, True, HS, 2),  # 7 x 7
    Row(5, 576, 96, True, HS, 1),
    Row(5, 576, 96, True, HS, 1),
)


@dataclass(frozen=True)
class MobileNetV3Variant:
    rows: tuple[Row, ...]
    hidden: int  # outputs of the first dense layer
    small_input: bool = False


VARIANTS = {
    "mobilenet_v3_large": MobileNetV3Variant(rows=LARGE, hidden=1280),
    "mobilenet_v3_small": MobileNetV3Variant(rows=SMALL, hidden=1024),
}
PUBLISHED = {
    "mobilenet_v3_large": Published(75.2, None, "table 3"),
    "mobilenet_v3_small": Published(67.4, None, "table 3"),
}
PAPER = Paper(2019, "Howard et al., Searching for MobileNetV3", "https://arxiv.org/abs/1905.02244")


class InvertedResidual(nn.Module):
    """The bottleneck of figure 4. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: C.
        row: of the table, with K.
        stride: of the depthwise convolution; the row's, except in the version for small pictures.
    """

    def __init__(self, in_channels: int, row: Row, stride: int) -> None:
        super().__init__()
        hidden = row.expanded
        more = {"activation": row.activation, **NORM}
        self.expand = nn.Identity() if hidden == in_channels else ConvNormAct(in_channels, hidden, kernel=1, **more)
        self.depthwise = ConvNormAct(hidden, hidden, row.kernel, stride, groups=hidden, **more)
        squeezed = make_divisible(hidden // 4)
        self.se = SqueezeExcite(hidden, squeezed, gate=nn.Hardsigmoid) if row.se else nn.Identity()
        self.project = ConvNormAct(hidden, row.channels, kernel=1, activation=None, **NORM)
        self.shortcut = row.stride == 1 and in_channels == row.channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x)  # (N, expanded, H, W)
        y = self.depthwise(y)  # (N, expanded, H', W')
        y = self.se(y)
        y = self.project(y)  # (N, K, H', W')
        return x + y if self.shortcut else y


@register_variants(
    VARIANTS,
    family="MobileNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc2",
    library="torchvision",
    published=PUBLISHED,
)
class MobileNetV3(Network):
    """A convolution, the table's blocks, a convolution, an average, two dense layers.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: MobileNetV3Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        stem, *strides = (2, *(row.stride for row in variant.rows))
        if variant.small_input:
            stem, strides[strides.index(2)] = 1, 1  # the first two halvings are left out
        self.conv1 = ConvNormAct(in_channels, 16, kernel=3, stride=stem, activation=HS, **NORM)
        before = (16, *(row.channels for row in variant.rows))
        self.blocks = nn.Sequential(
            *[InvertedResidual(channels, row, stride) for channels, row, stride in zip(before, variant.rows, strides)]
        )
        last = variant.rows[-1].expanded  # 960 or 576, six times the channels
        self.conv2 = ConvNormAct(before[-1], last, kernel=1, activation=HS, **NORM)
        self.fc1 = nn.Linear(last, variant.hidden)
        self.activation = HS()
        self.dropout = nn.Dropout(p=0.2)
        self.fc2 = nn.Linear(variant.hidden, num_classes)

        he_normal_(self, "fan_out")
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 16, 112, 112), sizes of Large for 224 px
        x = self.blocks(x)  # (N, 160, 7, 7)
        x = self.conv2(x)  # (N, 960, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 960): global average pooling
        x = self.activation(self.fc1(x))  # (N, 1280)
        return self.fc2(self.dropout(x))  # (N, num_classes)
