"""The standard convolution, which all others vary: every output channel looks at every input channel.

    y[n, k, i, j] = bias[k] + sum over c, u, v of weight[k, c, u, v] * x[n, c, i s + u d - p, j s + v d - p]

with stride s, dilation d, and padding p: outside the image x is 0. (Strictly this is cross-correlation: the kernel
is not flipped. Networks learn their kernels, so it makes no difference to them, and all libraries do it.)

Three implementations: `conv2d_loops` says it one multiplication at a time; `standard_conv2d` moves the two inner
sums and all positions into tensor algebra, tap by tap; the layer `StandardConv2d` leaves the work to PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor, nn

from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.checks import (
    Axes,
    Geometry,
    Padding,
    convolution_geometry,
    padding_or_same,
    per_axis,
    summed_in_32_bits,
)

__all__ = ["conv2d_loops", "standard_conv2d", "zero_pad", "shifted_views", "start_from", "StandardConv2d"]


@summed_in_32_bits
def conv2d_loops(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1, padding: Padding = 0, dilation: Axes = 1
) -> Tensor:
    """Standard convolution, one multiplication at a time. For reading: a 28 x 28 image already takes seconds.

    Shape: (N, C, H, W) and (K, C, height, width) -> (N, K, H', W').
    """
    geometry = convolution_geometry(x, weight, bias, stride, padding, dilation)
    (height, width), (down, right), _, (apart_y, apart_x), (rows, columns), _ = geometry
    padded = zero_pad(x, geometry.padding, geometry.after)
    y = x.new_zeros(x.shape[0], weight.shape[0], rows, columns)
    for n in range(x.shape[0]):  # every image
        for k in range(weight.shape[0]):  # every output channel
            for i in range(rows):  # every output pixel
                for j in range(columns):
                    total = x.new_zeros(()) if bias is None else bias[k]
                    for c in range(x.shape[1]):  # every input channel
                        for u in range(height):  # every tap of the kernel
                            for v in range(width):
                                pixel = padded[n, c, i * down + u * apart_y, j * right + v * apart_x]
                                total = total + weight[k, c, u, v] * pixel
                    y[n, k, i, j] = total
    return y


@summed_in_32_bits
def standard_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1, padding: Padding = 0, dilation: Axes = 1
) -> Tensor:
    """Standard convolution, one tap of the kernel at a time.

    A tap sees one shifted copy of the image, and adds it to the output through a C x K matrix that mixes channels.
    So a convolution is a sum of height * width pointwise convolutions of shifted images.

    Shape: (N, C, H, W) and (K, C, height, width) -> (N, K, H', W').
    """
    geometry = convolution_geometry(x, weight, bias, stride, padding, dilation)
    y = start_from(bias, x, weight.shape[0], geometry)
    for (u, v), seen in shifted_views(x, geometry):  # seen: (N, C, H', W')
        y = y + torch.einsum("nchw,kc->nkhw", seen, weight[:, :, u, v])
    return y


def zero_pad(x: Tensor, padding: tuple[int, ...], after: tuple[int, ...] | None = None) -> Tensor:
    """``padding`` zeros before each of the last axes, and as many, or ``after``, behind it.

    Shape: (N, C, H, W) -> (N, C, H + 2p, W + 2p), or (N, C, H + p + after, W + p + after).
    """
    first = x.dim() - len(padding)
    sizes = [size + p + q for size, p, q in zip(x.shape[first:], padding, padding if after is None else after)]
    padded = x.new_zeros(*x.shape[:first], *sizes)
    inside = [slice(p, p + size) for size, p in zip(x.shape[first:], padding)]
    padded[(..., *inside)] = x
    return padded


def shifted_views(x: Tensor, geometry: Geometry) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """What each tap of a kernel sees: the tap (u, v), and the padded image shifted by it, every stride-th pixel.

    Works along any number of axes. Shape: (N, C, H, W) -> (N, C, H', W') for each tap.
    """
    padded = zero_pad(x, geometry.padding, geometry.after)
    for tap in product(*(range(k) for k in geometry.kernel)):
        window = []
        for t, d, s, count in zip(tap, geometry.dilation, geometry.stride, geometry.output):
            start = t * d
            window.append(slice(start, start + s * (count - 1) + 1, s))
        yield tap, padded[(..., *window)]


def start_from(bias: Tensor | None, x: Tensor, channels: int, geometry: Geometry) -> Tensor:
    """The output before any tap was added: the bias everywhere, or zeros. Shape: -> (N, K, H', W')."""
    y = x.new_zeros(x.shape[0], channels, *geometry.output)
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(geometry.output))


class StandardConv2d(nn.Conv2d):
    """``nn.Conv2d``; what does not fit is answered with the values and the remedy.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        groups: of channels that do not see each other; see grouped.py.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_divides(groups, in_channels=in_channels, out_channels=out_channels)
        kernel, dilation = per_axis("kernel", kernel, 2, 1), per_axis("dilation", dilation, 2, 1)
        stride = per_axis("stride", stride, 2, 1)
        padding = padding_or_same(padding, kernel, dilation, stride)
        super().__init__(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return super().forward(x)
        except RuntimeError:
            convolution_geometry(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
            raise  # nothing wrong with the sizes: out of memory, say
