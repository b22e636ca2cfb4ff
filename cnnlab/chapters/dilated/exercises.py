"""Exercises of the chapter "Dilated convolutions"."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from math import gcd

import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import as_tensor, close, exercise, expect, judged
from cnnlab.exercises.examples import normals


@exercise(
    "dilated/field",
    "The field of a stack",
    cases=[(3, [1]), (3, [2]), (3, [1, 2, 4]), (5, [3, 3]), (2, [1, 2, 4, 8]), (3, [])],
)
def field(kernel: int, rates: list[int]) -> int:
    """Only the sum of the rates counts for the size; which pixels inside are read is another matter."""
    return 1 + (kernel - 1) * sum(rates)


field.mistake(
    "You multiply the kernel by the rate. Between k taps there are k - 1 gaps.",
    lambda kernel, rates: 1 + sum(kernel * rate for rate in rates),
)
field.mistake(
    "You ignore the rates: each of a layer's k - 1 gaps is as long as its rate.",
    lambda kernel, rates: 1 + (kernel - 1) * len(rates),
)
field.mistake(
    "You forget the pixel in the middle: even no layer at all sees one pixel.",
    lambda kernel, rates: (kernel - 1) * sum(rates),
)
field.mistake(
    "You take the last layer alone; every layer widens the field by its own extent.",
    lambda kernel, rates: 1 + (kernel - 1) * (rates[-1] if rates else 0),
)
field.hints(
    "One layer of rate d spans d(k - 1) + 1 pixels, so it adds d(k - 1) to what was seen before it.",
    "One, plus (kernel - 1) times the sum of the rates.",
)
field.wrong(lambda kernel, rates: 7)


@exercise("dilated/second", "One second of sound")
def second() -> dict[str, int]:
    """WaveNet repeats on purpose: more layers mean more nonlinearity, not only a longer view."""
    return {"doubling": 14, "cycles": 160}


second.mistake("A kernel of two taps has one gap: a layer of rate d adds d samples, not 2d.", {"doubling": 13})
second.mistake("That is the number of cycles. Each has ten layers.", {"cycles": 16})
second.mistake(
    "The doubling stack is right. A cycle adds 1 + 2 + ... + 512 samples; only the very first sample comes on top, and "
    "a part of a cycle is no cycle.",
    {"cycles": 150},
    when=lambda answer: answer["doubling"] == 14,
)
second.hints(
    "With two taps, a stack sees 1 plus the sum of its rates.",
    "Rates 1, 2, ..., 2^(n-1) add up to 2^n - 1, so n layers see 2^n samples; a cycle of ten adds 1023.",
)
second.wrong({"doubling": 16_000, "cycles": 16_000})


@exercise("dilated/pixels", "Count the holes")
def pixels() -> dict[str, int]:
    """Seven pixels of a hundred are read, and next door a second network looks at others."""
    return {"field": 33, "read": 81, "neighbor": 0}


pixels.mistake(
    "A layer of rate 4 adds 2 x 4 pixels to the width of the field.",
    {"field": 13},
    when=lambda answer: answer["field"] != 33,
)
pixels.mistake("You counted as if there were no holes.", {"read": 33 * 33})
pixels.mistake("That is one row of them; there are as many such rows.", {"read": 9})
pixels.mistake("Many of the 6,561 paths end on the same pixel.", {"read": 9**4})
pixels.mistake(
    "The pixel between them is one to the side of a multiple of 4. Do the neighbor's pixels ever meet the first one's?",
    {"neighbor": 72},
    when=lambda answer: answer["neighbor"] != 0,
)
pixels.hints(
    "Every distance that four taps of -4, 0 or 4 add up to is a multiple of 4.",
    "Along one axis the distances are -16, -12, ..., 16.",
)
pixels.wrong({"read": 80})


def reached(rates: list[int]) -> set[int]:
    """The distances from the center that a stack of 3 x 3 layers reads along one axis."""
    found = {0}
    for rate in rates:
        found = {offset + tap for offset in found for tap in (-rate, 0, rate)}
    return found


@exercise(
    "dilated/holes",
    "Holes or none",
    cases=[
        *(([1, 1, 1],), ([2, 2, 2],), ([1, 2, 4],), ([1, 2, 5],), ([2, 3],), ([1, 3, 9],), ([1, 4, 4],)),
        *(([5, 2, 1],), ([1, 2, 9],), ([2, 4, 8],), ([1],), ([1, 1, 4],), ([2, 1, 6, 2],)),
    ],
)
def holes(rates: list[int]) -> bool:
    """Counting works for every kernel and every rate; the rule of the chapter needs no counting."""
    return len(reached(rates)) < 2 * sum(rates) + 1


def by_the_rule(rates: list[int]) -> bool:
    """Whether some rate is larger than the field of those before it."""
    return any(rate > 1 + 2 * sum(rates[:place]) for place, rate in enumerate(rates))


holes.mistake("You answer the opposite question: True means that there are holes.", lambda rates: not holes(rates))
holes.mistake(
    "A common factor does leave holes, but they have other causes too: try [1, 4, 4].", lambda rates: gcd(*rates) > 1
)
holes.mistake(
    "Equal rates are not the trouble: [1, 1, 1] has no holes, and [2, 4, 8] has.",
    lambda rates: len(set(rates)) < len(rates),
)
holes.mistake(
    "The order of the layers makes no difference: [5, 2, 1] reads what [1, 2, 5] reads. Sort first.",
    by_the_rule,
    when=lambda answer: answer([5, 2, 1]) and not answer([1, 2, 5]),
)
holes.mistake(
    "You compare each rate with the one before it. What counts is the field that all the smaller ones together have "
    "filled: [1, 1, 4] has no holes.",
    lambda rates: min(rates) > 1 or any(b > 3 * a for a, b in pairwise(sorted(rates))),
    lambda rates: min(rates) > 1 or any(b > 2 * a + 1 for a, b in pairwise(sorted(rates))),
)
holes.hints(
    "Collect the distances that can be reached along one axis, layer by layer, in a set.",
    "There is no hole if the set has as many members as the field is wide, 2 * sum(rates) + 1.",
)
holes.wrong(lambda rates: False)
holes.right(lambda rates: by_the_rule(sorted(rates)))


@judged("dilated/design", "Four layers of your own")
def design(answer: object) -> None:
    """The widest of all is 1, 3, 9, 27: 81 pixels, each of them reached along exactly one path."""
    rates = as_tensor(answer)
    expect(
        rates.shape == (4,) and (rates == rates.round()).all() and (rates >= 1).all(),
        "Give four whole numbers, each 1 or more: one rate for each layer.",
    )
    rates = [int(rate) for rate in rates]
    wide = field(3, rates)
    expect(
        not holes(rates),
        f"There are holes: along one axis it reads {len(reached(rates))} of the {wide} pixels. Sort the rates. Does "
        "each stay within the field of those before it?",
    )
    expect(
        wide > 31, f"No holes, but the field is {wide} pixels wide, and 1, 2, 4, 8 has 31. Which rate could be larger?"
    )


design.hints(
    "The largest rate may be as large as the field of the other three together.",
    "After 1 the field is 3 pixels wide, so the next rate may be 3. How wide is the field then?",
)
design.wrong((1, 2, 4), "four whole numbers")
design.wrong((1, 2, 4, 8.5), "four whole numbers")
design.wrong((2, 2, 2, 2), "There are holes")
design.wrong((1, 3, 9, 28), "within the field")
design.wrong((1, 2, 4, 8), "Which rate could be larger")
design.right((1, 3, 9, 27), (9, 1, 2, 5))


def strided(x: Tensor, first: Tensor, second: Tensor, stride: int = 2) -> Tensor:
    return F.conv2d(F.conv2d(x, first, stride=stride, padding=1), second, padding=1)


def stack(height: int, width: int) -> list[Tensor]:
    """Pictures and the weights of two layers."""
    return normals(0, (2, 3, height, width), (4, 3, 3, 3), (5, 4, 3, 3))


@judged("dilated/dense", "Trade the stride", function=True)
def dense(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Four times as many answers from the same weights: this is how DeepLab made a classifier segment."""
    stacks = [stack(8, 10), stack(9, 7)]
    found = [as_tensor(answer(*layers)) for layers in stacks]
    expect(
        all(maps.shape == (2, 5, *x.shape[2:]) for maps, (x, *_) in zip(found, stacks)),
        "The output must be as high and wide as x, with the channels of the second layer. Which paddings keep it?",
    )
    expect(
        not close(found[0], strided(*stacks[0], stride=1)),
        "You left the stride out, and now the second layer's taps lie on pixels where they never lay before. How far "
        "apart, in pixels of x, were they?",
    )
    expect(
        all(close(maps[..., ::2, ::2], strided(*layers)) for maps, layers in zip(found, stacks)),
        "Every second row and column of your answer must be exactly what the two layers with the stride give.",
    )
    # What lies between is what the network with the stride says of the picture moved by a pixel.
    x, first, second = stack(16, 16)
    maps = as_tensor(answer(x, first, second))
    between = [
        (maps[..., down::2, right::2], strided(x.roll((-down, -right), (-2, -1)), first, second))
        for down, right in product((0, 1), repeat=2)
    ]
    expect(
        all(close(one[..., 2:-2, 2:-2], moved[..., 2:-2, 2:-2]) for one, moved in between),
        "Right where the network with the stride answers, and wrong between. Copying or resizing its answers adds "
        "none: no weight may see pixels that it would not see at that place.",
    )


def resized(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    return strided(x, first, second).repeat_interleave(2, -1).repeat_interleave(2, -2)[..., : x.shape[2], : x.shape[3]]


def dilate(x: Tensor, first: Tensor, second: Tensor, rate: int = 1) -> Tensor:
    return F.conv2d(F.conv2d(x, first, padding=rate, dilation=rate), second, padding=2, dilation=2)


def wrong_in_odd_columns(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Right in even rows and columns, and where both are odd."""
    maps = dilate(x, first, second)
    maps[..., ::2, 1::2] = maps[..., ::2, ::2][..., : maps[..., 1::2].shape[-1]]
    return maps


dense.hints(
    "With the stride, neighbors in the second layer's input are 2 pixels of x apart. Keep them so.",
    "The first layer loses its stride; the second gets dilation=2 and, to keep the size, padding=2.",
)
dense.wrong(strided, "as high and wide")
dense.wrong(lambda *layers: strided(*layers, stride=1), "left the stride out")
dense.wrong(lambda *layers: dilate(*layers, rate=2), "Every second row")
dense.wrong(resized, "wrong between")
dense.wrong(wrong_in_odd_columns, "wrong between")
dense.right(dilate)
