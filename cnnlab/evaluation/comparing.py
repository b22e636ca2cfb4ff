"""Whether one way of asking is better than another, on the very same pictures."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy
import torch
from torch import Tensor

from cnnlab.errors import whole_number
from cnnlab.evaluation.answers import Answers

__all__ = ["Paired", "mcnemar", "paired", "wilson"]


@dataclass(frozen=True, eq=False)
class Paired:
    """Two answers compared picture by picture; shows itself as a line.

    Attributes:
        before, after: their names.
        corrected: the pictures that only ``after`` has right, by number. Shape: (C,), int64.
        corrupted: those that only ``before`` has right.
        both_right, both_wrong: how many others there are.
        gain: accuracy after less accuracy before.
        interval: where the gain lies with probability ``level`` when the pictures are drawn again.
        level: 0.95, as a rule.
        p_value: of McNemar's exact test: how often coins alone would share out the pictures on which they differ at
            least as unevenly.
        passes: forward passes for a picture, before and after.
        macs: multiply-accumulates for a picture, before and after; None where they cannot be counted.
        seconds: before and after.
    """

    before: str
    after: str
    corrected: Tensor = field(repr=False)
    corrupted: Tensor = field(repr=False)
    both_right: int
    both_wrong: int
    gain: float
    interval: tuple[float, float]
    level: float
    p_value: float
    passes: tuple[int, int]
    macs: tuple[int, int] | None
    seconds: tuple[float, float]

    @property
    def cost(self) -> float:
        """How many times the arithmetic is needed: by multiply-accumulates, else by passes."""
        before, after = self.macs or self.passes
        return after / before

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"{self.after} against {self.before}: {len(self.corrected)} corrected, {len(self.corrupted)} corrupted, "
            f"{100 * self.gain:+.1f} points ({self.level:.0%}: {100 * low:+.1f} to {100 * high:+.1f}), "
            f"p = {self.p_value:.2g}, {self.cost:.3g} times the arithmetic"
        )


def mcnemar(corrected: int, corrupted: int) -> float:
    """The p-value of McNemar's exact two-sided test: twice the tail of ``corrected + corrupted`` tosses of a fair coin.

    Q. McNemar: Note on the sampling error of the difference between correlated proportions or percentages.
    Psychometrika 12, 1947.

    Args:
        corrected, corrupted: pictures that one of two ways has right alone, and the other. 0 or more.

    Returns:
        1 where nothing differs.

    Raises:
        ValueError: a count is negative or no whole number.
    """
    counts = []
    for name, given in (("corrected", corrected), ("corrupted", corrupted)):
        try:
            counts.append(operator.index(given))
        except TypeError:
            counts.append(-1)
        if counts[-1] < 0:
            raise ValueError(f"{name}={given!r} must be a whole number, 0 or more: how many pictures there are.")
    tosses = sum(counts)
    tail = sum(math.comb(tosses, heads) for heads in range(min(counts) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def wilson(right: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """Where the true share lies, when ``right`` of ``count`` independent pictures are right: Wilson's score interval.

    It holds all shares p of which what was counted lies no further from its expectation than z standard deviations *of
    p*. The usual "plus or minus" takes the standard deviation of the share that was counted instead, which is none at
    all where everything was right.

    E. B. Wilson: Probable inference, the law of succession, and statistical inference. Journal of the American
    Statistical Association 22, 1927.

    Args:
        right: 0 to ``count``.
        count: pictures, 1 or more. Shots of one thing are not independent: count the things.
        level: of the interval.

    Returns:
        (low, high), within [0, 1].

    Raises:
        ValueError: more right than there are, or a level outside (0, 1).

    >>> low, high = wilson(90, 100)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.826 to 0.945
    """
    count = whole_number("count", count, "Give how many pictures there were.")
    if not 0 <= right <= count:
        raise ValueError(f"right={right!r} must be 0 to {count}: how many of the {count} pictures were right.")
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = right / count, z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(share * (1 - share) / count + weight / (4 * count))
    # Rounding must not leave the ends of the scale out where they are what was counted.
    return middle - reach if right else 0.0, middle + reach if right < count else 1.0


def paired(before: Answers, after: Answers, *, level: float = 0.95, resamples: int = 4000, seed: int = 0) -> Paired:
    """Compare two ways of asking about the same pictures: what one corrects, and what it corrupts.

    Two accuracies with an interval each say little, since both rise and fall with the same hard pictures. What counts
    are the pictures on which they differ: :func:`mcnemar` tests these, and a bootstrap over the pictures (drawn with
    replacement, both answers together) gives the gain's interval by its percentiles.

    Args:
        before, after: with labels, of the same pictures in the same order.
        level: of the interval.
        resamples: draws of the bootstrap.
        seed: of them.

    Raises:
        ValueError: answers about other pictures, without labels, or a level outside (0, 1).
    """
    right = [before.right, after.right]
    if not torch.equal(before.labels, after.labels):
        raise ValueError(
            f"before has {len(before)} pictures and after {len(after)}, and their labels differ: give answers about "
            "the same pictures in the same order."
        )
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
    resamples = whole_number("resamples", resamples, "Give how often the pictures shall be drawn again, such as 4000.")
    corrected, corrupted = (~right[0] & right[1]).nonzero().flatten(), (right[0] & ~right[1]).nonzero().flatten()
    n, c, b = len(before), len(corrected), len(corrupted)
    # A picture counts +1, -1 or 0 and nothing else, so that drawing pictures is drawing these.
    drawn = numpy.random.default_rng(seed).multinomial(n, [c / n, b / n, 1 - (c + b) / n], resamples)
    gains = (drawn[:, 0] - drawn[:, 1]) / n
    low, high = numpy.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    return Paired(
        before.name,
        after.name,
        corrected,
        corrupted,
        int((right[0] & right[1]).sum()),
        int((~right[0] & ~right[1]).sum()),
        (c - b) / n,
        (float(low), float(high)),
        level,
        mcnemar(c, b),
        (before.passes, after.passes),
        None if before.macs is None or after.macs is None else (before.macs, after.macs),
        (before.seconds, after.seconds),
    )
