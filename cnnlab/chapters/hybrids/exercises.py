"""Exercises of the chapter "Hybrids: convolution and attention"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged


@exercise(
    "hybrids/macs",
    "What looking costs",
    cases=[(56, 7, 64), (28, 7, 128), (14, 7, 256), (7, 7, 512), (56, 56, 64), (16, 4, 8)],
)
def attention_macs(side: int, window: int, channels: int) -> int:
    """With a window as large as the map it is full attention: sixty-four times as much on MaxViT's first map."""
    return 2 * side**2 * window**2 * channels


attention_macs.mistake(
    "Scores are half of it. The average of the values costs as much again.",
    lambda side, window, channels: side**2 * window**2 * channels,
)
attention_macs.mistake(
    "That is attention among all cells; each meets only those of its window.",
    lambda side, window, channels: 2 * side**4 * channels,
)
attention_macs.mistake(
    "That is a single window. There are (side / window)² of them.",
    lambda side, window, channels: 2 * window**4 * channels,
)
attention_macs.mistake(
    "A window has window² cells, not as many as it is wide.",
    lambda side, window, channels: 2 * side**2 * window * channels,
)
attention_macs.mistake(
    "The dense layers that make queries, keys and values were not asked for.",
    lambda side, window, channels: 2 * side**2 * window**2 * channels + 3 * side**2 * channels**2,
    lambda side, window, channels: 2 * side**2 * window**2 * channels + 4 * side**2 * channels**2,
)
attention_macs.hints(
    "How many cells ask, how many answer each of them, and how long are the vectors?",
    "Each of side² cells meets window² others, C for the score and C for the average.",
)
attention_macs.wrong(lambda side, window, channels: side * channels)


