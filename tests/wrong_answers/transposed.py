"""Wrong answers to the exercises of "Transposed convolutions", and a part of the hint that each must get."""

import torch


def overwrites(row, kernel, stride):
    output = [0] * (stride * (len(row) - 1) + len(kernel))
    for i, x in enumerate(row):
        for u, w in enumerate(kernel):
            output[i * stride + u] = x * w
    return output


def stamps_everywhere(row, kernel, stride):
    output = [0] * (len(row) - 1 + len(kernel))
    for i, x in enumerate(row):
        for u, w in enumerate(kernel):
            output[i + u] += x * w
    return output


WRONG = {
    "transposed/output-size": [
        (lambda n, k, s, p, o: s * n - 2 * p + o, "as wide as the kernel"),
        (lambda n, k, s, p, o: s * n + k - 2 * p + o, "size - 1 steps"),
        (lambda n, k, s, p, o: s * (n - 1) + k - p + o, "both sides"),
        (lambda n, k, s, p, o: s * (n - 1) + k + 2 * p + o, "makes the output smaller"),
        (lambda n, k, s, p, o: s * (n - 1) + k - 2 * p + 2 * o, "one end only"),
        (lambda n, k, s, p, o: s * (n - 1) + k - 2 * p, "with and without output padding"),
        (lambda n, k, s, p, o: (n + 2 * p - k) // s + 1, "the stride multiplies"),
        (lambda n, k, s, p, o: 2 * n, "last stamp"),
    ],
    "transposed/zeros": [
        ({"between": 3, "around": 3, "row": 23}, "one place less"),
        ({"between": 2, "around": 1, "row": 15}, "takes zeros away"),
        ({"between": 2, "around": 4, "row": 21}, "leaves one less"),
        ({"between": 2, "around": 3, "row": 16}, "4 gaps"),
    ],
    "transposed/stamp": [
        (overwrites, "add up"),
        (lambda row, kernel, stride: overwrites(row, kernel[::-1], stride), "row of zeros"),
        (lambda row, kernel, stride: [x * w for x in row for w in kernel], "side by side"),
        (stamps_everywhere, "at every place"),
    ],
    "transposed/phases": [
        (lambda k, s: [sum(k[u * (len(k) // s) : (u + 1) * (len(k) // s)]) for u in range(s)], "next to each other"),
        (lambda k, s: [len(k[u::s]) for u in range(s)], "counts the stamps"),
        (lambda k, s: [sum(k)] * s, "only some of them"),
    ],
    "transposed/nearest": [
        (lambda w: [w[0], w[0] + w[1], w[1] + w[2], w[2]], "Turn it"),
        (lambda w: [w[2], w[1], w[0], 0], "twice"),
        (lambda w: [0, w[0], w[1], w[2]], "twice"),
        (lambda w: [w[1], w[1], w[1], w[1]], "one bright pixel"),
    ],
    "transposed/calm": [
        (lambda weight: weight[:, :, :3, :3], "shape of the weights"),
        (lambda weight: weight, "still comes out uneven"),
        (lambda weight: weight - weight.mean(), "four sums"),
        (torch.ones_like, "Too little is left"),
    ],
}
