"""Exercises of the chapter "Squeezing out accuracy"."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged

# --- ten crops -------------------------------------------------------------------------------------------------------


@exercise(
    "squeezing_accuracy/corners",
    "Five crops",
    cases=[(256, 256, 224), (30, 44, 20), (10, 6, 6)],
)
def corners(height: int, width: int, crop: int) -> list[tuple[int, int]]:
    """With their mirror images these are ten. All five share the middle: no crop shows much that the others do not."""
    down, across = height - crop, width - crop
    return [(0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2)]


corners.mistake(
    "The lower and right crops begin at height - crop and width - crop, so that they end at the edge.",
    lambda height, width, crop: [(0, 0), (0, width), (height, 0), (height, width), (height // 2, width // 2)],
)
corners.mistake(
    "The middle crop's corner is asked for, not its center: half of what is left over lies on each side.",
    lambda height, width, crop: [*corners(height, width, crop)[:4], (height // 2, width // 2)],
)
corners.mistake(
    "That is (left, top). Give the row first, as tensors have it.",
    lambda height, width, crop: [(x, y) for y, x in corners(height, width, crop)],
)
corners.mistake(
    "The middle is missing: four corners make eight crops, not ten.",
    lambda height, width, crop: corners(height, width, crop)[:4],
)
corners.hints(
    "A crop that ends at the right edge begins at width - crop.",
    "Upper left, upper right, lower left, lower right, middle: (0, 0), (0, width - crop), ...",
)
corners.wrong(lambda height, width, crop: [(0, 0)] * 5)
corners.right(
    lambda height, width, crop: [
        *((y, x) for y in (0, height - crop) for x in (0, width - crop)),
        ((height - crop) // 2, (width - crop) // 2),
    ],
    lambda height, width, crop: torch.tensor(corners(height, width, crop)),
)

# --- the bill --------------------------------------------------------------------------------------------------------


@exercise("squeezing_accuracy/bill", "The bill of 2014")
def bill() -> dict[str, int]:
    """A thousand passes for one photo. What a single one of these networks gave when asked once was 10.07 %."""
    return {"crops": 4 * 3 * 6 * 2, "passes": 7 * 144, "gigamacs": 1512}


bill.mistake("The mirror images are missing.", {"crops": 4 * 3 * 6})
bill.mistake(
    "Six crops of each square: four corners, the middle, and the square itself resized.", {"crops": 4 * 3 * 5 * 2}
)
bill.mistake("There are seven networks, each with all its crops.", {"passes": 144})
bill.mistake("That is one network's: seven are asked.", {"gigamacs": 216})
bill.hints(
    "Multiply: sizes, squares, crops of a square, mirror images.",
    "crops = 4 · 3 · 6 · 2; passes = 7 times as many; each pass takes 1.5 gigaMACs.",
)
bill.wrong({"crops": 10, "passes": 70, "gigamacs": 105})

# --- calibration -----------------------------------------------------------------------------------------------------

SURE = torch.tensor([0.55, 0.62, 0.68, 0.91, 0.93, 0.97, 0.99, 0.35, 0.58])
RIGHT = torch.tensor([1, 0, 1, 1, 1, 0, 1, 0, 1]).bool()
EDGES = torch.tensor([0.5, 0.75, 0.9, 1.0])


@exercise(
    "squeezing_accuracy/ece",
    "Calibration error by hand",
    cases=[
        (SURE, RIGHT, 5),
        (SURE, ~RIGHT, 10),
        (torch.tensor([0.5, 0.75, 0.9, 1.0]), torch.tensor([0, 1, 0, 1]).bool(), 4),
    ],
)
def ece(confidence: Tensor, right: Tensor, bins: int) -> float:
    """A network that names the same class with the share of that class as its confidence has an error of zero. It is no
    measure of knowledge."""
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    total = 0.0
    for number in range(bins):
        inside = place == number
        if inside.any():
            gap = confidence[inside].mean() - right[inside].float().mean()
            total += float(gap.abs() * inside.sum() / len(confidence))
    return total


def _binned(confidence: Tensor, right: Tensor, bins: int, place: Tensor | None = None) -> list[tuple[int, float]]:
    """(pictures, confidence less accuracy) of each bin that is not empty."""
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1 if place is None else place
    return [
        (int(own.sum()), float(confidence[own].mean() - right[own].float().mean()))
        for own in (place == number for number in range(bins))
        if own.any()
    ]


def _lower_edges(confidence: Tensor, right: Tensor, bins: int) -> float:
    place = (confidence * bins).floor().long().clamp(0, bins - 1)
    return sum(count * abs(gap) for count, gap in _binned(confidence, right, bins, place)) / len(confidence)


def _unweighted(confidence: Tensor, right: Tensor, bins: int) -> float:
    gaps = [abs(gap) for _, gap in _binned(confidence, right, bins)]
    return sum(gaps) / len(gaps)


ece.mistake(
    "That compares the means over all pictures: bins that are too sure cancel others that are not sure enough.",
    lambda confidence, right, bins: abs(float(confidence.mean() - right.float().mean())),
)
ece.mistake("Each bin counts by its pictures; you average over the bins.", _unweighted)
ece.mistake(
    "That is the largest gap (MCE). Average them, each by its pictures.",
    lambda confidence, right, bins: max(abs(gap) for _, gap in _binned(confidence, right, bins)),
)
ece.mistake(
    "A confidence on an edge belongs to the bin below it: the bins are (0, 1/B], (1/B, 2/B], ...",
    _lower_edges,
)
ece.hints(
    "For each bin: the pictures whose confidence lies in it, their mean confidence, the share that is right.",
    "Sum over the bins of count / N · |mean confidence - accuracy|; leave out the empty ones.",
)
ece.wrong(lambda confidence, right, bins: 0.0)


@ece.right
def by_sums(confidence: Tensor, right: Tensor, bins: int) -> float:
    place = torch.bucketize(confidence, torch.arange(1, bins) / bins)
    gaps = torch.bincount(place, confidence - right.float(), bins)
    return gaps.abs().sum() / len(confidence)


# --- a pair that loses -----------------------------------------------------------------------------------------------


@judged("squeezing_accuracy/pair", "A pair that loses")
def pair(answer: object) -> None:
    """The mean lost what each of them had. Its loss, -log p, could not have risen above their average; accuracy has no
    such promise."""
    try:
        first, second = (as_tensor(table).double() for table in answer)  # type: ignore[union-attr]
    except (TypeError, ValueError):
        expect(False, "Give two tables, one for each network.")
        return
    expect(
        first.shape == second.shape == (3, 3),
        "Each table needs a row for each of 3 pictures, a column for each class.",
    )
    both = torch.stack([first, second])
    proper = bool((both >= 0).all()) and bool(((both.sum(dim=2) - 1).abs() < 1e-4).all())
    expect(proper, "The rows are probabilities: 0 or more, and each sums to 1.")
    level = both.topk(2, dim=2).values
    expect(bool((level[..., 0] - level[..., 1] > 1e-6).all()), "Two classes are level in a row: which one is named?")
    alone = [int((table.argmax(dim=1) == 0).sum()) for table in both]
    expect(
        alone[0] == alone[1] == 2,
        "Each network shall have exactly two of the three pictures right; the right class is the first column.",
    )
    mean = both.mean(dim=0).topk(2, dim=1).values
    expect(bool((mean[:, 0] - mean[:, 1] > 1e-6).all()), "In the mean, two classes are level. Move one a little.")
    together = int((both.mean(dim=0).argmax(dim=1) == 0).sum())
    expect(
        together < 2,
        "The mean still has two or more right. Where one network is wrong and the other barely right, who wins?",
    )


pair.hints(
    "Let the two err on different pictures, so that there are two on which they disagree.",
    "Who is wrong should be very sure (0.05, 0.9, 0.05), and who is right barely (0.4, 0.35, 0.25).",
)
_BARELY, _ERRS, _SURE = [0.4, 0.35, 0.25], [0.05, 0.9, 0.05], [0.98, 0.01, 0.01]
pair.right(
    ([_BARELY, _BARELY, _ERRS], [_BARELY, _ERRS, _BARELY]),
    torch.tensor([[_ERRS, _BARELY, _BARELY], [_BARELY, _ERRS, _BARELY]]),
)
pair.wrong(7, "two tables")
pair.wrong(([[0.5, 0.5]], [[0.5, 0.5]]), "3 pictures")
pair.wrong(([[0.9, 0.9, 0.9]] * 3, [[0.9, 0.9, 0.9]] * 3), "sums to 1")
pair.wrong(([[0.5, 0.5, 0.0]] * 3, [_BARELY] * 3), "level in a row")
pair.wrong(([_BARELY] * 3, [_BARELY] * 3), "exactly two")
pair.wrong(([_SURE, _ERRS, _SURE], [_SURE, _SURE, _ERRS]), "two or more right")
pair.wrong(
    ([_BARELY, [0.3, 0.4, 0.3], _BARELY], [_BARELY, [0.4, 0.3, 0.3], _ERRS]), "In the mean, two classes are level"
)

# --- McNemar ---------------------------------------------------------------------------------------------------------


@exercise(
    "squeezing_accuracy/coins",
    "Luck or gain",
    cases=[(9, 2), (2, 9), (5, 5), (0, 0), (30, 12), (1, 0)],
    tolerance=1e-6,
)
def coins(corrected: int, corrupted: int) -> float:
    """Nine against two looks like a clear gain, and coins do as well in one of fifteen tries."""
    tosses, few = corrected + corrupted, min(corrected, corrupted)
    return min(1.0, 2 * sum(comb(tosses, heads) for heads in range(few + 1)) / 2**tosses)


def _one_side(corrected: int, corrupted: int) -> float:
    tosses, few = corrected + corrupted, min(corrected, corrupted)
    return sum(comb(tosses, heads) for heads in range(few + 1)) / 2**tosses


coins.mistake("That is one tail. Coins may fall the other way as well: double it.", _one_side)
coins.mistake(
    "That is how likely this very outcome is. As uneven or more so is asked: sum up to the smaller count.",
    lambda corrected, corrupted: min(
        1.0, 2 * comb(corrected + corrupted, min(corrected, corrupted)) / 2 ** (corrected + corrupted)
    ),
)
coins.mistake(
    "Doubled, the tail can be more than 1 where both counts are equal: keep it at 1.",
    lambda corrected, corrupted: 2 * _one_side(corrected, corrupted),
)
coins.hints(
    "Of n = corrected + corrupted tosses, how likely are min(corrected, corrupted) heads or fewer?",
    "min(1, 2 · Σ comb(n, k) / 2**n) for k from 0 to the smaller count.",
)
coins.wrong(lambda corrected, corrupted: 0.05)


@coins.right
def by_steps(corrected: int, corrupted: int) -> float:
    """Each term out of the one before it."""
    tosses, few = corrected + corrupted, min(corrected, corrupted)
    term, tail = 0.5**tosses, 0.0
    for heads in range(few + 1):
        tail += term
        term *= (tosses - heads) / (heads + 1)
    return min(1.0, 2 * tail)
