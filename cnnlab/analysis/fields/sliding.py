"""Operators that look at neighbors: windows that slide over the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
from torch import Tensor

from cnnlab.analysis.fields.layout import Part, axes_in, fitted, plain, whole, whole_axis
from cnnlab.analysis.fields.mixing import mixed
from cnnlab.analysis.fields.state import Axis, State, axis_of
from cnnlab.analysis.trace import Op

__all__ = ["slide", "channels_met", "adaptive", "padded"]


def slide(
    op: Op, state: State, first: int, kernel: Sequence, stride: Sequence, dilation: Sequence | None = None
) -> State:
    """A window that slides over the dimensions from ``first`` on; a stride below 1 makes the grid finer."""
    dilation = dilation or (1,) * len(kernel)
    layout = list(state.layout)
    axes = None if state.axes is None else list(state.axes)
    for i, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        at, after = first + i, op.shape[first + i]
        found = axes_in(layout[at])
        if not found:
            layout[at] = plain(after)
            continue
        axis = next(iter(found))
        if len(found) > 1 or whole(state.layout, axis) != at:
            if k > 1:
                axes = None
            if k > 1 or s != 1:
                layout[at] = (Part(after, found),)
            continue
        before = layout[at][0].size
        layout[at] = (Part(after, axis),)
        if axes is not None:
            axes[axis] = _slid(axes[axis], before, after, k, Fraction(s), d)
    return State(tuple(layout), None if axes is None else tuple(axes))


def channels_met(state: State, d: int) -> State:
    """A convolution mixes its channels, be they positions of the image."""
    return mixed(state, {d}, reduced=True) if axes_in(state.layout[d]) else state


def _slid(axis: Axis, before: int, after: int, kernel: int, stride: Fraction, dilation: int) -> Axis:
    if axis.seen is None:
        return Axis(axis.size + dilation * (kernel - 1) * axis.jump, axis.jump * stride)
    reach = dilation * (kernel - 1)
    if stride < 1 or stride.denominator > 1:
        starts = np.floor((np.arange(after) + 0.5) * float(stride) - kernel / 2 + 0.5).astype(int)
    else:
        padding = max(0, ceil(((after - 1) * stride + reach + 1 - before) / 2))
        starts = np.arange(after) * int(stride) - padding
    where = starts[:, None] + dilation * np.arange(kernel)
    inside = (where >= 0) & (where < before)
    where = where.clip(0, before - 1)
    first = np.where(inside, axis.seen[0][where], np.inf).min(1)
    last = np.where(inside, axis.seen[1][where], -np.inf).max(1)
    return axis_of(first, last, axis.jump * stride)


def adaptive(op: Op, state: State, x: Tensor, kind: str) -> State:
    """Pooling to a given size, by cells that may overlap by a pixel; to one pixel, it sees the whole image."""
    n = int(kind[-2]) if kind[-1] == "d" else x.dim() - 2
    first = x.dim() - n
    kernel, stride = [], []
    for d, (a, b) in enumerate(zip(x.shape[first:], op.shape[first:], strict=True), start=first):
        if b == 1 and a > 1 and axes_in(state.layout[d]):
            state = replace(state, axes=None)
        # Cells of a/b pixels; unless b divides a, the widest cell covers one pixel more than rounding up says.
        kernel.append(a // b if a % b == 0 else min(a, a // b + 2))
        stride.append(Fraction(a, b))
    return slide(op, state, first, kernel, stride)


def padded(op: Op, state: State) -> State:
    """Nothing is seen in what is added."""
    amounts = op.args[1]
    axes = list(state.axes or ())
    for i in range(len(amounts) // 2):
        before, after = amounts[2 * i : 2 * i + 2]
        axis = whole_axis(state.layout, len(op.shape) - 1 - i)
        if axis is None or not axes or axes[axis].seen is None:
            continue
        first, last = (
            np.concatenate([np.full(max(before, 0), none), views, np.full(max(after, 0), none)])
            for views, none in zip(axes[axis].seen, (np.inf, -np.inf), strict=True)
        )
        keep = slice(max(-before, 0), len(first) - max(-after, 0))
        axes[axis] = axis_of(first[keep], last[keep], axes[axis].jump)
    return State(fitted(state.layout, op.shape) or state.layout, None if state.axes is None else tuple(axes))
