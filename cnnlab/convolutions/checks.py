"""What every convolution asks of its input, and how it says no: the argument, the values, and what to change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from cnnlab.arithmetic import check_divides, output_size, same_padding, transposed_output_size

Axes = int | Sequence[int]  # one number for every axis, or one for each: (height, width), (time, height, width)

_NAMES = {2: ("height", "width"), 3: ("time", "height", "width")}
_SHAPES = {2: "(N, C, H, W)", 3: "(N, C, T, H, W)"}


class Geometry(NamedTuple):
    """The numbers of one convolution, each as a tuple with one entry for every axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    output: tuple[int, ...]


def per_axis(name: str, value: Axes, axes: int, least: int) -> tuple[int, ...]:
    """``value`` as a tuple with one whole number for each axis: 3 becomes (3, 3).

    Raises:
        ValueError: if it is anything else, or a number is below ``least``.
    """
    numbers = (value,) * axes if isinstance(value, int) else value
    if not isinstance(numbers, Sequence) or len(numbers) != axes or not all(isinstance(n, int) for n in numbers):
        raise ValueError(
            f"{name}={value!r} is not understood; give one whole number, or {axes} of them: ({_axes(axes)})."
        )
    if min(numbers) < least:
        raise ValueError(f"{name}={value} is too small; {name} must be {least} or more.")
    return tuple(numbers)


def padding_or_same(padding: Axes | None, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """The padding of a layer: as given, or for None what keeps the size at stride 1."""
    if padding is None:
        return tuple(same_padding(k, d) for k, d in zip(kernel, dilation))
    return per_axis("padding", padding, len(kernel), 0)


def check_batch(x: Tensor, axes: int = 2) -> None:
    """Raise a ValueError unless ``x`` is a batch of images (``axes=2``) or of clips (``axes=3``)."""
    if x.dim() != axes + 2:
        remedy = "x[None] is a batch of one." if x.dim() == axes + 1 else "See x.shape."
        raise ValueError(f"x has shape {tuple(x.shape)}; give a batch {_SHAPES[axes]}. {remedy}")
    if 0 in x.shape:
        raise ValueError(f"x has shape {tuple(x.shape)} and holds no numbers; give 1 or more along every axis.")


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
    padding: Axes,
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
    stride, padding = per_axis("stride", stride, axes, 1), per_axis("padding", padding, axes, 0)
    dilation, kernel = per_axis("dilation", dilation, axes, 1), tuple(weight.shape[2:])
    output = tuple(
        _along(name, output_size, *numbers)
        for name, *numbers in zip(_NAMES[axes], x.shape[2:], kernel, stride, padding, dilation)
    )
    return Geometry(kernel, stride, padding, dilation, output)


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
    return Geometry(kernel, stride, padding, dilation, output)


def _along(axis: str, size_of: Callable[..., int], *numbers: int) -> int:
    """The output size along one axis; an error says along which."""
    try:
        return size_of(*numbers)
    except ValueError as error:
        raise ValueError(f"{axis}: {error}") from None


def _axes(axes: int) -> str:
    return ", ".join(_NAMES[axes])
