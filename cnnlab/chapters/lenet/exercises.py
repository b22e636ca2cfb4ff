"""Exercises of the chapter "From MLP to CNN: LeNet-5"."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cnnlab.data import load_dataset
from cnnlab.exercises import close, exercise, expect, is_linear, judged, judged_model, output
from cnnlab.exercises.examples import counted
from cnnlab.models import create_model


@exercise(
    "lenet/mlp-parameters",
    "Count an MLP",
    cases=[([3, 2],), ([784, 128, 64, 10],), ([3072, 1536, 768, 384, 128, 10],), ([5, 4, 3],)],
)
def mlp_parameters(sizes: list[int]) -> int:
    """The first layer has nearly all of them: it pays for every pixel."""
    return sum((before + 1) * after for before, after in pairwise(sizes))


mlp_parameters.mistake(
    "You count the weights and leave out the biases: one for each unit that is not an input.",
    lambda sizes: sum(a * b for a, b in pairwise(sizes)),
)
mlp_parameters.mistake("The inputs are no units: they have no biases.", lambda sizes: mlp_parameters(sizes) + sizes[0])
mlp_parameters.mistake(
    "You give each input a bias where each output needs one: (inputs + 1) x outputs.",
    lambda sizes: sum(a * (b + 1) for a, b in pairwise(sizes)),
)
mlp_parameters.hints(
    "Two neighboring sizes make one layer. How many weights does a unit of the second one have?",
    "Each layer has (inputs + 1) x outputs parameters; add over itertools.pairwise(sizes).",
)
mlp_parameters.wrong(lambda sizes: 1)
mlp_parameters.right(
    lambda sizes: sum(p.numel() for a, b in pairwise(sizes) for p in nn.Linear(a, b, device="meta").parameters())
)


def lenet_count(channels: int, side: int, c3_inputs: int = 6) -> int:
    """LeNet-5's parameters where S4 leaves side x side pixels."""
    c1, c3, c5 = 6 * (25 * channels + 1), 16 * (c3_inputs * 25 + 1), 120 * (16 * side * side + 1)
    return c1 + c3 + c5 + 84 * 121 + 10 * 85


