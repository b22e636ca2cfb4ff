"""Exercises of the chapter "The zoo"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.exercises import exercise, expect, is_linear, judged_model

Points = list[tuple[float, float]]


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether one pair costs no more, is at least as accurate, and is better in one of the two."""
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@exercise(
    "zoo/frontier",
    "The frontier",
    cases=[
        ([(1.0, 60.0), (2.0, 70.0), (3.0, 65.0)],),
        ([(5.0, 80.0), (1.0, 50.0), (3.0, 80.0), (1.0, 55.0)],),
        ([(2.0, 40.0)],),
        ([(3.0, 50.0), (2.0, 50.0), (1.0, 50.0)],),
        ([(2.0, 70.0), (1.0, 60.0), (2.0, 70.0), (3.0, 60.0)],),
    ],
)
def frontier(points: Points) -> Points:
    """This works for three measures as well; for two, one pass over a sorted list would do."""
    return sorted(pair for pair in points if not any(beats(other, pair) for other in points))


frontier.mistake(
    "The most accurate one is on the frontier, but so is the cheapest: nothing is cheaper than it.",
    lambda points: [max(points, key=lambda pair: pair[1])],
)
frontier.mistake("You sort and keep all. Which of them does a cheaper one beat?", sorted)


@frontier.mistake("Two with the same accuracy: the dearer one is beaten, because the other costs less.")
def ties_stay(points: Points) -> Points:
    kept: Points = []
    for cost, accuracy in sorted(points):
        if not kept or accuracy >= kept[-1][1]:
            kept.append((cost, accuracy))
    return kept


frontier.mistake(
    "Two equal pairs do not beat each other: neither is better in anything. Both stay.",
    lambda points: sorted(set(frontier(points))),
)
frontier.mistake(
    "Two equal pairs do not beat each other: neither is better in anything. You lose both of them.",
    lambda points: [pair for pair in frontier(points) if points.count(pair) == 1],
)
frontier.mistake("The right pairs, but the cheapest should come first.", lambda points: frontier(points)[::-1])
frontier.hints(
    "For each pair, look for another that costs no more, is at least as accurate, and is not equal to it.",
    "beaten = any(o[0] <= p[0] and o[1] >= p[1] and o != p for o in points); keep what is not, and sort.",
)
frontier.wrong(lambda points: points[:1])


@frontier.right
def in_one_pass(points: Points) -> Points:
    kept: Points = []
    for cost, accuracy in sorted(points, key=lambda pair: (pair[0], -pair[1])):
        if not kept or accuracy > kept[-1][1] or (cost, accuracy) == kept[-1]:
            kept.append((cost, accuracy))
    return kept


TOTAL = 138_357_544


@exercise("zoo/dense-share", "Where the parameters sit", tolerance=0.006)
def dense_share() -> float:
    """Nine tenths of VGG-16 sit in layers that an average over each map can replace."""
    return 123_642_856 / TOTAL


dense_share.mistake("That is the share of the convolutions. The question is about the rest.", 14_714_688 / TOTAL)
dense_share.mistake("That is the first dense layer alone; there are two more.", 102_764_544 / TOTAL)
dense_share.mistake(
    "As a fraction between 0 and 1, please.", 12_364_285_600 / TOTAL, 89, when=lambda share: 88.5 < share < 90
)
dense_share.mistake("Right to one decimal; two are asked for.", 0.9)
dense_share.hints(
    "The three layers have 25,088, 4,096 and 4,096 inputs.",
    "Weights and biases: inputs * outputs + outputs, for 4,096, 4,096 and 1,000 outputs.",
)
dense_share.wrong(0.5)
dense_share.right(0.894, 0.89)


def per_byte(channels: int, size: int, kernel: int, depthwise: bool, maps: int = 2, own: bool = True) -> float:
    """MACs for each byte of so many maps and, if they are counted, of the weights."""
    weights = channels * kernel**2 * (1 if depthwise else channels)
    return weights * size**2 / (4 * (maps * channels * size**2 + weights * own))


