"""What the positions of an operator's result see of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

import numpy as np

from cnnlab.analysis.fields.layout import Layout, Part, plain, tidy
from cnnlab.analysis.trace import Trace

__all__ = ["Axis", "axis_of", "State", "UNKNOWN", "Known", "start_of", "without"]


@dataclass(frozen=True)
class Axis:
    """What the units see along one axis of the image.

    Attributes:
        size, jump: As in `ReceptiveField`; of the center unit where ``seen`` is given.
        seen: First pixel, and one past the last, that the unit at each position sees: two arrays. None where all
            positions see alike, ``jump`` pixels further each.
    """

    size: Fraction
    jump: Fraction
    seen: tuple[np.ndarray, np.ndarray] | None = None

    def views(self, positions: int) -> tuple[np.ndarray, np.ndarray] | None:
        """``seen``, also where all see alike; None if there are not so many positions."""
        if self.seen is not None:
            return self.seen if len(self.seen[0]) == positions else None
        first = np.arange(positions) * float(self.jump) - float(self.size - self.jump) / 2
        return first, first + float(self.size)


def axis_of(first: np.ndarray, last: np.ndarray, jump: Fraction) -> Axis:
    """What has been computed position by position, in short where all see alike."""
    size, steps = last - first, np.diff(first)
    center = size[len(size) // 2]
    length = Fraction(float(center)).limit_denominator(4096) if np.isfinite(center) else Fraction(0)
    if np.isfinite(size).all() and np.ptp(size) < 1e-6 and (not len(steps) or (steps[0] > 0 and np.ptp(steps) < 1e-6)):
        return Axis(length, Fraction(float(steps[0])).limit_denominator(4096) if len(steps) else jump)
    return Axis(length, jump, (first, last))


@dataclass(frozen=True)
class State:
    """What an operator's result sees. ``axes`` is None where that is the whole image."""

    layout: Layout
    axes: tuple[Axis, ...] | None

    @property
    def is_global(self) -> bool:
        return self.axes is None


UNKNOWN = "unknown"
Known = State | str


def start_of(trace: Trace) -> State:
    """The state of the input."""
    shape = trace.inputs[0].shape
    layout = (*(plain(size) for size in shape[:2]), *((Part(size, i),) for i, size in enumerate(shape[2:])))
    return State(layout, tuple(Axis(Fraction(1), Fraction(1)) for _ in shape[2:]))


def without(state: State, d: int, at: int, index: int) -> State:
    """The state where a part of a dimension has one value alone."""
    part = state.layout[d][at]
    layout = [list(parts) for parts in state.layout]
    del layout[d][at]
    axes = state.axes
    if isinstance(part.axis, int):
        positions = prod(p.size for parts in state.layout for p in parts if p.axis == part.axis)
        for parts in layout:
            for i, other in enumerate(parts):
                if other.axis == part.axis and other.stride > part.stride:
                    parts[i] = replace(other, stride=other.stride // part.size)
        if axes is not None:
            one = axes[part.axis]
            jump = one.jump * (part.size if part.stride == 1 and positions > part.size else 1)
            if one.seen is None or positions % (part.size * part.stride) or len(one.seen[0]) != positions:
                left = Axis(one.size, jump)
            else:
                first, last = (
                    views.reshape(-1, part.size, part.stride)[:, index % part.size].reshape(-1) for views in one.seen
                )
                left = axis_of(first, last, jump)
            axes = (*axes[: part.axis], left, *axes[part.axis + 1 :])
    return State(tuple(tidy(parts) if parts else plain(1) for parts in layout), axes)
