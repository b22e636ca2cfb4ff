"""What each operator does to shapes, and how many multiply-accumulates it costs.

For the dozen operators that make up nearly every network the result's shape is worked out here (``_QUICK``), which
is several times quicker than PyTorch's own meta kernels. Of the others only those that multiply matrices need a line
(``_COUNTS``).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cnnlab.meta import META

__all__ = [
    "names_in",
    "ShapeError",
    "pair",
    "shown",
    "ConvNumbers",
    "conv_numbers",
    "pool_numbers",
    "Facts",
    "facts_of",
]


def names_in(text: str) -> frozenset[str]:
    """The words of a text: a set of operator names that is pleasant to read and to extend."""
    return frozenset(text.split())


class ShapeError(ValueError):
    """An operator that cannot take the shapes it was given."""


# --- shapes of the usual operators -----------------------------------------------------------------------------------


def pair(value: Any, n: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * n
    return tuple(value) * n if len(value) == 1 else tuple(value)


def shown(shape: Any) -> str:
    return " x ".join(str(side) for side in shape)


class ConvNumbers(NamedTuple):
    """What a convolution was called with, one number for each axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    transposed: bool


# ATen's arguments after input, weight and bias, in each of its forms.
_CONV = ("stride", "padding", "dilation", "groups")
_CONV_TRANSPOSE = ("stride", "padding", "output_padding", "groups", "dilation")
_CONVOLUTION = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")


