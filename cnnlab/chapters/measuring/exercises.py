"""Exercises of the chapter "How to measure"."""

from __future__ import annotations

from itertools import combinations
from math import sqrt

import torch
from torch import Tensor

from cnnlab.evaluation import wilson as interval
from cnnlab.exercises import exercise

Z = 1.959964


@exercise("measuring/defects", "Ninety-three is less than ninety-six", tolerance=1e-3)
def defects() -> dict[str, float]:
    """By accuracy the constant answer wins, and it finds nothing. Which mistake is dear decides, and accuracy cannot
    know.
    """
    return {"accuracy": 0.93, "constant": 0.96, "precision": 30 / 90, "recall": 0.75}


defects.mistake(
    "Of all pictures, 30 and 900 are called rightly. The false alarms are mistakes too.", {"accuracy": 0.99}
)
defects.mistake("Those are the defects; the constant answer is right about all the others.", {"constant": 0.04})
defects.mistake(
    "You have precision and recall the wrong way round: precision is of what was called a defect.",
    {"precision": 0.75, "recall": 30 / 90},
)
defects.mistake("Precision divides by all 90 that were called a defect.", {"precision": 30 / 60})
defects.hints(
    "Write down four numbers: 30 found, 10 missed, 60 false alarms, and what is left of 1,000.",
    "Accuracy (30 + 900) / 1000; precision 30 / (30 + 60); recall 30 / 40. Whoever always says 'no defect' is right "
    "960 times.",
)
defects.wrong({"accuracy": 0.93, "constant": 0.96, "precision": 0.4, "recall": 0.75})


@exercise(
    "measuring/wilson",
    "An interval that never lies flat",
    cases=[(90, 100), (100, 100), (0, 20), (455, 500), (9_912, 10_000)],
    tolerance=2e-4,
)
def wilson(right: int, count: int) -> tuple[float, float]:
    """A hundred of a hundred right: the true share may still be 96 in a hundred."""
    return interval(right, count)


def _wilson(right: int, count: int, z: float, divide: bool = True) -> tuple[float, float]:
    p, w = right / count, z * z / count
    below = 1 + w if divide else 1
    half = z * sqrt(p * (1 - p) / count + w / (4 * count)) / below
    return (p + w / 2) / below - half, (p + w / 2) / below + half


def _usual(right: int, count: int) -> tuple[float, float]:
    p = right / count
    half = Z * sqrt(p * (1 - p) / count)
    return p - half, p + half


wilson.mistake("That is the usual interval. With everything right it has no width at all.", _usual)
wilson.mistake(
    "z = 1.645 leaves 5 % on each side. An interval of 95 % leaves 2.5 % on each: z = 1.96.",
    lambda right, count: _wilson(right, count, 1.644854),
)
wilson.mistake("The division by 1 + z² / n is missing.", lambda right, count: _wilson(right, count, Z, divide=False))
wilson.mistake(
    "That is the middle with the usual reach around it. Under the root stands one more term, z² / 4n².",
    lambda right, count: tuple(
        (right / count + Z * Z / count / 2 + sign * Z * sqrt(right / count * (1 - right / count) / count))
        / (1 + Z * Z / count)
        for sign in (-1, 1)
    ),
)
wilson.mistake("You gave (high, low).", lambda right, count: interval(right, count)[::-1])
wilson.hints(
    "p is right / count, and z is 1.96. The middle is (p + z² / 2n) / (1 + z² / n).",
    "The reach is z / (1 + z² / n) * sqrt(p (1 - p) / n + z² / 4n²). Give (middle - reach, middle + reach).",
)
wilson.wrong(lambda right, count: (0.0, 1.0))


