"""ZFNet: AlexNet as its feature maps said it should be.

M. D. Zeiler, R. Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014 (arXiv 2013), figure 3.
https://arxiv.org/abs/1311.2901

    layer   what                                                    output (224 px)   parameters   zfnet_wide
    conv1   96 7x7, stride 2                                        96 x 110 x 110        14,208       14,208
            3x3 max pool, stride 2, contrast normalization          96 x 55 x 55
    conv2   256 5x5, stride 2                                       256 x 26 x 26        614,656      614,656
            3x3 max pool, stride 2, contrast normalization          256 x 13 x 13
    conv3   384 3x3 (512 in zfnet_wide)                             384 x 13 x 13        885,120    1,180,160
    conv4   384 3x3 (1024)                                          384 x 13 x 13      1,327,488    4,719,616
    conv5   256 3x3 (512)                                           256 x 13 x 13        884,992    4,719,104
            3x3 max pool, stride 2                                  256 x 6 x 6
    fc6     dense, dropout                                          4096              37,752,832   75,501,568
    fc7     dense, dropout                                          4096              16,781,312   16,781,312
    fc8     dense                                                   1000               4,097,000    4,097,000
                                                                    total             62,357,608  107,627,624

A ReLU follows every layer but fc8. Against AlexNet the first layer has smaller kernels and half the stride, because
AlexNet's first layer turned out to hold dead and very coarse features and its second one aliasing; there are no
groups; and the normalization comes after the pooling. zfnet_wide is the network (b) of the paper's table 2.

``small_input=True`` is for pictures of 32 pixels: conv1 is 5x5, both convolutions have stride 1 (conv2 with padding 2),
and the last maps are 4 x 4.

What the paper leaves open, and what is done here:
  - Padding. 110 x 110 from 224 pixels takes one pixel of zeros (225 pixels would need none, and give the same), 26 x 26
    from 55 takes none in conv2, and 13 x 13 takes one in conv3 to conv5.
  - Pooling: 110 -> 55, 26 -> 13 and 13 -> 6 come out together only where windows may hang over the edge (ceil_mode).
  - The constants of the contrast normalization: AlexNet's. "Similar operations are repeated in layers 2, 3, 4, 5"
    cannot hold for the pooling, whose sizes figure 3 gives; it draws the normalization in layers 1 and 2 alone.
  - "All weights are initialized to 10^-2": equal weights would stay equal. See below.
  - It says that AlexNet's connections are sparse in layers 3, 4 and 5; they are in 2, 4 and 5. Here all are dense.

Differs from the paper in:
  - Convolutions start from He's normal distribution over the fan-in, with zero biases, and dense layers uniform in
    +-1/sqrt(fan-in): with a deviation of 10^-2 pictures that are scaled to about +-2 come out of eight layers as 0.
  - An average pool to 6 x 6 before fc6, which leaves maps of that size as they are, lets other sizes in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.alexnet import response_norm

__all__ = ["ZFNetVariant", "VARIANTS", "PUBLISHED", "PAPER", "ZFNet"]


@dataclass(frozen=True)
class ZFNetVariant:
    channels: tuple[int, int, int, int, int]  # of conv1 to conv5
    small_input: bool = False


VARIANTS = {
    "zfnet": ZFNetVariant(channels=(96, 256, 384, 384, 256)),
    "zfnet_wide": ZFNetVariant(channels=(96, 256, 512, 1024, 512)),
}
PUBLISHED = {
    "zfnet": Published(61.6, 83.5, "table 2, 1 convnet as per figure 3: 38.4 % and 16.5 % errors"),
    "zfnet_wide": Published(62.5, 84.0, "table 2, 1 convnet (b), 512, 1024, 512 maps: 37.5 % and 16.0 % errors"),
}
PAPER = Paper(
    2013, "Zeiler, Fergus, Visualizing and Understanding Convolutional Networks", "https://arxiv.org/abs/1311.2901"
)


@register_variants(
    VARIANTS,
    family="ZFNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc8",
    smallest=47,
    published=PUBLISHED,
)
class ZFNet(Network):
    """Five convolutions and three dense layers. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: ZFNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = variant.channels
        if variant.small_input:
            self.conv1 = nn.Conv2d(in_channels, c1, kernel_size=5, padding=2)
        else:
            self.conv1 = nn.Conv2d(in_channels, c1, kernel_size=7, stride=2, padding=1)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm1 = response_norm()
        stride, padding = (1, 2) if variant.small_input else (2, 0)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5, stride=stride, padding=padding)
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm2 = response_norm()
        self.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1)
        self.pool5 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        side = 4 if variant.small_input else 6
        self.resize = nn.AdaptiveAvgPool2d(side)  # the identity at the published size
        self.fc6 = nn.Linear(c5 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, num_classes)
        self.dropout = nn.Dropout(p=0.5)

        he_normal_(self, mode="fan_in")
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))  # (N, 96, 110, 110), sizes for 224 px
        x = self.norm1(self.pool1(x))  # (N, 96, 55, 55)
        x = F.relu(self.conv2(x))  # (N, 256, 26, 26)
        x = self.norm2(self.pool2(x))  # (N, 256, 13, 13)
        x = F.relu(self.conv3(x))  # (N, 384, 13, 13)
        x = F.relu(self.conv4(x))  # (N, 384, 13, 13)
        x = F.relu(self.conv5(x))  # (N, 256, 13, 13)
        x = self.resize(self.pool5(x))  # (N, 256, 6, 6)
        x = self.dropout(F.relu(self.fc6(x.flatten(1))))  # (N, 4096)
        x = self.dropout(F.relu(self.fc7(x)))  # (N, 4096)
        return self.fc8(x)  # (N, num_classes)
