"""Exercises of the chapter "Dilated convolutions"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.compare import close
from cnnlab.exercises.kinds import Condition, Exercise, Hint, blank_if_none, conditions, function, value


def _field(kernel: int, rates: list[int]) -> int:
    return 1 + (kernel - 1) * sum(rates)


def _reached(rates: Any) -> set[int]:
    """The distances from the center that a stack of 3 x 3 layers reads along one axis."""
    reached = {0}
    for rate in rates:
        reached = {offset + tap for offset in reached for tap in (-rate, 0, rate)}
    return reached


def _is_full(rates: Any) -> bool:
    return len(_reached(rates)) == 2 * sum(rates) + 1


def _has_holes(rates: list[int]) -> bool:
    return not _is_full(rates)


def _common_factor(rates: list[int]) -> bool:
    from math import gcd

    return gcd(*rates) > 1


def _whole_rates(answer: Any) -> bool:
    return len(answer) == 4 and all(int(rate) == rate and rate >= 1 for rate in answer)


# ----- a stride traded for holes


def _strided(x: Any, first: Any, second: Any) -> Any:
    import torch.nn.functional as F

    return F.conv2d(F.conv2d(x, first, stride=2, padding=1), second, padding=1)


def _stride_left_out(x: Any, first: Any, second: Any) -> Any:
    import torch.nn.functional as F

    return F.conv2d(F.conv2d(x, first, padding=1), second, padding=1)


def _example(height: int = 8, width: int = 10) -> tuple[Any, Any, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    shapes = ((2, 3, height, width), (4, 3, 3, 3), (5, 4, 3, 3))
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def _keeps_size(answer: Any) -> bool:
    return all(tuple(answer(*_example(*size)).shape) == (2, 5, *size) for size in ((8, 10), (9, 7)))


def _is_true_on_the_coarse_grid(answer: Any) -> bool:
    return all(close(answer(*_example(*size))[..., ::2, ::2], _strided(*_example(*size))) for size in ((8, 10), (9, 7)))


def _is_true_between(answer: Any) -> bool:
    """What lies between the coarse answers is what the network with the stride says of a picture moved by a pixel."""
    import torch

    x, first, second = _example(16, 16)
    moved = torch.roll(x, (-1, -1), (-2, -1))
    return close(
        answer(x, first, second)[..., 1::2, 1::2][..., 2:-2, 2:-2], _strided(moved, first, second)[..., 2:-2, 2:-2]
    )


_DENSE = conditions(
    "dilated/dense",
    title="Trade the stride",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            _keeps_size,
            "The output must be as high and wide as x, with the channels of the second layer. Which paddings keep it?",
        ),
        Condition(
            lambda answer: not close(answer(*_example()), _stride_left_out(*_example())),
            "You left the stride out, and now the second layer's taps lie on pixels where they never lay before. How "
            "far apart, in pixels of x, were they?",
        ),
        Condition(
            _is_true_on_the_coarse_grid,
            "Every second row and column of your answer must be exactly what the two layers with the stride give.",
        ),
        Condition(
            _is_true_between,
            "Right where the network with the stride answers, and wrong between. Copying or resizing its answers adds "
            "none: no weight may see pixels that it would not see at that place.",
        ),
    ),
    hints=(
        Hint("With the stride, neighbors in the second layer's input are 2 pixels of x apart. Keep them so."),
        Hint("The first layer loses its stride; the second gets dilation=2 and, to keep the size, padding=2."),
    ),
    success="Four times as many answers from the same weights: this is how DeepLab made a classifier segment.",
)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "dilated/field",
        title="The field of a stack",
        reference=_field,
        cases=((3, [1]), (3, [2]), (3, [1, 2, 4]), (5, [3, 3]), (2, [1, 2, 4, 8]), (3, [])),
        hints=(
            Hint(
                "You multiply the kernel by the rate. Between k taps there are k - 1 gaps.",
                if_like=lambda kernel, rates: 1 + sum(kernel * rate for rate in rates),
            ),
            Hint(
                "You ignore the rates: each of a layer's k - 1 gaps is as long as its rate.",
                if_like=lambda kernel, rates: 1 + (kernel - 1) * len(rates),
            ),
            Hint(
                "You forget the pixel in the middle: even no layer at all sees one pixel.",
                if_like=lambda kernel, rates: (kernel - 1) * sum(rates),
            ),
            Hint(
                "You take the last layer alone; every layer widens the field by its own extent.",
                if_like=lambda kernel, rates: 1 + (kernel - 1) * (rates[-1] if rates else 0),
            ),
            Hint("One layer of rate d spans d(k - 1) + 1 pixels, so it adds d(k - 1) to what was seen before it."),
            Hint("One, plus (kernel - 1) times the sum of the rates."),
        ),
        success="Only the sum of the rates counts for the size; which pixels inside are read is another matter.",
    ),
    value(
        "dilated/second",
        title="One second of sound",
        expected={"doubling": 14, "cycles": 160},
        hints=(
            Hint(
                "A kernel of two taps has one gap: a layer of rate d adds d samples, not 2d.",
                if_true=lambda answer: answer["doubling"] == 13,
            ),
            Hint(
                "That is the number of cycles. Each has ten layers.",
                if_true=lambda answer: answer["cycles"] == 16,
            ),
            Hint(
                "The doubling stack is right. A cycle adds 1 + 2 + ... + 512 samples; only the very first sample comes "
                "on top, and a part of a cycle is no cycle.",
                if_true=lambda answer: answer["doubling"] == 14,
            ),
            Hint("With two taps, a stack sees 1 plus the sum of its rates."),
            Hint("Rates 1, 2, ..., 2^(n-1) add up to 2^n - 1, so n layers see 2^n samples; a cycle of ten adds 1023."),
        ),
        success="WaveNet repeats on purpose: more layers mean more nonlinearity, not only a longer view.",
    ),
    value(
        "dilated/pixels",
        title="Count the holes",
        expected={"field": 33, "read": 81, "neighbor": 0},
        hints=(
            Hint(
                "A layer of rate 4 adds 2 x 4 pixels to the width of the field.",
                if_true=lambda answer: answer["field"] != 33,
            ),
            Hint("You counted as if there were no holes.", if_true=lambda answer: answer["read"] == 33 * 33),
            Hint(
                "That is one row of them; there are as many such rows.",
                if_true=lambda answer: answer["read"] == 9,
            ),
            Hint(
                "Many of the 6,561 paths end on the same pixel.",
                if_true=lambda answer: answer["read"] == 9**4,
            ),
            Hint(
                "The pixel between them is one to the side of a multiple of 4. Do the neighbor's pixels ever meet the "
                "first one's?",
                if_true=lambda answer: answer["neighbor"] != 0,
            ),
            Hint("Every distance that four taps of -4, 0 or 4 add up to is a multiple of 4."),
            Hint("Along one axis the distances are -16, -12, ..., 16."),
        ),
        success="Seven pixels of a hundred are read, and next door a second network looks at others.",
    ),
    function(
        "dilated/holes",
        title="Holes or none",
        reference=_has_holes,
        cases=(
            ([1, 1, 1],),
            ([2, 2, 2],),
            ([1, 2, 4],),
            ([1, 2, 5],),
            ([2, 3],),
            ([1, 3, 9],),
            ([1, 4, 4],),
            ([5, 2, 1],),
            ([1, 2, 9],),
            ([2, 4, 8],),
            ([1],),
        ),
        hints=(
            Hint("You answer the opposite question: True means that there are holes.", if_like=_is_full),
            Hint(
                "A common factor does leave holes, but they have other causes too: try [1, 4, 4].",
                if_like=_common_factor,
            ),
            Hint(
                "Equal rates are not the trouble: [1, 1, 1] has no holes, and [2, 4, 8] has.",
                if_like=lambda rates: len(set(rates)) < len(rates),
            ),
            Hint(
                "The order of the layers makes no difference: [5, 2, 1] reads what [1, 2, 5] reads. Sort first.",
                if_true=lambda answer: answer([5, 2, 1]) and not answer([1, 2, 5]),
            ),
            Hint("Collect the distances that can be reached along one axis, layer by layer, in a set."),
            Hint("There is no hole if the set has as many members as the field is wide, 2 * sum(rates) + 1."),
        ),
        success="Counting works for every kernel and every rate; the rule of the chapter needs no counting.",
    ),
    conditions(
        "dilated/design",
        title="Four layers of your own",
        requires=(
            Condition(_whole_rates, "Give four whole numbers, each 1 or more: one rate for each layer."),
            Condition(
                _is_full,
                lambda answer: (
                    f"There are holes: along one axis it reads {len(_reached(answer))} of the "
                    f"{2 * sum(answer) + 1} pixels. Sort the rates. Does each stay within the field of those before it?"
                ),
            ),
            Condition(
                lambda answer: 2 * sum(answer) + 1 > 31,
                lambda answer: (
                    f"No holes, but the field is {2 * sum(answer) + 1} pixels wide, and 1, 2, 4, 8 has 31. "
                    "Which rate could be larger?"
                ),
            ),
        ),
        hints=(
            Hint("The largest rate may be as large as the field of the other three together."),
            Hint("After 1 the field is 3 pixels wide, so the next rate may be 3. How wide is the field then?"),
        ),
        success="The widest of all is 1, 3, 9, 27: 81 pixels, each of them reached along exactly one path.",
    ),
    blank_if_none(_DENSE, _example),
)
