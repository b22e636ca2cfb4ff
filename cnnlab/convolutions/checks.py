"""What every convolution asks of its input, and how it says no: the argument, the values, and what to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from operator import index
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from cnnlab.arithmetic import check_divides, output_size, same_padding, transposed_output_size

__all__ = [
    "Axes",
    "Padding",
    "Geometry",
    "per_axis",
    "padding_per_axis",
    "only",
    "padding_or_same",
    "check_batch",
    "summed_in_32_bits",
    "check_weight",
    "check_bias",
    "convolution_geometry",
    "transposed_geometry",
]

Axes = int | Sequence[int]  # one number for every axis, or one for each: (height, width), (time, height, width)
Padding = Axes | Literal["same", "valid"]  # zeros on each side, or torch's words for what keeps the size, and for none

_NAMES = {2: ("height", "width"), 3: ("time", "height", "width")}
_SHAPES = {2: "(N, C, H, W)", 3: "(N, C, T, H, W)"}
_HALF = (torch.float16, torch.bfloat16)


class Geometry(NamedTuple):
    """The numbers of one convolution, each as a tuple with one entry for every axis.

    Attributes:
        padding: zeros before the first pixel.
        after: zeros behind the last one: as many, or one more where ``padding="same"`` meets an odd total.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    output: tuple[int, ...]
    after: tuple[int, ...]


def per_axis(name: str, value: Axes, axes: int, least: int) -> tuple[int, ...]:
    """``value`` as a tuple with one whole number for each axis: 3 becomes (3, 3). NumPy's whole numbers will do.

    Raises:
        ValueError: if it is anything else, or a number is below ``least``.
    """
    numbers = _whole(value) * (axes if _is_one(value) else 1)
    if len(numbers) != axes:
        raise ValueError(
            f"{name}={value!r} is not understood; give one whole number, or {axes} of them: ({_axes(axes)})."
        )
    if min(numbers) < least:
        raise ValueError(f"{name}={value} is too small; {name} must be {least} or more.")
    return numbers


def _is_one(value: Any) -> bool:
    return hasattr(value, "__index__") and not getattr(value, "shape", ())


def _whole(value: Any) -> tuple[int, ...]:
    """The whole numbers of a value; none where it holds anything else."""
    try:
        return (index(value),) if _is_one(value) else tuple(index(number) for number in value)
    except TypeError:
        return ()


def padding_per_axis(padding: Padding, axes: int) -> tuple[int, ...] | Literal["same"]:
    """The padding as `per_axis` gives it, "valid" as zeros, and "same" as it is.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'padding={padding!r} is not understood; give whole numbers, "same" or "valid".')
        return "same" if padding == "same" else (0,) * axes
    return per_axis("padding", padding, axes, 0)


def only(padding: tuple[int, ...] | Literal["same"], *axes: int) -> tuple[int, ...] | Literal["same"]:
    """The padding along some axes and none along the others; "same" pads along no axis where the kernel is 1 wide."""
    return padding if padding == "same" else tuple(p if axis in axes else 0 for axis, p in enumerate(padding))


def padding_or_same(
    padding: Padding | None, kernel: tuple[int, ...], dilation: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[int, ...] | Literal["same"]:
    """The padding of a layer: as given, or for None what keeps the size at stride 1.

    Raises:
        ValueError: no padding that is equal on both sides keeps the size, or ``padding="same"`` meets a stride.
    """
    if padding is None:
        try:
            return tuple(same_padding(k, d) for k, d in zip(kernel, dilation))
        except ValueError as error:
            raise ValueError(f'{error} Or padding="same", which at stride 1 adds the odd zero at the end.') from None
    padding = padding_per_axis(padding, len(kernel))
    if padding == "same":
        _check_no_stride(stride)
    return padding


def _check_no_stride(stride: tuple[int, ...]) -> None:
    if set(stride) != {1}:
        raise ValueError(
            f'padding="same" means that the size is kept, and stride={stride} does not keep it; use stride=1, or give '
            "the padding in numbers."
        )


def check_batch(x: Tensor, axes: int = 2) -> None:
    """Raise a ValueError unless ``x`` is a batch of images (``axes=2``) or of clips (``axes=3``); it may be empty."""
    if x.dim() != axes + 2:
        remedy = "x[None] is a batch of one." if x.dim() == axes + 1 else "See x.shape."
        raise ValueError(f"x has shape {tuple(x.shape)}; give a batch {_SHAPES[axes]}. {remedy}")
    if 0 in x.shape[1:]:
        raise ValueError(f"x has shape {tuple(x.shape)} and holds no numbers; give 1 or more along every axis.")


def summed_in_32_bits(convolution: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Half-precision tensors are widened, summed in 32 bits, and the result is rounded once, as libraries do it.

    A number of 16 bits has 8 or 11 significant ones: adding a small number to a sum of more than some hundreds
    changes nothing any more, so that a long sum in 16 bits stops growing. Other types go through as they are.
    """

    @wraps(convolution)
    def summed(x: Tensor, *arguments: Any, **named: Any) -> Tensor:
        tensors = [x, *(value for value in (*arguments, *named.values()) if isinstance(value, Tensor))]
        # Where types differ, nothing is widened: the function itself says what does not fit.
        if {tensor.dtype for tensor in tensors} - {x.dtype} or x.dtype not in _HALF:
            return convolution(x, *arguments, **named)

        def wide(value: Any) -> Any:
            return value.float() if isinstance(value, Tensor) else value

        wider = {name: wide(value) for name, value in named.items()}
        return convolution(x.float(), *map(wide, arguments), **wider).to(x.dtype)

    return summed


