"""Network in Network: small dense networks in place of linear filters, and no dense layers at the end.

M. Lin, Q. Chen, S. Yan: Network In Network, ICLR 2014 (arXiv 2013), section 4 and figure 2.
https://arxiv.org/abs/1312.4400

The paper draws the network and prints no sizes; these are the authors' own Caffe files (Caffe's model zoo, 2014).

    nin_cifar      filters                output (32 px)   parameters
    mlpconv1       5x5 192, 160, 96       96 x 32 x 32         60,928
                   3x3 max pool, dropout  96 x 16 x 16
    mlpconv2       5x5 192, 192, 192      192 x 16 x 16       535,104
                   3x3 avg pool, dropout  192 x 8 x 8
    mlpconv3       3x3 192, 192, 10       10 x 8 x 8          370,954
                   average                10
                                          total               966,986

    nin_imagenet   filters                output (224 px)
    mlpconv1       11x11/4 96, 96, 96     96 x 54 x 54         53,568
                   3x3 max pool           96 x 27 x 27
    mlpconv2       5x5 256, 256, 256      256 x 27 x 27       746,240
                   3x3 max pool           256 x 13 x 13
    mlpconv3       3x3 384, 384, 384      384 x 13 x 13     1,180,800
                   3x3 max pool, dropout  384 x 6 x 6
    mlpconv4       3x3 1024, 1024, 1000   1000 x 6 x 6      5,614,568
                   average                1000
                                          total             7,595,176

An mlpconv layer slides a network of three layers over the image. Its second and third layer see one pixel each, that
is, they are 1x1 convolutions ("cascaded cross channel parametric pooling", hence cccp). The last one has a map for
each class; the average over a map is the score of its class. AlexNet's dense layers have 58.6 million parameters.

There is no ``small_input`` version of nin_imagenet: for pictures of 32 pixels there is nin_cifar.

Differs from the paper in:
  - Nothing in the layers of the authors' files: pooling windows have stride 2 and may hang over the edge, a ReLU
    follows the last layer too. nin_imagenet is not in the paper; its authors report 59.36 % top-1.
  - Convolutions start from He's normal distribution over the fan-in with zero biases; the authors' nin_imagenet from
    normal distributions of deviation 0.01 or 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants

__all__ = ["Stage", "NINVariant", "VARIANTS", "IMAGENET_VARIANTS", "PUBLISHED", "PAPER", "MLPConv", "NIN"]


@dataclass(frozen=True)
class Stage:
    """An mlpconv layer and what follows it. The stage without pooling is the last one."""

    widths: tuple[int, int, int | None]  # of its three layers; None: the number of classes
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: type[nn.MaxPool2d | nn.AvgPool2d] | None = None
    dropout: float = 0.0


@dataclass(frozen=True)
class NINVariant:
    stages: tuple[Stage, ...]


VARIANTS = {
    "nin_cifar": NINVariant(
        stages=(
            Stage((192, 160, 96), kernel=5, padding=2, pool=nn.MaxPool2d, dropout=0.5),
            Stage((192, 192, 192), kernel=5, padding=2, pool=nn.AvgPool2d, dropout=0.5),
            Stage((192, 192, None), kernel=3, padding=1),
        )
    ),
}
IMAGENET_VARIANTS = {
    "nin_imagenet": NINVariant(
        stages=(
            Stage((96, 96, 96), kernel=11, stride=4, pool=nn.MaxPool2d),
            Stage((256, 256, 256), kernel=5, padding=2, pool=nn.MaxPool2d),
            Stage((384, 384, 384), kernel=3, padding=1, pool=nn.MaxPool2d, dropout=0.5),
            Stage((1024, 1024, None), kernel=3, padding=1),
        )
    ),
}
PUBLISHED = {
    "nin_cifar": Published(
        91.19, None, "table 1, translated and flipped images: 8.81 % error (10.41 without)", "CIFAR-10"
    ),
}
PAPER = Paper(2013, "Lin, Chen, Yan, Network In Network", "https://arxiv.org/abs/1312.4400")


class MLPConv(nn.Module):
    """A network of three layers that slides over the image. Shape: (N, C, H, W) -> (N, widths[2], H', W')."""

    def __init__(self, in_channels: int, widths: tuple[int, int, int], stage: Stage) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, widths[0], stage.kernel, stage.stride, stage.padding)
        self.cccp1 = nn.Conv2d(widths[0], widths[1], kernel_size=1)
        self.cccp2 = nn.Conv2d(widths[1], widths[2], kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))  # (N, widths[0], H', W')
        x = F.relu(self.cccp1(x))  # (N, widths[1], H', W')
        return F.relu(self.cccp2(x))  # (N, widths[2], H', W')


@register_variants(
    IMAGENET_VARIANTS,
    family="Network in Network",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="layers.mlpconv4.cccp2",
    after="ReLU and global average pooling",
    smallest=39,
)
@register_variants(
    VARIANTS,
    family="Network in Network (CIFAR)",
    paper=PAPER,
    input_size=(3, 32, 32),
    num_classes=10,
    head="layers.mlpconv3.cccp2",
    after="ReLU and global average pooling",
    smallest=4,
    published=PUBLISHED,
)
class NIN(Network):
    """Mlpconv layers with pooling between them, and an average. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: NINVariant, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        channels = in_channels
        for number, stage in enumerate(variant.stages, start=1):
            first, second, third = stage.widths
            widths = (first, second, third or num_classes)
            self.layers.add_module(f"mlpconv{number}", MLPConv(channels, widths, stage))
            if stage.pool is not None:
                self.layers.add_module(f"pool{number}", stage.pool(kernel_size=3, stride=2, ceil_mode=True))
            if stage.dropout:
                self.layers.add_module(f"dropout{number}", nn.Dropout(stage.dropout))
            channels = widths[-1]

        he_normal_(self, mode="fan_in")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # (N, num_classes, 8, 8) of 32 px, (N, num_classes, 6, 6) of 224 px
        return x.mean(dim=(2, 3))  # (N, num_classes): global average pooling
