"""The spatially separable convolution: a column, then a row, in place of a rectangle.

C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna: Rethinking the Inception Architecture for Computer Vision,
CVPR 2016, section 3.2. https://arxiv.org/abs/1512.00567

A kernel that is the product of a column and a row, kernel[u, v] = column[u] * row[v], can be applied one after the
other, with height + width multiplications in place of height * width. Such a matrix has rank 1, and that is the test:
`is_separable`. For any other kernel, `best_rank1` gives the nearest that is, by the singular value decomposition.

In a network both steps mix channels, C -> M -> K, and are learned. `compose_separable` writes the two as one
weight (K, C, height, width). Its single kernels may have any rank: what is bounded by M is the rank of the whole weight
as a matrix (C height, K width). `separate` goes the other way, from a weight to the nearest such pair, after

M. Jaderberg, A. Vedaldi, A. Zisserman: Speeding up Convolutional Neural Networks with Low Rank Expansions, BMVC 2014,
scheme 2; in closed form: C. Tai, T. Xiao, Y. Zhang, X. Wang, W. E: Convolutional Neural Networks with Low-Rank
Regularization, ICLR 2016. https://arxiv.org/abs/1405.3866, https://arxiv.org/abs/1511.06067
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.checks import (
    Axes,
    Padding,
    check_batch,
    check_bias,
    check_weight,
    only,
    padding_or_same,
    padding_per_axis,
    per_axis,
)
from cnnlab.convolutions.standard import StandardConv2d, standard_conv2d

__all__ = [
    "Rank1",
    "best_rank1",
    "is_separable",
    "spatial_separable_conv2d",
    "compose_separable",
    "Separated",
    "separate",
    "SpatialSeparableConv2d",
]


class Rank1(NamedTuple):
    """The nearest separable kernel: ``column[..., :, None] * row[..., None, :]``.

    Attributes:
        column: shape (..., height).
        row: shape (..., width).
        error: shape (...): ||kernel - column row|| / ||kernel||, from 0 (separable) to below 1.
    """

    column: Tensor
    row: Tensor
    error: Tensor


def best_rank1(kernel: Tensor) -> Rank1:
    """The column and the row whose product is nearest to a kernel (Eckart and Young, 1936).

    The first singular triple gives them; the other singular values are what is lost. Column and row share the
    scale evenly, and the largest number of the column is positive.

    Shape: (height, width), or (..., height, width) for many kernels at once.

    Raises:
        ValueError: if ``kernel`` has no height and width, or is not of floating point, or of half precision.
    """
    if kernel.dim() < 2 or 0 in kernel.shape:
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}; give (height, width), or (..., height, width).")
    if not kernel.is_floating_point():
        raise ValueError(f"kernel is {kernel.dtype}, and factors are rarely whole; give kernel.double().")
    _check_decomposable("kernel", kernel)
    left, scale, right = torch.linalg.svd(kernel, full_matrices=False)
    root = scale[..., :1].sqrt()
    column, row = left[..., :, 0] * root, right[..., 0, :] * root
    largest = column.gather(-1, column.abs().argmax(-1, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0).to(kernel.dtype)
    lost, whole = scale[..., 1:].square().sum(-1), scale.square().sum(-1)
    error = torch.where(whole > 0, lost / torch.where(whole > 0, whole, 1), 0).sqrt()
    return Rank1(column * sign, row * sign, error)


def _check_decomposable(name: str, value: Tensor) -> None:
    """Raise a ValueError for half precision, in which no library decomposes matrices."""
    if value.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(f"{name} is {value.dtype}, and matrices are decomposed in 32 or 64 bits; give {name}.float().")


def is_separable(kernel: Tensor, tolerance: float = 1e-6) -> bool:
    """Whether one kernel (height, width) is a column times a row, up to a relative error of ``tolerance``.

    >>> is_separable(torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]))  # Sobel
    True
    >>> is_separable(torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]))  # Laplace
    False
    """
    if kernel.dim() != 2:
        raise ValueError(
            f"kernel has shape {tuple(kernel.shape)}; give one (height, width). For many see best_rank1(kernels).error."
        )
    # In double precision a kernel of whole or of 32-bit numbers is not blamed for the rounding of the decomposition.
    return bool(best_rank1(kernel.cpu().double()).error <= tolerance)


def spatial_separable_conv2d(
    x: Tensor,
    column: Tensor,
    row: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
) -> Tensor:
    """Down the columns, C -> M, then along the rows, M -> K. Each axis has its own step, padding and dilation.

    Shape: (N, C, H, W), (M, C, height, 1) and (K, M, 1, width) -> (N, K, H', W').
    """
    check_batch(x)
    check_weight(x, column, (None, x.shape[1], None, 1), "(M, C, height, 1)", "column")
    check_weight(x, row, (None, column.shape[0], 1, None), "(K, M, 1, width)", "row")
    check_bias(x, bias, row.shape[0])
    s, p, d = per_axis("stride", stride, 2, 1), padding_per_axis(padding, 2), per_axis("dilation", dilation, 2, 1)
    y = standard_conv2d(x, column, None, (s[0], 1), only(p, 0), (d[0], 1))  # (N, M, H', W)
    return standard_conv2d(y, row, bias, (1, s[1]), only(p, 1), (1, d[1]))  # (N, K, H', W')


def compose_separable(column: Tensor, row: Tensor) -> Tensor:
    """The one kernel that does what the two do. Shape: (M, C, h, 1) and (K, M, 1, w) -> (K, C, h, w)."""
    return torch.einsum("mcu,kmv->kcuv", column[..., 0], row[:, :, 0])


class Separated(NamedTuple):
    """The nearest pair of a column and a row layer to a standard one.

    Attributes:
        column: shape (M, C, height, 1).
        row: shape (K, M, 1, width).
        error: ||weight - composed|| / ||weight||.
    """

    column: Tensor
    row: Tensor
    error: Tensor


def separate(weight: Tensor, mid_channels: int) -> Separated:
    """The column and the row layer, M channels between them, that come nearest to a standard layer.

    All pairs of kernels at once: the weight as a matrix, a row for each input channel and height, a column for each
    output channel and width, and of its singular value decomposition the first M terms. With
    M = min(C height, K width) nothing is lost.

    Shape: (K, C, height, width) -> (M, C, height, 1) and (K, M, 1, width).

    Raises:
        ValueError: if ``weight`` has not four axes, is not of floating point or of half precision, or M is out of
            range.
    """
    if weight.dim() != 4 or 0 in weight.shape or not weight.is_floating_point():
        raise ValueError(
            f"weight is {weight.dtype} of shape {tuple(weight.shape)}; give floating-point (K, C, height, width)."
        )
    _check_decomposable("weight", weight)
    k, c, height, width = weight.shape
    most = min(c * height, k * width)
    if not 1 <= mid_channels <= most:
        raise ValueError(
            f"mid_channels={mid_channels} is out of range; a weight of shape {tuple(weight.shape)} is exact "
            f"with {most}, so use 1 to {most}."
        )
    matrix = weight.permute(1, 2, 0, 3).reshape(c * height, k * width)
    left, scale, right = torch.linalg.svd(matrix, full_matrices=False)
    root = scale[:mid_channels].sqrt()
    column = (left[:, :mid_channels] * root).T.reshape(mid_channels, c, height, 1)
    row = (root[:, None] * right[:mid_channels]).reshape(mid_channels, k, 1, width).transpose(0, 1)
    whole = scale.square().sum()
    lost = scale[mid_channels:].square().sum()
    return Separated(column, row, (lost / torch.where(whole > 0, whole, 1)).sqrt())


class SpatialSeparableConv2d(nn.Module):
    """A height x 1 convolution, then 1 x width.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        mid_channels: M, between the two; None for as many as ``out_channels``.
        bias: whether to add a learned number to each output channel; one bias, at the end.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        mid_channels: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        mid_channels = out_channels if mid_channels is None else mid_channels
        check_divides(1, in_channels=in_channels, mid_channels=mid_channels, out_channels=out_channels)
        (height, width), d = per_axis("kernel", kernel, 2, 1), per_axis("dilation", dilation, 2, 1)
        s = per_axis("stride", stride, 2, 1)
        p = padding_or_same(padding, (height, width), d, s)
        down, along = ((s[0], 1), only(p, 0), (d[0], 1)), ((1, s[1]), only(p, 1), (1, d[1]))
        self.column = StandardConv2d(in_channels, mid_channels, (height, 1), *down, bias=False)
        self.row = StandardConv2d(mid_channels, out_channels, (1, width), *along, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.column(x)  # (N, M, H', W)
        return self.row(x)  # (N, K, H', W')
