"""RegNet: networks whose widths grow along a straight line, found by studying whole populations of networks.

I. Radosavovic, R. P. Kosaraju, R. Girshick, K. He, P. Dollar: Designing Network Design Spaces, CVPR 2020,
section 3.3, figures 15 and 16. https://arxiv.org/abs/2003.13678

    stage      output       what
    stem       112 x 112    3x3, 32, stride 2
    stage 1    56 x 56      d_1 blocks of width w_1, the first with stride 2
    stage 2    28 x 28      d_2 blocks of width w_2, the first with stride 2
    stage 3    14 x 14      d_3 blocks of width w_3, the first with stride 2
    stage 4    7 x 7        d_4 blocks of width w_4, the first with stride 2
    head       1 x 1        average pool, dense layer

    RegNetX-   depths        widths                    g   params   "FLOPs" (MACs)
    400MF      1  2  7 12     32   64  160  384       16     5.2M   0.4e9
    800MF      1  3  7  5     64  128  288  672       16     7.3M   0.8e9
    1.6GF      2  4 10  2     72  168  408  912       24     9.2M   1.6e9
    3.2GF      2  6 15  2     96  192  432 1008       48    15.3M   3.2e9
    8.0GF      2  5 15  1     80  240  720 1920      120    39.6M   8.0e9
    16GF       2  6 13  1    256  512  896 2048      128    54.3M   15.9e9
    32GF       2  7 13  1    336  672 1344 2520      168   107.8M   31.7e9

    RegNetY-   depths        widths                    g   params   "FLOPs" (MACs)
    400MF      1  3  6  6     48  104  208  440        8     4.3M   0.4e9
    800MF      1  3  8  2     64  128  320  768       16     6.3M   0.8e9
    1.6GF      2  6 17  2     48  120  336  888       24    11.2M   1.6e9
    3.2GF      2  5 13  1     72  216  576 1512       24    19.4M   3.2e9
    8.0GF      2  4 10  1    168  448  896 2016       56    39.2M   8.0e9
    16GF       2  4 11  1    224  448 1232 3024      112    83.6M   15.9e9
    32GF       2  5 12  1    232  696 1392 3712      232   145.0M   32.3e9

The X block is ResNeXt's bottleneck with nothing narrowed: 1x1, 3x3 in groups of ``g`` channels, 1x1, all of one width,
and a shortcut. The Y block weights the channels after the 3x3 (squeeze-and-excitation). Five numbers make a network:
its depth, where the line of widths starts and how it rises, the ratio between stages, and g. The function ``stages``
computes the table's rows from them.

``small_input=True`` is for pictures of 32 pixels: stem and stage 1 keep stride 1, so that stage 4 ends at 4 x 4.

Differs from the paper in:
  - torchvision rounds widths to whole groups in its own way: a half goes up, and no more than 10 % may be lost. Three
    networks become wider than the paper's: X-400MF (400 for 384), Y-800MF (144 for 128, 784 for 768), Y-8.0GF (224 for
    168). ``RegNetVariant(..., paper_rounding=True)`` is the paper's; the official weights belong to torchvision's.
  - regnet_y_128gf is from a later paper, which trained it without labels (Goyal et al., arXiv 2103.01988).
  - Convolutions start from He's normal distribution over the fan-out, as the authors' program has it, also those of the
    excitation; the dense layer from a normal distribution of 0.01, its bias at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, SqueezeExcite, he_normal_, make_divisible
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = ["RegNetVariant", "VARIANTS", "PUBLISHED", "PAPER", "quantized_widths", "stages", "Block", "RegNet"]


@dataclass(frozen=True)
class RegNetVariant:
    depth: int  # blocks in all
    w_0: int  # width of the first block
    w_a: float  # by which the width grows from block to block, before quantization
    w_m: float  # ratio of the widths of successive stages
    group_width: int
    excite: bool = False  # True: Y
    paper_rounding: bool = False
    small_input: bool = False


VARIANTS = {
    "regnet_x_400mf": RegNetVariant(depth=22, w_0=24, w_a=24.48, w_m=2.54, group_width=16),
    "regnet_x_800mf": RegNetVariant(depth=16, w_0=56, w_a=35.73, w_m=2.28, group_width=16),
    "regnet_x_1_6gf": RegNetVariant(depth=18, w_0=80, w_a=34.01, w_m=2.25, group_width=24),
    "regnet_x_3_2gf": RegNetVariant(depth=25, w_0=88, w_a=26.31, w_m=2.25, group_width=48),
    "regnet_x_8gf": RegNetVariant(depth=23, w_0=80, w_a=49.56, w_m=2.88, group_width=120),
    "regnet_x_16gf": RegNetVariant(depth=22, w_0=216, w_a=55.59, w_m=2.1, group_width=128),
    "regnet_x_32gf": RegNetVariant(depth=23, w_0=320, w_a=69.86, w_m=2.0, group_width=168),
    "regnet_y_400mf": RegNetVariant(depth=16, w_0=48, w_a=27.89, w_m=2.09, group_width=8, excite=True),
    "regnet_y_800mf": RegNetVariant(depth=14, w_0=56, w_a=38.84, w_m=2.4, group_width=16, excite=True),
    "regnet_y_1_6gf": RegNetVariant(depth=27, w_0=48, w_a=20.71, w_m=2.65, group_width=24, excite=True),
    "regnet_y_3_2gf": RegNetVariant(depth=21, w_0=80, w_a=42.63, w_m=2.66, group_width=24, excite=True),
    "regnet_y_8gf": RegNetVariant(depth=17, w_0=192, w_a=76.82, w_m=2.19, group_width=56, excite=True),
    "regnet_y_16gf": RegNetVariant(depth=18, w_0=200, w_a=106.23, w_m=2.48, group_width=112, excite=True),
    "regnet_y_32gf": RegNetVariant(depth=20, w_0=232, w_a=115.89, w_m=2.53, group_width=232, excite=True),
    "regnet_y_128gf": RegNetVariant(depth=27, w_0=456, w_a=160.83, w_m=2.52, group_width=264, excite=True),
}
_ERRORS = {
    "x": {"400mf": 27.3, "800mf": 24.8, "1_6gf": 23.0, "3_2gf": 21.7, "8gf": 20.7, "16gf": 20.0, "32gf": 19.5},
    "y": {"400mf": 25.9, "800mf": 23.7, "1_6gf": 22.0, "3_2gf": 21.0, "8gf": 20.1, "16gf": 19.6, "32gf": 19.0},
}
_RESHAPED = {"regnet_x_400mf", "regnet_y_800mf", "regnet_y_8gf"}  # torchvision's are not the networks that were tested
PUBLISHED = {
    f"regnet_{kind}_{size}": Published(round(100 - error, 1), None, f"figures 15 and 16: {error} % error, one crop")
    for kind, errors in _ERRORS.items()
    for size, error in errors.items()
    if f"regnet_{kind}_{size}" not in _RESHAPED
}
PAPER = Paper(2020, "Radosavovic et al., Designing Network Design Spaces", "https://arxiv.org/abs/2003.13678")


def quantized_widths(variant: RegNetVariant) -> list[int]:
    """The width of every block: equations 2 to 4 of the paper, before groups are thought of.

    >>> quantized_widths(VARIANTS["regnet_y_800mf"])
    [56, 136, 136, 136, 320, 320, 320, 320, 320, 320, 320, 320, 776, 776]
    """
    widths = []
    for j in range(variant.depth):
        u = variant.w_0 + variant.w_a * j  # equation 2: a straight line
        s = round(math.log(u / variant.w_0, variant.w_m))  # equation 3: the nearest power of w_m ...
        widths.append(8 * round(variant.w_0 * variant.w_m**s / 8))  # equation 4: ... as a multiple of 8
    return widths


def stages(variant: RegNetVariant) -> list[tuple[int, int]]:
    """(blocks, width) of each stage: equal widths are a stage, and a width is made of whole groups.

    >>> stages(VARIANTS["regnet_x_800mf"])
    [(1, 64), (3, 128), (7, 288), (5, 672)]
    """
    result = []
    for width, blocks in groupby(quantized_widths(variant)):
        group = min(variant.group_width, width)
        if variant.paper_rounding:
            width = group * round(width / group)  # Python rounds a half to the even side, as NumPy does
        else:
            width = make_divisible(width, group)
        result.append((len(list(blocks)), width))
    return result


class Block(nn.Module):
    """The X block, and with ``excite`` the Y block: 1x1, grouped 3x3, 1x1 and a shortcut.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, channels: int, stride: int, group_width: int, excite: bool) -> None:
        super().__init__()
        # torchvision defines the shortcut before the other branch, and parameters are matched in this order.
        changes = stride != 1 or in_channels != channels
        shortcut = ConvNormAct(in_channels, channels, kernel=1, stride=stride, activation=None) if changes else None
        self.shortcut = shortcut or nn.Identity()
        groups = channels // min(group_width, channels)
        self.conv1 = ConvNormAct(in_channels, channels, kernel=1)
        self.conv2 = ConvNormAct(channels, channels, kernel=3, stride=stride, groups=groups)
        # A quarter of the block's input, which is narrower in the first block of a stage.
        self.excite = SqueezeExcite(channels, round(in_channels / 4)) if excite else nn.Identity()
        self.conv3 = ConvNormAct(channels, channels, kernel=1, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)  # (N, K, H, W)
        y = self.conv2(y)  # (N, K, H', W')
        y = self.excite(y)
        y = self.conv3(y)
        return F.relu(y + self.shortcut(x))


@register_variants(
    VARIANTS,
    family="RegNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class RegNet(Network):
    """A stem, stages of blocks, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: RegNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = ConvNormAct(in_channels, 32, stride=1 if variant.small_input else 2)
        self.stages = nn.Sequential()
        channels = 32
        for number, (blocks, width) in enumerate(stages(variant), start=1):
            stage = nn.Sequential()
            for i in range(blocks):
                stride = 2 if i == 0 and not (variant.small_input and number == 1) else 1
                stage.append(Block(channels, width, stride, variant.group_width, variant.excite))
                channels = width
            self.stages.add_module(f"stage{number}", stage)
        self.fc = nn.Linear(channels, num_classes)

        he_normal_(self)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 32, 112, 112), sizes for 224 px
        x = self.stages(x)  # (N, w_4, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, w_4): global average pooling
        return self.fc(x)  # (N, num_classes)
