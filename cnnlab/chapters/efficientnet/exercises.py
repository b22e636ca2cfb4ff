"""Exercises of the chapter "EfficientNet"."""

from __future__ import annotations

import copy
from math import ceil, floor, log

import torch
from torch import Tensor, nn

from cnnlab.exercises import exercise, expect, judged_model, output
from cnnlab.exercises.examples import normals


@exercise(
    "efficientnet/times",
    "What the knobs cost",
    cases=[(2, 1, 1), (1, 2, 1), (1, 1, 2), (1.2, 1.1, 1.15), (1.4, 1.2, 1.3), (3.1, 2.0, 600 / 224)],
    tolerance=1e-3,
)
def times(depth: float, width: float, resolution: float) -> float:
    """The fourth case is the paper's: 1.92, not 2. The last is B7, where the rule says 89 and counting 98."""
    return depth * width**2 * resolution**2


times.mistake(
    "Twice the channels are twice as many inputs for twice as many outputs: the width counts squared.",
    lambda depth, width, resolution: depth * width * resolution**2,
)
times.mistake(
    "A picture has a height and a width: the resolution counts squared.",
    lambda depth, width, resolution: depth * width**2 * resolution,
)
times.mistake(
    "A layer more is one layer more: the depth does not count squared.",
    lambda depth, width, resolution: (depth * width * resolution) ** 2,
)
times.mistake(
    "You multiplied the three as they are. Two of them count squared.",
    lambda depth, width, resolution: depth * width * resolution,
)
times.mistake(
    "The factors multiply; you added them.",
    lambda depth, width, resolution: depth + width**2 + resolution**2,
)
times.hints(
    "Take a 1 x 1 convolution: C * C * H * W for each layer. What does each knob do to it?",
    "Depth once, width squared, resolution squared.",
)
times.wrong(lambda depth, width, resolution: 2)


@exercise(
    "efficientnet/channels",
    "Round, but not too far",
    cases=[(35.2,), (17.6,), (19.2,), (11.9,), (12,), (45,), (4,), (1408.0,), (134.4,), (3,), (26.4,)],
)
def channels(wanted: float) -> int:
    """All channels of B1 to B7 come out of this: 32 x 1.1 = 35.2 becomes 32, within the tenth that is allowed."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


channels.mistake(
    "Where rounding takes more than a tenth away (11.9 becomes 8), go to the next multiple.",
    lambda wanted: max(8, int(wanted + 4) // 8 * 8),
)
channels.mistake("You always round up. 35.2 becomes 32.", lambda wanted: max(8, ceil(wanted / 8) * 8))
channels.mistake(
    "You round down. The nearest multiple is wanted, unless it takes too much away.",
    lambda wanted: max(8, floor(wanted / 8) * 8),
)
channels.mistake(
    "There are no layers without channels: give 8 at least.",
    lambda wanted: (lambda own: own if own >= 0.9 * wanted else own + 8)(int(wanted + 4) // 8 * 8) if wanted > 3 else 0,
)
channels.mistake("Give a multiple of 8.", lambda wanted: round(wanted))
channels.hints(
    "First the nearest multiple of 8, by adding 4 and cutting off; at least 8.",
    "If that is below 0.9 * wanted, add 8.",
)
channels.wrong(lambda wanted: 32)


@exercise("efficientnet/phi", "How far the budget goes", cases=[(1,), (2,), (4,), (8,), (95,), (98,), (100,), (128,)])
def phi(budget: float) -> int:
    """Twice B0's arithmetic allows 1, which takes 1.92 of it. 128 times allows 7, and not nearly 8."""
    return floor(log(budget) / log(1.2 * 1.1**2 * 1.15**2))


