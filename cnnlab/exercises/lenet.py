"""Exercises of the chapter "From MLP to CNN: LeNet-5"."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.exercises.kinds import Condition, Exercise, Hint, conditions, function, model

# Which maps of S2 each map of C3 reads: LeCun et al., 1998, table I.
_READS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)


def _mlp_parameters(sizes: list[int]) -> int:
    return sum((before + 1) * after for before, after in pairwise(sizes))


def _lenet_parameters(size: int, channels: int, *, side: int | None = None, c3_inputs: int = 6) -> int:
    s4 = ((size - 4) // 2 - 4) // 2 if side is None else side
    c1, c3, c5 = 6 * (25 * channels + 1), 16 * (c3_inputs * 25 + 1), 120 * (16 * s4 * s4 + 1)
    return c1 + c3 + c5 + 84 * 121 + 10 * 85


def _partial(weight: Tensor, reads: tuple[tuple[int, ...], ...]) -> Tensor:
    mask = torch.zeros(weight.shape[:2], dtype=weight.dtype)
    for output_map, input_maps in enumerate(reads):
        mask[output_map, list(input_maps)] = 1
    return weight * mask[:, :, None, None]


def _follow(weight: Tensor, order: Tensor) -> Tensor:
    return weight[:, order]


def _numbers(*shape: int) -> Tensor:
    """Numbers that all differ, none of them zero."""
    count = int(torch.tensor(shape).prod())
    return torch.arange(1, count + 1, dtype=torch.float32).reshape(shape)


def _convolutions(net: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv2d) for layer in net.modules())


def _size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def _looks(net: nn.Module, side: int) -> bool:
    """Whether the scores depend on the picture."""
    x = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a, b = net.eval()(x)
    return bool((a - b).abs().max() > 1e-6)


def _is_linear(net: nn.Module) -> bool:
    """Whether f(a) + f(b) = f(a + b) + f(0) for two pictures."""
    a, b = torch.rand(2, 1, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 4 - 2
    with torch.no_grad():
        net.eval()
        left, right = net(a) + net(b), net(a + b) + net(torch.zeros_like(a))
    return bool((left - right).abs().max() < 1e-4 * left.abs().max().clamp(min=1e-6))


def _made(answer: Any) -> Any:
    return answer if isinstance(answer, nn.Module) else answer()


def _digits() -> Tensor:
    """Ten digits of 16 pixels in the middle of a frame of 32. Shape: (10, 1, 32, 32)."""
    from torch.nn.functional import pad

    from cnnlab.data import load_dataset

    digits = load_dataset("digits", size=16).test
    firsts = torch.tensor([int((digits.labels == digit).nonzero()[0]) for digit in range(10)])
    return pad(digits.images[firsts].float() / 255, (8, 8, 8, 8))


def _unrest(net: nn.Module) -> float:
    """Change of the scores under shifts by four pixels, relative to the differences between digits."""
    x = _digits()
    with torch.no_grad():
        net.eval()
        still = net(x)
        moves = ((4, 0), (-4, 0), (0, 4), (0, -4))
        change = sum((net(torch.roll(x, move, dims=(2, 3))) - still).pow(2).sum(1).mean() for move in moves) / 4
        between = (still - still.mean(0)).pow(2).sum(1).mean()
    return float(change / between.clamp(min=1e-20)) ** 0.5


def _lenet_unrest() -> float:
    from cnnlab.models import create_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return sum(_unrest(create_model("lenet5")) for _ in range(3)) / 3


def _fresh_unrest(answer: Any) -> float:
    """Mean over three random starts, where the answer can make them."""
    if isinstance(answer, nn.Module):
        return _unrest(answer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return sum(_unrest(answer()) for _ in range(3)) / 3


def _shape_ok(answer: Any) -> bool:
    net = _made(answer)
    with torch.no_grad():
        return isinstance(net, nn.Module) and tuple(net.eval()(torch.zeros(2, 1, 32, 32)).shape) == (2, 10)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "lenet/mlp-parameters",
        title="Count an MLP",
        reference=_mlp_parameters,
        cases=(([3, 2],), ([784, 128, 64, 10],), ([3072, 1536, 768, 384, 128, 10],), ([5, 4, 3],)),
        hints=(
            Hint(
                "You count the weights and leave out the biases: one for each unit that is not an input.",
                if_like=lambda sizes: sum(a * b for a, b in pairwise(sizes)),
            ),
            Hint(
                "The inputs are no units: they have no biases.",
                if_like=lambda sizes: sum(a * b for a, b in pairwise(sizes)) + sum(sizes),
            ),
            Hint(
                "You give each input a bias where each output needs one: (inputs + 1) x outputs.",
                if_like=lambda sizes: sum(a * (b + 1) for a, b in pairwise(sizes)),
            ),
            Hint("Two neighboring sizes make one layer. How many weights does a unit of the second one have?"),
            Hint("Each layer has (inputs + 1) x outputs parameters; add over itertools.pairwise(sizes)."),
        ),
        success="The first layer has nearly all of them: it pays for every pixel.",
    ),
    function(
        "lenet/input-size",
        title="LeNet-5 at another size",
        reference=_lenet_parameters,
        cases=((32, 1), (28, 1), (32, 3), (64, 3), (30, 1), (48, 2)),
        hints=(
            Hint(
                "Your count does not change with the size of the image. What does S4 leave of it for C5?",
                if_like=lambda size, channels: _lenet_parameters(32, channels),
            ),
            Hint(
                "Right for gray images. The kernels of C1 have a slice for each channel.",
                if_like=lambda size, channels: _lenet_parameters(size, 1),
            ),
            Hint(
                "Each filter of C3 reads all six maps of S2 in this book's LeNet-5.",
                if_like=lambda size, channels: _lenet_parameters(size, channels, c3_inputs=1),
            ),
            Hint(
                "The convolutions take four pixels each, besides the halving: 32 -> 28 -> 14 -> 10 -> 5.",
                if_like=lambda size, channels: _lenet_parameters(size, channels, side=size // 4),
            ),
            Hint("Follow the width: minus 4, halved, minus 4, halved. C5 has 16 x side x side weights for each unit."),
            Hint("C1: 6 (25 channels + 1). C3: 2,416. C5: 120 (16 side side + 1). F6: 10,164. Output: 850."),
        ),
        success="Only C1 knows the channels and only C5 the size.",
    ),
    function(
        "lenet/partial",
        title="The paper's C3",
        reference=_partial,
        cases=((_numbers(2, 3, 1, 1), ((0, 2), (1,))), (_numbers(16, 6, 5, 5), _READS)),
        hints=(
            Hint(
                "That is the opposite: you keep the links that are missing.",
                if_like=lambda weight, reads: weight - _partial(weight, reads),
            ),
            Hint(
                "The weight came back as it was. Set w[m, c] to zero for every c that is not in reads[m].",
                if_like=lambda weight, reads: weight,
            ),
            Hint(
                "You return the mask; the weights themselves should stand where it is 1.",
                if_like=lambda weight, reads: _partial(torch.ones_like(weight), reads),
            ),
            Hint("The weight from input map c to output map m is weight[m, c], a kernel of k x k numbers."),
            Hint(
                "Make a mask of shape (K, C) with ones at mask[m, list(reads[m])]; multiply by mask[:, :, None, None]."
            ),
        ),
        success="Of 2,400 weights 1,500 are left, and with the 16 biases there are the paper's 1,516 parameters.",
    ),
    function(
        "lenet/shuffle",
        title="Undo the shuffle",
        reference=_follow,
        cases=(
            (_numbers(2, 3), torch.tensor([1, 2, 0])),
            (_numbers(3, 4), torch.tensor([2, 0, 3, 1])),
            (_numbers(4, 4), torch.tensor([1, 2, 3, 0])),
        ),
        hints=(
            Hint(
                "That is the inverse order. Pixel j now arrives at the place i with order[i] = j; which weight should "
                "stand there?",
                if_like=lambda weight, order: weight[:, order.argsort()],
            ),
            Hint(
                "You do not move the columns; then each weight meets another pixel than before.",
                if_like=lambda weight, order: weight,
            ),
            Hint(
                "The pixels are the columns of the matrix. You reorder its rows, the units.",
                if_true=lambda answer: bool(
                    (answer(_numbers(4, 4), torch.tensor([1, 2, 3, 0])) == _numbers(4, 4)[[1, 2, 3, 0]]).all()
                ),
            ),
            Hint("Write out one unit with three pixels: w0 x0 + w1 x1 + w2 x2 must stay the same sum."),
            Hint("The columns move as the pixels do: index them with `order`."),
        ),
        success="Every order of the pixels is as good as any other for an MLP. A convolution has no such matrix.",
    ),
    model(
        "lenet/small",
        title="Half a LeNet",
        input_shape=(2, 1, 28, 28),
        output_shape=(2, 10),
        requires=(
            Condition(
                lambda net: _convolutions(net) >= 2,
                lambda net: f"It has {_convolutions(net)} nn.Conv2d; two or more are wanted.",
            ),
            Condition(
                lambda net: _size(net) < 20_000,
                lambda net: f"It has {_size(net):,} parameters. Look at the first dense layer: how many inputs has it?",
            ),
            Condition(lambda net: _looks(net, 28), "Its scores are the same for every picture."),
            Condition(
                lambda net: not _is_linear(net),
                "It is linear from end to end: put a nonlinear function such as nn.ReLU() between the layers.",
            ),
        ),
        hints=(
            Hint("Two convolutions of 5 x 5 with pooling leave 4 x 4; then flatten and a small dense layer."),
            Hint("Print the shape after each layer: run net[:n](torch.zeros(1, 1, 28, 28)) for n = 1, 2, ..."),
        ),
        success="Train it in the lab's manner with cnnlab.fit: it reads digits nearly as well as LeNet-5.",
    ),
    conditions(
        "lenet/shift",
        title="A network that does not mind",
        requires=(
            Condition(
                lambda answer: isinstance(answer, nn.Module) or callable(answer),
                "Give an nn.Module, or a function that makes one.",
            ),
            Condition(_shape_ok, "It must be an nn.Module that turns (N, 1, 32, 32) into (N, 10)."),
            Condition(
                lambda answer: _looks(_made(answer), 32),
                "Its scores are the same for every picture: that is steady, but it reads nothing.",
            ),
            Condition(
                lambda answer: _fresh_unrest(answer) < 0.5 * _lenet_unrest(),
                "A shift still changes the scores too much. Which of your layers has weights for each position?",
            ),
        ),
        hints=(
            Hint("A dense layer after Flatten knows positions. What could be taken over all positions instead?"),
            Hint("Padding keeps the border; nn.AdaptiveAvgPool2d(1) before the dense layer forgets where."),
        ),
        success="What was seen, without where: global average pooling makes equivariant features invariant.",
    ),
)
