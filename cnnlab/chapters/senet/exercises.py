"""Exercises of the chapter "SENet"."""

from __future__ import annotations

from math import log2

import torch
from torch import Tensor, nn

from cnnlab.exercises import exercise, expect, judged_model, output
from cnnlab.exercises.examples import normals

FIFTY = ([3, 4, 6, 3], [256, 512, 1024, 2048])


@exercise(
    "senet/extra-weights",
    "What the gates weigh",
    cases=[(*FIFTY, 16), (*FIFTY, 2), ([3, 4, 6], [256, 512, 1024], 16), ([2, 2, 2, 2], [64, 128, 256, 512], 8)],
)
def extra_weights(blocks: list[int], channels: list[int], r: int) -> int:
    """The third case is SE-ResNet-50 without the gates of its last stage: fewer than two fifths are left."""
    return sum(n * 2 * c * c // r for n, c in zip(blocks, channels, strict=True))


extra_weights.mistake(
    "That is one of the two layers. The second one has as many weights.",
    lambda blocks, channels, r: extra_weights(blocks, channels, r) // 2,
)
extra_weights.mistake(
    "Each block has a gate of its own; you counted one for each stage.",
    lambda blocks, channels, r: extra_weights([1] * len(blocks), channels, r),
)
extra_weights.mistake(
    "That is a single dense layer in each block, from C channels to C.",
    lambda blocks, channels, r: sum(n * c * c for n, c in zip(blocks, channels, strict=True)),
)
extra_weights.mistake(
    "You divided by r twice: a layer has C / r outputs and C inputs.",
    lambda blocks, channels, r: extra_weights(blocks, channels, r * r),
)
extra_weights.mistake(
    "You counted the biases too, C / r and C of them.",
    lambda blocks, channels, r: sum(n * (2 * c * c // r + c // r + c) for n, c in zip(blocks, channels, strict=True)),
)
extra_weights.hints(
    "A gate of C channels has a layer from C to C / r and one back. Every block has a gate.",
    "Sum 2 * C * C / r over the stages, each times its number of blocks.",
)
extra_weights.wrong(lambda blocks, channels, r: 2_514_944)


@exercise("senet/by-hand", "A gate on paper", tolerance=1e-3)
def by_hand() -> dict[str, list[float]]:
    """The second channel is shut to a tenth, although its own average is the largest: others decide about it, too."""
    return {"averages": [1, 3], "hidden": [2], "gates": [0.5, 0.1]}


by_hand.mistake(
    "The first layer has a ReLU behind it, and W1 takes the first average from the second.",
    {"hidden": [-2]},
    when=lambda answer: [float(number) for number in answer["hidden"]] == [-2],
)
by_hand.mistake("Those are the sums. The squeeze takes the mean over four pixels.", {"averages": [4, 12]})
by_hand.mistake("Those are what goes into the sigmoid; it makes numbers between 0 and 1 of them.", {"gates": [0, -2.2]})
by_hand.mistake(
    "The gates need not add up to one: that would be a softmax. Each has a sigmoid to itself.", {"gates": [0.9, 0.1]}
)
by_hand.hints(
    "Averages first, one for each channel. Then W1 and the ReLU, then W2 and the sigmoid.",
    "Hidden: 3 - 1 = 2. Into the sigmoid go 0 * 2 and -1.1 * 2; sigmoid(0) is 0.5 and sigmoid(-2.2) is about 0.1.",
)
by_hand.wrong({"averages": [1, 3], "hidden": [2], "gates": [1, 1]})


def _cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    return [
        tuple(normals(1, (2, 6, 4, 4), (3, 6), (6, 3))),
        tuple(normals(2, (1, 4, 3, 5), (2, 4), (4, 2))),
    ]


def _gate(z: Tensor, W1: Tensor, W2: Tensor) -> Tensor:
    return (torch.relu(z @ W1.T) @ W2.T).sigmoid()[:, :, None, None]


@exercise("senet/squeeze-excite", "Squeeze, excite, scale", cases=_cases(), untouched=True)
def squeeze_excite(x: Tensor, W1: Tensor, W2: Tensor) -> Tensor:
    """Three lines, and they won the last contest."""
    return x * _gate(x.mean((2, 3)), W1, W2)


squeeze_excite.mistake("Those are the gates. Scale x with them.", lambda x, W1, W2: _gate(x.mean((2, 3)), W1, W2))
squeeze_excite.mistake(
    "There is no ReLU between your layers, which makes them one.",
    lambda x, W1, W2: x * (x.mean((2, 3)) @ W1.T @ W2.T).sigmoid()[:, :, None, None],
)
squeeze_excite.mistake("Your squeeze sums; the paper's averages.", lambda x, W1, W2: x * _gate(x.sum((2, 3)), W1, W2))
squeeze_excite.mistake(
    "Your squeeze takes the largest value; the paper's averages.", lambda x, W1, W2: x * _gate(x.amax((2, 3)), W1, W2)
)
squeeze_excite.mistake(
    "You average over the pictures as well. Each picture has its own gates.",
    lambda x, W1, W2: x * _gate(x.mean((0, 2, 3)).expand(len(x), -1), W1, W2),
)
squeeze_excite.mistake(
    "The sigmoid is missing.",
    lambda x, W1, W2: x * (torch.relu(x.mean((2, 3)) @ W1.T) @ W2.T)[:, :, None, None],
)
squeeze_excite.mistake(
    "Your gates add up to one; a softmax lets channels compete. Give each a sigmoid of its own.",
    lambda x, W1, W2: x * (torch.relu(x.mean((2, 3)) @ W1.T) @ W2.T).softmax(1)[:, :, None, None],
)
squeeze_excite.hints(
    "x.mean((2, 3)) has shape (N, C); a dense layer without bias is z @ W.T.",
    "The gates have shape (N, C): write [:, :, None, None] behind them before you multiply.",
)
squeeze_excite.wrong(lambda x, W1, W2: x)


@squeeze_excite.right
def as_convolutions(x: Tensor, W1: Tensor, W2: Tensor) -> Tensor:
    z = nn.functional.adaptive_avg_pool2d(x, 1)
    z = nn.functional.conv2d(z, W1[:, :, None, None]).relu()
    return x * torch.sigmoid(nn.functional.conv2d(z, W2[:, :, None, None]))


@exercise(
    "senet/fold",
    "A gate that never moves",
    cases=[tuple(normals(seed, (5,), (5,), (5,))) for seed in (3, 4)],
)
def fold(weight: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """So a gate that is the same for every picture is a batch norm with other numbers, and its weights are wasted."""
    return weight * scale, bias * scale


fold.mistake("The shift is scaled as well: s (gamma x + beta).", lambda weight, bias, scale: (weight * scale, bias))
fold.mistake("The scale is multiplied by s as well.", lambda weight, bias, scale: (weight, bias * scale))
fold.mistake("A gate multiplies; you add it.", lambda weight, bias, scale: (weight + scale, bias + scale))
fold.mistake(
    "You have the two the wrong way round: give (weight, bias).",
    lambda weight, bias, scale: (bias * scale, weight * scale),
)
fold.hints(
    "Batch norm ends with weight * x + bias; the gate multiplies all of that by scale.",
    "scale * (weight * x + bias) = (scale * weight) * x + scale * bias.",
)
fold.wrong(lambda weight, bias, scale: (weight / scale, bias / scale))


@exercise(
    "senet/eca-kernel",
    "How many neighbors",
    cases=[(64,), (128,), (256,), (512,), (1024,), (2048,), (16,)],
)
def eca_kernel(channels: int) -> int:
    """In ResNet-50 that is 86 weights in all gates; the 80 of the paper's abstract would be five in each of the 16."""
    t = int(abs((log2(channels) + 1) / 2))
    return t if t % 2 else t + 1


eca_kernel.mistake(
    "Even kernels have no middle: take the next odd number.", lambda channels: int(abs((log2(channels) + 1) / 2))
)
eca_kernel.mistake(
    "Take the next larger odd number where t is even, as the paper's code does.",
    lambda channels: (lambda t: t if t % 2 else t - 1)(int(abs((log2(channels) + 1) / 2))),
)
eca_kernel.mistake(
    "The 1 is added before the division by 2.",
    lambda channels: (lambda t: t if t % 2 else t + 1)(int(log2(channels) / 2 + 1)),
)
eca_kernel.mistake(
    "The logarithm is to the base 2.",
    lambda channels: (lambda t: t if t % 2 else t + 1)(int((log2(channels) * 0.6931471805599453 + 1) / 2)),
)
eca_kernel.hints(
    "First t, the whole part of (log2(C) + 1) / 2; then make it odd.",
    "math.log2; int(...); t if t % 2 else t + 1.",
)
eca_kernel.wrong(lambda channels: 3)


def numbers(net: nn.Module, x: Tensor) -> Tensor:
    """What each channel of x was multiplied by, pixel by pixel."""
    return output(net, x.clone()) / x


@judged_model("senet/thrifty-gate", "A gate of 200 weights", input_shape=(2, 64, 5, 5), output_shape=(2, 64, 5, 5))
def thrifty_gate(net: nn.Module) -> None:
    """A pair with r = 16 has 512 weights. Nobody has shown that a gate must know all channels of a layer."""
    count = sum(p.numel() for p in net.parameters())
    expect(count > 0, "Your gate learns nothing: it has no parameters.")
    expect(count <= 200, f"Your gate has {count} parameters; 200 are allowed.")
    x = normals(5, (2, 64, 5, 5))[0].float().abs() + 0.5
    scale = numbers(net, x)
    expect(
        torch.allclose(scale, scale[:, :, :1, :1].expand_as(scale), atol=1e-4),
        "Within a channel, all pixels are multiplied by one number. Yours differ from place to place.",
    )
    expect(
        float(scale.min()) >= -1e-4 and float(scale.max()) <= 1 + 1e-4,
        "A gate multiplies by numbers between 0 and 1. Does yours end with a sigmoid?",
    )
    expect(
        not torch.allclose(scale[0], scale[1], atol=1e-5),
        "Two pictures got the same gates. Nothing in yours looks at the picture.",
    )
    louder = x.clone()
    louder[:, 20] += 3
    moved = (numbers(net, louder) - scale).abs().amax(dim=(0, 2, 3)) > 1e-6
    expect(bool(moved.any()), "Nothing happens when channel 20 gets louder. Does your gate see its average?")
    expect(int(moved.sum()) > 1, "Each of your gates sees its own channel alone. Let it hear a neighbor.")


thrifty_gate.hints(
    "Which layer has few weights and still mixes channels? Think of a convolution along them, or of groups.",
    "nn.Conv1d(1, 1, 3, padding=1) on the averages as a row of 64 numbers, then a sigmoid.",
)


class Along(nn.Module):
    """A gate out of a layer on the averages, and how the number that comes out is used."""

    def __init__(self, layer: nn.Module, end: nn.Module | None = None, look: bool = True) -> None:
        super().__init__()
        self.layer, self.end, self.look = layer, end or nn.Sigmoid(), look

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean((2, 3)) if self.look else torch.ones_like(x[:, :, 0, 0])
        return x * self.end(self.layer(z))[:, :, None, None]


class Scaled(nn.Module):
    """One weight for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 64))

    def forward(self, z: Tensor) -> Tensor:
        return z * self.weight


def row(kernel: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2)
    return nn.Sequential(nn.Unflatten(1, (1, 64)), conv, nn.Flatten())


class EveryPixel(nn.Module):
    """A gate without its squeeze."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(64, 64, 1, groups=64)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv(x).sigmoid()


class Deaf(nn.Module):
    """Channels 0 and 1 decide about all."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(2, 64)

    def forward(self, z: Tensor) -> Tensor:
        return self.dense(z[:, :2])


thrifty_gate.wrong(Along(nn.Identity()), "has no parameters")
thrifty_gate.wrong(Along(nn.Linear(64, 64)), "4160 parameters; 200 are allowed")
thrifty_gate.wrong(EveryPixel(), "differ from place to place")
thrifty_gate.wrong(Along(row(), nn.Identity()), "between 0 and 1")
thrifty_gate.wrong(Along(row(), look=False), "Two pictures got the same gates")
thrifty_gate.wrong(Along(Deaf()), "when channel 20 gets louder")
thrifty_gate.wrong(Along(Scaled()), "sees its own channel alone")
thrifty_gate.right(Along(row()), Along(row(9)))
