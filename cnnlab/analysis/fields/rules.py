"""Which rule holds for an operator: the one list of them, followed from the image to the output."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from torch import Tensor

from cnnlab.analysis.fields.layout import Part, fitted, plain, reshaped
from cnnlab.analysis.fields.mixing import catenated, elementwise, mixed, product
from cnnlab.analysis.fields.moving import moved, taken
from cnnlab.analysis.fields.sliding import adaptive, channels_met, padded, slide
from cnnlab.analysis.fields.state import UNKNOWN, Known, State, start_of
from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import IMAGE, Op, Trace

__all__ = ["ReceptiveField", "states_of", "receptive_fields"]


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


def states_of(trace: Trace) -> list[Known | None]:
    """The state of every operator's result, in the trace's order; None for what does not come from the image."""
    states: list[Known | None] = []
    start = start_of(trace)
    for op in trace.ops:
        states.append(_after(op, [start if i == IMAGE else states[i] for i in op.inputs]) if start.axes else None)
    return states


def receptive_fields(trace: Trace) -> list[ReceptiveField | None]:
    """The field of every operator's result, in the trace's order; None where it cannot be defined."""
    return [_public(state) for state in states_of(trace)]


def _public(state: Known | None) -> ReceptiveField | None:
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


def _after(op: Op, given: list[Known | None]) -> Known | None:
    if all(state is None for state in given) or op.kind in _SHAPED:
        return None
    tensors = _tensors(op)
    states: list[State | None] = [None] * len(tensors)
    found: Known = "" if UNKNOWN not in given else UNKNOWN
    for place, state in zip(op.places, given, strict=True):
        if isinstance(state, State):
            layout = fitted(state.layout, tensors[place].shape)
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


def _of(op: Op, kind: str, tensors: list[Tensor], states: list[State | None]) -> Known:
    state = states[0]
    if kind in ("scaled_dot_product_attention", "matmul", "mm", "bmm", "addmm", "baddbmm"):
        return product(op, kind, tensors, states)
    if kind in ("cat", "stack"):
        return catenated(op, kind, tensors, states)
    if state is None or not (op.args and isinstance(op.args[0], Tensor)):
        return elementwise(op, tensors, states)
    x = tensors[0]
    n = x.dim()
    if kind in _SPATIAL:
        numbers = conv_numbers(kind, op.args, op.kwargs) if kind.startswith("conv") else None
        numbers = numbers or pool_numbers(op.args, op.kwargs, _SPATIAL[kind], kind.startswith("max"))
        kernel, stride, _, dilation, *_ = numbers
        state = channels_met(state, n - _SPATIAL[kind] - 1) if kind.startswith("conv") else state
        return slide(op, state, n - _SPATIAL[kind], kernel, stride, dilation)
    if kind == "convolution" or kind.startswith("conv_transpose"):
        kernel, stride, _, dilation, _, transposed = conv_numbers(kind, op.args, op.kwargs)
        first = n - len(kernel)
        state = channels_met(state, first - 1)
        if not transposed:
            return slide(op, state, first, kernel, stride, dilation)
        # An output pixel is reached from at most ceil(extent / stride) neighboring inputs, and the grid gets finer.
        reached = tuple(ceil((d * (k - 1) + 1) / s) for k, s, d in zip(kernel, stride, dilation, strict=True))
        return slide(op, state, first, reached, tuple(Fraction(1, s) for s in stride))
    if kind.startswith("upsample"):
        taps = 1 if "nearest" in kind else 4 if "bicubic" in kind else 2
        ratio = tuple(Fraction(a, b) for a, b in zip(x.shape[2:], op.shape[2:], strict=True))
        return slide(op, state, 2, (taps,) * (n - 2), ratio)
    if kind in ("pixel_shuffle", "pixel_unshuffle"):
        by = op.args[1]
        ratio = (Fraction(1, by), 1) if kind == "pixel_shuffle" else (by, by)
        return slide(op, state, n - 2, (ratio[1],) * 2, (ratio[0],) * 2)
    if kind.startswith("adaptive_"):
        return adaptive(op, state, x, kind)
    if kind in _REDUCING:
        axes = op.args[1] if len(op.args) > 1 else op.kwargs.get("dim")
        return mixed(state, _dims(axes, n), reduced=True, kept=len(op.shape) == n)
    if kind == "linear":
        found = mixed(state, {n - 1}, reduced=True)
        return replace(found, layout=(*found.layout[: n - 1], plain(op.shape[-1])))
    if kind in ("softmax", "_softmax", "log_softmax", "cumsum"):
        return mixed(state, _dims(op.args[1] if len(op.args) > 1 else op.kwargs.get("dim"), n))
    if kind == "linalg_vector_norm":
        axes = op.args[2] if len(op.args) > 2 else op.kwargs.get("dim")
        return mixed(state, _dims(axes or None, n), reduced=True, kept=len(op.shape) == n)
    if kind == "layer_norm":
        return mixed(state, set(range(n - len(op.args[1]), n)))
    if kind in ("group_norm", "instance_norm"):
        return mixed(state, set(range(2, n)))
    if kind in _MOVING:
        return moved(op, state, x, kind)
    if kind in _RESHAPING:
        return replace(state, layout=reshaped(state.layout, op.shape))
    if kind in _TAKING:
        return taken(op, state, x, kind)
    if kind in ("constant_pad_nd", "pad"):
        return padded(op, state)
    return elementwise(op, tensors, states)


def _dims(axes: object, n: int) -> set[int]:
    chosen = range(n) if axes is None else (axes,) if isinstance(axes, int) else axes
    return {a % n for a in chosen}
