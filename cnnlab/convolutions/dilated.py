"""The dilated (atrous) convolution: a kernel with holes, which sees farther for the same number of taps.

F. Yu, V. Koltun: Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016. https://arxiv.org/abs/1511.07122

With dilation d the taps lie d pixels apart. The kernel spans d(k - 1) + 1 pixels (arithmetic.extent) with the
parameters of k: `effective_kernel` writes it with its zeros. Stacked with dilations 1, 2, 4, 8, ... the receptive field
grows exponentially with depth, where plain layers grow it by k - 1 each.

The price is the gridding artefact: layers that share a dilation d see about one in d^2 pixels of their field (F. Yu,
V. Koltun, T. Funkhouser: Dilated Residual Networks, CVPR 2017; P. Wang et al.: Understanding Convolution for Semantic
Segmentation, WACV 2018). `grid_coverage` counts it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.arithmetic import extent
from cnnlab.convolutions.checks import Axes, Padding, convolution_geometry, per_axis
from cnnlab.convolutions.standard import StandardConv2d, standard_conv2d

__all__ = ["effective_kernel", "dilated_conv2d", "grid_coverage", "DilatedConv2d"]


def effective_kernel(weight: Tensor, dilation: Axes) -> Tensor:
    """The kernel with its holes written as zeros, d - 1 of them between neighboring taps.

    For its size alone, see `cnnlab.arithmetic.extent`.

    Shape: (..., height, width) -> (..., d (height - 1) + 1, d (width - 1) + 1).
    """
    if not isinstance(weight, Tensor) or weight.dim() < 2:
        given = f"has shape {tuple(weight.shape)}" if isinstance(weight, Tensor) else f"is {weight!r}"
        raise ValueError(f"weight {given}; give (..., height, width). For a size, use extent(kernel, dilation).")
    apart_y, apart_x = per_axis("dilation", dilation, 2, 1)
    height, width = weight.shape[-2:]
    kernel = weight.new_zeros(*weight.shape[:-2], extent(height, apart_y), extent(width, apart_x))
    kernel[..., ::apart_y, ::apart_x] = weight
    return kernel


def dilated_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1, padding: Padding = 0, dilation: Axes = 2
) -> Tensor:
    """A standard convolution with the effective kernel. Libraries skip the zeros; the result is the same.

    Shape: (N, C, H, W) and (K, C, height, width) -> (N, K, H', W').
    """
    convolution_geometry(x, weight, bias, stride, padding, dilation)
    return standard_conv2d(x, effective_kernel(weight, dilation), bias, stride, padding)


def grid_coverage(kernel: Axes, dilations: Sequence[Axes]) -> Tensor:
    """In how many ways each pixel of the receptive field reaches one output of a stack of dilated layers.

    Zero means that the output cannot see the pixel at all: a hole of the grid. The layers have stride 1 and share
    the kernel size; their order makes no difference.

    Shape: -> (rows, columns) of the receptive field, whole numbers.

    >>> grid_coverage(3, (2, 2))[2].tolist()
    [2, 0, 4, 0, 6, 0, 4, 0, 2]
    """
    height, width = per_axis("kernel", kernel, 2, 1)
    if len(dilations) == 0:
        raise ValueError("dilations is empty; give one dilation for each layer, such as (1, 2, 4).")
    ways = torch.ones(1, 1, dtype=torch.long)  # the output itself
    for dilation in dilations:
        apart_y, apart_x = per_axis("dilations", dilation, 2, 1)
        rows, columns = ways.shape
        wider = ways.new_zeros(rows + extent(height, apart_y) - 1, columns + extent(width, apart_x) - 1)
        for u in range(height):
            for v in range(width):
                top, left = u * apart_y, v * apart_x
                wider[top : top + rows, left : left + columns] += ways
        ways = wider
    return ways


class DilatedConv2d(StandardConv2d):
    """A convolution whose taps lie ``dilation`` pixels apart.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width in taps; one number for both.
        dilation: pixels between neighboring taps; one number, or a pair.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1: d(k - 1) / 2; or "same".
        groups: of channels that do not see each other.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        dilation: Axes = 2,
        stride: Axes = 1,
        padding: Padding | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)
