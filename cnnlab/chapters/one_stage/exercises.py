"""Exercises of the chapter "One-stage detection"."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cnnlab.detection import Grid, Objects, Pyramid, pairwise
from cnnlab.detection import focal_loss as package_focal_loss
from cnnlab.exercises import as_tensor, exercise, expect, judged

# --- numbers ----------------------------------------------------------------------------------------------------------


@exercise("one_stage/counts", "How many answers are there?")
def counts() -> dict[str, int]:
    """One answers with some fifteen hundred numbers, the other gives four million probabilities, for a picture each."""
    anchors = len(Pyramid().anchors)
    return {"numbers": 49 * Grid().channels, "boxes": 49 * 2, "anchors": anchors, "probabilities": anchors * 80}


counts.mistake("A cell names one class, however many boxes it has: 5 B + K numbers, not B (5 + K).", {"numbers": 2450})
counts.mistake("A box is four numbers and its confidence.", {"numbers": 49 * 28})
counts.mistake("Each of the 49 cells has two boxes.", {"boxes": 49})
counts.mistake("At each place there are nine anchors: three sizes, each in three shapes.", {"anchors": 5456})
counts.mistake("There are five levels, of stride 8, 16, 32, 64 and 128.", {"anchors": 9 * (64**2 + 32**2 + 16**2)})
counts.hints(
    "YOLO v1: 7 x 7 cells, and in each 2 boxes of 5 numbers, and 20 classes. RetinaNet: how many places has each map?",
    "7 x 7 x 30; 7 x 7 x 2; 9 x (64² + 32² + 16² + 8² + 4²); and 80 times that.",
)
counts.wrong({"numbers": 7, "boxes": 98, "anchors": 49_104, "probabilities": 3_928_320})

# --- the grid ---------------------------------------------------------------------------------------------------------


@exercise(
    "one_stage/cell",
    "Whose object is it?",
    cases=[((100.0, 60.0, 300.0, 260.0), 448, 7), ((4.0, 8.0, 20.0, 24.0), 64, 8), ((10.0, 40.0, 30.0, 44.0), 64, 4)],
    tolerance=1e-4,
)
def cell(box: tuple[float, ...], side: int, cells: int) -> tuple[float, ...]:
    """The cell is found by a floor, so that one pixel to the left may be another cell's business."""
    x, y = (box[0] + box[2]) / 2 * cells / side, (box[1] + box[3]) / 2 * cells / side
    return int(y), int(x), x - int(x), y - int(y)


def _cell(box: tuple[float, ...], side: int, cells: int) -> tuple[float, float]:
    return (box[0] + box[2]) / 2 * cells / side, (box[1] + box[3]) / 2 * cells / side


def _column_first(box: tuple[float, ...], side: int, cells: int) -> tuple[float, ...]:
    x, y = _cell(box, side, cells)
    return int(x), int(y), x - int(x), y - int(y)


def _of_the_corner(box: tuple[float, ...], side: int, cells: int) -> tuple[float, ...]:
    x, y = box[0] * cells / side, box[1] * cells / side
    return int(y), int(x), x - int(x), y - int(y)


def _of_the_picture(box: tuple[float, ...], side: int, cells: int) -> tuple[float, ...]:
    x, y = _cell(box, side, cells)
    return int(y), int(x), x / cells, y / cells


def _in_pixels(box: tuple[float, ...], side: int, cells: int) -> tuple[float, ...]:
    x, y = _cell(box, side, cells)
    return int(y), int(x), (x - int(x)) * side / cells, (y - int(y)) * side / cells


cell.mistake("You gave column and row; the row comes first.", _column_first)
cell.mistake("That is where the upper left corner lies. The center decides.", _of_the_corner)
cell.mistake("x and y are as parts of the picture. They are wanted as parts of the cell.", _of_the_picture)
cell.mistake("x and y are in pixels. Divide by the width of a cell.", _in_pixels)
cell.hints(
    "In units of cells the center is at (x1 + x2) / 2 * cells / side, and likewise down.",
    "The whole part of that is the column, what is left is x. For rows, the same with y.",
)
cell.wrong(lambda box, side, cells: (0, 0, 0.5, 0.5))


def _centers(seed: int, count: int) -> Tensor:
    return (64 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))).round()


@exercise(
    "one_stage/lost",
    "Who finds no room",
    cases=[(_centers(0, 12), 64, 4), (_centers(1, 5), 64, 2), (_centers(2, 30), 64, 8), (torch.zeros(0, 2), 64, 7)],
    untouched=True,
)
def lost(centers: Tensor, side: int, cells: int) -> int:
    """Two boxes in each cell do not help: the cell has one set of class probabilities, and one target."""
    places = (centers * cells / side).long().clamp(max=cells - 1)
    return len(places) - len({tuple(place) for place in places.tolist()})


def _places(centers: Tensor, side: int, cells: int) -> list[tuple[int, ...]]:
    return [tuple(place) for place in (centers * cells / side).long().clamp(max=cells - 1).tolist()]


lost.mistake(
    "Those are the cells that hold an object.", lambda centers, side, cells: len(set(_places(centers, side, cells)))
)
lost.mistake(
    "Of those that share a cell, one is found. You count all of them as lost.",
    lambda centers, side, cells: sum(
        _places(centers, side, cells).count(place) > 1 for place in _places(centers, side, cells)
    ),
)
lost.mistake(
    "You count the cells in which somebody is lost. In one of them there may be several.",
    lambda centers, side, cells: sum(
        _places(centers, side, cells).count(place) > 1 for place in set(_places(centers, side, cells))
    ),
)
lost.mistake(
    "Two boxes in a cell are two tries at one object. A second object has no target.",
    lambda centers, side, cells: sum(
        max(0, _places(centers, side, cells).count(place) - 2) for place in set(_places(centers, side, cells))
    ),
)
lost.hints(
    "For each center its row and column. How many different pairs are there?",
    "The objects less the different cells: len(cells) - len(set(cells)). A center on the far border belongs to the "
    "last cell.",
)
lost.wrong(lambda centers, side, cells: 1)


