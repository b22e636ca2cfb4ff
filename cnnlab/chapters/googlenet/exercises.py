"""Exercises of the chapter "GoogLeNet"."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.exercises import as_whole, exercise, expect, judged, judged_model, output
from cnnlab.exercises.examples import normals
from cnnlab.models.googlenet import Inception


@exercise(
    "googlenet/module-cost",
    "What a module costs",
    cases=[
        (28, 192, 64, 96, 128, 16, 32, 32),
        (28, 256, 128, 128, 192, 32, 96, 64),
        (14, 512, 128, 128, 256, 24, 64, 64),
        (7, 832, 384, 192, 384, 48, 128, 128),
    ],
)
def module_cost(
    side: int, channels: int, c1x1: int, reduce3x3: int, c3x3: int, reduce5x5: int, c5x5: int, projection: int
) -> int:
    """For 3a it is 128 million, as table 1 prints."""
    ones = channels * (c1x1 + reduce3x3 + reduce5x5 + projection)
    return side**2 * (ones + 9 * reduce3x3 * c3x3 + 25 * reduce5x5 * c5x5)


module_cost.mistake(
    "That is the naive module: its 3 x 3 and 5 x 5 read all channels, and nothing follows its pooling.",
    lambda s, c, one, r3, three, r5, five, p: s**2 * c * (one + 9 * three + 25 * five),
)
module_cost.mistake(
    "The 1 x 1 convolutions that squeeze are not free: each reads all channels that come in.",
    lambda s, c, one, r3, three, r5, five, p: s**2 * (c * (one + p) + 9 * r3 * three + 25 * r5 * five),
    lambda s, c, one, r3, three, r5, five, p: s**2 * (c * one + 9 * r3 * three + 25 * r5 * five),
)
module_cost.mistake(
    "Nearly: the fourth branch has a 1 x 1 convolution behind its pooling.",
    lambda s, c, one, r3, three, r5, five, p: module_cost(s, c, one, r3, three, r5, five, 0),
)
module_cost.mistake(
    "Those are the weights. Each of them is used at every place of the map.",
    lambda s, c, one, r3, three, r5, five, p: module_cost(1, c, one, r3, three, r5, five, p),
)
module_cost.mistake(
    "The sizes of the kernels are missing: 9 and 25 places for each pair of channels.",
    lambda s, c, one, r3, three, r5, five, p: s**2 * (c * (one + r3 + r5 + p) + r3 * three + r5 * five),
)
module_cost.hints(
    "A convolution costs places x channels in x channels out x places of its kernel. There are six of them.",
    "Four 1 x 1 read all channels; the 3 x 3 reads reduce3x3 channels and the 5 x 5 reads reduce5x5.",
)
module_cost.wrong(lambda *sizes: 128_000_000)


@exercise("googlenet/naive-channels", "Two naive modules")
def naive_channels() -> dict[str, int]:
    """It doubles and doubles, since a pooling cannot put out fewer channels than it gets."""
    return {"after 3a": 64 + 128 + 32 + 192, "after 3b": 128 + 192 + 96 + 416}


naive_channels.mistake(
    "Those are the reduced modules'. In the naive one the pooling hands on every channel that comes in.",
    {"after 3a": 256, "after 3b": 480},
    when=lambda answer: answer["after 3a"] == 256,
)
naive_channels.mistake("The first is right. What does the second module get to pool?", {"after 3b": 608})
naive_channels.mistake(
    "The first is right. Behind a naive 3a more than 256 channels come in to 3b.", {"after 3b": 128 + 192 + 96 + 256}
)
naive_channels.mistake(
    "The branches stand side by side: their channels add up, the pooled ones too.", {"after 3a": 224, "after 3b": 416}
)
naive_channels.hints(
    "Four strips are stacked. Three have the widths given; how wide is that of the pooling?",
    "64 + 128 + 32 + 192 channels leave the first, and that many come into the second.",
)
naive_channels.wrong({"after 3a": 192, "after 3b": 192})


def _outputs() -> list[tuple[Any, Tensor]]:
    main, lower, upper = (t.float() for t in normals(0, (4, 5), (4, 5), (4, 5)))
    labels = torch.tensor([0, 3, 1, 4])
    return [(main, labels), ((main, [lower, upper]), labels), ((upper, [main, 2 * lower]), labels)]


def _parts(out: Any, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The loss of the main output, and those of the heads."""
    main, heads = (out, []) if isinstance(out, Tensor) else out
    return F.cross_entropy(main, labels), [F.cross_entropy(head, labels) for head in heads]


