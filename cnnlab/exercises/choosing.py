"""Exercises of the chapter "Choosing a convolution"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.kinds import Condition, Exercise, Hint, function, model, value

_SEPARABLE = "depthwise separable"


def _intensity(channels: int, kernel: int, size: int, groups: int) -> float:
    weights = channels * channels * kernel**2 / groups
    pixels = channels * size**2
    return weights * size**2 / (4 * (2 * pixels + weights))


def _without_weights(channels: int, kernel: int, size: int, groups: int) -> float:
    return channels * kernel**2 / groups / 8


def _only_read(channels: int, kernel: int, size: int, groups: int) -> float:
    weights = channels * channels * kernel**2 / groups
    return weights * size**2 / (4 * (channels * size**2 + weights))


def _numbers_not_bytes(channels: int, kernel: int, size: int, groups: int) -> float:
    return 4 * _intensity(channels, kernel, size, groups)


def _groups_ignored(channels: int, kernel: int, size: int, groups: int) -> float:
    return _intensity(channels, kernel, size, 1)


# ----- a block under constraints


def _summary(net: Any) -> Any:
    from cnnlab.analysis import summarize

    return summarize(net, (64, 28, 28))


def _field(net: Any) -> int:
    seen = _summary(net).layers[0].receptive_field
    return 28 if seen is None or seen.size is None else min(seen.size)


def _channels_seen(net: Any) -> int:
    """The least number of input channels that some output channel depends on."""
    import torch

    net = net.eval()
    x = torch.randn(16, 64, 15, 15, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = net(x)[..., 7, 7].sum(0)  # (64,)
    least = 64
    for k in range(64):
        (gradient,) = torch.autograd.grad(y[k], x, retain_graph=True, allow_unused=True)
        seen = 0 if gradient is None else int((gradient.abs().amax((0, 2, 3)) > 0).sum())
        least = min(least, seen)
    return least


EXERCISES: tuple[Exercise, ...] = (
    value(
        "choosing/budget",
        title="Spend thirty million",
        expected={"standard": 64, _SEPARABLE: 184},
        hints=(
            Hint(
                "That is over the budget. The number is to be the largest multiple of 8 that stays at 30 million or "
                "below.",
                if_true=lambda answer: answer["standard"] > 64 or answer[_SEPARABLE] > 184,
            ),
            Hint(
                "You divided the budget by 9 and by 784 and took the root, which is right for the standard one. The "
                "separable one has the root of another equation: C² + 9C.",
                if_true=lambda answer: answer["standard"] == 64 and answer[_SEPARABLE] == 64,
            ),
            Hint("A multiple of 8 is wanted.", if_true=lambda answer: any(n % 8 for n in answer.values())),
            Hint("More channels still fit.", if_true=lambda answer: min(answer.values()) > 0),
            Hint("With C channels in and out, the standard layer has 784 · 9 · C² MACs."),
            Hint("The separable one has 784 · (9 C + C²). Try multiples of 8 in a loop."),
        ),
        success="For the same MACs you get almost three times as many channels, and almost three times the memory.",
    ),
    value(
        "choosing/bound",
        title="Under the slope or under the flat roof",
        expected={
            "standard": False,
            "pointwise": True,
            "grouped": False,
            "flattened": True,
            "depthwise": True,
            _SEPARABLE: True,
        },
        hints=(
            Hint(
                "The pointwise one is the surprise: 32 channels are so few that each number fetched is used only 32 "
                "times, for eight bytes read and written.",
                if_true=lambda answer: answer["pointwise"] is False,
            ),
            Hint(
                "You call all of them bound by memory. The standard one uses every number it fetches 288 times.",
                if_true=lambda answer: all(answer.values()),
            ),
            Hint(
                "Mind which way: True means that memory is the limit, so that its MACs per byte are below 5.",
                if_true=lambda answer: answer["standard"] is True and answer["depthwise"] is False,
            ),
            Hint(
                "Two operators, one after the other, have the MACs of both and the traffic of both: count the map in "
                "between as well.",
                if_true=lambda answer: answer[_SEPARABLE] is False or answer["flattened"] is False,
            ),
            Hint("The machine can do 100 / 20 = 5 MACs in the time of one byte. Compare each row with that."),
            Hint("compare_convolutions(32, 32, 3, 224, measure=False) prints the MACs per byte."),
        ),
        success="Only the standard and the grouped one reach the flat roof. Early layers are like that.",
    ),
    function(
        "choosing/intensity",
        title="MACs per byte",
        reference=_intensity,
        cases=((128, 3, 56, 1), (128, 3, 56, 4), (128, 3, 56, 128), (512, 3, 7, 1), (64, 1, 28, 1), (96, 7, 14, 96)),
        hints=(
            Hint(
                "You count numbers. A 32-bit number is four bytes.",
                if_like=_numbers_not_bytes,
            ),
            Hint("The weights have to be read too; at 7 × 7 pixels they are most of it.", if_like=_without_weights),
            Hint("The result has to be written as well as the input read.", if_like=_only_read),
            Hint("With groups, an output channel has weights for C / g input channels only.", if_like=_groups_ignored),
            Hint("Count the MACs, then the bytes: input, weights and output, four bytes a number."),
            Hint("weights = C · C · k² / g; MACs = weights · n²; bytes = 4 · (2 · C · n² + weights)."),
        ),
        success="As the groups go up to C it falls to k² / 8, whatever the channels: 1.125 for a 3 × 3 depthwise one.",
    ),
    value(
        "choosing/scenario",
        title="Four clients",
        expected={"phone": _SEPARABLE, "outline": "dilated", "gesture": "(2+1)D", "many": "pointwise"},
        hints=(
            Hint(
                "A stride, and with it a smaller map, is what the second client cannot use. Which convolution sees far "
                "and keeps the map?",
                if_true=lambda answer: answer["outline"] != "dilated",
            ),
            Hint(
                "3D would do for the gestures. Of the two that look at time, which has a nonlinear function more, for "
                "the same parameters?",
                if_true=lambda answer: answer["gesture"] == "3D",
            ),
            Hint(
                "Frame by frame a swipe to the left looks like one to the right. Who looks at time?",
                if_true=lambda answer: answer["gesture"] != "(2+1)D",
            ),
            Hint(
                "Nothing has to be looked at around a pixel there; only the number of channels is to fall.",
                if_true=lambda answer: answer["many"] != "pointwise",
            ),
            Hint(
                "On its own it keeps every channel apart, and nothing ever mixes them.",
                if_true=lambda answer: answer["phone"] == "depthwise",
            ),
            Hint("Ask recommend(...) with the needs of each client."),
            Hint('recommend("budget"), recommend("far"), recommend("frames"), recommend("mix").'),
        ),
        success="Three were decided by what the task demands, and only one by a budget. It is often so.",
    ),
    model(
        "choosing/block",
        title="A block of your own",
        input_shape=(2, 64, 28, 28),
        output_shape=(2, 64, 28, 28),
        requires=(
            Condition(
                lambda net: _summary(net).params <= 12_000,
                lambda net: (
                    f"It has {_summary(net).params:,} parameters, and 12,000 are allowed. A standard 3 × 3 layer alone "
                    "has 36,864."
                ),
            ),
            Condition(
                lambda net: _summary(net).macs <= 9_000_000,
                lambda net: f"It takes {_summary(net).macs:,} MACs, and 9,000,000 are allowed.",
            ),
            Condition(
                lambda net: _field(net) >= 7,
                lambda net: (
                    f"An output sees {_field(net)} pixels across, and 7 are wanted: one large kernel, several small "
                    "ones, or holes."
                ),
            ),
            Condition(
                lambda net: _channels_seen(net) == 64,
                lambda net: (
                    f"Some output channel depends on {_channels_seen(net)} of the 64 input channels only. What mixes "
                    "channels for the least?"
                ),
            ),
        ),
        hints=(
            Hint("A pointwise convolution mixes all channels for 64 · 64 weights. How many are then left?"),
            Hint("A depthwise convolution with a 7 × 7 kernel has 64 · 49 weights."),
        ),
        success="Looking far and mixing widely are cheap apart. Together, as one 7 × 7 layer, they would be 200,704.",
    ),
)
