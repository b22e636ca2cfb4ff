"""Exercises of the chapter "Grouped convolutions and the channel shuffle"."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.exercises import as_tensor, close, exercise, expect, judged
from cnnlab.exercises.examples import counted


@exercise(
    "grouped/weights",
    "Weights of a grouped layer",
    cases=[(64, 64, 3, 1), (64, 64, 3, 4), (96, 256, 5, 2), (128, 256, 1, 32), (32, 32, 3, 32), (32, 64, 3, 32)],
)
def weights(in_channels: int, out_channels: int, kernel: int, groups: int) -> int:
    """Only the depth of each filter shrinks; one group is the full layer, C groups the depthwise one."""
    return out_channels * (in_channels // groups) * kernel * kernel


weights.mistake(
    "You divide both channel numbers by the groups. There are g blocks of that size, so one g is back.",
    lambda c, k, kernel, g: (c // g) * (k // g) * kernel * kernel,
)
weights.mistake(
    "That is the ungrouped layer: how many input channels does a kernel see?",
    lambda c, k, kernel, g: c * k * kernel * kernel,
)
weights.mistake(
    "You multiply by the groups. They make the layer smaller.", lambda c, k, kernel, g: c * k * kernel * kernel * g
)
weights.mistake("A kernel is kernel x kernel numbers, not kernel.", lambda c, k, kernel, g: k * (c // g) * kernel)
weights.hints(
    "There are still out_channels filters. Each of them has a kernel for every channel that it sees.",
    "It sees in_channels / groups channels, with kernel * kernel weights for each.",
)
weights.wrong(lambda c, k, kernel, g: 7)
weights.right(lambda c, k, kernel, g: torch.nn.Conv2d(c, k, kernel, groups=g, device="meta").weight.numel())


@exercise("grouped/alexnet", "The second layer of 2012")
def alexnet() -> dict[str, int]:
    """The paper says it in its own way: the second layer has 256 kernels of size 5 x 5 x 48."""
    return {"sees": 48, "grouped": 307_200, "full": 614_400}


alexnet.mistake(
    "A kernel on one GPU sees the maps of that GPU, half of the 96.",
    {"sees": 96},
    when=lambda answer: answer["sees"] != 48,
)
alexnet.mistake("You halved both sides: that is one tower's share. There are two towers.", {"grouped": 153_600})
alexnet.mistake(
    "You counted the biases too, one for each of the 256 filters; weights alone are asked for.",
    {"grouped": 307_456},
    {"full": 614_656},
)
alexnet.hints(
    "Count one filter first: 5 x 5 weights for each map that it sees. Then multiply by the filters.",
    "Grouped: 256 filters of 48 x 5 x 5 weights. In full, each would see all 96 maps.",
)
alexnet.wrong({"grouped": 12_288, "full": 24_576})


def zeros(weight: Tensor, groups: int) -> Tensor:
    return weight.new_zeros(weight.shape[0], weight.shape[1] * groups, *weight.shape[2:])


@exercise(
    "grouped/full",
    "Fill in the zeros",
    cases=[
        (counted(4, 2, 1, 1), 2),
        (counted(6, 2, 3, 3), 3),
        (counted(3, 1, 1, 1), 3),
        (counted(6, 1, 1, 1), 2),
        (counted(4, 4, 1, 1), 1),
    ],
)
def full(weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution is a full one whose other weights are zero: no new kind of operation."""
    blocks = zeros(weight, groups).unflatten(0, (groups, -1)).unflatten(2, (groups, -1))
    for g, filters in enumerate(weight.chunk(groups)):
        blocks[g, :, g] = filters
    return blocks.flatten(2, 3).flatten(0, 1)


full.mistake(
    "You repeat the weights in every block of columns. Each filter belongs to one group and has zeros elsewhere.",
    lambda weight, groups: weight.repeat(1, groups, 1, 1),
)
full.mistake(
    "All filters read the first block of channels. Those of group g must read the g-th block.",
    lambda weight, groups: torch.cat([weight, zeros(weight, groups)[:, weight.shape[1] :]], dim=1),
)
full.mistake(
    "One group must give the weight back as it is, and yours does not.",
    zeros,
    when=lambda answer: not close(answer(counted(4, 4, 1, 1), 1), counted(4, 4, 1, 1)),
)
full.hints(
    "Start from zeros of shape (K, C, height, width), and copy one block for each group.",
    "Group g has the rows from g * K // groups to (g + 1) * K // groups, and the columns from g * members, where "
    "members is weight.shape[1].",
)


@full.wrong
def anti_diagonal(weight: Tensor, groups: int) -> Tensor:
    blocks = full(weight, groups).unflatten(1, (groups, -1))
    return blocks.flip(1).flatten(1, 2)


