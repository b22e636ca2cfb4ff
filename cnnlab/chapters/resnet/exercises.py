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


def mixed(*shape: int) -> Tensor:
    """Whole numbers that all differ and do not rise along the rows, so that the largest of four is no fixed one."""
    return counted(*shape) * 37 % 151


def padded(x: Tensor, before: int, after: int) -> Tensor:
    """Maps of zeros put before and after those of x."""
    return F.pad(x, (0, 0, 0, 0, before, after))


@exercise(
    "resnet/shortcut",
    "A shortcut without parameters",
    cases=[
        (mixed(1, 2, 4, 4), 4, 2),
        (mixed(2, 3, 5, 5), 6, 2),
        (mixed(1, 2, 3, 3), 2, 1),
        (mixed(1, 1, 4, 6), 3, 1),
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
    "Option A takes a pixel and leaves its neighbors; it neither averages them nor looks for the largest.",
    lambda x, channels, stride: padded(F.avg_pool2d(x, stride, ceil_mode=True), 0, channels - x.shape[1]),
    lambda x, channels, stride: padded(F.max_pool2d(x, stride, ceil_mode=True), 0, channels - x.shape[1]),
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
    """What a block gives when its convolutions and the shifts of its batch norms are zero."""
    with restored(net), torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                nn.init.zeros_(module.bias)
        return output(net, x.clone())


class Steps:
    """The convolutions and batch norms of a block in the order in which they are called, with what came and went.

    Attributes:
        x: what the block got.
        calls: (layer, its input, its output).
        result: what the block gave.
    """

    def __init__(self, net: nn.Module, x: Tensor) -> None:
        self.x = x
        self.calls: list[tuple[nn.Module, Tensor, Tensor]] = []
        leaves = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
        hooks = [leaf.register_forward_hook(self._note) for leaf in leaves]
        like = next(net.parameters())
        try:
            with restored(net), torch.no_grad():
                net.train()  # since a new batch norm changes nothing in evaluation mode
                self.result = net(x.to(like.device, like.dtype, copy=True)).to("cpu", x.dtype)
        finally:
            for hook in hooks:
                hook.remove()

    def _note(self, leaf: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        # Copies, since a ReLU may work in place.
        self.calls.append((leaf, *(t.detach().to("cpu", self.x.dtype, copy=True) for t in (inputs[0], out))))

    def kinds(self) -> list[str]:
        return ["convolution" if isinstance(leaf, nn.Conv2d) else "batch norm" for leaf, *_ in self.calls]


def same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, atol=1e-4, rtol=1e-4)


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
        torch.allclose(silent(net, x), x, atol=1e-4),
        "With all convolutions at zero the block should hand on a nonnegative x unchanged. Do you add x?",
    )
    expect(output(net, x.clone()).min() >= 0, "Your block puts out negative numbers: a ReLU comes after the addition.")
    expect(
        torch.allclose(silent(net, signed), F.relu(signed), atol=1e-4),
        "Your ReLU comes before the addition: the paper has g(z + a), not g(z) + a.",
    )
    steps = Steps(net, signed)
    order = " -> ".join(steps.kinds()) or "none of them"
    expect(
        steps.kinds() == 2 * ["convolution", "batch norm"],
        f"Each convolution is followed by a batch norm. Your forward calls: {order}.",
    )
    (conv1, *_), (bn1, *_), (conv2, *_), (bn2, *_) = steps.calls
    expect(conv1 is not conv2, "Your forward calls one convolution twice, and the other never.")
    expect(bn1 is not bn2, "Your forward calls one batch norm twice, and the other never.")
    (_, into_conv1, of_conv1), (_, into_bn1, of_bn1), (_, into_conv2, of_conv2), (_, into_bn2, of_bn2) = steps.calls
    for conv, into, out in ((conv1, into_conv1, of_conv1), (conv2, into_conv2, of_conv2)):
        weight = conv.weight.detach().to("cpu", out.dtype)
        expect(
            same(out, F.conv2d(into, weight, padding=1)),
            "Both convolutions are plain ones: 3 x 3, stride 1, one row of zeros around the map.",
        )
    expect(same(into_conv1, signed), "The first convolution looks at x itself.")
    expect(
        same(into_bn1, of_conv1),
        "Your first batch norm does not look at what the first convolution puts out. Its ReLU comes after it.",
    )
    expect(
        same(into_conv2, F.relu(of_bn1)),
        "Between the first batch norm and the second convolution stands a ReLU, and nothing else.",
    )
    expect(
        same(into_bn2, of_conv2),
        "Your second batch norm does not look at what the second convolution puts out. x is added after it.",
    )
    expect(same(steps.result, F.relu(of_bn2 + signed)), "After the second batch norm: add x, then one ReLU.")


block.hints(
    "Two convolutions with padding=1 and bias=False, each followed by nn.BatchNorm2d(16).",
    "forward: conv1, bn1, ReLU, conv2, bn2, then add x, then ReLU.",
)


class Block(nn.Module):
    """A block whose layers are 0: conv, 1: batch norm, 2: conv, 3: batch norm, and whose forward is as given."""

    def __init__(self, way: Callable[..., Tensor], **options: object) -> None:
        super().__init__()
        conv: dict = {"kernel_size": 3, "padding": 1, "bias": False, **options}
        self.conv1, self.conv2 = nn.Conv2d(16, 16, **conv), nn.Conv2d(16, 16, **conv)
        self.bn1, self.bn2 = nn.BatchNorm2d(16), nn.BatchNorm2d(16)
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return self.way(x, self.conv1, self.bn1, self.conv2, self.bn2)


def as_in_the_paper(x: Tensor, conv1: nn.Module, bn1: nn.Module, conv2: nn.Module, bn2: nn.Module) -> Tensor:
    return F.relu(bn2(conv2(F.relu(bn1(conv1(x))))) + x)


def in_place(x: Tensor, conv1: nn.Module, bn1: nn.Module, conv2: nn.Module, bn2: nn.Module) -> Tensor:
    z = bn2(conv2(bn1(conv1(x)).relu_()))
    z += x
    return z.relu_()


block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(F.relu(b1(c1(x))))))), "Do you add x")
block.wrong(Block(lambda x, c1, b1, c2, b2: b2(c2(F.relu(b1(c1(x))))) + x), "after the addition")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(F.relu(b1(c1(x)))))) + x), "g(z + a), not g(z) + a")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(b1(c1(x)))) + x)), "stands a ReLU, and nothing else")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(b1(c1(x)).sigmoid())) + x)), "stands a ReLU, and nothing else")
block.wrong(
    Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(F.dropout(F.relu(b1(c1(x))), 0.5))) + x)),
    "stands a ReLU, and nothing else",
)
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(b1(F.relu(c1(x))))) + x)), "Its ReLU comes after it")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(F.relu(b1(c1(x)))) + x))), "x is added after it")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(c2(F.relu(c1(x))) + x)), "convolution -> convolution.")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c1(F.relu(b1(c1(x))))) + x)), "one convolution twice")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b1(c2(F.relu(b1(c1(x))))) + x)), "one batch norm twice")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(b2(c2(F.relu(b1(c1(F.relu(x)))))) + x)), "looks at x itself")
block.wrong(Block(lambda x, c1, b1, c2, b2: F.relu(2 * b2(c2(F.relu(b1(c1(x))))) + x)), "add x, then one ReLU")
block.wrong(Block(as_in_the_paper, padding=2, dilation=2), "plain ones")
block.wrong(Block(as_in_the_paper, padding_mode="reflect"), "plain ones")
block.wrong(Block(as_in_the_paper, bias=True))
block.right(Block(as_in_the_paper), Block(in_place), Block(as_in_the_paper).double())


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