@judged("one_stage/crowd", "Four apart, and three of them lost")
def crowd(answer: object) -> None:
    """None touches another, and three go unseen: a starling in a flock is small and close to the next."""
    boxes = as_tensor(answer).float()
    expect(boxes.shape == (4, 4), "Give four boxes, each as x1, y1, x2, y2.")
    expect(bool((boxes[:, 2:] > boxes[:, :2]).all()), "A box ends before it begins: x1 < x2 and y1 < y2 are wanted.")
    expect(bool((boxes >= 0).all() and (boxes <= 448).all()), "A box reaches out of the picture, 0 to 448.")
    apart = pairwise(boxes, boxes).fill_diagonal_(0).max()
    expect(float(apart) == 0, "Two of them overlap. None may touch another.")
    target = Grid(num_classes=1).target([Objects(boxes, torch.zeros(4, dtype=torch.int64))])
    expect(int(target.crowded_out) == 3, "They lie in more than one cell, so that more than one is taught.")


crowd.hints(
    "A cell is 64 pixels wide. All four centers must lie in one.",
    "Four boxes of 20 pixels: at (2, 2), (34, 2), (2, 34) and (34, 34).",
)
crowd.right([[2, 2, 22, 22], [34, 2, 54, 22], [2, 34, 22, 54], [34, 34, 54, 54]])
crowd.right(torch.tensor([[66.0, 70, 70, 80], [80, 70, 90, 80], [100, 70, 110, 80], [115, 70, 125, 80]]))
crowd.wrong([[0, 0, 10, 10]], "four boxes")
crowd.wrong([[10, 10, 5, 20]] * 4, "ends before it begins")
crowd.wrong([[440, 440, 460, 460]] * 4, "reaches out")
crowd.wrong([[2, 2, 22, 22]] * 4, "overlap")
crowd.wrong([[2, 2, 22, 22], [34, 2, 54, 22], [2, 34, 22, 54], [100, 100, 120, 120]], "more than one cell")

# --- the focal loss ---------------------------------------------------------------------------------------------------


def _asked(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(6, 3, generator=generator, dtype=torch.float64) * 0.98 + 0.01
    return p, (torch.rand(6, 3, generator=generator) > 0.6).double()


@exercise(
    "one_stage/focal",
    "A loss that lets the easy go",
    cases=[(*_asked(0), 0.25, 2.0), (*_asked(1), 0.75, 0.5), (*_asked(2), 0.5, 0.0)],
    tolerance=1e-5,
    untouched=True,
)
def focal(p: Tensor, y: Tensor, alpha: float, gamma: float) -> Tensor:
    """With gamma = 2 whoever is 99 % sure and right pays a ten-thousandth of the cross-entropy."""
    return package_focal_loss(p.logit(), y, alpha=alpha, gamma=gamma)


def _focal(p: Tensor, y: Tensor, alpha: Tensor | float, gamma: float, factor: Tensor | None = None) -> Tensor:
    right = p * y + (1 - p) * (1 - y)
    return -alpha * ((1 - right) if factor is None else factor) ** gamma * right.log()


def _alphas(y: Tensor, alpha: float) -> Tensor:
    return alpha * y + (1 - alpha) * (1 - y)


focal.mistake("Where 0 is wanted, the weight is 1 - alpha.", lambda p, y, alpha, gamma: _focal(p, y, alpha, gamma))
focal.mistake("alpha is missing.", lambda p, y, alpha, gamma: _focal(p, y, 1.0, gamma))
focal.mistake(
    "The factor makes easy answers dear: it is p_t to the gamma where 1 - p_t belongs.",
    lambda p, y, alpha, gamma: _focal(p, y, _alphas(y, alpha), gamma, p * y + (1 - p) * (1 - y)),
)
focal.mistake(
    "The factor is 1 - p everywhere. Where 0 is wanted, p_t is 1 - p, and the factor p.",
    lambda p, y, alpha, gamma: _focal(p, y, _alphas(y, alpha), gamma, 1 - p),
)
focal.mistake(
    "That is one number for all. Give one for each.",
    lambda p, y, alpha, gamma: _focal(p, y, _alphas(y, alpha), gamma).sum(),
)
focal.hints(
    "First p_t, the probability of what is so: p where y is 1, and 1 - p where it is 0. alpha_t likewise.",
    "-alpha_t * (1 - p_t) ** gamma * p_t.log()",
)
focal.wrong(lambda p, y, alpha, gamma: p - y)


@exercise("one_stage/prior", "Begin with no", cases=[(0.01,), (0.5,), (0.001,), (0.2,)], tolerance=1e-4)
def prior(pi: float) -> float:
    """For 0.01 it is -4.6. It is set once, before the first step, and training may do with it as it likes."""
    return -math.log((1 - pi) / pi)


prior.mistake("The sign is the other way round: a rare thing has a negative logit.", lambda pi: math.log((1 - pi) / pi))
prior.mistake("That is the logarithm of the probability. The sigmoid of it is not pi.", lambda pi: math.log(pi))
prior.mistake("That is the probability itself; what is wanted goes through a sigmoid.", lambda pi: pi)
prior.hints(
    "Solve 1 / (1 + exp(-b)) = pi for b.", "exp(-b) = (1 - pi) / pi, so b is minus the logarithm of the right side."
)
prior.wrong(lambda pi: -3.0)
