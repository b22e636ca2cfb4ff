"""Exercises of the chapter "Design rules"."""

from __future__ import annotations

from math import ceil, floor

import torch
from torch import nn

from cnnlab.exercises import exercise, expect, judged_model


# A base, LeNet-5, AlexNet and VGG-16, and a network that averages its last map.
@exercise(
    "design_rules/two-thirds",
    "What the rule of two thirds weighs",
    cases=[(48, 4, 10), (16, 5, 10), (256, 6, 1000), (512, 7, 1000), (512, 1, 10)],
)
def two_thirds(channels: int, side: int, classes: int) -> int:
    """AlexNet would have 73 million weights there and VGG-16 462 million. Their authors wrote 4096 and had fewer."""
    entering = channels * side * side
    hidden = round(2 * entering / 3) + classes
    return (entering + 1) * hidden + (hidden + 1) * classes


two_thirds.mistake(
    "You left out the biases: one for each hidden unit and one for each class.",
    lambda channels, side, classes: (lambda n, h: n * h + h * classes)(
        channels * side * side, round(2 * channels * side * side / 3) + classes
    ),
)
two_thirds.mistake(
    "That is the first of the two layers. The hidden units lead on to the classes.",
    lambda channels, side, classes: (lambda n, h: (n + 1) * h)(
        channels * side * side, round(2 * channels * side * side / 3) + classes
    ),
)
two_thirds.mistake(
    "That is how many hidden units there are. Each has a weight for every input.",
    lambda channels, side, classes: round(2 * channels * side * side / 3) + classes,
)
two_thirds.mistake(
    "The whole map is flattened: a number for each channel at each of side x side places.",
    lambda channels, side, classes: (lambda n, h: (n + 1) * h + (h + 1) * classes)(
        channels * side, round(2 * channels * side / 3) + classes
    ),
    lambda channels, side, classes: (lambda n, h: (n + 1) * h + (h + 1) * classes)(
        channels, round(2 * channels / 3) + classes
    ),
)
two_thirds.mistake(
    "You took two thirds of inputs and outputs together; the rule adds the outputs whole.",
    lambda channels, side, classes: (lambda n, h: (n + 1) * h + (h + 1) * classes)(
        channels * side * side, round(2 * (channels * side * side + classes) / 3)
    ),
)
two_thirds.hints(
    "First how many numbers enter, channels x side x side; then the hidden units; then two dense layers.",
    "(entering + 1) * hidden + (hidden + 1) * classes.",
)
two_thirds.wrong(lambda channels, side, classes: 420_100)


@exercise("design_rules/level", "What keeps a stage's cost level", cases=[(16, 2), (24, 3), (64, 4), (32, 1)])
def level(channels: int, stride: int) -> int:
    """So doubling at each halving is a rule about cost, and it is exact. That it is also best is another claim."""
    return channels * stride


level.mistake(
    "The places are divided by the stride squared, and so are the multiplications; but a layer of twice the channels "
    "has four times the weights, since it reads twice as many as well.",
    lambda channels, stride: channels * stride**2,
)
level.mistake("Half of the side is a quarter of the places.", lambda channels, stride: channels * stride**0.5)
level.mistake("A smaller map leaves room for more channels, not for fewer.", lambda channels, stride: channels / stride)
level.hints(
    "A layer from C channels to C has 9 C x C weights, each used once at each place.",
    "Places fall by stride squared; C x C must grow by as much: channels * stride.",
)
level.wrong(lambda channels, stride: 10 * stride)
level.right(lambda channels, stride: float(channels * stride))


# A 2 x 2; two of them; odd ones; a pool between; LeNet-like; strides.
@exercise(
    "design_rules/drift",
    "How far the map drifts",
    cases=[
        ([(2, 1)],),
        ([(4, 1), (4, 1)],),
        ([(3, 1), (5, 1)],),
        ([(4, 1), (3, 2), (4, 1)],),
        ([(4, 2), (4, 2), (4, 1)],),
        ([(3, 1), (2, 1), (3, 2), (6, 2), (2, 1)],),
    ],
)
def drift(layers: list[tuple[int, int]]) -> float:
    """An even kernel costs half a step of the map that it reads, and steps grow with every stride."""
    total, jump = 0.0, 1
    for kernel, stride in layers:
        if kernel % 2 == 0:
            total += jump / 2
        jump *= stride
    return total


