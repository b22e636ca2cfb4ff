"""Exercises of the chapter "Spatially separable and flattened convolutions"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.kinds import Condition, Exercise, Hint, blank_if_none, conditions, function, value


def _most_terms(height: int, width: int) -> int:
    return (height * width - 1) // (height + width)


def _normal(*shape: int, seed: int = 0) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _double(x: Any) -> Any:
    import torch

    return torch.as_tensor(x).double()


# ----- a kernel taken apart without a decomposition


def _separable_kernels() -> list[Any]:
    return [_normal(3, 1) * _normal(1, 3, seed=1), _normal(5, 1, seed=2) * _normal(1, 2, seed=3)]


def _with_zeros() -> list[Any]:
    import torch

    middle = torch.zeros(3, 4, dtype=torch.float64)
    middle[1] = torch.tensor([0.0, 2.0, 0.0, -3.0])
    return [torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).double().T, middle]


def _lengths_fit(answer: Any) -> bool:
    for kernel in _separable_kernels():
        column, row = answer(kernel.clone())
        if (_double(column).numel(), _double(row).numel()) != tuple(kernel.shape):
            return False
    return True


def _multiply_to(answer: Any, kernels: list[Any]) -> bool:
    for kernel in kernels:
        column, row = (_double(part).flatten() for part in answer(kernel.clone()))
        product = column[:, None] * row
        if not bool((product - kernel).abs().max() < 1e-6):  # a nan is no hit
            return False
    return True


def _up_to_a_factor(answer: Any) -> bool:
    for kernel in _separable_kernels():
        column, row = (_double(part).flatten() for part in answer(kernel.clone()))
        ratio = column[:, None] * row / kernel
        if not bool((ratio - ratio[0, 0]).abs().max() < 1e-6):
            return False
    return True


_FACTORS = conditions(
    "spatial_separable/factors",
    title="Take it apart by hand",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            _lengths_fit,
            "Return the column first, with one number for each row of the kernel, and then the row, with one number "
            "for each of its columns. The kernel need not be square.",
        ),
        Condition(
            lambda answer: _multiply_to(answer, _separable_kernels()) or not _up_to_a_factor(answer),
            "The shapes of column and row are right, their scale is not: where the two cross, the kernel's number is "
            "counted twice. Divide one of them by it.",
        ),
        Condition(
            lambda answer: _multiply_to(answer, _separable_kernels()),
            "The column times the row is not the kernel. Every row of the kernel is a multiple of one row: of which?",
        ),
        Condition(
            lambda answer: _multiply_to(answer, _with_zeros()),
            "Right for most kernels, and wrong where the row or the column that you take holds only zeros. Which one "
            "never does, unless the whole kernel is zero?",
        ),
    ),
    hints=(
        Hint("Take one row of the kernel as it is. What must the column then be, so that the products come out?"),
        Hint("Find the largest number by size, at (i, j). The row is kernel[i]; the column is kernel[:, j] over it."),
    ),
    success="One row and one column tell the rest. The same trick, repeated on what is left, gives any rank.",
)


# ----- a round and separable kernel


def _matrix(answer: Any) -> Any:
    return _double(answer)


def _relative(difference: Any, whole: Any) -> float:
    return float(difference.norm() / whole.norm())


def _is_separable(answer: Any) -> bool:
    from cnnlab.convolutions import is_separable

    return is_separable(_matrix(answer), tolerance=1e-5)


_ROUND = conditions(
    "spatial_separable/round",
    title="Round and separable",
    requires=(
        Condition(
            lambda answer: tuple(_matrix(answer).shape) == (3, 3),
            "Give a 3 x 3 tensor, or three lists of three numbers.",
        ),
        Condition(
            lambda answer: bool(_matrix(answer).isfinite().all()) and float(_matrix(answer).norm()) > 0,
            "Finite numbers, not all of them zero.",
        ),
        Condition(
            lambda answer: _relative(_matrix(answer) - _matrix(answer).rot90(), _matrix(answer)) < 1e-5,
            "A quarter turn changes it. All four corners must be equal, and so must the four in the middle of a side.",
        ),
        Condition(
            _is_separable,
            lambda answer: f"It has rank {_rank(answer)}. Begin with three numbers, and multiply them down and across.",
        ),
        Condition(
            lambda answer: float(_matrix(answer)[1, 1]) > float(_matrix(answer)[0, 1]) * (1 + 1e-6),
            "A box does all that, and its corners weigh as much as its middle. Let the weights fall off from the "
            "middle.",
        ),
        Condition(
            lambda answer: bool((_matrix(answer) > 0).all()), "Let every weight be positive, so that it is a blur."
        ),
        Condition(
            lambda answer: abs(float(_matrix(answer).sum()) - 1) < 1e-5,
            lambda answer: (
                f"The weights add up to {float(_matrix(answer).sum()):.3g}, so the picture changes its brightness. "
                "Divide by that."
            ),
        ),
    ),
    hints=(
        Hint("A quarter turn swaps column and row, so the two must be the same three numbers, with equal ends."),
        Hint("Take [1, 2, 1] down and across, and divide by the sum."),
    ),
    success="Every answer is a column a, b, a times the same row. Ask for all angles, not only quarter turns, and "
    "only the Gaussian is left.",
)


def _rank(answer: Any) -> int:
    import torch

    return int(torch.linalg.matrix_rank(_matrix(answer), rtol=1e-5))


# ----- the nearest flattened filter


def _product(parts: Any) -> Any:
    import torch

    lateral, vertical, horizontal = (_double(part).flatten() for part in parts)
    return torch.einsum("c,u,v->cuv", lateral, vertical, horizontal)


def _alternate(weight: Any, steps: int = 200) -> Any:
    """The nearest product of three vectors, each solved for in turn, from the start that the SVD gives."""
    import torch

    from cnnlab.convolutions import best_rank1

    _, _, right = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    vertical, horizontal, _ = best_rank1(right[0].reshape(weight.shape[1:]))
    for _ in range(steps):
        lateral = torch.einsum("cuv,u,v->c", weight, vertical, horizontal)
        lateral = lateral / lateral.norm()
        vertical = torch.einsum("cuv,c,v->u", weight, lateral, horizontal)
        vertical = vertical / vertical.norm()
        horizontal = torch.einsum("cuv,c,u->v", weight, lateral, vertical)
    return lateral, vertical, horizontal


def _filters() -> list[Any]:
    """Sums of two products of about equal strength, with some noise."""
    found = []
    for seed in range(0, 60, 10):
        first = _product((_normal(6, seed=seed), _normal(5, seed=seed + 1), _normal(4, seed=seed + 2)))
        second = _product((_normal(6, seed=seed + 3), _normal(5, seed=seed + 4), _normal(4, seed=seed + 5)))
        found.append(first / first.norm() + 0.9 * second / second.norm() + 0.05 * _normal(6, 5, 4, seed=seed + 6))
    return found


def _lengths_are_right(answer: Any) -> bool:
    return [_double(part).numel() for part in answer(_filters()[0])] == [6, 5, 4]


def _is_exact(answer: Any) -> bool:
    for seed in (0, 3):
        weight = _product((_normal(6, seed=seed), _normal(5, seed=seed + 1), _normal(4, seed=seed + 2)))
        if not _relative(_product(answer(weight.clone())) - weight, weight) < 1e-5:
            return False
    return True


def _is_near(answer: Any) -> bool:
    for weight in _filters():
        error = _relative(_product(answer(weight.clone())) - weight, weight)
        if not error < 1.002 * _relative(_product(_alternate(weight)) - weight, weight):
            return False
    return True


_FLATTEN = conditions(
    "spatial_separable/flatten",
    title="Flatten a filter",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            _lengths_are_right,
            "For a filter of shape (C, height, width) return three vectors: C numbers, then height, then width.",
        ),
        Condition(
            _is_exact,
            "A filter that is a product of three vectors must come out exactly, its scale included. Try one of your "
            "own.",
        ),
        Condition(
            _is_near,
            "Exact on products, and on other filters there is a nearer product. Hold two of the three vectors fixed: "
            "the best third one has a formula. Then go around, again and again.",
        ),
    ),
    hints=(
        Hint("With vertical and horizontal of length 1, the best lateral is einsum('cuv,u,v->c', weight, v, h)."),
        Hint(
            "Start from singular vectors, then solve for lateral, vertical and horizontal by turns, fifty times or so."
        ),
    ),
    success="Alternating like this usually ends at a good product. A fast way that always finds the best is not known.",
)


EXERCISES: tuple[Exercise, ...] = (
    value(
        "spatial_separable/cost",
        title="What three layers cost",
        expected={"standard": 401_408, "separable": 172_032, "flattened": 9_984},
        hints=(
            Hint(
                "The standard layer has a 7 x 7 kernel for each pair of an input and an output channel.",
                if_true=lambda answer: answer["standard"] != 401_408,
            ),
            Hint(
                "The second step of the separable layer reads the 128 channels in between, not the 64 that came in.",
                if_true=lambda answer: answer["separable"] == 2 * 7 * 64 * 128,
            ),
            Hint(
                "That is a column and a row for each pair of channels. The layer has two steps: 64 to 128 channels "
                "down, then 128 to 128 along.",
                if_true=lambda answer: answer["separable"] != 172_032,
            ),
            Hint("That is what one output channel has.", if_true=lambda answer: answer["flattened"] == 64 + 7 + 7),
            Hint(
                "In a flattened layer the vertical and the horizontal filter of an output channel read only that "
                "channel.",
                if_true=lambda answer: answer["flattened"] == 64 * 128 + 2 * 7 * 128 * 128,
            ),
            Hint("Count each step by itself: inputs that one output reads, times the number of outputs."),
            Hint("7·7·64·128; then 7·64·128 + 7·128·128; then 128·(64 + 7 + 7)."),
        ),
        success="Less than half, and then a fortieth: the second saving gives up the mixing of channels in two of "
        "three steps.",
    ),
    value(
        "spatial_separable/ranks",
        title="Ranks by eye",
        expected={"cross": 2, "diagonal": 3, "signs": 1, "frame": 2},
        hints=(
            Hint(
                "Three rows, and none is a sum of multiples of the others: the diagonal is as far from separable as a "
                "3 x 3 kernel can be.",
                if_true=lambda answer: answer["diagonal"] != 3,
            ),
            Hint(
                "Each row of the checkerboard of signs is the first row or its negative.",
                if_true=lambda answer: answer["signs"] != 1,
            ),
            Hint(
                "The cross and the frame have two equal rows each, and a third that is no multiple of them.",
                if_true=lambda answer: answer["cross"] != 2 or answer["frame"] != 2,
            ),
            Hint("The rank is the number of rows that are not made of the others."),
            Hint("Draw each of them in the explorer and read the sentence below the sliders."),
        ),
        success="Rows that repeat, up to a factor, add nothing to the rank. Slanted lines do.",
    ),
    blank_if_none(_FACTORS, lambda: (_separable_kernels()[0],)),
    function(
        "spatial_separable/terms",
        title="How many terms are worth it",
        reference=_most_terms,
        cases=((3, 3), (5, 5), (7, 7), (4, 4), (3, 7), (15, 15), (2, 2), (1, 5), (6, 3)),
        hints=(
            Hint(
                "At equal cost nothing is saved: two terms of a 4 x 4 kernel take 16 multiplications, and so does the "
                "kernel.",
                if_like=lambda height, width: height * width // (height + width),
            ),
            Hint("That is the highest rank that there can be, whatever it costs.", if_like=min),
            Hint(
                "A term costs height + width multiplications, not twice its height: kernels need not be square.",
                if_like=lambda height, width: (height * width - 1) // (2 * height),
            ),
            Hint(
                "Round down: a part of a term cannot be computed.",
                if_like=lambda height, width: -(-height * width // (height + width)),
            ),
            Hint("r terms take r (height + width) multiplications, and that must stay below height * width."),
            Hint("The largest whole r with r (height + width) <= height * width - 1."),
        ),
        success="For 3 x 3 and 4 x 4 only exact separability pays; a 5 x 5 kernel can afford two terms.",
    ),
    _ROUND,
    blank_if_none(_FLATTEN, lambda: (_filters()[0],)),
)
