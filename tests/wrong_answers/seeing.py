"""Wrong answers to the exercises of "Seeing with convolutions", and a part of the hint that each must get."""

from math import ceil


def stride_too_early(layers):
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size


WRONG = {
    "seeing/output-size": [
        (lambda n, k, s, p: (n + 2 * p - k) // s, "one more"),
        (lambda n, k, s, p: (n + p - k) // s + 1, "both sides"),
        (lambda n, k, s, p: (n - k) // s + 1, "with and without padding"),
        (lambda n, k, s, p: (n + 2 * p - k) / s + 1, "keeps the rest"),
        (lambda n, k, s, p: ceil((n + 2 * p - k) / s) + 1, "round down"),
        (lambda n, k, s, p: n + 2 * p - k + 1, "every stride"),
    ],
    "seeing/one-pixel": [
        (57, "weigh them first"),
        (-16, "which side is brighter"),
        (12, "counts twice"),
        (0, "not flat"),
        (3, "Nine products"),
    ],
    "seeing/cost": [
        ({"parameters": 73_728, "macs": 231_211_008}, "biases"),
        ({"parameters": 128 * 9 + 128, "macs": 0}, "all 64"),
        ({"parameters": 73_856, "macs": 73_856 * 56 * 56}, "without biases"),
        ({"parameters": 73_856, "macs": 2 * 231_211_008}, "as one"),
    ],
    "seeing/corner": [
        ([[1, 1, 1]] * 3, "flat patch"),
        ([[-1, 0, 1]] * 3, "upright edge"),
        ([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "lying edge"),
        ([[0, 0, 0]] * 3, "kernel of zeros"),
        ([1, 2, 3], "three rows"),
    ],
    "seeing/field": [
        (lambda layers: 1 + sum(k - 1 for k, _ in layers), "jump"),
        (stride_too_early, "after the size"),
        (lambda layers: 7, "two numbers"),
    ],
    "seeing/shift": [
        (lambda x: x[..., ::2, ::2], "plain skipping"),
        (lambda x: x, "half the rows"),
        (lambda x: 4 * x[..., ::2, ::2], "stay 1"),
    ],
}
