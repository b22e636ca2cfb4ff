"""Theoretical receptive fields, carried along the operators of a trace.

Each result remembers, for every axis of the image, how many input pixels one of its units can see (``size``) and how
far apart the views of neighboring units lie (``jump``), and where in it the image's positions are: its *layout*. A
dimension of a tensor is a list of parts, outermost first, and an image axis may be cut into several of them: windows of
7 cut 56 rows into 8 parts of 7, and each goes its own way through permutations and reshapes. An operator that mixes the
whole of an image axis (global pooling, attention, a dense layer on a flattened map, group normalization) sees the whole
image: "global". One that mixes a part of it sees its window. Windows do not slide with the unit, so from there on each
position's own view is kept, until all are alike again.

A branch's result sees what its widest input sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod

import numpy as np
from torch import Tensor

from cnnlab.analysis.operators import conv_numbers, names_in, pair, pool_numbers
from cnnlab.analysis.trace import IMAGE, Op, Trace

__all__ = [
    "ReceptiveField",
    "Part",
    "Layout",
    "whole",
    "unit_at",
    "sides",
    "State",
    "UNKNOWN",
    "states_of",
    "start_of",
    "receptive_fields",
]


@dataclass(frozen=True)
class ReceptiveField:
    """What one unit of a layer's output can see of the input.

    Attributes:
        size: Input pixels along each image axis, (height, width) for pictures. It may exceed the image: the rest
            is padding. After attention in windows units differ; it is the center unit's. None when ``is_global``.
        jump: Input pixels between the centers of neighboring units, the product of the strides so far; a fraction
            after a transposed convolution. None when ``is_global``.
        is_global: Whether the unit depends on the whole image through an operator that mixes all positions.
    """

    size: tuple[int, ...] | None
    jump: tuple[int | float, ...] | None
    is_global: bool = False

    def __str__(self) -> str:
        if self.is_global or self.size is None:
            return "global"
        return str(self.size[0]) if len(set(self.size)) == 1 else " x ".join(map(str, self.size))


# --- where the image's positions are ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A factor of a tensor's dimension: its index counts ``size`` steps of ``stride`` positions along one image axis.

    Attributes:
        size: How many.
        axis: Of the image; None for channels, heads, the batch and whatever else is no place in it; a set of axes
            where positions lie that a reshape has cut unevenly.
        stride: Positions along the axis from one to the next.
    """

    size: int
    axis: int | frozenset[int] | None = None
    stride: int = 1


Layout = tuple[tuple[Part, ...], ...]


def whole(layout: Layout, axis: int) -> int | None:
    """The dimension that is this image axis, all of it and nothing else; None if there is none."""
    for d, parts in enumerate(layout):
        if len(parts) == 1 and parts[0].axis == axis and parts[0].stride == 1:
            return d if sum(part.axis == axis for other in layout for part in other) == 1 else None
    return None


def unit_at(layout: Layout, position: Sequence[int]) -> tuple[slice | list[int], ...] | None:
    """The index, dimension by dimension, of what lies at one position of the image, with all of its channels.

    None where a reshape has cut the positions unevenly, or others stand among them.
    """
    found = []
    for parts in layout:
        if any(isinstance(part.axis, frozenset) for part in parts):
            return None
        if all(part.axis is None for part in parts):
            found.append(slice(None))
            continue
        numbers = np.arange(prod(part.size for part in parts)).reshape([part.size for part in parts])
        digits = tuple(
            slice(None) if part.axis is None else position[part.axis] // part.stride % part.size for part in parts
        )
        found.append(np.atleast_1d(numbers[digits]).flatten().tolist())
    return tuple(found)


def sides(layout: Layout, axes: int) -> tuple[int, ...]:
    """How many positions there are along each image axis."""
    return tuple(prod(part.size for parts in layout for part in parts if part.axis == axis) for axis in range(axes))


