"""Xception's plan for pictures of 32 pixels, with what the paper held fixed or compared as switches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import ConvNormAct, he_normal_

__all__ = ["Kind", "KINDS", "unit", "small_xception", "separable_share"]


@dataclass(frozen=True)
class Kind:
    """One network of the comparison.

    Attributes:
        mix_first: the 1x1 ahead of the 3x3, as in Inception.
        between: what stands between the two.
        segments: into which the 3x3 divides the channels, of which only those in one segment meet; None: as many as
            channels.
        shortcuts: around the modules.
        widths: channels behind the first layer, behind both modules of the entry flow, and behind the last unit.
    """

    mix_first: bool = False
    between: type[nn.Module] | None = None
    segments: int | None = None
    shortcuts: bool = True
    widths: tuple[int, int, int, int] = (16, 32, 64, 128)


# Widths at which networks with one segment and with four have the parameters of the one with C, within two percent.
ONE, FOUR = (5, 10, 21, 38), (9, 20, 36, 72)
KINDS: dict[str, Kind] = {
    "Xception": Kind(),
    "ReLU between": Kind(between=nn.ReLU),
    "ELU between": Kind(between=nn.ELU),
    "no shortcuts": Kind(shortcuts=False),
    "1 segment": Kind(mix_first=True, segments=1, widths=ONE),
    "1 segment, ReLU": Kind(mix_first=True, segments=1, between=nn.ReLU, widths=ONE),
    "4 segments": Kind(mix_first=True, segments=4, widths=FOUR),
    "4 segments, ReLU": Kind(mix_first=True, segments=4, between=nn.ReLU, widths=FOUR),
    "C segments": Kind(mix_first=True),
    "C segments, ReLU": Kind(mix_first=True, between=nn.ReLU),
}


def unit(in_channels: int, out_channels: int, kind: Kind) -> nn.Sequential:
    """A 1x1 of all channels and a 3x3 of each segment, in either order, and a batch norm behind both.

    Shape: (N, C, H, W) -> (N, K, H, W).

    Args:
        in_channels, out_channels: C and K.
        kind: the order, what stands between, and the segments, which divide C or, mixing first, K.
    """
    filtered = out_channels if kind.mix_first else in_channels
    looks = nn.Conv2d(filtered, filtered, 3, padding=1, groups=kind.segments or filtered, bias=False)
    mixes = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
    steps: list[nn.Module] = [mixes, looks] if kind.mix_first else [looks, mixes]
    if kind.between is not None:
        steps.insert(1, kind.between())
    return nn.Sequential(*steps, nn.BatchNorm2d(out_channels))


class _Module(nn.Module):
    """Units with a ReLU before each, a max pool where ``stride`` is 2, and perhaps a shortcut around all."""

    def __init__(self, in_channels: int, out_channels: int, units: int, stride: int, kind: Kind) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(units):
            layers += [nn.ReLU(), unit(out_channels if number else in_channels, out_channels, kind)]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.layers = nn.Sequential(*layers)
        self.shortcut: nn.Module | None = None
        if kind.shortcuts:
            same = stride == 1 and in_channels == out_channels
            projection = ConvNormAct(in_channels, out_channels, kernel=1, stride=stride, activation=None)
            self.shortcut = nn.Identity() if same else projection

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return y if self.shortcut is None else y + self.shortcut(x)


def small_xception(
    kind: str = "Xception", *, middle: int = 2, in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """An entry, a middle and an exit flow: 5 + 3 ``middle`` units behind a first 3x3 convolution of stride 2.

    Shape: (N, in_channels, H, W) -> (N, num_classes); the maps are halved three times.

    Args:
        kind: a key of `KINDS`.
        middle: modules of the middle flow, of three units each; Xception has eight.

    Raises:
        ValueError: no kind has this name.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    own = KINDS[kind]
    first, second, wide, last = own.widths
    net = nn.Sequential(
        ConvNormAct(in_channels, first, kernel=3, stride=2),  # (N, 16, H/2, W/2), widths of Xception
        _Module(first, second, 2, 2, own),  # (N, 32, H/4, W/4)
        _Module(second, wide, 2, 2, own),  # (N, 64, H/8, W/8)
        *(_Module(wide, wide, 3, 1, own) for _ in range(middle)),
        nn.ReLU(),
        unit(wide, last, own),  # (N, 128, H/8, W/8)
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(last, num_classes),
    )
    he_normal_(net, "fan_out")
    return net


def separable_share(weight: Tensor, mix_first: bool = False) -> float:
    """How much of a kernel's energy (its sum of squares) the nearest depthwise separable pair keeps, from 0 to 1.

    Filtering first, all outputs look at an input channel through one pattern, each times a number; mixing first, an
    output looks at all channels through one pattern. Either is a matrix of rank 1 for each channel, the nearest one of
    which the singular values tell.

    Args:
        weight: (K, C, k, k), of an ordinary convolution.
    """
    rows = weight.flatten(2) if mix_first else weight.flatten(2).transpose(0, 1)  # (K, C, kk) or (C, K, kk)
    squares = torch.linalg.svdvals(rows).square()
    return (squares[:, 0].sum() / squares.sum()).item()
