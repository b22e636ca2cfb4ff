"""Exercises of the chapter "ResNet"."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.exercises import exercise, expect, judged, judged_model, output, restored
from cnnlab.exercises.examples import counted
from cnnlab.models import create_model


@exercise(
    "resnet/depth",
    "Count the layers",
    cases=[
        *(([2, 2, 2, 2], False), ([3, 4, 6, 3], False), ([3, 4, 6, 3], True), ([3, 8, 36, 3], True)),
        *(([9, 9, 9], False), ([200, 200, 200], False)),
    ],
)
def depth(blocks: list[int], bottleneck: bool) -> int:
    """With three stages of n basic blocks this is 6n + 2."""
    return 2 + (3 if bottleneck else 2) * sum(blocks)


depth.mistake(
    "Nearly: the first convolution and the dense layer have weights too.",
    lambda blocks, bottleneck: depth(blocks, bottleneck) - 2,
)
depth.mistake(
    "Nearly: you counted one of the two layers outside the blocks.",
    lambda blocks, bottleneck: depth(blocks, bottleneck) - 1,
)
depth.mistake(
    "Your answer is the same for both kinds of block. How many convolutions has a bottleneck?",
    lambda blocks, bottleneck: 2 + 2 * sum(blocks),
)
depth.mistake("A block has more than one layer.", lambda blocks, bottleneck: 2 + sum(blocks))
depth.hints(
    "How many convolutions are there in one block of each kind? Batch norm does not count as a layer.",
    "Two layers stand outside the blocks, and each block has two, or three in a bottleneck.",
)
depth.wrong(lambda blocks, bottleneck: 18)


@exercise("resnet/bottleneck", "What the bottleneck saves")
def bottleneck() -> dict[str, int]:
    """The bottleneck does with 6 % of the weights, so the money goes into depth and width."""
    return {"basic": 2 * 256 * 256 * 9, "bottleneck": 256 * 64 + 64 * 64 * 9 + 64 * 256}


bottleneck.mistake("The basic block has two convolutions; you counted one.", {"basic": 256 * 256 * 9})
bottleneck.mistake(
    "In the bottleneck the 3 x 3 convolution works on the squeezed maps: 64 channels in and 64 out.",
    {"bottleneck": 256 * 64 + 256 * 64 * 9 + 64 * 256},
)
bottleneck.mistake(
    "You left out a 1 x 1 convolution: one squeezes, another widens again.", {"bottleneck": 256 * 64 + 64 * 64 * 9}
)
bottleneck.mistake("Each filter has a 3 x 3 slice for every input channel, not one slice.", {"basic": 2 * 256 * 9})
bottleneck.hints(
    "A convolution has input channels x output channels x kernel height x kernel width weights.",
    "Basic: 2 x 256 x 256 x 9. Bottleneck: 256 x 64, then 64 x 64 x 9, then 64 x 256.",
)
bottleneck.wrong({"basic": 1, "bottleneck": 2})


@exercise("resnet/order", "Add first, or last?")
def order() -> dict[str, list[int]]:
    """The first two entries tell them apart: adding last can take nothing away."""
    return {"g(z + a)": [2, 0, 2, 3], "g(z) + a": [3, 1, 2, 3]}


order.mistake(
    "You have the two the wrong way round: in g(z + a) the ReLU sees the sum.",
    {"g(z + a)": [3, 1, 2, 3], "g(z) + a": [2, 0, 2, 3]},
)
order.mistake(
    "A ReLU puts out nothing negative: 1 - 4 becomes 0.",
    {"g(z + a)": [2, -3, 2, 3]},
    when=lambda answer: answer["g(z + a)"][1] == -3,
)
order.mistake(
    "In g(z) + a the ReLU sees z alone.", {"g(z) + a": [2, 0, 2, 3]}, when=lambda answer: answer["g(z) + a"][0] == 2
)
order.hints(
    "Work entry by entry; g keeps what is positive and makes the rest 0.",
    "First entry: g(-1 + 3) = 2, and g(-1) + 3 = 0 + 3 = 3.",
)
order.wrong({"g(z + a)": [0, 0, 2, 3]})


def padded(x: Tensor, before: int, after: int) -> Tensor:
    """Maps of zeros put before and after those of x."""
    return F.pad(x, (0, 0, 0, 0, before, after))


@exercise(
    "resnet/shortcut",
    "A shortcut without parameters",
    cases=[
        (counted(1, 2, 4, 4), 4, 2),
        (counted(2, 3, 5, 5), 6, 2),
        (counted(1, 2, 3, 3), 2, 1),
        (counted(1, 1, 4, 6), 3, 1),
    ],
)
def shortcut(x: Tensor, channels: int, stride: int) -> Tensor:
    """No parameters, no multiplications: the plain and the residual network stay comparable."""
    return padded(x[:, :, ::stride, ::stride], 0, channels - x.shape[1])


shortcut.mistake(
    "The old channels come first here, and the zeros after them.",
    lambda x, channels, stride: padded(x[:, :, ::stride, ::stride], channels - x.shape[1], 0),
)


@shortcut.mistake("All the zeros go behind the old channels; you put some in front.")
def on_both_sides(x: Tensor, channels: int, stride: int) -> Tensor:
    new = channels - x.shape[1]
    return padded(x[:, :, ::stride, ::stride], new // 2, new - new // 2)


shortcut.mistake(
    "Option A takes a pixel and leaves its neighbors; it does not average them.",
    lambda x, channels, stride: padded(F.avg_pool2d(x, stride, ceil_mode=True), 0, channels - x.shape[1]),
)
shortcut.mistake("Your function ignores the stride.", lambda x, channels, stride: shortcut(x, channels, 1))
shortcut.mistake(
    "Begin with the first row and column: x[:, :, ::stride, ::stride].",
    lambda x, channels, stride: shortcut(x[:, :, stride - 1 :, stride - 1 :], channels, stride),
)
shortcut.hints(
    "A slice with a step takes every stride-th pixel; torch.cat or F.pad adds the channels.",
    "x[:, :, ::stride, ::stride], then zeros of shape (N, channels - C, H', W') along dimension 1.",
)
shortcut.wrong(lambda x, channels, stride: x[:, :, ::stride, ::stride])


@shortcut.right
def by_a_convolution(x: Tensor, channels: int, stride: int) -> Tensor:
    return F.conv2d(x, torch.eye(channels, x.shape[1])[:, :, None, None], stride=stride)


def silent(net: nn.Module, x: Tensor) -> Tensor:
    """What a block gives when the weights of its convolutions are zero."""
    with restored(net):
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.weight)
        return output(net, x)


def enters_convolutions(net: nn.Module, x: Tensor) -> list[Tensor]:
    seen: list[Tensor] = []
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for conv in convolutions]
    try:
        output(net, x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@judged_model(
    "resnet/block",
    "A block of your own",
    input_shape=(1, 16, 8, 8),
    output_shape=(1, 16, 8, 8),
    parameters=2 * (16 * 16 * 9 + 2 * 16),
)
def block(net: nn.Module) -> None:
    """That is ResNet-20's block; nine of them, a stem and a dense layer make the network."""
    signed = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    x = signed.abs()
    expect(
        torch.allclose(silent(net, x), x, atol=1e-5),
        "With all convolutions at zero the block should hand on a nonnegative x unchanged. Do you add x?",
    )
    expect(output(net, x).min() >= 0, "Your block puts out negative numbers: a ReLU comes after the addition.")
    expect(
        torch.allclose(silent(net, signed), F.relu(signed), atol=1e-5),
        "Your ReLU comes before the addition: the paper has g(z + a), not g(z) + a.",
    )
    seen = enters_convolutions(net, x)
    expect(
        len(seen) == 2 and seen[1].min() >= 0,
        "There is a ReLU between the two convolutions too, after the first batch norm.",
    )


