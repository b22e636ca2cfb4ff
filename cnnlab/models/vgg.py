"""VGG: 3x3 convolutions, nothing else, and more of them.

K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015 (arXiv 2014),
tables 1 and 2. https://arxiv.org/abs/1409.1556

    configuration      A          A-LRN      B          C          D          E
    name               vgg11      vgg11_lrn  vgg13      vgg16_c    vgg16      vgg19
    conv1  224 x 224   64         64, LRN    64 64      64 64      64 64      64 64
           max pool
    conv2  112 x 112   128        128        128 128    128 128    128 128    128 128
           max pool
    conv3  56 x 56     256 256    256 256    256 256    256 256    256 x 3    256 x 4
                                                        1x1: 256
           max pool
    conv4  28 x 28     512 512    512 512    512 512    512 512    512 x 3    512 x 4
                                                        1x1: 512
           max pool
    conv5  14 x 14     512 512    512 512    512 512    512 512    512 x 3    512 x 4
                                                        1x1: 512
           max pool    7 x 7
    fc6, fc7           4096, 4096
    fc8                1000
    parameters         133 M      133 M      133 M      134 M      138 M      144 M

Convolutions are 3x3 with one pixel of zeros around the image, pools 2x2 with stride 2; a ReLU follows each convolution
and fc6 and fc7. Two 3x3 convolutions see 5x5 pixels, three see 7x7, with 27 C^2 weights where one 7x7 has 49 C^2 and
with three ReLUs instead of one. The dense layers hold 124 of the parameters' millions.

``small_input=True`` is for pictures of 32 pixels: conv5 ends at 1 x 1 after its pool, so fc6 takes 512 inputs instead
of 25,088, and starts with weights seven times as large. Nothing else changes.

Differs from the paper in:
  - Nothing in the layers of A to E. The names with _bn are torchvision's, with a batch norm between each convolution
    and its ReLU, which the paper of 2014 could not have; the convolutions keep their biases there, though batch norm
    subtracts them again.
  - An average pool to 7 x 7 before fc6, which leaves maps of that size as they are, lets other sizes in (torchvision's
    addition). The paper turns the dense layers into convolutions to test on whole images.
  - Convolutions start from He's normal distribution over the fan-out with zero biases, dense layers from a normal one
    of deviation 0.01, as in torchvision. The paper trains A from a normal distribution of variance 0.01 and starts the
    deeper networks with A's first four convolutions and its dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.alexnet import response_norm

__all__ = [
    "WIDTHS",
    "VGGVariant",
    "A",
    "B",
    "D",
    "E",
    "VARIANTS",
    "PAPER_VARIANTS",
    "BATCH_NORM_VARIANTS",
    "PUBLISHED",
    "PAPER_PUBLISHED",
    "PAPER",
    "ConvReLU",
    "VGG",
]

WIDTHS = (64, 128, 256, 512, 512)  # of conv1 to conv5, in all configurations


@dataclass(frozen=True)
class VGGVariant:
    depths: tuple[int, int, int, int, int]  # convolutions in conv1 to conv5
    third_is_1x1: bool = False  # True: the third convolution of conv3, conv4 and conv5 is 1x1
    response_norm: bool = False  # True: after conv1
    batch_norm: bool = False
    small_input: bool = False


A, B, D, E = (1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)
VARIANTS = {
    "vgg11": VGGVariant(A),
    "vgg13": VGGVariant(B),
    "vgg16": VGGVariant(D),
    "vgg19": VGGVariant(E),
}
PAPER_VARIANTS = {  # those of the paper that torchvision does not have
    "vgg11_lrn": VGGVariant(A, response_norm=True),
    "vgg16_c": VGGVariant(D, third_is_1x1=True),
}
BATCH_NORM_VARIANTS = {  # those that the paper does not have
    "vgg11_bn": VGGVariant(A, batch_norm=True),
    "vgg13_bn": VGGVariant(B, batch_norm=True),
    "vgg16_bn": VGGVariant(D, batch_norm=True),
    "vgg19_bn": VGGVariant(E, batch_norm=True),
}
PUBLISHED = {
    "vgg11": Published(70.4, 89.6, "table 3, one network, whole images of 256 px: 29.6 % and 10.4 % errors"),
    "vgg13": Published(71.3, 90.1, "table 3, one network, whole images of 256 px: 28.7 % and 9.9 % errors"),
    "vgg16": Published(74.4, 91.9, "table 3, one network, whole images of 384 px: 25.6 % and 8.1 % errors"),
    "vgg19": Published(74.5, 92.0, "table 3, one network, whole images of 384 px: 25.5 % and 8.0 % errors"),
}
PAPER_PUBLISHED = {
    "vgg11_lrn": Published(70.3, 89.5, "table 3, one network, whole images of 256 px: 29.7 % and 10.5 % errors"),
    "vgg16_c": Published(72.7, 91.2, "table 3, one network, whole images of 384 px: 27.3 % and 8.8 % errors"),
}
PAPER = Paper(
    2014,
    "Simonyan, Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "https://arxiv.org/abs/1409.1556",
)


class ConvReLU(nn.Module):
    """A convolution with bias, a batch norm or none, a ReLU. Shape: (N, C, H, W) -> (N, K, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, batch_norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm2d(out_channels) if batch_norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


@register_variants(
    BATCH_NORM_VARIANTS,
    family="VGG",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc8",
    smallest=32,
    library="torchvision",
)
@register_variants(
    PAPER_VARIANTS,
    family="VGG",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc8",
    smallest=32,
    published=PAPER_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="VGG",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc8",
    smallest=32,
    library="torchvision",
    published=PUBLISHED,
)
class VGG(Network):
    """Five stacks of convolutions and three dense layers. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: VGGVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        inputs = (in_channels, *WIDTHS[:-1])
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = (
            self._stack(inputs[i], WIDTHS[i], variant.depths[i], variant) for i in range(5)
        )
        self.norm1 = response_norm() if variant.response_norm else nn.Identity()
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        side = 1 if variant.small_input else 7
        self.resize = nn.AdaptiveAvgPool2d(side)  # the identity at the published size
        self.fc6 = nn.Linear(512 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.dropout = nn.Dropout(p=0.5)

        he_normal_(self, mode="fan_out")
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.zeros_(module.bias)
        if variant.small_input:
            nn.init.normal_(self.fc6.weight, std=0.07)  # 49 times fewer inputs: their sum as large as at 224 px

    @staticmethod
    def _stack(in_channels: int, channels: int, count: int, variant: VGGVariant) -> nn.Sequential:
        """``count`` convolutions, of which the first changes the channels."""
        kernels = [1 if variant.third_is_1x1 and i == 2 else 3 for i in range(count)]
        inputs = [in_channels] + [channels] * (count - 1)
        return nn.Sequential(*(ConvReLU(c, channels, k, variant.batch_norm) for c, k in zip(inputs, kernels)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.norm1(self.conv1(x)))  # (N, 64, 112, 112), sizes for 224 px
        x = self.pool(self.conv2(x))  # (N, 128, 56, 56)
        x = self.pool(self.conv3(x))  # (N, 256, 28, 28)
        x = self.pool(self.conv4(x))  # (N, 512, 14, 14)
        x = self.pool(self.conv5(x))  # (N, 512, 7, 7)
        x = self.resize(x).flatten(1)  # (N, 25088)
        x = self.dropout(F.relu(self.fc6(x)))  # (N, 4096)
        x = self.dropout(F.relu(self.fc7(x)))  # (N, 4096)
        return self.fc8(x)  # (N, num_classes)
