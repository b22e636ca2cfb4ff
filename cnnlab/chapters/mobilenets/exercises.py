"""Exercises of the chapter "MobileNets"."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.chapters.mobilenets.family import FAMILY, cost
from cnnlab.exercises import as_tensor, as_whole, exercise, expect, judged, judged_model, output
from cnnlab.exercises.examples import normal

# --- two dials -------------------------------------------------------------------------------------------------------


@exercise(
    "mobilenets/dials",
    "Two dials",
    cases=[(512, 512, 14, 1, 1), (64, 128, 56, 0.5, 1), (64, 128, 56, 1, 0.5), (128, 256, 28, 0.25, 0.5)],
)
def dials(channels: int, filters: int, size: int, width: float, resolution: float) -> int:
    """Resolution is quadratic in every term; width only in the one that mixes, which is nearly all of it."""
    c, k, side = round(width * channels), round(width * filters), round(resolution * size)
    return side**2 * (9 * c + c * k)


dials.mistake(
    "The width thins what goes out as well as what comes in: K becomes alpha K.",
    lambda c, k, s, a, r: round((r * s) ** 2 * (9 * a * c + a * c * k)),
)
dials.mistake(
    "The resolution shortens both sides of the map, so it counts twice.",
    lambda c, k, s, a, r: round(r * s * s * (9 * a * c + a * a * c * k)),
)
dials.mistake(
    "The depthwise step has one kernel a channel, so the width counts once in it, not twice.",
    lambda c, k, s, a, r: round((r * s) ** 2 * a * a * (9 * c + c * k)),
)
dials.mistake(
    "The depthwise step is missing: nine multiplications a channel and place.",
    lambda c, k, s, a, r: round((r * s) ** 2 * a * a * c * k),
)
dials.mistake("That is an ordinary 3 x 3 convolution.", lambda c, k, s, a, r: round((r * s) ** 2 * 9 * a * a * c * k))
dials.hints(
    "Both steps run at each of (resolution x size) squared places. What does either multiply at one place?",
    "Depthwise: 9 for each of width x C channels. Pointwise: width x C times width x K.",
)
dials.wrong(lambda c, k, s, a, r: 7)
dials.right(lambda c, k, s, a, r: (r * s) ** 2 * (9 * a * c + a * c * a * k))

# --- what a ReLU leaves ----------------------------------------------------------------------------------------------


@exercise("mobilenets/kept", "What a ReLU leaves", cases=[(2, 2), (3, 2), (15, 2), (24, 12), (16, 16), (144, 24)])
def kept(channels: int, dimensions: int) -> float:
    """Twice as many channels as dimensions keep half of all points, six times as many practically all."""
    return sum(comb(channels, n) for n in range(dimensions, channels + 1)) / 2**channels


kept.mistake(
    "That is the share that is lost. Which points are left?",
    lambda n, d: sum(comb(n, k) for k in range(d)) / 2**n,
)
kept.mistake(
    "Exactly d channels are enough, so the sum begins at d and not above it.",
    lambda n, d: sum(comb(n, k) for k in range(d + 1, n + 1)) / 2**n,
)
kept.mistake(
    "More than d open channels do no harm: add up all numbers from d to n.",
    lambda n, d: comb(n, d) / 2**n,
)
kept.mistake("All channels need not be open; any d of them will do.", lambda n, d: 1 / 2**n)
kept.hints(
    "A channel is open with probability 1/2. How likely is it that exactly k of n are?",
    "comb(n, k) / 2 ** n, added up from k = d to n. math.comb is there for it.",
)
kept.wrong(lambda n, d: 0.5)


@kept.right
def by_toss(channels: int, dimensions: int) -> float:
    chances = [1.0]
    for _ in range(channels):
        chances = [(a + b) / 2 for a, b in zip([*chances, 0.0], [0.0, *chances])]
    return sum(chances[dimensions:])


# --- hard swish ------------------------------------------------------------------------------------------------------


@judged("mobilenets/hard-swish", "Swish without an exponential", function=True)
def hard_swish(answer: Callable[[Tensor], Tensor]) -> None:
    """`nn.Hardswish` is this function in one step; three steps read and write the map three times."""
    x = torch.linspace(-6, 6, 49)
    found = as_tensor(answer(x.clone()))
    expect(found.shape == x.shape, "Give a number for each number of x.")
    expect(
        bool((found[x > 3] - x[x > 3]).abs().max() < 1e-5),
        "Above 3 the gate is fully open: there x comes out as it is. Is the result divided by 6?",
    )
    expect(bool(found[x < -3].abs().max() < 1e-5), "Below -3 the gate is shut, and 0 comes out.")
    expect(
        bool((found - x * (x + 3).clamp(0, 6) / 6).abs().max() < 1e-5),
        "Between -3 and 3 the gate is (x + 3) / 6, and x is multiplied by it.",
    )


hard_swish.hints("The gate is relu6(x + 3) / 6, which goes from 0 to 1.", "x times that gate.")
hard_swish.wrong(lambda x: x.sum(), "a number for each")
hard_swish.wrong(lambda x: x * (x + 3).clamp(0, 6), "divided by 6")
hard_swish.wrong(lambda x: x.clone(), "the gate is shut")
hard_swish.wrong(lambda x: x.relu(), "Between -3 and 3")
hard_swish.right(
    lambda x: x * (x + 3).clamp(0, 6) / 6, nn.functional.hardswish, lambda x: x * nn.functional.hardsigmoid(x)
)

# --- a block ---------------------------------------------------------------------------------------------------------

THIN, WIDE = 16, 96


@judged_model(
    "mobilenets/block",
    "An inverted residual",
    input_shape=(2, THIN, 8, 8),
    output_shape=(2, THIN, 8, 8),
    parameters=2 * THIN * WIDE + 9 * WIDE + 2 * (2 * WIDE + THIN),
)
def block(net: nn.Module) -> None:
    """Wide inside, narrow at its ends, and nothing that could clip what the shortcut carries."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    expect(
        sorted(m.num_features for m in norms) == [THIN, WIDE, WIDE],
        "A batch norm stands behind each of the three convolutions: of 96, 96 and 16 channels.",
    )
    x = normal(2, THIN, 8, 8, seed=3).float()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(normal(*p.shape, seed=p.numel()).float() * 0.3)
        before = output(net, x.clone())
        last = next(m for m in norms if m.num_features == THIN)
        for p in last.parameters():
            p.neg_()
        after = output(net, x.clone())
        for p in last.parameters():
            p.zero_()
        still = output(net, x.clone())
    expect(
        bool((still - x).abs().max() < 1e-5),
        "With the last norm at zero the branch puts out nothing, and x should come out as it went in. Add x, with "
        "nothing behind the addition.",
    )
    expect(
        bool((before + after - 2 * x).abs().max() < 1e-3),
        "The narrow end is not linear: when the last norm changes its sign, so should the branch. Leave out the ReLU "
        "behind the last 1 x 1.",
    )
    with torch.no_grad():
        for m in norms:
            m.weight.fill_(1)
            m.bias.fill_(0)
        large = output(net, 1000 * x) - 1000 * x
    expect(
        bool(large.abs().max() < 6 * WIDE * 3),
        "What is inside grows without end. In MobileNet V2 the two other activations are nn.ReLU6.",
    )