block.hints(
    "Two convolutions with padding=1 and bias=False, each followed by nn.BatchNorm2d(16).",
    "forward: conv1, bn1, ReLU, conv2, bn2, then add x, then ReLU.",
)


class Block(nn.Module):
    """A block whose last steps, and what comes between its convolutions, are as given."""

    def __init__(self, end: Callable[[Tensor, Tensor], Tensor], bend: bool = True, bias: bool = False) -> None:
        super().__init__()
        conv1, conv2 = (nn.Conv2d(16, 16, 3, padding=1, bias=bias) for _ in range(2))
        between = (nn.BatchNorm2d(16), nn.ReLU()) if bend else (nn.BatchNorm2d(16),)
        self.residual, self.end = nn.Sequential(conv1, *between, conv2, nn.BatchNorm2d(16)), end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.residual(x), x)


def add_first(z: Tensor, x: Tensor) -> Tensor:
    return F.relu(z + x)


block.wrong(Block(lambda z, x: F.relu(z)), "Do you add x")
block.wrong(Block(lambda z, x: z + x), "after the addition")
block.wrong(Block(lambda z, x: F.relu(z) + x), "g(z + a), not g(z) + a")
block.wrong(Block(add_first, bend=False), "between the two convolutions")
block.wrong(Block(add_first, bias=True))
block.right(Block(add_first))