def _tidy(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Without parts of one position, and with neighbors that count on joined."""
    out: list[Part] = []
    for part in parts:
        if part.size == 1 and len(parts) > 1:
            continue
        last = out[-1] if out else None
        if (
            last is not None
            and last.axis == part.axis
            and (not isinstance(part.axis, int) or last.stride == part.size * part.stride)
        ):
            out[-1] = Part(last.size * part.size, part.axis, part.stride)
        else:
            out.append(part)
    return tuple(out) or tuple(parts[:1])


def _axes_in(parts: Sequence[Part]) -> frozenset[int]:
    found: set[int] = set()
    for part in parts:
        if isinstance(part.axis, frozenset):
            found |= part.axis
        elif part.axis is not None:
            found.add(part.axis)
    return frozenset(found)


def _plain(size: int) -> tuple[Part, ...]:
    return (Part(size),)


def _fitted(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """The layout with the sizes of a tensor: pooling, padding and slicing change them, axis for axis."""
    if len(layout) != len(shape):
        return None
    out = []
    for d, (parts, size) in enumerate(zip(layout, shape, strict=True)):
        if prod(part.size for part in parts) == size:
            out.append(parts)
            continue
        axes = _axes_in(parts)
        if not axes:
            out.append(_plain(size))
        elif len(parts) == 1 and isinstance(parts[0].axis, int) and whole(layout, parts[0].axis) == d:
            out.append((Part(size, parts[0].axis),))
        else:
            out.append((Part(size, axes),))
    return tuple(out)


def _reshaped(layout: Layout, after: tuple[int, ...]) -> Layout:
    """Groups of neighboring dimensions with equal products correspond; parts are cut where a new dimension ends."""
    before = tuple(prod(part.size for part in parts) for parts in layout)
    if before == after:
        return layout
    out: list[tuple[Part, ...]] = []
    i = 0
    while i < len(before) or len(out) < len(after):
        group: list[Part] = []
        sizes: list[int] = []
        if i < len(before):
            group += layout[i]
            i += 1
        if len(out) + len(sizes) < len(after):
            sizes.append(after[len(out)])
        while prod(part.size for part in group) != prod(sizes):
            if prod(part.size for part in group) < prod(sizes):
                group += layout[i]
                i += 1
            else:
                sizes.append(after[len(out) + len(sizes)])
        out += _cut(_tidy([part for part in group if part.size > 1]), sizes)
    return tuple(out)


def _cut(parts: tuple[Part, ...], sizes: list[int]) -> list[tuple[Part, ...]]:
    waiting = list(reversed(parts))
    out: list[tuple[Part, ...]] = []
    for size in sizes:
        inside: list[Part] = []
        need = size
        while need > 1:
            part = waiting.pop()
            if need % part.size == 0:
                inside.append(part)
                need //= part.size
            elif part.size % need == 0:
                below = part.size // need
                inside.append(Part(need, part.axis, part.stride * below))
                waiting.append(Part(below, part.axis, part.stride))
                need = 1
            else:  # cut unevenly
                axes = _axes_in(parts)
                return [(Part(size, axes or None),) if size > 1 else _plain(1) for size in sizes]
        out.append(_tidy(inside) or _plain(1))
    return out


def _joined(tensors: Sequence[tuple[Layout, int]], shape: Sequence[int]) -> Layout:
    """The layout of what several tensors are broadcast to: each dimension as the one has it that has positions there.

    Args:
        tensors: of each its layout, and how many dimensions come before its own.
        shape: of the result.
    """
    out = []
    for d, size in enumerate(shape):
        found = {
            layout[d - shift]
            for layout, shift in tensors
            if 0 <= d - shift < len(layout)
            and size > 1
            and _axes_in(layout[d - shift])
            and prod(part.size for part in layout[d - shift]) == size
        }
        if len(found) == 1:
            out.append(found.pop())
        else:
            axes = frozenset().union(*(_axes_in(parts) for parts in found)) if found else frozenset()
            out.append((Part(size, axes or None),))
    return tuple(out)


# --- what is seen from there -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Axis:
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


def _axis(first: np.ndarray, last: np.ndarray, jump: Fraction) -> _Axis:
    """What has been computed position by position, in short where all see alike."""
    size, steps = last - first, np.diff(first)
    center = size[len(size) // 2]
    length = Fraction(float(center)).limit_denominator(4096) if np.isfinite(center) else Fraction(0)
    if np.isfinite(size).all() and np.ptp(size) < 1e-6 and (not len(steps) or (steps[0] > 0 and np.ptp(steps) < 1e-6)):
        return _Axis(length, Fraction(float(steps[0])).limit_denominator(4096) if len(steps) else jump)
    return _Axis(length, jump, (first, last))


@dataclass(frozen=True)
class State:
    """What an operator's result sees. ``axes`` is None where that is the whole image."""

    layout: Layout
    axes: tuple[_Axis, ...] | None

    @property
    def is_global(self) -> bool:
        return self.axes is None


UNKNOWN = "unknown"
_Known = State | str


def states_of(trace: Trace) -> list[_Known | None]:
    """The state of every operator's result, in the trace's order; None for what does not come from the image."""
    states: list[_Known | None] = []
    start = start_of(trace)
    for op in trace.ops:
        states.append(_after(op, [start if i == IMAGE else states[i] for i in op.inputs]) if start.axes else None)
    return states


def start_of(trace: Trace) -> State:
    """The state of the input."""
    shape = trace.inputs[0].shape
    layout = (*(_plain(size) for size in shape[:2]), *((Part(size, i),) for i, size in enumerate(shape[2:])))
    return State(layout, tuple(_Axis(Fraction(1), Fraction(1)) for _ in shape[2:]))


def receptive_fields(trace: Trace) -> list[ReceptiveField | None]:
    """The field of every operator's result, in the trace's order; None where it cannot be defined."""
    return [_public(state) for state in states_of(trace)]


def _public(state: _Known | None) -> ReceptiveField | None:
    if not isinstance(state, State):
        return None
    if state.axes is None:
        return ReceptiveField(None, None, is_global=True)
    jumps = tuple(int(a.jump) if a.jump.denominator == 1 else float(a.jump) for a in state.axes)
    return ReceptiveField(tuple(ceil(a.size) for a in state.axes), jumps)


_SPATIAL = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "max_pool1d": 1, "max_pool2d": 2, "max_pool3d": 3, "avg_pool1d": 1}
_SPATIAL |= {"avg_pool2d": 2, "avg_pool3d": 3, "max_pool2d_with_indices": 2, "lp_pool2d": 2}
_REDUCING = names_in("mean sum amax amin max min var std argmax")
_MOVING = names_in("permute transpose t swapaxes movedim unsqueeze squeeze")
_RESHAPING = names_in("view reshape flatten unflatten _unsafe_view view_as reshape_as _reshape_alias")
# What takes from a tensor its shape alone, as a mask does.
_SHAPED = names_in(
    "new_zeros new_ones new_full new_empty zeros_like ones_like full_like empty_like rand_like randn_like"
)
_TAKING = names_in("slice select index roll chunk split split_with_sizes narrow unbind expand")


