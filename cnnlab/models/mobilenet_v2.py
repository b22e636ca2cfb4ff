"""MobileNet V2: inverted residuals and linear bottlenecks.

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks,
CVPR 2018, table 2. https://arxiv.org/abs/1801.04381

    input            operator             t      c    n    s
    224 x 224 x 3    conv 3x3             -     32    1    2      t  expansion, of the input's channels
    112 x 112 x 32   bottleneck           1     16    1    1      c  channels of the output
    112 x 112 x 16   bottleneck           6     24    2    2      n  blocks
    56 x 56 x 24     bottleneck           6     32    3    2      s  stride of the first of them; the others' is 1
    28 x 28 x 32     bottleneck           6     64    4    2
    14 x 14 x 64     bottleneck           6     96    3    1
    14 x 14 x 96     bottleneck           6    160    3    2
    7 x 7 x 160      bottleneck           6    320    1    1
    7 x 7 x 320      conv 1x1             -   1280    1    1
    7 x 7 x 1280     average pool 7x7     -      -    1    -
    1 x 1 x 1280     conv 1x1             -      k    -    -
    3.4 million parameters, 300 million mult-adds (table 4)

A block expands few channels to many with a 1x1 convolution, filters them with a depthwise 3x3, and projects them down
again with a 1x1 that no ReLU follows: it would destroy information where the channels are few. The shortcut joins the
narrow ends, hence "inverted"; it is there where the size and the channels stay.

``small_input=True`` is for pictures of 32 pixels: the first convolution and the first strided block have stride 1, so
that the last ones work on 4 x 4.

Differs from the paper in:
  - The block with t = 1 has no expansion at all, as in the authors' code and in torchvision.
  - Widths other than 1 round the channels to multiples of 8, and a last convolution wider than 1280 comes with widths
    above 1 only, as the text says. Table 4 gives the width 1.4 as 6.9 million parameters; it has 6.1.
  - Strided convolutions are padded by one pixel on every side; TensorFlow pads on the right and at the bottom only.
  - Dropout of 0.2 before the last layer, as in torchvision and the authors' code; the paper does not mention it.
  - Convolutions start from He's normal distribution over the fan-out, the dense layer from a normal distribution of
    0.01 with zero biases, as in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, he_normal_, make_divisible
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "MobileNetV2Variant",
    "VARIANTS",
    "OTHER_WIDTHS",
    "PUBLISHED",
    "OTHER_PUBLISHED",
    "PAPER",
    "InvertedResidual",
    "MobileNetV2",
]


@dataclass(frozen=True)
class MobileNetV2Variant:
    width: float  # the width multiplier
    small_input: bool = False


VARIANTS = {
    "mobilenet_v2": MobileNetV2Variant(width=1.0),
}
OTHER_WIDTHS = {  # figure 5's; torchvision has none of them, so the names are timm's
    "mobilenetv2_035": MobileNetV2Variant(width=0.35),
    "mobilenetv2_050": MobileNetV2Variant(width=0.5),
    "mobilenetv2_075": MobileNetV2Variant(width=0.75),
    "mobilenetv2_140": MobileNetV2Variant(width=1.4),
}
PUBLISHED = {
    "mobilenet_v2": Published(72.0, None, "table 4"),
}
OTHER_PUBLISHED = {
    "mobilenetv2_140": Published(74.7, None, "table 4"),
}
PAPER = Paper(
    2018, "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks", "https://arxiv.org/abs/1801.04381"
)


class InvertedResidual(nn.Module):
    """The bottleneck of table 1: 1x1 up, depthwise, 1x1 down, and no ReLU at the end.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels, out_channels: C and K.
        stride: of the depthwise convolution.
        expansion: t; 1 for no expansion.
        kernel, activation, momentum: 3, ReLU6 and torch's here. Later networks have others.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expansion: int,
        *,
        kernel: int = 3,
        activation: type[nn.Module] = nn.ReLU6,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        more = {"momentum": momentum, "activation": activation}
        self.expand = nn.Identity() if expansion == 1 else ConvNormAct(in_channels, hidden, kernel=1, **more)
        self.depthwise = ConvNormAct(hidden, hidden, kernel, stride, groups=hidden, **more)
        self.project = ConvNormAct(hidden, out_channels, kernel=1, momentum=momentum, activation=None)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(x)  # (N, t C, H, W)
        y = self.depthwise(y)  # (N, t C, H', W')
        y = self.project(y)  # (N, K, H', W')
        return x + y if self.shortcut else y


@register_variants(
    OTHER_WIDTHS,
    family="MobileNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="timm",
    published=OTHER_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="MobileNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class MobileNetV2(Network):
    """A convolution, 17 blocks, a convolution, an average, a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: MobileNetV2Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()

        def stage(t: int, before: int, after: int, count: int, stride: int) -> nn.Sequential:
            before, after = make_divisible(before * variant.width), make_divisible(after * variant.width)
            first = InvertedResidual(before, after, stride, t)
            return nn.Sequential(first, *[InvertedResidual(after, after, 1, t) for _ in range(count - 1)])

        early = 1 if variant.small_input else 2
        stem, narrow = make_divisible(32 * variant.width), make_divisible(320 * variant.width)
        last = make_divisible(1280 * max(1.0, variant.width))
        self.conv1 = ConvNormAct(in_channels, stem, kernel=3, stride=early, activation=nn.ReLU6)
        self.stage1 = stage(1, 32, 16, count=1, stride=1)
        self.stage2 = stage(6, 16, 24, count=2, stride=early)
        self.stage3 = stage(6, 24, 32, count=3, stride=2)
        self.stage4 = stage(6, 32, 64, count=4, stride=2)
        self.stage5 = stage(6, 64, 96, count=3, stride=1)
        self.stage6 = stage(6, 96, 160, count=3, stride=2)
        self.stage7 = stage(6, 160, 320, count=1, stride=1)
        self.conv2 = ConvNormAct(narrow, last, kernel=1, activation=nn.ReLU6)
        self.dropout = nn.Dropout(p=0.2)
        self.fc = nn.Linear(last, num_classes)

        he_normal_(self, "fan_out")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 32, 112, 112), sizes for 224 px and width 1
        x = self.stage1(x)  # (N, 16, 112, 112)
        x = self.stage2(x)  # (N, 24, 56, 56)
        x = self.stage3(x)  # (N, 32, 28, 28)
        x = self.stage4(x)  # (N, 64, 14, 14)
        x = self.stage5(x)  # (N, 96, 14, 14)
        x = self.stage6(x)  # (N, 160, 7, 7)
        x = self.stage7(x)  # (N, 320, 7, 7)
        x = self.conv2(x)  # (N, 1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1280): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