phi.mistake(
    "That is for a doubling at each step. A step of 1.2, 1.1 and 1.15 costs a little less.",
    lambda budget: floor(log(budget, 2) + 1e-9),
)
phi.mistake(
    "You rounded to the nearest: then the budget may not last. The largest whole number that fits.",
    lambda budget: round(log(budget) / log(1.2 * 1.1**2 * 1.15**2)),
)
phi.mistake(
    "You rounded up, which takes more than there is.",
    lambda budget: ceil(log(budget) / log(1.2 * 1.1**2 * 1.15**2)),
)
phi.mistake(
    "Width and resolution count squared.",
    lambda budget: floor(log(budget) / log(1.2 * 1.1 * 1.15)),
)
phi.hints(
    "One step costs 1.2 * 1.1**2 * 1.15**2. How many steps can be multiplied before the budget is gone?",
    "floor(log(budget) / log(1.2 * 1.1**2 * 1.15**2)).",
)
phi.wrong(lambda budget: 7)


@phi.right
def by_steps(budget: float) -> int:
    steps, spent = 0, 1.2 * 1.1**2 * 1.15**2
    while spent <= budget:
        steps, spent = steps + 1, spent * 1.2 * 1.1**2 * 1.15**2
    return steps


@exercise(
    "efficientnet/weights",
    "What an MBConv weighs",
    cases=[(24, 24, 6, 3), (24, 40, 6, 5), (192, 192, 6, 5), (16, 16, 4, 3), (80, 112, 6, 5)],
)
def weights(inputs: int, outputs: int, expansion: int, kernel: int) -> int:
    """Nearly all of it mixes channels. In the third case the 5 x 5 filters have 28,800 weights of 582,000."""
    wide = inputs * expansion
    return inputs * wide + kernel**2 * wide + 2 * wide * (inputs // 4) + wide * outputs


weights.mistake(
    "The gate is missing: two layers, between the widened channels and a quarter of the block's input.",
    lambda inputs, outputs, expansion, kernel: (
        inputs * inputs * expansion + kernel**2 * inputs * expansion + inputs * expansion * outputs
    ),
)
weights.mistake(
    "The gate's narrow side is a quarter of the block's input, not of the widened channels.",
    lambda inputs, outputs, expansion, kernel: (
        (wide := inputs * expansion) * (inputs + kernel**2 + outputs) + 2 * wide * (wide // 4)
    ),
)
weights.mistake(
    "That is one of the gate's two layers.",
    lambda inputs, outputs, expansion, kernel: (
        (wide := inputs * expansion) * (inputs + kernel**2 + outputs) + wide * (inputs // 4)
    ),
)
weights.mistake(
    "The filter in the middle is depthwise: one k x k for each channel.",
    lambda inputs, outputs, expansion, kernel: (
        (wide := inputs * expansion) * (inputs + kernel**2 * wide + outputs) + 2 * wide * (inputs // 4)
    ),
)
weights.mistake(
    "Everything inside happens in the widened channels, expansion times the block's input.",
    lambda inputs, outputs, expansion, kernel: (
        inputs * inputs * expansion + kernel**2 * inputs + 2 * inputs * (inputs // 4) + inputs * outputs
    ),
)
weights.hints(
    "Four parts: widen (1 x 1), filter (depthwise), gate (two layers), narrow (1 x 1).",
    "With W = expansion * inputs: inputs * W + k * k * W + 2 * W * (inputs // 4) + W * outputs.",
)
weights.wrong(lambda inputs, outputs, expansion, kernel: inputs * outputs * kernel**2)


def _still(net: nn.Module, x: Tensor) -> Tensor:
    """What comes out when every parameter is zero."""
    still = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in still.parameters():
            parameter.zero_()
    return output(still, x.clone())


@judged_model("efficientnet/block", "An MBConv from memory", input_shape=(2, 16, 8, 8), output_shape=(2, 16, 8, 8))
def block(net: nn.Module) -> None:
    """Widened, filtered, gated, narrowed, added: the one block of which B0 to B7 are made."""
    count = sum(p.numel() for p in net.parameters() if p.dim() > 1)
    expect(count > 0, "Your block learns nothing: it has no weights.")
    expect(
        count != 2624,
        "2,624 weights: your block has no gate. Average each widened channel, then 64 to 4 and 4 to 64.",
    )
    expect(
        count != 4672,
        "4,672 weights: your gate narrows to 16, a quarter of the widened channels; the paper's to a quarter of the "
        "block's input, 4.",
    )
    expect(
        count < 30_000,
        f"Your block has {count:,} weights. Is its 3 x 3 depthwise (groups=64)?",
    )
    expect(
        count == 3136,
        f"Your block has {count:,} weights, biases and norms left aside; 16 * 64 + 9 * 64 + 2 * 64 * 4 + 64 * 16 make "
        "3,136.",
    )
    x = normals(7, (2, 16, 8, 8))[0].float()
    still = _still(net, x)
    expect(
        not torch.allclose(still, torch.zeros_like(still), atol=1e-6),
        "With all weights at zero your block gives zeros: its input is not added.",
    )
    expect(
        bool((still < 0).any()),
        "With all weights at zero a block gives its input back. Yours loses what is negative: no activation after the "
        "addition, please.",
    )
    expect(torch.allclose(still, x, atol=1e-5), "With all weights at zero a block should give its input back.")
    louder = x.clone()
    louder[:, :, 0, 0] += 3
    moved = (output(net, louder) - output(net, x))[:, :, 5:, 5:].abs().amax()
    expect(float(moved) > 1e-7, "A change in one corner is not felt in the other. Does your gate see the whole map?")


block.hints(
    "nn.Conv2d(16, 64, 1), nn.Conv2d(64, 64, 3, padding=1, groups=64), the gate, nn.Conv2d(64, 16, 1); batch norms "
    "behind all three; SiLU behind the first two.",
    "The gate: y * up(silu(down(y.mean((2, 3), keepdim=True)))).sigmoid(), with down from 64 to 4.",
)


class Block(nn.Module):
    """The exercise's block, and what people make of it."""

    def __init__(self, *, hidden: int = 4, dense: bool = False, add: str = "plain", pooled: bool = True) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.widen = nn.Conv2d(16, 64, 1, bias=False)
            self.filter = nn.Conv2d(64, 64, 3, padding=1, groups=1 if dense else 64, bias=False)
            self.down, self.up = (nn.Conv2d(64, hidden, 1), nn.Conv2d(hidden, 64, 1)) if hidden else (None, None)
            self.narrow = nn.Conv2d(64, 16, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(64), nn.BatchNorm2d(64), nn.BatchNorm2d(16)])
        self.add, self.pooled = add, pooled

    def forward(self, x: Tensor) -> Tensor:
        silu = nn.functional.silu
        y = silu(self.norms[0](self.widen(x)))
        y = silu(self.norms[1](self.filter(y)))
        if self.down is not None:
            z = y.mean((2, 3), keepdim=True) if self.pooled else y
            y = y * self.up(silu(self.down(z))).sigmoid()
        y = self.norms[2](self.narrow(y))
        return {"none": y, "plain": x + y, "relu": (x + y).relu(), "twice": 2 * x + y}[self.add]


class Narrower(nn.Sequential):
    """Weights of another number."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(16, 32, 1), nn.Conv2d(32, 16, 1))


block.wrong(nn.Identity(), "has no weights")
block.wrong(Block(hidden=0), "your block has no gate")
block.wrong(Block(hidden=16), "your gate narrows to 16")
block.wrong(Block(dense=True), "depthwise (groups=64)")
block.wrong(Narrower(), "1,024 weights, biases and norms left aside")
block.wrong(Block(add="none"), "its input is not added")
block.wrong(Block(add="relu"), "loses what is negative")
block.wrong(Block(add="twice"), "should give its input back")
block.wrong(Block(pooled=False), "not felt in the other")
block.right(Block())
