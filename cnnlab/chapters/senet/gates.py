"""Six ways to weigh the channels of a small residual network: what the chapter and its recorded experiment train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.explain import activations

__all__ = ["KINDS", "Gate", "GatedBlock", "small_senet", "gates_of", "instead"]

# Kind -> what it looks at, in words.
KINDS = {
    "plain": "nothing: the block of a ResNet",
    "SE": "the averages of all channels, through a bottleneck pair",
    "constant": "a row of ones, through an equal pair",
    "local": "the pixel at hand, through an equal pair",
    "one layer": "the averages of all channels, through one dense layer",
    "ECA": "the averages of a channel and its two neighbors, with the same three weights for all",
}


class Gate(nn.Module):
    """Channels times numbers between 0 and 1. ``sigmoid`` puts the numbers out, so that a hook can read them.

    "SE" is the block of Hu et al. (2017). "constant" has its layers and its weights, and never sees a picture; "local"
    is the same without the average, "NoSqueeze" in section 7.1 of that paper. "one layer" is a single dense layer
    without bias, as lectures draw it (SE-Var3 of Wang et al., 2020), and "ECA" that paper's own proposal.

    Shape: (N, C, H, W) -> (N, C, H, W).

    Args:
        kind: a key of `KINDS` other than "plain".
        channels: C.
        hidden: outputs of the first of two layers.

    Attributes:
        instead: what is made of the numbers before they multiply, for trials with a trained network; None for nothing.
    """

    def __init__(self, kind: str, channels: int, hidden: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "one layer":
            layers: list[nn.Module] = [nn.Conv2d(channels, channels, kernel_size=1, bias=False)]
        elif kind == "ECA":
            layers = [_AcrossChannels()]
        else:
            layers = [nn.Conv2d(channels, hidden, kernel_size=1), nn.ReLU(), nn.Conv2d(hidden, channels, kernel_size=1)]
        self.excite = nn.Sequential(*layers)
        self.sigmoid = nn.Sigmoid()
        self.instead: Callable[[Tensor], Tensor] | None = None

    def squeeze(self, x: Tensor) -> Tensor:
        """What the layers of the gate are given. Shape: (N, C, H, W) -> (N or 1, C, 1, 1); "local": the same."""
        if self.kind == "constant":
            return x.new_ones(1, x.shape[1], 1, 1)
        return x if self.kind == "local" else x.mean(dim=(2, 3), keepdim=True)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.sigmoid(self.excite(self.squeeze(x)))
        return x * (scale if self.instead is None else self.instead(scale))


class _AcrossChannels(nn.Module):
    """Three weights slid along the channels. Shape: (N, C, 1, 1) -> (N, C, 1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel_size=3, padding=1, bias=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.conv(z.flatten(1).unsqueeze(1)).squeeze(1)[:, :, None, None]


class GatedBlock(nn.Module):
    """A basic block with a gate on its branch. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, kind: str, before: int, after: int, stride: int, reduction: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.gate = nn.Identity() if kind == "plain" else Gate(kind, after, after // reduction)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            projection = nn.Conv2d(before, after, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # (N, K, H', W')
        y = self.gate(self.bn2(self.conv2(y)))
        return F.relu(y + self.shortcut(x))


def small_senet(
    kind: str = "SE",
    *,
    width: int = 16,
    blocks: int = 2,
    reduction: int = 4,
    in_channels: int = 3,
    num_classes: int = 10,
    seed: int = 0,
) -> nn.Sequential:
    """A residual network of 6 ``blocks`` + 2 layers with one kind of gate in all of its blocks.

    A convolution of stride 2, then ``stage1``, ``stage2`` and ``stage3`` with ``width``, twice and four times as many
    channels on maps half as large each time, an average and a dense layer. Networks with one seed have the same first
    weights wherever they have the same layers, whatever their gates are.

    Shape: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        kind: a key of `KINDS`.
        width: channels of the first stage.
        blocks: in each stage.
        reduction: channels over the outputs of a gate's first layer, where it has two. 16 in the paper, whose channels
            are many more.
        seed: of the first weights. The caller's random state is left alone.

    Raises:
        ValueError: an unknown kind, or a reduction above ``width``, which leaves a gate nothing to pass on.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if not 1 <= reduction <= width:
        raise ValueError(f"reduction={reduction} is not allowed with width={width}: give a number from 1 to {width}.")
    widths = (width, 2 * width, 4 * width)
    stem = [nn.Conv2d(in_channels, width, kernel_size=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width)]
    model = nn.Sequential()
    model.add_module("stem", nn.Sequential(*stem, nn.ReLU()))
    before = width
    for number, after in enumerate(widths, 1):
        strides = [1 if number == 1 else 2] + [1] * (blocks - 1)
        stage = nn.Sequential()
        for stride in strides:
            stage.append(GatedBlock(kind, before, after, stride, reduction))
            before = after
        model.add_module(f"stage{number}", stage)
    model.add_module("average", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(before, num_classes))
    _start(model, seed)
    return model


def _start(model: nn.Module, seed: int) -> None:
    """Draw the gates' weights after all others, so that these do not depend on what the gates are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gates = {id(part) for gate in _gates(model).values() for part in gate.modules()}
        layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Conv1d | nn.Linear)]
        for layer in sorted(layers, key=lambda layer: id(layer) in gates):  # sorted keeps the order otherwise
            layer.reset_parameters()
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _gates(model: nn.Module) -> dict[str, Gate]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Gate)}


def gates_of(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each gate of a network multiplies the channels of these pictures by.

    Args:
        model: one of `small_senet`; it is asked in evaluation mode.
        x: pictures as the network reads them, (N, C, H, W).

    Returns:
        name of the block -> (N, K), the mean over the positions where a gate differs from place to place.
    """
    layers = {name.removesuffix(".gate"): f"{name}.sigmoid" for name in _gates(model)}
    found = activations(model, x, layers.values())
    return {block: found[layer].mean(dim=(2, 3)).expand(len(x), -1) for block, layer in layers.items()}


@contextmanager
def instead(model: nn.Module, change: dict[str, Callable[[Tensor], Tensor]]) -> Iterator[None]:
    """Inside, the gates of some blocks multiply by something else.

    Args:
        model: one of `small_senet`.
        change: name of a block, as in `gates_of` -> what is made of its gate's numbers, (N, K, 1, 1):
            ``torch.ones_like`` switches it off, ``lambda s: usual`` holds it at a value.

    Raises:
        ValueError: no gated block has this name.
    """
    gates = {name.removesuffix(".gate"): gate for name, gate in _gates(model).items()}
    for name in change:
        if name not in gates:
            raise unknown_name("a block of change", name, gates)
    try:
        for name, function in change.items():
            gates[name].instead = function
        yield
    finally:
        for name in change:
            gates[name].instead = None
