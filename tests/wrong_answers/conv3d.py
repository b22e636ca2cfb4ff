"""Wrong answers to the exercises of "Convolutions in space and time", and a part of the hint that each must get."""

import torch


def no_padding(clip, kernel, stride, padding):
    return tuple((n + p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding))


def time_unchanged(clip, kernel, stride, padding):
    sizes = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding)]
    return (clip[0], *sizes[1:])


def no_stride_in_time(clip, kernel, stride, padding):
    stride = (1, *stride[1:])
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding))


def mid(c, k, time, area):
    return time * area * c * k // (area * c + time * k)


def inflated(weight, time):
    return weight[:, :, None].repeat(1, 1, time, 1, 1)


change = torch.zeros(3, 3, 3)
change[0, 1, 1], change[2, 1, 1] = -1, 1
to_the_left = torch.tensor([[-1.0, -1, 2], [-1, 2, -1], [2, -1, -1]])[:, None].expand(3, 3, 3)

WRONG = {
    "conv3d/shape": [
        (no_padding, "both ends"),
        (time_unchanged, "pass unchanged"),
        (no_stride_in_time, "one of its own"),
        (lambda *_: (1, 2, 3), "three times over"),
    ],
    "conv3d/cost": [
        ({"parameters": 80, "macs": 80, "activations": 16}, "how long the clip is"),
        ({"parameters": 5, "macs": 5, "activations": 16}, "sixteen times as many"),
        ({"parameters": 5, "macs": 16, "activations": 16}, "five times as much work"),
        ({"parameters": 5, "macs": 80, "activations": 80}, "does not matter"),
    ],
    "conv3d/stack": [
        (lambda w: w, "five axes"),
        (lambda w: w[:, :, None], "one frame deep"),
        (lambda w: w[None], "One input channel"),
        (lambda w: w[:, None].flip(2), "flipped"),
    ],
    "conv3d/mid": [
        (lambda c, k, time, size: mid(c, k, time, size), "not size"),
        (lambda c, k, time, size: mid(k, c, time, size**2), "the other way around"),
        (lambda c, k, time, size: time * size**2 * c * k / (size**2 * c + time * k), "Round down"),
        (lambda c, k, time, size: (c + k) // 2, "for each channel in the middle"),
    ],
    "conv3d/inflate": [
        (inflated, "too large"),
        (lambda w, time: inflated(w, time).transpose(1, 2) / time, "behind the input channels"),
        (lambda w, time: inflated(w, time) / 3, "add up to over time"),
        (lambda w, time: inflated(w, time) * 0, "add up to over time"),
    ],
    "conv3d/detector": [
        (torch.ones(3, 3), "time, height, width"),
        (torch.ones(3, 3, 3), "add up to 27"),
        (torch.zeros(3, 3, 3), "not above 0"),
        (change, "for still. The first must be twice"),
        (to_the_left, "for left"),
    ],
}
