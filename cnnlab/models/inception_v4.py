"""Inception v4.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, AAAI 2017 (arXiv 2016), figures 3 to 9 of the arXiv version. https://arxiv.org/abs/1602.07261

    layer             output        what (V: without padding)
    stem, figure 3    149x149x32    3x3/2 V
                      147x147x32    3x3 V
                      147x147x64    3x3
                      73x73x160     max pool 3x3/2 V beside 96 3x3/2 V
                      71x71x192     64 1x1, 96 3x3 V beside 64 1x1, 64 1x7, 64 7x1, 96 3x3 V
                      35x35x384     192 3x3/2 V beside max pool /2 V
    4 x Inception-A   35x35x384     figure 4
    Reduction-A       17x17x1024    figure 7 with k, l, m, n = 192, 224, 256, 384 (table 1)
    7 x Inception-B   17x17x1024    figure 5
    Reduction-B       8x8x1536      figure 8
    3 x Inception-C   8x8x1536      figure 6
    average pool      1536          then 20 % dropout
    linear            1000

There is no new idea in it, and that is the point: the modules of each size are all alike now and wider, and the stem is
built like the rest. Without shortcuts it is as accurate as the residual network of the same paper and cost, which
learns faster (inception_resnet_v2.py).

``small_input=True`` is for pictures of 32 pixels: the stem is padded, and its first convolution and the first pair of
branches have stride 1. The modules then work on 15 x 15, 7 x 7 and 3 x 3.

Differs from the paper in:
  - It is the authors' released code, as timm has it. In the longest branches of B and C the convolutions come in the
    order 7x1, 1x7 (3x1, 1x3), which figures 5 and 6 have the other way round; the second 1x7 in a row of figure 5 is a
    7x1; and the last 3x3 of the stem has the stride of 2 that figure 3 forgets.
  - Average pooling leaves padding out of the count. The released code trains with an auxiliary head that the paper does
    not mention; timm and we have none.
  - Convolutions start from He's normal distribution over the fan-in, the dense layer uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.layers import Branches, he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.inception_v3 import Convolution, ReductionA, pooled, side_by_side

__all__ = [
    "InceptionV4Variant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "stem",
    "InceptionA",
    "InceptionB",
    "ReductionB",
    "InceptionC",
    "InceptionV4",
]


@dataclass(frozen=True)
class InceptionV4Variant:
    modules: tuple[int, int, int] = (4, 7, 3)  # A, B and C
    dropout: float = 0.2
    small_input: bool = False


VARIANTS = {
    "inception_v4": InceptionV4Variant(),
}
# The paper's single-crop numbers leave out about 1,700 of the 50,000 pictures; with all of them it is 0.3 % worse.
PUBLISHED = {
    "inception_v4": Published(
        80.0, 95.0, "table 2, one network, one crop, about 48,300 pictures: 20.0 % and 5.0 % errors"
    ),
}
PAPER = Paper(
    2016,
    "Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    "https://arxiv.org/abs/1602.07261",
)


def stem(in_channels: int, small_input: bool) -> nn.Sequential:
    """Figure 3. Shape: (N, C, H, W) -> (N, 384, about H / 8, about W / 8)."""
    stride, padding = (1, 1) if small_input else (2, 0)
    return nn.Sequential(
        Convolution(in_channels, 32, 3, stride=stride, padding=padding),  # (N, 32, 149, 149), sizes for 299 px
        Convolution(32, 32, 3, padding=padding),  # (N, 32, 147, 147)
        Convolution(32, 64, 3),  # (N, 64, 147, 147)
        Branches(
            pool=nn.MaxPool2d(3, stride=stride, padding=padding),
            conv3x3=Convolution(64, 96, 3, stride=stride, padding=padding),
        ),  # (N, 160, 73, 73)
        Branches(
            conv3x3=nn.Sequential(Convolution(160, 64, 1), Convolution(64, 96, 3, padding=padding)),
            conv7x7=nn.Sequential(
                Convolution(160, 64, 1),
                Convolution(64, 64, (1, 7)),
                Convolution(64, 64, (7, 1)),
                Convolution(64, 96, 3, padding=padding),
            ),
        ),  # (N, 192, 71, 71)
        Branches(conv3x3=Convolution(192, 192, 3, stride=2, padding=0), pool=nn.MaxPool2d(3, stride=2)),
    )  # (N, 384, 35, 35)


class InceptionA(Branches):
    """Figure 4. Shape: (N, 384, H, W) -> (N, 384, H, W)."""

    def __init__(self) -> None:
        super().__init__(
            conv1x1=Convolution(384, 96, 1),
            conv3x3=nn.Sequential(Convolution(384, 64, 1), Convolution(64, 96, 3)),
            double3x3=nn.Sequential(Convolution(384, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3)),
            pool=pooled(384, 96, count_padding=False),
        )


class InceptionB(Branches):
    """Figure 5. Shape: (N, 1024, H, W) -> (N, 1024, H, W)."""

    def __init__(self) -> None:
        super().__init__(
            conv1x1=Convolution(1024, 384, 1),
            conv7x7=nn.Sequential(
                Convolution(1024, 192, 1), Convolution(192, 224, (1, 7)), Convolution(224, 256, (7, 1))
            ),
            double7x7=nn.Sequential(
                Convolution(1024, 192, 1),
                Convolution(192, 192, (7, 1)),
                Convolution(192, 224, (1, 7)),
                Convolution(224, 224, (7, 1)),
                Convolution(224, 256, (1, 7)),
            ),
            pool=pooled(1024, 128, count_padding=False),
        )


class ReductionB(Branches):
    """Figure 8. Shape: (N, 1024, H, W) -> (N, 1536, (H - 1) // 2, (W - 1) // 2)."""

    def __init__(self) -> None:
        super().__init__(
            conv3x3=nn.Sequential(Convolution(1024, 192, 1), Convolution(192, 192, 3, stride=2, padding=0)),
            conv7x7=nn.Sequential(
                Convolution(1024, 256, 1),
                Convolution(256, 256, (1, 7)),
                Convolution(256, 320, (7, 1)),
                Convolution(320, 320, 3, stride=2, padding=0),
            ),
            pool=nn.MaxPool2d(3, stride=2),
        )


class InceptionC(Branches):
    """Figure 6. Shape: (N, 1536, H, W) -> (N, 1536, H, W)."""

    def __init__(self) -> None:
        super().__init__(
            conv1x1=Convolution(1536, 256, 1),
            conv3x3=nn.Sequential(Convolution(1536, 384, 1), side_by_side(384, 256)),
            double3x3=nn.Sequential(
                Convolution(1536, 384, 1),
                Convolution(384, 448, (3, 1)),
                Convolution(448, 512, (1, 3)),
                side_by_side(512, 256),
            ),
            pool=pooled(1536, 256, count_padding=False),
        )


@register_variants(
    VARIANTS,
    family="Inception",
    paper=PAPER,
    input_size=(3, 299, 299),
    num_classes=1000,
    head="fc",
    smallest=75,
    library="timm",
    published=PUBLISHED,
)
class InceptionV4(Network):
    """A stem, 14 Inception modules and two reductions, an average and a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: InceptionV4Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        a, b, c = variant.modules
        self.stem = stem(in_channels, variant.small_input)
        self.grid35 = nn.Sequential(*(InceptionA() for _ in range(a)))
        self.reduction_a = ReductionA(384, 192, 224, 256, 384)
        self.grid17 = nn.Sequential(*(InceptionB() for _ in range(b)))
        self.reduction_b = ReductionB()
        self.grid8 = nn.Sequential(*(InceptionC() for _ in range(c)))
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(1536, num_classes)

        he_normal_(self, mode="fan_in")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 384, 35, 35), sizes for 299 px
        x = self.grid35(x)  # (N, 384, 35, 35)
        x = self.reduction_a(x)  # (N, 1024, 17, 17)
        x = self.grid17(x)  # (N, 1024, 17, 17)
        x = self.reduction_b(x)  # (N, 1536, 8, 8)
        x = self.grid8(x)  # (N, 1536, 8, 8)
        x = x.mean(dim=(2, 3))  # (N, 1536): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
