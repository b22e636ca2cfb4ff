"""The flattened convolution: one filter across channels, one down the columns, one along the rows.

J. Jin, A. Dundar, E. Culurciello: Flattened Convolutional Neural Networks for Feedforward Acceleration, ICLR 2015
workshop (arXiv 2014), figure 2. https://arxiv.org/abs/1412.5474

Three one-dimensional filters for each output channel, in the paper's order LVH:

    lateral     across channels, C -> K      a pointwise convolution: C numbers for each output channel
    vertical    down the columns             a depthwise convolution of height x 1
    horizontal  along the rows               a depthwise convolution of 1 x width

"Lateral" is the direction of the channels, not a direction of the image. An output channel learns C + height + width
numbers in place of C * height * width: its kernel is the product lateral[c] * vertical[u] * horizontal[v].

Differs from the paper in:
  - One layer is one LVH sequence; the paper stacks two in place of each standard convolution.
  - The padding is a choice; the paper's V and H run in "full" mode, with kernel - 1 zeros on either side.
As in the paper, each of the three adds a bias, and there is no nonlinear function between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.convolutions.checks import (
    Axes,
    Padding,
    check_batch,
    check_weight,
    only,
    padding_or_same,
    padding_per_axis,
    per_axis,
)
from cnnlab.convolutions.depthwise import DepthwiseConv2d, depthwise_conv2d
from cnnlab.convolutions.pointwise import PointwiseConv2d, pointwise_conv2d

__all__ = ["Biases", "flattened_conv2d", "compose_flattened", "FlattenedConv2d"]

Biases = tuple[Tensor, Tensor, Tensor]


def flattened_conv2d(
    x: Tensor,
    lateral: Tensor,
    vertical: Tensor,
    horizontal: Tensor,
    biases: Biases | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
) -> Tensor:
    """Across channels, then down the columns, then along the rows.

    Shape: (N, C, H, W), (K, C, 1, 1), (K, 1, height, 1) and (K, 1, 1, width) -> (N, K, H', W').
    """
    if biases is not None and len(biases) != 3:
        raise ValueError(f"biases holds {len(biases)} tensors; give three (lateral, vertical, horizontal), or None.")
    check_batch(x)
    check_weight(x, lateral, (None, x.shape[1], 1, 1), "(K, C, 1, 1)", "lateral")
    check_weight(x, vertical, (lateral.shape[0], 1, None, 1), "(K, 1, height, 1)", "vertical")
    check_weight(x, horizontal, (lateral.shape[0], 1, 1, None), "(K, 1, 1, width)", "horizontal")
    across, down, along = biases or (None, None, None)
    s, p, d = per_axis("stride", stride, 2, 1), padding_per_axis(padding, 2), per_axis("dilation", dilation, 2, 1)
    y = pointwise_conv2d(x, lateral, across)  # (N, K, H, W)
    y = depthwise_conv2d(y, vertical, down, (s[0], 1), only(p, 0), (d[0], 1))  # (N, K, H', W)
    return depthwise_conv2d(y, horizontal, along, (1, s[1]), only(p, 1), (1, d[1]))  # (N, K, H', W')


def compose_flattened(lateral: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """The standard kernel that does what the three do without biases. Shape: -> (K, C, height, width)."""
    return torch.einsum("kc,ku,kv->kcuv", lateral[:, :, 0, 0], vertical[:, 0, :, 0], horizontal[:, 0, 0])


class FlattenedConv2d(nn.Module):
    """Lateral, vertical and horizontal filters, one after the other.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        bias: whether each of the three adds a learned number to each of its output channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        (height, width), d = per_axis("kernel", kernel, 2, 1), per_axis("dilation", dilation, 2, 1)
        s = per_axis("stride", stride, 2, 1)
        p = padding_or_same(padding, (height, width), d, s)
        self.lateral = PointwiseConv2d(in_channels, out_channels, bias=bias)
        self.vertical = DepthwiseConv2d(out_channels, (height, 1), (s[0], 1), only(p, 0), (d[0], 1), bias=bias)
        self.horizontal = DepthwiseConv2d(out_channels, (1, width), (1, s[1]), only(p, 1), (1, d[1]), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.lateral(x)  # (N, K, H, W)
        x = self.vertical(x)  # (N, K, H', W)
        return self.horizontal(x)  # (N, K, H', W')
