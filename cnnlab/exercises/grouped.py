"""Exercises of the chapter "Grouped convolutions and the channel shuffle"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cnnlab.exercises.kinds import Condition, Exercise, Hint, conditions, function, value


def _weights(in_channels: int, out_channels: int, kernel: int, groups: int) -> int:
    return out_channels * (in_channels // groups) * kernel * kernel


# ----- the block-diagonal weight


def _as_full(weight: Tensor, groups: int) -> Tensor:
    """Shape: (K, C / groups, height, width) -> (K, C, height, width)."""
    out_channels, members = weight.shape[:2]
    full = weight.new_zeros(out_channels, members * groups, *weight.shape[2:])
    each = out_channels // groups
    for g in range(groups):
        full[g * each : (g + 1) * each, g * members : (g + 1) * members] = weight[g * each : (g + 1) * each]
    return full


def _repeated(weight: Tensor, groups: int) -> Tensor:
    return weight.repeat(1, groups, 1, 1)


def _first_columns(weight: Tensor, groups: int) -> Tensor:
    full = weight.new_zeros(weight.shape[0], weight.shape[1] * groups, *weight.shape[2:])
    full[:, : weight.shape[1]] = weight
    return full


def _numbered(*shape: int) -> Tensor:
    count = 1
    for size in shape:
        count *= size
    return torch.arange(1.0, count + 1).reshape(shape)


# ----- shuffles


def _order(channels: int, groups: int) -> list[int]:
    members = channels // groups
    return [(place % groups) * members + place // groups for place in range(channels)]


def _repeats(channels: int, groups: int) -> int:
    order, now, count = _order(channels, groups), _order(channels, groups), 1
    while now != list(range(channels)):
        now = [now[place] for place in order]
        count += 1
    return count


def _unshuffle(x: Tensor, groups: int) -> Tensor:
    """Shape: (N, C, H, W) -> (N, C, H, W)."""
    return x.unflatten(1, (x.shape[1] // groups, groups)).transpose(1, 2).flatten(1, 2)


def _shuffle(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (groups, x.shape[1] // groups)).transpose(1, 2).flatten(1, 2)


def _not_transposed(x: Tensor, groups: int) -> Tensor:
    return x.unflatten(1, (x.shape[1] // groups, groups)).flatten(1, 2)


# ----- cheap layers that connect everything

_WIDTH = 64


def _reaches(answer: Any) -> list[int]:
    """How many inputs reach each output of layers with these groups, shuffled in between by each one's own groups."""
    sets = [{c} for c in range(_WIDTH)]
    for number, groups in enumerate(answer):
        members = _WIDTH // groups
        blocks = [set().union(*sets[g * members : (g + 1) * members]) for g in range(groups)]
        sets = [blocks[c // members] for c in range(_WIDTH)]
        if number < len(answer) - 1:
            sets = [sets[c] for c in _order(_WIDTH, groups)]
    return [len(seen) for seen in sets]


def _cost(answer: Any) -> int:
    return sum(_WIDTH * (_WIDTH // groups) for groups in answer)


def _are_divisors(answer: Any) -> bool:
    return len(answer) > 0 and all(int(g) == g and 1 <= g <= _WIDTH and _WIDTH % g == 0 for g in answer)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "grouped/weights",
        title="Weights of a grouped layer",
        reference=_weights,
        cases=((64, 64, 3, 1), (64, 64, 3, 4), (96, 256, 5, 2), (128, 256, 1, 32), (32, 32, 3, 32), (32, 64, 3, 32)),
        hints=(
            Hint(
                "You divide both channel numbers by the groups. There are g blocks of that size, so one g is back.",
                if_like=lambda c, k, kernel, g: (c // g) * (k // g) * kernel * kernel,
            ),
            Hint(
                "That is the ungrouped layer: how many input channels does a kernel see?",
                if_like=lambda c, k, kernel, g: c * k * kernel * kernel,
            ),
            Hint(
                "You multiply by the groups. They make the layer smaller.",
                if_like=lambda c, k, kernel, g: c * k * kernel * kernel * g,
            ),
            Hint(
                "A kernel is kernel x kernel numbers, not kernel.",
                if_like=lambda c, k, kernel, g: k * (c // g) * kernel,
            ),
            Hint("There are still out_channels filters. Each of them has a kernel for every channel that it sees."),
            Hint("It sees in_channels / groups channels, with kernel * kernel weights for each."),
        ),
        success="Only the depth of each filter shrinks; one group is the full layer, C groups the depthwise one.",
    ),
    value(
        "grouped/alexnet",
        title="The second layer of 2012",
        expected={"sees": 48, "grouped": 307_200, "full": 614_400},
        hints=(
            Hint(
                "A kernel on one GPU sees the maps of that GPU, half of the 96.",
                if_true=lambda answer: answer["sees"] != 48,
            ),
            Hint(
                "You halved both sides: that is one tower's share. There are two towers.",
                if_true=lambda answer: answer["grouped"] == 153_600,
            ),
            Hint(
                "You counted the biases too, one for each of the 256 filters; weights alone are asked for.",
                if_true=lambda answer: answer["grouped"] == 307_456 or answer["full"] == 614_656,
            ),
            Hint("Count one filter first: 5 x 5 weights for each map that it sees. Then multiply by the filters."),
            Hint("Grouped: 256 filters of 48 x 5 x 5 weights. In full, each would see all 96 maps."),
        ),
        success="The paper says it in its own way: the second layer has 256 kernels of size 5 x 5 x 48.",
    ),
    function(
        "grouped/full",
        title="Fill in the zeros",
        reference=_as_full,
        cases=(
            (_numbered(4, 2, 1, 1), 2),
            (_numbered(6, 2, 3, 3), 3),
            (_numbered(3, 1, 1, 1), 3),
            (_numbered(6, 1, 1, 1), 2),
            (_numbered(4, 4, 1, 1), 1),
        ),
        hints=(
            Hint(
                "You repeat the weights in every block of columns. Each filter belongs to one group and has "
                "zeros elsewhere.",
                if_like=_repeated,
            ),
            Hint(
                "All filters read the first block of channels. Those of group g must read the g-th block.",
                if_like=_first_columns,
            ),
            Hint(
                "One group must give the weight back as it is, and yours does not.",
                if_true=lambda answer: not torch.equal(answer(_numbered(4, 4, 1, 1), 1), _numbered(4, 4, 1, 1)),
            ),
            Hint("Start from zeros of shape (K, C, height, width), and copy one block for each group."),
            Hint(
                "Group g has the rows from g * K // groups to (g + 1) * K // groups, and the columns from "
                "g * members, where members is weight.shape[1]."
            ),
        ),
        success="A grouped convolution is a full one whose other weights are zero: no new kind of operation.",
    ),
    function(
        "grouped/repeats",
        title="Until the deck is back",
        reference=_repeats,
        cases=((6, 2), (8, 2), (12, 3), (52, 2), (52, 4), (240, 3), (16, 4), (6, 1), (6, 6)),
        hints=(
            Hint(
                "A second shuffle with as many groups as there were members does bring it back; going on with the same "
                "groups takes longer.",
                if_like=lambda channels, groups: 2,
            ),
            Hint(
                "Your answer for one group is 0. That shuffle moves nothing, but do it once, then look: count from 1.",
                if_true=lambda answer: answer(6, 1) == 0,
            ),
            Hint(
                "That is one short, or one too many. The first shuffle counts, and so does the last.",
                if_true=lambda answer: abs(answer(52, 2) - 8) == 1,
            ),
            Hint(
                "That is the other perfect shuffle, which moves the first card too. Here the first and the last stay.",
                if_true=lambda answer: answer(52, 2) == 52,
            ),
            Hint("Take shuffled_order and apply it to its own result until the list is 0, 1, 2, ... again."),
            Hint(
                "Or look for the least k, from 1 on, for which groups**k leaves a remainder of 1 modulo channels - 1."
            ),
        ),
        success="Eight times for 52 cards: what card players train for years, a reshape does in one line.",
    ),
    function(
        "grouped/unshuffle",
        title="Undo the shuffle",
        reference=_unshuffle,
        cases=(
            (_numbered(1, 6, 1, 1), 2),
            (_numbered(2, 12, 2, 1), 3),
            (_numbered(1, 8, 1, 2), 4),
            (_numbered(1, 5, 1, 1), 1),
        ),
        hints=(
            Hint(
                "That shuffles a second time. It undoes the first one only where groups and members are equally many.",
                if_like=_shuffle,
            ),
            Hint("You cut the table and joined it again, but nothing was transposed.", if_like=_not_transposed),
            Hint(
                "Where are the images? Every axis but the second must come out as it went in.",
                if_true=lambda answer: answer(_numbered(2, 12, 2, 1), 3).shape != (2, 12, 2, 1),
            ),
            Hint("The shuffle wrote the channels into rows and read columns. What table does its result come from?"),
            Hint("A table with C / groups rows and groups columns, transposed: a shuffle with C / groups groups."),
        ),
        success="A shuffle with C / g groups undoes one with g: a transpose of a transpose.",
    ),
    conditions(
        "grouped/design",
        title="Everything to everything, cheaply",
        requires=(
            Condition(_are_divisors, "Give a tuple of group numbers, one for each layer; each must divide 64."),
            Condition(
                lambda answer: min(_reaches(answer)) == _WIDTH,
                lambda answer: (
                    f"An output sees only {min(_reaches(answer))} of the 64 inputs. A layer of g groups multiplies "
                    "what is seen by 64 / g at most: do your factors multiply to 64?"
                ),
            ),
            Condition(
                lambda answer: _cost(answer) < 1024,
                lambda answer: (
                    f"Everything reaches everything, with {_cost(answer):,} weights. Two layers of 8 groups have "
                    "1,024; go below. What do more, narrower layers cost?"
                ),
            ),
        ),
        hints=(
            Hint("With M = 64 / g channels in a group, a layer costs 64 * M weights, and n layers reach M**n inputs."),
            Hint("Try M = 4: how many layers make 64?"),
        ),
        success="Three layers of 16 groups, or six of 32, need 768 weights, the least there is: the wiring of a fast "
        "Fourier transform.",
    ),
)
