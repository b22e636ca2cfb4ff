"""Fair trials: small networks that differ in one kind of convolution alone.

`trial_network` keeps the multiply-accumulates equal: the chapter "Choosing a convolution" trains such networks briefly,
and ``experiments/equal_macs.py`` for longer. `width_network` keeps the width equal, or spends what a separable layer
saves: for the chapter "Depthwise separable convolutions" and ``experiments/separable_width.py``.
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

__all__ = ["TRIAL_LAYERS", "TRIAL_WIDTHS", "trial_network", "width_layer", "width_network"]

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


def width_layer(kind: str, before: int, after: int, stride: int) -> list[nn.Module]:
    """A 3 x 3 layer as MobileNets have it, "standard" or "separable", a batch norm and a ReLU behind every step.

    Raises:
        ValueError: for another kind.
    """
    if kind == "standard":
        steps = [nn.Conv2d(before, after, 3, stride, 1, bias=False)]
    elif kind == "separable":
        filters = nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False)
        steps = [filters, nn.Conv2d(before, after, 1, bias=False)]
    else:
        raise unknown_name("kind", kind, ("standard", "separable"))
    layers = []
    for step in steps:
        layers += [step, nn.BatchNorm2d(step.out_channels), nn.ReLU()]
    return layers


def width_network(kind: str, width: int, num_classes: int = 10) -> nn.Sequential:
    """A standard layer of ``width`` channels, four of one kind that double them twice, and an average.

    Shape: (N, 3, H, W) -> (N, num_classes); the maps are halved three times.

    Raises:
        ValueError: for another kind than "standard" and "separable".
    """
    layers = width_layer("standard", 3, width, stride=2)
    for before, after, stride in ((1, 2, 1), (2, 2, 2), (2, 4, 1), (4, 4, 2)):
        layers += width_layer(kind, before * width, after * width, stride)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes))
