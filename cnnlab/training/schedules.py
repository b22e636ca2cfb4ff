"""Learning-rate schedules: small frozen dataclasses, called at every iteration.

A schedule is a function of the progress of the whole training, from 0 (first iteration) towards 1
(last), and returns the factor that the base learning rate is multiplied by. It has no state of its
own, so an interrupted run needs nothing but its iteration number to go on. Any function of that
kind will do: ``schedule=lambda progress: 1 - progress``.

    lr(t) = lr * schedule(t / T)        t = 0 .. T - 1
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from cnnlab.errors import unknown_name

__all__ = ["Schedule", "Cosine", "Step", "OneCycle", "SCHEDULES", "make_schedule"]

Schedule = Callable[[float], float]


def _warm(progress: float, warmup: float) -> float:
    # Starts at 1 % instead of 0: a first step of length zero would teach nothing.
    return 0.01 + 0.99 * progress / warmup


def _check_fraction(owner: str, name: str, value: float) -> None:
    if not 0.0 <= value < 1.0:
        epochs = f" For {value:g} of 30 epochs write {name}={value:g} / 30." if 1 <= value < 30 else ""
        raise ValueError(
            f"{owner}: {name}={value!r} must lie in [0, 1): it is a fraction of the whole training.{epochs}"
        )


@dataclass(frozen=True)
class Cosine:
    """Half a cosine wave from 1 down to ``final`` (Loshchilov and Hutter, 2017), after a linear warm-up.

    Args:
        warmup: fraction of the training spent rising linearly to the base learning rate.
        final: factor reached at the end.
    """

    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        _check_fraction("Cosine", "warmup", self.warmup)

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return _warm(progress, self.warmup)
        down = (progress - self.warmup) / (1.0 - self.warmup)
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * down))


@dataclass(frozen=True)
class Step:
    """Multiply by ``gamma`` at each milestone: the ResNet paper's schedule is the default.

    Args:
        milestones: fractions of the training, increasing. He et al. (2015) divide by 10 after
            32k and 48k of 64k iterations: (0.5, 0.75).
        gamma: the factor at each milestone.
        warmup: fraction of the training spent rising linearly to the base learning rate.
    """

    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _check_fraction("Step", "warmup", self.warmup)
        for milestone in self.milestones:
            if not 0.0 < milestone < 1.0:
                raise ValueError(
                    f"Step: milestones={self.milestones!r} must be fractions of the training between 0 and 1; "
                    "epoch 15 of 30 is 0.5."
                )

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return _warm(progress, self.warmup)
        return self.gamma ** sum(progress >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class OneCycle:
    """Up to the base learning rate and down again, both along half a cosine (Smith and Topin, 2018).

    The momentum stays fixed; ``torch.optim.lr_scheduler.OneCycleLR`` moves it the other way.

    Args:
        peak: fraction of the training at which the learning rate is highest.
        start: factor at the first iteration.
        final: factor at the last.
    """

    peak: float = 0.3
    start: float = 0.04
    final: float = 0.0001

    def __post_init__(self) -> None:
        if not 0.0 < self.peak < 1.0:
            raise ValueError(
                f"OneCycle: peak={self.peak!r} must lie between 0 and 1: it is a fraction of the training."
            )

    def __call__(self, progress: float) -> float:
        if progress < self.peak:
            begin, end, along = self.start, 1.0, progress / self.peak
        else:
            begin, end, along = 1.0, self.final, (progress - self.peak) / (1.0 - self.peak)
        return end + (begin - end) * 0.5 * (1.0 + math.cos(math.pi * along))


@dataclass(frozen=True)
class _Constant:
    value: float = field(default=1.0)

    def __call__(self, progress: float) -> float:
        return self.value


SCHEDULES: dict[str, Schedule] = {
    "constant": _Constant(),
    "cosine": Cosine(),
    "warmup_cosine": Cosine(warmup=0.1),
    "step": Step(),
    "onecycle": OneCycle(),
}


def make_schedule(schedule: str | Schedule | None) -> Schedule:
    """The schedule for a name, a callable or None (constant).

    Raises:
        ValueError: unknown name.
        TypeError: neither a name nor callable.
    """
    if schedule is None:
        return SCHEDULES["constant"]
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise unknown_name("schedule", schedule, SCHEDULES)
        return SCHEDULES[schedule]
    if not callable(schedule):
        raise TypeError(
            f"schedule={schedule!r} is neither a name nor a function of the progress in [0, 1]. "
            f"Names: {', '.join(map(repr, sorted(SCHEDULES)))}."
        )
    return schedule
