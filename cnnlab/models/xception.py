"""Xception: Inception taken to its extreme, a linear stack of depthwise separable convolutions.

F. Chollet: Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017 (arXiv 2016), figure 5.
https://arxiv.org/abs/1610.02357

    flow      output (299 px)    module                                                   shortcut
    entry     149 x 149 x 32     conv 3x3, 32, stride 2
              147 x 147 x 64     conv 3x3, 64
              74 x 74 x 128      2 x separable 3x3, 128, 3x3 max pool of stride 2         1x1, stride 2
              37 x 37 x 256      2 x separable 3x3, 256, 3x3 max pool of stride 2         1x1, stride 2
              19 x 19 x 728      2 x separable 3x3, 728, 3x3 max pool of stride 2         1x1, stride 2
    middle    19 x 19 x 728      3 x separable 3x3, 728; eight such modules               identity
    exit      10 x 10 x 1024     separable 3x3, 728 and 1024, 3x3 max pool of stride 2    1x1, stride 2
              10 x 10 x 1536     separable 3x3, 1536
              10 x 10 x 2048     separable 3x3, 2048
              1 x 1              average pool, 1000-d dense layer
    22,855,952 parameters (table 3)

A separable convolution filters each channel with a 3x3 of its own and then mixes the channels with a 1x1, with nothing
between the two. A batch norm follows every convolution, plain or separable, and a ReLU comes before the separable ones.

``small_input=True`` is for pictures of 32 pixels: the first two convolutions keep the size (stride 1, padded), and so
does the first module with a shortcut, so that the exit flow ends at 4 x 4.

Differs from the paper in:
  - The max pools and the strided shortcuts are padded by one pixel on every side. TensorFlow, in which the paper's was
    written, pads an even size on the right and at the bottom only, which matters for the module that takes 74 pixels.
  - The epsilon of the batch norms is 1e-5, as in timm's legacy_xception; Keras has 1e-3.
  - Convolutions start from He's normal distribution over the fan-out, as in timm (the paper does not say; Keras has
    Glorot's); the dense layer is uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = ["XceptionVariant", "VARIANTS", "PUBLISHED", "PAPER", "SeparableConv", "Module", "Xception"]


@dataclass(frozen=True)
class XceptionVariant:
    entry: tuple[int, ...] = (128, 256, 728)  # channels of the three modules with max pools
    middle: int = 8  # modules of the middle flow
    small_input: bool = False


VARIANTS = {
    "legacy_xception": XceptionVariant(),  # timm's name; its newer xception41 and others are not the paper's
}
PUBLISHED = {
    "legacy_xception": Published(79.0, 94.5, "table 1, single crop, single model"),
}
PAPER = Paper(
    2016, "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions", "https://arxiv.org/abs/1610.02357"
)


class SeparableConv(nn.Module):
    """A 3x3 convolution of each channel apart, a 1x1 of all channels, batch norm.

    Shape: (N, C, H, W) -> (N, K, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.pointwise(self.depthwise(x)))


class Module(nn.Module):
    """Separable convolutions with a ReLU before each, a max pool where the stride is 2, and a shortcut around all.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: C.
        channels: outputs of each separable convolution; K is the last.
        stride: of the max pool and of the shortcut.
        relu_first: whether a ReLU precedes the first convolution; no for the first module, where one comes just before.
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], stride: int = 1, relu_first: bool = True) -> None:
        super().__init__()
        if stride == 1 and in_channels == channels[-1]:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = ConvNormAct(in_channels, channels[-1], kernel=1, stride=stride, activation=None)
        layers: list[nn.Module] = []
        for before, after in zip((in_channels, *channels), channels):
            layers += [nn.ReLU(), SeparableConv(before, after)]
        if stride > 1:
            layers.append(nn.MaxPool2d(kernel_size=3, stride=stride, padding=1))
        self.layers = nn.Sequential(*(layers if relu_first else layers[1:]))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


@register_variants(
    VARIANTS,
    family="Xception",
    paper=PAPER,
    input_size=(3, 299, 299),
    num_classes=1000,
    head="fc",
    smallest=7,
    library="timm",
    published=PUBLISHED,
)
class Xception(Network):
    """Entry, middle and exit flow, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: XceptionVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        stride, padding = (1, 1) if variant.small_input else (2, 0)
        self.conv1 = ConvNormAct(in_channels, 32, kernel=3, stride=stride, padding=padding)
        self.conv2 = ConvNormAct(32, 64, kernel=3, padding=padding)
        first, second, width = variant.entry
        self.entry = nn.Sequential(
            Module(64, (first, first), stride=stride, relu_first=False),
            Module(first, (second, second), stride=2),
            Module(second, (width, width), stride=2),
        )
        self.middle = nn.Sequential(*[Module(width, (width, width, width)) for _ in range(variant.middle)])
        self.exit = Module(width, (width, 1024), stride=2)
        self.conv3 = SeparableConv(1024, 1536)
        self.conv4 = SeparableConv(1536, 2048)
        self.dropout = nn.Dropout(p=0.5)
        self.fc = nn.Linear(2048, num_classes)

        he_normal_(self, "fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 32, 149, 149), sizes for 299 px
        x = self.conv2(x)  # (N, 64, 147, 147)
        x = self.entry(x)  # (N, 728, 19, 19)
        x = self.middle(x)  # (N, 728, 19, 19)
        x = self.exit(x)  # (N, 1024, 10, 10)
        x = F.relu(self.conv3(x))  # (N, 1536, 10, 10)
        x = F.relu(self.conv4(x))  # (N, 2048, 10, 10)
        x = x.mean(dim=(2, 3))  # (N, 2048): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
