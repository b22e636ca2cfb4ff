"""The (2+1)D convolution: first space, frame by frame, then time, pixel by pixel.

D. Tran, H. Wang, L. Torresani, J. Ray, Y. LeCun, M. Paluri: A Closer Look at Spatiotemporal Convolutions for Action
Recognition, CVPR 2018, section 3.5. https://arxiv.org/abs/1711.11248

A t x d x d kernel becomes M spatial ones of 1 x d x d and K temporal ones of t x 1 x 1. With

    M = floor(t d^2 C K / (d^2 C + t K))

it has as many parameters as the 3D convolution from C to K channels, so that the comparison is fair (`mid_channels`).
Between the two stand batch norm and ReLU: the paper holds that the additional nonlinear function, and an easier
optimization, are what makes it better. Without them (``nonlinear=False``) it is one 3D convolution whose kernels have
low rank.
"""

from __future__ import annotations

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
from cnnlab.convolutions.conv3d import StandardConv3d, standard_conv3d

__all__ = ["mid_channels", "space_time_conv3d", "compose_space_time", "Conv2Plus1d"]


def mid_channels(in_channels: int, out_channels: int, kernel: Axes = 3) -> int:
    """M, the channels between space and time that make a (2+1)D convolution cost what a 3D one does.

    >>> mid_channels(64, 64)
    144
    """
    check_divides(1, in_channels=in_channels, out_channels=out_channels)
    time, height, width = per_axis("kernel", kernel, 3, 1)
    area = height * width
    return max(1, time * area * in_channels * out_channels // (area * in_channels + time * out_channels))


def space_time_conv3d(
    x: Tensor,
    spatial: Tensor,
    temporal: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
) -> Tensor:
    """Every frame by itself, C -> M, then every pixel through time, M -> K; nothing in between.

    Shape: (N, C, T, H, W), (M, C, 1, height, width) and (K, M, time, 1, 1) -> (N, K, T', H', W').
    """
    check_batch(x, axes=3)
    check_weight(x, spatial, (None, x.shape[1], 1, None, None), "(M, C, 1, height, width)", "spatial")
    check_weight(x, temporal, (None, spatial.shape[0], None, 1, 1), "(K, M, time, 1, 1)", "temporal")
    check_bias(x, bias, temporal.shape[0])
    s, p, d = per_axis("stride", stride, 3, 1), padding_per_axis(padding, 3), per_axis("dilation", dilation, 3, 1)
    y = standard_conv3d(x, spatial, None, (1, *s[1:]), only(p, 1, 2), (1, *d[1:]))  # (N, M, T, H', W')
    return standard_conv3d(y, temporal, bias, (s[0], 1, 1), only(p, 0), (d[0], 1, 1))  # (N, K, T', H', W')


def compose_space_time(spatial: Tensor, temporal: Tensor) -> Tensor:
    """The one 3D kernel that does what the two do. Shape: -> (K, C, time, height, width)."""
    return torch.einsum("mcuv,kmr->kcruv", spatial[:, :, 0], temporal[..., 0, 0])


class Conv2Plus1d(nn.Module):
    """Space, then batch norm and ReLU, then time.

    Shape: (N, C, T, H, W) -> (N, K, ceil(T / stride), ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: time, height and width; one number for all three.
        stride: of the three directions.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        mid: M; None for the paper's, see `mid_channels`.
        nonlinear: whether batch norm and ReLU stand between the two.
        bias: whether to add a learned number to each output channel; the spatial step has none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        mid: int | None = None,
        nonlinear: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        (time, height, width), s = per_axis("kernel", kernel, 3, 1), per_axis("stride", stride, 3, 1)
        p = padding_or_same(padding, (time, height, width), (1, 1, 1), s)
        mid = mid_channels(in_channels, out_channels, kernel) if mid is None else mid
        self.spatial = StandardConv3d(in_channels, mid, (1, height, width), (1, *s[1:]), only(p, 1, 2), bias=False)
        self.between = nn.Sequential(nn.BatchNorm3d(mid), nn.ReLU()) if nonlinear else nn.Identity()
        self.temporal = StandardConv3d(mid, out_channels, (time, 1, 1), (s[0], 1, 1), only(p, 0), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x, axes=3)
        x = self.spatial(x)  # (N, M, T, H', W')
        x = self.between(x)
        return self.temporal(x)  # (N, K, T', H', W')
