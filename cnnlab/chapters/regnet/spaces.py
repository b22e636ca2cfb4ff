"""Four spaces of small networks, how to draw from them, and what a drawn population says."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import ConvNormAct, he_normal_
from cnnlab.models.regnet import RegNetVariant, quantized_widths

__all__ = ["SPACES", "Design", "Cost", "whole_groups", "AnyBlock", "AnyNet", "cost", "sample", "edf", "bands", "best"]

STEM = 16  # channels of the stem; the paper's networks for 224 pixels have 32
RATIOS = (1, 2, 4)
GROUP_WIDTHS = (1, 2, 4, 8, 16, 32)
DEEPEST = 8  # blocks of a stage
WIDEST = 256


@dataclass(frozen=True)
class Design:
    """A network of four stages, by four numbers for each.

    Attributes:
        depths: d_i, blocks.
        widths: w_i, channels that come out of a block.
        ratios: b_i, the bottleneck ratio: a block's 3x3 has w_i / b_i channels.
        group_widths: g_i, channels of each group of the 3x3.
    """

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    ratios: tuple[int, ...]
    group_widths: tuple[int, ...]

    def __post_init__(self) -> None:
        for width, ratio, group in zip(self.widths, self.ratios, self.group_widths, strict=True):
            if width % ratio or (width // ratio) % group:
                raise ValueError(
                    f"width {width} is not made of whole groups of {group} with ratio {ratio}: "
                    f"give {whole_groups(width, ratio, group)[0]}, as whole_groups says."
                )


@dataclass(frozen=True)
class Cost:
    """Of one picture: numbers that are learned, multiply-accumulates, and numbers that the convolutions put out."""

    params: int
    macs: int
    activations: int


def whole_groups(width: int, ratio: int, group: int) -> tuple[int, int]:
    """The nearest width whose 3x3 has whole groups, and the group's width, which may not be above the 3x3's.

    With ratio 1 as the paper rounds, which is `cnnlab.models.regnet.stages` of a variant with ``paper_rounding``.

    >>> whole_groups(56, 1, 16)  # a half goes to the even side
    (64, 16)
    >>> whole_groups(24, 4, 16)
    (24, 6)
    """
    inside = max(1, width // ratio)
    group = min(group, inside)
    return ratio * group * max(1, round(inside / group)), group


# --- the network ----------------------------------------------------------------------------------------------------


class AnyBlock(nn.Module):
    """1x1 to w / b channels, 3x3 in groups of g channels, 1x1 to w, and a shortcut.

    Shape: (N, C, H, W) -> (N, w, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, before: int, width: int, ratio: int, group: int, stride: int) -> None:
        super().__init__()
        inside = width // ratio
        changes = stride != 1 or before != width
        shortcut = ConvNormAct(before, width, kernel=1, stride=stride, activation=None) if changes else None
        self.shortcut = shortcut or nn.Identity()
        self.conv1 = ConvNormAct(before, inside, kernel=1)
        self.conv2 = ConvNormAct(inside, inside, kernel=3, stride=stride, groups=inside // group)
        self.conv3 = ConvNormAct(inside, width, kernel=1, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x)))
        return F.relu(y + self.shortcut(x))


class AnyNet(nn.Module):
    """A stem of stride 2, four stages, an average and a dense layer, for small pictures: stage 1 keeps their size.

    Of 32 pixels the stages see 16, 8, 4 and 2. A design with ratios of 1 and one group width is a RegNetX.

    Shape: (N, in_channels, H, W) -> (N, num_classes).
    """

    def __init__(self, design: Design, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = ConvNormAct(in_channels, STEM, stride=2)
        self.stages = nn.Sequential()
        before = STEM
        rows = zip(design.depths, design.widths, design.ratios, design.group_widths, strict=True)
        for number, (blocks, width, ratio, group) in enumerate(rows):
            stage = nn.Sequential()
            for i in range(blocks):
                stage.append(AnyBlock(before, width, ratio, group, stride=2 if number and not i else 1))
                before = width
            self.stages.append(stage)
        self.fc = nn.Linear(before, num_classes)
        he_normal_(self)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.stages(self.stem(x)).mean(dim=(2, 3)))


