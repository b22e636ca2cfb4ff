"""Wrong answers to the exercises of "ImageNet", and a part of the hint that each must get."""

import math


def _rank(scores, labels, ties):
    right = scores.gather(1, labels[:, None])
    return (scores >= right).sum(1) if ties else 1 + (scores > right).sum(1)


def _shares(a, b):
    return list(zip(a, b))


WRONG = {
    "imagenet/arithmetic": [
        ({"per class": 14_197_122 / 21_841, "validation": 50_000 / 1_431_167, "guessing": 0.005}, "whole ImageNet"),
        ({"per class": 1431.167, "validation": 50_000 / 1_431_167, "guessing": 0.005}, "for training"),
        ({"per class": 1281.167, "validation": 50_000 / 1_281_167, "guessing": 0.005}, "all three parts"),
        ({"per class": 1281.167, "validation": 3.4936, "guessing": 0.5}, "in percent"),
        ({"per class": 1281.167, "validation": 50_000 / 1_431_167, "guessing": 0.001}, "five tries"),
    ],
    "imagenet/relative": [
        (lambda before, after: after - before, "points"),
        (lambda before, after: (after - before) / before, "accuracy before"),
        (lambda before, after: (before - after) / before, "as errors"),
        (lambda before, after: (100 - after) / (100 - before), "is left"),
        (lambda before, after: 100 * (after - before) / (100 - before), "between 0 and 1"),
        (lambda before, after: 0.5, "of 100 images"),
    ],
    "imagenet/ties": [
        (lambda s, y, k: (_rank(s, y, False) <= k).float().mean(), "counts for the network"),
        (lambda s, y, k: (1 + _rank(s, y, True) <= k).float().mean(), "right class itself"),
        (lambda s, y, k: 1 - (_rank(s, y, True) <= k).float().mean(), "That is the error"),
        (lambda s, y, k: (_rank(s, y, True) <= k).sum().item(), "A share is wanted"),
        (lambda s, y, k: 0.0, "score of the right class"),
    ],
    "imagenet/enough": [
        (lambda a, e: math.ceil(a / 100 * (1 - a / 100) / e**2), "mixing shares and percent"),
        (lambda a, e: math.ceil(a / 100 * (1 - a / 100) / (e / 100) - 1e-9), "squared"),
        (lambda a, e: a * (100 - a) / e**2, "whole number"),
        (lambda a, e: math.ceil(4 * a * (100 - a) / e**2 - 1e-9), "two standard errors"),
        (lambda a, e: 50_000, "Square both sides"),
    ],
    "imagenet/front": [
        (
            lambda c, a: [
                i for i, m in enumerate(_shares(c, a)) if not any(o[0] < m[0] and o[1] > m[1] for o in _shares(c, a))
            ],
            "equal in the other",
        ),
        (
            lambda c, a: [
                i for i in range(len(c)) if not any(c[j] <= c[i] and a[j] >= a[i] for j in range(len(c)) if j != i)
            ],
            "twins",
        ),
        (
            lambda c, a: sorted(
                (
                    i
                    for i in range(len(c))
                    if not any(c[j] <= c[i] and a[j] >= a[i] and (c[j], a[j]) != (c[i], a[i]) for j in range(len(c)))
                ),
                key=lambda i: c[i],
            ),
            "another order",
        ),
        (lambda c, a: list(range(len(c))), "beats(a, b)"),
    ],
    "imagenet/credit": [
        (lambda s, y: 0.5, "must be 1"),
        (lambda s, y: (s.argmax(1) == y).float().mean().item(), "fall at each step"),
        (lambda s, y: (1 / _rank(s, y, False)).mean().item(), "more than half"),
        (lambda s, y: (1 / (1 + y)).float().mean().item(), "Renumbering"),
    ],
}
