"""A small network of ShuffleNet's units of 2017, with and without the shuffle.

X. Zhang, X. Zhou, M. Lin, J. Sun: ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices,
CVPR 2018 (arXiv 2017), figure 2 (b). https://arxiv.org/abs/1707.01083
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.convolutions import ChannelShuffle
from cnnlab.layers import ConvNormAct, he_normal_

__all__ = ["Unit", "grouped_network"]


class Unit(nn.Module):
    """1x1 in groups, a shuffle, depthwise 3x3, 1x1 in groups; then x, then a ReLU. Shape: (N, C, H, W), in and out.

    Args:
        channels: C.
        groups: of both 1x1 convolutions.
        shuffle: False leaves the shuffle out, and groups never hear of each other.
    """

    def __init__(self, channels: int, groups: int, *, shuffle: bool = True) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            ConvNormAct(channels, channels, kernel=1, groups=groups),
            ChannelShuffle(groups) if shuffle else nn.Identity(),
            ConvNormAct(channels, channels, kernel=3, groups=channels, activation=None),
            ConvNormAct(channels, channels, kernel=1, groups=groups, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.branch(x))


def grouped_network(
    groups: int, *, shuffle: bool = True, width: int = 32, units: int = 5, in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """A 3x3 convolution of stride 2, ``units`` units, an average, a dense layer; only the first and the last mix all.

    Shape: (N, in_channels, H, W) -> (N, num_classes).
    """
    net = nn.Sequential(
        ConvNormAct(in_channels, width, kernel=3, stride=2),
        *(Unit(width, groups, shuffle=shuffle) for _ in range(units)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, num_classes),
    )
    he_normal_(net, "fan_out")
    return net
