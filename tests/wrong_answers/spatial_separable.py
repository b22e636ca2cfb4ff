"""Wrong answers to the exercises of "Spatially separable and flattened convolutions", and a part of each one's hint."""

import torch


def first_row_and_column(kernel):
    return kernel[:, 0] / kernel[0, 0], kernel[0]


def not_divided(kernel):
    return kernel[:, 0], kernel[0]


def swapped(kernel):
    column, row = first_row_and_column(kernel)
    return row, column


def sums(kernel):
    return kernel.abs().sum(1), kernel.abs().sum(0)


def largest_sum(kernel):
    i = kernel.sum(1).argmax()
    return kernel[:, 0] / kernel[i, 0], kernel[i]


def leading_vectors(weight):
    """The first singular vector along each axis: exact on products, and not the nearest otherwise."""
    vectors = []
    for axis in range(3):
        left, _, _ = torch.linalg.svd(weight.movedim(axis, 0).flatten(1), full_matrices=False)
        vectors.append(left[:, 0])
    lateral, vertical, horizontal = vectors
    return lateral * torch.einsum("cuv,c,u,v->", weight, *vectors), vertical, horizontal


def without_scale(weight):
    lateral, vertical, horizontal = leading_vectors(weight)
    return lateral / lateral.norm(), vertical, horizontal


def means(weight):
    return weight.mean((1, 2)), weight.mean((0, 2)), weight.mean((0, 1))


def backward(weight):
    return leading_vectors(weight)[::-1]


WRONG = {
    "spatial_separable/cost": [
        ({"standard": 49 * 128, "separable": 172_032, "flattened": 9_984}, "each pair"),
        ({"standard": 401_408, "separable": 114_688, "flattened": 9_984}, "not the 64 that came in"),
        ({"standard": 401_408, "separable": 14, "flattened": 9_984}, "two steps"),
        ({"standard": 401_408, "separable": 172_032, "flattened": 78}, "one output channel"),
        ({"standard": 401_408, "separable": 172_032, "flattened": 237_568}, "read only that channel"),
        ({"standard": 401_408, "separable": 172_032, "flattened": 10_000}, "each step by itself"),
    ],
    "spatial_separable/ranks": [
        ({"cross": 2, "diagonal": 1, "signs": 1, "frame": 2}, "as far from separable"),
        ({"cross": 2, "diagonal": 3, "signs": 2, "frame": 2}, "or its negative"),
        ({"cross": 1, "diagonal": 3, "signs": 1, "frame": 2}, "two equal rows"),
        ({"cross": 2, "diagonal": 3, "signs": 1, "frame": 3}, "two equal rows"),
    ],
    "spatial_separable/factors": [
        (swapped, "the column first"),
        (not_divided, "counted twice"),
        (sums, "not the kernel"),
        (first_row_and_column, "only zeros"),
        (largest_sum, "only zeros"),
    ],
    "spatial_separable/terms": [
        (lambda h, w: h * w // (h + w), "equal cost"),
        (min, "highest rank"),
        (lambda h, w: (h * w - 1) // (2 * h), "need not be square"),
        (lambda h, w: -(-h * w // (h + w)), "Round down"),
        (lambda h, w: 1, "must stay below"),
    ],
    "spatial_separable/round": [
        ([[1, 2], [2, 1]], "3 x 3"),
        ([[0, 0, 0]] * 3, "not all of them zero"),
        ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "quarter turn changes it"),
        ([[0, 1, 0], [1, 4, 1], [0, 1, 0]], "It has rank 2"),
        ([[1 / 9] * 3] * 3, "A box"),
        ([[1, -3, 1], [-3, 9, -3], [1, -3, 1]], "every weight be positive"),
        ([[1, 2, 1], [2, 4, 2], [1, 2, 1]], "add up to 16"),
    ],
    "spatial_separable/flatten": [
        (backward, "C numbers, then height"),
        (means, "its scale included"),
        (without_scale, "its scale included"),
        (leading_vectors, "there is a nearer product"),
    ],
}
