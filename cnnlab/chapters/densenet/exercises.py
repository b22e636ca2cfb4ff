"""Exercises of the chapter "DenseNet"."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.exercises import exercise, expect, judged_model, output
from cnnlab.exercises.examples import counted


@exercise(
    "densenet/channels",
    "How many reach the classifier?",
    cases=[
        *((64, 32, (6, 12, 24, 16), 0.5), (96, 48, (6, 12, 36, 24), 0.5), (16, 12, (12, 12, 12), 1.0)),
        *((24, 12, (16, 16, 16), 0.5), (10, 3, (2, 1, 4), 0.4)),
    ],
)
def channels(stem: int, growth: int, layers: tuple[int, ...], compression: float) -> int:
    """Nothing but additions, and one halving between two blocks: the plan of a dense network is bookkeeping."""
    found = stem
    for number, count in enumerate(layers):
        if number:
            found = int(compression * found)
        found += count * growth
    return found


def _compressed(stem: int, growth: int, layers: tuple[int, ...], compression: float, first: bool, last: bool) -> int:
    """With a transition before the first block, or after the last."""
    found = int(compression * stem) if first else stem
    found = channels(found, growth, layers, compression)
    return int(compression * found) if last else found


channels.mistake(
    "After the last block comes the classifier, not a transition: nothing is halved there.",
    lambda stem, growth, layers, compression: _compressed(stem, growth, layers, compression, False, True),
)
channels.mistake(
    "The first block gets all channels of the stem: transitions stand between two blocks.",
    lambda stem, growth, layers, compression: _compressed(stem, growth, layers, compression, True, False),
)
channels.mistake(
    "You compress nothing. Each transition hands on the share θ of what its block put out.",
    lambda stem, growth, layers, compression: stem + growth * sum(layers),
)
channels.mistake(
    "Your blocks begin at zero: what comes into a block is kept and leaves it again.",
    lambda stem, growth, layers, compression: growth * layers[-1],
)
channels.mistake(
    "The stem is missing from your count.",
    lambda stem, growth, layers, compression: channels(0, growth, layers, compression),
)
channels.hints(
    "Block by block: each layer adds growth channels, and between two blocks int(compression * channels) stay.",
    "DenseNet-121: 64, + 6 x 32 = 256, halved 128, + 12 x 32 = 512, halved 256, and so on.",
)
channels.wrong(lambda stem, growth, layers, compression: 1024)


@exercise("densenet/links", "Count the connections", cases=[((6, 12, 24, 16),), ((12, 12, 12),), ((5,),), ((1, 2),)])
def links(layers: tuple[int, ...]) -> int:
    """For DenseNet-121 it is 535. All 58 layers in one block would have 1,711."""
    return sum(n * (n + 1) // 2 for n in layers)


links.mistake(
    "That is one block of all layers. Across a transition no layer reads another.",
    lambda layers: sum(layers) * (sum(layers) + 1) // 2,
)
links.mistake(
    "A layer also reads what came into the block: the first reads one source, the second two.",
    lambda layers: sum(n * (n - 1) // 2 for n in layers),
)
links.mistake("No layer reads itself or a later one: not n squared.", lambda layers: sum(n * n for n in layers))
links.mistake(
    "Count no transitions and no classifier: layers alone.",
    lambda layers: sum((n + 1) * (n + 2) // 2 for n in layers),
)
links.hints(
    "How many sources has the first layer of a block, the second, the last?",
    "A block of n layers has 1 + 2 + ... + n = n (n + 1) / 2. Add up the blocks.",
)
links.wrong(lambda layers: 535)


@exercise("densenet/bottleneck", "When does a bottleneck pay?", cases=[(12,), (24,), (32,), (40,), (48,)])
def bottleneck(growth: int) -> int:
    """More than 7.2 k. In DenseNet-121's first block no layer gets there: it pays later, and there all the more."""
    # 9 C k > 4 k C + 36 k^2
    return 36 * growth // 5 + 1


