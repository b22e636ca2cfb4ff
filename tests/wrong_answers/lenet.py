"""Wrong answers to the exercises of "From MLP to CNN: LeNet-5", and a part of the hint that each must get."""

from itertools import pairwise

import torch
from torch import nn


def weights_only(sizes):
    return sum(a * b for a, b in pairwise(sizes))


def lenet(size, channels, side):
    return 6 * (25 * channels + 1) + 2416 + 120 * (16 * side * side + 1) + 10_164 + 850


def partial_inverse(weight, reads):
    result = weight.clone()
    for output_map, input_maps in enumerate(reads):
        result[output_map, list(input_maps)] = 0
    return result


def lenet_again():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def lenet_28():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def linear_net():
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 5), nn.AvgPool2d(2), nn.Conv2d(4, 8, 5), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(128, 10)),
    )


class Deaf(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 10)


WRONG = {
    "lenet/mlp-parameters": [
        (weights_only, "leave out the biases"),
        (lambda sizes: weights_only(sizes) + sum(sizes), "inputs are no units"),
        (lambda sizes: sum(a * (b + 1) for a, b in pairwise(sizes)), "each input a bias"),
        (lambda sizes: 1, "neighboring sizes"),
    ],
    "lenet/input-size": [
        (lambda size, channels: lenet(32, channels, 5), "does not change"),
        (lambda size, channels: lenet(size, 1, ((size - 4) // 2 - 4) // 2), "gray images"),
        (lambda size, channels: lenet(size, channels, size // 4), "four pixels each"),
        (lambda size, channels: 60_000, "Follow the width"),
    ],
    "lenet/partial": [
        (partial_inverse, "opposite"),
        (lambda weight, reads: weight, "came back"),
        (lambda weight, reads: (partial_inverse(weight, reads) == 0).float(), "return the mask"),
    ],
    "lenet/shuffle": [
        (lambda weight, order: weight[:, order.argsort()], "inverse order"),
        (lambda weight, order: weight, "do not move"),
        (lambda weight, order: weight[order] if len(order) == len(weight) else weight.flip(0), "reorder its rows"),
    ],
    "lenet/small": [
        (lenet_28, "first dense layer"),
        (linear_net, "linear from end to end"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "two or more"),
    ],
    "lenet/shift": [
        (lenet_again, "too much"),
        (Deaf(), "reads nothing"),
        (5, "nn.Module"),
    ],
}
