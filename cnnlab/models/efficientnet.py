"""EfficientNet: one network found by search, and seven made larger in depth, width and resolution together.

M. Tan, Q. V. Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019,
tables 1 and 2 (the accuracies are those of the revised version of 2020). https://arxiv.org/abs/1905.11946

    stage   operator                input        channels   layers        EfficientNet-B0
    1       conv 3x3, stride 2      224 x 224    32         1
    2       MBConv1, 3x3            112 x 112    16         1
    3       MBConv6, 3x3, stride 2  112 x 112    24         2
    4       MBConv6, 5x5, stride 2  56 x 56      40         2
    5       MBConv6, 3x3, stride 2  28 x 28      80         3
    6       MBConv6, 5x5            14 x 14      112        3
    7       MBConv6, 5x5, stride 2  14 x 14      192        4
    8       MBConv6, 3x3            7 x 7        320        1
    9       conv 1x1, pool, dense   7 x 7        1280       1

                     B0      B1      B2      B3      B4      B5      B6      B7
    width            1.0     1.0     1.1     1.2     1.4     1.6     1.8     2.0
    depth            1.0     1.1     1.2     1.4     1.8     2.2     2.6     3.1
    image            224     240     260     300     380     456     528     600
    parameters       5.3M    7.8M    9.2M    12M     19M     30M     43M     66M
    "FLOPs" (MACs)   0.39e9  0.70e9  1.0e9   1.8e9   4.2e9   9.9e9   19e9    37e9

An MBConv block is MobileNetV2's inverted residual with squeeze-and-excitation: a 1x1 convolution widens (MBConv6: six
times), a depthwise one filters, channels are weighted, a 1x1 convolution narrows without activation. The input is added
where its size is the output's. The activation is swish, x sigmoid(x), which torch calls SiLU.

Compound scaling multiplies depth by 1.2^phi, width by 1.1^phi and the image's side by 1.15^phi, hence MACs by 1.92^phi.
The multipliers above stand in the authors' program and follow the rule roughly: B2 is phi = 1, and B7 would be phi 7.3
by its width, 6.2 by its depth, 7.0 by its image. Its MACs are 95 times B0's in the table above, not 2^7 = 128 times.

``small_input=True`` is for pictures of 32 pixels: stages 1 and 3 keep stride 1, so that stage 8 works on 4 x 4.

Differs from the paper in:
  - B2 has 288 x 288 as its published size here, because torchvision's weights were tested so (1.09e9 MACs).
  - Convolutions pad alike on all sides, as torchvision does; TensorFlow pads less at the top left where an even image
    is halved. timm's ``tf_efficientnet_*`` are the networks with that padding; these weights would not fit those.
  - Convolutions start from He's normal distribution over the fan-out, their biases at 0; the dense layer uniform in
    +-1/sqrt(classes) as in torchvision, with bias 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, DropPath, SqueezeExcite, he_normal_, make_divisible
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "ALPHA",
    "BETA",
    "GAMMA",
    "Scaling",
    "compound_scaling",
    "Stage",
    "STAGES",
    "EfficientNetVariant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "MBConv",
    "EfficientNet",
    "initialize",
]

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width, resolution; found by a grid search with phi = 1


class Scaling(NamedTuple):
    depth: float
    width: float
    resolution: float  # all three as multiples of B0's

    @property
    def macs(self) -> float:
        """How many times B0's MACs: each layer costs width^2 resolution^2."""
        return self.depth * self.width**2 * self.resolution**2


def compound_scaling(phi: float) -> Scaling:
    """Equation 3 of the paper.

    >>> round(compound_scaling(1).macs, 2)
    1.92
    """
    return Scaling(ALPHA**phi, BETA**phi, GAMMA**phi)


