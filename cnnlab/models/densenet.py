"""DenseNet: every layer of a block sees the outputs of all the layers before it.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: Densely Connected Convolutional Networks, CVPR 2017 (arXiv 2016),
tables 1 to 3. https://arxiv.org/abs/1608.06993

    layers            output       121     169     201     264     (161)
    convolution       112 x 112    7x7, 2k, stride 2
    pooling           56 x 56      3x3 max pool, stride 2
    dense block 1     56 x 56      6       6       6       6       6       times [1x1, 4k; 3x3, k]
    transition 1      28 x 28      1x1 to half the channels, 2x2 average pool, stride 2
    dense block 2     28 x 28      12      12      12      12      12
    transition 2      14 x 14
    dense block 3     14 x 14      24      32      48      64      36
    transition 3      7 x 7
    dense block 4     7 x 7        16      32      32      48      24
    classification    1 x 1        batch norm, ReLU, average pool, 1000-d dense layer
    growth rate k                  32      32      32      32      48

    CIFAR         L = 40   L = 100   L = 100   BC, L = 100   BC, L = 250   BC, L = 190
                  k = 12   k = 12    k = 24    k = 12        k = 24        k = 40
    parameters    1.0M     7.0M      27.2M     0.8M          15.3M         25.6M

A layer adds k channels to what came in: x becomes [x, H(x)], joined along the channels. H is batch norm, ReLU, 3x3;
with bottleneck ("B") batch norm, ReLU, 1x1 to 4k channels, batch norm, ReLU, 3x3. Compression ("C") is the transitions'
factor of 0.5. For CIFAR there are three blocks of equal depth, (L - 4) / 3 layers or half as many with bottlenecks.

``small_input=True`` is for pictures of 32 pixels: the first convolution is 3x3 with stride 1, without the batch norm,
ReLU and pooling after it. That is the paper's own stem for CIFAR, which the networks for CIFAR have anyway.

Differs from the paper in:
  - Nothing in the layers. DenseNet-161 (k = 48) is of the paper's first ImageNet results and missing in its last
    version; torchvision has it. DenseNet-264 is the paper's and missing in torchvision; by the count that gives the
    other names it has 265 layers.
  - The paper's networks for CIFAR have dropout of 0.2 after each convolution but the first when they are trained
    without augmentation; ``DenseNetVariant(..., dropout=0.2)`` has it, the registered networks have none.
  - Convolutions start from He's normal distribution over the fan-in, as in torchvision (the authors' code has the
    fan-out); the dense layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "DenseNetVariant",
    "VARIANTS",
    "PAPER_VARIANTS",
    "CIFAR_VARIANTS",
    "PUBLISHED",
    "PAPER_PUBLISHED",
    "CIFAR_PUBLISHED",
    "PAPER",
    "DenseLayer",
    "BottleneckLayer",
    "DenseBlock",
    "Transition",
    "DenseNet",
]


@dataclass(frozen=True)
class DenseNetVariant:
    layers: tuple[int, ...]  # in each dense block
    growth: int  # k: the channels that a layer adds
    stem: int  # channels of the first convolution: 2k, and 16 without bottlenecks
    bottleneck: bool = True  # B
    compression: float = 0.5  # C: of the channels, in a transition
    dropout: float = 0.0
    small_input: bool = False


VARIANTS = {
    "densenet121": DenseNetVariant(layers=(6, 12, 24, 16), growth=32, stem=64),
    "densenet161": DenseNetVariant(layers=(6, 12, 36, 24), growth=48, stem=96),
    "densenet169": DenseNetVariant(layers=(6, 12, 32, 32), growth=32, stem=64),
    "densenet201": DenseNetVariant(layers=(6, 12, 48, 32), growth=32, stem=64),
}
PAPER_VARIANTS = {
    "densenet264": DenseNetVariant(layers=(6, 12, 64, 48), growth=32, stem=64),
}
_PLAIN = {"stem": 16, "bottleneck": False, "compression": 1.0, "small_input": True}
CIFAR_VARIANTS = {
    "densenet40_12_cifar": DenseNetVariant(layers=(12, 12, 12), growth=12, **_PLAIN),
    "densenet100_12_cifar": DenseNetVariant(layers=(32, 32, 32), growth=12, **_PLAIN),
    "densenet100_24_cifar": DenseNetVariant(layers=(32, 32, 32), growth=24, **_PLAIN),
    "densenet_bc100_12_cifar": DenseNetVariant(layers=(16, 16, 16), growth=12, stem=24, small_input=True),
    "densenet_bc190_40_cifar": DenseNetVariant(layers=(31, 31, 31), growth=40, stem=80, small_input=True),
    "densenet_bc250_24_cifar": DenseNetVariant(layers=(41, 41, 41), growth=24, stem=48, small_input=True),
}
PUBLISHED = {
    "densenet121": Published(74.98, 92.29, "table 3, 1 crop: 25.02 % and 7.71 % errors"),
    "densenet169": Published(76.20, 93.15, "table 3, 1 crop: 23.80 % and 6.85 % errors"),
    "densenet201": Published(77.42, 93.66, "table 3, 1 crop: 22.58 % and 6.34 % errors"),
}
PAPER_PUBLISHED = {
    "densenet264": Published(77.85, 93.88, "table 3, 1 crop: 22.15 % and 6.12 % errors"),
}
CIFAR_PUBLISHED = {
    f"densenet{name}_cifar": Published(round(100 - error, 2), None, f"table 2, C10+: {error} % error", "CIFAR-10")
    for name, error in {
        "40_12": 5.24, "100_12": 4.10, "100_24": 3.74, "_bc100_12": 4.51, "_bc250_24": 3.62, "_bc190_40": 3.46,
    }.items()
}  # fmt: skip
PAPER = Paper(2016, "Huang et al., Densely Connected Convolutional Networks", "https://arxiv.org/abs/1608.06993")


class DenseLayer(nn.Module):
    """H without bottleneck: batch norm, ReLU, 3x3. Shape: (N, C, H, W) -> (N, k, H, W)."""

    def __init__(self, in_channels: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, growth, kernel_size=3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.conv(F.relu(self.bn(x))))


class BottleneckLayer(nn.Module):
    """H with bottleneck: batch norm, ReLU, 1x1, batch norm, ReLU, 3x3. Shape: (N, C, H, W) -> (N, k, H, W)."""

    def __init__(self, in_channels: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(self.conv1(F.relu(self.bn1(x))))  # (N, 4 k, H, W)
        return self.dropout(self.conv2(F.relu(self.bn2(y))))  # (N, k, H, W)


class DenseBlock(nn.Sequential):
    """Layers of which each adds k channels to its input. Shape: (N, C, H, W) -> (N, C + layers * k, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Transition(nn.Module):
    """Fewer channels, a quarter of the pixels. Shape: (N, C, H, W) -> (N, K, H // 2, W // 2)."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.dropout(self.conv(F.relu(self.bn(x)))))


@register_variants(
    CIFAR_VARIANTS,
    family="DenseNet (CIFAR)",
    paper=PAPER,
    input_size=(3, 32, 32),
    num_classes=10,
    head="fc",
    smallest=4,
    published=CIFAR_PUBLISHED,
)
@register_variants(
    PAPER_VARIANTS,
    family="DenseNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=29,
    published=PAPER_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="DenseNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=29,
    library="torchvision",
    published=PUBLISHED,
)
class DenseNet(Network):
    """A stem, dense blocks with transitions between them, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: DenseNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        channels = variant.stem
        if variant.small_input:
            self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, bias=False)
            self.bn1 = self.pool = None
        else:
            self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)

        layer = BottleneckLayer if variant.bottleneck else DenseLayer
        k = variant.growth
        self.stages = nn.Sequential()
        for i, count in enumerate(variant.layers, start=1):
            layers = [layer(channels + j * k, k, variant.dropout) for j in range(count)]
            self.stages.add_module(f"block{i}", DenseBlock(*layers))
            channels += count * k
            if i < len(variant.layers):
                fewer = int(variant.compression * channels)
                self.stages.add_module(f"transition{i}", Transition(channels, fewer, variant.dropout))
                channels = fewer
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self, mode="fan_in")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 64, 112, 112), sizes of DenseNet-121 for 224 px
        if self.bn1 is not None:
            x = self.pool(F.relu(self.bn1(x)))  # (N, 64, 56, 56)
        x = self.stages(x)  # (N, 1024, 7, 7)
        x = F.relu(self.bn(x))
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        return self.fc(x)  # (N, num_classes)