drift.mistake(
    "Behind a stride a step is wider: half a position of that map is more than half a pixel of the picture.",
    lambda layers: sum(0.5 for kernel, _ in layers if kernel % 2 == 0),
)


@drift.mistake("A layer's own stride spreads its outputs, not its inputs: update the jump after the drift.")
def jump_too_early(layers: list[tuple[int, int]]) -> float:
    total, jump = 0.0, 1
    for kernel, stride in layers:
        jump *= stride
        total += jump / 2 * (kernel % 2 == 0)
    return total


drift.mistake("Half a step for each even kernel, not a whole one.", lambda layers: 2 * drift(layers))
drift.mistake(
    "An odd kernel has a middle, and moves nothing.",
    lambda layers: drift([(2, stride) for _, stride in layers]),
)
drift.hints(
    "Keep two numbers, the drift and the jump, and go through the layers once.",
    "if kernel % 2 == 0: drift += jump / 2; then jump *= stride.",
)
drift.wrong(lambda layers: 9.75)


# (object, field, jump, kernel): nothing seen yet; the base's last map; enough already; exactly; behind three pools.
@exercise(
    "design_rules/layers",
    "Layers until it is seen",
    cases=[
        (9, 1, 1, 3),
        (32, 22, 8, 3),
        (4, 22, 8, 3),
        (30, 14, 8, 3),
        (64, 22, 8, 3),
        (100, 36, 8, 5),
        (12, 1, 1, 5),
    ],
)
def layers(size: int, field: int, jump: int, kernel: int) -> int:
    """Behind three pools a 3 x 3 layer adds 16 pixels, before them 2: shrink early, and few layers see far."""
    return max(0, ceil((size - field) / ((kernel - 1) * jump)))


