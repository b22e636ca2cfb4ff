"""Exercises of the chapter "Seeing with convolutions"."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged


# Plain; padded; strided with a remainder; the first layers of LeNet-5, AlexNet and ResNet.
@exercise(
    "seeing/output-size",
    "The size of the output",
    cases=[(5, 3, 1, 0), (5, 3, 1, 1), (7, 2, 2, 0), (8, 3, 2, 1), (32, 5, 1, 0), (227, 11, 4, 0), (224, 7, 2, 3)],
)
def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """The same four numbers settle every convolution and pooling layer in this book."""
    return (size + 2 * padding - kernel) // stride + 1


output_size.mistake(
    "You count the steps of the kernel, but not the place where it starts: there is always one more.",
    lambda n, k, s, p: (n + 2 * p - k) // s,
)
output_size.mistake(
    "Padding is added on both sides: the padded image is size + 2 * padding wide.",
    lambda n, k, s, p: (n + p - k) // s + 1,
)
output_size.mistake(
    "Your function gives the same with and without padding. How wide is the image once it is padded?",
    lambda n, k, s, p: (n - k) // s + 1,
)
output_size.mistake(
    "A kernel that does not fit entirely is not placed: round down. `//` does that, `/` keeps the rest.",
    lambda n, k, s, p: (n + 2 * p - k) / s + 1,
)
output_size.mistake(
    "You round up or to the nearest; a kernel that does not fit entirely is not placed, so round down.",
    lambda n, k, s, p: round((n + 2 * p - k) / s) + 1,
)
output_size.mistake(
    "You round up; a kernel that does not fit entirely is not placed, so round down.",
    lambda n, k, s, p: math.ceil((n + 2 * p - k) / s) + 1,
)
output_size.mistake(
    "The division by the stride counts steps; the 1 for the starting place is added after it, not before.",
    lambda n, k, s, p: (n + 2 * p - k + 1) // s,
)
output_size.mistake(
    "Your function gives the same for every stride. How many steps of length `stride` fit in the way?",
    lambda n, k, s, p: n + 2 * p - k + 1,
)
output_size.hints(
    "Draw a row of 7 squares and lay a kernel of 3 on it, moving by 2. Where does the last one start?",
    "The kernel's left edge moves from 0 to size + 2 * padding - kernel, in steps of `stride`.",
    "Steps are (size + 2 * padding - kernel) // stride; places are steps plus one.",
)
output_size.wrong(lambda n, k, s, p: 17)
output_size.right(lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)))


@exercise("seeing/one-pixel", "One pixel by hand")
def one_pixel() -> int:
    """Four units of weight times the difference of 4 between the two sides."""
    return 16


one_pixel.mistake("That is the sum of the pixels; weigh them first.", 57)
one_pixel.mistake("The sign says which side is brighter: here the right one, which has the positive weights.", -16)
one_pixel.mistake("You used one row only; the kernel has three.", 4, 8)
one_pixel.mistake("You counted every row with weight 1; the middle row of Sobel's kernel counts twice.", 12)
one_pixel.mistake("Flat means zero, but this patch is not flat: its right column is brighter.", 0)
one_pixel.hints(
    "Nine products: -1 x 5, 0 x 5, 1 x 9 in the first row, and so on.",
    "Left column: -(1 + 2 + 1) x 5. Right column: (1 + 2 + 1) x 9.",
)
one_pixel.wrong(3)


@exercise("seeing/cost", "What a layer costs")
def cost() -> dict[str, int]:
    """Few weights, many uses: each is multiplied 3,136 times for one image."""
    return {"parameters": 73_856, "macs": 231_211_008}


cost.mistake("You left out the biases: one for each output channel.", {"parameters": 73_728})
cost.mistake(
    "Each filter looks at all 64 input channels, not at one.",
    {"parameters": 128 * 9 + 128},
    {"parameters": 64 * 9 + 64},
    {"parameters": 128 * 9},
)
cost.mistake("One bias for each output channel, and there are 128 of those.", {"parameters": 73_728 + 64})
cost.mistake("MACs are counted without biases.", {"macs": 73_856 * 56 * 56})
cost.mistake("MACs count a multiplication and its addition as one.", {"macs": 2 * 231_211_008})
cost.hints(
    "Parameters: K x C x k x k weights and K biases. MACs: C x k x k for each of the K x H' x W' outputs.",
    "128 x 64 x 9 weights are used once at each of 56 x 56 places.",
)
cost.wrong({"macs": 1})
# Both wrong: the first mistake that is known is told, and nothing is called right.
cost.wrong({"parameters": 704, "macs": 2 * 231_211_008}, "a multiplication and its addition")


@judged("seeing/corner", "A question of your own")
def corner(answer: object) -> None:
    """It is the product of two differences, one across and one down: it sees what is no edge in either."""
    kernel = as_tensor(answer)
    expect(kernel.shape == (3, 3), "Give three rows of three numbers: [[a, b, c], [d, e, f], [g, h, i]].")

    def still(*patches: list[list[int]]) -> bool:
        return all(abs(float((kernel * torch.tensor(patch)).sum())) < 1e-6 for patch in patches)

    expect(
        still([[1, 1, 1]] * 3),
        "It answers on a flat patch. There every pixel is equal: what must the nine weights add up to?",
    )
    # An edge may run on either side of the middle.
    expect(
        still([[0, 0, 1]] * 3, [[0, 1, 1]] * 3),
        "It answers on an upright edge. There the columns differ: what must each column of weights add up to?",
    )
    expect(
        still([[0] * 3, [0] * 3, [1] * 3], [[0] * 3, [1] * 3, [1] * 3]),
        "It answers on a lying edge. There the rows differ: what must each row of weights add up to?",
    )
    upper_left = torch.tensor([[[0, 0, 0], [0, 1, 1], [0, 1, 1]], [[0, 0, 0], [0, 0, 0], [0, 0, 1]]])
    corners = [patch.rot90(turns).tolist() for patch in upper_left for turns in range(4)]
    expect(
        not still(*corners),
        "It stays silent at a corner too. A kernel of zeros asks nothing.",
    )


corner.hints(
    "Every row and every column must add up to zero; then put something into one corner.",
    "Start with 1 and -1 in the first row, and undo both in the second.",
)
corner.wrong([1, 2, 3], "three rows")
corner.wrong([[1, 1, 1]] * 3, "flat patch")
corner.wrong([[-1, 0, 1]] * 3, "upright edge")
corner.wrong([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], "lying edge")
corner.wrong([[0, 0, 0]] * 3, "kernel of zeros")
corner.right(
    *([[1, -1, 0], [-1, 1, 0], [0, 0, 0]], [[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
    # The first one's mirror images, and a kernel that has them all.
    *([[0, -1, 1], [0, 1, -1], [0, 0, 0]], [[0, 0, 0], [-1, 1, 0], [1, -1, 0]], [[0, 1, -1], [-1, 0, 1], [1, -1, 0]]),
)


@exercise(
    "seeing/field",
    "How far does it see?",
    cases=[
        ([(3, 1)],),
        ([(3, 1), (3, 1)],),
        ([(5, 1), (2, 2), (5, 1), (2, 2)],),
        ([(7, 2), (3, 2), (3, 1), (3, 1)],),
    ],
)
def field(layers: list[tuple[int, int]]) -> int:
    """Kernels add, strides multiply what comes later."""
    size, jump = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size


field.mistake(
    "After a stride, a kernel's steps are longer: multiply by the jump.",
    lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
)


@field.mistake(
    "A layer's own stride moves its outputs apart; it does not spread the inputs that it reads. Update the jump after "
    "the size."
)
def stride_too_early(layers: list[tuple[int, int]]) -> int:
    size, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        size += (kernel - 1) * jump
    return size


field.mistake("One pixel sees itself: the field starts at 1.", lambda layers: field(layers) - 1)
field.hints(
    "Keep two numbers, the size and the jump, and go through the layers once.",
    "size += (kernel - 1) * jump, and then jump *= stride.",
)
field.wrong(lambda layers: 7)


@field.right
def from_the_last_layer(layers: list[tuple[int, int]]) -> int:
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


@field.right
def from_the_first_two_lists(layers: list[tuple[int, int]]) -> int:
    kernels, strides = zip(*layers, strict=True)
    return 1 + sum((kernel - 1) * math.prod(strides[:place]) for place, kernel in enumerate(kernels))


def skip(x: Tensor) -> Tensor:
    return x[..., ::2, ::2]


def change(shrink: Callable[[Tensor], Tensor], x: Tensor, axis: int) -> float:
    """How much ``shrink`` changes when a picture moves by one pixel."""
    return float((as_tensor(shrink(torch.roll(x, 1, dims=axis))) - as_tensor(shrink(x))).pow(2).sum())


def squares_and_stripes() -> list[tuple[Tensor, int]]:
    """Pictures, each with the axis along which it moves. In a picture of stripes, every second line is bright."""
    square, stripes = torch.zeros(2, 1, 1, 16, 16)
    square[..., 4:11, 5:10] = 1
    stripes[..., ::2] = 1
    return [(square, -1), (square, -2), (stripes, -1), (stripes.mT, -2)]


@judged("seeing/shift", "Repair the shift", function=True)
def shift(shrink: Callable[[Tensor], Tensor]) -> None:
    """Blurring before skipping is what signal processing has asked for since the sampling theorem."""
    expect(
        as_tensor(shrink(torch.rand(2, 3, 8, 6))).shape == (2, 3, 4, 3),
        "The output must have half the rows and half the columns, and keep N and C.",
    )
    middle = as_tensor(shrink(torch.ones(1, 1, 16, 16)))[..., 3:5, 3:5]
    expect(
        (middle - 1).abs().max() < 1e-3,
        "A picture that is 1 everywhere should stay 1 inside: let the weights add up to one.",
    )
    halves = torch.zeros(1, 1, 32, 32)
    halves[..., :16, :16] = 1
    seen = as_tensor(shrink(halves))
    expect(
        seen[0, 0, 2, 2] > 0.9 and seen[0, 0, 2, -3] < 0.1 and seen[0, 0, -3, 2] < 0.1,
        "The picture is lost: one that is bright in its upper left quarter should come out so. Let each output depend "
        "on the pixels around its own place.",
    )
    changes = [(change(shrink, x, axis), change(skip, x, axis)) for x, axis in squares_and_stripes()]
    expect(
        all(mine < 0.9 * plain for mine, plain in changes[:2]),
        "It changes as much as plain skipping does, for a move across or a move down. Let each output depend on its "
        "neighbors in both directions before you skip.",
    )
    expect(
        all(mine < 0.5 * plain for mine, plain in changes[2:]),
        "Every second line of pixels is never looked at: stripes one pixel wide flicker as the picture moves. Blur "
        "first, then skip.",
    )


shift.hints(
    "Blur first, then skip: then no pixel is thrown away unseen.",
    "An average pool of 2 x 2 does both at once; a wider blur does better.",
)
shift.wrong(lambda x: x, "half the rows")
shift.wrong(lambda x: 4 * skip(x), "stay 1")
shift.wrong(skip, "plain skipping")
shift.wrong(lambda x: torch.ones(*x.shape[:2], x.shape[2] // 2, x.shape[3] // 2), "picture is lost")
shift.wrong(lambda x: x.mean((2, 3), keepdim=True).expand_as(x)[..., ::2, ::2], "picture is lost")
shift.wrong(lambda x: torch.nn.functional.avg_pool2d(x, (1, 2))[..., ::2, :], "both directions")
shift.wrong(lambda x: torch.nn.functional.avg_pool2d(skip(x), 3, 1, 1, count_include_pad=False), "first, then skip")
shift.right(lambda x: torch.nn.functional.avg_pool2d(x, 2), torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False))
