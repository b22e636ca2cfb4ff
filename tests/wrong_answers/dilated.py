"""Wrong answers to the exercises of "Dilated convolutions", and a part of the hint that each must get."""

import torch.nn.functional as F


def no_dilation(x, first, second):
    return F.conv2d(F.conv2d(x, first, padding=1), second, padding=1)


def with_stride(x, first, second):
    return F.conv2d(F.conv2d(x, first, stride=2, padding=1), second, padding=1)


def both_dilated(x, first, second):
    return F.conv2d(F.conv2d(x, first, padding=2, dilation=2), second, padding=2, dilation=2)


def resized(x, first, second):
    coarse = with_stride(x, first, second)
    return coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)[..., : x.shape[-2], : x.shape[-1]]


def unsorted_rule(rates):
    field = 1
    for rate in rates:
        if rate > field:
            return True
        field += 2 * rate
    return False


def common_factor(rates):
    from math import gcd

    return gcd(*rates) > 1


WRONG = {
    "dilated/field": [
        (lambda k, rates: 1 + sum(k * d for d in rates), "k - 1 gaps"),
        (lambda k, rates: 1 + (k - 1) * len(rates), "ignore the rates"),
        (lambda k, rates: (k - 1) * sum(rates), "the pixel in the middle"),
        (lambda k, rates: 1 + (k - 1) * (rates[-1] if rates else 0), "last layer alone"),
        (lambda k, rates: 7, "d(k - 1) + 1"),
    ],
    "dilated/second": [
        ({"doubling": 13, "cycles": 160}, "one gap"),
        ({"doubling": 14, "cycles": 16}, "ten layers"),
        ({"doubling": 14, "cycles": 150}, "a part of a cycle"),
        ({"doubling": 16000, "cycles": 16000}, "1 plus the sum"),
    ],
    "dilated/pixels": [
        ({"field": 13, "read": 81, "neighbor": 0}, "2 x 4"),
        ({"field": 33, "read": 1089, "neighbor": 0}, "no holes"),
        ({"field": 33, "read": 9, "neighbor": 0}, "one row"),
        ({"field": 33, "read": 6561, "neighbor": 0}, "same pixel"),
        ({"field": 33, "read": 81, "neighbor": 72}, "multiple of 4"),
    ],
    "dilated/holes": [
        (lambda rates: not unsorted_rule(sorted(rates)), "opposite"),
        (common_factor, "other causes"),
        (lambda rates: len(set(rates)) < len(rates), "Equal rates"),
        (unsorted_rule, "Sort first"),
        (lambda rates: False, "in a set"),
    ],
    "dilated/design": [
        ((1, 2, 4), "four whole numbers"),
        ((2, 2, 2, 2), "There are holes"),
        ((1, 2, 4, 8), "Which rate could be larger"),
        ((1, 3, 9, 28), "within the field"),
    ],
    "dilated/dense": [
        (with_stride, "as high and wide"),
        (no_dilation, "left the stride out"),
        (both_dilated, "Every second row"),
        (resized, "wrong between"),
    ],
}