layers.mistake(
    "Where the field is large enough already, no layer is needed.",
    lambda size, field, jump, kernel: ceil((size - field) / ((kernel - 1) * jump)),
)
layers.mistake(
    "Round up: a layer more than nearly enough.",
    lambda size, field, jump, kernel: max(0, floor((size - field) / ((kernel - 1) * jump))),
)
layers.mistake(
    "A kernel adds its width less one, since it stands on a position that sees already.",
    lambda size, field, jump, kernel: max(0, ceil((size - field) / (kernel * jump))),
)
layers.mistake(
    "A step on this map is `jump` pixels of the picture.",
    lambda size, field, jump, kernel: max(0, ceil((size - field) / (kernel - 1))),
)
layers.mistake(
    "You begin at nothing; `field` pixels are seen already.",
    lambda size, field, jump, kernel: max(0, ceil(size / ((kernel - 1) * jump))),
)
layers.hints(
    "Each layer adds (kernel - 1) * jump pixels. How many are missing?",
    "max(0, math.ceil((size - field) / ((kernel - 1) * jump))).",
)
layers.wrong(lambda size, field, jump, kernel: 40)
layers.right(lambda size, field, jump, kernel: max(0, -((field - size) // ((kernel - 1) * jump))))


@exercise(
    "design_rules/verdict",
    "The verdict of the seeds",
    cases=[
        ([0.5, 0.52, 0.51], [0.48, 0.47, 0.49]),
        ([0.4, 0.42, 0.41], [0.48, 0.47, 0.49]),
        ([0.5, 0.52, 0.48], [0.49, 0.47, 0.46]),
        ([0.6, 0.3, 0.3], [0.5, 0.5, 0.5]),
        ([0.5, 0.5], [0.5, 0.4, 0.4]),
        ([0.47, 0.48], [0.49, 0.50]),
    ],
)
def of_seeds(kept: list[float], broken: list[float]) -> str:
    """The third and the fifth pair touch. Means differ in both; that is what means do."""
    if min(kept) > max(broken):
        return "helps"
    return "harms" if max(kept) < min(broken) else "unclear"


def by_means(kept: list[float], broken: list[float]) -> str:
    ours, theirs = sum(kept) / len(kept), sum(broken) / len(broken)
    return "helps" if ours > theirs else "harms"


of_seeds.mistake("You compare means, which always differ. Ask whether the two ranges meet.", by_means)
of_seeds.mistake(
    "You have harm and help the wrong way round: accuracy is better when it is higher.",
    lambda kept, broken: of_seeds(broken, kept),
)
of_seeds.mistake(
    "Ranges that touch meet: use > and <, not >= and <=.",
    lambda kept, broken: "helps" if min(kept) >= max(broken) else "harms" if max(kept) <= min(broken) else "unclear",
)
of_seeds.mistake(
    "The best run that keeps the rule against the worst that breaks it says nothing: take the worst against the best.",
    lambda kept, broken: "helps" if max(kept) > min(broken) else "harms" if min(kept) < max(broken) else "unclear",
)
of_seeds.hints(
    "The worst of one side against the best of the other, twice.",
    'min(kept) > max(broken) is "helps", max(kept) < min(broken) is "harms".',
)
of_seeds.wrong(lambda kept, broken: "unclear")


@judged_model("design_rules/budget", "A network for a budget", input_shape=(1, 3, 32, 32), output_shape=(1, 10))
def budget(net: nn.Module) -> None:
    """There are many answers. Most put their pools early, take few channels there, and average the last map."""
    from cnnlab.analysis import summarize

    counted = summarize(net, (3, 32, 32))
    expect(counted.macs > 0, "Your network multiplies nothing: it has no layer that learns.")
    expect(
        counted.macs <= 500_000,
        f"Your network has {counted.macs:,} multiply-accumulates; 500,000 are allowed. Where does it have the most?",
    )
    expect(
        counted.params <= 10_000,
        f"Your network has {counted.params:,} weights; 10,000 are allowed. A dense layer on a flattened map is dear.",
    )
    seen = counted.sees
    expect(
        seen is not None,
        "No map with several places is left to ask what it sees. End your network with a convolution, then average.",
    )
    assert seen is not None
    wide = 32 if seen.is_global else min(seen.size)
    expect(
        wide >= 24,
        f"A unit of its last map sees {wide} pixels, and the object has 24. Add a layer behind a pool.",
    )


budget.hints(
    "Halve the map early: a layer on 16 x 16 costs a quarter of one on 32 x 32, and its kernels reach twice as far.",
    "A 3 x 3 layer of 8 channels with a stride of 2, a pool, two layers of 16, a pool, one of 24, and the average. A "
    "ReLU behind each.",
)


def _network(*widths: int, pools: tuple[int, ...] = (0, 1), dense: bool = False) -> nn.Module:
    """A 3 x 3 layer for each width, a pool behind those named, and an average or a flattened map."""
    parts: list[nn.Module] = []
    before, side = 3, 32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for number, width in enumerate(widths):
            parts += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
            if number in pools:
                parts.append(nn.MaxPool2d(2))
                side //= 2
        parts += [nn.Flatten()] if dense else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        parts.append(nn.Linear(before * side * side if dense else before, 10))
    return nn.Sequential(*parts)


def _early() -> nn.Module:
    """The one of the second hint."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shrunk = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        seeing = [nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
        named = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 10)]
        return nn.Sequential(*shrunk, *seeing, nn.MaxPool2d(2), nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), *named)


def _one_place() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 3, 32), nn.Flatten(), nn.Linear(3, 10))


budget.wrong(nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10)), "multiplies nothing")
budget.wrong(_network(16, 32, 32), "500,000 are allowed")
budget.wrong(_network(4, 8, pools=(0,), dense=True), "10,000 are allowed")
budget.wrong(_one_place(), "No map with several places")
budget.wrong(_network(4, 8), "sees 10 pixels")
budget.right(_early(), _network(4, 8, 16, 16))
