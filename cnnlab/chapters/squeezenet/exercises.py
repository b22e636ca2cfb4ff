"""Exercises of the chapter "SqueezeNet and compression"."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.exercises import as_whole, exercise, expect, judged, output
from cnnlab.exercises.examples import normals

# --- what a fire module costs ---------------------------------------------------------------------------------------


@exercise(
    "squeezenet/fire-parameters",
    "What a fire module costs",
    cases=[(96, 16, 64), (128, 16, 64), (256, 32, 128), (384, 64, 256)],
)
def fire_parameters(channels: int, squeeze: int, expand: int) -> int:
    """11,920 for fire2, as table 1 of the paper prints."""
    return squeeze * (channels + 1) + expand * (squeeze + 1) + expand * (9 * squeeze + 1)


fire_parameters.mistake(
    "The biases are missing: one for each filter, those of the squeeze layer too.",
    lambda c, s, e: s * c + e * s + 9 * e * s,
)
fire_parameters.mistake(
    "The 3 x 3 filters read the squeezed channels, not all that come in; that is strategy 2.",
    lambda c, s, e: s * (c + 1) + e * (s + 1) + e * (9 * c + 1),
    lambda c, s, e: s * (c + 1) + e * (c + 1) + e * (9 * c + 1),
)
fire_parameters.mistake(
    "There are `expand` filters of either size, twice as many in all: half of them 1 x 1, half 3 x 3.",
    lambda c, s, e: s * (c + 1) + e * (9 * s + 1),
    lambda c, s, e: s * (c + 1) + e * (s + 1),
    lambda c, s, e: s * (c + 1) + e // 2 * (s + 1) + e // 2 * (9 * s + 1),
)
fire_parameters.mistake(
    "The squeeze layer has weights too: a 1 x 1 filter over all channels for each of its outputs.",
    lambda c, s, e: e * (s + 1) + e * (9 * s + 1),
)
fire_parameters.hints(
    "Three convolutions: `squeeze` filters of 1 x 1, then `expand` of 1 x 1 and `expand` of 3 x 3 side by side.",
    "A filter of k x k over n channels has k * k * n weights and a bias. The last two kinds read `squeeze` channels.",
)
fire_parameters.wrong(lambda c, s, e: 11_920)


# --- what a codebook saves ------------------------------------------------------------------------------------------


@exercise(
    "squeezenet/codebook-rate",
    "What a codebook saves",
    cases=[(16, 4), (2400, 16), (400_000, 32), (58_000_000, 256)],
)
def codebook_rate(weights: int, entries: int) -> float:
    """3.2 for sixteen weights of four kinds, the example of the paper's section 3; nearly 32 / log2(k) for many."""
    return 32 * weights / (weights * log2(entries) + 32 * entries)


codebook_rate.mistake("The codebook has to be stored too: 32 bits for each of its entries.", lambda n, k: 32 / log2(k))
codebook_rate.mistake("To name one of k entries takes log2(k) bits, not k.", lambda n, k: 32 * n / (n * k + 32 * k))
codebook_rate.mistake(
    "That is the share that is left. How many times smaller is it?",
    lambda n, k: (n * log2(k) + 32 * k) / (32 * n),
)
codebook_rate.mistake("You left out the weights' own numbers: each needs log2(k) bits.", lambda n, k: 32 * n / (32 * k))
codebook_rate.hints(
    "Before: 32 bits a weight. After: a number for each weight, and the list that the numbers point into.",
    "32 n over n log2(k) + 32 k.",
)
codebook_rate.wrong(lambda n, k: 32.0)


# --- Huffman on paper -----------------------------------------------------------------------------------------------


@exercise("squeezenet/huffman", "Codes on paper")
def huffman() -> dict[str, Any]:
    """A fixed length would be 2 bits; an eighth is saved. The limit, the entropy, is 1.74."""
    return {"bits": [1, 2, 3, 3], "mean": 0.5 * 1 + 0.25 * 2 + 0.15 * 3 + 0.1 * 3}