bottleneck.mistake(
    "Nearly: where 5 C = 36 k is whole, both cost the same at that C. Fewer is asked for.",
    lambda growth: -(-36 * growth // 5),
)
bottleneck.mistake(
    "The 3 x 3 behind the bottleneck reads 4 k channels, not k.",
    lambda growth: 9 * growth // 5 + 1,
)
bottleneck.mistake(
    "The 1 x 1 has weights too: 4 k for each channel that comes in.",
    lambda growth: 4 * growth + 1,
)
bottleneck.mistake(
    "The answer depends on k: both layers put out k channels.",
    lambda growth: 231,
)
bottleneck.hints(
    "Without: 9 C k weights. With: 4 k C, and 9 x 4 k x k behind it. For which C is the second less?",
    "5 C k > 36 k^2, so C > 7.2 k: the next whole number above that.",
)
bottleneck.wrong(lambda growth: 7 * growth)


def _kernels(*shape: int) -> Tensor:
    return counted(*shape) * 31 % 17 - 8


@exercise(
    "densenet/sum",
    "An addition, said with a concatenation",
    cases=[(_kernels(3, 2, 1, 1),), (_kernels(2, 4, 3, 3),), (_kernels(1, 1, 1, 1),)],
)
def both(weight: Tensor) -> Tensor:
    """Whatever reads a sum can read a concatenation, with its weights said twice. Not the other way around."""
    return torch.cat([weight, weight], dim=1)


both.mistake(
    "Halves would read the mean of x and h. The sum counts each of them fully.",
    lambda weight: torch.cat([weight, weight], dim=1) / 2,
)
both.mistake(
    "That puts out twice as many maps. The channels that are read lie along dimension 1.",
    lambda weight: torch.cat([weight, weight], dim=0),
)
both.mistake(
    "That reads x and ignores h.",
    lambda weight: torch.cat([weight, torch.zeros_like(weight)], dim=1),
)
both.mistake(
    "All channels of x come first and then all of h; you took them in turn.",
    lambda weight: weight.repeat_interleave(2, dim=1),
)
both.hints(
    "Channel c of the sum is x[c] + h[c], so its weight must meet both, at c and at C + c.",
    "torch.cat of the weight with itself, along dimension 1.",
)
both.wrong(lambda weight: weight)


@exercise(
    "densenet/kept",
    "What a block keeps",
    cases=[(16, 12, 12), (16, 12, 24), (64, 32, 1), (5, 3, 4)],
)
def kept(stem: int, growth: int, layers: int) -> int:
    """Twice as many layers, and nearly four times the memory. The weights grow in the same way, the maps do not."""
    return sum(2 * (stem + j * growth) for j in range(layers))


kept.mistake(
    "Each layer keeps its input twice over: once for the batch norm and once, behind the ReLU, for the convolution.",
    lambda stem, growth, layers: sum(stem + j * growth for j in range(layers)),
)
kept.mistake(
    "That is what the maps themselves take. But each layer reads a new copy of all that came before it.",
    lambda stem, growth, layers: stem + layers * growth,
    lambda stem, growth, layers: 2 * (stem + layers * growth),
)
kept.mistake(
    "The first layer reads the stem alone: no layer reads what it puts out itself.",
    lambda stem, growth, layers: sum(2 * (stem + j * growth) for j in range(1, layers + 1)),
)
kept.hints(
    "Layer number j, counted from zero, reads stem + j growth channels. What of that is kept, and how often?",
    "Sum 2 (stem + j growth) over j = 0, 1, ..., layers - 1.",
)
kept.wrong(lambda stem, growth, layers: layers * growth)


@judged_model(
    "densenet/layer",
    "A dense layer of your own",
    input_shape=(1, 24, 8, 8),
    output_shape=(1, 36, 8, 8),
    parameters=2 * 24 + 9 * 24 * 12,
)
def layer(net: nn.Module) -> None:
    """Twelve such layers make the first block of the paper's smallest network."""
    x = torch.randn(2, 24, 8, 8, generator=torch.Generator().manual_seed(0))
    y = output(net, x.clone())
    expect(
        not torch.allclose(y[:, -24:], x, atol=1e-5),
        "Your new maps come first. What was there stays in front, and the new ones are put behind it.",
    )
    expect(torch.allclose(y[:, :24], x, atol=1e-5), "The first 24 channels that leave should be x itself, untouched.")
    conv = next((module for module in net.modules() if isinstance(module, nn.Conv2d)), None)
    norm = next((module for module in net.modules() if isinstance(module, nn.BatchNorm2d)), None)
    expect(conv is not None and norm is not None, "Use one nn.Conv2d and one nn.BatchNorm2d.")
    weight = conv.weight.detach().to("cpu", x.dtype)
    expect(weight.shape == (12, 24, 3, 3), "The convolution reads 24 channels and puts out 12, with a 3 x 3 kernel.")
    # What a batch norm does in evaluation when it is new: nothing, but for its epsilon.
    new = F.conv2d(F.relu(x), weight, padding=1)
    expect(
        torch.allclose(y[:, 24:], new, atol=1e-3, rtol=1e-3),
        "The 12 new maps are not the convolution of ReLU(batch norm(x)): the order is batch norm, ReLU, convolution.",
    )


layer.hints(
    "nn.BatchNorm2d(24), a ReLU, and nn.Conv2d(24, 12, 3, padding=1, bias=False).",
    "forward: torch.cat([x, conv(F.relu(bn(x)))], dim=1).",
)


class Layer(nn.Module):
    """A batch norm, a convolution, and a forward that is given."""

    def __init__(
        self, way: Callable[..., Tensor], inputs: int = 24, outputs: int = 12, norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.bn = norm or nn.BatchNorm2d(24)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(x, self.bn, self.conv)


layer.wrong(Layer(lambda x, bn, conv: torch.cat([conv(F.relu(bn(x))), x], dim=1)), "new maps come first")
layer.wrong(Layer(lambda x, bn, conv: torch.cat([F.relu(bn(x)), conv(F.relu(bn(x)))], dim=1)), "x itself, untouched")
layer.wrong(Layer(lambda x, bn, conv: torch.cat([x, F.relu(conv(bn(x)))], dim=1)), "batch norm, ReLU, convolution")
layer.wrong(Layer(lambda x, bn, conv: torch.cat([x, conv(bn(x))], dim=1)), "batch norm, ReLU, convolution")
layer.wrong(
    Layer(lambda x, bn, conv: torch.cat([x, conv(F.relu(bn(x)))], dim=1), norm=nn.GroupNorm(1, 24)),
    "one nn.Conv2d and one nn.BatchNorm2d",
)
layer.wrong(
    Layer(lambda x, bn, conv: torch.cat([x, conv(F.relu(bn(x))[:, :12])[:, :12]], dim=1), 12, 24),
    "reads 24 channels and puts out 12",
)
layer.right(
    Layer(lambda x, bn, conv: torch.cat([x, conv(F.relu(bn(x)))], dim=1)),
    Layer(lambda x, bn, conv: torch.cat((x, conv(bn(x).relu_())), 1)),
)
