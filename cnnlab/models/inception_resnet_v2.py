"""Inception-ResNet v2: Inception modules as the residual branches of a deep network.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi: Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, AAAI 2017 (arXiv 2016), figures 7 and 15 to 20 of the arXiv version. https://arxiv.org/abs/1602.07261

    layer                     output        what                                                      scale
    stem                      35x35x192     that of Inception v3
    Inception module          35x35x320     96 1x1; 48 1x1, 64 5x5; 64 1x1, 96 3x3, 96 3x3; avg, 64
    10 x Inception-ResNet-A   35x35x320     32 1x1; 32 1x1, 32 3x3; 32 1x1, 48 3x3, 64 3x3             0.17
    Reduction-A               17x17x1088    figure 7 with k, l, m, n = 256, 256, 384, 384 (table 1)
    20 x Inception-ResNet-B   17x17x1088    192 1x1; 128 1x1, 160 1x7, 192 7x1                         0.1
    Reduction-B               8x8x2080      figure 18
    10 x Inception-ResNet-C   8x8x2080      192 1x1; 192 1x1, 224 1x3, 256 3x1                         0.2; the last 1
    conv 1x1                  8x8x1536
    average pool              1536          then 20 % dropout
    linear                    1000

A block computes relu(x + scale * expand(branches(x))), where ``expand`` is a 1x1 convolution back to the channels of x,
without batch norm or activation. With more than 1000 channels such networks died early in training: after a few tens of
thousands of steps the last layer gave nothing but zeros, whatever the learning rate. Scaling the residuals by 0.1 to
0.3 helped, and never did harm. (That scale is a constant. Layer scale, of 2021, learns one for each channel.)

``small_input=True`` is for pictures of 32 pixels: the stem is padded, its first convolution has stride 1 and its first
pooling is left out. The blocks then work on 15 x 15, 7 x 7 and 3 x 3.

Differs from the paper in:
  - It is the network that the authors released, as timm has it, deeper than the paper's: figure 15 has 5, 10 and 5
    blocks, the stem of Inception v4 with 384 channels, and no 1x1 convolution at the end. The last block has no relu.
  - Average pooling leaves padding out of the count. The released code trains with an auxiliary head that the paper does
    not mention; timm and we have none.
  - Convolutions start from He's normal distribution over the fan-in, biases of ``expand`` at zero, the dense layer
    uniform in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import Branches, he_normal_
from cnnlab.models import Network, register_variants
from cnnlab.models.inception_v3 import Convolution, ReductionA, Stem, pooled
from cnnlab.models.inception_v4 import PAPER

__all__ = [
    "InceptionResNetV2Variant",
    "VARIANTS",
    "InceptionModule",
    "ScaledResidual",
    "InceptionResNetA",
    "InceptionResNetB",
    "ReductionB",
    "InceptionResNetC",
    "InceptionResNetV2",
]


@dataclass(frozen=True)
class InceptionResNetV2Variant:
    blocks: tuple[int, int, int] = (10, 20, 10)  # A, B and C
    scales: tuple[float, float, float] = (0.17, 0.1, 0.2)  # of their residuals; the last block's is 1
    dropout: float = 0.2
    small_input: bool = False


VARIANTS = {
    "inception_resnet_v2": InceptionResNetV2Variant(),
}


class InceptionModule(Branches):
    """The one module without a shortcut, before the blocks. Shape: (N, 192, H, W) -> (N, 320, H, W)."""

    def __init__(self) -> None:
        super().__init__(
            conv1x1=Convolution(192, 96, 1),
            conv5x5=nn.Sequential(Convolution(192, 48, 1), Convolution(48, 64, 5)),
            double3x3=nn.Sequential(Convolution(192, 64, 1), Convolution(64, 96, 3), Convolution(96, 96, 3)),
            pool=pooled(192, 64, count_padding=False),
        )


class ScaledResidual(nn.Module):
    """Figure 20: relu(x + scale * expand(branches(x))). Shape: (N, C, H, W) -> (N, C, H, W).

    Args:
        branches: what stands for the residual function.
        width: channels that the branches have together.
        channels: C.
        scale: of the residual.
        relu: False to leave the last activation out.
    """

    def __init__(self, branches: Branches, width: int, channels: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        self.branches = branches
        self.expand = nn.Conv2d(width, channels, kernel_size=1)
        self.scale = scale
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.scale * self.expand(self.branches(x))
        return F.relu(y) if self.relu else y

    def extra_repr(self) -> str:
        return f"scale={self.scale}, relu={self.relu}"


class InceptionResNetA(ScaledResidual):
    """Figure 16. Shape: (N, 320, H, W) -> (N, 320, H, W)."""

    def __init__(self, scale: float) -> None:
        branches = Branches(
            conv1x1=Convolution(320, 32, 1),
            conv3x3=nn.Sequential(Convolution(320, 32, 1), Convolution(32, 32, 3)),
            double3x3=nn.Sequential(Convolution(320, 32, 1), Convolution(32, 48, 3), Convolution(48, 64, 3)),
        )
        super().__init__(branches, 128, 320, scale)


class InceptionResNetB(ScaledResidual):
    """Figure 17. Shape: (N, 1088, H, W) -> (N, 1088, H, W)."""

    def __init__(self, scale: float) -> None:
        branches = Branches(
            conv1x1=Convolution(1088, 192, 1),
            conv7x7=nn.Sequential(
                Convolution(1088, 128, 1), Convolution(128, 160, (1, 7)), Convolution(160, 192, (7, 1))
            ),
        )
        super().__init__(branches, 384, 1088, scale)


class ReductionB(Branches):
    """Figure 18. Shape: (N, 1088, H, W) -> (N, 2080, (H - 1) // 2, (W - 1) // 2)."""

    def __init__(self) -> None:
        super().__init__(
            conv3x3=nn.Sequential(Convolution(1088, 256, 1), Convolution(256, 384, 3, stride=2, padding=0)),
            narrow3x3=nn.Sequential(Convolution(1088, 256, 1), Convolution(256, 288, 3, stride=2, padding=0)),
            double3x3=nn.Sequential(
                Convolution(1088, 256, 1), Convolution(256, 288, 3), Convolution(288, 320, 3, stride=2, padding=0)
            ),
            pool=nn.MaxPool2d(3, stride=2),
        )


class InceptionResNetC(ScaledResidual):
    """Figure 19. Shape: (N, 2080, H, W) -> (N, 2080, H, W)."""

    def __init__(self, scale: float, relu: bool = True) -> None:
        branches = Branches(
            conv1x1=Convolution(2080, 192, 1),
            conv3x3=nn.Sequential(
                Convolution(2080, 192, 1), Convolution(192, 224, (1, 3)), Convolution(224, 256, (3, 1))
            ),
        )
        super().__init__(branches, 448, 2080, scale, relu)


# No accuracy: the paper's 19.9 % and 4.9 % errors (table 2) are printed of the network that its figure 15 draws.
@register_variants(
    VARIANTS,
    family="Inception-ResNet",
    paper=PAPER,
    input_size=(3, 299, 299),
    num_classes=1000,
    head="fc",
    smallest=75,
    library="timm",
)
class InceptionResNetV2(Network):
    """A stem, 40 residual blocks with two reductions between them, an average and a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: InceptionResNetV2Variant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        (a, b, c), (scale_a, scale_b, scale_c) = variant.blocks, variant.scales
        self.stem = Stem(in_channels, variant.small_input)
        self.inception = InceptionModule()
        self.grid35 = nn.Sequential(*(InceptionResNetA(scale_a) for _ in range(a)))
        self.reduction_a = ReductionA(320, 256, 256, 384, 384)
        self.grid17 = nn.Sequential(*(InceptionResNetB(scale_b) for _ in range(b)))
        self.reduction_b = ReductionB()
        last = InceptionResNetC(scale=1.0, relu=False)
        self.grid8 = nn.Sequential(*(InceptionResNetC(scale_c) for _ in range(c - 1)), last)
        self.conv = Convolution(2080, 1536, 1)
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(1536, num_classes)

        he_normal_(self, mode="fan_in")
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 192, 35, 35), sizes for 299 px
        x = self.grid35(self.inception(x))  # (N, 320, 35, 35)
        x = self.reduction_a(x)  # (N, 1088, 17, 17)
        x = self.grid17(x)  # (N, 1088, 17, 17)
        x = self.reduction_b(x)  # (N, 2080, 8, 8)
        x = self.conv(self.grid8(x))  # (N, 1536, 8, 8)
        x = x.mean(dim=(2, 3))  # (N, 1536): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
