"""The grouped convolution: channels in separate groups, each with a standard convolution of its own.

A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012
(two groups, one for each GPU); S. Xie et al.: Aggregated Residual Transformations for Deep Neural Networks (ResNeXt),
CVPR 2017 (32 groups), https://arxiv.org/abs/1611.05431.

With G groups an output channel sees C / G input channels, so that parameters and multiplications are G times fewer.
One group is the standard convolution, C groups the depthwise one. Information never crosses from group to group,
however many such layers follow one another, unless something shuffles the channels: see channel_shuffle.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.checks import Axes, Padding, convolution_geometry
from cnnlab.convolutions.standard import StandardConv2d, standard_conv2d

__all__ = ["grouped_conv2d", "connections", "GroupedConv2d"]


def grouped_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Padding = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> Tensor:
    """Cut the channels into groups, convolve each by itself, put the results one after another.

    Shape: (N, C, H, W) and (K, C / groups, height, width) -> (N, K, H', W').
    """
    convolution_geometry(x, weight, bias, stride, padding, dilation, groups)
    inputs = x.chunk(groups, dim=1)  # groups times (N, C / groups, H, W)
    kernels = weight.chunk(groups, dim=0)  # groups times (K / groups, C / groups, height, width)
    biases = [None] * groups if bias is None else bias.chunk(groups)
    outputs = [
        standard_conv2d(part, kernel, constant, stride, padding, dilation)
        for part, kernel, constant in zip(inputs, kernels, biases)
    ]
    return torch.cat(outputs, dim=1)


def connections(in_channels: int, out_channels: int, groups: int = 1) -> Tensor:
    """Which input channel each output channel sees, as a matrix of True and False. Shape: -> (K, C).

    Matrices of layers multiply: ``connections(8, 8, 2).int() @ connections(8, 8, 2).int()`` counts the ways from every
    input of the first layer to every output of the second.
    """
    check_divides(groups, in_channels=in_channels, out_channels=out_channels)
    group_of_input = torch.arange(in_channels) // (in_channels // groups)
    group_of_output = torch.arange(out_channels) // (out_channels // groups)
    return group_of_output[:, None] == group_of_input[None, :]


class GroupedConv2d(StandardConv2d):
    """A convolution whose channels are in ``groups`` that do not see each other.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)) with the default padding.

    Args:
        in_channels, out_channels: C and K, both divisible by ``groups``.
        groups: how many.
        kernel: height and width; one number for both.
        stride: of both directions, or a pair.
        padding: zeros on each side; None for what keeps the size at stride 1, which needs an odd kernel; "same"
            for any kernel at stride 1, an even one getting one zero more at the end.
        dilation: pixels between neighboring taps.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        kernel: Axes = 3,
        stride: Axes = 1,
        padding: Padding | None = None,
        dilation: Axes = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias)
