"""Theoretical receptive fields, carried along the operators of a trace.

Each result remembers, for every axis of the image, how many input pixels one of its units can see (``size``),
how far apart the views of neighboring units lie (``jump``), and which of its own axes still run over the image.
A branch's result sees what its widest input sees. An operator that mixes everything along an image axis (global
pooling, attention, a dense layer on a flattened map, group normalization) sees the whole image: "global".
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, prod

from torch import Tensor

from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import IMAGE, Op, Trace

__all__ = ["ReceptiveField", "GLOBAL", "UNKNOWN", "receptive_fields"]


@dataclass(frozen=True)
class ReceptiveField:
    """What one unit of a layer's output can see of the input.

    Attributes:
        size: Input pixels along each image axis, (height, width) for pictures. It may exceed the image: the rest
            is padding. None when ``is_global``.
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


@dataclass(frozen=True)
class _Axis:
    size: Fraction
    jump: Fraction
    dims: frozenset[int]  # the tensor's own axes that run over this axis of the image


_State = tuple[_Axis, ...] | str  # "global", or "unknown"
GLOBAL, UNKNOWN = "global", "unknown"


def receptive_fields(trace: Trace) -> list[ReceptiveField | None]:
    """The field of every operator's result, in the trace's order; None where it cannot be defined."""
    n = trace.inputs[0].dim() - 2
    start: _State = tuple(_Axis(Fraction(1), Fraction(1), frozenset({2 + i})) for i in range(n))
    states: list[_State | None] = []
    for op in trace.ops:
        states.append(_after(op, [start if i == IMAGE else states[i] for i in op.inputs]) if n > 0 else None)
    return [_public(state) for state in states]


def _public(state: _State | None) -> ReceptiveField | None:
    if state is None or state == UNKNOWN:
        return None
    if state == GLOBAL:
        return ReceptiveField(None, None, is_global=True)
    jumps = tuple(int(a.jump) if a.jump.denominator == 1 else float(a.jump) for a in state)
    return ReceptiveField(tuple(ceil(a.size) for a in state), jumps)


_SPATIAL = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "max_pool1d": 1, "max_pool2d": 2, "max_pool3d": 3, "avg_pool1d": 1}
_SPATIAL |= {"avg_pool2d": 2, "avg_pool3d": 3, "max_pool2d_with_indices": 2, "lp_pool2d": 2}
_SAME = names_in(
    """
    clone contiguous alias detach to _to_copy type_as float dropout lift_fresh constant_pad_nd pad
    """
)


def _after(op: Op, states: list[_State | None]) -> _State | None:
    known = [s for s in states if s is not None]
    if not known:
        return None
    if GLOBAL in known:
        return GLOBAL  # once everything has been mixed, it stays mixed
    if UNKNOWN in known:
        return UNKNOWN
    state = known[0]
    x = op.args[0] if op.args and isinstance(op.args[0], Tensor) else None
    kind = op.kind.rstrip("_")
    if kind in _SPATIAL and x is not None:
        return _window(op, state, x, kind)
    if kind == "convolution" or kind.startswith("conv_transpose"):
        return _convolution(op, state, x, kind)
    if kind.startswith("adaptive_") or kind in ("mean", "sum", "amax", "amin", "max", "min", "var", "std", "argmax"):
        return _reduced(op, state, x, kind)
    if kind == "linear" and x is not None:
        return _mixed(op, state, x, {x.dim() - 1})
    if kind in ("softmax", "_softmax", "log_softmax", "cumsum", "linalg_vector_norm") and x is not None:
        axes = op.args[1] if len(op.args) > 1 and kind != "linalg_vector_norm" else op.kwargs.get("dim", ())
        if kind == "linalg_vector_norm" and len(op.args) > 2:
            axes = op.args[2]
        axes = (axes,) if isinstance(axes, int) else axes
        return _mixed(op, state, x, {a % x.dim() for a in axes or range(x.dim())}, reduced=kind == "linalg_vector_norm")
    if kind == "layer_norm" and x is not None:
        return _mixed(op, state, x, set(range(x.dim() - len(op.args[1]), x.dim())))
    if kind in ("group_norm", "instance_norm") and x is not None:
        return _mixed(op, state, x, set(range(2, x.dim())))
    if kind in ("scaled_dot_product_attention", "matmul", "mm", "bmm", "addmm", "baddbmm"):
        return _matrix_product(op, states)
    if kind in ("permute", "transpose", "t", "swapaxes", "movedim", "unsqueeze", "squeeze") and x is not None:
        return _moved(op, state, x, kind)
    if (
        kind in ("view", "reshape", "flatten", "unflatten", "_unsafe_view", "view_as", "reshape_as", "_reshape_alias")
        and x is not None
    ):
        return _reshaped(state, tuple(x.shape), op.shape)
    if kind.startswith("upsample") and x is not None:
        return _upsampled(op, state, x, kind)
    if kind in ("slice", "select", "index", "roll", "chunk", "split", "split_with_sizes", "narrow", "unbind", "expand"):
        return _taken(op, state, x, kind)
    if kind in ("cat", "stack"):
        return _widest(known) if kind == "cat" else UNKNOWN
    if kind in _SAME and x is not None and x.dim() == len(op.shape):
        return _widest(known)
    return _elementwise(op, states)


