"""Exercises of the chapter "RegNet"."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cnnlab.analysis import summarize
from cnnlab.exercises import as_whole, exercise, expect, judged
from cnnlab.meta import on_meta
from cnnlab.models.regnet import VARIANTS, RegNet, RegNetVariant, stages


@exercise(
    "regnet/luck", "The luck of the larger lot", cases=[(1000, 100), (100, 1000), (32, 32), (25, 500)], tolerance=1e-6
)
def luck(m: int, n: int) -> float:
    """Whoever trains ten times as many wins ten times in eleven, with no better idea than the other."""
    return m / (m + n)


luck.mistake("An even chance has only who draws as often.", lambda m, n: 0.5)
luck.mistake("That is the other lot's chance.", lambda m, n: n / (m + n))
luck.mistake("Those are the odds. A chance lies between 0 and 1.", lambda m, n: m / n)
luck.hints(
    "Throw both lots into one. How often is the best of all m + n one of the m?",
    "Each of the m + n is the best equally often.",
)
luck.wrong(lambda m, n: 0.9)

_ERRORS = [0.31, 0.22, 0.27, 0.22, 0.4]


@exercise(
    "regnet/edf", "A distribution of errors", cases=[(_ERRORS, 0.3), (_ERRORS, 0.22), (_ERRORS, 0.1), ([0.5], 0.6)]
)
def distribution(errors: list[float], e: float) -> float:
    """So it is 0 at the best network's own error, and 1 beyond the worst's."""
    return sum(error < e for error in errors) / len(errors)


distribution.mistake(
    "At e itself the paper does not count: less than e.", lambda errors, e: sum(x <= e for x in errors) / len(errors)
)
distribution.mistake("That is how many. Which share is it?", lambda errors, e: sum(x < e for x in errors))
distribution.mistake("Those are the networks above.", lambda errors, e: sum(x > e for x in errors) / len(errors))
distribution.hints(
    "Count the errors that are smaller than e, and divide.",
    "sum(error < e for error in errors) adds up Trues.",
)
distribution.wrong(lambda errors, e: 0.5)


def _quantized(
    depth: int, w_0: int, w_a: float, w_m: float, to: Callable[[float], int] = round, multiple: int = 8
) -> list[int]:
    powers = [to(math.log((w_0 + w_a * j) / w_0, w_m)) for j in range(depth)]
    return [multiple * round(w_0 * w_m**s / multiple) for s in powers]


_LINES = [(22, 24, 24.48, 2.54), (16, 56, 35.73, 2.28), (14, 56, 38.84, 2.4), (12, 48, 27.89, 2.09)]


@exercise("regnet/widths", "A line to widths", cases=_LINES)
def widths(depth: int, w_0: int, w_a: float, w_m: float) -> list[int]:
    """Five lines, and they are the whole of what thousands of trainings had to say about widths and depths."""
    return _quantized(depth, w_0, w_a, w_m)


widths.mistake(
    "That is the line itself. Blocks of nearly equal width have to become a stage.",
    lambda depth, w_0, w_a, w_m: [w_0 + w_a * j for j in range(depth)],
    lambda depth, w_0, w_a, w_m: [round(w_0 + w_a * j) for j in range(depth)],
    lambda depth, w_0, w_a, w_m: [8 * round((w_0 + w_a * j) / 8) for j in range(depth)],
)
widths.mistake(
    "You round the power down; take the nearest.",
    lambda depth, w_0, w_a, w_m: _quantized(depth, w_0, w_a, w_m, math.floor),
)
widths.mistake(
    "The powers are right. Widths are multiples of 8, the nearest.",
    lambda depth, w_0, w_a, w_m: _quantized(depth, w_0, w_a, w_m, multiple=1),
)
widths.mistake(
    "The logarithm is to the base w_m.",
    lambda depth, w_0, w_a, w_m: [
        8 * round(w_0 * w_m ** round(math.log((w_0 + w_a * j) / w_0)) / 8) for j in range(depth)
    ],
)
widths.hints(
    "For each j: the line u, then the s for which u = w_0 * w_m ** s, then s rounded.",
    "s = math.log(u / w_0, w_m); the width is 8 * round(w_0 * w_m ** round(s) / 8).",
)
widths.wrong(lambda depth, w_0, w_a, w_m: [8] * depth)


@exercise("regnet/activations", "What a block puts out", cases=[(64, 28, 1), (64, 28, 2), (320, 14, 2), (24, 112, 1)])
def activations(width: int, side: int, stride: int) -> int:
    """The first layer works before the stride, so a block that halves the map puts out most of its numbers there."""
    after = side // stride
    return width * side**2 + 2 * width * after**2 + (width * after**2 if stride > 1 else 0)


activations.mistake(
    "The first 1 x 1 stands before the stride and puts out the larger map.",
    lambda width, side, stride: width * (side // stride) ** 2 * (4 if stride > 1 else 3),
)
activations.mistake(
    "A block that halves the map has a convolution in its shortcut, too.",
    lambda width, side, stride: width * side**2 + 2 * width * (side // stride) ** 2,
)
activations.mistake(
    "Without a stride the shortcut here has no convolution.",
    lambda width, side, stride: width * side**2 + 3 * width * (side // stride) ** 2,
)
activations.hints(
    "Three convolutions, and a fourth in the shortcut where the stride is 2. Which map does each put out?",
    "width * side**2 for the first, then width * (side // stride)**2 for each of the others.",
)
activations.wrong(lambda width, side, stride: width)


def _number(value: Any) -> float | None:
    try:
        return round(float(value), 4)  # four decimals, since 32 bits do not hold 24.48
    except (TypeError, ValueError):
        return None


PAPERS = replace(VARIANTS["regnet_x_400mf"], paper_rounding=True)


@judged("regnet/own", "A network of your own")
def own(answer: dict[str, Any]) -> None:
    """Nobody may have trained this one, and it is probably not bad: that is what a good space is for."""
    names = ("depth", "w_0", "w_a", "w_m", "group_width")
    expect(isinstance(answer, dict) and set(answer) == set(names), f"Give a dictionary with {', '.join(names)}.")
    depth, w_0, group_width = (as_whole(answer[name]) for name in ("depth", "w_0", "group_width"))
    expect(None not in (depth, w_0, group_width), "depth, w_0 and group_width are whole numbers.")
    w_a, w_m = (_number(answer[name]) for name in ("w_a", "w_m"))
    expect(None not in (w_a, w_m), "w_a and w_m are numbers, such as 24.48.")
    expect(4 <= depth <= 40, "Give it from 4 to 40 blocks.")
    expect(0 < w_0 <= 256 and w_0 % 8 == 0, "The line begins at a multiple of 8, up to 256.")
    expect(0 < w_a <= 256, "The line rises, by at most 256 a block.")
    expect(1.5 <= w_m <= 3, "Let w_m be from 1.5 to 3.")
    expect(1 <= group_width <= 32, "Let groups have from 1 to 32 channels.")
    variant = RegNetVariant(depth, w_0, w_a, w_m, group_width, paper_rounding=True)
    expect(variant != PAPERS, "That is RegNetX-400MF itself. Change something, and stay in the window.")
    rows = stages(variant)
    expect(len(rows) == 4, f"Your line makes {len(rows)} stages; four are wanted. A larger w_m makes fewer.")
    with on_meta():
        macs = summarize(RegNet(variant), (3, 224, 224)).macs / 1e6
    expect(360 <= macs <= 400, f"It takes {macs:,.0f} million multiply-accumulates; the window is 360 to 400.")


own.hints(
    "Begin with RegNetX-400MF's five numbers: 22, 24, 24.48, 2.54 and 16, and watch the count.",
    "Each of w_0, w_a and depth raises the count; move one at a time.",
)


def given(**changes: Any) -> dict[str, Any]:
    return {"depth": 22, "w_0": 24, "w_a": 24.0, "w_m": 2.5, "group_width": 16} | changes


own.wrong([22, 24], "Give a dictionary")
own.wrong(given(depth="many"), "whole numbers")
own.wrong(given(w_a="steep"), "are numbers")
own.wrong(given(depth=60), "from 4 to 40 blocks")
own.wrong(given(w_0=20), "multiple of 8")
own.wrong(given(w_a=0), "The line rises")
own.wrong(given(w_m=5.0), "from 1.5 to 3")
own.wrong(given(group_width=64), "from 1 to 32 channels")
own.wrong(given(w_m=1.5), "four are wanted")
own.wrong(given(w_0=64, w_a=60.0, depth=18), "the window is 360 to 400")
own.wrong(given(w_a=24.48, w_m=2.54), "RegNetX-400MF itself")
own.right(given(depth=20, w_a=26.0), given(depth=21, w_a=24.48, w_m=2.54))
