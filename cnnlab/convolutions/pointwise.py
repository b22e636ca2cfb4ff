"""The pointwise (1x1) convolution: at every pixel the same dense layer mixes the channels.

M. Lin, Q. Chen, S. Yan: Network in Network, ICLR 2014 (arXiv 2013). https://arxiv.org/abs/1312.4400

    y[n, k, i, j] = bias[k] + sum over c of weight[k, c] * x[n, c, i s, j s]

It sees one pixel: its receptive field is 1. It changes the number of channels at the least cost there is, C K
multiplications a pixel: down before an expensive layer (a bottleneck), or up again after it. With a stride s it skips
s^2 - 1 of s^2 pixels, as the projection shortcuts of ResNet do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.convolutions.checks import Axes, check_batch, check_bias, check_weight, per_axis, summed_in_32_bits
from cnnlab.convolutions.standard import StandardConv2d

__all__ = ["pointwise_conv2d", "PointwiseConv2d"]


@summed_in_32_bits
def pointwise_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Axes = 1) -> Tensor:
    """A matrix times the vector of channels, at every pixel.

    Shape: (N, C, H, W) and (K, C, 1, 1) -> (N, K, ceil(H / stride), ceil(W / stride)).
    """
    check_batch(x)
    check_weight(x, weight, (None, x.shape[1], 1, 1), "(K, C, 1, 1)")
    check_bias(x, bias, weight.shape[0])
    down, right = per_axis("stride", stride, 2, 1)
    x = x[:, :, ::down, ::right]
    y = torch.einsum("nchw,kc->nkhw", x, weight[:, :, 0, 0])
    return y if bias is None else y + bias[:, None, None]


class PointwiseConv2d(StandardConv2d):
    """A 1x1 convolution.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels, out_channels: C and K.
        stride: of both directions, or a pair.
        groups: of channels that do not see each other, as in ShuffleNet; see grouped.py.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: Axes = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, kernel=1, stride=stride, groups=groups, bias=bias)
