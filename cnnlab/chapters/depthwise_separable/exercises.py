"""Exercises of the chapter "Depthwise separable convolutions"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.exercises import as_tensor, exercise, expect, judged, judged_model, output
from cnnlab.exercises.examples import normal, normals


@exercise("depthwise_separable/bill", "The bill", cases=[(6, 3, 5, 3), (12, 3, 128, 5), (5, 1, 1, 5), (14, 64, 32, 3)])
def bill(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    """The depthwise step does not depend on K, the pointwise step not on k: that is the whole saving."""
    places = (size - kernel + 1) ** 2
    depthwise = places * channels * kernel**2
    pointwise = places * channels * filters
    return depthwise, pointwise, pointwise * kernel**2


bill.mistake(
    "You multiply at every pixel of the input. Without padding, the kernel fits at size - kernel + 1 places along each "
    "side.",
    lambda size, channels, filters, kernel: bill(size + kernel - 1, channels, filters, kernel),
)
bill.mistake(
    "That is the bill of one output pixel. At how many places does the kernel stop?",
    lambda size, channels, filters, kernel: bill(kernel, channels, filters, kernel),
)


@bill.mistake(
    "You charge the depthwise step for every filter. It has one kernel for each input channel, whatever comes later."
)
def every_filter(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    depthwise, pointwise, standard = bill(size, channels, filters, kernel)
    return depthwise * filters, pointwise, standard


bill.mistake(
    "You have the right numbers in another order: depthwise, pointwise, standard.",
    lambda *layer: bill(*layer)[::-1],
    when=lambda answer: sorted(answer(6, 3, 5, 3)) == [240, 432, 2160],
)
bill.hints(
    "Count for one output pixel first, then multiply by the number of output pixels.",
    "One output pixel: C k k depthwise, C K pointwise, C K k k in a standard convolution.",
)
bill.wrong(lambda size, channels, filters, kernel: (1, 2, 3))


@exercise("depthwise_separable/multiplier", "Kernels for each channel")
def multiplier() -> dict[str, int]:
    """Nine kernels would make the pair as general as the standard layer, and by then it costs more."""
    return {"K = 16": 5, "K = 128": 8, "never": 9}


multiplier.mistake(
    "Rounded the wrong way: with the last of these kernels the two steps cost more than the standard convolution.",
    {"K = 16": 6},
    {"K = 128": 9},
    {"K = 16": 6, "K = 128": 9},
    when=lambda answer: (answer["K = 16"], answer["K = 128"]) in ((6, 8), (5, 9), (6, 9)),
)
multiplier.mistake(
    "A multiplier of m makes both steps m times as large, so the ratio is m (1/K + 1/k^2).",
    {"K = 16": 9},
    {"K = 16": 9, "K = 128": 9},
    when=lambda answer: answer["K = 16"] >= 9 or answer["K = 128"] >= 9,
)
multiplier.mistake(
    "The first two are right. However many filters there are, 1/K stays above 0. What remains of the ratio when it is "
    "neglected?",
    {"never": 8},
    when=lambda answer: answer["K = 16"] == 5 and answer["K = 128"] == 8,
)
multiplier.hints(
    "Write the ratio with m, and ask for which m it is below 1.",
    "m must stay below 1 / (1/K + 1/9). As K grows, this bound approaches 9 from below.",
)
multiplier.wrong({"K = 16": 1, "K = 128": 1, "never": 1})


def size(net: nn.Module, at_least: int = 1) -> int:
    """The parameters of a network, or only those with so many axes or more."""
    return sum(p.numel() for p in net.parameters() if p.dim() >= at_least)


@judged_model(
    "depthwise_separable/layer",
    "Build the layer",
    input_shape=(2, 16, 11, 12),
    output_shape=(2, 32, 11, 12),
    parameters=16 * 25 + 16 * 32,
)
def layer(net: nn.Module) -> None:
    """912 weights where the standard layer has 12,800: one line of Keras, two of PyTorch."""
    generator = torch.Generator().manual_seed(0)
    for weights in net.parameters():  # a filter of zeros, or one of equal numbers, would hide what the layer does
        weights.data.copy_(torch.randn(weights.shape, generator=generator))
    x = normal(2, 16, 11, 12).float()
    found, of_negative = output(net, x), output(net, -x)
    expect(
        alike(of_negative, -found),
        "The count is right, but something in it bends the numbers: f(-x) is not -f(x). The layer is its two "
        "convolutions alone.",
    )
    kernels = responses(net)
    composed = nn.functional.conv2d(x, kernels, padding=2)
    expect(
        alike(found[..., 2:-2, 2:-2], composed[..., 2:-2, 2:-2]) and kernels[:, :, ::4, ::4].any(),
        "The count is right, but I find no depthwise step with a kernel of 5: an output should see 5 x 5 pixels that "
        "lie side by side, without a dilation, through an nn.Conv2d with as many groups as it has channels.",
    )
    expect(
        alike(found, composed),
        "Right inside and wrong along the border. The padding, of zeros, belongs to the depthwise step; a 1 x 1 kernel "
        "has no use for it.",
    )
    strengths = torch.linalg.svdvals(kernels.flatten(2).transpose(0, 1))  # for each input channel
    expect(
        (strengths[:, 1] < 1e-4 * strengths[:, 0]).all(),
        "The count is right, but the outputs see one input channel through more than one pattern. A depthwise step has "
        "one kernel for each of the 16.",
    )


def alike(one: Tensor, other: Tensor) -> bool:
    """As far as 32 bits tell."""
    return bool((one - other).abs().max() <= 1e-4 * other.abs().max())


def responses(net: nn.Module) -> Tensor:
    """The kernels of a layer that is one convolution, by what it answers to one lit pixel. Shape: -> (32, 16, 5, 5)."""
    points = torch.zeros(16, 16, 11, 12)
    points[range(16), range(16), 5, 6] = 1
    return output(net, points)[:, :, 3:8, 4:9].flip(2, 3).transpose(0, 1)


def two_steps(groups: int = 16, bias: bool = False) -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 16, 5, padding=2, groups=groups, bias=bias), nn.Conv2d(16, 32, 1, bias=bias))


layer.mistake(
    "You have the parameters of a standard convolution. Which argument of nn.Conv2d keeps channels apart?",
    nn.Conv2d(16, 32, 5, padding=2, bias=False),
    when=lambda net: size(net) >= 32 * 16 * 25,
)
layer.mistake(
    "Only the biases are too many: bias=False in both steps.",
    two_steps(bias=True),
    when=lambda net: size(net, at_least=2) == 912,
)
layer.mistake(
    "You mix first, so the depthwise step has 32 channels to filter and not 16.",
    nn.Sequential(nn.Conv2d(16, 32, 1, bias=False), nn.Conv2d(32, 32, 5, padding=2, groups=32, bias=False)),
    when=lambda net: size(net) == 16 * 32 + 32 * 25,
)
layer.hints(
    "Two nn.Conv2d in an nn.Sequential. The first has groups=16 and keeps the 16 channels.",
    "A kernel of 5 needs padding=2 to keep the size; the second kernel is 1 x 1, from 16 to 32.",
)
layer.wrong(nn.Sequential(nn.Conv2d(16, 32, 1)))


class NoDepthwise(nn.Module):
    """The right number of parameters and the right shape, without the right layer."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(16, 25))
        self.mix = nn.Conv2d(16, 32, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x * self.filters.sum(1)[:, None, None])


