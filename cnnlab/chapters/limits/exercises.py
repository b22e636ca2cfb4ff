"""Exercises of the chapter "The limits of CNNs"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import exercise
from cnnlab.exercises.examples import normals


def _cases() -> list[tuple[Tensor, Tensor, float]]:
    found = []
    for seed, step in ((1, 1.0), (2, 4.0)):
        pixels, slope = normals(seed, (2, 3, 4, 4), (2, 3, 4, 4))
        found.append(((128 + 120 * pixels).clamp(0, 255), slope, step))
    return found


@exercise("limits/step", "A step up the loss", cases=_cases(), untouched=True)
def step(pixels: Tensor, slope: Tensor, size: float) -> Tensor:
    """No number moves by more than the step, and all of them move the way that hurts: that is what adds up."""
    return (pixels + size * slope.sign()).clamp(0, 255)


step.mistake("That goes down the loss, and helps the network.", lambda p, s, size: (p - size * s.sign()).clamp(0, 255))
step.mistake("That adds the slope itself. Its sign is enough.", lambda p, s, size: (p + size * s).clamp(0, 255))
step.mistake("Some numbers have left 0 to 255, which no picture holds.", lambda p, s, size: p + size * s.sign())
step.mistake("That is what is added. Add it.", lambda p, s, size: size * s.sign())
step.hints(
    "Each number of the picture moves by size, up where the slope is positive.",
    "(pixels + size * slope.sign()).clamp(0, 255).",
)
step.wrong(lambda p, s, size: p)


@exercise(
    "limits/reach",
    "How deep to see both",
    cases=[(12, 4, 4, 2), (22, 4, 4, 2), (30, 4, 4, 2), (26, 4, 3, 1), (2, 2, 4, 2)],
)
def reach(gap: int, mark: int, kernel: int, stride: int) -> int:
    """At stride 2 each 3 x 3 layer adds four pixels: seven of them cross 32 pixels, and 55 a photograph."""
    need = gap + mark - kernel
    return max(0, -(-need // (2 * stride)))


reach.mistake(
    "The stem's own field counts: it sees a few pixels before the first 3 x 3 layer.",
    lambda gap, mark, kernel, stride: -(-(gap + mark) // (2 * stride)),
)
reach.mistake(
    "The far mark must be seen whole: from the left edge of one to the right edge of the other it is gap + mark.",
    lambda gap, mark, kernel, stride: max(0, -(-(gap - kernel) // (2 * stride))),
)
reach.mistake(
    "A step of the map after the stem is as many pixels as its stride.",
    lambda gap, mark, kernel, stride: max(0, -(-(gap + mark - kernel) // 2)),
)
reach.mistake(
    "You rounded down; a part of a layer does not exist.",
    lambda gap, mark, kernel, stride: max(0, (gap + mark - kernel) // (2 * stride)),
)
reach.hints(
    "After the stem the field is kernel pixels; each 3 x 3 layer adds 2 * stride. It must hold gap + mark.",
    "math.ceil((gap + mark - kernel) / (2 * stride)), and no less than 0.",
)
reach.wrong(lambda gap, mark, kernel, stride: 100)


@exercise("limits/additive", "The best that adding can do")
def additive() -> float:
    """Three of the four pairs: whatever the sums, the two alike add up to the same as the two that differ."""
    return 0.75


additive.mistake("Guessing gives that. Can a sum be right about more than two of the four?", 0.5)
additive.mistake(
    "The two pairs that are alike and the two that differ have the same sum: not all four can be right.", 1.0
)
additive.mistake("That is the number of pairs. As a share of four?", 3.0)
additive.hints(
    "Call the four sums a + c, a + d, b + c and b + d. What do the first and the last add up to, and the others?",
    "All four cannot be right. With a = c = 0 and b = d = 1, and a threshold of 0.5, three are.",
)
additive.wrong(0.25)


def _rows() -> list[tuple[Tensor]]:
    return [(row,) for row in normals(4, (9,), (8,))] + [(torch.tensor([0.0, 1, 0, 1, 0, 1, 0, 1]),)]


def _blurred(x: Tensor, weights: tuple[float, ...] = (1, 2, 1), step: int = 2, total: float | None = None) -> Tensor:
    kernel = x.new_tensor(weights) / (total or sum(weights))
    return F.conv1d(F.pad(x[None, None], (1, 1), mode="reflect"), kernel[None, None], stride=step)[0, 0]


@exercise("limits/blur-pool", "Blur, then skip", cases=_rows(), untouched=True)
def blur_pool(x: Tensor) -> Tensor:
    """A row of 0, 1, 0, 1 becomes a half everywhere, wherever it begins; skipping alone leaves zeros, or ones."""
    return _blurred(x)


blur_pool.mistake("You skip and do not blur.", lambda x: x[::2])
blur_pool.mistake("You blur and do not skip: take every second number.", lambda x: _blurred(x, step=1))
blur_pool.mistake("Your weights add up to 4; divide by it.", lambda x: _blurred(x, total=1))
blur_pool.mistake("Your three weights are equal; the middle one counts twice.", lambda x: _blurred(x, (1, 1, 1)))
blur_pool.mistake(
    "Beyond the ends you have zeros; mirror the row there (the number next to the last, not the last itself).",
    lambda x: F.conv1d(x[None, None], x.new_tensor([1, 2, 1])[None, None] / 4, stride=2, padding=1)[0, 0],
)
blur_pool.hints(
    "Pad the row by one on each side, mirrored; then (left + 2 * middle + right) / 4 at every second place.",
    "p = F.pad(x[None], (1, 1), mode='reflect')[0]; then (p[:-2] + 2 * p[1:-1] + p[2:])[::2] / 4.",
)
blur_pool.wrong(lambda x: x[::2] * 0)
