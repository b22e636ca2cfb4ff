"""Exercises of the chapter "Spatially separable and flattened convolutions"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from cnnlab.convolutions import best_rank1, is_separable
from cnnlab.exercises import as_tensor, close, exercise, expect, judged
from cnnlab.exercises.examples import normal


@exercise("spatial_separable/cost", "What three layers cost")
def cost() -> dict[str, int]:
    """Less than half, and then a fortieth: the second saving gives up the mixing of channels in two of three steps."""
    return {"standard": 401_408, "separable": 172_032, "flattened": 9_984}


cost.mistake(
    "The standard layer has a 7 x 7 kernel for each pair of an input and an output channel.",
    {"standard": 49 * 128},
    when=lambda answer: answer["standard"] != 401_408,
)
cost.mistake(
    "The second step of the separable layer reads the 128 channels in between, not the 64 that came in.",
    {"separable": 2 * 7 * 64 * 128},
)
cost.mistake(
    "That is a column and a row for each pair of channels. The layer has two steps: 64 to 128 channels down, then 128 "
    "to 128 along.",
    {"separable": 14},
    when=lambda answer: answer["separable"] != 172_032,
)
cost.mistake("That is what one output channel has.", {"flattened": 64 + 7 + 7})
cost.mistake(
    "In a flattened layer the vertical and the horizontal filter of an output channel read only that channel.",
    {"flattened": 64 * 128 + 2 * 7 * 128 * 128},
)
cost.hints(
    "Count each step by itself: inputs that one output reads, times the number of outputs.",
    "7·7·64·128; then 7·64·128 + 7·128·128; then 128·(64 + 7 + 7).",
)
cost.wrong({"flattened": 10_000})


@exercise("spatial_separable/ranks", "Ranks by eye")
def ranks() -> dict[str, int]:
    """Rows that repeat, up to a factor, add nothing to the rank. Slanted lines do."""
    return {"cross": 2, "diagonal": 3, "signs": 1, "frame": 2}


ranks.mistake(
    "Three rows, and none is a sum of multiples of the others: the diagonal is as far from separable as a 3 x 3 kernel "
    "can be.",
    {"diagonal": 1},
    when=lambda answer: answer["diagonal"] != 3,
)
ranks.mistake(
    "Each row of the checkerboard of signs is the first row or its negative.",
    {"signs": 2},
    when=lambda answer: answer["signs"] != 1,
)
ranks.mistake(
    "The cross and the frame have two equal rows each, and a third that is no multiple of them.",
    {"cross": 1},
    {"frame": 3},
    when=lambda answer: answer["cross"] != 2 or answer["frame"] != 2,
)
ranks.hints(
    "The rank is the number of rows that are not made of the others.",
    "Draw each of them in the explorer and read the sentence below the sliders.",
)


def times(column: Tensor, row: Tensor) -> Tensor:
    return column.flatten()[:, None] * row.flatten()


@judged("spatial_separable/factors", "Take it apart by hand", function=True)
def factors(answer: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
    """One row and one column tell the rest. The same trick, repeated on what is left, gives any rank."""
    kernels = [normal(3, 1) * normal(1, 3, seed=1), normal(5, 1, seed=2) * normal(1, 2, seed=3)]
    found = [[as_tensor(part) for part in answer(kernel)] for kernel in kernels]
    expect(
        all([part.numel() for part in parts] == list(kernel.shape) for parts, kernel in zip(found, kernels)),
        "Return the column first, with one number for each row of the kernel, and then the row, with one number for "
        "each of its columns. The kernel need not be square.",
    )
    right = all(close(times(*parts), kernel) for parts, kernel in zip(found, kernels))
    ratios = [times(*parts) / kernel for parts, kernel in zip(found, kernels)]
    only_scale = not right and all(close(ratio, ratio[:1, :1].expand_as(ratio)) for ratio in ratios)
    crossing = all((kernel / ratio[0, 0] - 1).abs().min() < 1e-6 for kernel, ratio in zip(kernels, ratios))
    expect(
        not (only_scale and crossing),
        "The shapes of column and row are right, their scale is not: where the two cross, the kernel's number is "
        "counted twice. Divide one of them by it.",
    )
    expect(
        not only_scale,
        "The shapes of column and row are right, their scale is not: every entry of their product is off by the same "
        "factor. Compare one entry with the kernel's, and divide one of the two by what is too much.",
    )
    expect(
        right, "The column times the row is not the kernel. Every row of the kernel is a multiple of one row: of which?"
    )
    with_zeros = [torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]), torch.zeros(3, 4)]
    with_zeros[1][1] = torch.tensor([0.0, 2.0, 0.0, -3.0])
    expect(
        all(close(times(*map(as_tensor, answer(kernel.double()))), kernel) for kernel in with_zeros),
        "Right for most kernels, and wrong where you divide by zero, or take a row or a column of zeros: some kernels "
        "hold zeros, and some add up to it. Which entry is never zero, unless the whole kernel is?",
    )


factors.hints(
    "Take one row of the kernel as it is. What must the column then be, so that the products come out?",
    "Find the largest number by size, at (i, j). The row is kernel[i]; the column is kernel[:, j] over it.",
)
factors.wrong(lambda kernel: (kernel[0], kernel[:, 0] / kernel[0, 0]), "the column first")
factors.wrong(lambda kernel: (kernel[:, 0], kernel[0]), "counted twice")
factors.wrong(lambda kernel: (kernel.mean(1), kernel.mean(0)), "off by the same factor")
factors.wrong(lambda kernel: (kernel.abs().sum(1), kernel.abs().sum(0)), "not the kernel")
factors.wrong(lambda kernel: (kernel[:, 0] / kernel[0, 0], kernel[0]), "divide by zero")
factors.wrong(
    lambda kernel: (kernel[:, 0] / kernel[kernel.sum(1).argmax(), 0], kernel[kernel.sum(1).argmax()]), "divide by zero"
)
factors.wrong(lambda kernel: (kernel.sum(1), kernel.sum(0) / kernel.sum()), "some add up to it")
factors.right(lambda kernel: best_rank1(kernel)[:2])


@factors.right
def at_the_largest(kernel: Tensor) -> tuple[Tensor, Tensor]:
    i, j = divmod(int(kernel.abs().argmax()), kernel.shape[1])
    return kernel[:, j] / kernel[i, j], kernel[i]


@exercise(
    "spatial_separable/terms",
    "How many terms are worth it",
    cases=[(3, 3), (5, 5), (7, 7), (4, 4), (3, 7), (15, 15), (2, 2), (1, 5), (6, 3)],
)
def terms(height: int, width: int) -> int:
    """For 3 x 3 and 4 x 4 only exact separability pays; a 5 x 5 kernel can afford two terms."""
    return (height * width - 1) // (height + width)


terms.mistake(
    "At equal cost nothing is saved: two terms of a 4 x 4 kernel take 16 multiplications, and so does the kernel.",
    lambda height, width: height * width // (height + width),
)
terms.mistake("That is the highest rank that there can be, whatever it costs.", min)
terms.mistake(
    "A term costs height + width multiplications, not twice its height: kernels need not be square.",
    lambda height, width: (height * width - 1) // (2 * height),
)
terms.mistake(
    "Round down: a part of a term cannot be computed.", lambda height, width: -(-height * width // (height + width))
)
terms.hints(
    "r terms take r (height + width) multiplications, and that must stay below height * width.",
    "The largest whole r with r (height + width) <= height * width - 1.",
)
terms.wrong(lambda height, width: 1)
terms.right(lambda height, width: sum(r * (height + width) < height * width for r in range(1, height * width)))


@judged("spatial_separable/round", "Round and separable")
def round_kernel(answer: object) -> None:
    """Every answer is a column a, b, a times the same row. Ask for all angles, not only quarter turns, and only the
    Gaussian is left."""
    kernel = as_tensor(answer)
    expect(kernel.shape == (3, 3), "Give a 3 x 3 tensor, or three lists of three numbers.")
    expect(kernel.isfinite().all() and kernel.norm() > 0, "Finite numbers, not all of them zero.")
    expect(
        (kernel - kernel.rot90()).norm() < 1e-5 * kernel.norm(),
        "A quarter turn changes it. All four corners must be equal, and so must the four in the middle of a side.",
    )
    rank = int(torch.linalg.matrix_rank(kernel, rtol=1e-5))
    expect(
        is_separable(kernel, tolerance=1e-5),
        f"It has rank {rank}. Begin with three numbers, and multiply them down and across.",
    )
    expect(
        kernel[1, 1] > kernel[0, 1] * (1 + 1e-6),
        "A box does all that, and its corners weigh as much as its middle. Let the weights fall off from the middle.",
    )
    expect((kernel > 0).all(), "Let every weight be positive, so that it is a blur.")
    total = float(kernel.sum())
    expect(
        abs(total - 1) < 1e-5,
        f"The weights add up to {total:.3g}, so the picture changes its brightness. Divide by that.",
    )


round_kernel.hints(
    "A quarter turn swaps column and row, so the two must be the same three numbers, with equal ends.",
    "Take [1, 2, 1] down and across, and divide by the sum.",
)
round_kernel.wrong([[1, 2], [2, 1]], "3 x 3")
round_kernel.wrong([[0, 0, 0]] * 3, "not all of them zero")
round_kernel.wrong([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "quarter turn changes it")
round_kernel.wrong([[0, 1, 0], [1, 4, 1], [0, 1, 0]], "It has rank 2")
round_kernel.wrong([[1 / 9] * 3] * 3, "A box")
round_kernel.wrong([[1, -3, 1], [-3, 9, -3], [1, -3, 1]], "every weight be positive")
round_kernel.wrong([[1, 2, 1], [2, 4, 2], [1, 2, 1]], "add up to 16")
round_kernel.right([[1 / 16, 1 / 8, 1 / 16], [1 / 8, 1 / 4, 1 / 8], [1 / 16, 1 / 8, 1 / 16]])


def product(parts: Sequence[Tensor]) -> Tensor:
    """Shape: (C,), (h,), (w,) -> (C, h, w)."""
    return torch.einsum("c,u,v->cuv", *(as_tensor(part).flatten() for part in parts))


def alternate(weight: Tensor, steps: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest product of three vectors, each solved for in turn, from the start that the SVD gives."""
    _, _, right = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    vertical, horizontal, _ = best_rank1(right[0].reshape(weight.shape[1:]))
    for _ in range(steps):
        lateral = torch.einsum("cuv,u,v->c", weight, vertical, horizontal)
        lateral = lateral / lateral.norm()
        vertical = torch.einsum("cuv,c,v->u", weight, lateral, horizontal)
        vertical = vertical / vertical.norm()
        horizontal = torch.einsum("cuv,c,u->v", weight, lateral, vertical)
    return lateral, vertical, horizontal