@attention_macs.right
def window_by_window(side: int, window: int, channels: int) -> int:
    return (side // window) ** 2 * 2 * (window**2) ** 2 * channels


@exercise(
    "hybrids/whole",
    "Does it see everything?",
    cases=[(28, 7), (56, 7), (49, 7), (14, 7), (32, 4), (16, 4), (96, 12), (8, 8)],
)
def sees_all(side: int, window: int) -> bool:
    """At 224 pixels MaxViT's first maps are of 56 cells, one step more than 7 x 7 = 49."""
    return side <= window**2


sees_all.mistake(
    "Not always: a window must hold a cell of every grid.",
    lambda side, window: True,
)
sees_all.mistake("Windows alone do not, but the grid then carries it on.", lambda side, window: side <= window)
sees_all.mistake(
    "At the limit it still works: with as many grids in a row as a window is wide, each has one cell in it.",
    lambda side, window: side < window**2,
)
sees_all.hints(
    "Take one row of cells. Grid g has those at g, g + side / window, ...: which g occur in a window?",
    "A window of so many neighbors holds every remainder when divided by side / window if it is at least as wide.",
)
sees_all.wrong(lambda side, window: False)


@sees_all.right
def by_remainders(side: int, window: int) -> bool:
    return {at % (side // window) for at in range(window)} == set(range(side // window))


@exercise(
    "hybrids/two-of-four",
    "Two of every four",
    cases=[
        ([1.0, -3.0, 2.0, 0.5],),
        ([0.1, 0.2, 0.3, 0.4, -9.0, 8.0, 7.0, -6.0],),
        ([-1.0, -2.0, -3.0, -4.0],),
        ([5.0, 0.0, 0.0, -0.1, 0.0, 2.0, 1.0, -3.0],),
    ],
)
def two_of_four(weights: list[float]) -> list[float]:
    """Which two is written beside them in two bits each: that regularity is what the hardware can use."""
    kept: list[float] = []
    for start in range(0, len(weights), 4):
        four = weights[start : start + 4]
        best = sorted(range(4), key=lambda i: -abs(four[i]))[:2]
        kept += [value if i in best else 0.0 for i, value in enumerate(four)]
    return kept


def _largest(weights: list[float], size: Callable[[float], float], group: int, keep: int) -> list[float]:
    kept: list[float] = []
    for start in range(0, len(weights), group):
        own = weights[start : start + group]
        best = sorted(range(len(own)), key=lambda i: -size(own[i]))[:keep]
        kept += [value if i in best else 0.0 for i, value in enumerate(own)]
    return kept


two_of_four.mistake(
    "A weight far below zero is a large one: compare sizes without their signs.",
    lambda weights: _largest(weights, float, 4, 2),
)
two_of_four.mistake(
    "You keep the largest half of all. Each four must keep two, however small they are.",
    lambda weights: _largest(weights, abs, len(weights), len(weights) // 2),
)
two_of_four.mistake("You keep the smaller two.", lambda weights: _largest(weights, lambda value: -abs(value), 4, 2))
two_of_four.mistake("You keep one of each pair.", lambda weights: _largest(weights, abs, 2, 1))
two_of_four.mistake(
    "Zeros stay where the others were: the list keeps its length and its order.",
    lambda weights: [value for value in two_of_four(weights) if value],
)
two_of_four.mistake(
    "The two that stay keep their signs.", lambda weights: [abs(value) for value in two_of_four(weights)]
)
two_of_four.hints(
    "Go through the list in steps of four, and set two of each to 0.",
    "Sort the four places by abs(weight); the first two stay.",
)
two_of_four.wrong(lambda weights: [0.0] * len(weights))


@two_of_four.right
def by_tensors(weights: list[float]) -> list[float]:
    four = torch.tensor(weights).reshape(-1, 4)
    mask = torch.zeros_like(four).scatter(1, four.abs().topk(2).indices, 1.0)
    return (four * mask).flatten().tolist()


def _scores(side: int, down: int, right: int) -> Tensor:
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    gap = places[None] - places[:, None]  # from a query to a key
    return -1000.0 * (gap - torch.tensor([down, right])).square().sum(2)


@judged("hybrids/aimed", "A head that looks aside", function=True)
def aimed(answer: Callable[..., Tensor]) -> None:
    """Nine such heads, each with its own matrix, are any 3 x 3 convolution; this is Cordonnier's proof."""
    for side, down, right in ((4, 0, 1), (4, -1, 0), (5, 1, -1), (4, 0, 0)):
        scores = as_tensor(answer(side, down, right)).double()
        cells = side * side
        expect(scores.shape == (cells, cells), f"Give a row for each of {cells} cells, with a score for each of them.")
        weights = scores.softmax(dim=1)
        own = _aim(weights, side, down, right)
        if (down, right) != (0, 0):
            expect(
                not own(-down, -right),
                "It looks the other way: row by row, a query looks for the key that lies (down, right) of it.",
            )
            if down != right:
                expect(not own(right, down), "Down comes first, and then right.")
        expect(own(down, right), "Inside of the map each cell must give nearly all its weight to one: the one aside.")


def _aim(weights: Tensor, side: int, down: int, right: int) -> Callable[[int, int], bool]:
    """Whether the inner cells look so far aside."""

    def looks(rows: int, columns: int) -> bool:
        inside = [(i, j) for i in range(1, side - 1) for j in range(1, side - 1)]
        wanted = [(i * side + j, (i + rows) * side + j + columns) for i, j in inside]
        return all(weights[query, key] > 0.99 for query, key in wanted)

    return looks


aimed.hints(
    "For each query (i, j) the key at (i + down, j + right) must have the highest score by far.",
    "Minus the squared distance from there, times a large number: -1000 * ((i + down - k)² + (j + right - l)²).",
)
aimed.right(_scores)


@aimed.right
def by_loops(side: int, down: int, right: int) -> list[list[float]]:
    scores = [[-50.0] * side**2 for _ in range(side**2)]
    for i in range(side):
        for j in range(side):
            if 0 <= i + down < side and 0 <= j + right < side:
                scores[i * side + j][(i + down) * side + j + right] = 50.0
    return scores


aimed.wrong(lambda side, down, right: torch.zeros(side, side), "a row for each")
aimed.wrong(lambda side, down, right: _scores(side, -down, -right), "other way")
aimed.wrong(lambda side, down, right: _scores(side, right, down), "Down comes first")
aimed.wrong(lambda side, down, right: torch.zeros(side**2, side**2), "nearly all")
aimed.wrong(lambda side, down, right: _scores(side, down, right) / 2000, "nearly all")
