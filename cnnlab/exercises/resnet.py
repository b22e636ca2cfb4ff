"""Exercises of the chapter "ResNet"."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.exercises.kinds import Condition, Exercise, Hint, conditions, function, model, value


def _depth(blocks: list[int], bottleneck: bool) -> int:
    return 2 + (3 if bottleneck else 2) * sum(blocks)


def _shortcut(x: Tensor, channels: int, stride: int) -> Tensor:
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, channels - x.shape[1]))


def _shortcut_in_front(x: Tensor, channels: int, stride: int) -> Tensor:
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, channels - x.shape[1], 0))


def _shortcut_both_sides(x: Tensor, channels: int, stride: int) -> Tensor:
    new = channels - x.shape[1]
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, new // 2, new - new // 2))


def _shortcut_pooled(x: Tensor, channels: int, stride: int) -> Tensor:
    return F.pad(F.avg_pool2d(x, stride, ceil_mode=True), (0, 0, 0, 0, 0, channels - x.shape[1]))


def _pictures(n: int, c: int, h: int, w: int) -> Tensor:
    return torch.arange(1.0, n * c * h * w + 1).reshape(n, c, h, w)


def _made(answer: Any) -> nn.Module:
    """A copy of the reader's block, whether given as a module or as a class; the same weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = copy.deepcopy(answer) if isinstance(answer, nn.Module) else answer()
    return block.eval()


def _input(sign: bool = False) -> Tensor:
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    return x if sign else x.abs()


def _silenced(answer: Any) -> nn.Module:
    block = _made(answer)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
    return block


@torch.no_grad()
def _copies_when_silent(answer: Any) -> bool:
    x = _input()
    return torch.allclose(_silenced(answer)(x), x, atol=1e-5)


@torch.no_grad()
def _never_negative(answer: Any) -> bool:
    return bool(_made(answer)(_input()).min() >= 0)


@torch.no_grad()
def _adds_first(answer: Any) -> bool:
    """relu(0 + x), and not relu(0) + x."""
    x = _input(sign=True)
    return torch.allclose(_silenced(answer)(x), F.relu(x), atol=1e-5)


@torch.no_grad()
def _bends_between(answer: Any) -> bool:
    """Whether the second convolution gets nothing negative."""
    block, seen = _made(answer), []
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    block(_input())
    return len(seen) == 2 and bool(seen[1].min() >= 0)


def _quieted(answer: Any) -> nn.Module:
    from cnnlab.models import create_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_model("resnet20_cifar")
    answer(network)
    return network


def _identity_blocks(network: nn.Module) -> list[tuple[nn.Module, int]]:
    stages = ((network.stage1, 16), (network.stage2, 32), (network.stage3, 64))
    return [(block, channels) for stage, channels in stages for block in stage if block.conv1.in_channels == channels]


@torch.no_grad()
def _hands_on(answer: Any) -> bool:
    for block, channels in _identity_blocks(_quieted(answer)):
        x = torch.rand(4, channels, 8, 8, generator=torch.Generator().manual_seed(0))
        if not torch.allclose(block(x), x, atol=1e-5):
            return False
    return True


def _can_learn(answer: Any) -> bool:
    network = _quieted(answer)
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(network(x), torch.arange(8)).backward()
    return all(
        any(p.grad is not None and float(p.grad.abs().max()) > 0 for p in block.parameters() if p.requires_grad)
        for block, _ in _identity_blocks(network)
    )


def _can_learn_more_than_shifts(answer: Any) -> bool:
    """Weights, not only the shifts of the last batch norm, have a gradient."""
    network = _quieted(answer)
    x = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    F.cross_entropy(network(x), torch.arange(8)).backward()
    return all(
        any(
            p.grad is not None and float(p.grad.abs().max()) > 0
            for name, p in block.named_parameters()
            if not name.endswith("bias")
        )
        for block, _ in _identity_blocks(network)
    )


