"""Exercises of the chapter "Pose"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged

FLAT = 1 / 6 * (2**0.5 + math.log(1 + 2**0.5))


@exercise("pose/cell", "The middle of a cell", cases=[(4,), (1,), (8,), (16,)])
def cell(stride: int) -> float:
    """The corner of the cell is farthest; the mean over the cell is some half of that, 0.38 strides."""
    return stride / 2**0.5


cell.mistake("That is the worst along one axis. A corner is that far off along both.", lambda stride: stride / 2)
cell.mistake("The middle of a cell is half a cell from its border, not a whole one.", lambda stride: stride * 2**0.5)
cell.mistake("That is the mean over the cell. The worst is asked for.", lambda stride: FLAT * stride)
cell.hints(
    "Where in a square is the point that is farthest from its middle?",
    "Half a side across and half a side down: what does Pythagoras say?",
)
cell.wrong(lambda stride: stride)
cell.right(lambda stride: math.hypot(stride / 2, stride / 2))

BODY = torch.tensor([[10.0, 5.0], [14.0, 9.0], [6.0, 9.5], [12.0, 20.0], [8.0, 21.0]])


def _exchanged(points: Tensor, pairs: Sequence[tuple[int, int]]) -> Tensor:
    order = list(range(len(points)))
    for one, other in pairs:
        order[one], order[other] = other, one
    return points[order]


@exercise(
    "pose/mirror",
    "A body in the mirror",
    cases=[(BODY, 24, ((1, 2), (3, 4))), (BODY[:3], 24, ((1, 2),)), (BODY, 30, ()), (BODY[[0, 2, 1]], 17, ((0, 2),))],
    untouched=True,
)
def mirror(points: Tensor, width: int, pairs: Sequence[tuple[int, int]]) -> Tensor:
    """Both steps: where the points are now, and what they are called now."""
    return _exchanged(torch.stack([width - points[:, 0], points[:, 1]], 1), pairs)


mirror.mistake(
    "The points have moved and kept their names: what was a left hand is the picture of a right one now.",
    lambda points, width, pairs: torch.stack([width - points[:, 0], points[:, 1]], 1),
)
mirror.mistake(
    "The first pixel's middle is at 0.5 here, so that x becomes width - x; with width - 1 - x all is a pixel off.",
    lambda points, width, pairs: _exchanged(torch.stack([width - 1 - points[:, 0], points[:, 1]], 1), pairs),
)
mirror.mistake(
    "The names are exchanged, and the points are where they were.",
    lambda points, width, pairs: _exchanged(points, pairs),
)
mirror.mistake(
    "That mirrors up and down.",
    lambda points, width, pairs: _exchanged(torch.stack([points[:, 0], width - points[:, 1]], 1), pairs),
)
mirror.hints(
    "Two things happen: x becomes width - x, and the rows of each pair change places.",
    "Make a list of the row numbers, exchange two of them for each pair, and index the moved points with it.",
)
mirror.wrong(lambda points, width, pairs: points.flip(0))


@mirror.right
def row_by_row(points: Tensor, width: int, pairs: Sequence[tuple[int, int]]) -> Tensor:
    partner = {**dict(pairs), **{other: one for one, other in pairs}}
    rows = points.tolist()
    return torch.tensor([[width - rows[partner.get(k, k)][0], rows[partner.get(k, k)][1]] for k in range(len(rows))])


def _log_bell(offset: float, sigma: float) -> tuple[float, float, float]:
    return tuple(math.exp(-((i - offset) ** 2) / (2 * sigma**2)) for i in (-1, 0, 1))  # type: ignore[return-value]


@exercise(
    "pose/top",
    "The top between three cells",
    cases=[_log_bell(0.3, 1.0), _log_bell(-0.45, 2.0), _log_bell(0.0, 1.5), _log_bell(0.12, 0.6), (0.2, 0.9, 0.5)],
)
def top(left: float, middle: float, right: float) -> float:
    """Exact for any Gaussian, of whatever width: sigma has canceled. DARK does this along x and y at once."""
    a, b, c = math.log(left), math.log(middle), math.log(right)
    return (c - a) / (2 * (2 * b - a - c))


top.mistake(
    "That is the top of a parabola through the three heights. A Gaussian becomes a parabola by its logarithm.",
    lambda left, middle, right: (right - left) / (2 * (2 * middle - left - right)),
)
top.mistake(
    "The sign is turned: where the right cell is higher, the top lies to the right.",
    lambda left, middle, right: (
        (math.log(left) - math.log(right)) / (2 * (2 * math.log(middle) - math.log(left) - math.log(right)))
    ),
)
top.mistake(
    "Twice too far: the slope is half of the difference of the two neighbors.",
    lambda left, middle, right: (
        (math.log(right) - math.log(left)) / (2 * math.log(middle) - math.log(left) - math.log(right))
    ),
)
top.mistake(
    "A quarter of a cell towards the higher neighbor is the older rule, which knows the side and not how far.",
    lambda left, middle, right: 0.25 * ((right > left) - (right < left)),
)
top.hints(
    "Take logarithms first: a, b, c. Where has the parabola through (-1, a), (0, b), (1, c) its top?",
    "Slope (c - a) / 2, curvature a - 2 b + c: the top is at minus one by the other.",
)
top.wrong(lambda left, middle, right: (right - left) / (left + middle + right))


@top.right
def by_newton(left: float, middle: float, right: float) -> Tensor:
    logs = torch.tensor([left, middle, right], dtype=torch.float64).log()
    slope, bend = (logs[2] - logs[0]) / 2, logs[2] - 2 * logs[1] + logs[0]
    return -slope / bend


FAR = torch.tensor([0.0, 4.0, 12.0, 3.0])
SPREAD = torch.tensor([0.026, 0.079, 0.107, 0.062])
ALL, SOME = torch.tensor([True, True, True, True]), torch.tensor([True, False, True, True])


@exercise(
    "pose/oks",
    "How similar, says COCO",
    cases=[
        (FAR, 6400.0, SPREAD, ALL),
        (FAR, 900.0, SPREAD, ALL),
        (FAR, 900.0, SPREAD, SOME),
        (FAR * 0, 50.0, SPREAD, SOME),
    ],
)
def oks(distances: Tensor, area: float, sigmas: Tensor, visible: Tensor) -> Tensor:
    """Four pixels mean much to the eye of a small person and little to the hip of a large one."""
    near = (-(distances**2) / (2 * area * (2 * sigmas) ** 2)).exp()
    return near[visible].mean()


oks.mistake(
    "k is twice sigma; you take sigma itself, as many first do.",
    lambda distances, area, sigmas, visible: (-(distances**2) / (2 * area * sigmas**2)).exp()[visible].mean(),
)
oks.mistake(
    "The area is s squared already: do not square it again.",
    lambda distances, area, sigmas, visible: (
        (-(distances**2) / (2 * area**2 * (2 * sigmas) ** 2)).exp()[visible].mean()
    ),
)
oks.mistake(
    "Points that nobody has labeled count in the mean. Leave them out.",
    lambda distances, area, sigmas, visible: (-(distances**2) / (2 * area * (2 * sigmas) ** 2)).exp().mean(),
)
oks.mistake(
    "Points that do not count are taken as missed. Divide by the number of those that do.",
    lambda distances, area, sigmas, visible: (
        ((-(distances**2) / (2 * area * (2 * sigmas) ** 2)).exp() * visible).sum() / len(visible)
    ),
)
oks.hints(
    "For each point exp(-d^2 / (2 s^2 k^2)), with s^2 the area and k twice sigma.",
    "Then the mean of those at which visible is True.",
)
oks.wrong(lambda distances, area, sigmas, visible: 1 - distances.mean() / area)


@oks.right
def one_by_one(distances: Tensor, area: float, sigmas: Tensor, visible: Tensor) -> float:
    rows = zip(distances.tolist(), sigmas.tolist(), visible.tolist(), strict=True)
    kept = [math.exp(-(d**2) / (8 * area * s**2)) for d, s, seen in rows if seen]
    return sum(kept) / len(kept)


@judged("pose/disagree", "Two measures that disagree")
def disagree(answer: object) -> None:
    """PCK does not see how far a miss missed, nor how near a hit is; a mean is ruled by its worst."""
    errors = as_tensor(answer).double()
    expect(errors.shape == (2, 4), "Give two lists of four errors in pixels, those of network A and of network B.")
    expect(bool(errors.isfinite().all()) and bool((errors >= 0).all()), "An error is a distance: a number from 0.")
    right = (errors <= 5).double().mean(1)
    mean = errors.mean(1)
    expect(bool(right[0] > right[1]), "A must have the higher PCK: more of its errors at most 5 pixels than of B's.")
    expect(bool(mean[0] > mean[1]), "A must have the larger mean error. One of its joints may be very far off.")


disagree.hints(
    "PCK at 5 pixels asks only which side of 5 an error is on.",
    "Let A be right three times and miss the fourth by far; let B miss them all by a little.",
)
disagree.right([[1, 1, 1, 90], [6, 6, 6, 6]])
disagree.right(torch.tensor([[5.0, 5, 5, 40], [5.5, 5.5, 4, 4]]))
disagree.wrong([1, 2, 3, 4], "two lists of four")
disagree.wrong([[1, 1, 1, -1], [6, 6, 6, 6]], "a number from 0")
disagree.wrong([[6, 6, 6, 6], [1, 1, 1, 90]], "higher PCK")
disagree.wrong([[1, 1, 1, 1], [6, 6, 6, 6]], "larger mean error")
