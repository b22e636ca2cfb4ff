"""Exercises of the chapter "ImageNet"."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged

TRAINING, VALIDATION, TEST = 1_281_167, 50_000, 100_000
ALL = TRAINING + VALIDATION + TEST


# What the page itself prints, 1281 a class, is right, and so are shares to a tenth of a percent.
@exercise("imagenet/arithmetic", "How often the truth has a chance", tolerance=2e-4)
def arithmetic() -> dict[str, float]:
    """Guessing gives half a percent, which is why top-5 with 1000 classes says something."""
    return {"per class": TRAINING / 1000, "validation": VALIDATION / ALL, "guessing": 5 / 1000}


arithmetic.mistake(
    "650 images are what a class of the whole ImageNet has. The contest has 1,281,167 for 1000 classes.",
    {"per class": 14_197_122 / 21_841},
    when=lambda a: 640 < a["per class"] < 660,
)
arithmetic.mistake(
    "That is all of the contest's images per class; only 1,281,167 of them are for training.",
    {"per class": ALL / 1000},
    when=lambda a: abs(a["per class"] - ALL / 1000) < 1,
)
arithmetic.mistake(
    "The share of the validation images in all three parts is wanted: divide by 1,431,167, not by the training images.",
    {"validation": VALIDATION / TRAINING},
    when=lambda a: abs(a["validation"] - VALIDATION / TRAINING) < 1e-6,
)
arithmetic.mistake(
    "Shares go from 0 to 1, and one of yours is larger; did you give it in percent?",
    {"validation": 3.4936, "guessing": 0.5},
    when=lambda a: a["validation"] > 1 or a["guessing"] > 1,
)
arithmetic.mistake(
    "Guessing gets five tries, and each class is right once in a thousand.",
    {"guessing": 0.001},
    when=lambda a: abs(a["guessing"] - 5 / 1000) > 2e-4,
)
arithmetic.hints(
    "Three divisions; the numbers are in the cell that compares ImageNet with the contest.",
    "Training images by classes; validation images by all images; guesses by classes.",
)
arithmetic.right({"per class": 1281, "validation": 0.035, "guessing": 0.005})
arithmetic.wrong({"per class": 50})
arithmetic.wrong({"per class": 1280})


@exercise(
    "imagenet/relative",
    "What was saved",
    cases=[(90.0, 95.0), (73.83, 83.58), (76.13, 80.858), (50.0, 50.0), (98.0, 97.0)],
)
def relative(before: float, after: float) -> float:
    """A few points near the top can be a large share of what was left to gain."""
    return (after - before) / (100 - before)


relative.mistake(
    "Those are points. A share of the errors is wanted: divide by how many errors there were before.",
    lambda before, after: after - before,
)
relative.mistake(
    "You divide by the accuracy before. Of 100 images, how many were wrong before?",
    lambda before, after: (after - before) / before,
)
relative.mistake(
    "You treat the two numbers as errors. They are accuracies; the error is 100 minus that.",
    lambda before, after: (before - after) / before,
)
relative.mistake(
    "That is the share of the errors that is left. Which share disappeared?",
    lambda before, after: (100 - after) / (100 - before),
)
relative.mistake(
    "You divide by the errors after. What disappeared is a share of what there was before.",
    lambda before, after: (after - before) / (100 - after),
)
relative.mistake(
    "That is in percent; a number between 0 and 1 is wanted.",
    lambda before, after: 100 * (after - before) / (100 - before),
)
relative.hints(
    "From 90 to 95 %: of 100 images, 10 were wrong before and 5 are now. Write that with letters.",
    "Errors before: 100 - before. Errors that went away: after - before.",
)
relative.wrong(lambda before, after: 0.5)


def ranks(scores: Tensor, labels: Tensor, ties: bool = True) -> Tensor:
    """The place of the right class, with ties against or for the network. Shape: (N, K), (N,) -> (N,)."""
    right = scores.gather(1, labels[:, None])
    return (scores >= right).sum(1) if ties else 1 + (scores > right).sum(1)


def share(hits: Tensor) -> float:
    return as_tensor(hits).mean().item()


# The five rows' labels have rank 1, 2, 3 (without ties), then a tie for first place, then all equal.
SCORES = torch.tensor(
    [[0.1, 0.6, 0.2, 0.1], [0.5, 0.3, 0.1, 0.1], [0.4, 0.2, 0.3, 0.1], [0.1, 0.4, 0.4, 0.1], [0.25] * 4]
)
LABELS = torch.tensor([1, 1, 1, 1, 1])


@exercise("imagenet/ties", "Ties against you", cases=[(SCORES, LABELS, k) for k in (1, 2, 3, 4)])
def ties(scores: Tensor, labels: Tensor, k: int) -> float:
    """For scores without ties it is the same as the chapter's function; a dead network now gets 0."""
    return share(ranks(scores, labels) <= k)