huffman.mistake(
    "Those are codes of one length. Frequent symbols get shorter ones: join the two rarest first.",
    {"bits": [2, 2, 2, 2], "mean": 2.0},
)
huffman.mistake(
    "The lengths are right. In the mean each counts as often as its symbol occurs.",
    {"bits": [1, 2, 3, 3], "mean": 2.25},
)
huffman.mistake(
    "With lengths of 1, 2, 3 and 4 there is room left: the two rarest can both have 3.",
    {"bits": [1, 2, 3, 4], "mean": 0.5 + 0.5 + 0.45 + 0.4},
)
huffman.mistake(
    "The frequent symbol gets the short code, and not the long one.",
    {"bits": [3, 3, 2, 1], "mean": 1.5 + 0.75 + 0.3 + 0.1},
)
huffman.hints(
    "Join the two rarest (15 and 10) to one of 25, then the two rarest of what is left, and so on.",
    "Each time that a symbol is joined its code grows by a bit.",
)
huffman.wrong({"bits": [1, 1, 1, 1], "mean": 1.0})


# --- where the zeros are --------------------------------------------------------------------------------------------


@exercise(
    "squeezenet/distances",
    "Where the weights stand",
    cases=[([1, 4, 15], 8), ([0, 1, 2], 4), ([30], 8), ([7, 8, 24], 8), ([3, 40], 16), ([], 8)],
)
def distances(places: list[int], reach: int) -> list[int]:
    """Each distance of `reach` that was put in is a zero that has to be stored: the price of few bits."""
    found, before = [], -1
    for place in places:
        while place - before > reach:
            found.append(reach)
            before += reach
        found.append(place - before)
        before = place
    return found


def _gaps(places: list[int]) -> list[int]:
    return [place - before for place, before in zip(places, [-1, *places], strict=False)]


