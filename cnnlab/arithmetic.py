"""Convolution arithmetic: sizes, parameters, multiply-accumulates and receptive fields, as pure functions.

Everything here is integer arithmetic on plain numbers, so that a chapter can print a formula with its
values. The relations are those of Dumoulin and Visin, "A guide to convolution arithmetic for deep
learning" (2016), and, for receptive fields, Araujo, Norris and Sim, "Computing receptive fields of
convolutional neural networks" (Distill, 2019).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd

__all__ = [
    "output_size",
    "transposed_output_size",
    "extent",
    "same_padding",
    "enlarging_padding",
    "conv_params",
    "conv_macs",
    "grow",
    "receptive_field_of",
    "check_divides",
]


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many positions a kernel has along one axis: floor((size + 2p - d(k - 1) - 1) / s) + 1.

    Args:
        size: Extent of the input along the axis, in pixels.
        kernel: Extent of the kernel.
        stride: Pixels between neighboring positions of the kernel.
        padding: Zeros added at each end.
        dilation: Pixels between neighboring taps of the kernel; 1 is an ordinary kernel.

    Raises:
        ValueError: if a value is out of range, or the kernel does not fit into the padded input.
    """
    _at_least("size", size, 1)
    _at_least("kernel", kernel, 1)
    _at_least("stride", stride, 1)
    _at_least("padding", padding, 0)
    _at_least("dilation", dilation, 1)
    reach = extent(kernel, dilation)
    padded = size + 2 * padding
    if reach > padded:
        covers = f"kernel={kernel}" if dilation == 1 else f"kernel={kernel} with dilation={dilation} (spanning {reach})"
        raise ValueError(
            f"{covers} does not fit into size={size} with padding={padding} (padded size {padded}). "
            f"Use an input of at least {reach - 2 * padding}, a padding of at least {-(-(reach - size) // 2)}, "
            f"or a smaller kernel."
        )
    return (padded - reach) // stride + 1


def transposed_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """The size that a transposed convolution gives: s(size - 1) - 2p + d(k - 1) + 1 + output_padding.

    It undoes `output_size`: a convolution with the same numbers takes the result back to ``size``, for every
    ``output_padding`` below the stride. With a stride above 1 several sizes shrink to the same one, and
    ``output_padding`` says which of them is meant.

    Args:
        size: Extent of the input along the axis, in pixels.
        kernel: Extent of the kernel.
        stride: Output pixels between the stamps of neighboring input pixels.
        padding: Output pixels cut off at each end.
        output_padding: Output pixels added at the far end.
        dilation: Pixels between neighboring taps of the kernel.

    Raises:
        ValueError: if a value is out of range, or no pixel is left.
    """
    _at_least("size", size, 1)
    _at_least("kernel", kernel, 1)
    _at_least("stride", stride, 1)
    _at_least("padding", padding, 0)
    _at_least("output_padding", output_padding, 0)
    _at_least("dilation", dilation, 1)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding={output_padding} is not below stride={stride} or dilation={dilation}: no input size "
            f"shrinks that unevenly. Use an output_padding of at most {max(stride, dilation) - 1}, or a larger stride."
        )
    full = stride * (size - 1) + extent(kernel, dilation) + output_padding
    if full - 2 * padding < 1:
        raise ValueError(
            f"padding={padding} cuts {2 * padding} pixels off an output of {full} (size={size}, kernel={kernel}, "
            f"stride={stride}, dilation={dilation}) and leaves none. Use a padding of at most {(full - 1) // 2}."
        )
    return full - 2 * padding


def extent(kernel: int, dilation: int = 1) -> int:
    """Pixels from the first tap of a kernel to its last, both included: d(k - 1) + 1."""
    return dilation * (kernel - 1) + 1


def same_padding(kernel: int, dilation: int = 1) -> int:
    """The padding that keeps the size at stride 1: d(k - 1) / 2.

    Raises:
        ValueError: if no whole number does, that is, for an even kernel with odd dilation.
    """
    _at_least("kernel", kernel, 1)
    _at_least("dilation", dilation, 1)
    total = dilation * (kernel - 1)
    if total % 2:
        raise ValueError(
            f"kernel={kernel} with dilation={dilation} would need {total / 2} zeros at each end to keep the size. "
            f"Use an odd kernel (kernel={kernel - 1} or kernel={kernel + 1})."
        )
    return total // 2


