"""AlexNet: the two towers of 2012, and the single tower of 2014.

A. Krizhevsky, I. Sutskever, G. E. Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012,
section 3.5 and figure 2. https://doi.org/10.1145/3065386 (the reprint)
A. Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014. https://arxiv.org/abs/1404.5997

    layer   alexnet_2012                          output (227 px)   parameters   alexnet (224 px), channels
    conv1   96 kernels 11x11x3, stride 4          96 x 55 x 55          34,944                           64
            LRN, 3x3 max pool, stride 2           96 x 27 x 27                                  no LRN
    conv2   256 kernels 5x5x48, two groups        256 x 27 x 27        307,456                          192
            LRN, 3x3 max pool, stride 2           256 x 13 x 13                                 no LRN
    conv3   384 kernels 3x3x256                   384 x 13 x 13        885,120                          384
    conv4   384 kernels 3x3x192, two groups       384 x 13 x 13        663,936                          256
    conv5   256 kernels 3x3x192, two groups       256 x 13 x 13        442,624                          256
            3x3 max pool, stride 2                256 x 6 x 6
    fc6     dense, dropout                        4096              37,752,832
    fc7     dense, dropout                        4096              16,781,312
    fc8     dense                                 1000               4,097,000
                                                  total             60,965,224   61,100,840

A ReLU follows every layer but fc8. The two groups are the two GPUs of 2012: a kernel of conv2, conv4 or conv5 sees
only the maps that its own GPU made. The pooling windows overlap, 3 pixels wide and 2 apart.

The paper says 224 pixels, and 11x11 windows in steps of 4 do not fit into that: there are 54.25 of them. The 27 x 27
neurons that figure 2 gives conv2 need 55. Krizhevsky's code rounds up, so that the last window hangs over the right
and lower edge onto three rows of zeros, as if the image had 227 pixels; Caffe crops 227 real ones, and so do we. The
one tower pads 224 pixels with 2 on each side. (Figure 2 counts 253,440 neurons in conv1, which no square gives: 55 x
55 x 96 are 290,400. With these the sum is 659,272, the abstract's 650,000.)

``small_input=True`` is for pictures of 32 pixels: conv1 is 5x5 with stride 1, the last maps are 3 x 3, and convolutions
start from He's normal distribution over the fan-in with zero biases. From the start of 2012 such a network does not get
away: its kernels are smaller and pixels are not in 0 to 255 any more, so that little but the biases reaches the end.

Differs from the paper in:
  - 227 pixels of image in alexnet_2012, where the paper has 224 and zeros. An average pool to 6 x 6 before fc6, which
    leaves maps of that size as they are, lets other sizes in; torchvision has it too.
  - The response normalization runs over all 96 or 256 maps, as the formula with its "N kernels in the layer" says, and
    so across the towers; whether the two GPUs exchanged the four maps at their border is not told.
  - Biases of 1 in "the fully-connected hidden layers" and normal weights of deviation 0.01, as in the paper, in
    alexnet_2012; alexnet starts uniform in +-1/sqrt(fan-in), torch's default and torchvision's.
  - alexnet is torchvision's: 256 kernels in conv4, as in the file published with the second paper (its footnote 1 says
    384), no response normalization (that file has it), and dropout before fc6 and fc7 instead of after.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "AlexNetVariant",
    "VARIANTS",
    "VARIANTS_2014",
    "PUBLISHED",
    "PAPER_2014",
    "PAPER_2012",
    "response_norm",
    "AlexNet",
]


@dataclass(frozen=True)
class AlexNetVariant:
    channels: tuple[int, int, int, int, int]  # of conv1 to conv5
    conv1_padding: int
    dropout: tuple[float, float, float]  # of the inputs of fc6, fc7 and fc8
    groups: int = 1  # in conv2, conv4 and conv5: the towers
    response_norm: bool = False
    start_of_2012: bool = False  # normal weights and biases of 1, as in section 5 of the paper
    small_input: bool = False


VARIANTS = {
    "alexnet_2012": AlexNetVariant(
        channels=(96, 256, 384, 384, 256),
        conv1_padding=0,
        dropout=(0.0, 0.5, 0.5),
        groups=2,
        response_norm=True,
        start_of_2012=True,
    ),
}
VARIANTS_2014 = {
    "alexnet": AlexNetVariant(channels=(64, 192, 384, 256, 256), conv1_padding=2, dropout=(0.5, 0.5, 0.0)),
}
PUBLISHED = {
    "alexnet_2012": Published(59.3, 81.8, "table 2, 1 CNN, 10 crops: 40.7 % and 18.2 % errors"),
}
PAPER_2014 = Paper(
    2014,
    "Krizhevsky, One weird trick for parallelizing convolutional neural networks",
    "https://arxiv.org/abs/1404.5997",
)
PAPER_2012 = Paper(
    2012,
    "Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks",
    "https://doi.org/10.1145/3065386",
)


def response_norm() -> nn.LocalResponseNorm:
    """Local response normalization, section 3.3: b_i = a_i / (2 + 1e-4 * (sum of a_j^2, i - 2 <= j <= i + 2))^0.75.

    Shape: (N, C, H, W) -> (N, C, H, W).
    """
    # torch divides alpha by the number of channels in the window, the paper does not. Caffe's bvlc_alexnet divides too,
    # and has 1 for the paper's 2.
    return nn.LocalResponseNorm(size=5, alpha=5 * 1e-4, beta=0.75, k=2.0)


@register_variants(
    VARIANTS_2014,
    family="AlexNet",
    paper=PAPER_2014,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc8",
    smallest=63,
    library="torchvision",
)
@register_variants(
    VARIANTS,
    family="AlexNet",
    paper=PAPER_2012,
    input_size=(3, 227, 227),
    num_classes=1000,
    head="fc8",
    smallest=67,
    published=PUBLISHED,
)
class AlexNet(Network):
    """Five convolutions and three dense layers. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: AlexNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = variant.channels
        groups = variant.groups
        norm = response_norm if variant.response_norm else nn.Identity
        if variant.small_input:
            self.conv1 = nn.Conv2d(in_channels, c1, kernel_size=5, padding=2)
        else:
            self.conv1 = nn.Conv2d(in_channels, c1, kernel_size=11, stride=4, padding=variant.conv1_padding)
        self.norm1 = norm()
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=groups)
        self.norm2 = norm()
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=groups)
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2)
        side = 3 if variant.small_input else 6
        self.resize = nn.AdaptiveAvgPool2d(side)  # the identity at the published size
        self.drop6, self.drop7, self.drop8 = (nn.Dropout(p) for p in variant.dropout)
        self.fc6 = nn.Linear(c5 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)

        if variant.small_input:
            he_normal_(self, mode="fan_in")
            for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
                nn.init.zeros_(conv.bias)
        elif variant.start_of_2012:
            positive = (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7)  # so that their ReLUs start open
            for layer in (self.conv1, self.conv3, self.fc8, *positive):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.constant_(layer.bias, 1.0 if layer in positive else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(F.relu(self.conv1(x)))  # (N, 96, 55, 55), channels of 2012
        x = self.pool1(x)  # (N, 96, 27, 27)
        x = self.norm2(F.relu(self.conv2(x)))  # (N, 256, 27, 27)
        x = self.pool2(x)  # (N, 256, 13, 13)
        x = F.relu(self.conv3(x))  # (N, 384, 13, 13)
        x = F.relu(self.conv4(x))  # (N, 384, 13, 13)
        x = F.relu(self.conv5(x))  # (N, 256, 13, 13)
        x = self.resize(self.pool5(x))  # (N, 256, 6, 6)
        x = self.drop6(x.flatten(1))  # (N, 9216)
        x = self.drop7(F.relu(self.fc6(x)))  # (N, 4096)
        x = self.drop8(F.relu(self.fc7(x)))  # (N, 4096)
        return self.fc8(x)  # (N, num_classes)
