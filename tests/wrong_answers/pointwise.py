"""Wrong answers to the exercises of the pointwise chapter, and a part of the hint that each must get."""

import torch
from torch import nn


def reshaped(x, weight):
    n, c, h, w = x.shape
    return (x.reshape(n, h, w, c) @ weight.T).permute(0, 3, 1, 2)


def channels_last(x, weight):
    return x.permute(0, 2, 3, 1) @ weight.T


def reshaped_back(x, weight):
    n, _, h, w = x.shape
    return (x.permute(0, 2, 3, 1) @ weight.T).reshape(n, len(weight), h, w)


def widest_of(cost):
    """The widest bottleneck by another idea of what it costs for each channel."""
    return lambda c, k, size, share: int(share * size**2 * c * k / cost(c, k, size))


def folded_sums(first, second):
    return second.sum((2, 3)) @ first[:, :, 0, 0]


def folded_turned(first, second):
    return torch.einsum("kmij,mc->ckij", second, first[:, :, 0, 0])


def evidence(bias_share=1.0, scale=1.0):
    def maps_of(maps, weight, bias):
        return scale * (torch.einsum("nchw,kc->nkhw", maps, weight) + bias_share * bias[:, None, None])

    return maps_of


def evenly(maps, weight, bias):
    scores = maps.mean((2, 3)) @ weight.T + bias
    return scores[:, :, None, None].expand(-1, -1, *maps.shape[2:])


def net(*layers):
    return nn.Sequential(*layers)


WRONG = {
    "pointwise/count": [
        ({"parameters": 16_384, "macs": 51_380_224, "times": 9}, "left the biases out"),
        ({"parameters": 16_448, "macs": 16_384, "times": 9}, "at every pixel"),
        ({"parameters": 16_448, "macs": 51_580_928, "times": 9}, "only multiplications"),
        ({"parameters": 16_448, "macs": 51_380_224, "times": 3}, "three rows of three"),
        ({"parameters": 320, "macs": 1, "times": 9}, "each pair"),
    ],
    "pointwise/mix": [
        (reshaped, "does not move a number"),
        (channels_last, "channels are still last"),
        (reshaped_back, "On the way back"),
        (lambda x, weight: x, "multiply by a matrix"),
    ],
    "pointwise/widest": [
        (widest_of(lambda c, k, size: size**2 * k), "what the 1 x 1 layer itself costs"),
        (widest_of(lambda c, k, size: c + k), "kernel x kernel weights"),
        (widest_of(lambda c, k, size: size**2 * c + k), "comes first"),
        (lambda c, k, size, share: 1 + int(share * size**2 * c * k / (c + size**2 * k)), "round down"),
        (lambda c, k, size, share: 3, "cost inputs r"),
    ],
    "pointwise/fold": [
        (folded_sums, "add up the taps"),
        (folded_turned, "Output channels first"),
        (lambda first, second: second, "matrix (K, M)"),
    ],
    "pointwise/evidence": [
        (lambda maps, weight, bias: maps, "One map for each class"),
        (evidence(bias_share=0), "lack the bias"),
        (evidence(scale=1 / 20), "add up to the scores"),
        (evidence(bias_share=2), "exactly the score"),
        (evenly, "from this pixel alone"),
    ],
    "pointwise/any-size": [
        (net(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(14_400, 10)), "5,000 are allowed"),
        (net(nn.Conv2d(3, 4, 1), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10)), "depends on the size"),
        (net(nn.Conv2d(3, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "1 x 1 convolution somewhere"),
        (net(nn.Conv2d(3, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "Shuffling the pixels"),
        (net(nn.Conv2d(3, 7, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "whatever its size"),
    ],
}
