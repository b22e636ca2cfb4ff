"""Exercises of the chapter "Beyond ResNet"."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, exercise, expect, judged


@exercise(
    "beyond_resnet/road",
    "What the road delivers",
    cases=[([0.5] * 54,), ([1.0] * 54,), ([0.9] * 10,), ([0.5, 2.0, 0.5],), ([1.0, 1.0, 0.25, 1.0],), ([],)],
)
def road(factors: list[float]) -> float:
    """One factor of 0 closes the road, and fifty-four of 0.5 very nearly do."""
    return math.prod(factors)


road.mistake(
    "You add the factors up. Behind each block the signal is multiplied again.", lambda factors: float(sum(factors))
)
road.mistake(
    "You take all factors to be the first one.", lambda factors: factors[0] ** len(factors) if factors else 1.0
)
road.mistake(
    "You look at a single block. What comes out of it is what the next one gets.",
    lambda factors: factors[-1] if factors else 1.0,
    lambda factors: min(factors, default=1.0),
)
road.mistake(
    "Without a block nothing happens to the gradient: the empty product is 1.",
    lambda factors: math.prod(factors) if factors else 0.0,
)
road.hints(
    "With F left out, a block hands on its factor times what it gets. Chain two of them.",
    "The product of all factors; math.prod does it.",
)
road.wrong(lambda factors: 0.5)


@exercise("beyond_resnet/wider", "Four times as wide")
def wider() -> dict[str, int]:
    """Work grows with the square of the width and what is stored with the width itself, which suits a processor."""
    return {"weights": 16, "macs": 16, "maps": 4}


wider.mistake("Each of four times as many filters also reads four times as many channels.", {"weights": 4}, {"macs": 4})
wider.mistake("The maps are stored once for each channel, and there are four times as many.", {"maps": 16})
wider.mistake("A weight is used at every place of the map, and the map is as large as before.", {"macs": 64})
wider.hints(
    "A 3 x 3 convolution from C to C channels has 9 C² weights. Put in 16, and then 64.",
    "The weights grow by 4², each is used as often as before, and there are 4 times as many maps.",
)
wider.wrong({"weights": 1, "macs": 1, "maps": 1})


def fits(channels: int, paths: int, weights: int, count: Callable[[int], int]) -> int:
    """The widest path whose block has at most ``weights``, by a way to count them."""
    width = 0
    while count(width + 1) <= weights:
        width += 1
    return width


@exercise(
    "beyond_resnet/paths",
    "As many weights, more paths",
    cases=[
        *((256, paths, 71_500) for paths in (1, 2, 4, 8, 32)),
        *((64, 4, 4_400), (64, 32, 4_400), (64, 1, 4_351), (16, 4, 100)),
    ],
)
def path_width(channels: int, paths: int, weights: int) -> int:
    """It is how table 2 of the paper was made: 64, 40, 24, 14 and 4 channels for 1, 2, 4, 8 and 32 paths."""
    return fits(channels, paths, weights, lambda d: paths * (2 * channels * d + 9 * d * d))


path_width.mistake(
    "A path has two 1 x 1 convolutions: one goes down to d channels, the other up again.",
    lambda channels, paths, weights: fits(channels, paths, weights, lambda d: paths * (channels * d + 9 * d * d)),
)
path_width.mistake(
    "Your 3 x 3 reads the channels of all paths. Each reads its own d.",
    lambda channels, paths, weights: fits(
        channels, paths, weights, lambda d: 2 * channels * paths * d + 9 * (paths * d) ** 2
    ),
)
path_width.mistake(
    "There are as many such paths as you were told; you spent everything on one.",
    lambda channels, paths, weights: path_width(channels, 1, weights),
)
path_width.mistake(
    "One channel too many: at most so many weights, so round down.",
    lambda channels, paths, weights: path_width(channels, paths, weights) + 1,
)
path_width.mistake(
    "A 3 x 3 kernel has nine weights for each pair of channels.",
    lambda channels, paths, weights: fits(channels, paths, weights, lambda d: paths * (2 * channels * d + d * d)),
)
path_width.hints(
    "One path: channels x d weights down, 9 d² in the middle, d x channels up.",
    "Count up from d = 1 while paths x (2 x channels x d + 9 x d²) still fits.",
)
path_width.wrong(lambda channels, paths, weights: 64)


@path_width.right
def by_the_formula(channels: int, paths: int, weights: int) -> int:
    return int((-channels + math.isqrt(channels**2 + 9 * (weights // paths))) // 9)


@exercise(
    "beyond_resnet/expected-depth",
    "How deep is it on average?",
    cases=[(54, 0.5), (54, 1.0), (16, 0.5), (3, 0.0), (10, 0.8), (1, 0.5)],
)
def expected_depth(blocks: int, last: float) -> float:
    """With 54 blocks and 0.5 it is 40.25: a quarter of the work of training is saved, and nothing in evaluation."""
    return sum(1 - number / blocks * (1 - last) for number in range(1, blocks + 1))


expected_depth.mistake(
    "All your blocks survive equally often. The first ones nearly always do.", lambda blocks, last: blocks * last
)
expected_depth.mistake(
    "You count blocks from 0; in the paper the first has l = 1 and the last, l = L, gets the last probability.",
    lambda blocks, last: sum(1 - number / blocks * (1 - last) for number in range(blocks)),
)
expected_depth.mistake(
    "Your first block always survives. In the paper l = 0 is the input, and block 1 is dropped now and then.",
    lambda blocks, last: sum(1 - number / max(blocks - 1, 1) * (1 - last) for number in range(blocks)),
)
expected_depth.mistake(
    "That is how many blocks are left out on average.",
    lambda blocks, last: sum(number / blocks * (1 - last) for number in range(1, blocks + 1)),
)
expected_depth.mistake(
    "You give the last block's probability as the chance to be dropped; it is the chance to survive.",
    lambda blocks, last: sum(1 - number / blocks * last for number in range(1, blocks + 1)),
)
expected_depth.hints(
    "The expected number of blocks is the sum of their probabilities to survive.",
    "Block l of L survives with 1 - l / L x (1 - last); sum that for l = 1 ... L.",
)
expected_depth.wrong(lambda blocks, last: float(blocks))


@expected_depth.right
def in_one_line(blocks: int, last: float) -> float:
    return blocks - (blocks + 1) / 2 * (1 - last)


def double(x: Tensor) -> Tensor:
    return 2 * x


@judged("beyond_resnet/stochastic", "A block that is sometimes missing", function=True)
def stochastic(answer: Callable[..., Tensor]) -> None:
    """In training a shorter network each time, in evaluation the whole one, each branch at its average share."""
    x = torch.tensor([[1.0, -2.0, 3.0]])
    for keep in (0.25, 0.8):
        still = as_tensor(answer(x.clone(), double, keep, False)).double()
        expect(
            not torch.allclose(still, (x + double(x)).double()),
            "In evaluation the branch comes at its average share: keep x F(x), not all of F(x).",
        )
        expect(
            not torch.allclose(still, (keep * (x + double(x))).double()),
            "The share belongs to the branch alone. x is there in every step of training.",
        )
        expect(torch.allclose(still, (x + keep * double(x)).double()), "In evaluation: x + keep x F(x), nothing drawn.")
    asked = 0

    def counted(own: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return double(own)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        steps = [as_tensor(answer(x.clone(), counted, 0.8, True)).double() for _ in range(600)]
    whole = sum(torch.allclose(step, (x + double(x)).double()) for step in steps)
    past = sum(torch.allclose(step, x.double()) for step in steps)
    expect(
        not all(torch.allclose(step, steps[0]) for step in steps),
        "Six hundred steps of training gave one and the same result. Something is drawn at each step.",
    )
    expect(
        whole + past == len(steps),
        "In training a step gives x + F(x), or x where the block is left out: the whole branch or none of it.",
    )
    expect(
        not 60 < whole < 180,
        "You keep the branch as often as it should be dropped: keep is the probability to survive.",
    )
    expect(420 < whole < 540, f"With keep = 0.8, of 600 steps about 480 should have the branch; yours had {whole}.")
    expect(
        asked == whole,
        "You compute F also where it is then left out. What saves time in training is not to call it.",
    )


stochastic.hints(
    "Three cases: evaluation, a step of training that keeps the branch, a step that does not.",
    "In training torch.rand(1) < keep decides between x + branch(x) and x; else x + keep * branch(x).",
)


def as_in_the_paper(x: Tensor, branch: Callable[[Tensor], Tensor], keep: float, training: bool) -> Tensor:
    if not training:
        return x + keep * branch(x)
    return x + branch(x) if torch.rand(1) < keep else x


def drawn_first(x: Tensor, branch: Callable[[Tensor], Tensor], keep: float, training: bool) -> Tensor:
    if training and torch.bernoulli(torch.tensor(1 - keep)):
        return x
    return x + branch(x) * (1 if training else keep)


stochastic.right(as_in_the_paper, drawn_first)
stochastic.wrong(
    lambda x, f, keep, training: x + f(x) if not training else as_in_the_paper(x, f, keep, True), "not all"
)
stochastic.wrong(
    lambda x, f, keep, training: as_in_the_paper(x, f, keep, True) if training else keep * (x + f(x)), "alone"
)
stochastic.wrong(
    lambda x, f, keep, training: as_in_the_paper(x, f, keep, True) if training else x + 0.5 * f(x), "nothing drawn"
)
stochastic.wrong(lambda x, f, keep, training: x + keep * f(x), "one and the same")
stochastic.wrong(
    lambda x, f, keep, training: x + f(x) * (torch.rand(x.shape) < keep) if training else x + keep * f(x), "none of it"
)
stochastic.wrong(
    lambda x, f, keep, training: as_in_the_paper(x, f, 1 - keep if training else keep, training), "as often"
)
stochastic.wrong(lambda x, f, keep, training: as_in_the_paper(x, f, 0.5 if training else keep, training), "about 480")
stochastic.wrong(
    lambda x, f, keep, training: x + f(x) * float(torch.rand(1) < keep) if training else x + keep * f(x), "also where"
)