def some_product(seed: int) -> Tensor:
    return product((normal(6, seed=seed), normal(5, seed=seed + 1), normal(4, seed=seed + 2)))


def lost(parts: Sequence[Tensor], weight: Tensor) -> float:
    return float((product(parts) - weight).norm() / weight.norm())


@cache
def filters() -> list[tuple[Tensor, float]]:
    """Two products of about equal strength, with some noise; and the least that their nearest product loses."""
    found = []
    for seed in range(0, 60, 10):
        first, second = some_product(seed), some_product(seed + 3)
        weight = first / first.norm() + 0.9 * second / second.norm() + 0.05 * normal(6, 5, 4, seed=seed + 6)
        found.append((weight, lost(alternate(weight), weight)))
    return found


@judged("spatial_separable/flatten", "Flatten a filter", function=True)
def flatten(answer: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]) -> None:
    """Alternating like this usually ends at a good product. A fast way that always finds the best is not known."""
    expect(
        [as_tensor(part).numel() for part in answer(some_product(0))] == [6, 5, 4],
        "For a filter of shape (C, height, width) return three vectors: C numbers, then height, then width.",
    )
    expect(
        all(lost(answer(weight), weight) < 1e-5 for weight in map(some_product, (0, 3))),
        "A filter that is a product of three vectors must come out exactly, its scale included. Try one of your own.",
    )
    expect(
        all(lost(answer(weight), weight) < 1.002 * least for weight, least in filters()),
        "Exact on products, and on other filters there is a nearer product. Hold two of the three vectors fixed: the "
        "best third one has a formula. Then go around, again and again.",
    )


flatten.hints(
    "With vertical and horizontal of length 1, the best lateral is einsum('cuv,u,v->c', weight, v, h).",
    "Start from singular vectors, then solve for lateral, vertical and horizontal by turns, fifty times or so.",
)


def leading_vectors(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The first singular vector along each axis: exact on products, and not the nearest otherwise."""
    unfolded = (weight.movedim(axis, 0).flatten(1) for axis in range(3))
    vectors = [torch.linalg.svd(matrix, full_matrices=False)[0][:, 0] for matrix in unfolded]
    return vectors[0] * torch.einsum("cuv,c,u,v->", weight, *vectors), *vectors[1:]


flatten.wrong(leading_vectors, "there is a nearer product")
flatten.wrong(lambda weight: leading_vectors(weight)[::-1], "C numbers, then height")
flatten.wrong(lambda weight: (weight.mean((1, 2)), weight.mean((0, 2)), weight.mean((0, 1))), "its scale included")
flatten.wrong(lambda weight: alternate(weight)[:2] + (alternate(weight)[2] / 2,), "its scale included")
flatten.right(lambda weight: alternate(weight, steps=60))