def enlarging_padding(kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """The padding and the output_padding of a transposed convolution whose output is ``stride`` times its input.

    >>> enlarging_padding(kernel=4, stride=2), enlarging_padding(kernel=3, stride=2)
    ((1, 0), (1, 1))

    Raises:
        ValueError: if there are none, that is, for an even kernel with odd dilation at stride 1.
    """
    _at_least("stride", stride, 1)
    if stride == 1:
        return same_padding(kernel, dilation), 0
    _at_least("kernel", kernel, 1)
    _at_least("dilation", dilation, 1)
    surplus = extent(kernel, dilation) - stride  # pixels beyond stride * size
    padding = max(0, (surplus + 1) // 2)
    return padding, 2 * padding - surplus


def conv_params(
    in_channels: int, out_channels: int, kernel: int | tuple[int, ...], *, groups: int = 1, bias: bool = True
) -> int:
    """Learned numbers of a convolution: out * (in / groups) * k_h * k_w, plus one bias per output channel.

    An integer ``kernel`` means a square one; a tuple gives each axis (one, two or three of them).

    Raises:
        ValueError: if a value is below 1 or ``groups`` does not divide both channel counts.
    """
    taps = _taps(kernel)
    check_divides(groups, in_channels=in_channels, out_channels=out_channels)
    return out_channels * (in_channels // groups) * taps + (out_channels if bias else 0)


def conv_macs(
    in_channels: int,
    out_channels: int,
    kernel: int | tuple[int, ...],
    output: int | tuple[int, ...],
    *,
    groups: int = 1,
) -> int:
    """Multiply-accumulates of a convolution on one image, bias not counted.

    Each of the ``out_channels * H' * W'`` output numbers is a sum of ``(in / groups) * k_h * k_w`` products.

    Args:
        output: Spatial size of the output map; an integer means a square map.

    Raises:
        ValueError: if a value is below 1 or ``groups`` does not divide both channel counts.
    """
    sizes = (output, output) if isinstance(output, int) else tuple(output)
    positions = 1
    for size in sizes:
        _at_least("output", size, 1)
        positions *= size
    return positions * conv_params(in_channels, out_channels, kernel, groups=groups, bias=False)


def grow(size: int, jump: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """One step of the receptive-field recursion: (r, j) before a layer -> (r, j) after it.

    ``size`` r is how many input pixels one unit sees along an axis, ``jump`` j how many input pixels lie
    between neighboring units. A layer adds (k - 1) steps of the jump it finds, then multiplies the jump:
    r' = r + d(k - 1) j and j' = j s.

    Raises:
        ValueError: if a value is below 1.
    """
    for name, value in (("size", size), ("jump", jump), ("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        _at_least(name, value, 1)
    return size + (extent(kernel, dilation) - 1) * jump, jump * stride


def receptive_field_of(layers: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
    """The (size, jump) after each layer of a plain chain, starting from one pixel: (1, 1).

    Args:
        layers: ``(kernel,)``, ``(kernel, stride)`` or ``(kernel, stride, dilation)`` for each layer in order.

    >>> receptive_field_of([(5,), (2, 2), (5,), (2, 2)])  # LeNet-5 as far as its second pooling
    [(5, 1), (6, 2), (14, 2), (16, 4)]
    """
    state = (1, 1)
    states = []
    for number, layer in enumerate(layers):
        if not 1 <= len(layer) <= 3:
            raise ValueError(
                f"layers[{number}]={layer!r} has {len(layer)} numbers; give (kernel,), (kernel, stride) or "
                f"(kernel, stride, dilation)."
            )
        state = grow(*state, *layer)
        states.append(state)
    return states


def _taps(kernel: int | tuple[int, ...]) -> int:
    sizes = (kernel, kernel) if isinstance(kernel, int) else tuple(kernel)
    taps = 1
    for size in sizes:
        _at_least("kernel", size, 1)
        taps *= size
    return taps


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}={value} is too small; {name} must be {least} or more.")


def check_divides(groups: int, **channels: int) -> None:
    """Raise a ValueError unless ``groups`` divides every one of the named channel counts."""
    _at_least("groups", groups, 1)
    for name, count in channels.items():
        _at_least(name, count, 1)
    for name, count in channels.items():
        if count % groups:
            largest = gcd(*channels.values())
            choices = ", ".join(str(n) for n in range(1, largest + 1) if largest % n == 0)
            named = " and ".join(f"{key}={value}" for key, value in channels.items())
            raise ValueError(
                f"groups={groups} does not divide {name}={count}. "
                f"Choose groups among the divisors of {named}: {choices}."
            )