def _after(op: Op, given: list[_Known | None]) -> _Known | None:
    if all(state is None for state in given) or op.kind in _SHAPED:
        return None
    tensors = _tensors(op)
    states: list[State | None] = [None] * len(tensors)
    found: _Known = "" if UNKNOWN not in given else UNKNOWN
    for place, state in zip(op.places, given, strict=True):
        if isinstance(state, State):
            layout = _fitted(state.layout, tensors[place].shape)
            states[place] = None if layout is None else replace(state, layout=layout)
            found = UNKNOWN if layout is None else found
    found = found or _of(op, op.kind.rstrip("_"), tensors, states)
    if found == UNKNOWN and any(isinstance(state, State) and state.is_global for state in given):
        # Once everything has been mixed, it stays mixed; where the positions are is not known any more.
        axes = frozenset({0})
        return State(tuple((Part(size, axes),) for size in op.shape), None)
    return found


def _tensors(op: Op) -> list[Tensor]:
    """All tensors that it read, in the order in which ``op.places`` counts them."""
    found: list[Tensor] = []
    for value in (*op.args, *op.kwargs.values()):
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [item for item in value if isinstance(item, Tensor)]
    return found


def _of(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> _Known:
    state = states[0]
    if kind in ("scaled_dot_product_attention", "matmul", "mm", "bmm", "addmm", "baddbmm"):
        return _product(op, kind, tensors, states)
    if kind in ("cat", "stack"):
        return _catenated(op, kind, tensors, states)
    if state is None or not (op.args and isinstance(op.args[0], Tensor)):
        return _elementwise(op, tensors, states)
    x = tensors[0]
    n = x.dim()
    if kind in _SPATIAL:
        numbers = conv_numbers(kind, op.args, op.kwargs) if kind.startswith("conv") else None
        numbers = numbers or pool_numbers(op.args, op.kwargs, _SPATIAL[kind], kind.startswith("max"))
        kernel, stride, _, dilation, *_ = numbers
        state = _channels_met(state, n - _SPATIAL[kind] - 1) if kind.startswith("conv") else state
        return _slide(op, state, n - _SPATIAL[kind], kernel, stride, dilation)
    if kind == "convolution" or kind.startswith("conv_transpose"):
        kernel, stride, _, dilation, _, transposed = conv_numbers(kind, op.args, op.kwargs)
        first = n - len(kernel)
        state = _channels_met(state, first - 1)
        if not transposed:
            return _slide(op, state, first, kernel, stride, dilation)
        # An output pixel is reached from at most ceil(extent / stride) neighboring inputs, and the grid gets finer.
        reached = tuple(ceil((d * (k - 1) + 1) / s) for k, s, d in zip(kernel, stride, dilation, strict=True))
        return _slide(op, state, first, reached, tuple(Fraction(1, s) for s in stride))
    if kind.startswith("upsample"):
        taps = 1 if "nearest" in kind else 4 if "bicubic" in kind else 2
        ratio = tuple(Fraction(a, b) for a, b in zip(x.shape[2:], op.shape[2:], strict=True))
        return _slide(op, state, 2, (taps,) * (n - 2), ratio)
    if kind in ("pixel_shuffle", "pixel_unshuffle"):
        by = op.args[1]
        ratio = (Fraction(1, by), 1) if kind == "pixel_shuffle" else (by, by)
        return _slide(op, state, n - 2, (ratio[1],) * 2, (ratio[0],) * 2)
    if kind.startswith("adaptive_"):
        return _adaptive(op, state, x, kind)
    if kind in _REDUCING:
        axes = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim")
        return _mixed(state, _dims(axes, n), reduced=True, kept=len(op.shape) == n)
    if kind == "linear":
        found = _mixed(state, {n - 1}, reduced=True)
        return replace(found, layout=(*found.layout[: n - 1], _plain(op.shape[-1])))
    if kind in ("softmax", "_softmax", "log_softmax", "cumsum"):
        return _mixed(state, _dims(op.args[1] if len(op.args) > 1 else op.kwargs.get("dim"), n))
    if kind == "linalg_vector_norm":
        axes = op.args[2] if len(op.args) > 2 else op.kwargs.get("dim")
        return _mixed(state, _dims(axes or None, n), reduced=True, kept=len(op.shape) == n)
    if kind == "layer_norm":
        return _mixed(state, set(range(n - len(op.args[1]), n)))
    if kind in ("group_norm", "instance_norm"):
        return _mixed(state, set(range(2, n)))
    if kind in _MOVING:
        return _moved(op, state, x, kind)
    if kind in _RESHAPING:
        return replace(state, layout=_reshaped(state.layout, op.shape))
    if kind in _TAKING:
        return _taken(op, state, x, kind)
    if kind in ("constant_pad_nd", "pad"):
        return _padded(op, state)
    return _elementwise(op, tensors, states)


def _dims(axes: object, n: int) -> set[int]:
    chosen = range(n) if axes is None else (axes,) if isinstance(axes, int) else axes
    return {a % n for a in chosen}


# --- operators that look at neighbors --------------------------------------------------------------------------------


def _slide(
    op: Op, state: State, first: int, kernel: Sequence, stride: Sequence, dilation: Sequence | None = None
) -> State:
    """A window that slides over the dimensions from ``first`` on; a stride below 1 makes the grid finer."""
    dilation = dilation or (1,) * len(kernel)
    layout = list(state.layout)
    axes = None if state.axes is None else list(state.axes)
    for i, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        at, after = first + i, op.shape[first + i]
        found = _axes_in(layout[at])
        if not found:
            layout[at] = _plain(after)
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


def _channels_met(state: State, d: int) -> State:
    """A convolution mixes its channels, be they positions of the image."""
    return _mixed(state, {d}, reduced=True) if _axes_in(state.layout[d]) else state


def _slid(axis: _Axis, before: int, after: int, kernel: int, stride: Fraction, dilation: int) -> _Axis:
    if axis.seen is None:
        return _Axis(axis.size + dilation * (kernel - 1) * axis.jump, axis.jump * stride)
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
    return _axis(first, last, axis.jump * stride)


def _adaptive(op: Op, state: State, x: Tensor, kind: str) -> State:
    n = int(kind[-2]) if kind[-1] == "d" else x.dim() - 2
    first = x.dim() - n
    kernel, stride = [], []
    for d, (a, b) in enumerate(zip(x.shape[first:], op.shape[first:], strict=True), start=first):
        if b == 1 and a > 1 and _axes_in(state.layout[d]):
            state = replace(state, axes=None)
        # Cells of a/b pixels; unless b divides a, the widest cell covers one pixel more than rounding up says.
        kernel.append(a // b if a % b == 0 else min(a, a // b + 2))
        stride.append(Fraction(a, b))
    return _slide(op, state, first, kernel, stride)


def _padded(op: Op, state: State) -> State:
    """Nothing is seen in what is added."""
    amounts = op.args[1]
    axes = list(state.axes or ())
    for i in range(len(amounts) // 2):
        before, after = amounts[2 * i : 2 * i + 2]
        axis = _whole_axis(state.layout, len(op.shape) - 1 - i)
        if axis is None or not axes or axes[axis].seen is None:
            continue
        first, last = (
            np.concatenate([np.full(max(before, 0), none), views, np.full(max(after, 0), none)])
            for views, none in zip(axes[axis].seen, (np.inf, -np.inf), strict=True)
        )
        keep = slice(max(-before, 0), len(first) - max(-after, 0))
        axes[axis] = _axis(first[keep], last[keep], axes[axis].jump)
    return State(_fitted(state.layout, op.shape) or state.layout, None if state.axes is None else tuple(axes))


def _whole_axis(layout: Layout, d: int) -> int | None:
    axes = _axes_in(layout[d])
    return next(iter(axes)) if len(axes) == 1 and whole(layout, next(iter(axes))) == d else None


# --- operators that mix ----------------------------------------------------------------------------------------------


def _mixed(state: State, along: set[int], reduced: bool = False, kept: bool = True) -> State:
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
        while _axes_in(found.layout[d]):
            at = next(i for i, part in enumerate(found.layout[d]) if part.axis is not None)
            found = _without(found, d, at, 0)
        rest = [found.layout[d][:0] or _plain(1)] if kept else []
        found = replace(found, layout=(*found.layout[:d], *rest, *found.layout[d + 1 :]))
    return found


def _together(axis: _Axis, part: Part, positions: int) -> _Axis | None:
    """All positions that differ in this part alone see what one of them sees."""
    views = axis.views(positions)
    if views is None or positions % (part.size * part.stride):
        return None
    shape = (-1, part.size, part.stride)
    first = np.broadcast_to(views[0].reshape(shape).min(1, keepdims=True), views[0].reshape(shape).shape)
    last = np.broadcast_to(views[1].reshape(shape).max(1, keepdims=True), first.shape)
    return _axis(first.reshape(-1), last.reshape(-1), axis.jump)


def _without(state: State, d: int, at: int, index: int) -> State:
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
                left = _Axis(one.size, jump)
            else:
                first, last = (
                    views.reshape(-1, part.size, part.stride)[:, index % part.size].reshape(-1) for views in one.seen
                )
                left = _axis(first, last, jump)
            axes = (*axes[: part.axis], left, *axes[part.axis + 1 :])
    return State(tuple(_tidy(parts) if parts else _plain(1) for parts in layout), axes)


def _product(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> _Known:
    if kind == "scaled_dot_product_attention":
        (_, k, v), (of_q, *rest) = tensors[:3], states[:3]
        # Each query meets all keys of its group, and takes from their values.
        seen = [_mixed(s, {t.dim() - 2}) for s, t in zip(rest, (k, v), strict=True) if s is not None]
        lead = [(s.layout[:-2], len(op.shape) - len(s.layout)) for s in (of_q, *rest) if s is not None]
        batch = _joined(lead, op.shape[:-2])
        queries = _plain(op.shape[-2]) if of_q is None else of_q.layout[-2]
        layout = (*batch, queries, _plain(op.shape[-1]))
        return _meeting([s for s in (of_q, *seen) if s is not None], layout)
    if kind in ("addmm", "baddbmm"):
        tensors, states = tensors[1:3], states[1:3]
    (a, b), (left, right) = tensors[:2], states[:2]
    if left is None and right is None:
        return UNKNOWN
    if a.dim() < 2 or b.dim() < 2:
        found = [_mixed(s, {t.dim() - 1}) for s, t in ((left, a), (right, b)) if s is not None]
        return _meeting(found, tuple(_plain(size) for size in op.shape))
    rows = columns = None
    parts: list[State] = []
    if left is not None:
        rows = left.layout[-2]
        parts.append(_mixed(left, {a.dim() - 1}))
    if right is not None:
        columns = right.layout[-1]
        parts.append(_mixed(right, {b.dim() - 2}))
        if rows is not None and _axes_in(rows) and _axes_in(columns):
            # Scores of attention: positions compared with positions, of which the second are summed over next.
            parts[-1], columns = _mixed(parts[-1], {b.dim() - 1}), None
    lead = [(s.layout[:-2], len(op.shape) - len(s.layout)) for s in (left, right) if s is not None]
    layout = _joined(lead, op.shape[:-2]) + (rows or _plain(op.shape[-2]), columns or _plain(op.shape[-1]))
    return _meeting(parts, layout)


def _meeting(states: Sequence[State], layout: Layout) -> State:
    """The state of what several results go into: whatever one of them sees is seen, at each position."""
    if any(state.axes is None for state in states):
        return State(layout, None)
    # Groups of positions that do not correspond: each unit may meet any.
    lost = {axis for state in states for axis in _axes_in([p for parts in state.layout for p in parts])}
    merged = len(states) > 1 and any(isinstance(part.axis, frozenset) for parts in layout for part in parts)
    before = any(isinstance(p.axis, frozenset) for state in states for parts in state.layout for p in parts)
    if merged and lost and not before:
        return State(layout, None)
    axes: list[_Axis] = []
    for i, several in enumerate(zip(*(state.axes for state in states), strict=True)):  # type: ignore[arg-type]
        size, jump = max(a.size for a in several), max(a.jump for a in several)
        if all(a.seen is None for a in several):
            axes.append(_Axis(size, jump))
            continue
        counts = {prod(p.size for parts in state.layout for p in parts if p.axis == i) for state in states}
        views = [a.views(next(iter(counts))) for a in several] if len(counts) == 1 else [None]
        if any(view is None for view in views):
            return State(layout, None)
        first, last = (np.stack(side) for side in zip(*views, strict=True))  # type: ignore[arg-type]
        axes.append(_axis(first.min(0), last.max(0), jump))
    return State(layout, tuple(axes))


def _catenated(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> _Known:
    known = [s for s in states if s is not None]
    at = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", 0)
    at %= len(op.shape)
    if kind == "stack":
        layout = list(_joined([(s.layout, 0) for s in known], tensors[0].shape))
        return _meeting(known, (*layout[:at], _plain(op.shape[at]), *layout[at:]))
    shape = list(op.shape)
    shape[at] = 1
    layout = list(_joined([(s.layout, 0) for s in known], shape))
    axes = frozenset().union(*(_axes_in(s.layout[at]) for s in known))
    whole_axis = {_whole_axis(s.layout, at) for s in known}
    if len(axes) == 1 and whole_axis == set(axes) and len(known) == len(states):
        layout[at] = (Part(op.shape[at], next(iter(axes))),)
        return _along(known, next(iter(axes)), tuple(layout))
    layout[at] = (Part(op.shape[at], axes or None),)
    return _meeting(known, tuple(layout))


def _along(states: list[State], axis: int, layout: Layout) -> State:
    """Results that follow one another along an axis of the image."""
    if any(state.axes is None for state in states):
        return State(layout, None)
    ones = [state.axes[axis] for state in states]  # type: ignore[index]
    found = State(layout, tuple(_Axis(a.size, a.jump) if a.seen is None else a for a in states[0].axes or ()))
    if all(one.seen is None for one in ones):
        joined = _Axis(max(one.size for one in ones), max(one.jump for one in ones))
    else:
        views = [one.views(sides(state.layout, axis + 1)[axis]) for one, state in zip(ones, states, strict=True)]
        if any(view is None for view in views):
            return State(layout, None)
        joined = _axis(*(np.concatenate(side) for side in zip(*views, strict=True)), ones[0].jump)  # type: ignore
    axes = list(found.axes or ())
    axes[axis] = joined
    return State(layout, tuple(axes))


def _elementwise(op: Op, tensors: list[Tensor], states: list[State | None]) -> _Known:
    """Broadcasting aligns last dimensions; each operand's image axes shift by the missing leading ones."""
    known = [(s, len(op.shape) - t.dim()) for s, t in zip(states, tensors, strict=True) if s is not None]
    if any(shift < 0 for _, shift in known):
        return UNKNOWN
    fitted = [(_fitted(s.layout, op.shape) if shift == 0 else s.layout) for s, shift in known]
    many = len(known) > 1
    layouts = [(s.layout if many else f or s.layout, shift) for (s, shift), f in zip(known, fitted, strict=True)]
    return _meeting([s for s, _ in known], _joined(layouts, op.shape))


# --- operators that rearrange ----------------------------------------------------------------------------------------


def _moved(op: Op, state: State, x: Tensor, kind: str) -> _Known:
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
        return replace(state, layout=(*state.layout[:at], _plain(1), *state.layout[at:]))
    else:  # squeeze
        return replace(state, layout=_reshaped(state.layout, op.shape))
    return replace(state, layout=tuple(state.layout[d] for d in order))


def _taken(op: Op, state: State, x: Tensor, kind: str) -> _Known:
    n = x.dim()
    if kind in ("select", "unbind"):
        at = (op.args[1] if len(op.args) > 1 else op.kwargs.get("dim", 0)) % n
        index = op.args[2] if kind == "select" and len(op.args) > 2 else 0
        while _axes_in(state.layout[at]):
            inner = len(state.layout[at]) - 1
            size = state.layout[at][inner].size
            state = _without(state, at, inner, index % size)
            index //= size
        return replace(state, layout=(*state.layout[:at], *state.layout[at + 1 :]))
    if kind == "expand":
        shift = len(op.shape) - n
        return replace(state, layout=_joined([(state.layout, shift)], op.shape))
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
    layout = _fitted(state.layout, op.shape)
    axis = _whole_axis(state.layout, at)
    if axis is not None and state.axes is not None:
        one = state.axes[axis]
        jump = one.jump * (cut.step or 1)
        left = _Axis(one.size, jump)
        if one.seen is not None and len(one.seen[0]) == x.shape[at]:
            left = _axis(one.seen[0][cut], one.seen[1][cut], jump)
        state = replace(state, axes=(*state.axes[:axis], left, *state.axes[axis + 1 :]))
    return UNKNOWN if layout is None else replace(state, layout=layout)


def _rolled(op: Op, state: State, n: int) -> State:
    """A roll by three rows moves what each position sees; the roll back undoes it."""
    shifts, dims = (pair(value, 1) for value in (op.args[1], op.args[2] if len(op.args) > 2 else ()))
    if state.axes is None or len(shifts) != len(dims):
        return state
    axes = list(state.axes)
    for shift, d in zip(shifts, dims, strict=True):
        axis = _whole_axis(state.layout, d % n)
        if axis is not None:
            views = axes[axis].views(state.layout[d % n][0].size)
            if views is not None:
                axes[axis] = _axis(np.roll(views[0], shift), np.roll(views[1], shift), axes[axis].jump)
    return replace(state, axes=tuple(axes))
