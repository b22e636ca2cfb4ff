"""EfficientNet's plan for pictures of 20 to 28 pixels, with the three knobs of which each doubles the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn, tensor

from cnnlab.errors import unknown_name
from cnnlab.layers import ConvNormAct
from cnnlab.models.efficientnet import MBConv, initialize

__all__ = ["Plan", "PLANS", "small_efficientnet", "Growing"]


@dataclass(frozen=True)
class Plan:
    """How a network differs from the base.

    Attributes:
        layers: MBConv blocks in each of the three stages.
        width: channels, as a multiple of the base's.
        resolution: height and width of the pictures, as a multiple of the base's.
    """

    layers: tuple[int, int, int] = (2, 2, 2)
    width: float = 1.0
    resolution: float = 1.0

    def side(self, base: int) -> int:
        """Pixels along a side, where the base has ``base``."""
        return round(base * self.resolution)


# Each but the first has twice the base's MACs at 20 pixels, within 5 %. Of sqrt(2) times the channels it would not be
# twice: the first layer and the depthwise ones grow with the width, not with its square.
PLANS: dict[str, Plan] = {
    "base": Plan(),
    "depth": Plan(layers=(4, 4, 4)),
    "width": Plan(width=1.46),
    "resolution": Plan(resolution=1.4),
    "together": Plan(layers=(2, 3, 3), width=1.1, resolution=1.2),
}
STEM, CHANNELS, LAST = 12, (16, 24, 40), 96
STRIDES, EXPANSION = (1, 2, 2), 3


def small_efficientnet(
    plan: str = "base", *, width: float = 1.0, in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """A convolution of stride 2, three stages of MBConv, a 1x1 convolution, an average and a dense layer.

    Shape: (N, in_channels, H, W) -> (N, num_classes); the maps are halved three times.

    Args:
        plan: a key of `PLANS`, whose layers and width it has; the size of its pictures is the caller's business.
        width: another multiple of all channels.

    Raises:
        ValueError: no plan has this name.
    """
    if plan not in PLANS:
        raise unknown_name("plan", plan, PLANS)
    own = PLANS[plan]

    def wide(channels: int) -> int:
        return max(2, round(channels * own.width * width))

    channels = wide(STEM)
    net = nn.Sequential(ConvNormAct(in_channels, channels, stride=2, activation=nn.SiLU))
    for of_base, layers, stride in zip(CHANNELS, own.layers, STRIDES, strict=True):
        for number in range(layers):
            shape = {"expansion": EXPANSION, "kernel": 3, "stride": 1 if number else stride}
            net.append(MBConv(channels, wide(of_base), **shape))
            channels = wide(of_base)
    net.append(ConvNormAct(channels, wide(LAST), kernel=1, activation=nn.SiLU))
    net.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(wide(LAST), num_classes)])
    initialize(net)
    return net


class Growing(nn.Module):
    """A network that is trained on small pictures first: EfficientNetV2's progressive training, of sizes alone.

    In training, pictures are shrunk to ``sizes[0]`` for the first share of the batches, to ``sizes[1]`` for the next,
    and so on; in evaluation they pass as they come. How many batches were seen is a buffer, so that a training that
    goes on from a checkpoint goes on at its size.

    Shape: (N, C, H, W) -> what ``net`` makes of it.

    Args:
        net: takes pictures of any size.
        sizes: pixels along a side, at least one.
        batches: of the whole training; each size gets an equal share.

    Raises:
        ValueError: no sizes, or no batches.
    """

    def __init__(self, net: nn.Module, sizes: tuple[int, ...], batches: int) -> None:
        super().__init__()
        if not sizes or batches < 1:
            raise ValueError(
                f"sizes={sizes!r} and batches={batches!r} are not allowed: give at least one size and one batch."
            )
        self.net, self.sizes, self.batches = net, tuple(sizes), batches
        self.register_buffer("seen", tensor(0))

    @property
    def size(self) -> int:
        """Of the next batch in training."""
        return self.sizes[min(int(self.seen) * len(self.sizes) // self.batches, len(self.sizes) - 1)]

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            side = self.size
            self.seen += 1
            if side != x.shape[-1]:
                x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        return self.net(x)
