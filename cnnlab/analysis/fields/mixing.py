"""Operators in which positions meet: sums, products, results side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from torch import Tensor

from cnnlab.analysis.fields.layout import Layout, Part, axes_in, fitted, joined, plain, sides, whole_axis
from cnnlab.analysis.fields.state import UNKNOWN, Axis, Known, State, axis_of, without
from cnnlab.analysis.trace import Op

__all__ = ["mixed", "product", "catenated", "elementwise"]


def mixed(state: State, along: set[int], reduced: bool = False, kept: bool = True) -> State:
    """Everything along the dimensions ``along`` meets: a whole image axis (global), a window of it, or no position.

    Args:
        reduced: whether one number is left of each of them.
        kept: whether that number has a dimension of its own.
    """
    axes = None if state.axes is None else list(state.axes)
    for d in along:
        for part in state.layout[d]:
            if axes is None or part.axis is None or part.size == 1:
                continue
            others = [p for parts in state.layout for p in parts if p.axis == part.axis]
            inside = [p for e in along for p in state.layout[e] if p.axis == part.axis]
            if not isinstance(part.axis, int) or prod(p.size for p in inside) == prod(p.size for p in others):
                axes = None
                continue
            together = _together(axes[part.axis], part, prod(p.size for p in others))
            if together is None:
                axes = None
            else:
                axes[part.axis] = together
    found = State(state.layout, None if axes is None else tuple(axes))
    if not reduced:
        return found
    for d in sorted(along, reverse=True):
        while axes_in(found.layout[d]):
            at = next(i for i, part in enumerate(found.layout[d]) if part.axis is not None)
            found = without(found, d, at, 0)
        rest = [found.layout[d][:0] or plain(1)] if kept else []
        found = replace(found, layout=(*found.layout[:d], *rest, *found.layout[d + 1 :]))
    return found


def _together(axis: Axis, part: Part, positions: int) -> Axis | None:
    """All positions that differ in this part alone see what one of them sees."""
    views = axis.views(positions)
    if views is None or positions % (part.size * part.stride):
        return None
    shape = (-1, part.size, part.stride)
    first = np.broadcast_to(views[0].reshape(shape).min(1, keepdims=True), views[0].reshape(shape).shape)
    last = np.broadcast_to(views[1].reshape(shape).max(1, keepdims=True), first.shape)
    return axis_of(first.reshape(-1), last.reshape(-1), axis.jump)


def product(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> Known:
    """A matrix product or an attention: rows of the first meet columns of the second."""
    if kind == "scaled_dot_product_attention":
        (_, k, v), (of_q, *rest) = tensors[:3], states[:3]
        # Each query meets all keys of its group, and takes from their values.
        seen = [mixed(s, {t.dim() - 2}) for s, t in zip(rest, (k, v), strict=True) if s is not None]
        lead = [(s.layout[:-2], len(op.shape) - len(s.layout)) for s in (of_q, *rest) if s is not None]
        batch = joined(lead, op.shape[:-2])
        queries = plain(op.shape[-2]) if of_q is None else of_q.layout[-2]
        layout = (*batch, queries, plain(op.shape[-1]))
        return _meeting([s for s in (of_q, *seen) if s is not None], layout)
    if kind in ("addmm", "baddbmm"):
        tensors, states = tensors[1:3], states[1:3]
    (a, b), (left, right) = tensors[:2], states[:2]
    if left is None and right is None:
        return UNKNOWN
    if a.dim() < 2 or b.dim() < 2:
        found = [mixed(s, {t.dim() - 1}) for s, t in ((left, a), (right, b)) if s is not None]
        return _meeting(found, tuple(plain(size) for size in op.shape))
    rows = columns = None
    parts: list[State] = []
    if left is not None:
        rows = left.layout[-2]
        parts.append(mixed(left, {a.dim() - 1}))
    if right is not None:
        columns = right.layout[-1]
        parts.append(mixed(right, {b.dim() - 2}))
        if rows is not None and axes_in(rows) and axes_in(columns):
            # Scores of attention: positions compared with positions, of which the second are summed over next.
            parts[-1], columns = mixed(parts[-1], {b.dim() - 1}), None
    lead = [(s.layout[:-2], len(op.shape) - len(s.layout)) for s in (left, right) if s is not None]
    layout = joined(lead, op.shape[:-2]) + (rows or plain(op.shape[-2]), columns or plain(op.shape[-1]))
    return _meeting(parts, layout)


def _meeting(states: Sequence[State], layout: Layout) -> State:
    """The state of what several results go into: whatever one of them sees is seen, at each position."""
    if any(state.axes is None for state in states):
        return State(layout, None)
    # Groups of positions that do not correspond: each unit may meet any.
    lost = {axis for state in states for axis in axes_in([p for parts in state.layout for p in parts])}
    merged = len(states) > 1 and any(isinstance(part.axis, frozenset) for parts in layout for part in parts)
    before = any(isinstance(p.axis, frozenset) for state in states for parts in state.layout for p in parts)
    if merged and lost and not before:
        return State(layout, None)
    axes: list[Axis] = []
    for i, several in enumerate(zip(*(state.axes for state in states), strict=True)):  # type: ignore[arg-type]
        size, jump = max(a.size for a in several), max(a.jump for a in several)
        if all(a.seen is None for a in several):
            axes.append(Axis(size, jump))
            continue
        counts = {prod(p.size for parts in state.layout for p in parts if p.axis == i) for state in states}
        views = [a.views(next(iter(counts))) for a in several] if len(counts) == 1 else [None]
        if any(view is None for view in views):
            return State(layout, None)
        first, last = (np.stack(side) for side in zip(*views, strict=True))  # type: ignore[arg-type]
        axes.append(axis_of(first.min(0), last.max(0), jump))
    return State(layout, tuple(axes))


def catenated(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> Known:
    """Results one after another, along a dimension that they have (``cat``) or a new one (``stack``)."""
    known = [s for s in states if s is not None]
    at = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", 0)
    at %= len(op.shape)
    if kind == "stack":
        layout = list(joined([(s.layout, 0) for s in known], tensors[0].shape))
        return _meeting(known, (*layout[:at], plain(op.shape[at]), *layout[at:]))
    shape = list(op.shape)
    shape[at] = 1
    layout = list(joined([(s.layout, 0) for s in known], shape))
    axes = frozenset().union(*(axes_in(s.layout[at]) for s in known))
    alone = {whole_axis(s.layout, at) for s in known}
    if len(axes) == 1 and alone == set(axes) and len(known) == len(states):
        layout[at] = (Part(op.shape[at], next(iter(axes))),)
        return _along(known, next(iter(axes)), tuple(layout))
    layout[at] = (Part(op.shape[at], axes or None),)
    return _meeting(known, tuple(layout))


def _along(states: list[State], axis: int, layout: Layout) -> State:
    """Results that follow one another along an axis of the image."""
    if any(state.axes is None for state in states):
        return State(layout, None)
    ones = [state.axes[axis] for state in states]  # type: ignore[index]
    found = State(layout, tuple(Axis(a.size, a.jump) if a.seen is None else a for a in states[0].axes or ()))
    if all(one.seen is None for one in ones):
        one_after_other = Axis(max(one.size for one in ones), max(one.jump for one in ones))
    else:
        views = [one.views(sides(state.layout, axis + 1)[axis]) for one, state in zip(ones, states, strict=True)]
        if any(view is None for view in views):
            return State(layout, None)
        one_after_other = axis_of(*(np.concatenate(side) for side in zip(*views, strict=True)), ones[0].jump)  # type: ignore
    axes = list(found.axes or ())
    axes[axis] = one_after_other
    return State(layout, tuple(axes))


def elementwise(op: Op, tensors: list[Tensor], states: list[State | None]) -> Known:
    """Broadcasting aligns last dimensions; each operand's image axes shift by the missing leading ones."""
    known = [(s, len(op.shape) - t.dim()) for s, t in zip(states, tensors, strict=True) if s is not None]
    if any(shift < 0 for _, shift in known):
        return UNKNOWN
    resized = [(fitted(s.layout, op.shape) if shift == 0 else s.layout) for s, shift in known]
    many = len(known) > 1
    layouts = [(s.layout if many else f or s.layout, shift) for (s, shift), f in zip(known, resized, strict=True)]
    return _meeting([s for s, _ in known], joined(layouts, op.shape))