@wilson.right
def solved(right: int, count: int) -> tuple[float, float]:
    """The two roots of (p - share)² = z² p (1 - p) / n."""
    share, w = right / count, Z * Z / count
    a, b, c = 1 + w, -(2 * share + w), share * share
    root = sqrt(b * b - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def _sets(seed: int, count: int) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    skill = 0.8 + 0.02 * torch.randn(count, generator=drawn, dtype=torch.float64)
    noise = torch.randn(2, count, generator=drawn, dtype=torch.float64)
    return skill + 0.03 * noise[0], skill + 0.03 * noise[1]


@exercise("measuring/chosen", "Choose, then report", cases=[_sets(seed, 12) for seed in (1, 2, 4)], untouched=True)
def chosen(validation: Tensor, test: Tensor) -> Tensor:
    """Two sets, because choosing is learning too: the one that was chosen by can no longer judge."""
    return test[validation.argmax()]


chosen.mistake(
    "That is the best on the test set: it was chosen by the set that it is reported on.", lambda v, t: t.max()
)
chosen.mistake("That is the number that it was chosen by. It is too high, by luck.", lambda v, t: v.max())
chosen.mistake("That is the mean of all networks; one was chosen.", lambda v, t: t.mean())
chosen.mistake("You choose on the test set and report on the other.", lambda v, t: v[t.argmax()])
chosen.hints(
    "Which network is best on the validation set? Ask the test set about that one alone.",
    "validation.argmax() is its number.",
)
chosen.wrong(lambda v, t: v.min())


@exercise("measuring/threshold", "When to sound the alarm", cases=[(10, 1), (1, 1), (3, 2), (1, 20)], tolerance=1e-4)
def threshold(miss: float, alarm: float) -> float:
    """Nothing needs to be trained again when the costs change. But the probabilities have to mean what they say."""
    return alarm / (alarm + miss)


threshold.mistake(
    "The other way round: where a miss is dear, sound it early.", lambda miss, alarm: miss / (alarm + miss)
)
threshold.mistake("That is the ratio of odds. Which probability p has p / (1 - p) of that size?", lambda m, a: a / m)
threshold.mistake("0.5 is right where both mistakes cost the same, and only there.", lambda miss, alarm: 0.5)
threshold.hints(
    "With probability p of a defect, silence costs p * miss on average, and an alarm (1 - p) * alarm.",
    "At the threshold they are equal: p * miss = (1 - p) * alarm. Solve for p.",
)
threshold.wrong(lambda miss, alarm: 0.123)


@exercise(
    "measuring/macro-f1",
    "One number from a confusion matrix",
    cases=[
        (torch.tensor([[90, 10, 0], [5, 40, 5], [1, 4, 5]]),),
        (torch.tensor([[50, 0], [10, 2]]),),
        (torch.tensor([[7, 1, 1, 1], [2, 60, 3, 0], [0, 9, 20, 4], [5, 5, 5, 100]]),),
    ],
    tolerance=1e-4,
    untouched=True,
)
def macro_f1(confusion: Tensor) -> Tensor:
    """The rarest class counts as much as the commonest. Micro F1 would have been the accuracy under another name."""
    right = confusion.diagonal().double()
    return (2 * right / (confusion.sum(0) + confusion.sum(1))).mean()


def _shares(confusion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    right = confusion.diagonal().double()
    images = confusion.sum(1).double()
    return right / confusion.sum(0), right / images, images


macro_f1.mistake(
    "That is the accuracy: micro F1 sums the counts of all classes first.", lambda c: c.diagonal().sum() / c.sum()
)
macro_f1.mistake(
    "You weigh each class by its images. Macro means that each counts the same.",
    lambda c: (2 * _shares(c)[0] * _shares(c)[1] / (_shares(c)[0] + _shares(c)[1]) * _shares(c)[2] / c.sum()).sum(),
)
macro_f1.mistake(
    "You averaged precision and recall over the classes and took the harmonic mean of the two. Take each class's F1 "
    "first, then the mean.",
    lambda c: 2 / (1 / _shares(c)[0].mean() + 1 / _shares(c)[1].mean()),
)
macro_f1.mistake("That is the mean recall.", lambda c: _shares(c)[1].mean())
macro_f1.mistake("That is the mean precision.", lambda c: _shares(c)[0].mean())
macro_f1.hints(
    "Rows are right classes, columns what was said: the sum of a row is how many show the class, that of a column how "
    "often it was named.",
    "F1 of a class is 2 * diagonal / (row sum + column sum). Then the mean over the classes.",
)
macro_f1.wrong(lambda c: torch.tensor(0.5))


def _dealt(first: list[float], second: list[float]) -> list[float]:
    """The difference of the means for every way to deal them out."""
    every, total = [*first, *second], sum(first) + sum(second)
    return [sum(some) / len(first) - (total - sum(some)) / len(second) for some in combinations(every, len(first))]


@exercise(
    "measuring/dealt-again",
    "Deal the seeds again",
    cases=[
        ([0.80, 0.81, 0.82], [0.83, 0.84, 0.85]),
        ([0.712, 0.731, 0.704, 0.718], [0.725, 0.742, 0.716, 0.739]),
        ([0.90, 0.92], [0.91, 0.92, 0.93]),
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.7]),
    ],
    tolerance=1e-6,
)
def dealt_again(first: list[float], second: list[float]) -> float:
    """Three seeds against three can never fall below 0.1, not even where all of one lie above all of the other."""
    own = abs(sum(first) / len(first) - sum(second) / len(second))
    dealt = _dealt(first, second)
    return sum(abs(one) >= own - 1e-9 for one in dealt) / len(dealt)


def _counted(keep):
    def share(first, second):
        own = sum(first) / len(first) - sum(second) / len(second)
        dealt = _dealt(first, second)
        return sum(keep(one, own) for one in dealt) / len(dealt)

    return share


dealt_again.mistake(
    "You count one side. Before you looked you did not know which recipe would be ahead: take absolute differences.",
    _counted(lambda one, own: abs(one) >= abs(own) - 1e-9 and one * own >= 0 and own != 0),
)
dealt_again.mistake(
    "Count the deals that differ *at least* as much, so that the one that happened is among them (and allow for "
    "rounding: 1e-9).",
    _counted(lambda one, own: abs(one) > abs(own) + 1e-9),
)
dealt_again.mistake(
    "That is the share of deals that differ less. You want those that differ at least as much.",
    _counted(lambda one, own: abs(one) < abs(own) - 1e-9),
)
dealt_again.hints(
    "itertools.combinations(all of them, len(first)) gives every hand that the first recipe could have been dealt.",
    "For each hand compare the absolute difference of the two means with the one that happened; at least as large, "
    "with 1e-9 for rounding, counts. Divide by the number of hands.",
)
dealt_again.wrong(lambda first, second: 0.05)