EXERCISES: tuple[Exercise, ...] = (
    function(
        "resnet/depth",
        title="Count the layers",
        reference=_depth,
        cases=(
            ([2, 2, 2, 2], False),
            ([3, 4, 6, 3], False),
            ([3, 4, 6, 3], True),
            ([3, 8, 36, 3], True),
            ([9, 9, 9], False),
            ([200, 200, 200], False),
        ),
        hints=(
            Hint(
                "Nearly: the first convolution and the dense layer have weights too.",
                if_like=lambda blocks, bottleneck: _depth(blocks, bottleneck) - 2,
            ),
            Hint(
                "Nearly: you counted one of the two layers outside the blocks.",
                if_like=lambda blocks, bottleneck: _depth(blocks, bottleneck) - 1,
            ),
            Hint(
                "Your answer is the same for both kinds of block. How many convolutions has a bottleneck?",
                if_like=lambda blocks, bottleneck: 2 + 2 * sum(blocks),
            ),
            Hint("A block has more than one layer.", if_like=lambda blocks, bottleneck: 2 + sum(blocks)),
            Hint("How many convolutions are there in one block of each kind? Batch norm does not count as a layer."),
            Hint("Two layers stand outside the blocks, and each block has two, or three in a bottleneck."),
        ),
        success="With three stages of n basic blocks this is 6n + 2.",
    ),
    value(
        "resnet/bottleneck",
        title="What the bottleneck saves",
        expected={"basic": 2 * 256 * 256 * 9, "bottleneck": 256 * 64 + 64 * 64 * 9 + 64 * 256},
        hints=(
            Hint(
                "The basic block has two convolutions; you counted one.", if_true=lambda a: a["basic"] == 256 * 256 * 9
            ),
            Hint(
                "In the bottleneck the 3 x 3 convolution works on the squeezed maps: 64 channels in and 64 out.",
                if_true=lambda a: a["bottleneck"] == 256 * 64 + 256 * 64 * 9 + 64 * 256,
            ),
            Hint(
                "You left out a 1 x 1 convolution: one squeezes, another widens again.",
                if_true=lambda a: a["bottleneck"] == 256 * 64 + 64 * 64 * 9,
            ),
            Hint(
                "Each filter has a 3 x 3 slice for every input channel, not one slice.",
                if_true=lambda a: a["basic"] == 2 * 256 * 9,
            ),
            Hint("A convolution has input channels x output channels x kernel height x kernel width weights."),
            Hint("Basic: 2 x 256 x 256 x 9. Bottleneck: 256 x 64, then 64 x 64 x 9, then 64 x 256."),
        ),
        success="The bottleneck does with 6 % of the weights, so the money goes into depth and width.",
    ),
    value(
        "resnet/order",
        title="Add first, or last?",
        expected={"g(z + a)": [2, 0, 2, 3], "g(z) + a": [3, 1, 2, 3]},
        hints=(
            Hint(
                "You have the two the wrong way round: in g(z + a) the ReLU sees the sum.",
                if_equal={"g(z + a)": [3, 1, 2, 3], "g(z) + a": [2, 0, 2, 3]},
            ),
            Hint(
                "A ReLU puts out nothing negative: 1 - 4 becomes 0.", if_true=lambda a: float(a["g(z + a)"][1]) == -3.0
            ),
            Hint("In g(z) + a the ReLU sees z alone.", if_true=lambda a: float(a["g(z) + a"][0]) == 2.0),
            Hint("Work entry by entry; g keeps what is positive and makes the rest 0."),
            Hint("First entry: g(-1 + 3) = 2, and g(-1) + 3 = 0 + 3 = 3."),
        ),
        success="The first two entries tell them apart: adding last can take nothing away.",
    ),
    function(
        "resnet/shortcut",
        title="A shortcut without parameters",
        reference=_shortcut,
        cases=(
            (_pictures(1, 2, 4, 4), 4, 2),
            (_pictures(2, 3, 5, 5), 6, 2),
            (_pictures(1, 2, 3, 3), 2, 1),
            (_pictures(1, 1, 4, 6), 3, 1),
        ),
        hints=(
            Hint(
                "The old channels come first here, and the zeros after them.",
                if_like=_shortcut_in_front,
            ),
            Hint("All the zeros go behind the old channels; you put some in front.", if_like=_shortcut_both_sides),
            Hint(
                "Option A takes a pixel and leaves its neighbors; it does not average them.", if_like=_shortcut_pooled
            ),
            Hint(
                "Your function ignores the stride.",
                if_like=lambda x, channels, stride: _shortcut(x, channels, 1),
            ),
            Hint(
                "Begin with the first row and column: x[:, :, ::stride, ::stride].",
                if_like=lambda x, channels, stride: _shortcut(x[:, :, stride - 1 :, stride - 1 :], channels, stride),
            ),
            Hint("A slice with a step takes every stride-th pixel; torch.cat or F.pad adds the channels."),
            Hint("x[:, :, ::stride, ::stride], then zeros of shape (N, channels - C, H', W') along dimension 1."),
        ),
        success="No parameters, no multiplications: the plain and the residual network stay comparable.",
    ),
    model(
        "resnet/block",
        title="A block of your own",
        input_shape=(1, 16, 8, 8),
        output_shape=(1, 16, 8, 8),
        parameters=2 * (16 * 16 * 9 + 2 * 16),
        requires=(
            Condition(
                _copies_when_silent,
                "With all convolutions at zero the block should hand on a nonnegative x unchanged. Do you add x?",
            ),
            Condition(_never_negative, "Your block puts out negative numbers: a ReLU comes after the addition."),
            Condition(_adds_first, "Your ReLU comes before the addition: the paper has g(z + a), not g(z) + a."),
            Condition(_bends_between, "There is a ReLU between the two convolutions too, after the first batch norm."),
        ),
        hints=(
            Hint("Two convolutions with padding=1 and bias=False, each followed by nn.BatchNorm2d(16)."),
            Hint("forward: conv1, bn1, ReLU, conv2, bn2, then add x, then ReLU."),
        ),
        success="That is ResNet-20's block; nine of them, a stem and a dense layer make the network.",
    ),
    conditions(
        "resnet/quiet",
        title="Begin by doing nothing",
        requires=(
            Condition(callable, "Give check() the function itself, without calling it."),
            Condition(
                _hands_on,
                "Some block still changes its input. Which one number per channel, at the end of F, makes z zero?",
            ),
            Condition(
                _can_learn,
                "Every gradient of F is zero: such a block stays the identity forever. Silence only the end of F.",
            ),
            Condition(
                _can_learn_more_than_shifts,
                "Only the shifts of the last batch norm get a gradient, and a shift looks at nothing. "
                "Silence only the end of F.",
            ),
        ),
        hints=(
            Hint("Batch norm ends with a scale per channel, called weight, which starts at 1."),
            Hint("Set bn2.weight of every block to zero."),
        ),
        success="The network starts as a shallow one and grows deep as it needs to.",
    ),
)
