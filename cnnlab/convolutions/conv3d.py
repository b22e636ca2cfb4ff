"""The 3D convolution: the kernel slides along time (or depth) as it does along height and width.

D. Tran, L. Bourdev, R. Fergus, L. Torresani, M. Paluri: Learning Spatiotemporal Features with 3D Convolutional Networks
(C3D), ICCV 2015. https://arxiv.org/abs/1412.0767

    y[n, k, t, i, j] = bias[k] + sum over c, r, u, v of weight[k, c, r, u, v] * x[n, c, t + r, i + u, j + v]

A kernel of 3 x 3 x 3 has three times the parameters of 3 x 3, and is applied at every time step. It can see motion,
which needs two frames. A 2D convolution that takes T frames as T channels sees them all at once: it has other weights
for every frame, and slides nowhere in time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.checks import (
    Axes,
    Padding,
    convolution_geometry,
    padding_or_same,
    per_axis,
    summed_in_32_bits,
)
from cnnlab.convolutions.standard import shifted_views, start_from

__all__ = ["standard_conv3d", "StandardConv3d"]


@summed_in_32_bits
def standard_conv3d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1, padding: Padding = 0, dilation: Axes = 1
) -> Tensor:
    """One tap of the kernel at a time, as in `standard_conv2d`: every tap sees one shifted copy of the clip.

    Shape: (N, C, T, H, W) and (K, C, time, height, width) -> (N, K, T', H', W').
    """
    geometry = convolution_geometry(x, weight, bias, stride, padding, dilation, axes=3)
    y = start_from(bias, x, weight.shape[0], geometry)
    for (r, u, v), seen in shifted_views(x, geometry):  # seen: (N, C, T', H', W')
        y = y + torch.einsum("ncthw,kc->nkthw", seen, weight[:, :, r, u, v])
    return y


class StandardConv3d(nn.Conv3d):
    """``nn.Conv3d``; what does not fit is answered with the values and the remedy.

    Shape: (N, C, T, H, W) -> (N, K, ceil(T / stride), ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: time, height and width; one number for all three.
        stride: of the three directions.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: steps between neighboring taps.
        groups: of channels that do not see each other.
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
        kernel, dilation = per_axis("kernel", kernel, 3, 1), per_axis("dilation", dilation, 3, 1)
        stride = per_axis("stride", stride, 3, 1)
        padding = padding_or_same(padding, kernel, dilation, stride)
        super().__init__(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        try:
            return super().forward(x)
        except RuntimeError:
            numbers = (self.stride, self.padding, self.dilation, self.groups)
            convolution_geometry(x, self.weight, self.bias, *numbers, axes=3)
            raise  # nothing wrong with the sizes: out of memory, say
