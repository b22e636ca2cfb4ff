"""Pieces that several of the networks share. What only one paper uses stands in that paper's file."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "ConvNormAct",
    "Branches",
    "DropPath",
    "drop_path_rates",
    "SqueezeExcite",
    "pad_same",
    "make_divisible",
    "he_normal_",
]


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, activation: the unit that most networks since 2015 are built of.

    The bias of the convolution is left out because the batch norm would subtract it again.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding and odd kernels.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for (kernel - 1) // 2, which keeps the size at stride 1 when kernels are odd.
        groups: of channels that are convolved apart from each other; ``in_channels`` for a depthwise convolution.
        eps, momentum: of the batch norm.
        activation: a class such as ``nn.ReLU``; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | None = None,
        *,
        groups: int = 1,
        eps: float = 1e-5,
        momentum: float = 0.1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        if padding is None:
            padding = ((height - 1) // 2, (width - 1) // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, (height, width), stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum)
        self.activation = nn.Identity() if activation is None else activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Layers side by side, all of them fed with the same maps; their outputs are stacked along the channels.

    Shape: (N, C, H, W) -> (N, sum of the branches' channels, H', W').

    Args:
        branches: name=module, in the order of the stack; each becomes an attribute of its name.
    """

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__()
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): in training, each picture's branch is left out with some probability.

    What is kept is divided by the probability to keep it, so that evaluation needs no correction. It stands on a
    residual branch: a picture whose branch is dropped passes the block by its shortcut.

    Shape: (N, ...) -> (N, ...), the same.

    Args:
        probability: to drop, in [0, 1).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"probability={probability} is not allowed: give a number of at least 0 and below 1.")
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        mask = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(keep)  # (N, 1, 1, 1) for pictures
        return x * mask / keep

    def extra_repr(self) -> str:
        return f"probability={self.probability:.3g}"


def drop_path_rates(last: float, depth: int) -> list[float]:
    """The probabilities of ``depth`` blocks: from 0 in the first, in equal steps, to ``last`` in the last one."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]


class SqueezeExcite(nn.Module):
    """Every channel multiplied by a number in [0, 1] that depends on the averages of all channels (Hu et al. 2017).

    The two dense layers are written as 1x1 convolutions of the one-pixel image of averages.

    Shape: (N, C, H, W) -> (N, C, H, W).

    Args:
        channels: C.
        hidden: outputs of the first dense layer.
        activation: between the two; ReLU in the paper.
        gate: after the second; the sigmoid in the paper.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        activation: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, kernel_size=1)
        self.activation = activation()
        self.expand = nn.Conv2d(hidden, channels, kernel_size=1)
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        scale = x.mean(dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        scale = self.activation(self.reduce(scale))  # (N, hidden, 1, 1)
        return x * self.gate(self.expand(scale))  # (N, C, H, W)


def pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """As much padding as ceil(side / stride) outputs need; an odd pixel goes to the bottom and right (TensorFlow)."""
    sides = (x.shape[3], x.shape[2])  # F.pad begins at the last dimension
    missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in sides]
    return F.pad(x, [part for m in missing for part in (m // 2, m - m // 2)], value=value)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of ``divisor`` that is nearest to ``channels``, or the next one if that takes more than 10 % away.

    >>> make_divisible(45), make_divisible(12), make_divisible(11.9)
    (48, 16, 16)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def he_normal_(network: nn.Module, mode: str = "fan_out") -> None:
    """Draw every convolution anew from He's normal distribution, of standard deviation sqrt(2 / fan).

    Args:
        network: changed in place.
        mode: "fan_out", kernel height x width x filters (torch counts all of them, also where channels are in groups);
            "fan_in", height x width x input channels of one group.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