@exercise(
    "zoo/intensity",
    "Work for each number moved",
    cases=[(256, 14, 3, False), (256, 14, 3, True), (64, 56, 3, False), (32, 112, 5, True)],
)
def intensity(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    """A depthwise layer does one to three products for each byte, an ordinary one dozens."""
    return per_byte(channels, size, kernel, depthwise)


intensity.mistake("Each number takes 4 bytes; you count the numbers.", lambda *layer: 4 * per_byte(*layer))
intensity.mistake("The weights have to be read too: they are moved once.", lambda *layer: per_byte(*layer, own=False))
intensity.mistake(
    "The output is written as well; it is as large as the input.", lambda *layer: per_byte(*layer, maps=1)
)
intensity.mistake(
    "Your function ignores `depthwise`: there each output channel reads one input channel.",
    lambda channels, size, kernel, depthwise: per_byte(channels, size, kernel, False),
)
intensity.hints(
    "MACs are the number of weights times the places of the output, size * size.",
    "Bytes are 4 * (input + output + weights); a depthwise layer has channels * kernel**2 weights.",
)
intensity.wrong(lambda *layer: 1.0)


MOST_PARAMETERS, MOST_MACS = 1_000_000, 100_000_000


def corners_seen(net: nn.Module) -> int:
    """How many of a picture's four corners, 32 pixels each way, the first class depends on."""
    kind = next((own.dtype for own in net.parameters()), torch.float32)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)).to(kind).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[:, 0].sum(), x, allow_unused=True)
    if gradient is None:
        return 0
    corners = [gradient[..., rows, columns] for rows in _ENDS for columns in _ENDS]
    return sum(bool(corner.any()) for corner in corners)


_ENDS = (slice(0, 32), slice(-32, None))


@judged_model("zoo/own", "An animal of your own", input_shape=(2, 3, 224, 224), output_shape=(2, 1000))
def own(net: nn.Module) -> None:
    """It fits a watch. What accuracy it would reach, only training tells: that is why the table has no formula."""
    found = summarize(net, (3, 224, 224))
    expect(
        found.params <= MOST_PARAMETERS,
        f"It has {found.params:,} parameters, and {MOST_PARAMETERS:,} are allowed. Where do most of them sit?",
    )
    expect(
        found.macs <= MOST_MACS,
        f"It takes {found.macs:,} MACs, and {MOST_MACS:,} are allowed. How large are the maps that cost most?",
    )
    seen = corners_seen(net)
    expect(
        seen == 4,
        f"The first class depends on {seen} of the picture's four corners. An average over the last map sees all.",
    )
    expect(
        not is_linear(net, (1, 3, 224, 224)),
        "It is linear from end to end, or constant: a single dense layer could say the same. Put ReLUs in between.",
    )


own.hints(
    "Halve the map early: a stride of 2 at the start takes three quarters of the MACs away from all that follows.",
    "A dense layer from C features to 1000 classes has 1000 C weights. Average the map first, and keep C at 256.",
)


def small(kind: str = "separable", act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Four halvings, each by a separable or a standard layer, then an average and a dense layer."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1), act()]
    for before, after in ((16, 32), (32, 64), (64, 128), (128, 256)):
        if kind == "separable":
            layers += [nn.Conv2d(before, before, 3, 2, 1, groups=before), nn.Conv2d(before, after, 1), act()]
        else:
            layers += [nn.Conv2d(before, after, 3, 2, 1), act()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 1000))


def middle_only() -> nn.Sequential:
    return nn.Sequential(nn.AvgPool2d(32), nn.ReLU(), nn.ZeroPad2d(-3), nn.Flatten(), nn.Linear(3, 1000))


def blurred(*layers: nn.Module) -> nn.Sequential:
    """Averages of 14 by 14 pixels into dense layers."""
    return nn.Sequential(nn.AvgPool2d(14), nn.Flatten(), *layers)


own.wrong(blurred(nn.Linear(768, 2000), nn.ReLU(), nn.Linear(2000, 1000)), "Where do most")
own.wrong(
    nn.Sequential(
        *(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1000)),
    ),
    "cost most",
)
own.wrong(middle_only(), "of the picture's four corners")
own.wrong(small(act=nn.Identity), "linear from end to end")
own.right(small(), small("standard"), small(act=nn.GELU))
