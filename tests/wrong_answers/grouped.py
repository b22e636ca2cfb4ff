"""Wrong answers to the exercises of "Grouped convolutions and the channel shuffle", and a part of each one's hint."""

import torch


def repeated(weight, groups):
    return weight.repeat(1, groups, 1, 1)


def first_columns(weight, groups):
    full = torch.zeros(weight.shape[0], weight.shape[1] * groups, *weight.shape[2:])
    full[:, : weight.shape[1]] = weight
    return full


def zeros(weight, groups):
    return torch.zeros(weight.shape[0], weight.shape[1] * groups, *weight.shape[2:])


def anti_diagonal(weight, groups):
    full = zeros(weight, groups)
    rows, columns = weight.shape[0] // groups, weight.shape[1]
    for g in range(groups):
        other = groups - 1 - g
        full[g * rows : (g + 1) * rows, other * columns : (other + 1) * columns] = weight[g * rows : (g + 1) * rows]
    return full


def shuffle(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def not_transposed(x, groups):
    n, c, h, w = x.shape
    return x.reshape(n, c // groups, groups, h, w).reshape(n, c, h, w)


def without_images(x, groups):
    return x.reshape(x.shape[1] // groups, groups, -1).transpose(0, 1).reshape(x.shape[1], -1)


def order(channels, modulus, groups):
    count, power = 1, groups % modulus
    while power != 1 % modulus and count < 500:
        count, power = count + 1, power * groups % modulus
    return count


WRONG = {
    "grouped/weights": [
        (lambda c, k, kernel, g: (c // g) * (k // g) * kernel**2, "one g is back"),
        (lambda c, k, kernel, g: c * k * kernel**2, "ungrouped layer"),
        (lambda c, k, kernel, g: c * k * kernel**2 * g, "make the layer smaller"),
        (lambda c, k, kernel, g: k * (c // g) * kernel, "not kernel"),
        (lambda c, k, kernel, g: 7, "for every channel that it sees"),
    ],
    "grouped/alexnet": [
        ({"sees": 96, "grouped": 307_200, "full": 614_400}, "half of the 96"),
        ({"sees": 48, "grouped": 153_600, "full": 614_400}, "one tower's share"),
        ({"sees": 48, "grouped": 307_456, "full": 614_656}, "biases"),
        ({"sees": 48, "grouped": 12_288, "full": 24_576}, "one filter first"),
    ],
    "grouped/full": [
        (repeated, "zeros elsewhere"),
        (first_columns, "first block of channels"),
        (zeros, "as it is"),
        (anti_diagonal, "one block for each group"),
    ],
    "grouped/repeats": [
        (lambda channels, groups: 2, "takes longer"),
        (lambda channels, groups: 0 if groups == 1 else order(channels, channels - 1, groups), "count from 1"),
        (lambda channels, groups: order(channels, channels - 1, groups) + 1, "one short"),
        (lambda channels, groups: order(channels, channels + 1, groups), "the other perfect shuffle"),
        (lambda channels, groups: channels // groups, "to its own result"),
    ],
    "grouped/unshuffle": [
        (shuffle, "a second time"),
        (not_transposed, "nothing was transposed"),
        (without_images, "Every axis but the second"),
        (lambda x, groups: x.flip(1), "What table"),
    ],
    "grouped/design": [
        ((5, 8), "must divide 64"),
        ((8,), "do your factors multiply"),
        ((8, 8), "go below"),
        ((1,), "go below"),
        ((64, 64, 64), "sees only 1"),
    ],
}
