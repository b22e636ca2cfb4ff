"""MobileNet: depthwise separable convolutions, and two numbers that trade accuracy for cost.

A. G. Howard, M. Zhu, B. Chen, D. Kalenichenko, W. Wang, T. Weyand, M. Andreetto, H. Adam: MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications, arXiv 2017, table 1. https://arxiv.org/abs/1704.04861

    layer                               stride    output (224 px)
    conv 3x3, 32                        2         112 x 112 x 32
    depthwise 3x3, pointwise 1x1        1         112 x 112 x 64
    depthwise 3x3, pointwise 1x1        2         56 x 56 x 128
    depthwise 3x3, pointwise 1x1        1         56 x 56 x 128
    depthwise 3x3, pointwise 1x1        2         28 x 28 x 256
    depthwise 3x3, pointwise 1x1        1         28 x 28 x 256
    depthwise 3x3, pointwise 1x1        2         14 x 14 x 512
    depthwise 3x3, pointwise 1x1, 5 x   1         14 x 14 x 512
    depthwise 3x3, pointwise 1x1        2         7 x 7 x 1024
    depthwise 3x3, pointwise 1x1        1         7 x 7 x 1024
    average pool, dense 1000                      1 x 1

    width multiplier (table 6)     1.0    0.75     0.5    0.25       input (table 7)     224    192    160    128
    mult-adds, millions            569     325     149      41                           569    418    290    186
    parameters, millions           4.2     2.6     1.3     0.5                           4.2    4.2    4.2    4.2
    accuracy %                    70.6    68.4    63.7    50.6                          70.6   69.1   67.2   64.4

A 3x3 convolution is replaced by two: a depthwise one, with one 3x3 filter for each channel, and a pointwise 1x1 that
mixes the channels; batch norm and ReLU follow both. The width multiplier scales the channels of every layer. The
resolution multiplier is the size of the input and needs no other network: any size goes. Two comparisons of the paper
are variants too: ``separable=False`` has full 3x3 convolutions (table 4: 4866 million mult-adds, 29.3 million
parameters, 71.7 %), and ``repeats=0`` leaves out the five equal layers (table 5: 307 million, 2.9 million, 65.3 %).

``small_input=True`` is for pictures of 32 pixels: the first convolution and the first strided layer after it have
stride 1, so that the last layers work on 4 x 4.

Differs from the paper in:
  - ReLU6, min(max(x, 0), 6), in place of ReLU: so in the authors' code and in timm.
  - The last depthwise convolution has stride 1. Table 1 prints "s2", which would make its next size 4 x 4, not 7 x 7.
  - The epsilon of the batch norms is 1e-5, as in timm's mobilenetv1_100; the authors' code has 1e-3.
  - Strided convolutions are padded by one pixel on every side; TensorFlow pads on the right and at the bottom only.
  - Convolutions start from He's normal distribution over the fan-out, the dense layer uniform in +-1/sqrt(fan-in);
    the paper does not say.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "MobileNetV1Variant",
    "VARIANTS",
    "THIN_VARIANTS",
    "PUBLISHED",
    "THIN_PUBLISHED",
    "PAPER",
    "DepthwiseSeparable",
    "MobileNetV1",
]


@dataclass(frozen=True)
class MobileNetV1Variant:
    width: float  # the width multiplier alpha
    separable: bool = True  # False: full 3x3 convolutions
    repeats: int = 5  # of the layer from 512 to 512 channels; 0: the shallow network
    small_input: bool = False


VARIANTS = {
    "mobilenetv1_100": MobileNetV1Variant(width=1.0),
}
THIN_VARIANTS = {  # in the manner of timm's names; timm has none of them
    "mobilenetv1_075": MobileNetV1Variant(width=0.75),
    "mobilenetv1_050": MobileNetV1Variant(width=0.5),
    "mobilenetv1_025": MobileNetV1Variant(width=0.25),
}
PUBLISHED = {
    "mobilenetv1_100": Published(70.6, None, "table 6"),
}
THIN_PUBLISHED = {
    "mobilenetv1_075": Published(68.4, None, "table 6"),
    "mobilenetv1_050": Published(63.7, None, "table 6"),
    "mobilenetv1_025": Published(50.6, None, "table 6"),
}
PAPER = Paper(
    2017,
    "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    "https://arxiv.org/abs/1704.04861",
)


class DepthwiseSeparable(nn.Module):
    """Figure 3, right. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(in_channels, in_channels, 3, stride, groups=in_channels, activation=nn.ReLU6)
        self.pointwise = ConvNormAct(in_channels, out_channels, kernel=1, activation=nn.ReLU6)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


@register_variants(
    THIN_VARIANTS,
    family="MobileNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    published=THIN_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="MobileNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="timm",
    published=PUBLISHED,
)
class MobileNetV1(Network):
    """A convolution, thirteen separable ones, an average, a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: MobileNetV1Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()

        def layer(before: int, after: int, stride: int = 1) -> nn.Module:
            before, after = round(before * variant.width), round(after * variant.width)
            if variant.separable:
                return DepthwiseSeparable(before, after, stride)
            return ConvNormAct(before, after, kernel=3, stride=stride, activation=nn.ReLU6)

        early = 1 if variant.small_input else 2
        self.conv1 = ConvNormAct(in_channels, round(32 * variant.width), 3, stride=early, activation=nn.ReLU6)
        self.stage1 = layer(32, 64)
        self.stage2 = nn.Sequential(layer(64, 128, stride=early), layer(128, 128))
        self.stage3 = nn.Sequential(layer(128, 256, stride=2), layer(256, 256))
        self.stage4 = nn.Sequential(layer(256, 512, stride=2), *[layer(512, 512) for _ in range(variant.repeats)])
        self.stage5 = nn.Sequential(layer(512, 1024, stride=2), layer(1024, 1024))
        self.fc = nn.Linear(round(1024 * variant.width), num_classes)

        he_normal_(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 32, 112, 112), sizes for 224 px and width 1
        x = self.stage1(x)  # (N, 64, 112, 112)
        x = self.stage2(x)  # (N, 128, 56, 56)
        x = self.stage3(x)  # (N, 256, 28, 28)
        x = self.stage4(x)  # (N, 512, 14, 14)
        x = self.stage5(x)  # (N, 1024, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        return self.fc(x)  # (N, num_classes)