def side_of(size: int) -> int:
    return ((size - 4) // 2 - 4) // 2


@exercise("lenet/input-size", "LeNet-5 at another size", cases=[(32, 1), (28, 1), (32, 3), (64, 3), (30, 1), (48, 2)])
def input_size(size: int, channels: int) -> int:
    """Only C1 knows the channels and only C5 the size."""
    return lenet_count(channels, side_of(size))


input_size.mistake(
    "Your count does not change with the size of the image. What does S4 leave of it for C5?",
    lambda size, channels: input_size(32, channels),
)
input_size.mistake(
    "Right for gray images. The kernels of C1 have a slice for each channel.",
    lambda size, channels: input_size(size, 1),
)
input_size.mistake(
    "Each filter of C3 reads all six maps of S2 in this book's LeNet-5.",
    lambda size, channels: lenet_count(channels, side_of(size), c3_inputs=1),
)
input_size.mistake(
    "The convolutions take four pixels each, besides the halving: 32 -> 28 -> 14 -> 10 -> 5.",
    lambda size, channels: lenet_count(channels, size // 4),
)
input_size.hints(
    "Follow the width: minus 4, halved, minus 4, halved. C5 has 16 x side x side weights for each unit.",
    "C1: 6 (25 channels + 1). C3: 2,416. C5: 120 (16 side side + 1). F6: 10,164. Output: 850.",
)
input_size.wrong(lambda size, channels: 60_000)


# Which maps of S2 each map of C3 reads: LeCun et al., 1998, table I.
READS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)


@exercise(
    "lenet/partial",
    "The paper's C3",
    cases=[(counted(2, 3, 1, 1), ((0, 2), (1,))), (counted(16, 6, 5, 5), READS)],
    untouched=True,
)
def partial(weight: Tensor, reads: tuple[tuple[int, ...], ...]) -> Tensor:
    """Of 2,400 weights 1,500 are left, and with the 16 biases there are the paper's 1,516 parameters."""
    mask = torch.zeros(weight.shape[:2], dtype=weight.dtype)
    for output_map, input_maps in enumerate(reads):
        mask[output_map, list(input_maps)] = 1
    return weight * mask[:, :, None, None]


partial.mistake(
    "That is the opposite: you keep the links that are missing.", lambda weight, reads: weight - partial(weight, reads)
)
partial.mistake(
    "The weight came back as it was. Set w[m, c] to zero for every c that is not in reads[m].",
    lambda weight, reads: weight,
)
partial.mistake(
    "You return the mask; the weights themselves should stand where it is 1.",
    lambda weight, reads: partial(torch.ones_like(weight), reads),
)
partial.hints(
    "The weight from input map c to output map m is weight[m, c], a kernel of k x k numbers.",
    "Make a mask of shape (K, C) with ones at mask[m, list(reads[m])]; multiply by mask[:, :, None, None].",
)
partial.wrong(lambda weight, reads: weight[:, list(reads[0])])


def cut(weight: Tensor, reads: tuple[tuple[int, ...], ...]) -> Tensor:
    for output_map, input_maps in enumerate(reads):
        for input_map in set(range(weight.shape[1])) - set(input_maps):
            weight[output_map, input_map] = 0
    return weight


partial.wrong(cut, "work on a copy")
partial.right(lambda weight, reads: cut(weight.clone(), reads))


@exercise(
    "lenet/shuffle",
    "Undo the shuffle",
    cases=[
        (counted(2, 3), torch.tensor([1, 2, 0])),
        (counted(3, 4), torch.tensor([2, 0, 3, 1])),
        (counted(4, 4), torch.tensor([1, 2, 3, 0])),
    ],
)
def shuffle(weight: Tensor, order: Tensor) -> Tensor:
    """Every order of the pixels is as good as any other for an MLP. A convolution has no such matrix."""
    return weight[:, order]


shuffle.mistake(
    "That is the inverse order. Pixel j now arrives at the place i with order[i] = j; which weight should stand there?",
    lambda weight, order: weight[:, order.argsort()],
)
shuffle.mistake(
    "You do not move the columns; then each weight meets another pixel than before.", lambda weight, order: weight
)
shuffle.mistake(
    "The pixels are the columns of the matrix. You reorder its rows, the units.",
    lambda weight, order: weight[order],
    lambda weight, order: weight[order] if len(order) == len(weight) else weight.flip(0),
    when=lambda answer: close(answer(*shuffle.cases[2]), counted(4, 4)[[1, 2, 3, 0]]),
)
shuffle.hints(
    "Write out one unit with three pixels: w0 x0 + w1 x1 + w2 x2 must stay the same sum.",
    "The columns move as the pixels do: index them with `order`.",
)
shuffle.wrong(lambda weight, order: weight.flip(1))
shuffle.right(lambda weight, order: weight @ torch.eye(len(order))[order].T)


def looks(net: nn.Module, side: int) -> bool:
    """Whether the scores depend on the picture."""
    a, b = output(net, torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0)))
    return bool((a - b).abs().max() > 1e-6)


def convolutions_used(net: nn.Module, x: Tensor) -> tuple[int, int]:
    """How many nn.Conv2d the network has, and how many of them are called for ``x``."""
    has = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    used: set[nn.Module] = set()
    hooks = [layer.register_forward_hook(lambda layer, *_: used.add(layer)) for layer in has]
    try:
        output(net, x)
    finally:
        for hook in hooks:
            hook.remove()
    return len(has), len(used)


def sigmoids(channels: int) -> nn.Sequential:
    """Three convolutions whose sigmoids leave little of the picture beside the biases. Right for ``lenet/small``."""
    widths = (1, channels, 2 * channels, 4 * channels)
    layers = [
        layer
        for before, after in pairwise(widths)
        for layer in (nn.Conv2d(before, after, 3), nn.Sigmoid(), nn.AvgPool2d(2))
    ]
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))


def lenet(*rest: nn.Module, side: int = 5) -> nn.Sequential:
    """LeNet-5 with ``side`` x ``side`` pixels left for the dense layers, or its convolutions with other ones."""
    dense = (nn.Linear(16 * side * side, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10))
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(rest or (nn.Flatten(), *dense)),
    )


@judged_model("lenet/small", "Half a LeNet", input_shape=(2, 1, 28, 28), output_shape=(2, 10))
def small(net: nn.Module) -> None:
    """Train it in the lab's manner with cnnlab.fit: it reads digits nearly as well as LeNet-5."""
    has, used = convolutions_used(net, torch.zeros(2, 1, 28, 28))
    expect(has >= 2, f"It has {has} nn.Conv2d; two or more are wanted.")
    expect(used >= 2, f"It has {has} nn.Conv2d, but a picture goes through {used} of them. Does forward call them all?")
    size = sum(parameter.numel() for parameter in net.parameters())
    expect(size < 20_000, f"It has {size:,} parameters. Look at the first dense layer: how many inputs has it?")
    expect(looks(net, 28), "Its scores are the same for every picture.")
    expect(
        not is_linear(net, (1, 1, 28, 28)),
        "It is linear from end to end: put a nonlinear function such as nn.ReLU() between the layers.",
    )


