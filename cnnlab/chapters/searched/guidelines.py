"""ShuffleNet V2's four guidelines as stacks of layers with equal numbers of MACs, and the speeds that the paper prints.

N. Ma, X. Zhang, H.-T. Zheng, J. Sun: ShuffleNet V2, ECCV 2018, tables 1 to 4. https://arxiv.org/abs/1807.11164

Each stack is one block ten times, on a map of 56 x 56. "small" is the first column of what the paper gave a phone's ARM
processor, "large" the first of what it gave a graphics card (of table 4 the third, which is other than small).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.errors import unknown_name

__all__ = ["Guideline", "GUIDELINES", "SIZES", "stacks"]

SIZES = ("small", "large")
SIDE = 56  # pixels


def _conv(channels: int, out_channels: int, kernel: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False)


class _Sum(nn.Module):
    """The sum of what some modules make of one input. Shape: as theirs."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        total = self.parts[0](x)
        for part in self.parts[1:]:
            total = total + part(x)
        return total


def _there_and_back(one: int, other: int) -> nn.Module:
    return nn.Sequential(_conv(one, other), _conv(other, one))


def _row(channels: int, pieces: int) -> nn.Module:
    return nn.Sequential(*(_conv(channels, channels) for _ in range(pieces)))


def _side_by_side(channels: int, pieces: int) -> nn.Module:
    return _Sum(*(_conv(channels, channels) for _ in range(pieces)))


def _bottleneck(channels: int, relu: bool, shortcut: bool) -> nn.Module:
    """The paper does not say how narrow its bottleneck is; a quarter, as in ResNet, fits the speeds that it prints."""
    inside = channels // 4
    layers = [_conv(channels, inside), _conv(inside, inside, kernel=3), _conv(inside, channels)]
    if relu:
        layers = [layer for conv in layers for layer in (conv, nn.ReLU())]
    branch = nn.Sequential(*layers)
    return _Sum(branch, nn.Identity()) if shortcut else branch


@dataclass(frozen=True)
class Guideline:
    """One of the four.

    Attributes:
        rule: in a few words.
        blocks: name of a variant -> for "small" and "large" the channels of its input, and what builds a block.
        printed: name of a variant -> its speed in the paper for both: pictures a second on an ARM processor, and
            batches a second on a graphics card.
    """

    rule: str
    blocks: dict[str, dict[str, tuple[int, Callable[[], nn.Module]]]]
    printed: dict[str, tuple[float, float]]


def _variants(
    build: Callable[..., nn.Module], widths: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
) -> dict[str, dict[str, tuple[int, Callable[[], nn.Module]]]]:
    """Both sizes of each variant: ``build`` gets the numbers, of which the first is the input's channels."""
    return {
        name: {size: (own[0], lambda own=own: build(*own)) for size, own in zip(SIZES, both, strict=True)}
        for name, both in widths.items()
    }


GUIDELINES = {
    "G1": Guideline(
        "equal widths",
        _variants(
            _there_and_back,
            {
                "1:1": ((32, 32), (128, 128)),
                "1:2": ((22, 44), (90, 180)),
                "1:6": ((13, 78), (52, 312)),
                "1:12": ((9, 108), (36, 432)),
            },
        ),
        {"1:1": (76.2, 1480), "1:2": (72.9, 1296), "1:6": (69.1, 876), "1:12": (57.6, 748)},
    ),
    "G2": Guideline(
        "few groups",
        _variants(
            lambda channels, groups: _conv(channels, channels, groups=groups),
            {
                "1 group": ((64, 1), (128, 1)),
                "2 groups": ((90, 2), (180, 2)),
                "4 groups": ((128, 4), (256, 4)),
                # The paper prints 180, which eight does not divide.
                "8 groups": ((184, 8), (360, 8)),
            },
        ),
        {"1 group": (40.0, 2451), "2 groups": (35.0, 1725), "4 groups": (32.9, 1026), "8 groups": (27.8, 634)},
    ),
    "G3": Guideline(
        "few pieces",
        _variants(_row, {"1 piece": ((64, 1), (128, 1)), "2 in a row": ((45, 2), (90, 2))})
        | _variants(_row, {"4 in a row": ((32, 4), (64, 4))})
        | _variants(_side_by_side, {"2 side by side": ((45, 2), (90, 2)), "4 side by side": ((32, 4), (64, 4))}),
        {
            "1 piece": (40.2, 2446),
            "2 in a row": (38.6, 1790),
            "4 in a row": (38.4, 752),
            "2 side by side": (33.4, 1537),
            "4 side by side": (35.0, 691),
        },
    ),
    "G4": Guideline(
        "few element-wise steps",
        _variants(
            _bottleneck,
            {
                "neither": ((32, False, False), (128, False, False)),
                "shortcut": ((32, False, True), (128, False, True)),
                "ReLU": ((32, True, False), (128, True, False)),
                "both": ((32, True, True), (128, True, True)),
            },
        ),
        {"neither": (66.3, 1782), "shortcut": (57.3, 1458), "ReLU": (61.9, 1735), "both": (56.7, 1436)},
    ),
}


def stacks(name: str, size: str = "small", blocks: int = 10) -> dict[str, tuple[nn.Module, tuple[int, int, int, int]]]:
    """The variants of a guideline, as `cnnlab.convolutions.measure_latency` takes them: the first keeps the rule.

    Args:
        name: "G1" to "G4".
        size: "small" or "large".
        blocks: how often a block is repeated; the paper's ten.

    Returns:
        name -> (stack, shape of its input).

    Raises:
        ValueError: an unknown guideline or size.
    """
    if name not in GUIDELINES:
        raise unknown_name("name", name, GUIDELINES)
    if size not in SIZES:
        raise unknown_name("size", size, SIZES)
    made = {}
    for variant, both in GUIDELINES[name].blocks.items():
        channels, build = both[size]
        made[variant] = (nn.Sequential(*(build() for _ in range(blocks))), (1, channels, SIDE, SIDE))
    return made