@exercise("googlenet/objective", "A loss for both modes", cases=_outputs())
def objective(output: Any, labels: Tensor) -> Tensor:
    """That is what cnnlab.fit minimizes, with the weights that the model names."""
    main, heads = _parts(output, labels)
    return main + 0.3 * sum(heads)


objective.mistake(
    "The heads count 0.3 each, not as much as the main output.",
    lambda output, labels: (lambda main, heads: main + sum(heads))(*_parts(output, labels)),
)
objective.mistake(
    "The heads' losses are missing: in training mode they help to teach.",
    lambda output, labels: _parts(output, labels)[0],
)
objective.mistake(
    "Each head has the weight 0.3; you took their mean first.",
    lambda output, labels: (lambda main, heads: main + 0.3 * sum(heads) / max(1, len(heads)))(*_parts(output, labels)),
)
objective.mistake(
    "The main output's loss counts in full.",
    lambda output, labels: (lambda main, heads: 0.3 * (main + sum(heads)))(*_parts(output, labels)),
)
objective.hints(
    "In evaluation mode the output is a tensor, in training mode a pair: the main output and a list of two.",
    "F.cross_entropy of the main output, and 0.3 times that of each head where there are any.",
)
objective.wrong(lambda output, labels: torch.zeros(()))


@objective.right
def one_after_another(output: Any, labels: Tensor) -> Tensor:
    criterion = nn.CrossEntropyLoss()
    if isinstance(output, Tensor):
        return criterion(output, labels)
    loss = criterion(output[0], labels)
    for head in output[1]:
        loss = loss + criterion(head, labels) * 0.3
    return loss


