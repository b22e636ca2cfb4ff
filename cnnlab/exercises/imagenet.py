"""Exercises of the chapter "ImageNet"."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from cnnlab.exercises.kinds import Condition, Exercise, Hint, conditions, function, value

TRAINING, VALIDATION, TEST = 1_281_167, 50_000, 100_000
ALL = TRAINING + VALIDATION + TEST


def _relative_reduction(before: float, after: float) -> float:
    return (after - before) / (100 - before)


def _strict_topk(scores: Tensor, labels: Tensor, k: int) -> float:
    rank = (scores >= scores.gather(1, labels[:, None])).sum(dim=1)
    return (rank <= k).float().mean().item()


def _kind_topk(scores: Tensor, labels: Tensor, k: int) -> float:
    rank = 1 + (scores > scores.gather(1, labels[:, None])).sum(dim=1)
    return (rank <= k).float().mean().item()


def _off_by_one(scores: Tensor, labels: Tensor, k: int) -> float:
    rank = 1 + (scores >= scores.gather(1, labels[:, None])).sum(dim=1)
    return (rank <= k).float().mean().item()


def _images_needed(percent: float, error: float) -> int:
    p = percent / 100
    return math.ceil(p * (1 - p) / (error / 100) ** 2 - 1e-9)


def _front(costs: list[float], accuracies: list[float]) -> list[int]:
    models = list(zip(costs, accuracies))

    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        return a[0] <= b[0] and a[1] >= b[1] and a != b

    return [i for i, model in enumerate(models) if not any(beats(other, model) for other in models)]


def _strictly_better_in_both(costs: list[float], accuracies: list[float]) -> list[int]:
    models = list(zip(costs, accuracies))
    return [i for i, m in enumerate(models) if not any(o[0] < m[0] and o[1] > m[1] for o in models)]


def _without_twins(costs: list[float], accuracies: list[float]) -> list[int]:
    models = list(zip(costs, accuracies))
    return [
        i
        for i, m in enumerate(models)
        if not any(o[0] <= m[0] and o[1] >= m[1] for j, o in enumerate(models) if j != i)
    ]


def _cheapest_first(costs: list[float], accuracies: list[float]) -> list[int]:
    return sorted(_front(costs, accuracies), key=lambda i: (costs[i], i))


# The five rows' labels have rank 1, 2, 3 (without ties), then a tie for first place, then all equal.
_SCORES = torch.tensor(
    [
        [0.1, 0.6, 0.2, 0.1],
        [0.5, 0.3, 0.1, 0.1],
        [0.4, 0.2, 0.3, 0.1],
        [0.1, 0.4, 0.4, 0.1],
        [0.25, 0.25, 0.25, 0.25],
    ]
)
_LABELS = torch.tensor([1, 1, 1, 1, 1])


def _ranked(rank: int, classes: int = 6) -> tuple[Tensor, Tensor]:
    """Four images whose right class has this rank; no ties."""
    scores = torch.arange(classes, 0, -1).float().repeat(4, 1)
    return scores, torch.full((4,), rank - 1)


def _number(answer, scores: Tensor, labels: Tensor) -> float:
    result = answer(scores.clone(), labels.clone())
    if result is None:
        raise NotImplementedError("the function returns nothing yet")
    return float(result)


def _steadily_falling(answer) -> bool:
    values = [_number(answer, *_ranked(rank)) for rank in range(1, 7)]
    return all(later < earlier - 1e-6 for earlier, later in pairwise(values)) and values[-1] >= -1e-6


def _same_for_other_numbers(answer) -> bool:
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(40, 6, generator=generator), torch.randint(6, (40,), generator=generator)
    order = torch.randperm(6, generator=generator)  # the new class i is the old class order[i]
    renamed = order.argsort()[labels]
    return abs(_number(answer, scores, labels) - _number(answer, scores[:, order], renamed)) < 1e-5


EXERCISES: tuple[Exercise, ...] = (
    value(
        "imagenet/arithmetic",
        title="How often the truth has a chance",
        expected={"per class": TRAINING / 1000, "validation": VALIDATION / ALL, "guessing": 5 / 1000},
        tolerance=1e-4,
        hints=(
            Hint(
                "650 images are what a class of the whole ImageNet has. The contest has 1,281,167 for 1000 classes.",
                if_true=lambda a: 640 < float(a["per class"]) < 660,
            ),
            Hint(
                "That is all of the contest's images per class; only 1,281,167 of them are for training.",
                if_true=lambda a: abs(float(a["per class"]) - ALL / 1000) < 1,
            ),
            Hint(
                "The share of the validation images in all three parts is wanted: divide by 1,431,167, not by the "
                "training images.",
                if_true=lambda a: abs(float(a["validation"]) - VALIDATION / TRAINING) < 1e-6,
            ),
            Hint(
                "Shares go from 0 to 1, and one of yours is larger; did you give it in percent?",
                if_true=lambda a: float(a["validation"]) > 1 or float(a["guessing"]) > 1,
            ),
            Hint(
                "Guessing gets five tries, and each class is right once in a thousand.",
                if_true=lambda a: abs(float(a["guessing"]) - 5 / 1000) > 1e-9,
            ),
            Hint("Three divisions; the numbers are in the cell that compares ImageNet with the contest."),
            Hint("1,281,167 / 1000, then 50,000 / 1,431,167, then 5 / 1000."),
        ),
        success="Guessing gives half a percent, which is why top-5 with 1000 classes says something.",
    ),
    function(
        "imagenet/relative",
        title="What was saved",
        reference=_relative_reduction,
        cases=((90.0, 95.0), (73.83, 83.58), (76.13, 80.858), (50.0, 50.0), (98.0, 97.0)),
        hints=(
            Hint(
                "Those are points. A share of the errors is wanted: divide by how many errors there were before.",
                if_like=lambda before, after: after - before,
            ),
            Hint(
                "You divide by the accuracy before. Of 100 images, how many were wrong before?",
                if_like=lambda before, after: (after - before) / before,
            ),
            Hint(
                "You treat the two numbers as errors. They are accuracies; the error is 100 minus that.",
                if_like=lambda before, after: (before - after) / before,
            ),
            Hint(
                "That is the share of the errors that is left. Which share disappeared?",
                if_like=lambda before, after: (100 - after) / (100 - before),
            ),
            Hint(
                "You divide by the errors after. What disappeared is a share of what there was before.",
                if_like=lambda before, after: (after - before) / (100 - after),
            ),
            Hint(
                "That is in percent; a number between 0 and 1 is wanted.",
                if_like=lambda before, after: 100 * (after - before) / (100 - before),
            ),
            Hint("From 90 to 95 %: of 100 images, 10 were wrong before and 5 are now. Write that with letters."),
            Hint("Errors before: 100 - before. Errors that went away: after - before."),
        ),
        success="A few points near the top can be a large share of what was left to gain.",
    ),
    function(
        "imagenet/ties",
        title="Ties against you",
        reference=_strict_topk,
        cases=((_SCORES, _LABELS, 1), (_SCORES, _LABELS, 2), (_SCORES, _LABELS, 3), (_SCORES, _LABELS, 4)),
        hints=(
            Hint(
                "You count only classes with a higher score, so a tie counts for the network. Equal ones count, too.",
                if_like=_kind_topk,
            ),
            Hint(
                "Whoever counts scores that are equal or higher has already counted the right class itself.",
                if_like=_off_by_one,
            ),
            Hint(
                "That is the error; the accuracy is wanted.",
                if_like=lambda scores, labels, k: 1 - _strict_topk(scores, labels, k),
            ),
            Hint(
                "Right, but as a number of images. A share is wanted: divide by how many there are.",
                if_like=lambda scores, labels, k: len(labels) * _strict_topk(scores, labels, k),
            ),
            Hint("Start with the score of the right class: scores.gather(1, labels[:, None]), of shape (N, 1)."),
            Hint("The rank is the number of scores in the row that are equal to it or higher. Compare it with k."),
        ),
        success="For scores without ties it is the same as the chapter's function; a dead network now gets 0.",
    ),
    function(
        "imagenet/enough",
        title="Images enough",
        reference=_images_needed,
        cases=((80.0, 0.1), (50.0, 5.0), (97.75, 0.05), (76.13, 1.0)),
        hints=(
            Hint(
                "Are you mixing shares and percent? With p between 0 and 1, the error must be divided by 100, too.",
                if_like=lambda percent, error: math.ceil(percent / 100 * (1 - percent / 100) / error**2),
            ),
            Hint(
                "The standard error has a square root, so the error must be squared when you solve for n.",
                if_like=lambda percent, error: math.ceil(percent / 100 * (1 - percent / 100) / (error / 100) - 1e-9),
            ),
            Hint(
                "Not a whole number yet: round up, since fewer images would give a larger error.",
                if_like=lambda percent, error: percent * (100 - percent) / error**2,
            ),
            Hint(
                "You round down, and then the error is a little too large. Round up.",
                if_like=lambda percent, error: int(percent * (100 - percent) / error**2 - 0.5),
            ),
            Hint(
                "You asked for two standard errors below the limit; one is wanted.",
                if_like=lambda percent, error: math.ceil(4 * percent * (100 - percent) / error**2 - 1e-9),
            ),
            Hint("Square both sides of the equation, then solve it for n."),
            Hint("n = p (1 - p) / SE**2, all between 0 and 1, rounded up."),
        ),
        success="80 % to a tenth of a point takes 160,000 images, three times what ImageNet's validation set has.",
    ),
    function(
        "imagenet/front",
        title="The front",
        reference=_front,
        cases=(
            ([3, 1, 2], [70, 60, 50]),
            ([1, 1, 2, 3], [60, 65, 65, 80]),
            ([2, 1, 1, 3], [70, 60, 60, 70]),
            ([5.0], [12.0]),
            ([4, 3, 2, 1], [81, 80, 79, 78]),
        ),
        hints=(
            Hint(
                "You keep models that are beaten in one of the two and equal in the other. The same price and more "
                "accuracy is enough to beat.",
                if_like=_strictly_better_in_both,
            ),
            Hint(
                "Equal twins knock each other out in your function. To beat, a model must be better in at least one.",
                if_like=_without_twins,
            ),
            Hint("The right models, in another order: sort the places themselves.", if_like=_cheapest_first),
            Hint(
                "Those are the models that are beaten. The others are wanted.",
                if_like=lambda costs, accuracies: [i for i in range(len(costs)) if i not in _front(costs, accuracies)],
            ),
            Hint("First write beats(a, b) for two models, exactly as the sentence says. Then ask it about every pair."),
            Hint("a beats b if a costs <= b, a is >= as accurate, and the two are not equal."),
        ),
        success="This is the line in the chart, and asking every pair is fast enough for eighty models.",
    ),
    conditions(
        "imagenet/credit",
        title="A count of your own",
        requires=(
            Condition(
                lambda answer: abs(_number(answer, *_ranked(1)) - 1) < 1e-5,
                "When the right class is always first, the credit must be 1.",
            ),
            Condition(
                _steadily_falling,
                "The credit must fall at each step from first place to last, and never below 0. Try a right class in "
                "places 1 to 6.",
            ),
            Condition(
                _same_for_other_numbers,
                "Renumbering the classes changes your result. Only the rank of the right class may matter.",
            ),
            Condition(
                lambda answer: _number(answer, torch.zeros(4, 6), torch.tensor([0, 1, 2, 3])) <= 0.5 + 1e-6,
                "A network that gives every class the same score gets more than half. How does your rank treat ties?",
            ),
        ),
        hints=(
            Hint("Start from the rank of the right class and turn it into a number from 1 down to 0."),
            Hint("One way is 1 / rank, averaged over the images, with ties counted against the network."),
        ),
        success="Search engines are measured by 1 / rank; whichever you chose, say which when you report it.",
    ),
)