distances.mistake(
    "A distance above `reach` does not fit its bits: put a step of `reach` in between, more than one if need be.",
    lambda places, reach: _gaps(places),
)
distances.mistake(
    "A long gap is not cut off but walked: steps of `reach`, and then what is left of it.",
    lambda places, reach: [min(gap, reach) for gap in _gaps(places)],
)
distances.mistake(
    "A distance of exactly `reach` fits; a step is put in only for longer ones.",
    lambda places, reach: [step for gap in _gaps(places) for step in [*[reach] * (gap // reach), gap % reach]],
)
distances.mistake("Those are the places themselves. Store how far each is from the one before.", lambda p, r: p)
distances.hints(
    "Begin at the place before the first weight, -1, so that a weight at 0 has the distance 1.",
    "While the next place is more than `reach` away: append `reach` and move on by it. Then append what is left.",
)
distances.wrong(lambda places, reach: [1] * len(places))


@distances.right
def by_divmod(places: list[int], reach: int) -> list[int]:
    steps = []
    for gap in _gaps(places):
        full, rest = divmod(gap - 1, reach)
        steps += [reach] * full + [rest + 1]
    return steps


# --- channels that go -----------------------------------------------------------------------------------------------


def _pair() -> tuple[nn.Conv2d, nn.Conv2d, Tensor]:
    first, second = nn.Conv2d(2, 6, 3), nn.Conv2d(6, 4, 3)
    values = normals(3, (6, 2, 3, 3), (6,), (4, 6, 3, 3), (4,), (2, 2, 9, 9))
    with torch.no_grad():
        for parameter, value in zip([*first.parameters(), *second.parameters()], values, strict=False):
            parameter.copy_(value)
    return first, second, values[-1].float()


@judged("squeezenet/narrow", "Channels that go", function=True)
def narrow(answer: Callable[..., Any]) -> None:
    """That is all that structural pruning does; `cnnlab.compress.remove_channels` does it through a whole network."""
    first, second, x = _pair()
    kept = [0, 2, 5]
    found = answer(first, second, kept)
    expect(
        isinstance(found, list | tuple) and len(found) == 2 and all(isinstance(one, nn.Conv2d) for one in found),
        "Return the two new convolutions: (first, second).",
    )
    one, two = found
    shapes = [tuple(layer.weight.shape) for layer in (one, two)]
    expect(
        shapes[0] == (3, 2, 3, 3),
        f"The first weight should be (3, 2, 3, 3): three filters stay. Yours is {shapes[0]}.",
    )
    expect(
        shapes[1] == (4, 3, 3, 3),
        f"The second weight should be (4, 3, 3, 3): it reads three channels now. Yours is {shapes[1]}.",
    )
    expect(
        one.bias is not None and two.bias is not None,
        "The biases come along: those of the kept filters, and all of the second.",
    )
    maps = output(first, x)[:, kept]
    expect(
        (output(one, x) - maps).abs().max() < 1e-4, "The kept channels should be what they were, in the order of kept."
    )
    silent = output(first, x).clone()
    silent[:, [1, 3, 4]] = 0
    apart = (output(two, torch.relu(maps)) - output(second, torch.relu(silent))).abs().max()
    expect(apart < 1e-4, "The second layer should read from each kept channel what it read before.")


narrow.hints(
    "A convolution's weight is (channels out, channels in, height, width): cut the first along 0, the second along 1.",
    "new.weight.data = old.weight.data[kept], and for the second old.weight.data[:, kept]; think of the biases.",
)


def _cut(
    first: nn.Conv2d, second: nn.Conv2d, kept: list[int], columns: list[int], bias: bool = True
) -> tuple[Any, Any]:
    one = nn.Conv2d(first.in_channels, len(kept), first.kernel_size, bias=bias)
    two = nn.Conv2d(len(columns), second.out_channels, second.kernel_size, bias=bias)
    one.weight.data, two.weight.data = first.weight.data[kept], second.weight.data[:, columns]
    if bias:
        one.bias.data, two.bias.data = first.bias.data[kept], second.bias.data.clone()
    return one, two


narrow.wrong(lambda first, second, kept: first, "Return the two new")
narrow.wrong(lambda first, second, kept: (first, second), "three filters stay")
narrow.wrong(lambda a, b, kept: _cut(a, b, [0, 1, 2, 3], [0, 1, 2, 3]), "three filters stay")
narrow.wrong(lambda a, b, kept: _cut(a, b, kept, [0, 1, 2, 3, 4, 5]), "reads three channels now")
narrow.wrong(lambda a, b, kept: _cut(a, b, kept, kept, bias=False), "The biases come along")
narrow.wrong(lambda a, b, kept: _cut(a, b, [0, 1, 2], kept), "what they were")
narrow.wrong(lambda a, b, kept: _cut(a, b, kept, [0, 1, 2]), "read from each kept channel")
narrow.right(lambda a, b, kept: _cut(a, b, kept, kept))


# --- a budget -------------------------------------------------------------------------------------------------------

KEYS = ("squeeze", "expand1x1", "expand3x3")


@judged("squeezenet/budget", "A fire module of your own")
def budget(answer: Any) -> None:
    """The paper's own answer is half and half. Which of all these learns best, only training tells."""
    expect(isinstance(answer, dict) and set(answer) == set(KEYS), f"Give a dictionary with the keys {', '.join(KEYS)}.")
    widths = [as_whole(answer[key]) for key in KEYS]
    expect(None not in widths, "Every width is a whole number of 1 or more.")
    squeeze, small, large = widths
    expect(
        small + large == 256, f"Your module puts out {small + large} channels; expand1x1 and expand3x3 must make 256."
    )
    expect(large >= 64, "Keep 64 filters of 3 x 3 or more: without them nothing looks beyond its own pixel.")
    cost = squeeze * 129 + small * (squeeze + 1) + large * (9 * squeeze + 1)
    expect(
        cost <= 30_000,
        f"Your module has {cost:,} parameters, more than 30,000. Which of its three terms is the largest?",
    )


budget.hints(
    "Start from fire4 (32, 128, 128), which has 45,344. The product of squeeze and expand3x3 counts nine times."
)
budget.wrong([32, 128, 128], "a dictionary with the keys")
budget.wrong({"squeeze": 0, "expand1x1": 128, "expand3x3": 128}, "whole number of 1")
budget.wrong({"squeeze": 16, "expand1x1": 64, "expand3x3": 64}, "puts out 128 channels")
budget.wrong({"squeeze": 16, "expand1x1": 224, "expand3x3": 32}, "Keep 64 filters")
budget.wrong({"squeeze": 32, "expand1x1": 128, "expand3x3": 128}, "45,344 parameters")
budget.right({"squeeze": 16, "expand1x1": 128, "expand3x3": 128}, {"squeeze": 24, "expand1x1": 180, "expand3x3": 76})
