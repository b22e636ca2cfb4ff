"""EfficientNetV2: dense convolutions in the early stages, because depthwise ones leave the hardware idle there.

M. Tan, Q. V. Le: EfficientNetV2: Smaller Models and Faster Training, ICML 2021,
tables 4 and 7. https://arxiv.org/abs/2104.00298

    stage   operator                       channels   layers      EfficientNetV2-S, input 384 x 384
    0       conv 3x3, stride 2             24         1
    1       Fused-MBConv1, 3x3             24         2
    2       Fused-MBConv4, 3x3, stride 2   48         4
    3       Fused-MBConv4, 3x3, stride 2   64         4
    4       MBConv4, 3x3, stride 2         128        6
    5       MBConv6, 3x3                   160        9
    6       MBConv6, 3x3, stride 2         256        15
    7       conv 1x1, pool, dense          1280       1

                     S       M       L
    test images      384     480     480
    parameters       22M     54M     120M
    "FLOPs" (MACs)   8.8e9   24e9    53e9

MBConv is EfficientNet's own, with squeeze-and-excitation of a quarter of the block's input. Fused-MBConv replaces its
first 1x1 and its depthwise 3x3 by one dense 3x3: more MACs, less time, since memory traffic and not arithmetic bounds a
depthwise convolution of many pixels. M and L have one more stage before the end; their rows stand in the authors'
program, not in the paper.

``small_input=True`` is for pictures of 32 pixels: stages 0 and 2 keep stride 1, so that the end is at 4 x 4.

Differs from the paper in:
  - Of the training recipe (image size, dropout and augmentation that grow together) nothing is part of the network; it
    has the dropout of the last epochs, and stochastic depth of up to 0.2.
  - Counted MACs are 5 % below table 7 for S (8.37e9) and 6 % above it for L (56.1e9). The paper's first version had 272
    channels in stage 6 of S, 1792 in stage 7 and 24M parameters; the released weights are of the network above.
  - Convolutions pad alike on all sides, as torchvision does; TensorFlow pads less at the top left where an even image
    is halved.
  - Parameters start as those of EfficientNet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, DropPath
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.efficientnet import MBConv, initialize

__all__ = ["Stage", "EfficientNetV2Variant", "VARIANTS", "PUBLISHED", "PAPER", "FusedMBConv", "EfficientNetV2"]


@dataclass(frozen=True)
class Stage:
    """One row of table 4: ``layers`` blocks with 3x3 convolutions, of which the first has the stride."""

    expansion: int
    stride: int
    channels: int
    layers: int
    fused: bool = False


@dataclass(frozen=True)
class EfficientNetV2Variant:
    stem: int  # channels of stage 0
    stages: tuple[Stage, ...]  # from stage 1 on
    resolution: int  # height and width of the images that it was tested with
    dropout: float
    small_input: bool = False

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (3, self.resolution, self.resolution)


VARIANTS = {
    "efficientnet_v2_s": EfficientNetV2Variant(
        stem=24,
        stages=(
            Stage(expansion=1, stride=1, channels=24, layers=2, fused=True),
            Stage(expansion=4, stride=2, channels=48, layers=4, fused=True),
            Stage(expansion=4, stride=2, channels=64, layers=4, fused=True),
            Stage(expansion=4, stride=2, channels=128, layers=6),
            Stage(expansion=6, stride=1, channels=160, layers=9),
            Stage(expansion=6, stride=2, channels=256, layers=15),
        ),
        resolution=384,
        dropout=0.2,
    ),
    "efficientnet_v2_m": EfficientNetV2Variant(
        stem=24,
        stages=(
            Stage(expansion=1, stride=1, channels=24, layers=3, fused=True),
            Stage(expansion=4, stride=2, channels=48, layers=5, fused=True),
            Stage(expansion=4, stride=2, channels=80, layers=5, fused=True),
            Stage(expansion=4, stride=2, channels=160, layers=7),
            Stage(expansion=6, stride=1, channels=176, layers=14),
            Stage(expansion=6, stride=2, channels=304, layers=18),
            Stage(expansion=6, stride=1, channels=512, layers=5),
        ),
        resolution=480,
        dropout=0.3,
    ),
    "efficientnet_v2_l": EfficientNetV2Variant(
        stem=32,
        stages=(
            Stage(expansion=1, stride=1, channels=32, layers=4, fused=True),
            Stage(expansion=4, stride=2, channels=64, layers=7, fused=True),
            Stage(expansion=4, stride=2, channels=96, layers=7, fused=True),
            Stage(expansion=4, stride=2, channels=192, layers=10),
            Stage(expansion=6, stride=1, channels=224, layers=19),
            Stage(expansion=6, stride=2, channels=384, layers=25),
            Stage(expansion=6, stride=1, channels=640, layers=7),
        ),
        resolution=480,
        dropout=0.4,
    ),
}
PUBLISHED = {
    "efficientnet_v2_s": Published(83.9, None, "table 7, single network, 384 px, ImageNet-1k alone"),
    "efficientnet_v2_m": Published(85.1, None, "table 7, single network, 480 px, ImageNet-1k alone"),
    "efficientnet_v2_l": Published(85.7, None, "table 7, single network, 480 px, ImageNet-1k alone"),
}
PAPER = Paper(2021, "Tan & Le, EfficientNetV2: Smaller Models and Faster Training", "https://arxiv.org/abs/2104.00298")


class FusedMBConv(nn.Module):
    """A dense 3x3 that widens and a 1x1 that narrows, figure 2; with ``expansion=1`` the 3x3 alone.

    Shape: (N, C, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, expansion: int, stride: int, drop: float, eps: float
    ) -> None:
        super().__init__()
        unit = partial(ConvNormAct, eps=eps, activation=nn.SiLU)
        wide = in_channels * expansion if expansion > 1 else out_channels
        self.widen = unit(in_channels, wide, kernel=3, stride=stride)
        self.narrow = unit(wide, out_channels, kernel=1, activation=None) if expansion > 1 else nn.Identity()
        self.residual = stride == 1 and in_channels == out_channels
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(x)  # (N, expansion C, H', W')
        y = self.narrow(y)  # (N, out_channels, H', W')
        return x + self.drop(y) if self.residual else y