@full.right
def by_shift(weight: Tensor, groups: int) -> Tensor:
    row, column = torch.arange(len(weight)), torch.arange(groups * weight.shape[1])
    same = (row // (len(weight) // groups))[:, None] == column // weight.shape[1]
    return weight.repeat(1, groups, 1, 1) * same[:, :, None, None]


def order(channels: int, groups: int) -> list[int]:
    """Which channel stands at each place after a shuffle."""
    return [(place % groups) * (channels // groups) + place // groups for place in range(channels)]


def power(channels: int, groups: int, modulus: int) -> int:
    """The least k, from 1 on, for which groups**k leaves a remainder of 1."""
    return next(k for k in range(1, channels + 2) if (groups**k - 1) % modulus == 0)


@exercise(
    "grouped/repeats",
    "Until the deck is back",
    cases=[(6, 2), (8, 2), (12, 3), (52, 2), (52, 4), (240, 3), (16, 4), (6, 1), (6, 6)],
)
def repeats(channels: int, groups: int) -> int:
    """Eight times for 52 cards: what card players train for years, a reshape does in one line."""
    once = order(channels, groups)
    now, count = once, 1
    while now != list(range(channels)):
        now, count = [now[place] for place in once], count + 1
    return count


repeats.mistake(
    "A second shuffle with as many groups as there were members does bring it back; going on with the same groups "
    "takes longer.",
    lambda channels, groups: 2,
)
repeats.mistake(
    "Your answer for one group is 0. That shuffle moves nothing, but do it once, then look: count from 1.",
    lambda channels, groups: repeats(channels, groups) if groups > 1 else 0,
    when=lambda answer: answer(6, 1) == 0,
)
repeats.mistake(
    "That is one short, or one too many. The first shuffle counts, and so does the last.",
    lambda channels, groups: repeats(channels, groups) + 1,
    when=lambda answer: abs(answer(52, 2) - 8) == 1,
)
repeats.mistake(
    "That is the other perfect shuffle, which moves the first card too. Here the first and the last stay.",
    lambda channels, groups: power(channels, groups, channels + 1),
    when=lambda answer: answer(52, 2) == 52,
)
repeats.hints(
    "A place is multiplied by something at each shuffle, modulo channels - 1. By what, and by what after k of them?",
    "Look for the least k, from 1 on, for which groups**k leaves a remainder of 1 modulo channels - 1.",
)
repeats.wrong(lambda channels, groups: channels // groups)
repeats.right(lambda channels, groups: power(channels, groups, channels - 1))


@exercise(
    "grouped/unshuffle",
    "Undo the shuffle",
    cases=[(counted(1, 6, 1, 1), 2), (counted(2, 12, 2, 1), 3), (counted(1, 8, 1, 2), 4), (counted(1, 5, 1, 1), 1)],
)
def unshuffle(x: Tensor, groups: int) -> Tensor:
    """A shuffle with C / g groups undoes one with g: a transpose of a transpose."""
    return x.unflatten(1, (x.shape[1] // groups, groups)).transpose(1, 2).flatten(1, 2)


unshuffle.mistake(
    "That shuffles a second time. It undoes the first one only where groups and members are equally many.",
    lambda x, groups: unshuffle(x, x.shape[1] // groups),
)
unshuffle.mistake("You cut the table and joined it again, but nothing was transposed.", lambda x, groups: x)
unshuffle.mistake(
    "Where are the images? Every axis but the second must come out as it went in.",
    lambda x, groups: unshuffle(x, groups).flatten(2),
    lambda x, groups: x.reshape(x.shape[1] // groups, groups, -1).transpose(0, 1).reshape(x.shape[1], -1),
    when=lambda answer: as_tensor(answer(counted(2, 12, 2, 1), 3)).shape != (2, 12, 2, 1),
)
unshuffle.hints(
    "The shuffle wrote the channels into rows and read columns. What table does its result come from?",
    "A table with C / groups rows and groups columns, transposed: a shuffle with C / groups groups.",
)
unshuffle.wrong(lambda x, groups: x.flip(1))
unshuffle.right(lambda x, groups: x[:, torch.tensor(order(x.shape[1], groups)).argsort()])

WIDTH = 64


def reached(design: list[int]) -> int:
    """The least number of inputs that some output sees; layers are shuffled in between by each one's own groups."""
    sets = [{c} for c in range(WIDTH)]
    for number, groups in enumerate(design):
        members = WIDTH // groups
        blocks = [set().union(*sets[g * members : (g + 1) * members]) for g in range(groups)]
        sets = [blocks[c // members] for c in range(WIDTH)]
        if number < len(design) - 1:
            sets = [sets[c] for c in order(WIDTH, groups)]
    return min(len(seen) for seen in sets)


@judged("grouped/design", "Everything to everything, cheaply")
def design(answer: object) -> None:
    """Three layers of 16 groups, or six of 32, need 768 weights, the least there is: the wiring of a fast Fourier
    transform."""
    groups = as_tensor(answer)
    expect(
        groups.dim() == 1 and len(groups) > 0 and (groups >= 1).all() and (WIDTH % groups == 0).all(),
        "Give a tuple of group numbers, one for each layer; each must divide 64.",
    )
    groups = [int(g) for g in groups]
    expect(
        reached(groups) == WIDTH,
        f"An output sees only {reached(groups)} of the 64 inputs. A layer of g groups multiplies what is seen by 64 / "
        "g at most: do your factors multiply to 64?",
    )
    cost = sum(WIDTH * (WIDTH // g) for g in groups)
    expect(
        cost < 1024,
        f"Everything reaches everything, with {cost:,} weights. Two layers of 8 groups have 1,024; go below. What do "
        "more, narrower layers cost?",
    )


design.hints(
    "With M = 64 / g channels in a group, a layer costs 64 * M weights, and n layers reach M**n inputs.",
    "Try M = 4: how many layers make 64?",
)
design.wrong((5, 8), "must divide 64")
design.wrong((6.4, 10), "must divide 64")
design.wrong((8,), "do your factors multiply")
design.wrong((64, 64, 64), "sees only 1")
design.wrong((8, 8), "go below")
design.wrong((1,), "go below")
design.right((16, 16, 16), (32,) * 6, (32, 16, 32, 32, 32))