class TwoPatterns(nn.Module):
    """Its first eight outputs see the channels in another order than the rest: two patterns for each."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv2d(16, 16, 5, padding=2, groups=16, bias=False)
        self.mix = nn.Conv2d(16, 32, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.mix(self.filters(x))[:, :8], self.mix(self.filters(x.flip(1)))[:, 8:]], 1)


def with_options(*between: nn.Module, last: int = 0, **options: Any) -> nn.Module:
    filters = nn.Conv2d(16, 16, 5, groups=16, bias=False, **options)
    return nn.Sequential(filters, *between, nn.Conv2d(16, 32, 1, bias=False, padding=last))


layer.wrong(NoDepthwise, "no depthwise step")
layer.wrong(with_options(padding=4, dilation=2), "without a dilation")
layer.wrong(with_options(nn.ReLU(), nn.Dropout(), padding=2), "bends the numbers")
layer.wrong(nn.Sequential(two_steps(), nn.Sigmoid()), "bends the numbers")
layer.wrong(with_options(last=2), "along the border")
layer.wrong(with_options(padding=2, padding_mode="reflect"), "along the border")
layer.wrong(TwoPatterns, "more than one pattern")
layer.right(two_steps, with_options(padding="same"))


class ByHand(nn.Module):
    """Without nn.Conv2d."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(16, 25))
        self.mix = nn.Linear(16, 32, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        windows = nn.functional.unfold(x, 5, padding=2).unflatten(1, (16, 25))
        maps = torch.einsum("nctp,ct->npc", windows, self.filters)
        return self.mix(maps).transpose(1, 2).unflatten(2, x.shape[2:])


layer.right(ByHand)


def pair(seed: int) -> tuple[Tensor, Tensor]:
    """Weights of both steps with a depth multiplier of 1. Shape: (C, 1, 3, 3), (K, C, 1, 1)."""
    depthwise, pointwise = normals(seed, (4, 1, 3, 3), (6, 4, 1, 1))
    return depthwise, pointwise


@exercise("depthwise_separable/compose", "The kernel of the pair", cases=[pair(0), pair(1)])
def compose(depthwise: Tensor, pointwise: Tensor) -> Tensor:
    """All K kernels hold the same C patterns, each times a number: here 60 numbers stand for 216."""
    return pointwise * depthwise[:, 0]


compose.mistake(
    "The first axis of a kernel counts output channels: K, C, k, k. Yours begins with the input channels.",
    lambda depthwise, pointwise: compose(depthwise, pointwise).transpose(0, 1),
)
compose.mistake(
    "You added up the input channels. The kernel keeps them apart.",
    lambda depthwise, pointwise: compose(depthwise, pointwise).sum(1, keepdim=True),
)
compose.mistake(
    "You turned the kernel, as if it were transposed. Nothing has to be turned.",
    lambda depthwise, pointwise: compose(depthwise, pointwise).flip(2, 3),
)
compose.hints(
    "Entry (k, c, u, v) is the product of one pointwise and one depthwise weight. Which two?",
    "pointwise[k, c, 0, 0] * depthwise[c, 0, u, v]; broadcasting or torch.einsum does all of them.",
)
compose.wrong(lambda depthwise, pointwise: depthwise)
compose.right(lambda depthwise, pointwise: torch.einsum("cuv,kc->kcuv", depthwise[:, 0], pointwise[:, :, 0, 0]))


def nearest(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Shape: (K, C, k, k) -> (K, C, 1, 1), (K, 1, k, k)."""
    left, scale, right = torch.linalg.svd(weight.flatten(2), full_matrices=False)
    return (left[:, :, 0] * scale[:, :1])[:, :, None, None], right[:, :1].unflatten(2, weight.shape[2:])


def lost(found: tuple[Tensor, Tensor], weight: Tensor) -> float:
    pointwise, depthwise = map(as_tensor, found)
    return float((pointwise * depthwise - weight).square().sum() / weight.square().sum())


@judged("depthwise_separable/other-order", "The other order", function=True)
def other_order(answer: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
    """By Eckart and Young no other pair is nearer. Compare what is lost with the usual order, kernel by kernel."""
    weight = normal(6, 4, 3, 3, seed=2)  # no separable pair equals it
    expect(
        [as_tensor(part).shape for part in answer(weight)] == [(6, 4, 1, 1), (6, 1, 3, 3)],
        "Return two tensors: pointwise weights (K, C, 1, 1), then depthwise weights (K, 1, k, k). The depthwise step "
        "comes second now, so it has K channels to filter.",
    )
    depthwise, pointwise = pair(seed=3)
    separable = 5 * pointwise * depthwise.repeat(2, 1, 1, 1)[:6]
    expect(
        lost(answer(separable), separable) < 1e-9,
        "Of a kernel that is a pair in this order to begin with, nothing should be lost, whatever its scale. Is the "
        "singular value in exactly one of the two?",
    )
    yours, least = lost(answer(weight), weight), lost(nearest(weight), weight)
    expect(
        yours < least + 1e-9,
        f"On a random kernel you lose {yours:.0%} of its energy, and {least:.0%} is possible. Each output channel has "
        "a matrix of its own to approximate.",
    )


other_order.hints(
    "Here kernel[k, c] = pointwise[k, c] * depthwise[k]: for each output channel, a matrix C x k k of rank 1.",
    "torch.linalg.svd of weight.flatten(2) does all output channels at once; take the first triple of each.",
)


def by_input_channel(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The usual order: a depthwise kernel for each input channel."""
    pointwise, depthwise = nearest(weight.transpose(0, 1))
    return pointwise.transpose(0, 1), depthwise


other_order.wrong(by_input_channel, "comes second now")
other_order.wrong(lambda weight: (nearest(weight)[0] / 2, nearest(weight)[1]), "whatever its scale")


def first_pattern(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The pattern of the first input channel, and how much of it is in the others."""
    depthwise = weight[:, :1]
    return (weight * depthwise).sum((2, 3), keepdim=True) / depthwise.square().sum((2, 3), keepdim=True), depthwise


other_order.wrong(first_pattern, "is possible")
other_order.right(nearest)

STANDARD_WIDTHS = (16, 16, 32, 32)


@judged("depthwise_separable/budget", "Spend the savings")
def budget(answer: object) -> None:
    """Something below three times as wide in every layer is the end of the road for 3 x 3 kernels: the square root of
    nine, less what the depthwise steps take."""
    widths = as_tensor(answer)
    expect(
        widths.shape == (4,) and (widths == widths.round()).all() and (widths >= 1).all(),
        "Give four whole numbers, the channels after each of the four layers.",
    )
    widths = [int(width) for width in widths]
    takes = sum(9 * before + before * after for before, after in zip((3, *widths), widths))
    allowed = sum(9 * before * after for before, after in zip((3, *STANDARD_WIDTHS), STANDARD_WIDTHS))
    expect(
        takes <= allowed,
        f"That takes {takes:,} weights, more than the {allowed:,} of the standard network. A layer from a to b "
        "channels has 9a + ab.",
    )
    expect(
        all(width >= 2 * standard for width, standard in zip(widths, STANDARD_WIDTHS)),
        f"Within the budget: {takes:,} of {allowed:,} weights. But every layer should have at least twice the channels "
        "of the standard one.",
    )


budget.hints(
    "Try twice the channels everywhere and see what it costs.",
    "From a to b channels, a standard layer has 9ab weights, a separable one 9a + ab.",
)
budget.wrong((16, 16), "four whole numbers")
budget.wrong((16.5, 16, 32, 32), "four whole numbers")
budget.wrong((48, 48, 96, 96), "more than the 16,560")
budget.wrong((16, 16, 32, 32), "at least twice the channels")
budget.wrong((64, 64, 64, 63), "at least twice the channels")
budget.right((32, 32, 64, 128), (32, 32, 64, 64))