@dataclass(frozen=True)
class Stage:
    """One row of the paper's table 1: ``layers`` MBConv blocks, of which the first has the stride."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


STAGES = (  # 2 to 8
    Stage(expansion=1, kernel=3, stride=1, channels=16, layers=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, layers=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, layers=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, layers=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, layers=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, layers=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, layers=1),
)


@dataclass(frozen=True)
class EfficientNetVariant:
    width: float  # channels, times B0's
    depth: float  # layers of a stage, times B0's
    resolution: int  # height and width of the images
    dropout: float
    eps: float = 1e-5  # of batch norm, as the official weights were trained: they are useless with another one
    momentum: float = 0.1
    small_input: bool = False

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (3, self.resolution, self.resolution)

    def channels(self, of_b0: int) -> int:
        """Multiples of 8, and never more than 10 % below the wanted number."""
        return make_divisible(of_b0 * self.width)

    def layers(self, of_b0: int) -> int:
        return math.ceil(of_b0 * self.depth)


VARIANTS = {
    "efficientnet_b0": EfficientNetVariant(width=1.0, depth=1.0, resolution=224, dropout=0.2),
    "efficientnet_b1": EfficientNetVariant(width=1.0, depth=1.1, resolution=240, dropout=0.2),
    "efficientnet_b2": EfficientNetVariant(width=1.1, depth=1.2, resolution=288, dropout=0.3),
    "efficientnet_b3": EfficientNetVariant(width=1.2, depth=1.4, resolution=300, dropout=0.3),
    "efficientnet_b4": EfficientNetVariant(width=1.4, depth=1.8, resolution=380, dropout=0.4),
    "efficientnet_b5": EfficientNetVariant(1.6, 2.2, resolution=456, dropout=0.4, eps=1e-3, momentum=0.01),
    "efficientnet_b6": EfficientNetVariant(1.8, 2.6, resolution=528, dropout=0.5, eps=1e-3, momentum=0.01),
    "efficientnet_b7": EfficientNetVariant(2.0, 3.1, resolution=600, dropout=0.5, eps=1e-3, momentum=0.01),
}
PUBLISHED = {
    f"efficientnet_b{i}": Published(top1, top5, "table 2 as revised in 2020, single network, single crop")
    for i, (top1, top5) in enumerate(
        [(77.1, 93.3), (79.1, 94.4), (80.1, 94.9), (81.6, 95.7), (82.9, 96.4), (83.6, 96.7), (84.0, 96.8), (84.3, 97.0)]
    )
}
PAPER = Paper(
    2019,
    "Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
    "https://arxiv.org/abs/1905.11946",
)


class MBConv(nn.Module):
    """Widen, filter each channel, weight the channels, narrow; then add the input where the sizes agree.

    Shape: (N, C, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels, out_channels: before widening and after narrowing.
        expansion: how many times wider in between; 1 leaves the first convolution out.
        kernel, stride: of the depthwise convolution.
        drop: probability that a picture's branch is left out in training (only where the input is added).
        eps, momentum: of batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        expansion: int,
        kernel: int,
        stride: int = 1,
        drop: float = 0.0,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, eps=eps, momentum=momentum, activation=nn.SiLU)
        wide = in_channels * expansion
        self.widen = unit(in_channels, wide, kernel=1) if expansion > 1 else nn.Identity()
        self.depthwise = unit(wide, wide, kernel=kernel, stride=stride, groups=wide)
        # A quarter of the block's input, not of the widened channels.
        self.excite = SqueezeExcite(wide, max(1, in_channels // 4), activation=nn.SiLU)
        self.narrow = unit(wide, out_channels, kernel=1, activation=None)
        self.residual = stride == 1 and in_channels == out_channels
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(x)  # (N, expansion C, H, W)
        y = self.depthwise(y)  # (N, expansion C, H', W')
        y = self.excite(y)
        y = self.narrow(y)  # (N, out_channels, H', W')
        return x + self.drop(y) if self.residual else y


@register_variants(
    VARIANTS,
    family="EfficientNet",
    paper=PAPER,
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class EfficientNet(Network):
    """A convolution, seven stages of MBConv, a convolution, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: EfficientNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        norm = {"eps": variant.eps, "momentum": variant.momentum}
        channels, last = variant.channels(32), variant.channels(1280)
        stride = 1 if variant.small_input else 2
        self.stem = ConvNormAct(in_channels, channels, stride=stride, activation=nn.SiLU, **norm)
        blocks_in_all = sum(variant.layers(stage.layers) for stage in STAGES)
        self.stages = nn.Sequential()
        index = 0
        for number, stage in enumerate(STAGES, start=2):
            blocks = nn.Sequential()
            for i in range(variant.layers(stage.layers)):
                stride = stage.stride if i == 0 and not (variant.small_input and number == 3) else 1
                out_channels = variant.channels(stage.channels)
                drop = 0.2 * index / blocks_in_all  # stochastic depth: rises from block to block
                like = {"expansion": stage.expansion, "kernel": stage.kernel}
                blocks.append(MBConv(channels, out_channels, **like, stride=stride, drop=drop, **norm))
                channels, index = out_channels, index + 1
            self.stages.add_module(f"stage{number}", blocks)
        self.last = ConvNormAct(channels, last, kernel=1, activation=nn.SiLU, **norm)
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(last, num_classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 32, 112, 112), sizes for B0 and 224 px
        x = self.stages(x)  # (N, 320, 7, 7)
        x = self.last(x)  # (N, 1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1280): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)


def initialize(network: nn.Module) -> None:
    """torchvision's distribution for both versions; batch norm starts at 1 and 0 by torch's default."""
    he_normal_(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = module.out_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)
