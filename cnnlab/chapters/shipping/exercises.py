"""Exercises of the chapter "Shipping a model"."""

from __future__ import annotations

import math

from torch import Tensor

from cnnlab.exercises import exercise
from cnnlab.exercises.examples import normals


def _high(bits: int) -> int:
    return 2 ** (bits - 1) - 1


@exercise(
    "shipping/round-trip",
    "There and back",
    cases=[(normals(1, (4, 3))[0], 8), (normals(2, (2, 2, 3))[0] * 5, 4), (normals(3, (7,))[0] / 50, 3)],
    untouched=True,
)
def round_trip(w: Tensor, bits: int) -> Tensor:
    """What comes back is off by half a step at most, and the step is set by the largest weight alone."""
    scale = w.abs().max() / _high(bits)
    return (w / scale).round() * scale


round_trip.mistake(
    "Those are the whole numbers. Multiply them by the scale again.",
    lambda w, bits: (w / (w.abs().max() / _high(bits))).round(),
)
round_trip.mistake(
    "The largest weight must become 2^(bits - 1) - 1, which leaves one bit for the sign; you used all bits.",
    lambda w, bits: (w / (w.abs().max() / (2**bits - 1))).round() * (w.abs().max() / (2**bits - 1)),
)
round_trip.mistake(
    "You take the largest weight with its sign; a negative one may be larger in size.",
    lambda w, bits: (w / (w.max() / _high(bits))).round() * (w.max() / _high(bits)),
)
round_trip.mistake(
    "You cut off what stands behind the point; round to the nearest.",
    lambda w, bits: (w / (w.abs().max() / _high(bits))).trunc() * (w.abs().max() / _high(bits)),
)
round_trip.hints(
    "The step is the largest |w| divided by 2 ** (bits - 1) - 1. Divide by it, round, multiply by it.",
    "scale = w.abs().max() / (2 ** (bits - 1) - 1); then (w / scale).round() * scale.",
)
round_trip.wrong(lambda w, bits: w)


@exercise(
    "shipping/levels",
    "What a quiet channel has left",
    cases=[(1.0, 1.0, 8), (0.1, 1.0, 8), (0.02, 2.0, 8), (0.3, 1.5, 4)],
)
def levels(channel: float, layer: float, bits: int) -> int:
    """With one scale for the layer a channel a hundred times as quiet has three values left: minus one step, 0, one."""
    return 2 * math.floor(channel / layer * _high(bits) + 0.5) + 1


levels.mistake(
    "You counted the positive ones. There are as many negative ones, and zero.",
    lambda channel, layer, bits: math.floor(channel / layer * _high(bits) + 0.5),
)
levels.mistake(
    "Zero is a value, too.", lambda channel, layer, bits: 2 * math.floor(channel / layer * _high(bits) + 0.5)
)
levels.mistake(
    "The largest weight of the channel is rounded to the nearest step, not down to the one below.",
    lambda channel, layer, bits: 2 * math.floor(channel / layer * _high(bits)) + 1,
)
levels.mistake(
    "That is what it has with a scale of its own. Here the layer has one.",
    lambda channel, layer, bits: 2 * _high(bits) + 1,
)
levels.hints(
    "How many steps is the channel's largest weight away from zero, when the layer's largest is 2^(bits - 1) - 1 away?",
    "m = floor(channel / layer * (2 ** (bits - 1) - 1) + 0.5); from -m to m there are 2 m + 1 whole numbers.",
)
levels.wrong(lambda channel, layer, bits: 17)


@exercise(
    "shipping/zero-point",
    "Where zero goes",
    cases=[(0.0, 6.0), (-1.0, 4.1), (-3.0, 3.0), (1.0, 6.1), (-2.04, 0.51)],
    tolerance=1e-6,
)
def zero_point(low: float, high: float) -> tuple[float, int]:
    """Zero is hit exactly, which it must be: the borders of every padded map are zeros."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, round(-low / scale)


def _scaled(low: float, high: float, steps: int) -> tuple[float, int]:
    scale = (high - low) / steps
    return scale, round(-low / scale)


zero_point.mistake(
    "Zero lies outside your range where all numbers are above 1. Widen the range to hold it first.",
    lambda low, high: _scaled(low, high, 255),
)
zero_point.mistake(
    "From 0 to 255 there are 255 steps, not 256.",
    lambda low, high: _scaled(min(low, 0.0), max(high, 0.0), 256),
)
zero_point.mistake(
    "The range is symmetric in yours; that wastes half of it on numbers that a ReLU never gives.",
    lambda low, high: (2 * max(-low, high) / 255, 128),
)
zero_point.hints(
    "Let low be 0 at most and high 0 at least. The scale is their distance in 255 steps; zero is -low / scale up.",
    "low, high = min(low, 0), max(high, 0); scale = (high - low) / 255; return scale, round(-low / scale).",
)
zero_point.wrong(lambda low, high: (1.0, 0))


@exercise(
    "shipping/batch",
    "How many at once?",
    cases=[(4.0, 1.0, 20.0), (10.0, 2.5, 30.0), (3.0, 5.0, 7.0), (0.0, 2.0, 9.0)],
)
def batch(fixed: float, each: float, deadline: float) -> int:
    """A larger batch answers more pictures in a second and each of them later: the deadline decides."""
    return max(0, math.floor((deadline - fixed) / each))


batch.mistake(
    "The fixed part is paid once for each batch: take it off first.",
    lambda fixed, each, deadline: math.floor(deadline / each),
)
batch.mistake(
    "Where not even one picture is in time, the answer is 0.",
    lambda fixed, each, deadline: math.floor((deadline - fixed) / each) or 1,
)
batch.mistake(
    "You rounded up, and are late.", lambda fixed, each, deadline: max(0, math.ceil((deadline - fixed) / each))
)
batch.mistake(
    "You pay the fixed part for every picture.", lambda fixed, each, deadline: math.floor(deadline / (fixed + each))
)
batch.hints(
    "n pictures take fixed + n * each. For which n is that no more than the deadline?",
    "math.floor((deadline - fixed) / each), and no less than 0.",
)
batch.wrong(lambda fixed, each, deadline: 1)
