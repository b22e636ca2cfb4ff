"""Exercises of the chapter "ZFNet"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import exercise
from cnnlab.exercises.examples import counted

ALEXNET = 55 * 55 * 96 * 11 * 11 * 3
ZFNET = 110 * 110 * 96 * 7 * 7 * 3


@exercise("zfnet/first-layer", "The smaller kernel's bill")
def first_layer() -> dict[str, int]:
    """Fewer than half the weights, and 1.6 times the work: the stride decides in how many places they stand."""
    return {"AlexNet": ALEXNET, "ZFNet": ZFNET}


first_layer.mistake(
    "Those are weights: each is used once at every place of the output.",
    {"AlexNet": 96 * 11 * 11 * 3, "ZFNet": 96 * 7 * 7 * 3},
)
first_layer.mistake(
    "A kernel reaches through all three colors.", {"AlexNet": 55 * 55 * 96 * 11 * 11, "ZFNet": 110 * 110 * 96 * 7 * 7}
)
first_layer.mistake(
    "That is one filter's bill. There are 96.", {"AlexNet": 55 * 55 * 11 * 11 * 3, "ZFNet": 110 * 110 * 7 * 7 * 3}
)
first_layer.mistake(
    "Half the stride makes twice as many rows, and twice as many columns too.", {"ZFNet": 55 * 110 * 96 * 7 * 7 * 3}
)
first_layer.mistake("ZFNet's first map is 110 x 110: half the stride.", {"ZFNet": 55 * 55 * 96 * 7 * 7 * 3})
first_layer.hints(
    "At each place of its map, a filter multiplies every weight that it has once.",
    "Rows x columns x 96 filters x kernel height x kernel width x 3 colors.",
)
first_layer.wrong({"AlexNet": 1, "ZFNet": 2})


@exercise("zfnet/rules", "Three ways down")
def rules() -> dict[str, list[int]]:
    """The deconvnet never asks whether the unit was on: what was silent on the way up may speak on the way down."""
    return {"gradient": [1, 0, -3, 0], "deconvolution": [1, 2, 0, 0], "guided": [1, 0, 0, 0]}


rules.mistake(
    "You have the first two the wrong way round: the gradient asks about x, which went up, the deconvnet about s.",
    {"gradient": [1, 2, 0, 0], "deconvolution": [1, 0, -3, 0], "guided": [1, 0, 0, 0]},
)
rules.mistake("Guided asks both: s passes where x > 0 and s > 0.", {"guided": [1, 2, -3, 0]})
rules.mistake("A gradient may be negative: where x > 0, all of s passes.", {"gradient": [1, 0, 0, 0]})
rules.mistake("What comes down is s. You let x through.", {"gradient": [2, 0, 3, 0]})
rules.hints(
    "Go entry by entry: is x above 0? Is s? Each rule asks one of the two questions, or both.",
    "Third entry: x = 3 and s = -3. The gradient passes -3; the other two make it 0.",
)
rules.wrong({"gradient": [0, 0, 0, 0]})


def pooled(maps: Tensor, size: int, stride: int) -> tuple[Tensor, Tensor, int]:
    """What a max pool says, its switches, and the side of what it read."""
    return *F.max_pool2d(maps, size, stride, return_indices=True), maps.shape[-1]


PEAK = torch.zeros(1, 1, 5, 5)
PEAK[0, 0, 2, 2], PEAK[0, 0, 0, 4], PEAK[0, 0, 4, 0] = 9.0, 4.0, 3.0


@exercise(
    "zfnet/unpool",
    "Put it back",
    cases=[
        pooled(counted(1, 2, 4, 4) * 37 % 53, 2, 2),
        pooled(counted(2, 1, 6, 6) * 41 % 97, 3, 3),
        pooled(PEAK, 3, 2),  # windows that overlap, and all four have the middle as their largest
    ],
)
def unpool(values: Tensor, where: Tensor, side: int) -> Tensor:
    """With its switches fixed a max pool is linear, and this is its transpose: what backpropagation does as well."""
    flat = torch.zeros(*values.shape[:2], side * side)
    return flat.scatter_add(2, where.flatten(2), values.flatten(2)).view(*values.shape[:2], side, side)


unpool.mistake(
    "Where windows overlap, two of them may name the same place. What both send down adds up; yours overwrites.",
    lambda values, where, side: (
        torch.zeros(*values.shape[:2], side * side)
        .scatter(2, where.flatten(2), values.flatten(2))
        .view(*values.shape[:2], side, side)
    ),
)
unpool.mistake(
    "You spread each number over its window. The switch names one pixel.",
    lambda values, where, side: F.interpolate(values, size=(side, side)),
)
unpool.hints(
    "`where` counts the pixels of a map row by row: row r, column c is r * side + c.",
    "Start from zeros of shape (N, C, side * side); scatter_add(2, ...) adds numbers at places; then view as squares.",
)
unpool.wrong(lambda values, where, side: torch.zeros(*values.shape[:2], side, side))


@unpool.right
def one_by_one(values: Tensor, where: Tensor, side: int) -> Tensor:
    out = torch.zeros(*values.shape[:2], side, side)
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            for value, place in zip(values[n, c].flatten(), where[n, c].flatten().tolist(), strict=True):
                out[n, c, place // side, place % side] += value
    return out


def stamped(drop: Tensor, size: int, stride: int, side: int) -> Tensor:
    """The sum of the squares' drops at every pixel."""
    out = torch.zeros(side, side)
    for row in range(drop.shape[0]):
        for column in range(drop.shape[1]):
            out[row * stride : row * stride + size, column * stride : column * stride + size] += drop[row, column]
    return out