ties.mistake(
    "You count only classes with a higher score, so a tie counts for the network. Equal ones count, too.",
    lambda scores, labels, k: share(ranks(scores, labels, ties=False) <= k),
)
ties.mistake(
    "Whoever counts scores that are equal or higher has already counted the right class itself.",
    lambda scores, labels, k: share(1 + ranks(scores, labels) <= k),
)
ties.mistake("That is the error; the accuracy is wanted.", lambda scores, labels, k: 1 - ties(scores, labels, k))
ties.mistake(
    "Right, but as a number of images. A share is wanted: divide by how many there are.",
    lambda scores, labels, k: len(labels) * ties(scores, labels, k),
)
ties.hints(
    "Start with the score of the right class: scores.gather(1, labels[:, None]), of shape (N, 1).",
    "The rank is the number of scores in the row that are equal to it or higher. Compare it with k.",
)
ties.wrong(lambda scores, labels, k: 0.0)


@ties.right
def by_sorting(scores: Tensor, labels: Tensor, k: int) -> float:
    """The right class is taken away and must then be above the k-th of the others."""
    right = scores.gather(1, labels[:, None])
    others = scores.scatter(1, labels[:, None], -math.inf).sort(1, descending=True).values
    return share(right[:, 0] > others[:, k - 1])


@exercise("imagenet/enough", "Images enough", cases=[(80.0, 0.1), (50.0, 5.0), (97.75, 0.05), (76.13, 1.0)])
def enough(percent: float, error: float) -> int:
    """80 % to a tenth of a point takes 160,000 images, three times what ImageNet's validation set has."""
    p = percent / 100
    return math.ceil(p * (1 - p) / (error / 100) ** 2 - 1e-9)


enough.mistake(
    "Are you mixing shares and percent? With p between 0 and 1, the error must be divided by 100, too.",
    lambda percent, error: math.ceil(percent / 100 * (1 - percent / 100) / error**2),
)
enough.mistake(
    "The standard error has a square root, so the error must be squared when you solve for n.",
    lambda percent, error: math.ceil(percent / 100 * (1 - percent / 100) / (error / 100) - 1e-9),
)
enough.mistake(
    "Not a whole number yet: round up, since fewer images would give a larger error.",
    lambda percent, error: percent * (100 - percent) / error**2,
)
enough.mistake(
    "You round down, and then the error is a little too large. Round up.",
    lambda percent, error: int(percent * (100 - percent) / error**2 - 0.5),
)
enough.mistake(
    "You asked for two standard errors below the limit; one is wanted.",
    lambda percent, error: math.ceil(4 * percent * (100 - percent) / error**2 - 1e-9),
)
enough.hints(
    "Square both sides of the equation, then solve it for n.", "n = p (1 - p) / SE**2, all between 0 and 1, rounded up."
)
enough.wrong(lambda percent, error: 50_000)


@exercise(
    "imagenet/recipe",
    "Somebody else's recipe",
    cases=[
        (0.5, (0.485, 0.229), (0.5, 0.5)),
        (0.2, (0.0, 1.0), (0.5, 0.5)),
        (0.25, (0.0, 1 / 255), (0.5, 0.5)),
        (0.8, (0.4, 0.25), (0.5, 0.2)),
        (0.6, (0.5, 0.5), (0.5, 0.5)),
    ],
)
def recipe(pixel: float, given: tuple[float, float], trained: tuple[float, float]) -> float:
    """Pixels from 0 to 1 are taken for the lighter half of the grays, and white as 255 for 128 times white."""
    return (pixel - given[0]) / given[1] * trained[1] + trained[0]


recipe.mistake(
    "That is the number that the network is given. Which pixel would have become that number by its own recipe?",
    lambda pixel, given, trained: (pixel - given[0]) / given[1],
)
recipe.mistake(
    "The two recipes are swapped: the pixel was treated with the one that was given.",
    lambda pixel, given, trained: (pixel - trained[0]) / trained[1] * given[1] + given[0],
)
recipe.mistake(
    "You treat the pixel with both recipes. The second one has to be undone: multiply by the deviation, add the mean.",
    lambda pixel, given, trained: ((pixel - given[0]) / given[1] - trained[0]) / trained[1],
)
recipe.mistake(
    "You undo the two steps in the order in which they were made. The last one first: multiply, then add.",
    lambda pixel, given, trained: ((pixel - given[0]) / given[1] + trained[0]) * trained[1],
)
recipe.mistake(
    "Do not hold the result between 0 and 1: that the network is given what no pixel can be is what you want to see.",
    lambda pixel, given, trained: min(max(recipe(pixel, given, trained), 0.0), 1.0),
)
recipe.hints(
    "Two steps: which number is the network given, and which pixel becomes that number by its own recipe?",
    "x = (pixel - mean) / deviation of the first pair; then solve the same equation of the second pair for the pixel.",
)
recipe.wrong(lambda pixel, given, trained: pixel)


