"""A network that is trained without batch norm, with it, and with noise behind it; and how much its signals move."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnlab.chapters.vgg.small import small_vgg
from cnnlab.errors import unknown_name

__all__ = ["NORMS", "Noise", "Watch", "trial", "shift"]

# Name -> whether there is a batch norm, and whether there is noise before the ReLU.
NORMS: dict[str, tuple[bool, bool]] = {
    "none": (False, False),
    "batch norm": (True, False),
    "noisy batch norm": (True, True),
    "noise alone": (False, True),
}


class Noise(nn.Module):
    """Undoes what a norm has settled, differently in every step; nothing in evaluation mode.

    In each step every channel draws a mean, uniform in [-mean, mean], and a deviation, uniform within ``deviation`` of
    1. It is multiplied by the one and shifted by the other, and every number by a bit of its own besides. So a
    channel's distribution is another one in each step, and on average over the steps it is the norm's. The idea is of
    Santurkar, Tsipras, Ilyas and Madry, "How does batch normalization help optimization?" (NeurIPS 2018), section 2.1;
    the sizes are ours.

    Shape: (N, C, H, W) -> (N, C, H, W).

    Args:
        mean: the largest mean that a channel may get, in deviations of the normalized signal.
        deviation: how far from 1 its deviation may be.
        spread: deviation of what is added to single numbers.
    """

    def __init__(self, mean: float = 0.5, deviation: float = 0.25, spread: float = 0.1) -> None:
        super().__init__()
        self.mean, self.deviation, self.spread = mean, deviation, spread

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = (1, x.shape[1], 1, 1)
        means = x.new_empty(shape).uniform_(-self.mean, self.mean)
        deviations = x.new_empty(shape).uniform_(1 - self.deviation, 1 + self.deviation)
        return deviations * x + means + self.spread * torch.randn_like(x)


class Watch(nn.Module):
    """Hands its input on, and keeps how far each channel's mean moves from one training batch to the next.

    ``moved / steps`` is the mean over channels and steps of |difference of the means| / deviation, which does not hang
    on the size of the signal. All of it lies in buffers, so that an interrupted training goes on with it.

    Shape: (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("before", torch.full((channels,), torch.nan))
        self.register_buffer("moved", torch.zeros(()))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                deviation, mean = torch.std_mean(x, dim=(0, 2, 3))
                way = ((mean - self.before).abs() / deviation).mean()
                if way.isfinite():  # not in the first step, nor for a channel that has died
                    self.moved += way
                    self.steps += 1
                self.before.copy_(mean)
        return x


def trial(
    norm: str,
    depths: Sequence[int] = (2, 2, 2),
    *,
    width: int = 8,
    side: int = 32,
    in_channels: int = 3,
    num_classes: int = 10,
) -> nn.Sequential:
    """:func:`~cnnlab.chapters.vgg.small.small_vgg` with He's start; ``norm`` says what stands before each ReLU.

    Shape: (N, in_channels, side, side) -> (N, num_classes).

    Args:
        norm: a key of `NORMS`: "none", "batch norm", "noisy batch norm", which has a :class:`Noise` behind each norm,
            or "noise alone".
        depths, width, side, in_channels, num_classes: as in small_vgg.

    Raises:
        ValueError: no norm has this name, or small_vgg refuses the rest.
    """
    if norm not in NORMS:
        raise unknown_name("norm", norm, NORMS)
    normed, noisy = NORMS[norm]
    net = small_vgg(depths, width=width, side=side, in_channels=in_channels, num_classes=num_classes, batch_norm=normed)
    for number in range(len(depths)):
        layers: list[nn.Module] = []
        channels = in_channels
        for layer in net[number]:
            channels = layer.out_channels if isinstance(layer, nn.Conv2d) else channels
            if isinstance(layer, nn.ReLU):
                layers += [Noise(), Watch(channels)] if noisy else [Watch(channels)]
            layers.append(layer)
        net[number] = nn.Sequential(*layers)
    return net


def shift(net: nn.Module) -> float:
    """How far a channel's mean moves in a step, in its deviations: the mean over the layers that are watched."""
    ways = [own.moved / own.steps for own in net.modules() if isinstance(own, Watch) and own.steps > 0]
    return float(torch.stack(ways).mean()) if ways else float("nan")
