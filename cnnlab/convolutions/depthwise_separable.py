"""The depthwise separable convolution: space first, channel by channel; then channels, pixel by pixel.

L. Sifre: Rigid-Motion Scattering for Image Classification, thesis, Ecole Polytechnique, 2014; F. Chollet: Xception,
CVPR 2017 (arXiv 2016), https://arxiv.org/abs/1610.02357; A. Howard et al.: MobileNets, arXiv 2017,
https://arxiv.org/abs/1704.04861.

A depthwise convolution filters every channel by itself, a pointwise one mixes them. Against a standard convolution from
C to K channels with a k x k kernel, the multiplications are

    (C k^2 + C K) / (C K k^2) = 1 / K + 1 / k^2

(MobileNets, section 3.1). Its kernels are the products weight[k, c, u, v] = pointwise[k, c] * depthwise[c, u, v]:
all output channels share one spatial pattern for each input channel, up to a factor.

MobileNets put batch norm and ReLU after each of the two, Xception puts nothing between them; so the layer holds the
two convolutions alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.convolutions.checks import Axes, Padding
from cnnlab.convolutions.depthwise import DepthwiseConv2d, depthwise_conv2d
from cnnlab.convolutions.pointwise import PointwiseConv2d, pointwise_conv2d

__all__ = ["depthwise_separable_conv2d", "compose_depthwise_separable", "DepthwiseSeparableConv2d"]


def depthwise_separable_conv2d(
    x: Tensor,
    depthwise: Tensor,
    pointwise: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
) -> Tensor:
    """Filter every channel, then mix the channels.

    Shape: (N, C, H, W), (C m, 1, height, width) and (K, C m, 1, 1) -> (N, K, H', W').
    """
    # (N, C m, H', W'), then (N, K, H', W')
    y = depthwise_conv2d(x, depthwise, None, stride, padding, dilation)
    return pointwise_conv2d(y, pointwise, bias)


def compose_depthwise_separable(depthwise: Tensor, pointwise: Tensor, multiplier: int = 1) -> Tensor:
    """The standard kernel that does what the two do. Shape: (C m, 1, h, w) and (K, C m, 1, 1) -> (K, C, h, w)."""
    space = depthwise[:, 0].unflatten(0, (-1, multiplier))  # (C, m, h, w)
    mix = pointwise[:, :, 0, 0].unflatten(1, (-1, multiplier))  # (K, C, m)
    return torch.einsum("cmuv,kcm->kcuv", space, mix)


class DepthwiseSeparableConv2d(nn.Module):
    """A depthwise convolution, then a pointwise one.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair; the depthwise step takes it.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        multiplier: depthwise kernels for each input channel.
        bias: whether to add a learned number to each output channel. A bias of the depthwise step would only be
            mixed into this one.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        multiplier: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(in_channels, kernel, stride, padding, dilation, multiplier, bias=False)
        self.pointwise = PointwiseConv2d(in_channels * multiplier, out_channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.depthwise(x)  # (N, C m, H', W')
        return self.pointwise(x)  # (N, K, H', W')