def unbeaten(costs: list[float], accuracies: list[float], beats: Callable[[int, int], bool]) -> list[int]:
    """The places of the models that no other one beats."""
    places = range(len(costs))
    return [i for i in places if not any(beats(j, i) for j in places if j != i)]


@exercise(
    "imagenet/front",
    "The front",
    cases=[
        ([3, 1, 2], [70, 60, 50]),
        ([1, 1, 2, 3], [60, 65, 65, 80]),
        ([2, 1, 1, 3], [70, 60, 60, 70]),
        ([5.0], [12.0]),
        ([4, 3, 2, 1], [81, 80, 79, 78]),
    ],
)
def front(costs: list[float], accuracies: list[float]) -> list[int]:
    """This is the line in the chart, and asking every pair is fast enough for eighty models."""
    c, a = costs, accuracies
    return unbeaten(c, a, lambda j, i: c[j] <= c[i] and a[j] >= a[i] and (c[j], a[j]) != (c[i], a[i]))


front.mistake(
    "You keep models that are beaten in one of the two and equal in the other. The same price and more accuracy is "
    "enough to beat.",
    lambda c, a: unbeaten(c, a, lambda j, i: c[j] < c[i] and a[j] > a[i]),
)
front.mistake(
    "Equal twins knock each other out in your function. To beat, a model must be better in at least one.",
    lambda c, a: unbeaten(c, a, lambda j, i: c[j] <= c[i] and a[j] >= a[i]),
)
front.mistake(
    "The right models, in another order: sort the places themselves.",
    lambda c, a: sorted(front(c, a), key=lambda i: (c[i], i)),
)
front.mistake(
    "Those are the models that are beaten. The others are wanted.",
    lambda c, a: [i for i in range(len(c)) if i not in front(c, a)],
)
front.hints(
    "First write beats(a, b) for two models, exactly as the sentence says. Then ask it about every pair.",
    "a beats b if a costs <= b, a is >= as accurate, and the two are not equal.",
)
front.wrong(lambda c, a: list(range(len(c))))


@front.right
def along_the_costs(costs: list[float], accuracies: list[float]) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i])):
        twin = kept and (costs[i], accuracies[i]) == (costs[kept[-1]], accuracies[kept[-1]])
        if not kept or twin or accuracies[i] > accuracies[kept[-1]]:
            kept.append(i)
    return sorted(kept)


@judged("imagenet/credit", "A count of your own", function=True)
def credit(answer: Callable[[Tensor, Tensor], float]) -> None:
    """Search engines are measured by 1 / rank; whichever you chose, say which when you report it."""
    scores = torch.arange(6, 0, -1).float().repeat(4, 1)  # four images, no ties: class r - 1 has rank r
    values = [float(answer(scores, torch.full((4,), place))) for place in range(6)]
    expect(abs(values[0] - 1) < 1e-5, "When the right class is always first, the credit must be 1.")
    falls = all(later < earlier - 1e-6 for earlier, later in pairwise(values))
    expect(
        falls and values[-1] >= -1e-6,
        "The credit must fall at each step from first place to last, and never below 0. Try a right class in places 1 "
        "to 6.",
    )
    generator = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(40, 6, generator=generator), torch.randint(6, (40,), generator=generator)
    order = torch.randperm(6, generator=generator)  # the new class i is the old class order[i]
    expect(
        abs(float(answer(scores, labels)) - float(answer(scores[:, order], order.argsort()[labels]))) < 1e-5,
        "Renumbering the classes changes your result. Only the rank of the right class may matter.",
    )
    expect(
        float(answer(torch.zeros(4, 6), torch.tensor([0, 1, 2, 3]))) <= 0.5 + 1e-6,
        "A network that gives every class the same score gets more than half. How does your rank treat ties?",
    )


credit.hints(
    "Start from the rank of the right class and turn it into a number from 1 down to 0.",
    "One way is 1 / rank, averaged over the images, with ties counted against the network.",
)
credit.wrong(lambda scores, labels: 0.5, "must be 1")
credit.wrong(lambda scores, labels: share(scores.argmax(1) == labels), "fall at each step")
credit.wrong(lambda scores, labels: share(1 / (1 + labels)), "Renumbering")
credit.wrong(lambda scores, labels: share(1 / ranks(scores, labels, ties=False)), "more than half")
credit.right(lambda scores, labels: share(1 / ranks(scores, labels)), lambda s, y: share((6 - ranks(s, y)) / 5))
