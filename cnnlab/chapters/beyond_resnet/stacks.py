"""Stacks of residual blocks of one size: the networks that the chapter and its recorded experiments train."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import he_normal_

__all__ = ["SHORTCUTS", "Mixed", "residual_stack", "bottleneck_stack"]


class Mixed(nn.Module):
    """A block of 2015, whose shortcut and whose branch are each multiplied by something before they are added.

    Shape: (N, C, H, W) -> (N, C, H, W).

    Args:
        channels: C.
        kind: a key of `SHORTCUTS`.
    """

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.mix = SHORTCUTS[kind](channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(self.mix(x, y))


class _Scaled(nn.Module):
    """shortcut * x + branch * F(x)."""

    def __init__(self, shortcut: float, branch: float) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.branch = branch

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.shortcut * x + self.branch * y


class _Gated(nn.Module):
    """(1 - g) * x + g * F(x), or + F(x) where the gate is the shortcut's alone; g is the sigmoid of a 1x1 of x."""

    def __init__(self, channels: int, bias: float, exclusive: bool) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, kernel_size=1)
        self.start = bias
        self.exclusive = exclusive

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        g = torch.sigmoid(self.gate(x))  # (N, C, H, W)
        return (1 - g) * x + (g * y if self.exclusive else y)


class _Projected(nn.Module):
    """A 1x1 convolution of x, with a batch norm as in option C of 2015."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.bn(self.conv(x)) + y


class _Dropped(nn.Module):
    """Half of x, drawn anew at each step of training, is zero and the rest doubled; in evaluation x stays as it is."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return F.dropout(x, 0.5, self.training) + y


# Kind -> what mixes the two, by the number of channels.
SHORTCUTS: dict[str, Callable[[int], nn.Module]] = {
    "identity": lambda channels: _Scaled(1, 1),
    "none (plain)": lambda channels: _Scaled(0, 1),
    "half x": lambda channels: _Scaled(0.5, 1),
    "half x, half F": lambda channels: _Scaled(0.5, 0.5),
    "both gated, bias 0": lambda channels: _Gated(channels, 0, True),
    "both gated, bias -6": lambda channels: _Gated(channels, -6, True),
    "x gated, bias 0": lambda channels: _Gated(channels, 0, False),
    "x gated, bias -6": lambda channels: _Gated(channels, -6, False),
    "1 x 1 convolution": _Projected,
    "dropout": lambda channels: _Dropped(),
}


def residual_stack(
    kind: str = "identity", blocks: int = 27, *, width: int = 8, in_channels: int = 1, num_classes: int = 10
) -> nn.Sequential:
    """A stem that halves the picture, ``blocks`` blocks of two layers, an average and a dense layer: 2 n + 2 layers.

    All blocks are of one size, so that every shortcut joins two maps of one shape and can be changed in the same way.
    The convolutions of the blocks have 18 ``blocks`` ``width``^2 weights.

    Shape: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        kind: what each block does to its shortcut, a key of `SHORTCUTS`.
        width: channels of every layer.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in SHORTCUTS:
        raise unknown_name("kind", kind, SHORTCUTS)
    stack = nn.Sequential(*_stem(in_channels, width), *[Mixed(width, kind) for _ in range(blocks)])
    stack.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)])
    he_normal_(stack, mode="fan_in")
    for module in stack.modules():
        if isinstance(module, _Gated):
            # As in the paper, the bias decides where the gate starts; its weights are small beside it.
            nn.init.normal_(module.gate.weight, std=0.01)
            nn.init.constant_(module.gate.bias, module.start)
    return stack


class _Paths(nn.Module):
    """ResNeXt's block: 1x1 to ``paths`` x ``each`` channels, 3x3 in so many groups, 1x1 back; then x, then a ReLU."""

    def __init__(self, channels: int, paths: int, each: int) -> None:
        super().__init__()
        inside = paths * each
        self.conv1 = nn.Conv2d(channels, inside, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, kernel_size=3, padding=1, groups=paths, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + x)


def bottleneck_stack(
    paths: int, each: int, *, blocks: int = 6, channels: int = 64, in_channels: int = 1, num_classes: int = 10
) -> nn.Sequential:
    """A stem that halves the picture, ``blocks`` of ResNeXt's blocks, an average and a dense layer: 3 n + 2 layers.

    A block's convolutions have 2 ``channels`` ``paths`` ``each`` + 9 ``paths`` ``each``^2 weights.

    Shape: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        paths: cardinality, the groups of each 3x3.
        each: channels of a path.
        channels: of the maps between the blocks.
    """
    stack = nn.Sequential(*_stem(in_channels, channels), *[_Paths(channels, paths, each) for _ in range(blocks)])
    stack.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)])
    he_normal_(stack)
    return stack


def _stem(in_channels: int, channels: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(in_channels, channels, kernel_size=3, stride=2, padding=1, bias=False)
    return conv, nn.BatchNorm2d(channels), nn.ReLU()
