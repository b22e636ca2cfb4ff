"""Exercises of the chapter "Feature extraction"."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged
from cnnlab.exercises.examples import counted


@exercise(
    "feature_extraction/bytes",
    "How large is the file?",
    cases=[(1000, 1280, 0, 4), (50_000, 1280, 3, 2), (7, 80, 1, 4)],
)
def bytes_on_disk(pictures: int, dim: int, copies: int, each: int) -> int:
    """It does not depend on the size of the pictures: that is fixed by the layer alone."""
    return pictures * (1 + copies) * (dim * each + 8)


bytes_on_disk.mistake(
    "Each row has a label too, of 8 bytes.", lambda pictures, dim, copies, each: pictures * (1 + copies) * dim * each
)
bytes_on_disk.mistake(
    "The pictures as they are stand in the file as well, beside their copies.",
    lambda pictures, dim, copies, each: pictures * copies * (dim * each + 8),
)
bytes_on_disk.mistake(
    "A copy has its own label as well: 8 bytes for each row, not for each picture.",
    lambda pictures, dim, copies, each: pictures * (1 + copies) * dim * each + pictures * 8,
)
bytes_on_disk.hints(
    "How many rows has the file? Each picture is there once, and once more for each copy.",
    "A row holds dim numbers of so many bytes each, and a label of 8 bytes.",
)
bytes_on_disk.wrong(lambda pictures, dim, copies, each: pictures)


@exercise(
    "feature_extraction/stale",
    "What makes them stale?",
)
def stale() -> dict[str, bool]:
    """What comes before the features counts, and nothing that comes after them."""
    return {
        "an epoch of fine-tuning": True,
        "another learning rate of the head": False,
        "another crop of the pictures": True,
        "ten more classes for the head": False,
        "pictures in another order": True,
    }


stale.mistake(
    "Fine-tuning moves the very weights that the features were computed with.", {"an epoch of fine-tuning": False}
)
stale.mistake(
    "The head reads the features and does not make them. How fast it learns is its own affair.",
    {"another learning rate of the head": True},
)
stale.mistake("A layer sees what the preprocessing gives it.", {"another crop of the pictures": False})
stale.mistake(
    "A head with more outputs reads the same 1,280 numbers.",
    {"ten more classes for the head": True},
)
stale.mistake(
    "Row 17 is whichever picture came 17th. In another order the old rows would get the labels of other pictures.",
    {"pictures in another order": False},
)
stale.hints(
    "Ask of each: would the same call now write other numbers into row 17?",
    "Three of the five change them.",
)
stale.wrong({"an epoch of fine-tuning": 17})


@exercise(
    "feature_extraction/break-even",
    "After how many epochs does it pay?",
    cases=[(10.0, 10.0, 0.1), (25.0, 10.0, 1.0), (100.0, 3.0, 2.0), (5.0, 20.0, 0.5)],
)
def break_even(extraction: float, plain: float, stored: float) -> int:
    """Where extraction costs one epoch, the second epoch has already paid for it."""
    epochs = 1
    while extraction + epochs * stored >= epochs * plain:
        epochs += 1
    return epochs


break_even.mistake(
    "That leaves out what an epoch on the store costs. It is little, and not nothing.",
    lambda extraction, plain, stored: int(extraction // plain) + 1,
)
break_even.mistake(
    "A whole number of epochs, rounded up: before the end of the last one the plain way is still ahead.",
    lambda extraction, plain, stored: int(extraction / (plain - stored)),
)
break_even.mistake(
    "How many epochs is asked, and that is a whole number.",
    lambda extraction, plain, stored: extraction / (plain - stored),
)
break_even.hints(
    "After n epochs the plain way has cost n · plain. What has the other cost?",
    "extraction + n · stored. What is the smallest whole n for which this is less?",
)
break_even.wrong(lambda extraction, plain, stored: 0)
break_even.right(lambda extraction, plain, stored: int(extraction // (plain - stored)) + 1)


POINTS = torch.tensor([[0.0, 1.0], [0.2, 1.0], [3.0, 3.0], [8.0, 0.5], [6.0, 1.0], [5.0, 0.4]])
LABELS = torch.tensor([0, 0, 0, 1, 1, 1])
QUERY = torch.tensor([[0.5, 0.4], [9.0, 8.0], [0.3, 6.0], [0.4, 0.1]])


def votes(features: Tensor, labels: Tensor, query: Tensor, k: int) -> Tensor:
    similar = torch.nn.functional.normalize(query, dim=1) @ torch.nn.functional.normalize(features, dim=1).T
    nearest = similar.topk(k, dim=1).indices
    return torch.nn.functional.one_hot(labels[nearest], int(labels.max()) + 1).sum(dim=1)


@exercise(
    "feature_extraction/neighbors",
    "Ask the neighbors",
    cases=[(POINTS, LABELS, QUERY, 1), (POINTS, LABELS, QUERY, 3), (POINTS.flip(1), 1 - LABELS, QUERY, 3)],
)
def neighbors(features: Tensor, labels: Tensor, query: Tensor, k: int) -> Tensor:
    """Nothing has been trained, and hardly anything that was trained did better on this page."""
    return votes(features, labels, query, k).argmax(dim=1)


neighbors.mistake(
    "You measure the distance between the ends. Divide each row by its length first, so that the direction counts.",
    lambda features, labels, query, k: (
        torch.nn.functional.one_hot(labels[torch.cdist(query, features).topk(k, dim=1, largest=False).indices], 2)
        .sum(dim=1)
        .argmax(dim=1)
    ),
)
neighbors.mistake(
    "That is the class of the nearest one alone. Let all k of them vote.",
    lambda features, labels, query, k: votes(features, labels, query, 1).argmax(dim=1),
)
neighbors.mistake(
    "Those are the votes. The class is where they are most.",
    votes,
    when=lambda answer: as_tensor(answer(POINTS, LABELS, QUERY, 1)).dim() == 2,
)
neighbors.hints(
    "With rows of length 1, query @ features.T holds the cosine of each query with each example.",
    "topk(k, dim=1).indices names the k largest in each row; labels[...] gives their classes, and the most frequent "
    "one is the answer (torch.mode, or one_hot and sum).",
)
neighbors.wrong(lambda features, labels, query, k: torch.zeros(len(query), dtype=torch.long))


@neighbors.right
def by_mode(features: Tensor, labels: Tensor, query: Tensor, k: int) -> Tensor:
    similar = torch.nn.functional.cosine_similarity(query[:, None], features[None], dim=2)
    return labels[similar.argsort(dim=1, descending=True)[:, :k]].mode(dim=1).values


def spread_out(k: int) -> Tensor:
    """Rows that vary in several directions, none of them an axis, and whose mean is far from zero."""
    return 30 + 5 * torch.sin(counted(12, k) ** 1.5) + 4 * torch.linspace(-3, 3, 12)[:, None] * torch.arange(1.0, k + 1)


def near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.double(), other.double(), rtol=1e-3, atol=1e-2)


@judged("feature_extraction/plane", "A plane through the cloud", function=True)
def plane(answer) -> None:
    """Two numbers for each picture, chosen so that they keep as much of the spread as two numbers can."""
    for rows in (spread_out(5), spread_out(3)):
        given = as_tensor(answer(rows.clone()))
        expect(given.shape == (len(rows), 2), f"Two numbers for each of the {len(rows)} rows are asked for.")
        direct = rows @ torch.linalg.svd(rows, full_matrices=False)[2][:2].T
        expect(
            not near(given.abs(), direct.abs()),
            "The cloud's middle is not at zero. Subtract the mean of the rows first, or the first direction only "
            "points there.",
        )
        expect(near(given.mean(dim=0), torch.zeros(2)), "The two numbers are 0 on average where the rows are centered.")
        kept = given.square().sum(dim=0)
        expect(
            not near(kept, torch.ones(2)),
            "Those columns have length 1: they say where a row lies and not how far. Multiply the centered rows by the "
            "directions.",
        )
        best = torch.linalg.svdvals(rows - rows.mean(dim=0))[:2].square()
        expect(near(kept / best, torch.ones(2)), "There are two directions in which the rows spread out more.")


plane.hints(
    "Center the rows. Then torch.linalg.svd gives directions, from the one in which they spread out most.",
    "_, _, directions = torch.linalg.svd(centered, full_matrices=False); then centered @ directions[:2].T.",
)


@plane.right
def by_svd(features: Tensor) -> Tensor:
    centered = features - features.mean(dim=0)
    return centered @ torch.linalg.svd(centered, full_matrices=False)[2][:2].T


@plane.right
def by_eigenvectors(features: Tensor) -> Tensor:
    centered = features - features.mean(dim=0)
    return centered @ torch.linalg.eigh(centered.T @ centered)[1].flip(1)[:, :2]


plane.wrong(lambda rows: rows.T[:2], "Two numbers for each")
plane.wrong(
    lambda rows: rows @ torch.linalg.svd(rows, full_matrices=False)[2][:2].T, "Subtract the mean of the rows first"
)
plane.wrong(lambda rows: rows[:, :2], "0 on average")
plane.wrong(lambda rows: torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)[0][:, :2], "have length 1")
plane.wrong(lambda rows: (rows - rows.mean(dim=0))[:, :2], "spread out more")
