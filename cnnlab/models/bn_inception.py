"""BN-Inception, also called Inception v2: the network that batch normalization was introduced with.

S. Ioffe, C. Szegedy: Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift, ICML
2015, figure 5. https://arxiv.org/abs/1502.03167

    layer           output       1x1   3x3 reduce   3x3   double 3x3 reduce   double 3x3   pool + projection
    conv 7x7/2      112x112x64   depthwise with multiplier 8, then 1x1
    max pool 3x3/2  56x56x64
    conv 3x3        56x56x192           64          192
    max pool 3x3/2  28x28x192
    inception 3a    28x28x256     64    64           64    64                    96        avg + 32
    inception 3b    28x28x320     64    64           96    64                    96        avg + 64
    inception 3c/2  14x14x576      0   128          160    64                    96        max + pass through
    inception 4a    14x14x576    224    64           96    96                   128        avg + 128
    inception 4b    14x14x576    192    96          128    96                   128        avg + 128
    inception 4c    14x14x576    160   128          160   128                   160        avg + 96 (128 printed)
    inception 4d    14x14x576     96   128          192   160                   192        avg + 96 (128 printed)
    inception 4e/2  7x7x1024       0   128          192   192                   256        max + pass through
    inception 5a    7x7x1024     352   192          320   160                   224        avg + 128
    inception 5b    7x7x1024     352   192          320   192                   224        max + 128
    avg pool 7x7    1x1x1024
    linear          1000

Against GoogLeNet two 3x3 convolutions replace each 5x5 (18 weights per pair of channels, not 25, and one ReLU more),
batch norm follows every convolution, and local response norm, dropout and auxiliary heads are gone. Where the image
is halved, in 3c and 4e, the last convolution of each branch has stride 2 and the pooling no projection: its maps are
passed through. (The paper prints 28x28x576 and 14x14x1024 there, the sizes before that step.)

The figure contradicts itself: with the projections of 128 that it prints for 4c and 4d, their outputs would have 608
channels and that of 4e 1056, not 576 and 1024 as printed. The authors' own code has 96, and so have we; Caffe copies
have 128 (``projection_4cd``). The text speaks of 13.6 million parameters; these layers have 11.2 or 11.3 million.

``small_input=True`` is for pictures of 32 pixels: conv1 has 3x3 kernels with stride 1 and there is no pooling after it,
so that 3a works on 16 x 16 and 5b on 4 x 4.

Differs from the paper in:
  - What the paper leaves open: strided layers pad by 1 (the first by 3) on all sides; average pooling leaves padding
    out of the count and batch norm adds an eps of 1e-3 to the variance, both as in the authors' code.
  - Convolutions start from He's normal distribution over the fan-in, of the same month; the dense layer uniform in
    +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from cnnlab.layers import Branches, ConvNormAct, he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "BNInceptionVariant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "Convolution",
    "Inception",
    "Reduction",
    "BNInception",
]


@dataclass(frozen=True)
class BNInceptionVariant:
    separable_stem: bool = True  # False: a plain 7x7 convolution, as in Caffe copies
    projection_4cd: int = 96  # 128 in Caffe copies
    small_input: bool = False


VARIANTS = {
    "bn_inception": BNInceptionVariant(),
}
PUBLISHED = {
    "bn_inception": Published(74.8, 92.18, "figure 4, single network, single crop: 25.2 % and 7.82 % errors"),
}
PAPER = Paper(
    2015,
    "Ioffe and Szegedy, Batch Normalization: Accelerating Deep Network Training",
    "https://arxiv.org/abs/1502.03167",
)

Convolution = partial(ConvNormAct, eps=1e-3)


class Inception(Branches):
    """Four branches; the widths are a row of figure 5.

    Shape: (N, C, H, W) -> (N, c1x1 + c3x3 + double + projection, H, W).
    """

    def __init__(
        self,
        in_channels: int,
        c1x1: int,
        reduce3x3: int,
        c3x3: int,
        reduce_double: int,
        double: int,
        pool: type[nn.MaxPool2d | nn.AvgPool2d],
        projection: int,
    ) -> None:
        average = {"count_include_pad": False} if pool is nn.AvgPool2d else {}
        super().__init__(
            conv1x1=Convolution(in_channels, c1x1, 1),
            conv3x3=nn.Sequential(Convolution(in_channels, reduce3x3, 1), Convolution(reduce3x3, c3x3, 3)),
            double3x3=nn.Sequential(
                Convolution(in_channels, reduce_double, 1),
                Convolution(reduce_double, double, 3),
                Convolution(double, double, 3),
            ),
            pool=nn.Sequential(
                pool(kernel_size=3, stride=1, padding=1, **average), Convolution(in_channels, projection, 1)
            ),
        )


class Reduction(Branches):
    """A module that halves the image, 3c and 4e.

    Shape: (N, C, H, W) -> (N, c3x3 + double + C, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, in_channels: int, reduce3x3: int, c3x3: int, reduce_double: int, double: int) -> None:
        super().__init__(
            conv3x3=nn.Sequential(Convolution(in_channels, reduce3x3, 1), Convolution(reduce3x3, c3x3, 3, stride=2)),
            double3x3=nn.Sequential(
                Convolution(in_channels, reduce_double, 1),
                Convolution(reduce_double, double, 3),
                Convolution(double, double, 3, stride=2),
            ),
            pool=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )


