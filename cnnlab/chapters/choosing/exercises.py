"""Exercises of the chapter "Choosing a convolution"."""

from __future__ import annotations

import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.exercises import exercise, expect, judged_model

SEPARABLE = "depthwise separable"


@exercise("choosing/budget", "Spend thirty million")
def budget() -> dict[str, int]:
    """For the same MACs you get almost three times as many channels, and almost three times the memory."""
    return {"standard": 64, SEPARABLE: 184}


budget.mistake(
    "That is over the budget. The number is to be the largest multiple of 8 that stays at 30 million or below.",
    {"standard": 72},
    {SEPARABLE: 192},
    when=lambda answer: answer["standard"] > 64 or answer[SEPARABLE] > 184,
)
budget.mistake(
    "You divided the budget by 9 and by 784 and took the root, which is right for the standard one. The separable one "
    "has the root of another equation: C² + 9C.",
    {SEPARABLE: 64},
    when=lambda answer: answer["standard"] == 64 and answer[SEPARABLE] == 64,
)
budget.mistake("A multiple of 8 is wanted.", {SEPARABLE: 181}, when=lambda answer: any(n % 8 for n in answer.values()))
budget.mistake(
    "More channels still fit.", {"standard": 56, SEPARABLE: 176}, when=lambda answer: min(answer.values()) > 0
)
budget.hints(
    "With C channels in and out, the standard layer has 784 · 9 · C² MACs.",
    "The separable one has 784 · (9 C + C²). Try multiples of 8 in a loop.",
)
budget.wrong({"standard": 0})


@exercise("choosing/bound", "Under the slope or under the flat roof")
def bound() -> dict[str, bool]:
    """Only the standard and the grouped one reach the flat roof. Early layers are like that."""
    memory = ("pointwise", "flattened", "depthwise", SEPARABLE)
    return {"standard": False, "grouped": False, **dict.fromkeys(memory, True)}


bound.mistake(
    "The pointwise one is the surprise: 32 channels are so few that each number fetched is used only 32 times, for "
    "eight bytes read and written.",
    {"pointwise": False},
)
bound.mistake(
    "You call all of them bound by memory. The standard one uses every number it fetches 288 times.",
    {"standard": True, "grouped": True},
    when=lambda answer: all(answer.values()),
)
bound.mistake(
    "Mind which way: True means that memory is the limit, so that its MACs per byte are below 5.",
    {"standard": True, "depthwise": False},
)
bound.mistake(
    "Two operators, one after the other, have the MACs of both and the traffic of both: count the map in between as "
    "well.",
    {SEPARABLE: False},
    {"flattened": False},
)
bound.hints(
    "The machine can do 100 / 20 = 5 MACs in the time of one byte. Compare each row with that.",
    "compare_convolutions(32, 32, 3, 224, measure=False) prints the MACs per byte.",
)
bound.wrong({"standard": True})


def per_byte(channels: int, kernel: int, size: int, groups: int, maps: int = 2, own: bool = True) -> float:
    """MACs for each byte of so many maps and, if they are counted, of the weights."""
    weights = channels * channels * kernel**2 / groups
    return weights * size**2 / (4 * (maps * channels * size**2 + weights * own))


@exercise(
    "choosing/intensity",
    "MACs per byte",
    cases=[(128, 3, 56, 1), (128, 3, 56, 4), (128, 3, 56, 128), (512, 3, 7, 1), (64, 1, 28, 1), (96, 7, 14, 96)],
)
def intensity(channels: int, kernel: int, size: int, groups: int) -> float:
    """As the groups go up to C it falls to k² / 8, whatever the channels: 1.125 for a 3 × 3 depthwise one."""
    return per_byte(channels, kernel, size, groups)


intensity.mistake("You count numbers. A 32-bit number is four bytes.", lambda *layer: 4 * per_byte(*layer))
intensity.mistake(
    "The weights have to be read too; at 7 × 7 pixels they are most of it.", lambda *layer: per_byte(*layer, own=False)
)
intensity.mistake("The result has to be written as well as the input read.", lambda *layer: per_byte(*layer, maps=1))
intensity.mistake(
    "With groups, an output channel has weights for C / g input channels only.",
    lambda channels, kernel, size, groups: per_byte(channels, kernel, size, 1),
)
intensity.hints(
    "Count the MACs, then the bytes: input, weights and output, four bytes a number.",
    "weights = C · C · k² / g; MACs = weights · n²; bytes = 4 · (2 · C · n² + weights).",
)
intensity.wrong(lambda *layer: 1.0)


