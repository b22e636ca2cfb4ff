"""ShuffleNet V2: designed for measured speed, not for counted operations.

N. Ma, X. Zhang, H.-T. Zheng, J. Sun: ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design,
ECCV 2018, table 5. https://arxiv.org/abs/1807.11164

    layer         output (224 px)    units    0.5x    1x      1.5x    2x       channels
    conv1         112 x 112                   24      24      24      24       3x3, stride 2
    max pool      56 x 56                                                      3x3, stride 2
    stage2        28 x 28            1 + 3    48      116     176     244      the first unit has stride 2
    stage3        14 x 14            1 + 7    96      232     352     488
    stage4        7 x 7              1 + 3    192     464     704     976
    conv5         7 x 7                       1024    1024    1024    2048     1x1
    average pool, dense 1000
    "FLOPs" (MACs), millions                  41      146     299     591
    parameters, millions                      1.4     2.3     3.5     7.4

A unit splits the channels into halves: one passes as it is, the other goes through a 1x1, a depthwise 3x3 and a 1x1
convolution of equal widths. They are put side by side again, not added, and the channels are shuffled, so that the
halves of the next unit are others. Four guidelines led there: equal widths make memory traffic least (G1), grouped
convolutions cost traffic (G2), fragmented branches cost parallelism (G3), element-wise operations are not free (G4).

``small_input=True`` is for pictures of 32 pixels: conv1 has stride 1 and there is no pooling after it, so that stage4
ends at 4 x 4.

Differs from the paper in:
  - Nothing in the layers. Counted operator by operator they have 40, 145, 296 and 583 million MACs.
  - Convolutions and the dense layer start uniform in +-1/sqrt(fan-in), torch's default, as in torchvision; the paper
    does not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "ShuffleNetV2Variant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "shuffle",
    "BasicUnit",
    "DownsamplingUnit",
    "ShuffleNetV2",
]


@dataclass(frozen=True)
class ShuffleNetV2Variant:
    channels: tuple[int, int, int]  # of stage2, stage3, stage4
    conv5: int = 1024
    small_input: bool = False


VARIANTS = {
    "shufflenet_v2_x0_5": ShuffleNetV2Variant(channels=(48, 96, 192)),
    "shufflenet_v2_x1_0": ShuffleNetV2Variant(channels=(116, 232, 464)),
    "shufflenet_v2_x1_5": ShuffleNetV2Variant(channels=(176, 352, 704)),
    "shufflenet_v2_x2_0": ShuffleNetV2Variant(channels=(244, 488, 976), conv5=2048),
}
PUBLISHED = {
    "shufflenet_v2_x0_5": Published(60.3, None, "table 8: 39.7 % error"),
    "shufflenet_v2_x1_0": Published(69.4, None, "table 8: 30.6 % error"),
    "shufflenet_v2_x1_5": Published(72.6, None, "table 8: 27.4 % error"),
    "shufflenet_v2_x2_0": Published(74.9, None, "table 8: 25.1 % error"),
}
PAPER = Paper(
    2018,
    "Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    "https://arxiv.org/abs/1807.11164",
)


def shuffle(x: Tensor) -> Tensor:
    """Deal the two halves of the channels out like cards: 0 1 2 | 3 4 5 becomes 0 3 1 4 2 5. Shape: (N, C, H, W)."""
    return x.unflatten(1, (2, x.shape[1] // 2)).transpose(1, 2).flatten(1, 2)


class BasicUnit(nn.Module):
    """Figure 3 (c): half of the channels pass, half are convolved. Shape: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            ConvNormAct(half, half, kernel=1),
            ConvNormAct(half, half, kernel=3, groups=half, activation=None),
            ConvNormAct(half, half, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        passing, convolved = x.chunk(2, dim=1)  # (N, C / 2, H, W) both
        return shuffle(torch.cat([passing, self.branch(convolved)], dim=1))


class DownsamplingUnit(nn.Module):
    """Figure 3 (d): all channels go both ways, and both halve the image.

    Shape: (N, C, H, W) -> (N, K, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.short_branch = nn.Sequential(
            ConvNormAct(in_channels, in_channels, kernel=3, stride=2, groups=in_channels, activation=None),
            ConvNormAct(in_channels, half, kernel=1),
        )
        self.branch = nn.Sequential(
            ConvNormAct(in_channels, half, kernel=1),
            ConvNormAct(half, half, kernel=3, stride=2, groups=half, activation=None),
            ConvNormAct(half, half, kernel=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.short_branch(x), self.branch(x)], dim=1)  # (N, K, H', W')
        return shuffle(y)


@register_variants(
    VARIANTS,
    family="ShuffleNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class ShuffleNetV2(Network):
    """A stem, three stages of units, a convolution, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: ShuffleNetV2Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()

        def stage(before: int, after: int, basic: int) -> nn.Sequential:
            return nn.Sequential(DownsamplingUnit(before, after), *[BasicUnit(after) for _ in range(basic)])

        c2, c3, c4 = variant.channels
        self.conv1 = ConvNormAct(in_channels, 24, kernel=3, stride=1 if variant.small_input else 2)
        self.pool = nn.Identity() if variant.small_input else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage2 = stage(24, c2, basic=3)
        self.stage3 = stage(c2, c3, basic=7)
        self.stage4 = stage(c3, c4, basic=3)
        self.conv5 = ConvNormAct(c4, variant.conv5, kernel=1)
        self.fc = nn.Linear(variant.conv5, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 24, 112, 112), sizes for 224 px and 1x
        x = self.pool(x)  # (N, 24, 56, 56)
        x = self.stage2(x)  # (N, 116, 28, 28)
        x = self.stage3(x)  # (N, 232, 14, 14)
        x = self.stage4(x)  # (N, 464, 7, 7)
        x = self.conv5(x)  # (N, 1024, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        return self.fc(x)  # (N, num_classes)
