"""Exercises of the chapter "Transposed convolutions"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.kinds import Condition, Exercise, Hint, conditions, function, value


def _output_size(size: int, kernel: int, stride: int, padding: int, output_padding: int) -> int:
    return stride * (size - 1) + kernel - 2 * padding + output_padding


def _stamp(row: list[float], kernel: list[float], stride: int) -> list[float]:
    output = [0.0] * (stride * (len(row) - 1) + len(kernel))
    for i, x in enumerate(row):
        for u, w in enumerate(kernel):
            output[i * stride + u] += x * w
    return output


def _stamp_over(row: list[float], kernel: list[float], stride: int) -> list[float]:
    output = [0.0] * (stride * (len(row) - 1) + len(kernel))
    for i, x in enumerate(row):
        for u, w in enumerate(kernel):
            output[i * stride + u] = x * w
    return output


def _stamp_turned(row: list[float], kernel: list[float], stride: int) -> list[float]:
    return _stamp(row, kernel[::-1], stride)


def _stamp_side_by_side(row: list[float], kernel: list[float], stride: int) -> list[float]:
    return [x * w for x in row for w in kernel]


def _phases(kernel: list[float], stride: int) -> list[float]:
    return [sum(kernel[u::stride]) for u in range(stride)]


def _phases_in_a_row(kernel: list[float], stride: int) -> list[float]:
    share = len(kernel) // stride
    return [sum(kernel[u * share : (u + 1) * share]) for u in range(stride)]


def _phases_as_means(kernel: list[float], stride: int) -> list[float]:
    return [sum(kernel[u::stride]) / len(kernel[u::stride]) for u in range(stride)]


def _phases_as_counts(kernel: list[float], stride: int) -> list[float]:
    return [len(kernel[u::stride]) for u in range(stride)]


def _nearest(w: list[float]) -> list[float]:
    return [w[2], w[2] + w[1], w[1] + w[0], w[0]]


def _some_weights() -> Any:
    import torch

    return torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(5))


def _sums(weight: Any) -> Any:
    """What each of the four phases adds up to. Shape: (C, K, 4, 4) -> (4, C, K)."""
    import torch

    return torch.stack([weight[..., i::2, j::2].sum((-1, -2)) for i in (0, 1) for j in (0, 1)])


def _keeps_shape(answer: Any) -> bool:
    return tuple(answer(_some_weights()).shape) == (3, 2, 4, 4)


def _is_calm(answer: Any) -> bool:
    sums = _sums(answer(_some_weights()))
    return bool((sums - sums[:1]).abs().max() < 1e-4)


def _keeps_the_draw(answer: Any) -> bool:
    import torch

    before, after = _some_weights().flatten(), answer(_some_weights()).flatten()
    return bool(torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.4)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "transposed/output-size",
        title="The size of the output",
        reference=_output_size,
        # U-Net's up-convolution; k = 4, s = 2, p = 1; k = 3 with and without output padding; stride 1; no padding.
        cases=((28, 2, 2, 0, 0), (7, 4, 2, 1, 0), (4, 3, 2, 1, 1), (4, 3, 2, 1, 0), (5, 3, 1, 1, 0), (1, 5, 3, 0, 2)),
        hints=(
            Hint(
                "You give each pixel its own `stride` places. The last stamp is as wide as the kernel.",
                if_like=lambda n, k, s, p, o: s * n - 2 * p + o,
            ),
            Hint(
                "Stamps start `stride` apart: from the first start to the last there are size - 1 steps.",
                if_like=lambda n, k, s, p, o: s * n + k - 2 * p + o,
            ),
            Hint(
                "Padding is cut off on both sides.",
                if_like=lambda n, k, s, p, o: s * (n - 1) + k - p + o,
            ),
            Hint(
                "In a transposed convolution, padding makes the output smaller.",
                if_like=lambda n, k, s, p, o: s * (n - 1) + k + 2 * p + o,
            ),
            Hint(
                "Output padding is added at one end only.",
                if_like=lambda n, k, s, p, o: s * (n - 1) + k - 2 * p + 2 * o,
            ),
            Hint(
                "Your function gives the same with and without output padding.",
                if_like=lambda n, k, s, p, o: s * (n - 1) + k - 2 * p,
            ),
            Hint(
                "That is the size after an ordinary convolution. Here the stride multiplies.",
                if_like=lambda n, k, s, p, o: (n + 2 * p - k) // s + 1,
            ),
            Hint("Where does the last stamp start, and where does it end?"),
            Hint("It starts at stride * (size - 1) and is `kernel` wide; then cut and add what the paddings say."),
        ),
        success="It is the output size of a convolution, solved for the input.",
    ),
    value(
        "transposed/zeros",
        title="Count the zeros",
        expected={"between": 2, "around": 3, "row": 19},
        hints=(
            Hint(
                "The stride is the distance from pixel to pixel: between them there is one place less.",
                if_true=lambda a: a["between"] == 3,
            ),
            Hint(
                "The padding of a transposed convolution takes zeros away; it does not add them.",
                if_true=lambda a: a["around"] in (1, 5),
            ),
            Hint(
                "Without padding there are kernel - 1 zeros on each side; a padding of 1 leaves one less.",
                if_true=lambda a: a["around"] in (2, 4),
            ),
            Hint(
                "The zeros are right. The row holds the 5 pixels, 4 gaps between them and two borders.",
                if_true=lambda a: a["between"] == 2 and a["around"] == 3,
            ),
            Hint("Between pixels: stride - 1. On each side: kernel - 1 - padding."),
            Hint("Check: a convolution with kernel 5 and stride 1 must give 3 * (5 - 1) - 2 + 5 = 15 from your row."),
        ),
        success="19 places and a kernel of 5 give 15 outputs, as the formula of the transposed convolution says.",
    ),
    function(
        "transposed/stamp",
        title="Stamp a row",
        reference=_stamp,
        cases=(
            ([1, 0, 0], [1, 2, 3], 2),
            ([2, 3], [1, 2, 1], 2),
            ([1, 2, 3], [1, 0, -1], 1),
            ([1, 2], [5, 7], 3),
            ([4], [1, 2, 3, 4], 2),
        ),
        hints=(
            Hint("Where two stamps overlap they add up; yours replaces what was there.", if_like=_stamp_over),
            Hint(
                "You stamp the kernel turned over. It is turned only for the other way, with zeros.",
                if_like=_stamp_turned,
            ),
            Hint(
                "You put the stamps side by side: that is right only if the stride equals the kernel.",
                if_like=_stamp_side_by_side,
            ),
            Hint(
                "You stamp at every place. Stamps start `stride` apart.",
                if_like=lambda row, kernel, stride: _stamp(row, kernel, 1),
            ),
            Hint("Begin with a row of zeros of the right length; then add x * w to place i * stride + u."),
            Hint("Two loops: over the pixels i, and over the taps u of the kernel."),
        ),
        success="Two loops and one +=: that is all of a transposed convolution, along one axis.",
    ),
    function(
        "transposed/phases",
        title="What a flat row becomes",
        reference=_phases,
        cases=(
            ([1, 1, 1], 2),
            ([1, 2, 3, 4], 2),
            ([1, 3, 3, 1], 2),
            ([1, 2, 3, 4, 5, 6], 3),
            ([2, 5], 3),
            ([1, 2, 3], 1),
        ),
        hints=(
            Hint(
                "Taps that fall on the same output are `stride` apart, not next to each other.",
                if_like=_phases_in_a_row,
            ),
            Hint("The stamps add up; no mean is taken.", if_like=_phases_as_means),
            Hint("That counts the stamps. Each brings its own weight.", if_like=_phases_as_counts),
            Hint(
                "That is the sum of all taps; each output meets only some of them.",
                if_like=lambda kernel, stride: [sum(kernel)] * stride,
            ),
            Hint(
                "Write three stamps of [1, 2, 3, 4] below one another, each two places further right. Add the columns."
            ),
            Hint("Entry u is the sum of kernel[u], kernel[u + stride], kernel[u + 2 * stride], and so on."),
        ),
        success="The checkerboard is gone exactly if all these sums are equal.",
    ),
    function(
        "transposed/nearest",
        title="Resize-convolution as a stamp",
        reference=_nearest,
        cases=(([0, 1, 0],), ([1, 0, 0],), ([0, 0, 1],), ([1, 2, 4],), ([-1, 3, 0.5],)),
        hints=(
            Hint(
                "Turn it: the tap that looks to the right, w[2], is the first that meets a new pixel.",
                if_like=lambda w: [w[0], w[0] + w[1], w[1] + w[2], w[2]],
            ),
            Hint(
                "A doubled pixel is met by each tap twice, once for each copy: your stamp adds up to too little.",
                if_true=lambda f: abs(sum(f([1, 2, 4])) - 7) < 1e-9,
            ),
            Hint("Put one bright pixel in: doubled it is [0, 0, 1, 1, 0, 0]. Slide [a, b, c] over that."),
            Hint("The sums are 0, c, c + b, b + a, a, 0, with zeros beyond the ends."),
        ),
        success="Even places add up to a + b + c and so do odd ones: that is why it cannot make a checkerboard.",
    ),
    conditions(
        "transposed/calm",
        title="Start without a checkerboard",
        requires=(
            Condition(callable, "Give check() the function itself, without calling it."),
            Condition(_keeps_shape, "The result must have the shape of the weights: (C, K, 4, 4)."),
            Condition(
                _is_calm,
                "A flat map still comes out uneven. With stride 2 there are four sums for each pair of channels, "
                "weight[..., i::2, j::2].sum((-1, -2)) for i and j in (0, 1); make them equal.",
            ),
            Condition(
                _keeps_the_draw,
                "Too little is left of the random weights: every kernel should still be different. Change each tap as "
                "little as you can.",
            ),
        ),
        hints=(
            Hint("Compute the four sums of each kernel and their mean. By how much is each sum off?"),
            Hint("Each sum has four taps: spread what is missing evenly over them."),
        ),
        success="At initialization it is now as calm as a resize-convolution, with more freedom to learn.",
    ),
)
