"""Exercises of the chapter "Depthwise separable convolutions"."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cnnlab.exercises.kinds import Condition, Exercise, Hint, Verdict, conditions, function, has_no_body, model, value


def _bill(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    places = (size - kernel + 1) ** 2
    depthwise = places * channels * kernel**2
    pointwise = places * channels * filters
    return depthwise, pointwise, pointwise * kernel**2


def _bill_of_all_pixels(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    return _bill(size + kernel - 1, channels, filters, kernel)


def _bill_of_one_place(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    return _bill(kernel, channels, filters, kernel)


def _bill_with_every_filter(size: int, channels: int, filters: int, kernel: int) -> tuple[int, int, int]:
    depthwise, pointwise, standard = _bill(size, channels, filters, kernel)
    return depthwise * filters, pointwise, standard


def _examples(seed: int = 0) -> tuple[Any, Any]:
    """Weights of both steps with a depth multiplier of 1. Shape: (C, 1, 3, 3), (K, C, 1, 1)"""
    import torch

    generator = torch.Generator().manual_seed(seed)
    shapes = ((4, 1, 3, 3), (6, 4, 1, 1))
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)


def _compose(depthwise: Any, pointwise: Any) -> Any:
    return pointwise * depthwise[:, 0]


def _composed_backward(depthwise: Any, pointwise: Any) -> Any:
    return _compose(depthwise, pointwise).transpose(0, 1)


def _composed_and_summed(depthwise: Any, pointwise: Any) -> Any:
    return _compose(depthwise, pointwise).sum(1, keepdim=True)


def _composed_and_turned(depthwise: Any, pointwise: Any) -> Any:
    return _compose(depthwise, pointwise).flip(2, 3)


def _depthwise_convolutions(network: Any) -> list[Any]:
    from torch import nn

    return [
        m
        for m in network.modules()
        if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1 and tuple(m.kernel_size) == (5, 5)
    ]


# ----- the nearest pair in the other order


def _kernel() -> Any:
    """A standard kernel that no separable pair equals. Shape: (6, 4, 3, 3)"""
    import torch

    return torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def _mixing_first(pointwise: Any, depthwise: Any) -> Any:
    """Shape: (K, C, 1, 1), (K, 1, k, k) -> (K, C, k, k)."""
    return pointwise * depthwise


def _separable_kernel() -> Any:
    depthwise, pointwise = _examples(seed=3)  # (4, 1, 3, 3), (6, 4, 1, 1)
    return _mixing_first(5 * pointwise, depthwise.repeat(2, 1, 1, 1)[:6])


def _lost(pair: Any, kernel: Any) -> float:
    return float((_mixing_first(*pair) - kernel).square().sum() / kernel.square().sum())


def _least_lost(kernel: Any) -> float:
    import torch

    scale = torch.linalg.svdvals(kernel.flatten(2))  # (K, min(C, k k))
    return float(1 - scale[:, 0].square().sum() / scale.square().sum())


def _is_a_pair(answer: Any) -> bool:
    pair = answer(_kernel())
    return len(pair) == 2 and tuple(pair[0].shape) == (6, 4, 1, 1) and tuple(pair[1].shape) == (6, 1, 3, 3)


def _is_nearest(answer: Any) -> bool:
    return _lost(answer(_kernel()), _kernel()) < _least_lost(_kernel()) + 1e-9


_OTHER_ORDER = conditions(
    "depthwise_separable/other-order",
    title="The other order",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            _is_a_pair,
            "Return two tensors: pointwise weights (K, C, 1, 1), then depthwise weights (K, 1, k, k). The depthwise "
            "step comes second now, so it has K channels to filter.",
        ),
        Condition(
            lambda answer: _lost(answer(_separable_kernel()), _separable_kernel()) < 1e-9,
            "Of a kernel that is a pair in this order to begin with, nothing should be lost, whatever its scale. Is "
            "the singular value in exactly one of the two?",
        ),
        Condition(
            _is_nearest,
            lambda answer: (
                f"On a random kernel you lose {_lost(answer(_kernel()), _kernel()):.0%} of its energy, and "
                f"{_least_lost(_kernel()):.0%} is possible. Each output channel has a matrix of its own to approximate."
            ),
        ),
    ),
    hints=(
        Hint(
            "Here kernel[k, c] = pointwise[k, c] * depthwise[k]: for each output channel, a matrix C x k k of rank 1."
        ),
        Hint("torch.linalg.svd of weight.flatten(2) does all output channels at once; take the first triple of each."),
    ),
    success="By Eckart and Young no other pair is nearer. Compare what is lost with the usual order, kernel by kernel.",
)


def _judge_other_order(answer: Any) -> Verdict:
    if callable(answer) and has_no_body(answer):
        return Verdict("blank")
    return _OTHER_ORDER.judge(answer)


# ----- four layers within a budget

_STANDARD_WIDTHS = (16, 16, 32, 32)


def _weights(widths: Any, separable: bool) -> int:
    total = 0
    for before, after in zip((3, *widths), widths):
        total += 9 * before + before * after if separable else 9 * before * after
    return int(total)


_BUDGET = _weights(_STANDARD_WIDTHS, separable=False)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "depthwise_separable/bill",
        title="The bill",
        reference=_bill,
        cases=((6, 3, 5, 3), (12, 3, 128, 5), (5, 1, 1, 5), (14, 64, 32, 3)),
        hints=(
            Hint(
                "You multiply at every pixel of the input. Without padding, the kernel fits at size - kernel + 1 "
                "places along each side.",
                if_like=_bill_of_all_pixels,
            ),
            Hint(
                "That is the bill of one output pixel. At how many places does the kernel stop?",
                if_like=_bill_of_one_place,
            ),
            Hint(
                "You charge the depthwise step for every filter. It has one kernel for each input channel, whatever "
                "comes later.",
                if_like=_bill_with_every_filter,
            ),
            Hint(
                "You have the right numbers in another order: depthwise, pointwise, standard.",
                if_true=lambda answer: sorted(answer(6, 3, 5, 3)) == [240, 432, 2160],
            ),
            Hint("Count for one output pixel first, then multiply by the number of output pixels."),
            Hint("One output pixel: C k k depthwise, C K pointwise, C K k k in a standard convolution."),
        ),
        success="The depthwise step does not depend on K, the pointwise step not on k: that is the whole saving.",
    ),
    value(
        "depthwise_separable/multiplier",
        title="Kernels for each channel",
        expected={"K = 16": 5, "K = 128": 8, "never": 9},
        hints=(
            Hint(
                "A multiplier of m makes both steps m times as large, so the ratio is m (1/K + 1/k^2).",
                if_true=lambda answer: answer["K = 16"] >= 9 or answer["K = 128"] >= 9,
            ),
            Hint(
                "Rounded the wrong way: one kernel more and the two steps cost more than the standard convolution.",
                if_true=lambda answer: answer["K = 16"] == 6,
            ),
            Hint(
                "The first two are right. However many filters there are, 1/K stays above 0. What remains of the ratio "
                "when it is neglected?",
                if_true=lambda answer: answer["K = 16"] == 5 and answer["K = 128"] == 8,
            ),
            Hint("Write the ratio with m, and ask for which m it is below 1."),
            Hint("m must stay below 1 / (1/K + 1/9). As K grows, this bound approaches 9 from below."),
        ),
        success="Nine kernels would make the pair as general as the standard layer, and by then it costs more.",
    ),
    model(
        "depthwise_separable/layer",
        title="Build the layer",
        input_shape=(2, 16, 11, 12),
        output_shape=(2, 32, 11, 12),
        parameters=16 * 25 + 16 * 32,
        requires=(
            Condition(
                lambda network: len(_depthwise_convolutions(network)) == 1,
                "The count is right, but I find no depthwise step: an nn.Conv2d with a kernel of 5 and as many groups "
                "as it has channels.",
            ),
        ),
        hints=(
            Hint(
                "You have the parameters of a standard convolution. Which argument of nn.Conv2d keeps channels apart?",
                if_true=lambda network: sum(p.numel() for p in network.parameters()) >= 32 * 16 * 25,
            ),
            Hint(
                "Only the biases are too many: bias=False in both steps.",
                if_true=lambda network: sum(p.numel() for p in network.parameters() if p.dim() > 1) == 912,
            ),
            Hint(
                "You mix first, so the depthwise step has 32 channels to filter and not 16.",
                if_true=lambda network: sum(p.numel() for p in network.parameters()) == 16 * 32 + 32 * 25,
            ),
            Hint("Two nn.Conv2d in an nn.Sequential. The first has groups=16 and keeps the 16 channels."),
            Hint("A kernel of 5 needs padding=2 to keep the size; the second kernel is 1 x 1, from 16 to 32."),
        ),
        success="912 weights where the standard layer has 12,800: one line of Keras, two of PyTorch.",
    ),
    function(
        "depthwise_separable/compose",
        title="The kernel of the pair",
        reference=_compose,
        cases=(_examples(0), _examples(1)),
        hints=(
            Hint(
                "The first axis of a kernel counts output channels: K, C, k, k. Yours begins with the input channels.",
                if_like=_composed_backward,
            ),
            Hint("You added up the input channels. The kernel keeps them apart.", if_like=_composed_and_summed),
            Hint(
                "You turned the kernel, as if it were transposed. Nothing has to be turned.",
                if_like=_composed_and_turned,
            ),
            Hint("Entry (k, c, u, v) is the product of one pointwise and one depthwise weight. Which two?"),
            Hint("pointwise[k, c, 0, 0] * depthwise[c, 0, u, v]; broadcasting or torch.einsum does all of them."),
        ),
        success="All K kernels hold the same C patterns, each times a number: here 60 numbers stand for 216.",
    ),
    replace(_OTHER_ORDER, judge=_judge_other_order),
    conditions(
        "depthwise_separable/budget",
        title="Spend the savings",
        requires=(
            Condition(
                lambda widths: len(widths) == 4 and all(int(w) == w and w >= 1 for w in widths),
                "Give four whole numbers, the channels after each of the four layers.",
            ),
            Condition(
                lambda widths: _weights(widths, separable=True) <= _BUDGET,
                lambda widths: (
                    f"That takes {_weights(widths, separable=True):,} weights, more than the {_BUDGET:,} of the "
                    "standard network. A layer from a to b channels has 9a + ab."
                ),
            ),
            Condition(
                lambda widths: all(w >= 2 * s for w, s in zip(widths, _STANDARD_WIDTHS)),
                lambda widths: (
                    f"Within the budget: {_weights(widths, separable=True):,} of {_BUDGET:,} weights. But every layer "
                    "should have at least twice the channels of the standard one."
                ),
            ),
        ),
        hints=(
            Hint("Try twice the channels everywhere and see what it costs."),
            Hint("From a to b channels, a standard layer has 9ab weights, a separable one 9a + ab."),
        ),
        success="Something below three times as wide in every layer is the end of the road for 3 x 3 kernels: the "
        "square root of nine, less what the depthwise steps take.",
    ),
)
