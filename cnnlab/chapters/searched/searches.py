"""Searches in a space whose cells have all been trained: they look results up, and can be made a thousand times.

E. Real, A. Aggarwal, Y. Huang, Q. V. Le: Regularized Evolution for Image Classifier Architecture Search, AAAI 2019,
https://arxiv.org/abs/1802.01548, is where the population ages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from cnnlab.chapters.searched.cells import DRAWINGS, canonical, neighbors
from cnnlab.results import runs_by

__all__ = ["Bench", "Trial", "random_search", "evolution", "one_shot", "repeated", "kendall"]

ONE_SHOT = "one-shot"
GUESSING = 0.1  # accuracy of a network that nothing gets through, with ten classes

Trial = tuple[str, float]  # a drawing, and the accuracy that a search saw


@dataclass(frozen=True)
class Bench:
    """The trained cells, to be asked in place of a training.

    Attributes:
        seen: cell -> accuracy on the half that searches see, one for each seed.
        test: cell -> accuracy on the other half, one for each seed.
        said: for each seed of the supernet, cell -> accuracy with the shared weights.
        supernet: what a supernet costs, in trainings of one cell.
        rows: cell -> its first run in the record.
    """

    seen: Mapping[str, Sequence[float]]
    test: Mapping[str, Sequence[float]]
    said: Sequence[Mapping[str, float]]
    supernet: float
    rows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Bench:
        """From the record of ``experiments/search.py``."""
        runs = runs_by(record, "cell")
        shared = runs.pop(ONE_SHOT)
        each = fmean(run["seconds"] for own in runs.values() for run in own)
        return cls(
            seen={cell: [run["search_accuracy"] for run in own] for cell, own in runs.items()},
            test={cell: [run["test_accuracy"] for run in own] for cell, own in runs.items()},
            said=[run["said"] for run in shared],
            supernet=fmean(run["seconds"] for run in shared) / each,
            rows={cell: own[0] for cell, own in runs.items()},
        )

    def ask(self, drawing: str, draw: random.Random) -> float:
        """What a training of this drawing would have shown: the accuracy of one of its seeds."""
        cell = canonical(drawing)
        return GUESSING if cell == "000" else draw.choice(self.seen[cell])

    def worth(self, drawing: str) -> float:
        """What it is worth: the mean accuracy on pictures that no search has seen."""
        cell = canonical(drawing)
        return GUESSING if cell == "000" else fmean(self.test[cell])

    def ranked(self) -> list[str]:
        """The cells, best first."""
        return sorted(self.test, key=self.worth, reverse=True)

    def outcomes(self, trials: Sequence[Trial]) -> list[float]:
        """After each trial, what the one that looked best until then is worth."""
        worths, best = [], ("", -1.0)
        for trial in trials:
            best = max(best, trial, key=lambda own: own[1])
            worths.append(self.worth(best[0]))
        return worths


def random_search(bench: Bench, trials: int, draw: random.Random) -> list[Trial]:
    """Drawings one after another, each drawn evenly from all."""
    drawn = (draw.choice(DRAWINGS) for _ in range(trials))
    return [(drawing, bench.ask(drawing, draw)) for drawing in drawn]


def evolution(
    bench: Bench,
    trials: int,
    draw: random.Random,
    *,
    population: int = 8,
    sample: int = 3,
) -> list[Trial]:
    """The best of a sample gets a child that differs in one edge; the oldest dies."""
    history = random_search(bench, min(population, trials), draw)
    while len(history) < trials:
        rivals = draw.sample(history[-population:], sample)
        parent, _ = max(rivals, key=lambda trial: trial[1])
        child = draw.choice(neighbors(parent))
        history.append((child, bench.ask(child, draw)))
    return history


def one_shot(bench: Bench, trials: int, draw: random.Random) -> list[Trial]:
    """The cells that one of the supernets puts first, trained in that order."""
    said = draw.choice(bench.said)
    order = sorted(said, key=said.__getitem__, reverse=True)[:trials]
    return [(cell, bench.ask(cell, draw)) for cell in order]


def kendall(x: Sequence[float], y: Sequence[float]) -> float:
    """Kendall's rank correlation: of all pairs, the share in the same order less that in the opposite one (tau-a).

    Raises:
        ValueError: lengths differ, or fewer than two values.
    """
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"x has {len(x)} values and y has {len(y)}; give two or more, as many of each.")
    pairs = [(i, j) for i in range(len(x)) for j in range(i)]
    products = ((x[i] - x[j]) * (y[i] - y[j]) for i, j in pairs)
    return sum((product > 0) - (product < 0) for product in products) / len(pairs)


def repeated(
    search: Callable[..., list[Trial]], bench: Bench, trials: int, times: int, seed: int = 0
) -> list[list[float]]:
    """The outcomes of many searches. Shape: (times, trials)."""
    draw = random.Random(seed)
    return [bench.outcomes(search(bench, trials, draw)) for _ in range(times)]