def quieted(answer: Callable[[nn.Module], None]) -> nn.Module:
    torch.manual_seed(0)
    network = create_model("resnet20_cifar")
    answer(network)
    return network


def blocks_of(network: nn.Module) -> Iterator[nn.Module]:
    return (block for stage in (network.stage1, network.stage2, network.stage3) for block in stage)


def hands_on(block: nn.Module) -> bool:
    x = torch.rand(4, block.conv1.in_channels, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.allclose(block(x), x, atol=1e-5)


def has_gradient(block: nn.Module, but: str = "nothing") -> bool:
    return any(
        p.grad is not None and float(p.grad.abs().max()) > 0
        for name, p in block.named_parameters()
        if not name.endswith(but)
    )


@judged("resnet/quiet", "Begin by doing nothing", function=True, returns=False)
def quiet(answer: Callable[[nn.Module], None]) -> None:
    """The network starts as a shallow one and grows deep as it needs to."""
    network = quieted(answer)
    identities = [block for block in blocks_of(network) if block.conv1.in_channels == block.conv1.out_channels]
    with torch.no_grad(), restored(network):
        expect(
            all(map(hands_on, identities)),
            "Some block still changes its input. Which one number per channel, at the end of F, makes z zero?",
        )
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(network(x), torch.arange(8)).backward()
    expect(
        all(map(has_gradient, identities)),
        "Every gradient of F is zero: such a block stays the identity forever. Silence only the end of F.",
    )
    expect(
        all(has_gradient(block, but="bias") for block in identities),
        "Only the shifts of the last batch norm get a gradient, and a shift looks at nothing. Silence only the end of "
        "F.",
    )


quiet.hints(
    "Batch norm ends with a scale per channel, called weight, which starts at 1.",
    "Set bn2.weight of every block to zero.",
)


def silence(network: nn.Module, *names: str) -> None:
    """Set these parameters of every block to zero."""
    for block in blocks_of(network):
        for name in names:
            nn.init.zeros_(block.get_parameter(name))


def shrink(network: nn.Module) -> None:
    for block in blocks_of(network):
        block.bn2.weight.data.mul_(0.1)


quiet.wrong(shrink, "still changes its input")
quiet.wrong(lambda network: [nn.init.zeros_(block.bn2.weight) for block in network.stage1], "still changes its input")
quiet.wrong(
    lambda network: [p.requires_grad_(False).zero_() for b in blocks_of(network) for p in b.parameters()], "Every"
)
quiet.wrong(lambda network: silence(network, "bn1.weight", "bn2.weight"), "Only the shifts")
quiet.right(lambda network: silence(network, "bn2.weight"), lambda network: silence(network, "bn2.weight", "bn2.bias"))
