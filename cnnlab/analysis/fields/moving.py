"""Operators that rearrange: positions go elsewhere, or some of them alone go on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from cnnlab.analysis.fields.layout import axes_in, fitted, joined, plain, reshaped, whole_axis
from cnnlab.analysis.fields.state import UNKNOWN, Axis, Known, State, axis_of, without
from cnnlab.analysis.operators import pair
from cnnlab.analysis.trace import Op

__all__ = ["moved", "taken"]


def moved(op: Op, state: State, x: Tensor, kind: str) -> Known:
    """Dimensions in another order, one more of size 1, or without those of size 1."""
    n = x.dim()
    order = list(range(n))
    if kind == "permute":
        order = [d % n for d in op.args[1]]
    elif kind in ("transpose", "swapaxes"):
        a, b = op.args[1] % n, op.args[2] % n
        order[a], order[b] = b, a
    elif kind == "t":
        order.reverse()
    elif kind == "movedim":
        pairs = zip(*((d,) if isinstance(d, int) else d for d in op.args[1:3]), strict=True)
        moves = {to % n: source % n for source, to in pairs}
        rest = iter(d for d in range(n) if d not in moves.values())
        order = [moves[d] if d in moves else next(rest) for d in range(n)]
    elif kind == "unsqueeze":
        at = op.args[1] % (n + 1)
        return replace(state, layout=(*state.layout[:at], plain(1), *state.layout[at:]))
    else:  # squeeze
        return replace(state, layout=reshaped(state.layout, op.shape))
    return replace(state, layout=tuple(state.layout[d] for d in order))


def taken(op: Op, state: State, x: Tensor, kind: str) -> Known:
    """A part of a tensor, the same several times (``expand``), or all of it moved on (``roll``)."""
    n = x.dim()
    if kind in ("select", "unbind"):
        at = (op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", 0)) % n
        index = op.args[2] if kind == "select" and len(op.args) > 2 else 0
        while axes_in(state.layout[at]):
            inner = len(state.layout[at]) - 1
            size = state.layout[at][inner].size
            state = without(state, at, inner, index % size)
            index //= size
        return replace(state, layout=(*state.layout[:at], *state.layout[at + 1 :]))
    if kind == "expand":
        shift = len(op.shape) - n
        return replace(state, layout=joined([(state.layout, shift)], op.shape))
    if kind == "roll":
        return _rolled(op, state, n)
    if len(op.shape) != n:
        return UNKNOWN
    if kind == "slice":
        at = (op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", 0)) % n
        start, stop, step = ((*op.args[2:5], None, None, None)[i] for i in range(3))
        cut = slice(start, stop, step)
    elif kind == "narrow":
        at, start, length = op.args[1] % n, op.args[2], op.args[3]
        cut = slice(start, start + length)
    else:  # of the pieces of chunk and split the first, of an index what remains
        at = next((d for d in range(n) if op.shape[d] != x.shape[d]), 0)
        cut = slice(0, op.shape[at])
    layout = fitted(state.layout, op.shape)
    axis = whole_axis(state.layout, at)
    if axis is not None and state.axes is not None:
        one = state.axes[axis]
        jump = one.jump * (cut.step or 1)
        left = Axis(one.size, jump)
        if one.seen is not None and len(one.seen[0]) == x.shape[at]:
            left = axis_of(one.seen[0][cut], one.seen[1][cut], jump)
        state = replace(state, axes=(*state.axes[:axis], left, *state.axes[axis + 1 :]))
    return UNKNOWN if layout is None else replace(state, layout=layout)


def _rolled(op: Op, state: State, n: int) -> State:
    """A roll by three rows moves what each position sees; the roll back undoes it."""
    shifts, dims = (pair(value, 1) for value in (op.args[1], op.args[2] if len(op.args) > 2 else ()))
    if state.axes is None or len(shifts) != len(dims):
        return state
    axes = list(state.axes)
    for shift, d in zip(shifts, dims, strict=True):
        axis = whole_axis(state.layout, d % n)
        if axis is not None:
            views = axes[axis].views(state.layout[d % n][0].size)
            if views is not None:
                axes[axis] = axis_of(np.roll(views[0], shift), np.roll(views[1], shift), axes[axis].jump)
    return replace(state, axes=tuple(axes))