def _widest(states: list[_State]) -> _State:
    if len(states) == 1:
        return states[0]
    if GLOBAL in states:
        return GLOBAL
    first = states[0]
    axes = []
    for i, axis in enumerate(first):
        dims = {s[i].dims for s in states if s[i].dims}
        if len(dims) > 1:
            return UNKNOWN
        axes.append(_Axis(max(s[i].size for s in states), max(s[i].jump for s in states), next(iter(dims), axis.dims)))
    return tuple(axes)


def _elementwise(op: Op, states: list[_State | None]) -> _State:
    """Broadcasting aligns last axes; each operand's image axes shift by the missing leading ones."""
    known = []
    tensors = [a for a in op.args if isinstance(a, Tensor)]
    if len(tensors) != len(states):
        # Constants among the operands carry no state; the operands that do have one share the result's axes.
        known = [s for s in states if s is not None]
        return _widest(known) if all(_fits(s, op.shape) for s in known) else UNKNOWN
    for tensor, state in zip(tensors, states, strict=True):
        if state is None:
            continue
        shift = len(op.shape) - tensor.dim()
        if shift < 0:
            return UNKNOWN
        known.append(tuple(_Axis(a.size, a.jump, frozenset(d + shift for d in a.dims)) for a in state))
    return _widest(known)


def _fits(state: _State, shape: tuple[int, ...]) -> bool:
    return all(d < len(shape) for axis in state for d in axis.dims)


def _grow(axis: _Axis, kernel: int, stride: int | Fraction, dilation: int = 1) -> _Axis:
    return _Axis(axis.size + dilation * (kernel - 1) * axis.jump, axis.jump * stride, axis.dims)


def _slide(state: _State, first: int, kernel: tuple, stride: tuple, dilation: tuple) -> _State:
    """A window that slides over the axes from ``first`` on."""
    axes = []
    for axis in state:
        touched = [d for d in axis.dims if d >= first]
        if len(axis.dims) > 1 and any(kernel[d - first] > 1 for d in touched):
            return GLOBAL
        if len(axis.dims) == 1 and touched:
            i = touched[0] - first
            axis = _grow(axis, kernel[i], stride[i], dilation[i])
        axes.append(axis)
    return tuple(axes)


def _window(op: Op, state: _State, x: Tensor, kind: str) -> _State:
    n = _SPATIAL[kind]
    if kind.startswith("conv"):
        kernel, stride, _, dilation, *_ = conv_numbers(kind, op.args, op.kwargs)
    else:
        kernel, stride, _, dilation, _ = pool_numbers(op.args, op.kwargs, n, kind.startswith("max"))
    return _slide(state, x.dim() - n, kernel, stride, dilation)


def _convolution(op: Op, state: _State, x: Tensor | None, kind: str) -> _State:
    if x is None:
        return UNKNOWN
    kernel, stride, _, dilation, _, transposed = conv_numbers(kind, op.args, op.kwargs)
    n = len(kernel)
    if not transposed:
        return _slide(state, x.dim() - n, kernel, stride, dilation)
    # An output pixel is reached from at most ceil(extent / stride) neighboring inputs, and the grid gets finer.
    reached = tuple(ceil((d * (k - 1) + 1) / s) for k, s, d in zip(kernel, stride, dilation, strict=True))
    return _slide(state, x.dim() - n, reached, tuple(Fraction(1, s) for s in stride), (1,) * n)


def _upsampled(op: Op, state: _State, x: Tensor, kind: str) -> _State:
    taps = 1 if "nearest" in kind else 4 if "bicubic" in kind else 2
    n = x.dim() - 2
    ratio = tuple(Fraction(a, b) for a, b in zip(x.shape[2:], op.shape[2:], strict=True))
    return _slide(state, 2, (taps,) * n, ratio, (1,) * n)