small.hints(
    "Two convolutions of 5 x 5 with pooling leave 4 x 4; then flatten and a small dense layer.",
    "Print the shape after each layer: run net[:n](torch.zeros(1, 1, 28, 28)) for n = 1, 2, ...",
)
small.wrong(lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), "two or more")


class SecondNeverCalled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 8, 5), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x).relu().mean((2, 3)))


small.wrong(SecondNeverCalled, "goes through 1 of them")
small.wrong(lambda: lenet(side=4), "first dense layer")
small.wrong(lambda: lenet(nn.Threshold(1e9, 0), nn.Flatten(), nn.Linear(256, 10)), "every picture")
small.wrong(
    lambda: nn.Sequential(
        *(nn.Conv2d(1, 4, 5), nn.AvgPool2d(2), nn.Conv2d(4, 8, 5), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
    ),
    "linear from end to end",
)
small.wrong(lambda: lenet(nn.Flatten(), nn.Linear(256, 11)))
small.right(lambda: lenet(nn.Flatten(), nn.Linear(256, 10)), lambda: sigmoids(2), lambda: sigmoids(4))


@cache
def ten_digits() -> Tensor:
    """Ten digits of 16 pixels in the middle of a frame of 32. Shape: (10, 1, 32, 32)."""
    digits = load_dataset("digits", size=16).test
    firsts = torch.tensor([int((digits.labels == digit).nonzero()[0]) for digit in range(10)])
    return pad(digits.images[firsts].float() / 255, (8, 8, 8, 8))


def unrest(net: nn.Module) -> float:
    """Change of the scores under shifts by four pixels, relative to the differences between digits."""
    x = ten_digits()
    still = output(net, x)
    moves = ((4, 0), (-4, 0), (0, 4), (0, -4))
    change = sum((output(net, torch.roll(x, move, dims=(2, 3))) - still).pow(2).sum(1).mean() for move in moves) / 4
    between = (still - still.mean(0)).pow(2).sum(1).mean()
    return float(change / between.clamp(min=1e-20)) ** 0.5


def mean_unrest(make: Callable[[], nn.Module]) -> float:
    """Over three random starts."""
    torch.manual_seed(0)
    return sum(unrest(make()) for _ in range(3)) / 3


def takes_other_sizes(net: nn.Module) -> bool:
    """Whether pictures of 40 pixels go through as well: then no layer has weights for each position."""
    try:
        return tuple(output(net, torch.zeros(2, 1, 40, 40)).shape) == (2, 10)
    except Exception:
        return False


@cache
def lenet_unrest() -> float:
    return mean_unrest(lambda: create_model("lenet5"))


@judged("lenet/shift", "A network that does not mind")
def shift(answer: nn.Module | Callable[[], nn.Module]) -> None:
    """What was seen, without where: global average pooling makes equivariant features invariant."""
    given = isinstance(answer, nn.Module)
    expect(given or callable(answer), "Give an nn.Module, or a function that makes one.")
    net = answer if given else answer()
    expect(
        isinstance(net, nn.Module) and tuple(output(net, torch.zeros(2, 1, 32, 32)).shape) == (2, 10),
        "It must be an nn.Module that turns (N, 1, 32, 32) into (N, 10).",
    )
    expect(looks(net, 32), "Its scores are the same for every picture: that is steady, but it reads nothing.")
    steady = (unrest(net) if given else mean_unrest(answer)) < 0.5 * lenet_unrest()
    expect(
        steady or not takes_other_sizes(net),
        "A shift still changes the scores too much, though no layer has weights for each position: the border does it. "
        "Without padding, what lies near the border is seen by fewer windows than what lies inside.",
    )
    expect(steady, "A shift still changes the scores too much. Which of your layers has weights for each position?")


shift.hints(
    "A dense layer after Flatten knows positions. What could be taken over all positions instead?",
    "Padding keeps the border; nn.AdaptiveAvgPool2d(1) before the dense layer forgets where.",
)
shift.wrong(5, "nn.Module, or a function")
shift.wrong(lambda: lenet(nn.Flatten(), nn.Linear(400, 9)), "(N, 1, 32, 32)")
shift.wrong(lambda: lenet(nn.Threshold(1e9, 0), nn.Flatten(), nn.Linear(400, 10)), "reads nothing")
shift.wrong(lenet, "Which of your layers")
shift.wrong(lambda: lenet(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)), "the border does it")


@shift.right
def averaged_over_positions() -> nn.Module:
    padded = (nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 32, 5, padding=2), nn.ReLU())
    return nn.Sequential(*padded, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
