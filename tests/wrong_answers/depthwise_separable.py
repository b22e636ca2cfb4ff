"""Wrong answers to the exercises of "Depthwise separable convolutions", and a part of the hint that each must get."""

import torch
from torch import nn


def bill(places):
    def answer(size, channels, filters, kernel):
        n = places(size, kernel)
        return n * channels * kernel**2, n * channels * filters, n * channels * filters * kernel**2

    return answer


def every_filter(size, channels, filters, kernel):
    n = (size - kernel + 1) ** 2
    return n * channels * filters * kernel**2, n * channels * filters, n * channels * filters * kernel**2


def in_another_order(size, channels, filters, kernel):
    n = (size - kernel + 1) ** 2
    return n * channels * filters * kernel**2, n * channels * kernel**2, n * channels * filters


def two_steps(groups=16, padding=2, bias=False, mix=(16, 32)):
    first = nn.Conv2d(16, 16, 5, padding=padding, groups=groups, bias=bias)
    return nn.Sequential(first, nn.Conv2d(*mix, 1, bias=bias))


class NoDepthwise(nn.Module):
    """The right number of parameters and the right shape, without the right layer."""

    def __init__(self):
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(16, 25))
        self.mix = nn.Conv2d(16, 32, 1, bias=False)

    def forward(self, x):
        return self.mix(x * self.filters.sum(1)[:, None, None])


def by_input_channel(weight):
    """The usual order: a depthwise kernel for each input channel."""
    left, scale, right = torch.linalg.svd(weight.flatten(2).transpose(0, 1), full_matrices=False)
    pointwise = left[:, :, 0] * scale[:, :1]  # (C, K)
    return pointwise.T[:, :, None, None], right[:, 0].reshape(-1, 1, *weight.shape[2:])


def without_scale(weight):
    left, _, right = torch.linalg.svd(weight.flatten(2), full_matrices=False)
    return left[:, :, 0, None, None], right[:, 0].reshape(-1, 1, *weight.shape[2:])


def first_pattern(weight):
    """The pattern of the first input channel, and how much of it is in the others."""
    depthwise = weight[:, :1]
    return (weight * depthwise).sum((2, 3), keepdim=True) / depthwise.square().sum((2, 3), keepdim=True), depthwise


WRONG = {
    "depthwise_separable/bill": [
        (bill(lambda size, kernel: size**2), "along each side"),
        (bill(lambda size, kernel: 1), "one output pixel"),
        (every_filter, "for every filter"),
        (in_another_order, "another order"),
        (lambda size, channels, filters, kernel: (1, 2, 3), "one output pixel first"),
    ],
    "depthwise_separable/multiplier": [
        ({"K = 16": 9, "K = 128": 9, "never": 9}, "m times as large"),
        ({"K = 16": 6, "K = 128": 8, "never": 9}, "Rounded"),
        ({"K = 16": 5, "K = 128": 8, "never": 8}, "first two are right"),
        ({"K = 16": 1, "K = 128": 1, "never": 1}, "with m"),
    ],
    "depthwise_separable/layer": [
        (nn.Conv2d(16, 32, 5, padding=2, bias=False), "keeps channels apart"),
        (two_steps(bias=True), "bias=False"),
        (
            nn.Sequential(nn.Conv2d(16, 32, 1, bias=False), nn.Conv2d(32, 32, 5, padding=2, groups=32, bias=False)),
            "mix first",
        ),
        (NoDepthwise, "no depthwise step"),
        (nn.Sequential(nn.Conv2d(16, 32, 1)), "groups=16"),
    ],
    "depthwise_separable/compose": [
        (lambda depthwise, pointwise: (pointwise * depthwise[:, 0]).transpose(0, 1), "first axis"),
        (lambda depthwise, pointwise: (pointwise * depthwise[:, 0]).sum(1, keepdim=True), "keeps them apart"),
        (lambda depthwise, pointwise: (pointwise * depthwise[:, 0]).flip(2, 3), "turned the kernel"),
        (lambda depthwise, pointwise: depthwise, "product of one"),
    ],
    "depthwise_separable/other-order": [
        (by_input_channel, "comes second now"),
        (without_scale, "whatever its scale"),
        (first_pattern, "is possible"),
        ((1, 2), "without calling it"),
    ],
    "depthwise_separable/budget": [
        ((16, 16), "four whole numbers"),
        ((48, 48, 96, 96), "more than the 16,560"),
        ((16, 16, 32, 32), "at least twice the channels"),
        ((64, 64, 64, 63), "at least twice the channels"),
    ],
}