@register_variants(
    VARIANTS,
    family="EfficientNetV2",
    paper=PAPER,
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class EfficientNetV2(Network):
    """A convolution, stages of Fused-MBConv and MBConv, a convolution, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: EfficientNetV2Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        eps = 1e-3
        stride = 1 if variant.small_input else 2
        self.stem = ConvNormAct(in_channels, variant.stem, stride=stride, eps=eps, activation=nn.SiLU)
        blocks_in_all = sum(stage.layers for stage in variant.stages)
        self.stages = nn.Sequential()
        channels, index = variant.stem, 0
        for number, stage in enumerate(variant.stages, start=1):
            blocks = nn.Sequential()
            for i in range(stage.layers):
                stride = stage.stride if i == 0 and not (variant.small_input and number == 2) else 1
                like = {"expansion": stage.expansion, "stride": stride, "eps": eps}
                like["drop"] = 0.2 * index / blocks_in_all  # stochastic depth: rises from block to block
                if stage.fused:
                    blocks.append(FusedMBConv(channels, stage.channels, **like))
                else:
                    blocks.append(MBConv(channels, stage.channels, kernel=3, **like))
                channels, index = stage.channels, index + 1
            self.stages.add_module(f"stage{number}", blocks)
        self.last = ConvNormAct(channels, 1280, kernel=1, eps=eps, activation=nn.SiLU)
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(1280, num_classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 24, 192, 192), sizes for S and 384 px
        x = self.stages(x)  # (N, 256, 12, 12)
        x = self.last(x)  # (N, 1280, 12, 12)
        x = x.mean(dim=(2, 3))  # (N, 1280): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
