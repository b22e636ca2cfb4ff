"""Exercises of the chapter "Transposed convolutions"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged


# U-Net's up-convolution; k = 4, s = 2, p = 1; k = 3 with and without output padding; stride 1; no padding.
@exercise(
    "transposed/output-size",
    "The size of the output",
    cases=[(28, 2, 2, 0, 0), (7, 4, 2, 1, 0), (4, 3, 2, 1, 1), (4, 3, 2, 1, 0), (5, 3, 1, 1, 0), (1, 5, 3, 0, 2)],
)
def output_size(size: int, kernel: int, stride: int, padding: int, output_padding: int) -> int:
    """It is the output size of a convolution, solved for the input."""
    return stride * (size - 1) + kernel - 2 * padding + output_padding


output_size.mistake(
    "You give each pixel its own `stride` places. The last stamp is as wide as the kernel.",
    lambda n, k, s, p, o: s * n - 2 * p + o,
)
output_size.mistake(
    "Stamps start `stride` apart: from the first start to the last there are size - 1 steps.",
    lambda n, k, s, p, o: s * n + k - 2 * p + o,
)
output_size.mistake("Padding is cut off on both sides.", lambda n, k, s, p, o: s * (n - 1) + k - p + o)
output_size.mistake(
    "In a transposed convolution, padding makes the output smaller.", lambda n, k, s, p, o: s * (n - 1) + k + 2 * p + o
)
output_size.mistake("Output padding is added at one end only.", lambda n, k, s, p, o: s * (n - 1) + k - 2 * p + 2 * o)
output_size.mistake(
    "Your function gives the same with and without output padding.", lambda n, k, s, p, o: s * (n - 1) + k - 2 * p
)
output_size.mistake(
    "That is the size after an ordinary convolution. Here the stride multiplies.",
    lambda n, k, s, p, o: (n + 2 * p - k) // s + 1,
)
output_size.hints(
    "Where does the last stamp start, and where does it end?",
    "It starts at stride * (size - 1) and is `kernel` wide; then cut and add what the paddings say.",
)
output_size.wrong(lambda n, k, s, p, o: 2 * n)


@exercise("transposed/zeros", "Count the zeros")
def zeros() -> dict[str, int]:
    """19 places and a kernel of 5 give 15 outputs, as the formula of the transposed convolution says."""
    return {"between": 2, "around": 3, "row": 19}


zeros.mistake(
    "The stride is the distance from pixel to pixel: between them there is one place less.", {"between": 3, "row": 23}
)
zeros.mistake(
    "The padding of a transposed convolution takes zeros away; it does not add them.",
    {"around": 1, "row": 15},
    {"around": 5},
)
zeros.mistake(
    "Without padding there are kernel - 1 zeros on each side; a padding of 1 leaves one less.",
    {"around": 2},
    {"around": 4, "row": 21},
    when=lambda answer: answer["around"] in (2, 4),
)
zeros.mistake(
    "The zeros are right. The row holds the 5 pixels, 4 gaps between them and two borders.",
    {"row": 16},
    when=lambda answer: answer["between"] == 2 and answer["around"] == 3,
)
zeros.hints(
    "Between pixels: stride - 1. On each side: kernel - 1 - padding.",
    "Check: a convolution with kernel 5 and stride 1 must give 3 * (5 - 1) - 2 + 5 = 15 from your row.",
)
zeros.wrong({"between": 1, "around": 0})


def stamped(row: list[float], kernel: list[float], stride: int, over: bool = False) -> list[float]:
    output = [0.0] * (stride * (len(row) - 1) + len(kernel))
    for i, x in enumerate(row):
        for u, w in enumerate(kernel):
            output[i * stride + u] = x * w + (0 if over else output[i * stride + u])
    return output


@exercise(
    "transposed/stamp",
    "Stamp a row",
    cases=[
        ([1, 0, 0], [1, 2, 3], 2),
        ([2, 3], [1, 2, 1], 2),
        ([1, 2, 3], [1, 0, -1], 1),
        ([1, 2], [5, 7], 3),
        ([4], [1, 2, 3, 4], 2),
    ],
)
def stamp(row: list[float], kernel: list[float], stride: int) -> list[float]:
    """Two loops and one +=: that is all of a transposed convolution, along one axis."""
    return stamped(row, kernel, stride)


stamp.mistake(
    "Where two stamps overlap they add up; yours replaces what was there.",
    lambda row, kernel, stride: stamped(row, kernel, stride, over=True),
)
stamp.mistake(
    "You stamp the kernel turned over. It is turned only for the other way, with zeros.",
    lambda row, kernel, stride: stamped(row, kernel[::-1], stride),
)
stamp.mistake(
    "You put the stamps side by side: that is right only if the stride equals the kernel.",
    lambda row, kernel, stride: [x * w for x in row for w in kernel],
)
stamp.mistake(
    "You stamp at every place. Stamps start `stride` apart.", lambda row, kernel, stride: stamped(row, kernel, 1)
)
stamp.hints(
    "Begin with a row of zeros of the right length; then add x * w to place i * stride + u.",
    "Two loops: over the pixels i, and over the taps u of the kernel.",
)
stamp.wrong(lambda row, kernel, stride: stamped(row, kernel[::-1], stride, over=True))


@stamp.right
def by_torch(row: list[float], kernel: list[float], stride: int) -> Tensor:
    x, weight = torch.tensor(row).double(), torch.tensor(kernel).double()
    return torch.nn.functional.conv_transpose1d(x[None, None], weight[None, None], stride=stride)[0, 0]


@exercise(
    "transposed/phases",
    "What a flat row becomes",
    cases=[([1, 1, 1], 2), ([1, 2, 3, 4], 2), ([1, 3, 3, 1], 2), ([1, 2, 3, 4, 5, 6], 3), ([2, 5], 3), ([1, 2, 3], 1)],
)
def phases(kernel: list[float], stride: int) -> list[float]:
    """The checkerboard is gone exactly if all these sums are equal."""
    return [sum(kernel[u::stride]) for u in range(stride)]


@phases.mistake("Taps that fall on the same output are `stride` apart, not next to each other.")
def in_a_row(kernel: list[float], stride: int) -> list[float]:
    share = len(kernel) // stride
    return [sum(kernel[u * share : (u + 1) * share]) for u in range(stride)]


phases.mistake(
    "The stamps add up; no mean is taken.",
    lambda kernel, stride: [sum(kernel[u::stride]) / len(kernel[u::stride]) for u in range(stride)],
)
phases.mistake(
    "That counts the stamps. Each brings its own weight.",
    lambda kernel, stride: [len(kernel[u::stride]) for u in range(stride)],
)
phases.mistake(
    "That is the sum of all taps; each output meets only some of them.", lambda kernel, stride: [sum(kernel)] * stride
)
phases.hints(
    "Write three stamps of [1, 2, 3, 4] below one another, each two places further right. Add the columns.",
    "Entry u is the sum of kernel[u], kernel[u + stride], kernel[u + 2 * stride], and so on.",
)
phases.wrong(lambda kernel, stride: kernel[:stride])


@exercise(
    "transposed/nearest",
    "Resize-convolution as a stamp",
    cases=[([0, 1, 0],), ([1, 0, 0],), ([0, 0, 1],), ([1, 2, 4],), ([-1, 3, 0.5],)],
)
def nearest(w: list[float]) -> list[float]:
    """Even places add up to a + b + c and so do odd ones: that is why it cannot make a checkerboard."""
    return [w[2], w[2] + w[1], w[1] + w[0], w[0]]


nearest.mistake(
    "Turn it: the tap that looks to the right, w[2], is the first that meets a new pixel.", lambda w: nearest(w)[::-1]
)
nearest.mistake(
    "A doubled pixel is met by each tap twice, once for each copy: your stamp adds up to too little.",
    lambda w: [w[2], w[1], w[0], 0],
    lambda w: [0, *w],
    when=lambda answer: abs(sum(answer([1, 2, 4])) - 7) < 1e-9,
)
nearest.hints(
    "Put one bright pixel in: doubled it is [0, 0, 1, 1, 0, 0]. Slide [a, b, c] over that.",
    "The sums are 0, c, c + b, b + a, a, 0, with zeros beyond the ends.",
)
nearest.wrong(lambda w: [w[1]] * 4)
nearest.right(lambda w: stamped(w[::-1], [1, 1], 1))


@judged("transposed/calm", "Start without a checkerboard", function=True)
def calm(answer: Callable[[Tensor], Tensor]) -> None:
    """At initialization it is now as calm as a resize-convolution, with more freedom to learn."""
    weight = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(5))
    found = as_tensor(answer(weight))
    expect(found.shape == (3, 2, 4, 4), "The result must have the shape of the weights: (C, K, 4, 4).")
    sums = torch.stack([found[..., i::2, j::2].sum((-1, -2)) for i in (0, 1) for j in (0, 1)])  # (4, C, K)
    expect(
        (sums - sums[:1]).abs().max() <= 1e-4 * found.abs().max(),
        "A flat map still comes out uneven. With stride 2 there are four sums for each pair of channels, "
        "weight[..., i::2, j::2].sum((-1, -2)) for i and j in (0, 1); make them equal.",
    )
    expect(
        torch.corrcoef(torch.stack([weight.double().flatten(), found.flatten()]))[0, 1] > 0.4,
        "Too little is left of the random weights: every kernel should still be different. Change each tap as little "
        "as you can.",
    )


calm.hints(
    "Compute the four sums of each kernel and their mean. By how much is each sum off?",
    "Each sum has four taps: spread what is missing evenly over them.",
)
calm.wrong(lambda weight: weight[:, :, :3, :3], "shape of the weights")
calm.wrong(lambda weight: weight, "still comes out uneven")
calm.wrong(lambda weight: weight - weight.mean(), "four sums")
calm.wrong(lambda weight: 1e-6 * weight, "still comes out uneven")
calm.wrong(torch.ones_like, "Too little is left")
calm.wrong(torch.zeros_like, "Too little is left")


@calm.right
def spread(weight: Tensor) -> Tensor:
    sums = weight.unflatten(2, (2, 2)).unflatten(4, (2, 2)).sum((2, 4))  # (C, K, i, j)
    return weight + ((sums.mean((2, 3), keepdim=True) - sums) / 4).repeat(1, 1, 2, 2)