def cost(design: Design, shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10) -> Cost:
    """What an `AnyNet` weighs, computed without building it, so that thousands can be drawn and thrown away.

    The dense layer counts in parameters and MACs, and batch norms in parameters only, as `cnnlab.summarize` counts.
    """
    channels, side, _ = shape
    params = macs = activations = 0

    def conv(before: int, after: int, kernel: int, side: int, groups: int = 1) -> None:
        nonlocal params, macs, activations
        weights = before * after * kernel**2 // groups
        params += weights + 2 * after
        macs += weights * side**2
        activations += after * side**2

    side = -(-side // 2)
    conv(channels, STEM, 3, side)
    before = STEM
    rows = zip(design.depths, design.widths, design.ratios, design.group_widths, strict=True)
    for number, (blocks, width, ratio, group) in enumerate(rows):
        inside = width // ratio
        for i in range(blocks):
            halves = number > 0 and i == 0
            after = -(-side // 2) if halves else side
            if halves or before != width:
                conv(before, width, 1, after)
            conv(before, inside, 1, side)
            conv(inside, inside, 3, after, inside // group)
            conv(inside, width, 1, after)
            before, side = width, after
    dense = before * num_classes
    return Cost(params + dense + num_classes, macs + dense, activations)


# --- the spaces -----------------------------------------------------------------------------------------------------


def _log_uniform(random_: random.Random, low: float, high: float) -> float:
    return math.exp(random_.uniform(math.log(low), math.log(high)))


def _depths(random_: random.Random) -> list[int]:
    return [int(_log_uniform(random_, 1, DEEPEST + 1)) for _ in range(4)]


def _widths(random_: random.Random) -> list[int]:
    return [8 * max(1, round(_log_uniform(random_, 8, WIDEST) / 8)) for _ in range(4)]


def _made(depths: Sequence[int], widths: Sequence[int], ratios: Sequence[int], groups: Sequence[int]) -> Design:
    rows = [whole_groups(*row) for row in zip(widths, ratios, groups, strict=True)]
    return Design(tuple(depths), tuple(width for width, _ in rows), tuple(ratios), tuple(group for _, group in rows))


def _free(random_: random.Random) -> Design:
    ratios = [random_.choice(RATIOS) for _ in range(4)]
    groups = [random_.choice(GROUP_WIDTHS) for _ in range(4)]
    return _made(_depths(random_), _widths(random_), ratios, groups)


def _shared(random_: random.Random, order: Callable[[list[int]], list[int]] = list) -> Design:
    ratio, group = random_.choice(RATIOS), random_.choice(GROUP_WIDTHS)
    return _made(order(_depths(random_)), order(_widths(random_)), [ratio] * 4, [group] * 4)


def _rising(random_: random.Random) -> Design:
    return _shared(random_, sorted)


def _linear(random_: random.Random) -> Design | None:
    ratio, group = random_.choice(RATIOS), random_.choice(GROUP_WIDTHS)
    variant = RegNetVariant(
        depth=int(_log_uniform(random_, 4, 4 * DEEPEST + 1)),
        w_0=8 * max(1, round(_log_uniform(random_, 8, WIDEST) / 8)),
        w_a=_log_uniform(random_, 4, WIDEST),
        w_m=random_.uniform(1.5, 3),
        group_width=group,
    )
    rows = [(width, len(list(blocks))) for width, blocks in groupby(quantized_widths(variant))]
    if len(rows) != 4 or rows[-1][0] > WIDEST or max(blocks for _, blocks in rows) > DEEPEST:
        return None
    return _made([blocks for _, blocks in rows], [width for width, _ in rows], [ratio] * 4, [group] * 4)


# Name -> how a network is drawn, None for one that is to be drawn again. The letters are the paper's.
_DRAW: dict[str, Callable[[random.Random], Design | None]] = {
    "A": _free,
    "C": _shared,
    "E": _rising,
    "RegNet": _linear,
}
SPACES = {
    "A": "every stage has its own depth, width, bottleneck ratio and group width",
    "C": "one ratio and one group width for all stages",
    "E": "as C, and neither widths nor depths fall from stage to stage",
    "RegNet": "as C, and widths and depths come from one quantized line",
}


def sample(space: str, seed: str, low: int, high: int, shape: tuple[int, int, int] = (3, 32, 32)) -> Design:
    """Draw a network whose multiply-accumulates lie in a window, as often as it takes.

    Depths and widths are log-uniform as in section 3.2 of Radosavovic et al. (2020), ratios of (1, 2, 4) and group
    widths of the powers of two up to 32 equally likely.

    Args:
        space: a key of `SPACES`.
        seed: text; the same gives the same network on every machine.
        low, high: MACs of one picture.
        shape: of the picture, (C, H, W).

    Raises:
        ValueError: an unknown space, or 100,000 draws without one in the window.
    """
    if space not in _DRAW:
        raise unknown_name("space", space, SPACES)
    random_ = random.Random(seed)
    for _ in range(100_000):
        design = _DRAW[space](random_)
        if design is not None and low <= cost(design, shape).macs <= high:
            return design
    raise ValueError(
        f"low={low:,} and high={high:,} leave nothing of space {space!r} in 100,000 draws: widen the window."
    )


# --- what a population says -----------------------------------------------------------------------------------------


def edf(errors: Sequence[float], at: Sequence[float]) -> list[float]:
    """The error distribution function: the share of networks whose error is below e, for each e of ``at``."""
    return [sum(error < e for error in errors) / len(errors) for e in at]


def bands(
    errors: Sequence[float], at: Sequence[float], draws: int = 1000, seed: int = 0
) -> tuple[list[float], list[float]]:
    """Where 95 % of the distribution functions lie of populations drawn again, with repeats, from this one."""
    random_ = random.Random(seed)
    again = [edf(random_.choices(errors, k=len(errors)), at) for _ in range(draws)]
    columns = [sorted(column) for column in zip(*again, strict=True)]
    return [column[int(0.025 * draws)] for column in columns], [column[int(0.975 * draws) - 1] for column in columns]


def best(
    values: Sequence[float], errors: Sequence[float], draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Between which values the best network is to be expected: low end, median and high end of a 95 % range.

    The empirical bootstrap of section 3.1: a quarter of the population is drawn with repeats, the value of its best
    network is noted, and so on.
    """
    random_ = random.Random(seed)
    pairs = list(zip(errors, values, strict=True))
    size = max(1, round(len(pairs) / 4))
    winners = sorted(min(random_.choices(pairs, k=size))[1] for _ in range(draws))
    return winners[int(0.025 * draws)], winners[draws // 2], winners[int(0.975 * draws) - 1]
