"""Exercises of the chapter "Seeing with convolutions"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.kinds import Condition, Exercise, Hint, blank_if_none, conditions, function, value


def _output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


def _field(layers: list[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size


def _field_ignoring_strides(layers: list[tuple[int, int]]) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def _field_stride_too_early(layers: list[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size


def _answers(kernel: Any, patch: list[list[float]]) -> float:
    """What a 3 x 3 kernel answers on a 3 x 3 patch."""
    import torch

    return float((torch.as_tensor(kernel, dtype=torch.float64) * torch.tensor(patch, dtype=torch.float64)).sum())


def _is_kernel(kernel: Any) -> bool:
    import torch

    try:
        return tuple(torch.as_tensor(kernel, dtype=torch.float64).shape) == (3, 3)
    except (TypeError, ValueError, RuntimeError):
        return False


_FLAT = [[1, 1, 1]] * 3
_UPRIGHT = ([[0, 0, 1]] * 3, [[0, 1, 1]] * 3)  # the edge may run left or right of the middle column
_LYING = ([[0] * 3, [0] * 3, [1] * 3], [[0] * 3, [1] * 3, [1] * 3])
_CORNERS = ([[0, 0, 0], [0, 1, 1], [0, 1, 1]], [[0, 0, 0], [0, 0, 0], [0, 0, 1]])


def _still(kernel: Any, patches: tuple[list[list[float]], ...]) -> bool:
    return all(abs(_answers(kernel, patch)) < 1e-6 for patch in patches)


def _shift_change(shrink: Any) -> float:
    """How much ``shrink`` changes, at least away from the border, when a smooth-edged picture moves by one pixel."""
    import torch

    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:11, 5:10] = 1
    moved = torch.roll(x, 1, dims=-1)
    return float((shrink(moved) - shrink(x)).pow(2).sum())


def _skips(x: Any) -> Any:
    return x[..., ::2, ::2]


def _halves(answer: Any) -> bool:
    import torch

    x = torch.rand(2, 3, 8, 6)
    return tuple(answer(x).shape) == (2, 3, 4, 3)


def _keeps_brightness(answer: Any) -> bool:
    import torch

    middle = answer(torch.ones(1, 1, 16, 16))[..., 3:5, 3:5]
    return bool((middle - 1).abs().max() < 1e-3)


_SHIFT = conditions(
    "seeing/shift",
    title="Repair the shift",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(_halves, "The output must have half the rows and half the columns, and keep N and C."),
        Condition(
            _keeps_brightness,
            "A picture that is 1 everywhere should stay 1 inside: let the weights add up to one.",
        ),
        Condition(
            lambda answer: _shift_change(answer) < 0.9 * _shift_change(_skips),
            "It changes as much as plain skipping does. Let each output depend on its neighbors before you skip.",
        ),
    ),
    hints=(
        Hint("Blur first, then skip: then no pixel is thrown away unseen."),
        Hint("An average pool of 2 x 2 does both at once; a wider blur does better."),
    ),
    success="Blurring before skipping is what signal processing has asked for since the sampling theorem.",
)


def _ones() -> Any:
    import torch

    return torch.ones(1, 1, 4, 4)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "seeing/output-size",
        title="The size of the output",
        reference=_output_size,
        # Plain; padded; strided with a remainder; the first layers of LeNet-5, AlexNet and ResNet.
        cases=((5, 3, 1, 0), (5, 3, 1, 1), (7, 2, 2, 0), (8, 3, 2, 1), (32, 5, 1, 0), (227, 11, 4, 0), (224, 7, 2, 3)),
        hints=(
            Hint(
                "You count the steps of the kernel, but not the place where it starts: there is always one more.",
                if_like=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) // stride,
            ),
            Hint(
                "Padding is added on both sides: the padded image is size + 2 * padding wide.",
                if_like=lambda size, kernel, stride, padding: (size + padding - kernel) // stride + 1,
            ),
            Hint(
                "Your function gives the same with and without padding. How wide is the image once it is padded?",
                if_like=lambda size, kernel, stride, padding: (size - kernel) // stride + 1,
            ),
            Hint(
                "A kernel that does not fit entirely is not placed: round down. `//` does that, `/` keeps the rest.",
                if_like=lambda size, kernel, stride, padding: (size + 2 * padding - kernel) / stride + 1,
            ),
            Hint(
                "You round up or to the nearest; a kernel that does not fit entirely is not placed, so round down.",
                if_like=lambda size, kernel, stride, padding: round((size + 2 * padding - kernel) / stride) + 1,
            ),
            Hint(
                "You round up; a kernel that does not fit entirely is not placed, so round down.",
                if_like=lambda size, kernel, stride, padding: -(-(size + 2 * padding - kernel) // stride) + 1,
            ),
            Hint(
                "The division by the stride counts steps; the 1 for the starting place is added after it, not before.",
                if_like=lambda size, kernel, stride, padding: (size + 2 * padding - kernel + 1) // stride,
            ),
            Hint(
                "Your function gives the same for every stride. How many steps of length `stride` fit in the way?",
                if_like=lambda size, kernel, stride, padding: size + 2 * padding - kernel + 1,
            ),
            Hint("Draw a row of 7 squares and lay a kernel of 3 on it, moving by 2. Where does the last one start?"),
            Hint("The kernel's left edge moves from 0 to size + 2 * padding - kernel, in steps of `stride`."),
            Hint("Steps are (size + 2 * padding - kernel) // stride; places are steps plus one."),
        ),
        success="The same four numbers settle every convolution and pooling layer in this book.",
    ),
    value(
        "seeing/one-pixel",
        title="One pixel by hand",
        expected=16,
        hints=(
            Hint("That is the sum of the pixels; weigh them first.", if_equal=57),
            Hint(
                "The sign says which side is brighter: here the right one, which has the positive weights.",
                if_equal=-16,
            ),
            Hint("You used one row only; the kernel has three.", if_true=lambda answer: float(answer) in (4.0, 8.0)),
            Hint("You counted every row with weight 1; the middle row of Sobel's kernel counts twice.", if_equal=12),
            Hint("Flat means zero, but this patch is not flat: its right column is brighter.", if_equal=0),
            Hint("Nine products: -1 x 5, 0 x 5, 1 x 9 in the first row, and so on."),
            Hint("Left column: -(1 + 2 + 1) x 5. Right column: (1 + 2 + 1) x 9."),
        ),
        success="Four units of weight times the difference of 4 between the two sides.",
    ),
    value(
        "seeing/cost",
        title="What a layer costs",
        expected={"parameters": 73_856, "macs": 231_211_008},
        hints=(
            Hint(
                "You left out the biases: one for each output channel.",
                if_true=lambda answer: answer["parameters"] == 73_728,
            ),
            Hint(
                "Each filter looks at all 64 input channels, not at one.",
                if_true=lambda answer: answer["parameters"] in (128 * 9 + 128, 64 * 9 + 64, 128 * 9),
            ),
            Hint(
                "One bias for each output channel, and there are 128 of those.",
                if_true=lambda answer: answer["parameters"] == 73_728 + 64,
            ),
            Hint(
                "The parameters are right. The MACs are counted without biases.",
                if_true=lambda answer: answer["macs"] == 73_856 * 56 * 56,
            ),
            Hint(
                "The parameters are right. MACs count a multiplication and its addition as one.",
                if_true=lambda answer: answer["macs"] == 2 * 231_211_008,
            ),
            Hint(
                "Parameters: K x C x k x k weights and K biases. MACs: C x k x k for each of the K x H' x W' outputs."
            ),
            Hint("128 x 64 x 9 weights are used once at each of 56 x 56 places."),
        ),
        success="Few weights, many uses: each is multiplied 3,136 times for one image.",
    ),
    conditions(
        "seeing/corner",
        title="A question of your own",
        requires=(
            Condition(_is_kernel, "Give three rows of three numbers: [[a, b, c], [d, e, f], [g, h, i]]."),
            Condition(
                lambda kernel: _still(kernel, (_FLAT,)),
                "It answers on a flat patch. There every pixel is equal: what must the nine weights add up to?",
            ),
            Condition(
                lambda kernel: _still(kernel, _UPRIGHT),
                "It answers on an upright edge. There the columns differ: what must each column of weights add up to?",
            ),
            Condition(
                lambda kernel: _still(kernel, _LYING),
                "It answers on a lying edge. There the rows differ: what must each row of weights add up to?",
            ),
            Condition(
                lambda kernel: not all(_still(kernel, (corner,)) for corner in _CORNERS),
                "It stays silent at a corner too. A kernel of zeros asks nothing.",
            ),
        ),
        hints=(
            Hint("Every row and every column must add up to zero; then put something into one corner."),
            Hint("Start with 1 and -1 in the first row, and undo both in the second."),
        ),
        success="It is the product of two differences, one across and one down: it sees what is no edge in either.",
    ),
    function(
        "seeing/field",
        title="How far does it see?",
        reference=_field,
        cases=(
            ([(3, 1)],),
            ([(3, 1), (3, 1)],),
            ([(5, 1), (2, 2), (5, 1), (2, 2)],),
            ([(7, 2), (3, 2), (3, 1), (3, 1)],),
            ([],),
        ),
        hints=(
            Hint("After a stride, a kernel's steps are longer: multiply by the jump.", if_like=_field_ignoring_strides),
            Hint(
                "A layer's own stride moves its outputs apart; it does not spread the inputs that it reads. Update the "
                "jump after the size.",
                if_like=_field_stride_too_early,
            ),
            Hint("One pixel sees itself: the field starts at 1.", if_like=lambda layers: _field(layers) - 1),
            Hint("Keep two numbers, the size and the jump, and go through the layers once."),
            Hint("size += (kernel - 1) * jump, and then jump *= stride."),
        ),
        success="Kernels add, strides multiply what comes later.",
    ),
    blank_if_none(_SHIFT, lambda: (_ones(),)),
)