@exercise("googlenet/squares", "Three squares", cases=[(256, 342), (342, 256), (320, 480), (256, 256)])
def squares(height: int, width: int) -> list[tuple[int, int]]:
    """The last case shows that a square picture has one square three times: its 144 crops are 48."""
    room = max(height, width) - min(height, width)
    along = (0, room // 2, room)
    return [(0, left) for left in along] if width >= height else [(top, 0) for top in along]


squares.mistake(
    "A picture that stands upright has its squares at the top, in the middle and at the bottom.",
    lambda height, width: [(0, left) for left in (0, (width - height) // 2, width - height)],
)
squares.mistake(
    "The middle square has as much room on its left as on its right: half of what is left over.",
    lambda height, width: [
        (0, 0),
        (height // 2 if height > width else 0, width // 2 if width > height else 0),
        squares(height, width)[2],
    ],
)
squares.mistake(
    "You have left and top the wrong way round: give (top, left).",
    lambda height, width: [(left, top) for top, left in squares(height, width)],
)
squares.hints(
    "The side of each square is the shorter side of the picture; it can slide along the longer one.",
    "Its last place begins at longer - shorter, the middle one at half of that.",
)
squares.wrong(lambda height, width: [(0, 0)] * 3)


WIDTHS = (16, 8, 12, 16, 4, 8, 8)  # channels that come in, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
BRANCHES = {"1 x 1": (0, 8), "3 x 3": (8, 24), "5 x 5": (24, 32), "pooling": (32, 40)}
REACHES = {"1 x 1": 0, "3 x 3": 1, "5 x 5": 2, "pooling": 1}


def reach(net: nn.Module, first: int, last: int) -> int:
    """How far from a pixel that changed any of these channels changes, in pixels; -1 if none does."""
    (x,) = normals(0, (1, 16, 9, 9))
    x = x.float()
    changed = x.clone()
    changed[:, :, 4, 4] += 10
    apart = (output(net, changed) - output(net, x)).abs()[0, first:last].amax(0) > 1e-6
    rows, columns = apart.nonzero(as_tuple=True)
    return max([*(rows - 4).abs().tolist(), *(columns - 4).abs().tolist()], default=-1)


def pixels_behind(net: nn.Module, channel: int) -> int:
    """How many pixels of the input one number of this channel hangs on, by its gradient; 0 where its ReLU is shut."""
    like = next(net.parameters())
    (x,) = normals(1, (1, 16, 9, 9))
    x = x.to(like.device, like.dtype).requires_grad_()
    value = net(x)[0, channel, 4, 4]
    if value <= 0:
        return 0
    (slope,) = torch.autograd.grad(value, x)
    return int((slope.abs().sum(1) > 0).sum())


@judged_model(
    "googlenet/module",
    "A module of your own",
    input_shape=(1, 16, 9, 9),
    output_shape=(1, 40, 9, 9),
    parameters=sum(p.numel() for p in Inception(*WIDTHS).parameters()),
)
def module(net: nn.Module) -> None:
    """Nine of these in a row, with poolings between them, are nearly all of GoogLeNet."""
    (x,) = normals(2, (4, 16, 9, 9))
    expect(output(net, x.float()).min() >= 0, "A ReLU follows each convolution, the last ones too.")
    for name, (first, last) in BRANCHES.items():
        seen = reach(net, first, last)
        expect(
            seen == REACHES[name],
            f"Channels {first} to {last - 1} should be the {name} branch's, which reaches {REACHES[name]} pixels to "
            f"each side; yours reach {'nowhere' if seen < 0 else seen}.",
        )
    behind = max(pixels_behind(net, channel) for channel in range(32, 40))
    expect(behind > 1, "Pool first, channel by channel, and mix the channels after it.")


module.hints(
    "Four branches read the same x; torch.cat(..., dim=1) stacks what they give, in the order of the table.",
    "padding=1 for the 3 x 3, padding=2 for the 5 x 5, and nn.MaxPool2d(3, stride=1, padding=1).",
)


class Four(nn.Module):
    """Four branches in some order."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def conv(before: int, after: int, kernel: int = 1, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, kernel, padding=kernel // 2), act())


def four(act: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    torch.manual_seed(0)
    return [
        conv(16, 8, act=act),
        nn.Sequential(conv(16, 12), conv(12, 16, 3, act)),
        nn.Sequential(conv(16, 4), conv(4, 8, 5, act)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(16, 8, act=act)),
    ]


_one, _three, _five, _pool = four()
module.wrong(Four(*four(nn.Identity)), "A ReLU follows each convolution")
module.wrong(Four(_three, _one, _five, _pool), "should be the 1 x 1 branch's")
module.wrong(Four(_one, _three, _five, _pool[1]), "should be the pooling branch's")
module.wrong(Four(_one, _three, _five, nn.Sequential(_pool[1], _pool[0])), "Pool first")
module.right(Four(*four()), Inception(*WIDTHS))

KEYS = ("1x1", "reduce 3x3", "3x3", "reduce 5x5", "5x5", "projection")


@judged("googlenet/budget", "Half the bill")
def budget(answer: Any) -> None:
    """You paid with the squeezes. What it costs in accuracy only training tells."""
    expect(isinstance(answer, dict) and set(answer) == set(KEYS), f"Give a dictionary with the keys {', '.join(KEYS)}.")
    widths = [as_whole(answer[name]) for name in KEYS]
    expect(None not in widths, "Every width is a whole number of 1 or more.")
    out = sum(widths[i] for i in (0, 2, 4, 5))
    expect(out == 256, f"Your module puts out {out} channels: 1x1, 3x3, 5x5 and projection must add up to 256.")
    expect(widths[2] >= 96 and widths[4] >= 32, "Keep 96 channels or more of the 3 x 3 and 32 or more of the 5 x 5.")
    cost = module_cost(28, 192, *widths) / 1e6
    expect(cost <= 64, f"Your module costs {cost:.0f} million multiply-accumulates. Which branch is the dearest?")


budget.hints("Start from 3a, and look at its bill in the explorer: where do 101 of its 128 million go?")
START = dict(zip(KEYS, (64, 96, 128, 16, 32, 32), strict=True))
budget.wrong(list(START.values()), "a dictionary with the keys")
budget.wrong(START | {"projection": 0}, "whole number of 1")
budget.wrong(START | {"1x1": 96}, "puts out 288 channels")
budget.wrong(START | {"1x1": 144, "3x3": 64, "5x5": 16}, "Keep 96 channels")
budget.wrong(START, "costs 128 million")
budget.right(START | {"1x1": 96, "reduce 3x3": 32, "3x3": 96}, START | {"reduce 3x3": 24})
