"""Exercises of the chapter "Localization and detection"."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from cnnlab.detection import nms as suppress
from cnnlab.exercises import exercise

Box = tuple[float, float, float, float]

PAIRS: list[tuple[Box, Box]] = [
    ((0, 0, 10, 10), (5, 0, 15, 10)),
    ((0, 0, 10, 10), (2, 3, 6, 8)),
    ((0, 0, 4, 4), (10, 10, 14, 14)),
    ((3, 1, 9, 7), (3, 1, 9, 7)),
    ((0, 0, 4, 4), (4, 0, 8, 4)),
    ((2, 8, 12, 20), (6, 2, 20, 11)),
]


def _parts(a: Box, b: Box) -> tuple[float, float, float, float]:
    """Width and height of what they share, negative where they are apart, and the two areas."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width, height, (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])


@exercise("localization/iou", "How far two boxes agree", cases=PAIRS, tolerance=1e-4)
def iou(a: Box, b: Box) -> float:
    """Boxes that are shifted by half their width agree by a third only: one half is a stricter judge than it sounds."""
    width, height, one, other = _parts(a, b)
    shared = max(0, width) * max(0, height)
    return shared / (one + other - shared)


iou.mistake(
    "Two boxes that are apart in both directions get something: two negative sides make a positive area. Cut each "
    "side off at 0 first.",
    lambda a, b: (lambda w, h, one, other: w * h / (one + other - w * h))(*_parts(a, b)),
)
iou.mistake(
    "You divide by the sum of the areas, in which what they share is counted twice. Equal boxes must give 1.",
    lambda a, b: (lambda w, h, one, other: max(0, w) * max(0, h) / (one + other))(*_parts(a, b)),
)
iou.mistake(
    "You divide by the smaller area: a small box inside a large one would be a perfect answer.",
    lambda a, b: (lambda w, h, one, other: max(0, w) * max(0, h) / min(one, other))(*_parts(a, b)),
)
iou.mistake(
    "That is the area that they share. Divide it by the area that they cover together.",
    lambda a, b: (lambda w, h, one, other: max(0, w) * max(0, h))(*_parts(a, b)),
)
iou.hints(
    "What they share reaches from the larger of the two left sides to the smaller of the two right sides; the same "
    "downwards.",
    "shared = max(0, width) * max(0, height); together they cover area_a + area_b - shared.",
)
iou.wrong(lambda a, b: 0.25)


def _boxes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=drawn) * 30
    boxes = torch.cat([corner, corner + 20 + 10 * torch.rand(count, 2, generator=drawn)], dim=1)
    return boxes, torch.rand(count, generator=drawn)


# The first is a chain: the surest drops its neighbor, and the third, which that neighbor alone would drop, stays.
CHAIN = (torch.tensor([[0.0, 0, 30, 10], [8, 0, 38, 10], [16, 0, 46, 10]]), torch.tensor([0.9, 0.8, 0.7]), 0.5)
SETS = [CHAIN, (*_boxes(1, 12), 0.4), (*_boxes(2, 15), 0.3), (*_boxes(5, 8), 1.0)]


def _greedy(boxes: Tensor, scores: Tensor, threshold: float, order: Tensor, dropped_too: bool) -> list[int]:
    """Those that no one before them in ``order`` overlaps too much: of those that were kept, or of all."""
    kept: list[int] = []
    for place, number in enumerate(order.tolist()):
        before = order[:place].tolist() if dropped_too else kept
        if all(iou(tuple(boxes[number].tolist()), tuple(boxes[other].tolist())) <= threshold for other in before):
            kept.append(number)
    return kept