block.hints(
    "1 x 1 from 16 to 96, 3 x 3 with groups=96 and padding=1, 1 x 1 back to 16. No biases; a norm behind each.",
    "nn.ReLU6 behind the first two norms, nothing behind the third; forward is x + self.layers(x).",
)


class Block(nn.Module):
    """The block, right or with one thing changed."""

    def __init__(
        self,
        clip: type[nn.Module] = nn.ReLU6,
        end: type[nn.Module] = nn.Identity,
        after: type[nn.Module] = nn.Identity,
        shortcut: bool = True,
        norms: bool = True,
    ) -> None:
        super().__init__()
        sizes = [(THIN, WIDE, 1, 1), (WIDE, WIDE, 3, WIDE), (WIDE, THIN, 1, 1)]
        layers: list[nn.Module] = []
        for (before, out, kernel, groups), bend in zip(sizes, (clip, clip, end)):
            layers.append(nn.Conv2d(before, out, kernel, padding=kernel // 2, groups=groups, bias=False))
            layers += [nn.BatchNorm2d(out) if norms else nn.GroupNorm(1, out), bend()]
        self.layers, self.after, self.shortcut = nn.Sequential(*layers), after(), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return self.after(y + x if self.shortcut else y)


block.wrong(lambda: Block(norms=False), "A batch norm stands behind")
block.wrong(lambda: Block(after=nn.ReLU6), "nothing behind the addition")
block.wrong(lambda: Block(shortcut=False), "Add x")
block.wrong(lambda: Block(end=nn.ReLU6), "not linear")
block.wrong(lambda: Block(clip=nn.ReLU), "grows without end")
block.right(Block)

# --- a budget --------------------------------------------------------------------------------------------------------

MOST, LEAST = 120_000_000, 66.0


@judged("mobilenets/budget", "A network for a budget")
def budget(answer: Any) -> None:
    """At most 120 million: thin and large, or wide and small. The published frontier is made of both dials."""
    keys = ("version", "width", "size")
    expect(
        isinstance(answer, dict) and set(answer) == set(keys),
        'Give a dictionary with the keys "version", "width" and "size".',
    )
    size = as_whole(answer["size"])
    try:
        width = float(as_tensor(answer["width"]))
    except (TypeError, ValueError):
        width = 0.0
    own = [m for m in FAMILY if (m.version, m.size) == (answer["version"], size) and abs(m.width - width) < 1e-6]
    expect(
        len(own) == 1,
        "Nobody published that one. The explorer has those that were: version 'v1', 'v2', 'v3 large' or 'v3 small', a "
        "width such as 0.5, and the pixels on a side.",
    )
    (member,) = own
    macs = cost(member.version, member.width, member.size)[1]
    expect(macs <= MOST, f"It takes {macs / 1e6:.0f} million multiply-accumulates; 120 million are allowed.")
    expect(
        member.accuracy >= LEAST,
        f"It has {member.accuracy:.1f} % right; 66 % or more are wanted. Try the other dial, or another version.",
    )


budget.hints(
    "Set the explorer's budget to 20 %, which is 114 million, and read which network it names.",
    "Version 3 has one that takes half of the budget.",
)
budget.wrong(["v2", 0.75, 160], "a dictionary with")
budget.wrong({"version": "v2", "width": 0.75, "size": 200}, "Nobody published")
budget.wrong({"version": "v2", "width": "thin", "size": 160}, "Nobody published")
budget.wrong({"version": "v2", "width": 1.0, "size": 224}, "120 million are allowed")
budget.wrong({"version": "v2", "width": 0.5, "size": 224}, "66 % or more")
budget.right({"version": "v2", "width": 0.75, "size": 160}, {"version": "v3 small", "width": 1, "size": 224})
