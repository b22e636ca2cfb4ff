"""Exercises of the chapter "Segmentation"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged
from cnnlab.segmentation import components


def _down_and_up(size: int, pools: int, loss: int = 4, back: int = 4) -> int:
    for _ in range(pools):
        size = (size - loss) // 2
    size -= loss
    for _ in range(pools):
        size = 2 * size - back
    return size


@exercise(
    "segmentation/valid",
    "What an unpadded U answers for",
    cases=[(572, 4), (188, 4), (700, 4), (92, 3), (44, 2), (140, 3)],
)
def answered(size: int, pools: int) -> int:
    """Every pixel of the answer has seen real pixels only; a picture of 188 pixels is told by its middle four."""
    return _down_and_up(size, pools)


answered.mistake(
    "On the way up there are two unpadded convolutions at each size too.",
    lambda size, pools: _down_and_up(size, pools, back=0),
)
answered.mistake(
    "A 3 x 3 convolution without padding takes a pixel from each side, and there are two of them: four pixels.",
    lambda size, pools: _down_and_up(size, pools, 2, 2),
)
answered.mistake(
    "The two convolutions at the bottom are missing.",
    lambda size, pools: _down_and_up(size + 4 * 2**pools, pools),
)
answered.mistake(
    "Pixels that are lost at a lower size count for more above: two of them for each pool on the way up.",
    lambda size, pools: size - 4 * (2 * pools + 1),
)
answered.hints(
    "Write the sizes down one below the other, from 572 to 28 and up to 388.",
    "Down: subtract 4, halve; at the bottom subtract 4; up: double, subtract 4.",
)
answered.wrong(lambda size, pools: size)


@exercise("segmentation/dice", "Dice from IoU", cases=[(0.5,), (0.8,), (1.0,), (0.0,), (1 / 3,)], tolerance=1e-6)
def dice(iou: float) -> float:
    """The two order any two masks alike: Dice is the friendlier name of the same number."""
    return 2 * iou / (1 + iou)


dice.mistake("That is IoU from Dice: your number is smaller than IoU.", lambda iou: iou / (2 - iou))
dice.mistake(
    "The union is the two areas less the intersection, which they count twice; yours does not take it off.",
    lambda iou: 2 * iou,
)
dice.mistake("The mean of IoU and 1 is not it: try masks that do not touch.", lambda iou: (1 + iou) / 2)
dice.hints(
    "Let the intersection be I and the union U. What do the two areas add up to?",
    "To U + I. Dice is 2 I / (U + I); divide both by U.",
)
dice.wrong(lambda iou: iou)
dice.right(lambda iou: 1 - (1 - iou) / (1 + iou))


def _line(stride: int, middle: float, factor: float) -> list[float]:
    return [max(0.0, 1 - abs(i - middle) / factor) for i in range(2 * stride)]


@exercise("segmentation/bilinear", "The weights that interpolate", cases=[(2,), (4,), (1,), (8,)], tolerance=1e-6)
def bilinear(stride: int) -> list[float]:
    """Stamped `stride` apart they add up to 1 everywhere, so that an even map stays even."""
    return _line(stride, stride - 0.5, stride)


bilinear.mistake(
    "The middle of 2 * stride places lies between two of them, at stride - 0.5.",
    lambda stride: _line(stride, stride, stride),
    lambda stride: _line(stride, stride - 1, stride),
)
bilinear.mistake(
    "Yours add up to 1 over the whole kernel. Two stamps overlap at each place, and those must add up to 1.",
    lambda stride: [value / stride for value in _line(stride, stride - 0.5, stride)],
)
bilinear.mistake(
    "That repeats the nearest cell, in steps. Bilinear weights fall in a straight line.",
    lambda stride: [float(stride // 2 <= i < stride // 2 + stride) for i in range(2 * stride)],
    lambda stride: [0.5] * (2 * stride),
)
bilinear.hints(
    "The weight of place i is 1 at the middle, would be 0 a whole `stride` away from it, and falls evenly between.",
    "max(0, 1 - abs(i - (stride - 0.5)) / stride) for i from 0 to 2 * stride - 1.",
)
bilinear.wrong(lambda stride: [1.0] * (2 * stride))


@exercise(
    "segmentation/quality",
    "Panoptic quality",
    cases=[([0.9, 0.7], 3, 2), ([0.6], 1, 4), ([1.0, 1.0], 2, 2), ([0.8, 0.75, 0.55], 5, 4)],
    tolerance=1e-6,
)
def quality(ious: Sequence[float], found: int, true: int) -> float:
    """How well the pairs fit, times the F1 score of finding them: one number for both."""
    return 2 * sum(ious) / (found + true)


quality.mistake(
    "That is how well the pairs fit. What was missed and what was invented must cost something.",
    lambda ious, found, true: sum(ious) / len(ious),
)
quality.mistake(
    "That is how many were found, whether they fit by 0.51 or by 1.",
    lambda ious, found, true: 2 * len(ious) / (found + true),
)
quality.mistake(
    "A missed object and an invented one each count a half.",
    lambda ious, found, true: sum(ious) / (found + true - len(ious)),
)
quality.mistake("You divide by the true objects alone: inventing is free.", lambda ious, found, true: sum(ious) / true)
quality.hints(
    "Of pairs there are len(ious); found - len(ious) are invented, true - len(ious) are missed.",
    "The sum of the IoUs over pairs + invented / 2 + missed / 2, which is (found + true) / 2.",
)
quality.wrong(lambda ious, found, true: sum(ious) / found)

ROWS, COLUMNS = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")


def disks(*middles: tuple[int, int, int]) -> Tensor:
    """A mask of disks given as row, column and radius. Shape: (48, 64), bool."""
    return torch.stack([(ROWS - y) ** 2 + (COLUMNS - x) ** 2 <= r * r for y, x, r in middles]).any(0)


TOUCHING = (
    ((24, 20, 11), (24, 40, 11)),
    ((14, 14, 9), (27, 26, 10), (30, 45, 10)),
    ((24, 32, 15),),
)


@judged("segmentation/apart", "Cut touching nuclei apart", function=True)
def apart(answer: Callable[[Tensor], Tensor]) -> None:
    """No network needed: what is thin is where two met. Long nuclei with a waist are what such a rule gets wrong."""
    for middles in TOUCHING:
        mask = disks(*middles)
        labels = as_tensor(answer(mask.clone())).long()
        expect(labels.shape == mask.shape, "Give a number for each pixel: as large as the mask, 0 for the background.")
        expect(bool((labels[~mask] == 0).all()), "You number pixels of the background. They are 0.")
        kept = float((labels[mask] > 0).float().mean())
        expect(kept > 0.9, "More than a tenth of the mask is lost. Let what is left after shrinking grow back.")
        numbers = [int(labels[y, x]) for y, x, _ in middles]
        expect(
            len(set(numbers)) == len(numbers),
            "Two nuclei that touch have one number. Shrink the mask until they come apart, and number then.",
        )
        count = len(torch.unique(labels[mask & (labels > 0)]))
        expect(count == len(middles), f"A mask of {len(middles)} became {count}: a nucleus was cut to pieces.")
        for (y, x, r), number in zip(middles, numbers, strict=True):
            own = disks((y, x, r - 3))
            expect(bool((labels[own] == number).float().mean() > 0.85), "A nucleus has two numbers inside.")


apart.hints(
    "A max pool of the background makes it grow; what is left of the mask is smaller, and its parts come apart.",
    "Shrink by five pixels, number with components, then let each number grow by a pixel at a time (a max pool "
    "of the numbers), within the mask and where there is none yet.",
)


def _shrunk(mask: Tensor, pixels: int) -> Tensor:
    outside = (~mask).float()[None, None]
    for _ in range(pixels):
        outside = F.max_pool2d(outside, 3, 1, 1)
    return outside[0, 0] == 0


@apart.right
def grown(mask: Tensor) -> Tensor:
    labels = components(_shrunk(mask, 5))
    for _ in range(20):
        spread = F.max_pool2d(labels.float()[None, None], 3, 1, 1)[0, 0].long()
        labels = torch.where(mask & (labels == 0), spread, labels)
    return labels


@apart.right
def nearest(mask: Tensor) -> Tensor:
    seeds = components(_shrunk(mask, 5))
    known, places = seeds.nonzero(), mask.nonzero()
    to = torch.cdist(places.float(), known.float()).argmin(1)
    labels = torch.zeros_like(seeds)
    labels[mask] = seeds[known[to, 0], known[to, 1]]
    return labels


apart.wrong(components, "Two nuclei that touch have one number")
apart.wrong(lambda mask: components(_shrunk(mask, 5)), "More than a tenth of the mask is lost")
apart.wrong(lambda mask: torch.ones_like(mask).long(), "You number pixels of the background")
apart.wrong(lambda mask: components(mask)[:10], "Give a number for each pixel")
apart.wrong(lambda mask: (COLUMNS // 4 + 1) * mask, "became")


def halves(mask: Tensor) -> Tensor:
    """Cuts at given columns, whatever is there."""
    labels = torch.zeros(mask.shape, dtype=torch.long)
    for number, (left, right) in enumerate(pairwise((0, 22, 64)), 1):
        labels[:, left:right] = number
    return labels * mask


apart.wrong(halves, "A nucleus has two numbers inside")