def _reduced(op: Op, state: _State, x: Tensor | None, kind: str) -> _State:
    if x is None:
        return UNKNOWN
    if kind.startswith("adaptive_"):
        n = int(kind[-2])
        first = x.dim() - n
        kernel, stride = [], []
        for a, b in zip(x.shape[first:], op.shape[first:], strict=True):
            if b == 1 and a > 1:
                return GLOBAL if any(first <= d for axis in state for d in axis.dims) else state
            # Cells of a/b pixels; unless b divides a, the widest cell covers one pixel more than rounding up says.
            kernel.append(a // b if a % b == 0 else min(a, a // b + 2))
            stride.append(Fraction(a, b))
        return _slide(state, first, tuple(kernel), tuple(stride), (1,) * n)
    axes = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim")
    axes = range(x.dim()) if axes is None else (axes,) if isinstance(axes, int) else axes
    return _mixed(op, state, x, {a % x.dim() for a in axes}, reduced=True)


def _mixed(op: Op, state: _State, x: Tensor, along: set[int], reduced: bool = False) -> _State:
    """Everything along the axes ``along`` meets: global, unless no more than one position of the image lies there."""
    for axis in state:
        if any(d in along and x.shape[d] > 1 for d in axis.dims):
            return GLOBAL
    if reduced and len(op.shape) < x.dim():
        return _renumbered(state, {d: i for i, d in enumerate(d for d in range(x.dim()) if d not in along)})
    return state


def _renumbered(state: _State, new: dict[int, int]) -> _State:
    return tuple(_Axis(a.size, a.jump, frozenset(new[d] for d in a.dims if d in new)) for a in state)


def _matrix_product(op: Op, states: list[_State | None]) -> _State:
    known = [s for s in states if s is not None]
    if len(known) > 1 or op.kind == "scaled_dot_product_attention":
        return GLOBAL  # attention: positions compared with positions
    tensors = [a for a in op.args if isinstance(a, Tensor)]
    at = next(i for i, s in enumerate(states) if s is not None)
    if len(states) != len(tensors) or len(tensors) != 2:
        tensors = tensors[-2:]
        at = min(at, 1)
    x = tensors[at]
    contracted = x.dim() - 1 if at == 0 else max(x.dim() - 2, 0)
    return _mixed(op, known[0], x, {contracted})


def _moved(op: Op, state: _State, x: Tensor, kind: str) -> _State:
    n = x.dim()
    if kind == "permute":
        return _renumbered(state, {d % n: i for i, d in enumerate(op.args[1])})
    if kind in ("transpose", "swapaxes"):
        a, b = op.args[1] % n, op.args[2] % n
        return _renumbered(state, {d: b if d == a else a if d == b else d for d in range(n)})
    if kind == "t":
        return _renumbered(state, {0: 1, 1: 0} if n == 2 else {0: 0})
    if kind == "unsqueeze":
        at = op.args[1] % (n + 1)
        return _renumbered(state, {d: d + (d >= at) for d in range(n)})
    if kind == "squeeze":
        return _reshaped(state, tuple(x.shape), op.shape)
    return UNKNOWN


def _reshaped(state: _State, before: tuple[int, ...], after: tuple[int, ...]) -> _State:
    """Groups of neighboring axes with equal products correspond; an image axis spreads over its group."""
    where: dict[int, set[int]] = {}
    i = j = 0
    while i < len(before) or j < len(after):
        left, right = [], []
        if i < len(before):
            left.append(i)
            i += 1
        if j < len(after):
            right.append(j)
            j += 1
        while prod(before[d] for d in left) != prod(after[d] for d in right):
            if prod(before[d] for d in left) < prod(after[d] for d in right):
                left.append(i)
                i += 1
            else:
                right.append(j)
                j += 1
        for d in left:
            where[d] = set(right)
    axes = []
    for axis in state:
        dims = set().union(*(where.get(d, set()) for d in axis.dims)) if axis.dims else set()
        axes.append(_Axis(axis.size, axis.jump, frozenset(dims)))
    return tuple(axes)


def _taken(op: Op, state: _State, x: Tensor | None, kind: str) -> _State:
    if x is None:
        return UNKNOWN
    if kind == "select":
        at = op.args[1] % x.dim()
        return _renumbered(state, {d: d - (d > at) for d in range(x.dim()) if d != at})
    if kind == "unbind":
        at = (op.args[1] if len(op.args) > 1 else 0) % x.dim()
        return _renumbered(state, {d: d - (d > at) for d in range(x.dim()) if d != at})
    if kind == "slice":
        at = (op.args[1] if len(op.args) > 1 else 0) % x.dim()
        step = op.args[4] if len(op.args) > 4 else 1
        return tuple(_Axis(a.size, a.jump * step, a.dims) if a.dims == {at} else a for a in state)
    if kind == "expand":
        shift = len(op.shape) - x.dim()
        return _renumbered(state, {d: d + shift for d in range(x.dim())})
    if kind in ("index", "roll"):
        return state if len(op.shape) == x.dim() else UNKNOWN
    return state  # chunk, split, narrow: the axes stay where they are