@register_variants(
    VARIANTS,
    family="Inception",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    published=PUBLISHED,
)
class BNInception(Network):
    """A stem, ten Inception modules, an average and a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: BNInceptionVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        kernel, stride = (3, 1) if variant.small_input else (7, 2)
        if variant.separable_stem:
            depth = 8 * in_channels
            depthwise = nn.Conv2d(
                in_channels, depth, kernel, stride, padding=kernel // 2, groups=in_channels, bias=False
            )
            self.conv1 = nn.Sequential(depthwise, Convolution(depth, 64, 1))
        else:
            self.conv1 = Convolution(in_channels, 64, kernel, stride)
        self.pool1 = nn.Identity() if variant.small_input else nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2_reduce = Convolution(64, 64, 1)
        self.conv2 = Convolution(64, 192, 3)
        self.pool2 = nn.MaxPool2d(3, stride=2, padding=1)
        average, largest = nn.AvgPool2d, nn.MaxPool2d
        self.inception3a = Inception(192, 64, 64, 64, 64, 96, average, 32)
        self.inception3b = Inception(256, 64, 64, 96, 64, 96, average, 64)
        self.inception3c = Reduction(320, 128, 160, 64, 96)
        self.inception4a = Inception(576, 224, 64, 96, 96, 128, average, 128)
        self.inception4b = Inception(576, 192, 96, 128, 96, 128, average, 128)
        projection = variant.projection_4cd
        self.inception4c = Inception(576, 160, 128, 160, 128, 160, average, projection)
        self.inception4d = Inception(480 + projection, 96, 128, 192, 160, 192, average, projection)
        self.inception4e = Reduction(480 + projection, 128, 192, 192, 256)
        self.inception5a = Inception(928 + projection, 352, 192, 320, 160, 224, average, 128)
        self.inception5b = Inception(1024, 352, 192, 320, 192, 224, largest, 128)
        self.fc = nn.Linear(1024, num_classes)

        he_normal_(self, mode="fan_in")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)  # (N, 64, 112, 112), sizes for 224 px
        x = self.pool1(x)  # (N, 64, 56, 56)
        x = self.conv2(self.conv2_reduce(x))  # (N, 192, 56, 56)
        x = self.pool2(x)  # (N, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (N, 320, 28, 28)
        x = self.inception3c(x)  # (N, 576, 14, 14)
        x = self.inception4b(self.inception4a(x))  # (N, 576, 14, 14)
        x = self.inception4d(self.inception4c(x))  # (N, 576, 14, 14)
        x = self.inception4e(x)  # (N, 1024, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (N, 1024, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        return self.fc(x)  # (N, num_classes)