@exercise("choosing/scenario", "Four clients")
def scenario() -> dict[str, str]:
    """Three were decided by what the task demands, and only one by a budget. It is often so."""
    return {"phone": SEPARABLE, "outline": "dilated", "gesture": "(2+1)D", "many": "pointwise"}


scenario.mistake(
    "A stride, and with it a smaller map, is what the second client cannot use. Which convolution sees far and keeps "
    "the map?",
    {"outline": "standard"},
    when=lambda answer: answer["outline"] != "dilated",
)
scenario.mistake(
    "3D would do for the gestures. Of the two that look at time, which has a nonlinear function more, for the same "
    "parameters?",
    {"gesture": "3D"},
)
scenario.mistake(
    "Frame by frame a swipe to the left looks like one to the right. Who looks at time?",
    {"gesture": "depthwise"},
    when=lambda answer: answer["gesture"] != "(2+1)D",
)
scenario.mistake(
    "Nothing has to be looked at around a pixel there; only the number of channels is to fall.",
    {"many": "grouped"},
    when=lambda answer: answer["many"] != "pointwise",
)
scenario.mistake("On its own it keeps every channel apart, and nothing ever mixes them.", {"phone": "depthwise"})
scenario.hints(
    "Ask recommend(...) with the needs of each client.",
    'recommend("budget"), recommend("far"), recommend("frames"), recommend("mix").',
)
scenario.wrong({"phone": "grouped"})


def channels_seen(net: nn.Module) -> int:
    """The least number of input channels that some output channel depends on."""
    x = torch.randn(16, 64, 15, 15, generator=torch.Generator().manual_seed(0))
    x = x.to(next(net.parameters(), x)).requires_grad_()
    y = net(x)[..., 7, 7].sum(0)  # (64,)
    least = 64
    for k in range(64):
        (gradient,) = torch.autograd.grad(y[k], x, retain_graph=True, allow_unused=True)
        seen = 0 if gradient is None else int((gradient.abs().amax((0, 2, 3)) > 0).sum())
        least = min(least, seen)
    return least


@judged_model("choosing/block", "A block of your own", input_shape=(2, 64, 28, 28), output_shape=(2, 64, 28, 28))
def block(net: nn.Module) -> None:
    """Looking far and mixing widely are cheap apart. Together, as one 7 × 7 layer, they would be 200,704."""
    found = summarize(net, (64, 28, 28))
    expect(
        found.params <= 12_000,
        f"It has {found.params:,} parameters, and 12,000 are allowed. A standard 3 × 3 layer alone has 36,864.",
    )
    expect(found.macs <= 9_000_000, f"It takes {found.macs:,} MACs, and 9,000,000 are allowed.")
    seen = found.layers[0].receptive_field
    field = 28 if seen is None or seen.size is None else min(seen.size)
    expect(
        field >= 7,
        f"An output sees {field} pixels across, and 7 are wanted: one large kernel, several small ones, or holes.",
    )
    channels = channels_seen(net)
    expect(
        channels == 64,
        f"Some output channel depends on {channels} of the 64 input channels only. What mixes channels for the least?",
    )


block.hints(
    "A pointwise convolution mixes all channels for 64 · 64 weights. How many are then left?",
    "A depthwise convolution with a 7 × 7 kernel has 64 · 49 weights.",
)


def depthwise(kernel: int, then: nn.Module | None = None) -> nn.Sequential:
    first = nn.Conv2d(64, 64, kernel, padding=kernel // 2, groups=64, bias=False)
    return nn.Sequential(first, nn.ReLU() if then is None else then)


block.wrong(nn.Conv2d(64, 64, 3, padding=1), "12,000 are allowed")
block.wrong(nn.Sequential(*(depthwise(3) for _ in range(20))), "9,000,000 are allowed")
block.wrong(depthwise(3, nn.Conv2d(64, 64, 1)), "3 pixels across")
block.wrong(depthwise(7), "1 of the 64")
block.wrong(depthwise(7, nn.Conv2d(64, 64, 1, groups=4)), "16 of the 64")
block.right(
    depthwise(7, nn.Conv2d(64, 64, 1)),
    lambda: nn.Sequential(*(depthwise(3, nn.Identity()) for _ in range(3)), nn.Conv2d(64, 64, 1)),
)
