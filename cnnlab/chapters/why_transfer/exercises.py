"""Exercises of the chapter "Why features transfer"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise
from cnnlab.exercises.examples import counted


@exercise(
    "why_transfer/pooled",
    "What without where",
    cases=[(counted(2, 3, 4, 5),), (counted(1, 2, 1, 1),), (counted(3, 1, 2, 2),)],
)
def pooled(maps: Tensor) -> Tensor:
    """A probe that reads these numbers can know what a layer has found, and not where."""
    return maps.mean(dim=(2, 3))


pooled.mistake("You average over the channels. They are what the probe is to read.", lambda maps: maps.mean(dim=1))
pooled.mistake("You take the largest answer. Here the average is asked for.", lambda maps: maps.amax(dim=(2, 3)))
pooled.mistake(
    "Height and width are still there, with one place each: (N, C) is asked for.",
    lambda maps: maps.mean(dim=(2, 3), keepdim=True),
    when=lambda answer: as_tensor(answer(counted(2, 3, 4, 5))).dim() == 4,
)
pooled.mistake(
    "You average over the photos too. Each must keep its own numbers.", lambda maps: maps.mean(dim=(0, 2, 3))
)
pooled.hints(
    "Two of the four axes are to disappear. Which two say where?",
    "Tensor.mean takes several axes at once: dim=(2, 3).",
)
pooled.wrong(lambda maps: maps.sum(dim=(2, 3)))
pooled.right(lambda maps: torch.einsum("nchw->nc", maps) / (maps.shape[2] * maps.shape[3]))

FEATURES, CLASSES = 1280, 7


@exercise("why_transfer/parameters", "How little is left to learn")
def parameters() -> dict[str, int]:
    """Two in a thousand of the network's numbers: that is why a few pictures can be enough."""
    head = FEATURES * CLASSES + CLASSES
    return {"head": head, "frozen": 4_652_008 - (FEATURES * 1000 + 1000)}


parameters.mistake("Each class has a bias too.", {"head": FEATURES * CLASSES})
parameters.mistake(
    "That is the whole network of the thousand classes. Its old head is thrown away.", {"frozen": 4_652_008}
)
parameters.mistake("You forgot the thousand biases of the old head.", {"frozen": 4_652_008 - FEATURES * 1000})
parameters.hints(
    "A dense layer has a weight for each pair of a feature and a class, and a bias for each class.",
    "New head: 1280 · 7 + 7. What stays is 4,652,008 without the old head's 1280 · 1000 + 1000.",
)
parameters.wrong({"head": 7, "frozen": 1280})


@exercise(
    "why_transfer/differences",
    "Read the four curves",
    cases=[(0.9, 0.85, 0.8, 0.92), (0.6, 0.6, 0.3, 0.5), (1.0, 0.7, 0.7, 1.0)],
)
def differences(b: float, bnb: float, anb: float, anb_plus: float) -> tuple[float, float, float]:
    """Only BnB makes the second one readable: without it, layers torn apart would pass for layers of the wrong task."""
    return b - bnb, bnb - anb, anb_plus - b


differences.mistake(
    "The second is measured from B. Part of that fall is BnB's too, where no task was changed.",
    lambda b, bnb, anb, anb_plus: (b - bnb, b - anb, anb_plus - b),
)
differences.mistake(
    "The third compares AnB+ with AnB. Whether it paid to have seen A is asked, against B alone.",
    lambda b, bnb, anb, anb_plus: (b - bnb, bnb - anb, anb_plus - anb),
)
differences.mistake(
    "The signs: the first two are losses, positive where accuracy falls.",
    lambda b, bnb, anb, anb_plus: (bnb - b, anb - bnb, anb_plus - b),
)
differences.hints(
    "Each is a difference of two of the four. Which two differ in one thing alone?",
    "B and BnB differ in the tearing apart, BnB and AnB in the task of the lower layers, B and AnB+ in the start.",
)
differences.wrong(lambda b, bnb, anb, anb_plus: (b, bnb, anb))


POINTS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [1.0, 3.0], [5.0, 5.0], [6.0, 5.0], [7.0, 6.0]])
LABELS = torch.tensor([0, 0, 0, 1, 1, 1])
QUERY = torch.tensor([[1.0, 1.0], [6.0, 6.0], [3.9, 2.6], [4.2, 1.9], [4.0, 3.4], [3.6, 2.9]])


def distances(features: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    means = torch.stack([features[labels == c].mean(dim=0) for c in labels.unique()])
    return torch.cdist(query, means)


@exercise(
    "why_transfer/nearest-mean",
    "A classifier without training",
    cases=[(POINTS, LABELS, QUERY), (POINTS.flip(1), 1 - LABELS, QUERY), (POINTS, torch.arange(6) % 3, QUERY)],
)
def nearest_mean(features: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    """Where features are good, there is hardly anything left to train."""
    return distances(features, labels, query).argmin(dim=1)


nearest_mean.mistake(
    "That is the class of the nearest single example. Average the examples of each class first.",
    lambda features, labels, query: labels[torch.cdist(query, features).argmin(dim=1)],
)
nearest_mean.mistake(
    "You choose the farthest mean.", lambda features, labels, query: distances(features, labels, query).argmax(dim=1)
)
nearest_mean.mistake(
    "Those are distances. The class is where they are least.",
    distances,
    when=lambda answer: as_tensor(answer(POINTS, LABELS, QUERY)).dim() == 2,
)
nearest_mean.hints(
    "First a mean for each class: features[labels == c].mean(dim=0).",
    "torch.cdist(query, means) has a row for each query and a column for each class; argmin(dim=1) gives the class.",
)
nearest_mean.wrong(lambda features, labels, query: torch.zeros(len(query), dtype=torch.long))


@nearest_mean.right
def by_squares(features: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    means = torch.stack([features[labels == c].mean(dim=0) for c in range(int(labels.max()) + 1)])
    return ((query[:, None] - means) ** 2).sum(dim=2).argmin(dim=1)


@exercise(
    "why_transfer/cut",
    "Where to cut",
    cases=[
        ([0.66, 0.67, 0.86, 0.95, 0.98, 0.97, 0.80], 0.04),
        ([0.3, 0.5, 0.4, 0.6], 0.0),
        ([0.9, 0.5, 0.91, 0.7], 0.02),
        ([0.5], 0.1),
    ],
)
def cut(accuracies: Sequence[float], tolerance: float) -> int:
    """Everything above the cut need not be computed: the cheapest features that are good enough."""
    enough = max(accuracies) - tolerance - 1e-9
    return next(layer for layer, accuracy in enumerate(accuracies) if accuracy >= enough)


cut.mistake(
    "That is the best layer. An earlier one within the tolerance will do.",
    lambda accuracies, tolerance: max(range(len(accuracies)), key=lambda layer: accuracies[layer]),
)
cut.mistake(
    "That is the last layer within the tolerance. The first one costs less.",
    lambda accuracies, tolerance: max(
        layer for layer, accuracy in enumerate(accuracies) if accuracy >= max(accuracies) - tolerance - 1e-9
    ),
)
cut.mistake(
    "Count the layers from 0.",
    lambda accuracies, tolerance: cut(accuracies, tolerance) + 1,
    when=lambda answer: answer([0.5], 0.1) == 1,
)
cut.hints(
    "What is good enough? The best accuracy less the tolerance.",
    "Go through the layers from the first, and stop at the first that is good enough.",
)
cut.wrong(lambda accuracies, tolerance: 0)
cut.right(lambda accuracies, tolerance: [a >= max(accuracies) - tolerance - 1e-9 for a in accuracies].index(True))