def conv_numbers(kind: str, args: tuple, kwargs: dict) -> ConvNumbers:
    """The numbers of ``conv2d(x, weight, bias, stride, ...)``, ``conv_transpose2d`` and ``convolution`` alike."""
    kernel = tuple(args[1].shape[2:])
    turned = kind.startswith("conv_transpose")
    names = _CONV_TRANSPOSE if turned else _CONVOLUTION if kind.endswith("convolution") else _CONV
    given = {**kwargs, **dict(zip(names, args[3:], strict=False))}
    stride, padding, dilation = (
        pair(default if given.get(name) is None else given[name], len(kernel))
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    return ConvNumbers(kernel, stride, padding, dilation, given.get("groups", 1), given.get("transposed", turned))


def _conv(name: str, n: int) -> Callable:
    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
        x, weight = args[0], args[1]
        _, stride, padding, dilation, groups, _ = conv_numbers(name, args, kwargs)
        shape, kernel = x.shape, weight.shape
        if len(shape) not in (n + 1, n + 2):
            raise ShapeError(f"{name} wants {n + 1} or {n + 2} axes, the input has {len(shape)}: {tuple(shape)}")
        channels = shape[-n - 1]
        if channels != kernel[1] * groups:
            raise ShapeError(f"the weight expects {kernel[1] * groups} channels, the input has {channels}")
        spatial = []
        for size, k, s, p, d in zip(shape[-n:], kernel[2:], stride, padding, dilation, strict=True):
            side = (size + 2 * p - d * (k - 1) - 1) // s + 1
            if side < 1:
                padded = f" with padding {p}" if p else ""
                raise ShapeError(f"the kernel spans {d * (k - 1) + 1} pixels, the input only {size}{padded}")
            spatial.append(side)
        out = torch.empty((*shape[: -n - 1], kernel[0], *spatial), dtype=x.dtype, device=META)
        return out, out.numel() * kernel[1] * prod(kernel[2:])

    return run


def _linear(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x, weight = args[0], args[1]
    if x.dim() == 0 or x.shape[-1] != weight.shape[-1]:
        raise ShapeError(f"the weight expects {weight.shape[-1]} features, the input is {shown(x.shape)}")
    if weight.dim() == 1:
        shape = x.shape[:-1]
    else:
        shape = (*x.shape[:-1], weight.shape[0])
    out = torch.empty(shape, dtype=x.dtype, device=META)
    return out, out.numel() * weight.shape[-1]


def _like(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x = args[0]
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _batch_norm(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x = args[0]
    for vector in args[1:5]:
        if vector is not None and vector.shape[0] != x.shape[1]:
            raise ShapeError(f"normalizes {vector.shape[0]} channels, the input has {x.shape[1]}")
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _layer_norm(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x, normalized = args[0], tuple(args[1])
    if tuple(x.shape[x.dim() - len(normalized) :]) != normalized:
        raise ShapeError(f"normalizes over {shown(normalized)}, the input is {shown(x.shape)}")
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _itself(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    return args[0], 0


def _elementwise(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
    a, b = args[0], args[1]
    if isinstance(b, Tensor):
        if a.dtype != b.dtype:
            return None
        if a.shape == b.shape:
            shape = a.shape
        else:
            try:
                shape = torch.broadcast_shapes(a.shape, b.shape)
            except RuntimeError:
                raise ShapeError(f"{shown(a.shape)} and {shown(b.shape)} do not fit together") from None
    elif a.is_floating_point():
        shape = a.shape
    else:
        return None  # an integer tensor and a number: the type follows rules that PyTorch knows best
    return torch.empty(shape, dtype=a.dtype, device=META), 0


def _elementwise_(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    a, b = args[0], args[1]
    if isinstance(b, Tensor) and a.shape != b.shape:
        try:
            fits = torch.broadcast_shapes(a.shape, b.shape) == a.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise ShapeError(f"{shown(b.shape)} cannot be added in place to {shown(a.shape)}")
    return a, 0


def _pool(n: int, dilated: bool) -> Callable:
    """``max_pool`` has (kernel, stride, padding, dilation, ceil_mode); ``avg_pool`` (kernel, stride, padding, ceil)."""

    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
        kernel, stride, padding, dilation, ceil = pool_numbers(args, kwargs, n, dilated)
        x = args[0]
        if x.dim() < n + 1:
            return None
        spatial = []
        for size, k, s, p, d in zip(x.shape[-n:], kernel, stride, padding, dilation, strict=True):
            room = size + 2 * p - d * (k - 1) - 1
            side = -(-room // s) + 1 if ceil else room // s + 1
            if ceil and (side - 1) * s >= size + p:
                side -= 1  # the last window must start inside the input or its left padding
            if side < 1:
                raise ShapeError(f"the pooling window spans {d * (k - 1) + 1} pixels, the input only {size}")
            spatial.append(side)
        return torch.empty((*x.shape[:-n], *spatial), dtype=x.dtype, device=META), 0

    return run


def pool_numbers(args: tuple, kwargs: dict, n: int, dilated: bool) -> tuple:
    given = dict(
        zip(("kernel", "stride", "padding", *(("dilation",) if dilated else ()), "ceil_mode"), args[1:], strict=False)
    )
    kernel = pair(given.get("kernel", kwargs.get("kernel_size")), n)
    stride = given.get("stride", kwargs.get("stride")) or kernel
    padding = pair(given.get("padding", kwargs.get("padding", 0)), n)
    dilation = pair(given.get("dilation", kwargs.get("dilation", 1)), n)
    return kernel, pair(stride, n), padding, dilation, bool(given.get("ceil_mode", kwargs.get("ceil_mode", False)))


def _adaptive(n: int) -> Callable:
    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
        x = args[0]
        return torch.empty((*x.shape[:-n], *pair(args[1], n)), dtype=x.dtype, device=META), 0

    return run


def _cat(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
    tensors = args[0]
    axis = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    first = tensors[0]
    if any(t.dtype != first.dtype or t.dim() != first.dim() for t in tensors):
        return None
    axis %= first.dim()
    shape = list(first.shape)
    shape[axis] = 0
    for t in tensors:
        if any(a != b for i, (a, b) in enumerate(zip(t.shape, first.shape, strict=True)) if i != axis):
            raise ShapeError("cannot join " + " and ".join(shown(t.shape) for t in tensors) + f" along axis {axis}")
        shape[axis] += t.shape[axis]
    return torch.empty(shape, dtype=first.dtype, device=META), 0


def _attention(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    query, key, value = args[:3]
    out = torch.empty((*query.shape[:-1], value.shape[-1]), dtype=query.dtype, device=META)
    rows = prod(query.shape[:-1])  # batch x heads x queries
    return out, rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _dropout(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    return (args[0], 0) if not args[2] else _like(args, kwargs)


_QUICK: dict[str, Callable] = {
    "conv1d.default": _conv("conv1d", 1),
    "conv2d.default": _conv("conv2d", 2),
    "conv3d.default": _conv("conv3d", 3),
    "linear.default": _linear,
    "batch_norm.default": _batch_norm,
    "layer_norm.default": _layer_norm,
    "relu.default": _like,
    "gelu.default": _like,
    "silu.default": _like,
    "sigmoid.default": _like,
    "tanh.default": _like,
    "hardswish.default": _like,
    "hardsigmoid.default": _like,
    "hardtanh.default": _like,
    "relu6.default": _like,
    "softmax.int": _like,
    "relu_.default": _itself,
    "silu_.default": _itself,
    "hardswish_.default": _itself,
    "hardtanh_.default": _itself,
    "hardsigmoid_.default": _itself,
    "relu6_.default": _itself,
    "add.Tensor": _elementwise,
    "sub.Tensor": _elementwise,
    "mul.Tensor": _elementwise,
    "add_.Tensor": _elementwise_,
    "mul_.Tensor": _elementwise_,
    "max_pool2d.default": _pool(2, dilated=True),
    "max_pool1d.default": _pool(1, dilated=True),
    "avg_pool2d.default": _pool(2, dilated=False),
    "adaptive_avg_pool2d.default": _adaptive(2),
    "adaptive_avg_pool1d.default": _adaptive(1),
    "cat.default": _cat,
    "scaled_dot_product_attention.default": _attention,
    "dropout.default": _dropout,
    "feature_dropout.default": _dropout,
}


# --- multiply-accumulates of operators run by PyTorch ----------------------------------------------------------------


def _transposed(args: tuple, kwargs: dict, out: Tensor) -> int:
    return args[0].numel() * prod(args[1].shape[1:])  # every input number is multiplied with its kernel's taps


def _convolution(args: tuple, kwargs: dict, out: Tensor) -> int:
    if args[6]:
        return _transposed(args, kwargs, out)
    return out.numel() * prod(args[1].shape[1:])


def _deformable(args: tuple, kwargs: dict, out: Tensor) -> int:
    return out.numel() * prod(args[1].shape[1:])


def _product(first: int) -> Callable:
    """Matrix products: each output number sums over the last axis of the first matrix."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        return out.numel() * args[first].shape[-1]

    return count


def _bilinear(args: tuple, kwargs: dict, out: Tensor) -> int:
    # y = x1 A x2 for each output feature: first A x2 (or x1 A), then the remaining dot product.
    rows = args[0].numel() // args[0].shape[-1]
    return rows * (prod(args[2].shape) + out.shape[-1] * args[1].shape[-1])


def _attention_kernel(args: tuple, kwargs: dict, out: Any) -> int:
    query, key, value = args[:3]
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


_COUNTS: dict[str, Callable] = {
    "conv_transpose1d.default": _transposed,
    "conv_transpose2d.input": _transposed,
    "conv_transpose3d.input": _transposed,
    "convolution.default": _convolution,
    "_convolution.default": _convolution,
    "deform_conv2d.default": _deformable,
    "matmul.default": _product(0),
    "mm.default": _product(0),
    "bmm.default": _product(0),
    "mv.default": _product(0),
    "dot.default": _product(0),
    "addmm.default": _product(1),
    "baddbmm.default": _product(1),
    "addbmm.default": lambda args, kwargs, out: prod(args[1].shape) * args[2].shape[-1],
    "addmv.default": _product(1),
    "bilinear.default": _bilinear,
}

# Composites that hold no matrix product: taking them apart would only cost time.
_WHOLE = names_in(
    """
    reshape contiguous flatten unflatten view_as expand_as reshape_as chunk split tensor_split narrow movedim
    moveaxis swapaxes swapdims pad type_as to dropout feature_dropout alpha_dropout group_norm instance_norm
    layer_norm rms_norm softmax log_softmax square size numpy_T mT adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d avg_pool1d mean std var where index_select
    pixel_shuffle pixel_unshuffle channel_shuffle prelu upsample_nearest2d upsample_bilinear2d relu6 selu celu
    silu mish softplus is_nonzero zeros_like ones_like clip type_as float cosine_similarity embedding
    pairwise_distance
    """
)


class Facts:
    """What does not change from one use of an operator to the next."""

    __slots__ = ("aliases", "composite", "count", "mutates", "name", "quick")

    def __init__(self, func: Any) -> None:
        full = str(func).split(".", 1)[1]  # "aten.conv2d.default" -> "conv2d.default"
        schema = func._schema
        self.name = full.rsplit(".", 1)[0]
        self.quick = _QUICK.get(full)
        self.count = _COUNTS.get(full)
        if self.name.startswith("_scaled_dot_product"):  # the kernels beneath attention, should one be called directly
            self.count = _attention_kernel
        self.mutates = schema.is_mutable
        self.aliases = any(value.alias_info is not None for value in schema.returns)
        self.composite = self.quick is None and self.count is None and self.name not in _WHOLE and not self.aliases


_KNOWN: dict[Any, Facts] = {}


def facts_of(func: Any) -> Facts:
    """The facts of an ATen operator, looked up once."""
    known = _KNOWN.get(func)
    if known is None:
        known = _KNOWN[func] = Facts(func)
    return known