@exercise(
    "zfnet/per-pixel",
    "From squares to pixels",
    cases=[(counted(3, 3), 4, 2, 8), (counted(2, 2), 3, 3, 7), (counted(4, 4), 2, 1, 5)],
)
def per_pixel(drop: Tensor, size: int, stride: int, side: int) -> Tensor:
    """A smoother picture, and no finer: what a square of 64 pixels costs says little about any one of them."""
    return stamped(drop, size, stride, side) / stamped(torch.ones_like(drop), size, stride, side).clamp_min(1)


per_pixel.mistake("That is the sum. Pixels in the middle lie under more squares: divide by how many.", stamped)
per_pixel.mistake(
    "No square reaches the last rows here, and you divide by zero. Such a pixel gets 0.",
    lambda drop, size, stride, side: (
        stamped(drop, size, stride, side) / stamped(torch.ones_like(drop), size, stride, side)
    ),
)
per_pixel.mistake(
    "You divide every pixel by the same number. How many squares cover the corner, and how many the middle?",
    lambda drop, size, stride, side: stamped(drop, size, stride, side) / (-(-size // stride)) ** 2,
)
per_pixel.hints(
    "Two sums for each pixel: of the drops of the squares that cover it, and of how many they are.",
    "The square of row r, column c covers [r*stride : r*stride + size, c*stride : c*stride + size].",
)
per_pixel.wrong(lambda drop, size, stride, side: torch.zeros(side, side))


@per_pixel.right
def by_a_transposed_convolution(drop: Tensor, size: int, stride: int, side: int) -> Tensor:
    both = torch.stack([drop, torch.ones_like(drop)])[:, None]
    spread = F.conv_transpose2d(both, torch.ones(1, 1, size, size), stride=stride)[:, 0]
    rest = side - spread.shape[-1]
    total, covered = F.pad(spread, (0, rest, 0, rest))
    return total / covered.clamp_min(1)


def turned(turns: float, stride: int) -> float:
    """Turns of the wave from one sample to the next, without whole ones: from -1/2 to 1/2."""
    return turns * stride - round(turns * stride)


@exercise(
    "zfnet/alias",
    "The wave that was never there",
    cases=[(0.05, 4), (0.2, 4), (0.3, 4), (0.25, 4), (0.4, 2), (0.1, 2), (0.45, 3)],
)
def alias(turns: float, stride: int) -> float:
    """Above 1 / (2 stride) turns per pixel, fine stripes come out as coarse ones, and nothing later can tell."""
    return abs(turned(turns, stride)) / stride


alias.mistake(
    "That is in turns per sample. From one sample to the next it is `stride` pixels.",
    lambda turns, stride: abs(turned(turns, stride)),
)
alias.mistake(
    "Whole turns are gone, but 0.8 of a turn forward looks like 0.2 backward: the slower of the two is seen.",
    lambda turns, stride: (turns * stride % 1) / stride,
)
alias.mistake(
    "A wave that is too fast is not slowed down to the limit. It comes back as a slower one.",
    lambda turns, stride: min(turns, 1 / (2 * stride)),
)
alias.mistake(
    "Forward or backward looks the same: give the size, without a sign.",
    lambda turns, stride: turned(turns, stride) / stride,
)
alias.hints(
    "How many turns from one sample to the next? What of them can be seen?",
    "Take turns * stride, subtract the nearest whole number, and divide what is left by the stride.",
)
alias.wrong(lambda turns, stride: turns / stride)


@alias.right
def by_cases(turns: float, stride: int) -> float:
    part = turns * stride % 1
    return min(part, 1 - part) / stride