@exercise("localization/nms", "One box for each object", cases=SETS, untouched=True)
def nms(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    """What was dropped drops nobody. It matters in a row of things side by side, where each hides the next a little."""
    return suppress(boxes, scores, threshold).tolist()


nms.mistake(
    "A box that was itself dropped still drops others. Compare with those that are kept only.",
    lambda boxes, scores, threshold: _greedy(boxes, scores, threshold, scores.argsort(descending=True), True),
)
nms.mistake(
    "You go through the boxes as they are given. The surest comes first.",
    lambda boxes, scores, threshold: _greedy(boxes, scores, threshold, torch.arange(len(boxes)), False),
)
nms.mistake(
    "You begin with the least sure box.",
    lambda boxes, scores, threshold: _greedy(boxes, scores, threshold, scores.argsort(), False),
)
nms.mistake(
    "Those are the right boxes in the order in which they were given. Put the surest first.",
    lambda b, s, t: sorted(suppress(b, s, t).tolist()),
)
nms.mistake("Nothing was dropped.", lambda boxes, scores, threshold: scores.argsort(descending=True).tolist())
nms.hints(
    "Go through the boxes from the surest on, with a list of those that you keep.",
    "Keep a box if its IoU with each of those that are kept already is at most the threshold.",
)
nms.wrong(lambda boxes, scores, threshold: [0])


@nms.right
def with_what_is_left(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    left, kept = scores.argsort(descending=True).tolist(), []
    while left:
        best, *left = left
        kept.append(best)
        left = [one for one in left if iou(tuple(boxes[best].tolist()), tuple(boxes[one].tolist())) <= threshold]
    return kept


@exercise("localization/ten-boxes", "Average precision by hand", tolerance=2e-3)
def ten_boxes() -> dict[str, float]:
    """Whether the last boxes are right hardly matters; a wrong one at the top costs all that comes after."""
    return {"precision": 5 / 10, "recall": 5 / 6, "raised": 4 / 6, "average": (2 * 1 + 2 * 4 / 6 + 5 / 10) / 6}


ten_boxes.mistake("Five of six objects were found: that is the recall.", {"precision": 5 / 6})
ten_boxes.mistake("Recall divides by the six objects, found or not.", {"recall": 5 / 10})
ten_boxes.mistake(
    "That is the precision itself after five boxes. Raise it to the best of any higher recall.", {"raised": 3 / 5}
)
ten_boxes.mistake(
    "You divided by the five that were found. The one that was missed counts as 0.",
    {"average": (2 * 1 + 2 * 4 / 6 + 5 / 10) / 5},
)
ten_boxes.mistake(
    "Those are the precisions as they are. Each is first raised to the best that any higher recall reaches.",
    {"average": (1 + 1 + 3 / 5 + 4 / 6 + 5 / 10) / 6},
)
ten_boxes.hints(
    "Write under each box how many of those so far are right: 1, 2, 2, 2, 3, 4, 4, 4, 4, 5.",
    "At the five that are right the precision is 1, 1, 3/5, 4/6, 5/10. The third is raised to 4/6, since the fourth is "
    "better. Average over six objects, with 0 for the one that was missed.",
)
ten_boxes.wrong({"precision": 0.5, "recall": 0.1, "raised": 0.1, "average": 0.1})


@exercise(
    "localization/moves",
    "From an anchor to a box",
    cases=[((10, 10, 30, 50), (14, 14, 46, 38)), ((0, 0, 20, 20), (5, 5, 15, 15)), ((4, 8, 36, 24), (4, 8, 36, 24))],
    tolerance=1e-3,
)
def moves(anchor: Box, box: Box) -> list[float]:
    """All zeros means "the anchor is right already", which is why an untrained RPN proposes its anchors."""
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x = (box[0] + box[2] - anchor[0] - anchor[2]) / 2
    y = (box[1] + box[3] - anchor[1] - anchor[3]) / 2
    return [x / width, y / height, log((box[2] - box[0]) / width), log((box[3] - box[1]) / height)]


moves.mistake(
    "The centers move, and you moved the upper left corners.",
    lambda anchor, box: [
        (box[0] - anchor[0]) / (anchor[2] - anchor[0]),
        (box[1] - anchor[1]) / (anchor[3] - anchor[1]),
        *moves(anchor, box)[2:],
    ],
)
moves.mistake(
    "The move is measured in the anchor's sizes: divide by them, so that it means the same for small and large ones.",
    lambda anchor, box: [
        moves(anchor, box)[0] * (anchor[2] - anchor[0]),
        moves(anchor, box)[1] * (anchor[3] - anchor[1]),
        *moves(anchor, box)[2:],
    ],
)
moves.mistake(
    "The logarithm is missing: twice as wide and half as wide should be equally far from 0.",
    lambda anchor, box: [
        *moves(anchor, box)[:2],
        (box[2] - box[0]) / (anchor[2] - anchor[0]),
        (box[3] - box[1]) / (anchor[3] - anchor[1]),
    ],
)
moves.mistake("That is how the box becomes the anchor.", lambda anchor, box: moves(box, anchor))
moves.mistake(
    "Sizes are compared the wrong way round: the box's over the anchor's.",
    lambda a, b: [*moves(a, b)[:2], -moves(a, b)[2], -moves(a, b)[3]],
)
moves.hints(
    "Write down center, width and height of both.",
    "(x_box - x_anchor) / w_anchor, the same for y and h; then log(w_box / w_anchor) and log(h_box / h_anchor).",
)
moves.wrong(lambda anchor, box: [1, 1, 1, 1])


@exercise(
    "localization/classes",
    "Nothing is a class, too",
    cases=[
        (torch.tensor([2, 0, 4]), torch.tensor([0, -1, 2, 1, -1])),
        (torch.tensor([1]), torch.tensor([-1, -1, 0])),
        (torch.tensor([3, 3, 0, 1]), torch.tensor([3, 2, -1, 0, 1, 1])),
    ],
    untouched=True,
)
def classes(labels: Tensor, found: Tensor) -> Tensor:
    """In torchvision the shift is yours to do: of classes that start at 0 it learns that the first is nothing."""
    return torch.where(found < 0, 0, labels[found] + 1)


classes.mistake(
    "labels[-1] is the last object's class. What found no object must become 0.",
    lambda labels, found: labels[found] + 1,
)
classes.mistake(
    "Class 0 is an object and nothing at once. Classes move up by one, since 0 is taken.",
    lambda labels, found: torch.where(found < 0, 0, labels[found]),
)
classes.mistake(
    "You put the classes where they are and nothing behind them. Here, as in the papers, nothing is 0.",
    lambda labels, found: torch.where(found < 0, 5, labels[found]),
)
classes.mistake("Those are the objects' numbers. What class has each object?", lambda labels, found: found + 1)
classes.hints(
    "labels[found] gives each proposal the class of its object. Which of them have none?",
    "torch.where(found < 0, 0, labels[found] + 1).",
)
classes.wrong(lambda labels, found: torch.zeros_like(found))


@exercise(
    "localization/break-even",
    "When sharing pays",
    cases=[(1_813_571_584, 13_595_852_800, 13_997_056), (724e6, 6_600e6, 58.6e6), (100, 1000, 50), (100, 10, 99)],
)
def break_even(whole: float, trunk: float, head: float) -> int:
    """With the chapter's ResNet-18 it is eight proposals; R-CNN had two thousand."""
    return int(trunk // (whole - head)) + 1


break_even.mistake(
    "The head is computed for each proposal as well; you left it out.",
    lambda whole, trunk, head: int(trunk // whole) + 1,
)
break_even.mistake(
    "At that number the two cost about the same, or R-CNN still costs less. The next whole one is cheaper for certain.",
    lambda whole, trunk, head: int(trunk // (whole - head)),
)
break_even.mistake(
    "A whole number is asked for: proposals do not come in parts.", lambda whole, trunk, head: trunk / (whole - head)
)
break_even.mistake(
    "The head's cost stands on the side of Fast R-CNN: n * whole > trunk + n * head.",
    lambda whole, trunk, head: int(trunk // (whole + head)) + 1,
)
break_even.hints(
    "R-CNN costs n * whole, Fast R-CNN trunk + n * head. For which n is the first one larger?",
    "n > trunk / (whole - head); the smallest such whole number.",
)
break_even.wrong(lambda whole, trunk, head: 2000)
