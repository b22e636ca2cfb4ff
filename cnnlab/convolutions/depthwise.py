"""The depthwise convolution: every channel has a kernel of its own, and channels never meet.

    y[n, l, i, j] = bias[l] + sum over u, v of weight[l, 0, u, v] * x[n, c, i s + u d - p, j s + v d - p]

with l = c m + r for the kernels r = 0 ... m - 1 of channel c, where m is the depth multiplier. It is a grouped
convolution with as many groups as channels. It multiplies K times less than a standard convolution to K channels, but
reads and writes as many numbers, so that it is seldom K times faster: see cost.py.
"""

from __future__ import annotations

from torch import Tensor

from cnnlab.convolutions.checks import Axes, Padding, check_batch, convolution_geometry, summed_in_32_bits
from cnnlab.convolutions.standard import StandardConv2d, shifted_views, start_from

__all__ = ["depthwise_conv2d", "DepthwiseConv2d"]


@summed_in_32_bits
def depthwise_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1, padding: Padding = 0, dilation: Axes = 1
) -> Tensor:
    """Each channel times its own number, tap by tap: nothing is summed over channels.

    Shape: (N, C, H, W) and (C m, 1, height, width) -> (N, C m, H', W').
    """
    check_batch(x)
    geometry = convolution_geometry(x, weight, bias, stride, padding, dilation, groups=x.shape[1])
    multiplier = weight.shape[0] // x.shape[1]
    y = start_from(bias, x, weight.shape[0], geometry)
    for (u, v), seen in shifted_views(x, geometry):  # seen: (N, C, H', W')
        copies = seen.repeat_interleave(multiplier, dim=1)  # (N, C m, H', W'): c, c, ..., c + 1, c + 1, ...
        y = y + copies * weight[:, 0, u, v, None, None]
    return y


class DepthwiseConv2d(StandardConv2d):
    """One kernel, or ``multiplier`` of them, for each channel.

    Shape: (N, C, H, W) -> (N, C m, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        channels: C.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        multiplier: m, kernels for each channel; the outputs of one channel are neighbors.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        multiplier: int = 1,
        bias: bool = True,
    ) -> None:
        if multiplier < 1:
            raise ValueError(f"multiplier={multiplier} is too small; multiplier must be 1 or more.")
        super().__init__(channels, channels * multiplier, kernel, stride, padding, dilation, groups=channels, bias=bias)
