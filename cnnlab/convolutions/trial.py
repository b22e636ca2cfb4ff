"""A fair trial: small networks that differ in one kind of convolution and need equal multiply-accumulates.

The chapter "Choosing a convolution" trains them briefly in the page, and ``experiments/equal_macs.py`` for longer.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from cnnlab.convolutions.channel_shuffle import ChannelShuffle
from cnnlab.convolutions.depthwise import DepthwiseConv2d
from cnnlab.convolutions.depthwise_separable import DepthwiseSeparableConv2d
from cnnlab.convolutions.flattened import FlattenedConv2d
from cnnlab.convolutions.global_average_pooling import GlobalAveragePool
from cnnlab.convolutions.grouped import GroupedConv2d
from cnnlab.convolutions.pointwise import PointwiseConv2d
from cnnlab.convolutions.standard import StandardConv2d
from cnnlab.errors import unknown_name

# Kind -> the operators from c to c channels that stand for one layer.
TRIAL_LAYERS: dict[str, Callable[[int], list[nn.Module]]] = {
    "standard": lambda c: [StandardConv2d(c, c, 3, bias=False)],
    "grouped, shuffled": lambda c: [GroupedConv2d(c, c, 2, 3, bias=False), ChannelShuffle(2)],
    "filter, then mix": lambda c: [DepthwiseSeparableConv2d(c, c, 3, bias=False)],
    "mix, then filter": lambda c: [PointwiseConv2d(c, c, bias=False), DepthwiseConv2d(c, 3, bias=False)],
    "flattened": lambda c: [FlattenedConv2d(c, c, 3, bias=False)],
    "pointwise": lambda c: [PointwiseConv2d(c, c, bias=False)],
}
# Kind -> channels with which the network has the MACs of the standard one of 16, within three percent.
TRIAL_WIDTHS = {
    "standard": 16,
    "grouped, shuffled": 22,
    "filter, then mix": 41,
    "mix, then filter": 41,
    "flattened": 42,
    "pointwise": 45,
}


def trial_network(kind: str, num_classes: int = 5) -> nn.Sequential:
    """Four layers of one kind behind a first standard one. Shape: (N, 3, H, W) -> (N, num_classes).

    Raises:
        ValueError: for a kind that is not in `TRIAL_LAYERS`.
    """
    if kind not in TRIAL_LAYERS:
        raise unknown_name("kind", kind, TRIAL_LAYERS)
    c = TRIAL_WIDTHS[kind]

    def layer() -> list[nn.Module]:
        return [*TRIAL_LAYERS[kind](c), nn.BatchNorm2d(c), nn.ReLU()]

    first = [nn.Conv2d(3, c, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
    return nn.Sequential(
        *first,  # (N, c, H/2, W/2)
        *layer(),
        *layer(),
        nn.MaxPool2d(2),  # (N, c, H/4, W/4)
        *layer(),
        *layer(),
        GlobalAveragePool(),  # (N, c)
        nn.Linear(c, num_classes),
    )