def check_weight(x: Tensor, weight: Tensor, shape: tuple[int | None, ...], meaning: str, name: str = "weight") -> None:
    """Raise a ValueError unless ``weight`` has this shape, where None stands for any size, and x's type.

    Args:
        meaning: what the axes of the weight are, such as "(K, C, height, width)".
    """
    fits = weight.dim() == len(shape) and all(want in (None, has) for want, has in zip(shape, weight.shape))
    if not fits or 0 in weight.shape:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ValueError(
            f"{name} has shape {tuple(weight.shape)}, which does not fit x of shape {tuple(x.shape)}; "
            f"give {meaning} = ({wanted})."
        )
    if weight.dtype != x.dtype:
        raise ValueError(f"{name} is {weight.dtype} and x is {x.dtype}; convert one: {name}.to(x.dtype).")


def check_bias(x: Tensor, bias: Tensor | None, channels: int, name: str = "bias") -> None:
    """Raise a ValueError unless ``bias`` is None or holds one number for each output channel."""
    if bias is not None:
        check_weight(x, bias, (channels,), "(K,)", name)


def convolution_geometry(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Axes,
    padding: Padding,
    dilation: Axes,
    groups: int = 1,
    axes: int = 2,
) -> Geometry:
    """The numbers of a convolution of ``x`` (N, C, H, W) with ``weight`` (K, C / groups, height, width).

    With ``axes=3`` there is time before the height.

    Raises:
        ValueError: if anything does not fit.
    """
    check_batch(x, axes)
    if weight.dim() == axes + 2:
        check_divides(groups, in_channels=x.shape[1], out_channels=weight.shape[0])
    check_weight(x, weight, (None, x.shape[1] // groups, *(None,) * axes), f"(K, C / groups, {_axes(axes)})")
    check_bias(x, bias, weight.shape[0])
    stride, padding = per_axis("stride", stride, axes, 1), padding_per_axis(padding, axes)
    dilation, kernel = per_axis("dilation", dilation, axes, 1), tuple(weight.shape[2:])
    if padding == "same":
        _check_no_stride(stride)
        total = [d * (k - 1) for d, k in zip(dilation, kernel)]
        before, after = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        return Geometry(kernel, stride, before, dilation, tuple(x.shape[2:]), after)
    output = tuple(
        _along(name, output_size, *numbers)
        for name, *numbers in zip(_NAMES[axes], x.shape[2:], kernel, stride, padding, dilation)
    )
    return Geometry(kernel, stride, padding, dilation, output, padding)


def transposed_geometry(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Axes,
    padding: Axes,
    output_padding: Axes,
    dilation: Axes,
    groups: int = 1,
) -> Geometry:
    """The numbers of a transposed convolution of ``x`` (N, C, H, W) with ``weight`` (C, K / groups, height, width).

    Raises:
        ValueError: if anything does not fit.
    """
    check_batch(x)
    check_divides(groups, in_channels=x.shape[1])
    check_weight(x, weight, (x.shape[1], None, None, None), "(C, K / groups, height, width)")
    check_bias(x, bias, weight.shape[1] * groups)
    stride, padding = per_axis("stride", stride, 2, 1), per_axis("padding", padding, 2, 0)
    dilation, kernel = per_axis("dilation", dilation, 2, 1), tuple(weight.shape[2:])
    extra = per_axis("output_padding", output_padding, 2, 0)
    output = tuple(
        _along(name, transposed_output_size, *numbers)
        for name, *numbers in zip(_NAMES[2], x.shape[2:], kernel, stride, padding, extra, dilation)
    )
    return Geometry(kernel, stride, padding, dilation, output, padding)


def _along(axis: str, size_of: Callable[..., int], *numbers: int) -> int:
    """The output size along one axis; an error says along which."""
    try:
        return size_of(*numbers)
    except ValueError as error:
        raise ValueError(f"{axis}: {error}") from None


def _axes(axes: int) -> str:
    return ", ".join(_NAMES[axes])
